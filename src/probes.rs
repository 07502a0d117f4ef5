//! What the process tells kubelet and Prometheus: /healthz, /readyz and /metrics.
//!
//! Owns the judgement whether the process is live and ready. It never asks the vendor or the bucket: neither being
//! down is cured by a restart. That the event loop turns is shown by the answer itself; that the controller does is
//! reported here by the controller.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// The controller beats at least every ten seconds; this many missed beats are no longer a busy machine.
const STREAM_SILENCE_LIMIT: Duration = Duration::from_secs(180);

/// The longest visit is a synchronous stop of 35 s with a few API calls of 10 s each; one that takes ten minutes hangs.
const VISIT_LIMIT: Duration = Duration::from_secs(600);

/// What the controller reports of itself, and what kubelet is told. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    first_list: bool,
    leader_awaited: bool,
    stopping: bool,
    last_beat: Option<Instant>,
    visits: BTreeMap<u64, Instant>,
    next_visit: u64,
}

/// A visit under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Visit {
    health: Health,
    number: u64,
}

impl Health {
    /// Nothing listed yet, nothing running.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first list of jobs is complete: ready from now on.
    pub fn first_list_done(&self) {
        self.known().first_list = true;
    }

    /// There is leader election: not ready until it is known who leads.
    pub fn leader_awaited(&self) {
        self.known().leader_awaited = true;
    }

    /// It is known who leads, this process or another.
    pub fn leader_known(&self) {
        self.known().leader_awaited = false;
    }

    /// The controller's stream was polled. From the first call on it must be repeated every ten seconds.
    pub fn beat(&self) {
        self.known().last_beat = Some(Instant::now());
    }

    /// A visit begins.
    pub fn visit(&self) -> Visit {
        let mut known = self.known();
        let number = known.next_visit;
        known.next_visit += 1;
        known.visits.insert(number, Instant::now());
        drop(known);
        Visit { health: self.clone(), number }
    }

    /// The process is ending: no longer ready, but live until it is done, however long it takes.
    pub fn stopping(&self) {
        self.known().stopping = true;
    }

    /// Live, or why not.
    ///
    /// # Errors
    /// The reason in words.
    pub fn live(&self) -> Result<(), String> {
        let known = self.known();
        if known.stopping {
            return Ok(());
        }
        if let Some(silence) =
            known.last_beat.map(|beat| beat.elapsed()).filter(|it| *it > STREAM_SILENCE_LIMIT)
        {
            return Err(format!("the controller has not made progress for {} s", silence.as_secs()));
        }
        if let Some(longest) =
            known.visits.values().map(Instant::elapsed).max().filter(|it| *it > VISIT_LIMIT)
        {
            return Err(format!("a visit to a job has been running for {} s", longest.as_secs()));
        }
        Ok(())
    }

    /// Whether the first list of jobs is complete.
    pub fn has_listed(&self) -> bool {
        self.known().first_list
    }

    /// Ready, or why not.
    ///
    /// # Errors
    /// The reason in words.
    pub fn ready(&self) -> Result<(), String> {
        let known = self.known();
        if known.stopping {
            Err("the operator is ending".into())
        } else if !known.first_list {
            Err("the first list of SnapshotJobs is not complete yet; if it is refused, the log says why"
                .into())
        } else if known.leader_awaited {
            Err("the Lease of leader election could not be read or written yet; the log says why".into())
        } else {
            Ok(())
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change under this lock is a single assignment, so that a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.health.known().visits.remove(&self.number);
    }
}

/// Why an address could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {address} cannot be listened on: {source}; choose another address or a free port with :0")]
pub struct BindError {
    flag: &'static str,
    address: SocketAddr,
    source: std::io::Error,
}

/// Takes an address. `flag` is where it came from, for the error.
///
/// # Errors
/// [`BindError`] when it is taken already or not this machine's.
pub async fn bind(flag: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { flag, address, source })
}

