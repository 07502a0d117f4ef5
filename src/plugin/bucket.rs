//! The bucket of a job as its reader sees it: with the keys of `readerCredentialsRef`, else `credentialsRef`, which
//! the user must be allowed to read.

use std::time::Duration;

use super::cluster::Cluster;
use super::problem::PluginError;
use super::reach::Reach;
use crate::api::SnapshotJob;
use crate::ca_bundle::CaBundle;
use crate::snapshots::{Bucket, Connections, Content, Inventory, Keys, Limits, Location, Look};

/// One request with its answer. A snapshot may come over a slow line.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// The bucket of one job.
#[derive(Clone)]
pub(super) struct JobBucket {
    bucket: Bucket,
    pub(super) content: Content,
}

impl JobBucket {
    /// Reads the Secret. Nothing is asked of the bucket yet.
    pub(super) async fn open(
        cluster: &Cluster,
        reach: &Reach,
        job: &SnapshotJob,
    ) -> Result<Self, PluginError> {
        let storage = &job.spec.storage;
        let name = keys_secret(job);
        let data = cluster.secret(name).await?.ok_or_else(|| PluginError::NoSecret {
            namespace: cluster.namespace.clone(),
            name: name.to_owned(),
        })?;
        let keys = Keys::from_secret(name, &data)?;
        let location = Location::of(storage, reach.storage_endpoint.as_ref())?;
        let connections = Connections::new(REQUEST_LIMIT, reach.authorities.as_ref().map(CaBundle::pem))?;
        Ok(Self {
            bucket: Bucket::open(&location, storage.prefix.as_deref(), &keys, &connections)?,
            content: Content::open(&location, &keys, &connections)?,
        })
    }

    /// Notes what has arrived of the sessions that the status names.
    pub(super) async fn look(
        &self,
        job: &SnapshotJob,
        inventory: &mut Inventory,
        limits: Limits,
    ) -> Result<Look, PluginError> {
        self.look_for(&sids(job), inventory, limits).await
    }

    /// Notes what has arrived of these sessions.
    pub(super) async fn look_for(
        &self,
        sids: &[String],
        inventory: &mut Inventory,
        limits: Limits,
    ) -> Result<Look, PluginError> {
        let sids: Vec<&str> = sids.iter().map(String::as_str).collect();
        let mut look = self.bucket.look(inventory, &sids, limits).await;
        match look.problem.take() {
            Some(problem) => Err(problem.into()),
            None => Ok(look),
        }
    }
}

/// Name of the Secret with the keys of whoever reads.
pub(super) fn keys_secret(job: &SnapshotJob) -> &str {
    let storage = &job.spec.storage;
    &storage.reader_credentials_ref.as_ref().unwrap_or(&storage.credentials_ref).name
}

/// Sids of the sessions that the status names, those that may run first. Of a job that has had more than ten sessions
/// the older ones are no longer in its status.
pub(super) fn sids(job: &SnapshotJob) -> Vec<String> {
    let history = job.status.iter().flat_map(|status| &status.history);
    let past = history.filter_map(|session| session.sid.clone());
    running_sids(job).into_iter().chain(past).collect()
}

/// Sids of the sessions that may run.
pub(super) fn running_sids(job: &SnapshotJob) -> Vec<String> {
    let sessions = job.status.iter().flat_map(|status| &status.sessions);
    sessions.filter_map(|session| session.sid.clone()).collect()
}
