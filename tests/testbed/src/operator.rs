//! The operator as a process of its own, the way it runs in production: started, killed, ended.
//! What it does is with the program itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::control_plane::again_if_port_was_taken;
use crate::error::Result;
use crate::processes::{Process, Program};
use crate::samples::samples;

/// Ready means that its first list is done; a loaded machine is what this allows for.
const START: Duration = Duration::from_secs(60);

/// What an operator is started with.
#[derive(Debug, Clone, Default)]
pub struct OperatorOptions {
    /// The kubeconfig it works with.
    pub kubeconfig: PathBuf,
    /// Addresses it speaks to instead of the vendor's.
    pub agora_endpoints: Vec<String>,
    /// Where buckets are listed, instead of the storage vendor's address.
    pub storage_endpoint: Option<String>,
    /// All its waits are divided by this.
    pub time_scale: Option<u32>,
    /// The namespaces it looks at; all of them if empty.
    pub namespaces: Vec<String>,
    /// Whether it takes notifications.
    pub notifications: bool,
    /// Whether it is enough that it lives: it may lack what it needs to become ready.
    pub unready: bool,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Further environment variables.
    pub environment: Vec<(String, String)>,
}

/// A running operator.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    health_url: String,
    metrics_url: String,
    notifications_url: Option<String>,
}

impl Operator {
    /// Starts the program with its log in `folder` and waits until `/readyz` answers, or `/healthz` if it may
    /// remain unready.
    pub async fn start(program: &Path, folder: &Path, options: OperatorOptions) -> Result<Self> {
        let log = folder.join(format!("operator-{}.log", &crate::random_hex()[..8]));
        again_if_port_was_taken(async || {
            let (health, metrics) =
                (format!("127.0.0.1:{}", crate::free_port()?), format!("127.0.0.1:{}", crate::free_port()?));
            let notifications = match options.notifications {
                true => Some(format!("127.0.0.1:{}", crate::free_port()?)),
                false => None,
            };
            let mut process = Program::new("agora-snapshot-operator", program, log.clone())
                .env("KUBECONFIG", &options.kubeconfig)
                .envs(&options.environment)
                .arg("run")
                .flag("health-bind-address", &health)
                .flag("metrics-bind-address", &metrics)
                .args(notifications.iter().map(|address| format!("--notifications-bind-address={address}")))
                .args(options.flags())
                .start()?;
            let (health_url, metrics_url) = (format!("http://{health}"), format!("http://{metrics}"));
            let probe = if options.unready { "healthz" } else { "readyz" };
            process.answers(&format!("{health_url}/{probe}"), START).await?;
            let notifications_url = notifications.map(|address| format!("http://{address}"));
            Ok(Self { process, health_url, metrics_url, notifications_url })
        })
        .await
    }

    /// `http://127.0.0.1:PORT`, with `/healthz` and `/readyz`.
    pub fn health_url(&self) -> &str {
        &self.health_url
    }

    /// `http://127.0.0.1:PORT`, with `/metrics`.
    pub fn metrics_url(&self) -> &str {
        &self.metrics_url
    }

    /// `http://127.0.0.1:PORT`, with `/ncs/APP_ID`; if it takes notifications.
    pub fn notifications_url(&self) -> Option<&str> {
        self.notifications_url.as_deref()
    }

    /// The process: `kill` is a crash, `stop` a clean end, `log` what it wrote.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> Result<String> {
        let what = "operator: GET /metrics";
        let failed = || crate::Error::http(what);
        let answer = crate::http_client()?
            .get(format!("{}/metrics", self.metrics_url))
            .send()
            .await
            .map_err(failed())?;
        answer.text().await.map_err(failed())
    }

    /// The [`samples`] of one metric, as they are now.
    pub async fn samples(&self, metric: &str, labels: &[(&str, &str)]) -> Result<Vec<u64>> {
        Ok(samples(&self.metrics().await?, metric, labels))
    }
}

impl OperatorOptions {
    fn flags(&self) -> Vec<String> {
        let mut flags = self.reach();
        flags.extend(self.arguments.iter().cloned());
        flags
    }

    /// The flags that every command has which reaches the same vendor and the same jobs.
    pub fn reach(&self) -> Vec<String> {
        let mut flags = vec![];
        flags.extend(self.agora_endpoints.iter().map(|endpoint| format!("--agora-endpoint={endpoint}")));
        flags.extend(self.storage_endpoint.iter().map(|endpoint| format!("--storage-endpoint={endpoint}")));
        flags.extend(self.time_scale.iter().map(|scale| format!("--time-scale={scale}")));
        flags.extend(self.namespaces.iter().map(|namespace| format!("--watch-namespace={namespace}")));
        flags
    }
}
