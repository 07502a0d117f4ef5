//! Runs the program from its settings to SIGTERM: watches the jobs, visits them, and ends without leaving anything
//! half done.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kube::runtime::controller::Error;
use kube::{Api, Client};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::agora;
use crate::agora::settings::{ClientProblem, ClientSettings};
use crate::cluster::client;
use crate::cluster::events::Events;
use crate::cluster::jobs::Jobs;
use crate::cluster::secrets::SecretReader;
use crate::cluster::stored::StoredJob;
use crate::lifecycle::timing::Timing;
use crate::metrics::Metrics;
use crate::probes::{self, Health};
use crate::reconcile::clock::Clock;
use crate::reconcile::memories::Memories;
use crate::reconcile::meter::Meter;
use crate::reconcile::neighbours::Neighbours;
use crate::reconcile::{Context, farewell};
use crate::settings::{Reach, Settings};
use crate::snapshots::Connections;

mod watching;

use watching::Watching;

/// How often the controller tells the liveness probe that its loop turns.
const BEAT: Duration = Duration::from_secs(10);

/// How long the end of the process waits for sessions that only this process can stop.
const LAST_STOPS: Duration = Duration::from_secs(45);

/// How long the end of the process waits for events to be published.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// Between two looks into the bucket, unless the settings say otherwise.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// How long one request to a bucket may take.
const BUCKET_REQUEST: Duration = Duration::from_secs(10);

/// Why the operator could not run, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address is taken.
    #[error(transparent)]
    Bind(#[from] probes::BindError),
    /// There is no cluster to work in.
    #[error(transparent)]
    Connect(#[from] client::ConnectError),
    /// The client of the vendor's API could not be made.
    #[error(transparent)]
    Agora(#[from] ClientProblem),
    /// The client of buckets could not be made.
    #[error("the HTTP client for buckets cannot be made: {0}")]
    Buckets(#[from] reqwest::Error),
    /// The operating system refused.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// The operator could not begin. What happens to jobs, the vendor or the API server later is no error here.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let system = |doing| move |source| RunError::System { doing, source };
    let mut terminate = signal(SignalKind::terminate()).map_err(system("waiting for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("waiting for SIGINT"))?;

    let (metrics, health) = (Metrics::new(settings.last_file_age_metric), Health::new());
    metrics.max_concurrent_reconciles(settings.max_concurrent_reconciles);
    let for_metrics = probes::bind("--metrics-bind-address", settings.metrics_bind_address).await?;
    let for_health = probes::bind("--health-bind-address", settings.health_bind_address).await?;
    let bound =
        probes::Bound::of(&for_metrics, &for_health).map_err(system("asking for the bound addresses"))?;
    tracing::info!(metrics = %bound.metrics, health = %bound.health, "listening");
    if let Some(path) = settings.bound_addresses_file.as_deref() {
        bound.write(Path::new(path)).map_err(system("writing --bound-addresses-file"))?;
    }
    let client = client::connect(&metrics).await?;
    let mut context = context(&settings.reach, client.clone(), &metrics)?;
    context.timing.orphan_unreachable = settings.orphan_after;
    context.look_again = settings.snapshot_status_interval;
    let context = Arc::new(context);
    tracing::info!(namespace = context.operator_namespace, version = env!("CARGO_PKG_VERSION"), "started");

    let (end, ended) = watch::channel(false);
    let (end_probes, probes_ended) = watch::channel(false);
    let servers = tokio::spawn(probes::serve(for_metrics, for_health, metrics, health.clone(), probes_ended));
    let jobs = tokio::spawn(control(settings, client, context.clone(), health.clone(), ended));
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: visits under way are finished, then the operator ends"),
        _ = interrupt.recv() => tracing::info!("SIGINT: visits under way are finished, then the operator ends"),
    }
    health.stopping();
    end.send_replace(true);
    if let Err(error) = jobs.await {
        tracing::error!(%error, "the controller ended badly");
    }
    farewell::before_the_end(&context, LAST_STOPS).await;
    context.events.flush(LAST_EVENTS).await;
    // Last, so that the end itself can be watched.
    end_probes.send_replace(true);
    match servers.await {
        Ok(result) => result.map_err(system("serving probes and metrics")),
        Err(error) => Err(system("serving probes and metrics")(std::io::Error::other(error))),
    }
}

/// What visits work with, as every command that makes them begins.
pub(crate) fn context(reach: &Reach, client: Client, metrics: &Metrics) -> Result<Context, RunError> {
    let pod = std::env::var("POD_NAME").ok();
    let operator_namespace = reach.operator_namespace(client.default_namespace());
    let agora = agora::client::Client::new(&ClientSettings {
        endpoints: reach.agora_endpoints.iter().map(ToString::to_string).collect(),
        home: reach.agora_region,
        scale: f64::from(reach.time_scale),
        observer: Arc::new(Meter::new(metrics.clone())),
        ..ClientSettings::default()
    })?;
    Ok(Context {
        jobs: Jobs::new(client.clone()),
        secrets: SecretReader::new(client.clone(), reach.time_scale),
        events: Events::start(client, metrics.clone(), pod),
        agora,
        neighbours: Neighbours::default(),
        memories: Memories::default(),
        clock: Clock::new(reach.time_scale),
        timing: Timing::default(),
        metrics: metrics.clone(),
        operator_namespace,
        storage_endpoint: reach.storage_endpoint.clone(),
        connections: Connections::new(BUCKET_REQUEST)?,
        withdrawing: false,
        look_again: LOOK_AGAIN,
    })
}

/// Watches and visits until told to end; then finishes the visits under way.
async fn control(
    settings: Settings,
    client: Client,
    context: Arc<Context>,
    health: Health,
    ended: watch::Receiver<bool>,
) {
    let scopes: Vec<Api<StoredJob>> = if settings.reach.watch_namespaces.is_empty() {
        vec![Api::all(client)]
    } else {
        settings.reach.watch_namespaces.iter().map(|name| Api::namespaced(client.clone(), name)).collect()
    };
    let watching = Watching::new(&settings, context.clone(), health.clone(), ended, scopes.len());
    let mut turns = stream::select_all(scopes.into_iter().map(|scope| watching.turns(scope)));
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            turn = turns.next() => match turn {
                Some(Ok(_)) => {}
                Some(Err(Error::ObjectNotFound(gone))) => {
                    let namespace = gone.namespace.clone().unwrap_or_default();
                    farewell::to_former(&context, &namespace, &gone.name, None);
                }
                // The watch says itself what went wrong.
                Some(Err(error)) => tracing::debug!(%error, "the controller's stream"),
                None => break,
            },
            _ = beat.tick() => health.beat(),
        }
    }
}
