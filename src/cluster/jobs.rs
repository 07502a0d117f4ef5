//! Reading and writing SnapshotJobs. Every write carries the resourceVersion that was observed, so that it fails
//! rather than undoes somebody else's; and every call has a limit, for a silent API server must not hold a visit.

use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::client::{CALL_LIMIT, CallError, within};
use super::requests::{Request, RequestError, SNAPSHOT_JOBS};
use super::stored::StoredJob;
use crate::api::FINALIZER;

/// Reads and writes SnapshotJobs.
#[derive(Clone)]
pub struct Jobs {
    client: Client,
}

/// Why a call to the API server did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// What we know is old.
    #[error("the object was changed by somebody else meanwhile")]
    Conflict,
    /// There is no such object any more.
    #[error("the object is gone")]
    Gone,
    /// The API server refused the object itself (422, 413).
    #[error("the API server refused the object: {0}")]
    Invalid(String),
    /// Refused for another reason, or its effect is not known.
    #[error("the API server did not answer as it should: {0}")]
    Other(String),
}

impl Jobs {
    /// Over this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// All objects of these namespaces; of every namespace if none is named. `None`: the cluster knows no SnapshotJobs.
    ///
    /// # Errors
    /// The right is missing, or the API server did not answer.
    pub async fn list(&self, namespaces: &[String]) -> Result<Option<Vec<StoredJob>>, RequestError> {
        let scopes: Vec<Option<&str>> = match namespaces {
            [] => vec![None],
            named => named.iter().map(|name| Some(name.as_str())).collect(),
        };
        let mut jobs = Vec::new();
        for scope in scopes {
            let api = scope.map_or_else(|| Api::all(self.client.clone()), |name| self.api(name));
            let request = Request::new("list", SNAPSHOT_JOBS, scope);
            match request.make(|| async { api.list(&ListParams::default()).await }).await {
                Ok(listed) => jobs.extend(listed.items),
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(jobs))
    }

    /// The object as it is now.
    ///
    /// # Errors
    /// It is gone, or the API server did not answer.
    pub async fn get(&self, namespace: &str, name: &str) -> Result<StoredJob, KubeError> {
        self.limited(self.api(namespace).get(name)).await
    }

    /// Replaces the status.
    ///
    /// # Errors
    /// As `KubeError` tells; with `Other` it may have been written all the same.
    pub async fn replace_status(&self, job: &StoredJob) -> Result<StoredJob, KubeError> {
        let api = self.api(&job.namespace().unwrap_or_default());
        let name = job.name_any();
        self.limited(api.replace_status(&name, &PostParams::default(), job)).await
    }

    /// Sets our finalizer, or takes it away.
    ///
    /// # Errors
    /// As `KubeError` tells.
    pub async fn set_finalizer(&self, job: &StoredJob, present: bool) -> Result<StoredJob, KubeError> {
        let mut finalizers: Vec<&str> =
            job.finalizers().iter().map(String::as_str).filter(|finalizer| *finalizer != FINALIZER).collect();
        if present {
            finalizers.push(FINALIZER);
        }
        // The resourceVersion makes the patch fail when somebody else changed the list meanwhile.
        let patch =
            json!({"metadata": {"finalizers": finalizers, "resourceVersion": job.resource_version()}});
        let api = self.api(&job.namespace().unwrap_or_default());
        let name = job.name_any();
        self.limited(api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch))).await
    }

    /// Deletes the object, if it is still the one that was observed.
    ///
    /// # Errors
    /// As `KubeError` tells.
    pub async fn delete(&self, job: &StoredJob) -> Result<(), KubeError> {
        let preconditions = Preconditions { uid: job.uid(), resource_version: job.resource_version() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        let api = self.api(&job.namespace().unwrap_or_default());
        let name = job.name_any();
        self.limited(api.delete(&name, &params)).await.map(|_| ())
    }

    fn api(&self, namespace: &str) -> Api<StoredJob> {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn limited<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, KubeError> {
        within(CALL_LIMIT, call).await.map_err(KubeError::from)
    }
}

impl From<CallError> for KubeError {
    fn from(error: CallError) -> Self {
        let too_large = error.status().is_some_and(|status| status.code == 413);
        if error.is_conflict() {
            Self::Conflict
        } else if error.is_not_found() {
            Self::Gone
        } else if error.is_invalid() || too_large {
            Self::Invalid(error.to_string())
        } else {
            Self::Other(error.to_string())
        }
    }
}
