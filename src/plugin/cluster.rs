//! The cluster as the user's kubeconfig shows it: jobs and the Secrets that they name.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderValue, header};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use super::problem::PluginError;
use super::settings::Place;
use crate::api::SnapshotJob;
use crate::cluster::client::{CALL_LIMIT, within};
use crate::cluster::secrets::{SecretData, SecretError, SecretReader};

/// Name under which the API server's audit log knows the plugin.
const USER_AGENT: &str = concat!("kubectl-snapshotjob/", env!("CARGO_PKG_VERSION"));

/// Jobs of one page of a list; a list of all namespaces may be long.
const PAGE: u32 = 500;

/// A watch that hears nothing for so long has no connection any more; longer than a watch lasts.
const SILENCE: Duration = Duration::from_secs(45);

/// The API server and the namespace that is meant.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) namespace: String,
    config: Config,
    secrets: SecretReader,
}

/// Reads the kubeconfig. Nothing is sent yet.
pub(super) async fn connect(place: &Place) -> Result<Cluster, PluginError> {
    let told = |error: &dyn std::error::Error| PluginError::NoCluster(error.to_string());
    let options = KubeConfigOptions { context: place.context.clone(), ..KubeConfigOptions::default() };
    let mut config = match &place.kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path).map_err(|error| told(&error))?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    }
    .map_err(|error| told(&error))?;
    config.headers.push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
    let namespace = place.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config.clone()).map_err(|error| told(&error))?;
    let secrets = SecretReader::new(client.clone(), 1);
    Ok(Cluster { client, namespace, config, secrets })
}

impl Cluster {
    /// A client for a watch, which has to hear of every failure: without kube's silent retries, which take minutes.
    pub(super) fn impatient_client(&self) -> Result<Client, PluginError> {
        let mut config = self.config.clone();
        config.default_retry = false;
        config.read_timeout = Some(SILENCE);
        Client::try_from(config).map_err(|error| PluginError::NoCluster(error.to_string()))
    }

    /// One job.
    pub(super) async fn job(&self, name: &str) -> Result<SnapshotJob, PluginError> {
        let jobs: Api<SnapshotJob> = Api::namespaced(self.client.clone(), &self.namespace);
        match within(CALL_LIMIT, jobs.get_opt(name)).await {
            Ok(Some(job)) => Ok(job),
            Ok(None) => Err(PluginError::NoJob { namespace: self.namespace.clone(), name: name.to_owned() }),
            Err(error) => Err(PluginError::call(
                format!("get SnapshotJob {name} in namespace {}", self.namespace),
                &error,
            )),
        }
    }

    /// Jobs of the namespace or of all, by namespace and name.
    pub(super) async fn jobs(
        &self,
        all: bool,
        selector: Option<&str>,
    ) -> Result<Vec<SnapshotJob>, PluginError> {
        let (jobs, place) = match all {
            true => (Api::<SnapshotJob>::all(self.client.clone()), "all namespaces".to_owned()),
            false => {
                let jobs = Api::namespaced(self.client.clone(), &self.namespace);
                (jobs, format!("namespace {}", self.namespace))
            }
        };
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = selector.map(str::to_owned);
        let mut found = vec![];
        loop {
            let page =
                within(CALL_LIMIT, jobs.list(&params)).await.map_err(|error| match error.is_not_found() {
                    true => PluginError::NotInstalled,
                    false => PluginError::call(format!("list SnapshotJobs in {place}"), &error),
                })?;
            found.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(found),
            }
        }
    }

    /// The data of a Secret; `None` where there is none of this name. Remembered for some seconds.
    pub(super) async fn secret(&self, name: &str) -> Result<Option<SecretData>, PluginError> {
        let what = format!("get Secret {name} in namespace {}", self.namespace);
        match self.secrets.read(&self.namespace, &BTreeSet::from([name.to_owned()])).await {
            Ok(mut found) => Ok(found.remove(name).flatten()),
            Err(SecretError::Forbidden { .. }) => Err(PluginError::Forbidden { what }),
            Err(SecretError::Unavailable { why, .. }) => Err(PluginError::Cluster { what, why }),
        }
    }

    /// What is remembered of a Secret was found wanting.
    pub(super) fn forget_secret(&self, name: &str) {
        self.secrets.forget(&self.namespace, name);
    }
}
