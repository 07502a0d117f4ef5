//! Runs the program from its settings to SIGTERM: watches the jobs, visits them, and ends without leaving anything
//! half done.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::controller::Error;
use kube::{Api, Client, Resource};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::agora;
use crate::agora::settings::{ClientProblem, ClientSettings};
use crate::ca_bundle::{CaBundle, CaBundleError};
use crate::cluster::client;
use crate::cluster::events::{Events, Repeated};
use crate::cluster::jobs::Jobs;
use crate::cluster::leadership::{self, Election, Gate, Loss, Terms};
use crate::cluster::secrets::SecretReader;
use crate::cluster::stored::StoredJob;
use crate::lifecycle::timing::Timing;
use crate::metrics::Metrics;
use crate::probes::{self, Health};
use crate::receiver::{self, Receiver};
use crate::reconcile::chance::Chance;
use crate::reconcile::clock::Clock;
use crate::reconcile::hearsay::Hearsay;
use crate::reconcile::memories::Memories;
use crate::reconcile::meter::Meter;
use crate::reconcile::neighbours::Neighbours;
use crate::reconcile::{Context, farewell};
use crate::settings::{Reach, Settings};
use crate::snapshots::Connections;

mod first_lists;
mod secret_watch;
mod watching;

use watching::Watching;

/// How often the controller tells the liveness probe that its loop turns.
const BEAT: Duration = Duration::from_secs(10);

/// How long the end of the process waits for sessions that only this process can stop.
const LAST_STOPS: Duration = Duration::from_secs(45);

/// How long the end of the process waits for events to be published.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// How long visits under way are waited for when leadership is lost: longer than a stop, which takes the longest.
const LAST_VISITS: Duration = Duration::from_secs(45);

