//! Runs the program from its settings to SIGTERM: client, metrics and probes.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cluster::client;
use crate::metrics::Metrics;
use crate::probes::{self, Health};
use crate::settings::Settings;

/// Why the operator could not run, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address is taken.
    #[error(transparent)]
    Bind(#[from] probes::BindError),
    /// There is no cluster to work in.
    #[error(transparent)]
    Connect(#[from] client::ConnectError),
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
    let namespace = settings.operator_namespace(client.default_namespace());
    tracing::info!(namespace, version = env!("CARGO_PKG_VERSION"), "started");

    let (end, ended) = watch::channel(false);
    let servers = tokio::spawn(probes::serve(for_metrics, for_health, metrics, health.clone(), ended));
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
    }
    health.stopping();
    end.send_replace(true);
    match servers.await {
        Ok(result) => result.map_err(system("serving probes and metrics")),
        Err(error) => Err(system("serving probes and metrics")(std::io::Error::other(error))),
    }
}
