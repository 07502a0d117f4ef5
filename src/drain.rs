//! What happens before the operator is removed: nobody may be left to look after sessions that are billed.
//!
//! Owns the order: the Deployment is scaled to 0, so that no operator starts anything; then every job is withdrawn by
//! the same visits that the operator makes (`withdrawal.rs`); if an operator has come back meanwhile, both are done again;
//! if that does not come to its end, the Deployment is scaled up again (`operator.rs`). Which sessions there are, and how
//! that is told, is in `survey.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cluster::client;
use crate::cluster::deployment::OneDeployment;
use crate::cluster::requests::RequestError;
use crate::cluster::stored::StoredJob;
use crate::controller::{self, RunError};
use crate::metrics::Metrics;
use crate::reconcile::{Context, farewell};
use crate::settings::{DrainSettings, SessionsPolicy};

mod operator;
mod survey;
mod withdrawal;

use operator::Operator;
use survey::{Survey, say};
use withdrawal::Withdrawal;

/// How long the end waits for sessions that only this process can stop.
const LAST_STOPS: Duration = Duration::from_secs(45);

/// How long the end waits for events to be published.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// Why the drain could not begin; what goes wrong later is told on standard output, with what remains.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// There is no cluster, or no client for it.
    #[error(transparent)]
    Begin(#[from] RunError),
    /// The cluster refused what has to be known first.
    #[error("nothing was changed: {0}")]
    Cluster(#[from] RequestError),
}

/// Why the drain did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    /// It took too long.
    #[error("{doing} took longer than --timeout {limit:?}")]
    TimedOut { doing: String, limit: Duration },
    /// SIGTERM or SIGINT.
    #[error("{doing} was interrupted by {signal}")]
    Ended { doing: String, signal: &'static str },
    /// The cluster refused something.
    #[error(transparent)]
    Cluster(#[from] RequestError),
    /// `Refuse`, and a session began before the operator was gone.
    #[error("a session began while the operator was being ended")]
    SessionBegan,
    /// Somebody else scaled the operator up.
    #[error("somebody else scaled the operator up")]
    OperatorCameBack,
}

/// What ends a wait before its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Interruption {
    Timeout(Duration),
    Signal(&'static str),
    OperatorCameBack,
}

/// Tells everybody who waits when to stop doing so.
#[derive(Clone)]
struct Patience(watch::Receiver<Option<Interruption>>);

/// Drains. True: the operator may be removed.
///
/// # Errors
/// It could not even begin.
pub async fn run(settings: &DrainSettings) -> Result<bool, DrainError> {
    let patience = Patience::new(settings.timeout)?;
    let metrics = Metrics::new(false);
    let client = client::connect(&metrics).await.map_err(RunError::from)?;
    let context = Arc::new(controller::context(&settings.reach, client.clone(), &metrics, true)?);
    let namespaces = &settings.reach.watch_namespaces;

    let Some(jobs) = context.jobs.list(namespaces).await? else {
        say("This cluster knows no SnapshotJobs: nothing to do.");
        return Ok(true);
    };
    let survey = Survey::of(&jobs);
    match settings.sessions {
        SessionsPolicy::Leave => {
            survey.say_left();
            return Ok(true);
        }
        SessionsPolicy::Refuse if survey.live() > 0 => {
            survey.say_refused();
            return Ok(false);
        }
        SessionsPolicy::Refuse | SessionsPolicy::Stop => {}
    }

    let deployment = OneDeployment::new(client, &context.operator_namespace, &settings.deployment);
    deployment.find().await?;
    let mut operator = Operator::new(deployment);
    let result = drain(settings, &context, &mut operator, &patience).await;
    farewell::before_the_end(&context, LAST_STOPS).await;
    let drained = match result {
        Ok(withdrawn) => {
            say(&format!("Drained: {withdrawn} SnapshotJobs are without session and without finalizer."));
            true
        }
        Err(unfinished) => {
            say(&format!("Not drained: {unfinished}."));
            tell_what_remains(&context, namespaces, &jobs).await;
            operator.begin_again().await;
            false
        }
    };
    context.events.flush(LAST_EVENTS).await;
    Ok(drained)
}

/// Ends the operator and withdraws every job, until both hold at the same time; returns how many jobs there were.
async fn drain(
    settings: &DrainSettings,
    context: &Arc<Context>,
    operator: &mut Operator,
    patience: &Patience,
) -> Result<usize, Unfinished> {
    let mut withdrawn = BTreeSet::new();
    loop {
        let result = async {
            let watched = operator.end(patience).await?;
            withdraw(settings, context, &watched, &mut withdrawn).await?;
            Ok(operator.stayed_away().await?)
        };
        match result.await {
            Ok(true) => return Ok(withdrawn.len()),
            Ok(false) | Err(Unfinished::OperatorCameBack) => {
                patience.check("ending the operator")?;
                say(
                    "Somebody else changed the Deployment meanwhile, or brought an operator back: once more.",
                );
            }
            Err(unfinished) => return Err(unfinished),
        }
    }
}

/// Ends every session and takes every finalizer away; notes from which jobs.
async fn withdraw(
    settings: &DrainSettings,
    context: &Arc<Context>,
    patience: &Patience,
    withdrawn: &mut BTreeSet<String>,
) -> Result<(), Unfinished> {
    let list = || context.jobs.list(&settings.reach.watch_namespaces);
    let mut jobs = list().await?.unwrap_or_default();
    if settings.sessions == SessionsPolicy::Refuse && Survey::of(&jobs).live() > 0 {
        return Err(Unfinished::SessionBegan);
    }
    withdrawn.extend(jobs.iter().map(StoredJob::full_name));
    let withdrawal = Withdrawal::new(context.clone(), patience.clone());
    // Whoever comes to be meanwhile has nothing running.
    while !jobs.is_empty() {
        withdrawal.each(jobs).await;
        patience.check("ending the sessions")?;
        jobs = list().await?.unwrap_or_default();
        jobs.retain(|job| !withdrawal::is_withdrawn(job));
    }
    Ok(())
}

/// Lists what still runs; what was known before, if the cluster does not tell.
async fn tell_what_remains(context: &Context, namespaces: &[String], before: &[StoredJob]) {
    let remaining = match context.jobs.list(namespaces).await {
        Ok(now) => Survey::of(&now.unwrap_or_default()),
        Err(error) => {
            say(&format!("What remains cannot be told ({error}); at the beginning it was:"));
            Survey::of(before)
        }
    };
    remaining.say_remaining();
    if remaining.live() > 0 {
        say(
            "Mend what is in the way and try again. A job that is deleted is let go within a bound, and its session is \
             reported; --sessions Leave leaves all as it is.",
        );
    }
}

impl Patience {
    /// Lasts until SIGTERM, SIGINT or this long.
    fn new(limit: Duration) -> Result<Self, RunError> {
        let system = |doing| move |source| RunError::System { doing, source };
        let mut terminate = signal(SignalKind::terminate()).map_err(system("waiting for SIGTERM"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system("waiting for SIGINT"))?;
        let (over, is_over) = watch::channel(None);
        tokio::spawn(async move {
            let interruption = tokio::select! {
                _ = terminate.recv() => Interruption::Signal("SIGTERM"),
                _ = interrupt.recv() => Interruption::Signal("SIGINT"),
                () = tokio::time::sleep(limit) => Interruption::Timeout(limit),
            };
            over.send_replace(Some(interruption));
        });
        Ok(Self(is_over))
    }

    /// Ends with this one, or for that reason as soon as `other` has come to its end.
    fn or_until(&self, reason: Interruption, other: impl Future<Output = ()> + Send + 'static) -> Self {
        let (whole, (over, is_over)) = (self.clone(), watch::channel(None));
        tokio::spawn(async move {
            let interruption = tokio::select! {
                interruption = whole.ended() => interruption,
                () = other => reason,
                () = over.closed() => return,
            };
            over.send_replace(Some(interruption));
        });
        Self(is_over)
    }

    /// Waits for something, unless patience ends first; then it is dropped.
    async fn during<T>(&self, doing: &str, work: impl Future<Output = T>) -> Result<T, Unfinished> {
        tokio::select! {
            result = work => Ok(result),
            interruption = self.ended() => Err(unfinished(doing, interruption)),
        }
    }

    /// An error if it has ended.
    fn check(&self, doing: &str) -> Result<(), Unfinished> {
        let interruption = *self.0.borrow();
        interruption.map_or(Ok(()), |interruption| Err(unfinished(doing, interruption)))
    }

    /// Its end.
    async fn ended(&self) -> Interruption {
        let mut over = self.0.clone();
        let ended = over.wait_for(Option::is_some).await.ok().and_then(|interruption| *interruption);
        // An error says that whoever could end it is gone, and with it the process.
        ended.unwrap_or(Interruption::Signal("the end of the process"))
    }
}

fn unfinished(doing: &str, interruption: Interruption) -> Unfinished {
    let doing = doing.to_owned();
    match interruption {
        Interruption::Timeout(limit) => Unfinished::TimedOut { doing, limit },
        Interruption::Signal(signal) => Unfinished::Ended { doing, signal },
        Interruption::OperatorCameBack => Unfinished::OperatorCameBack,
    }
}