/// How long the end of the process waits for the Lease to be given up.
const LAST_RELEASE: Duration = Duration::from_secs(5);

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
    /// The file of certificate authorities is of no use.
    #[error(transparent)]
    CaBundle(#[from] CaBundleError),
    /// Another replica leads, or may.
    #[error("leadership is lost, and the process ends so that it begins anew as a standby: {0}")]
    LeadershipLost(Loss),
    /// The client of the vendor's API could not be made.
    #[error(transparent)]
    Agora(#[from] ClientProblem),
    /// The client of buckets, or of the other replicas, could not be made.
    #[error("an HTTP client cannot be made: {0}")]
    Http(#[from] reqwest::Error),
    /// The operating system refused.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Runs until SIGTERM or SIGINT, or until leadership is lost.
///
/// # Errors
/// The operator could not begin, or has lost leadership. What happens to jobs, the vendor or the API server later is no
/// error here.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let system = |doing| move |source| RunError::System { doing, source };
    let mut terminate = signal(SignalKind::terminate()).map_err(system("waiting for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("waiting for SIGINT"))?;

    let (metrics, health) = (Metrics::new(settings.last_file_age_metric), Health::new());
    metrics.max_concurrent_reconciles(settings.max_concurrent_reconciles);
    let for_metrics = probes::bind("--metrics-bind-address", settings.metrics_bind_address).await?;
    let for_health = probes::bind("--health-bind-address", settings.health_bind_address).await?;
    let for_notifications = match settings.notifications_bind_address {
        Some(address) => Some(probes::bind("--notifications-bind-address", address).await?),
        None => None,
    };
    let bound = probes::Bound::of(&for_metrics, &for_health, for_notifications.as_ref())
        .map_err(system("asking for the bound addresses"))?;
    tracing::info!(metrics = %bound.metrics, health = %bound.health, notifications = ?bound.notifications, "listening");
    if let Some(path) = settings.bound_addresses_file.as_deref() {
        bound.write(Path::new(path)).map_err(system("writing --bound-addresses-file"))?;
    }
    let client = client::connect(&metrics).await?;
    let mut context = context(&settings.reach, client.clone(), &metrics, false)?;
    context.timing.orphan_unreachable = settings.orphan_after;
    context.look_again = settings.snapshot_status_interval;
    let context = Arc::new(context);
    tracing::info!(namespace = context.operator_namespace, version = env!("CARGO_PKG_VERSION"), "started");

    let (end, ended) = watch::channel(false);
    let (end_probes, probes_ended) = watch::channel(false);
    let servers = tokio::spawn(probes::serve(for_metrics, for_health, metrics, health.clone(), probes_ended));
    let election = settings.leader_election.leader_election.then(|| {
        Election::begin(
            client.clone(),
            terms(&settings, &context.operator_namespace, bound.notifications),
            context.metrics.clone(),
        )
    });
    let gate = election.as_ref().map_or_else(Gate::open, Election::gate);
    if let Some(listener) = for_notifications {
        let leader = election.as_ref().map(Election::leaders_receiver);
        let receiver = Receiver::new(context.clone(), health.clone(), gate.clone(), leader)?;
        tokio::spawn(receiver.serve(listener, ended.clone()));
    }
    health.leader_awaited();
    tokio::spawn(tell_of_leader(gate.clone(), health.clone()));
    let jobs = tokio::spawn(control(settings, client, context.clone(), health.clone(), gate.clone(), ended));
    let loss = tokio::select! {
        _ = terminate.recv() => {
            tracing::info!("SIGTERM: visits under way are finished, then the operator ends");
            None
        }
        _ = interrupt.recv() => {
            tracing::info!("SIGINT: visits under way are finished, then the operator ends");
            None
        }
        loss = gate.lost() => Some(loss),
    };
    health.stopping();
    end.send_replace(true);
    // kubelet bounds an end that it asked for; nobody else does.
    let patience = if loss.is_some() { LAST_VISITS } else { Duration::MAX };
    match tokio::time::timeout(patience, jobs).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the controller ended badly"),
        Err(_elapsed) => {
            tracing::error!("visits under way did not end; what they saved is all that is known")
        }
    }
    farewell::before_the_end(&context, LAST_STOPS).await;
    context.events.flush(LAST_EVENTS).await;
    if let Some(election) = election {
        // Only now: until here this process has been at work.
        election.release(LAST_RELEASE).await;
    }
    // Last, so that the end itself can be watched.
    end_probes.send_replace(true);
    match servers.await {
        Ok(result) => result.map_err(system("serving probes and metrics"))?,
        Err(error) => return Err(system("serving probes and metrics")(std::io::Error::other(error))),
    }
    loss.map_or(Ok(()), |loss| Err(RunError::LeadershipLost(loss)))
}

fn terms(settings: &Settings, namespace: &str, receiver: Option<SocketAddr>) -> Terms {
    let pod_ip = std::env::var("POD_IP").ok();
    let receiver = receiver.map(|bound| {
        receiver::advertised(settings.notifications_advertise_address, pod_ip.as_deref(), bound)
    });
    if receiver.is_some_and(|address| address.ip().is_unspecified()) {
        tracing::warn!(
            "other replicas cannot reach this one's receiver of notifications: set POD_IP or \
             --notifications-advertise-address"
        );
    }
    let election = &settings.leader_election;
    Terms {
        namespace: namespace.to_owned(),
        name: election.leader_election_lease_name.clone(),
        identity: leadership::identity(std::env::var("POD_NAME").ok().as_deref()),
        lease_duration: election.leader_election_lease_duration,
        renew_deadline: election.leader_election_renew_deadline,
        retry_period: election.leader_election_retry_period,
        receiver: receiver.map(|address| address.to_string()),
    }
}

async fn tell_of_leader(gate: Gate, health: Health) {
    gate.known().await;
    health.leader_known();
}

/// What visits work with, as every command that makes them begins. `withdrawing`: to end all sessions, and soon itself.
pub(crate) fn context(
    reach: &Reach,
    client: Client,
    metrics: &Metrics,
    withdrawing: bool,
) -> Result<Context, RunError> {
    let repeated = if withdrawing { Repeated::Anew } else { Repeated::Counted };
    let pod = std::env::var("POD_NAME").ok();
    let operator_namespace = reach.operator_namespace(client.default_namespace());
    let bundle = reach.ca_bundle.as_deref().map(CaBundle::read).transpose()?;
    let authorities = bundle.as_ref().map(CaBundle::pem);
    let agora = agora::client::Client::new(&ClientSettings {
        endpoints: reach.agora_endpoints.iter().map(ToString::to_string).collect(),
        home: reach.agora_region,
        scale: f64::from(reach.time_scale),
        ca_bundle: authorities.map(<[u8]>::to_vec),
        observer: Arc::new(Meter::new(metrics.clone())),
        ..ClientSettings::default()
    })?;
    Ok(Context {
        jobs: Jobs::new(client.clone()),
        secrets: SecretReader::new(client.clone(), reach.time_scale),
        events: Events::start(client, metrics.clone(), pod, repeated),
        agora,
        neighbours: Neighbours::default(),
        hearsay: Hearsay::default(),
        memories: Memories::default(),
        clock: Clock::new(reach.time_scale),
        chance: Chance::default(),
        timing: Timing::default(),
        metrics: metrics.clone(),
        operator_namespace,
        storage_endpoint: reach.storage_endpoint.clone(),
        connections: Connections::new(BUCKET_REQUEST, authorities)?,
        withdrawing,
        look_again: LOOK_AGAIN,
    })
}

/// Watches and visits until told to end; then finishes the visits under way. The program in small, for tests too: what it is
/// made of may be anything that speaks to an API server.
pub async fn control(
    settings: Settings,
    client: Client,
    context: Arc<Context>,
    health: Health,
    gate: Gate,
    ended: watch::Receiver<bool>,
) {
    let scopes = scopes(&settings);
    let watching =
        Watching::new(&settings, context.clone(), health.clone(), ended, scopes.len()).behind(gate);
    let mut turns = stream::select_all(scopes.into_iter().map(|scope| {
        let secrets = settings.watch_secrets.then(|| api::<PartialObjectMeta<Secret>>(&client, scope));
        watching.turns(api::<StoredJob>(&client, scope), secrets)
    }));
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

/// The namespaces that are watched, each for itself; a single `None` is all of them.
fn scopes(settings: &Settings) -> Vec<Option<&str>> {
    if settings.reach.watch_namespaces.is_empty() {
        return vec![None];
    }
    settings.reach.watch_namespaces.iter().map(|name| Some(name.as_str())).collect()
}

fn api<K>(client: &Client, scope: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match scope {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
