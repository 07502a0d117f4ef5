//! What the rest of the program sees of an election: whether this process may work now, and when that changes.

use tokio::sync::watch;
use tokio::time::Instant;

use super::Loss;

/// Where this process stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Nothing is known of the Lease.
    Unknown,
    /// Another leads.
    Standby,
    /// We lead until then, unless we renew.
    Leading(Instant),
    /// We led.
    Lost(Loss),
}

/// Whether this process may work. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate(Option<watch::Receiver<Standing>>);

impl Gate {
    /// Opens and shuts as the election tells.
    pub(super) fn of(standing: watch::Receiver<Standing>) -> Self {
        Self(Some(standing))
    }

    /// Without leader election: this process always may.
    pub fn open() -> Self {
        Self(None)
    }

    /// Whether this process leads at this moment. It does not after standing still for too long, even before it has
    /// noticed.
    pub fn is_open(&self) -> bool {
        match &self.0 {
            None => true,
            Some(standing) => match *standing.borrow() {
                Standing::Leading(until) => Instant::now() < until,
                Standing::Unknown | Standing::Standby | Standing::Lost(_) => false,
            },
        }
    }

    /// Waits until this process leads; for ever where it always may.
    pub async fn opened(self) {
        self.wait(|standing| matches!(standing, Standing::Leading(_))).await;
    }

    /// Waits until it is known who leads; not at all where this process always may.
    pub async fn known(self) {
        if self.0.is_some() {
            self.wait(|standing| *standing != Standing::Unknown).await;
        }
    }

    /// Waits until this process has led and may not go on.
    pub async fn lost(self) -> Loss {
        match self.wait(|standing| matches!(standing, Standing::Lost(_))).await {
            Standing::Lost(loss) => loss,
            // The wait ends with nothing else.
            Standing::Unknown | Standing::Standby | Standing::Leading(_) => std::future::pending().await,
        }
    }

    async fn wait(self, is_so: impl FnMut(&Standing) -> bool) -> Standing {
        if let Some(mut standing) = self.0
            && let Ok(standing) = standing.wait_for(is_so).await
        {
            return standing.clone();
        }
        std::future::pending().await
    }
}