/// The addresses that are listened on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound {
    /// Address of /metrics.
    pub metrics: SocketAddr,
    /// Address of /healthz and /readyz.
    pub health: SocketAddr,
    /// Address of the receiver of notifications, if there is one.
    pub notifications: Option<SocketAddr>,
}

impl Bound {
    /// # Errors
    /// Those of the operating system.
    pub fn of(
        metrics: &TcpListener,
        health: &TcpListener,
        notifications: Option<&TcpListener>,
    ) -> std::io::Result<Self> {
        let notifications = notifications.map(TcpListener::local_addr).transpose()?;
        Ok(Self { metrics: metrics.local_addr()?, health: health.local_addr()?, notifications })
    }

    /// Writes them in shell syntax, whole or not at all.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let unfinished = path.with_added_extension("unfinished");
        let mut text = format!("METRICS_ADDRESS={}\nHEALTH_ADDRESS={}\n", self.metrics, self.health);
        if let Some(notifications) = self.notifications {
            text.push_str(&format!("NOTIFICATIONS_ADDRESS={notifications}\n"));
        }
        std::fs::write(&unfinished, text)?;
        std::fs::rename(unfinished, path)
    }
}

/// Serves /metrics on one listener, /healthz and /readyz on the other, until `ended` becomes true.
///
/// # Errors
/// Those of the listeners.
pub async fn serve(
    for_metrics: TcpListener,
    for_health: TcpListener,
    metrics: Metrics,
    health: Health,
    ended: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let metrics = Router::new().route("/metrics", get(exposition)).with_state(metrics);
    let probes = Router::new()
        .route("/healthz", get(async |State(health): State<Health>| answer(health.live())))
        .route("/readyz", get(async |State(health): State<Health>| answer(health.ready())))
        .with_state(health);
    let metrics = axum::serve(for_metrics, metrics).with_graceful_shutdown(until(ended.clone()));
    let probes = axum::serve(for_health, probes).with_graceful_shutdown(until(ended));
    futures::future::try_join(metrics.into_future(), probes.into_future()).await.map(|_| ())
}

pub(crate) async fn until(mut ended: watch::Receiver<bool>) {
    // An error says that whoever could end it is gone, which is an end too.
    let _gone = ended.wait_for(|ended| *ended).await;
}

async fn exposition(State(metrics): State<Metrics>) -> Response {
    ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], metrics.exposition()).into_response()
}

fn answer(state: Result<(), String>) -> Response {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()).into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ready_after_the_first_list_and_not_while_ending() {
        let health = Health::new();
        assert!(health.ready().unwrap_err().contains("first list"));
        health.first_list_done();
        assert_eq!(health.ready(), Ok(()));
        health.stopping();
        assert!(health.ready().unwrap_err().contains("ending"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_is_ready_once_it_knows_of_a_leader() {
        let health = Health::new();
        health.leader_awaited();
        health.first_list_done();
        assert!(health.ready().unwrap_err().contains("Lease"));
        health.leader_known();
        assert_eq!(health.ready(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn live_while_the_controller_beats() {
        let health = Health::new();
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(
            health.live(),
            Ok(()),
            "an API server that is down at the start is not cured by a restart"
        );
        health.beat();
        tokio::time::advance(STREAM_SILENCE_LIMIT).await;
        assert_eq!(health.live(), Ok(()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(health.live().unwrap_err().contains("181 s"));
        health.beat();
        assert_eq!(health.live(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn not_live_when_one_visit_hangs_although_others_end() {
        let health = Health::new();
        let hanging = health.visit();
        tokio::time::advance(VISIT_LIMIT + Duration::from_secs(1)).await;
        drop(health.visit());
        health.beat();
        assert!(health.live().unwrap_err().contains("601 s"));
        drop(hanging);
        assert_eq!(health.live(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_ending_process_is_not_killed_for_being_slow() {
        let health = Health::new();
        health.beat();
        health.stopping();
        tokio::time::advance(STREAM_SILENCE_LIMIT * 2).await;
        assert_eq!(health.live(), Ok(()));
    }
}
