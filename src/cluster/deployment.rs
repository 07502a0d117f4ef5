//! A Deployment, as far as somebody must know that none of its pods works any more: how many it shall have, and whether
//! one is still there. When that is wanted, and what follows, is told by whoever asks.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::Selector;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::client::CallError;
use super::requests::{Request, RequestError};

/// Between two looks at a Deployment whose controllers are at work: a right to watch it would be one more.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// One Deployment and its pods.
#[derive(Clone)]
pub struct OneDeployment {
    deployments: Api<Deployment>,
    pods: Api<Pod>,
    namespace: String,
    name: String,
}

/// What matters of it.
#[derive(Clone, Debug)]
pub struct Found {
    /// How many pods it shall have.
    pub replicas: i32,
    /// Of its spec: who scales it makes a new one.
    pub generation: i64,
    /// Which pods are its own.
    selector: LabelSelector,
}

impl OneDeployment {
    /// The Deployment of this name, if there is one.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            deployments: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// `namespace/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// How it is now; `None` if there is none of this name.
    ///
    /// # Errors
    /// The right is missing, or the API server did not answer.
    pub async fn find(&self) -> Result<Option<Found>, RequestError> {
        let request = self.request("get", "deployments.apps");
        let found = request.make(|| self.deployments.get_opt(&self.name)).await?;
        Ok(found.and_then(|found| {
            let (generation, spec) = (found.metadata.generation.unwrap_or(0), found.spec?);
            // The API server's own default.
            Some(Found { replicas: spec.replicas.unwrap_or(1), generation, selector: spec.selector })
        }))
    }

    /// Wants so many pods.
    ///
    /// # Errors
    /// It is gone, the right is missing, or the API server did not answer: then it may have been done all the same.
    pub async fn scale(&self, replicas: i32) -> Result<(), RequestError> {
        let (parameters, patch) =
            (PatchParams::default(), Patch::Merge(json!({"spec": {"replicas": replicas}})));
        let request = self.request("patch", "deployments.apps/scale");
        request.make(|| self.deployments.patch_scale(&self.name, &parameters, &patch)).await.map(|_| ())
    }

    /// Waits until the Deployment's controllers have acted on its being scaled to 0: until then they may still make a pod.
    ///
    /// # Errors
    /// The right is missing, or the API server did not answer.
    pub async fn until_scaled_down(&self) -> Result<(), RequestError> {
        let request = self.request("get", "deployments.apps");
        loop {
            let now = request.make(|| self.deployments.get_opt(&self.name)).await?;
            if now.is_none_or(|now| is_scaled_down(&now)) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until somebody wants pods of it. What is wrong with the API server is waited out.
    pub async fn until_scaled_up(&self) {
        loop {
            match self.find().await {
                Ok(Some(now)) if now.replicas > 0 => return,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "whether the operator comes back cannot be told"),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Pods of the Deployment that may be at work now, but for `own`.
    ///
    /// # Errors
    /// The right is missing, or the API server did not answer.
    pub async fn pods_at_work(
        &self,
        found: &Found,
        own: Option<&str>,
    ) -> Result<BTreeSet<String>, RequestError> {
        let request = self.request("list", "pods");
        let parameters = ListParams::default().labels_from(&selector(found));
        let pods = request.make(|| self.pods.list(&parameters)).await?;
        Ok(pods.iter().filter(|pod| works(pod, own)).map(ResourceExt::name_any).collect())
    }

    /// Waits until no pod of the Deployment is there, a terminating one included, for it may still be at work; but for
    /// those whose containers have ended for good, which nobody takes away, and for `own`, whoever asks. `waiting` is told
    /// which pods are waited for, whenever that changes.
    ///
    /// # Errors
    /// The right is missing. Whatever else is wrong with the API server is waited out.
    pub async fn until_no_pods(
        &self,
        found: &Found,
        own: Option<&str>,
        mut waiting: impl FnMut(&BTreeSet<String>),
    ) -> Result<(), RequestError> {
        let config = watcher::Config::default().labels_from(&selector(found));
        let mut events = watcher(self.pods.clone(), config).default_backoff().boxed();
        let (mut listed, mut there, mut told) = (false, BTreeSet::new(), BTreeSet::new());
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => {
                    listed = false;
                    there.clear();
                }
                Ok(Event::InitApply(pod) | Event::Apply(pod)) if works(&pod, own) => {
                    there.insert(pod.name_any());
                }
                Ok(Event::InitApply(pod) | Event::Apply(pod) | Event::Delete(pod)) => {
                    there.remove(&pod.name_any());
                }
                Ok(Event::InitDone) => listed = true,
                Err(error) => self.judge(error)?,
            }
            if listed && there.is_empty() {
                break;
            }
            if listed && there != told {
                waiting(&there);
                told.clone_from(&there);
            }
        }
        Ok(())
    }

    /// A missing right does not come back by waiting.
    fn judge(&self, error: watcher::Error) -> Result<(), RequestError> {
        let (verb, error) = match error {
            watcher::Error::InitialListFailed(error) => ("list", error),
            watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => ("watch", error),
            watcher::Error::WatchError(status) => ("watch", kube::Error::Api(status)),
            watcher::Error::NoResourceVersion => return Ok(()),
        };
        let error = CallError::from(error);
        if error.is_forbidden() {
            return Err(self.request(verb, "pods").failed(error));
        }
        tracing::warn!(%error, verb, "watching pods");
        Ok(())
    }

    fn request(&self, verb: &'static str, resource: &'static str) -> Request {
        Request::new(verb, resource, Some(&self.namespace))
    }
}

/// Whatever the API server accepted can be read; if not, rather wait for every pod than for none.
fn selector(found: &Found) -> Selector {
    Selector::try_from(found.selector.clone()).unwrap_or_default()
}

fn works(pod: &Pod, own: Option<&str>) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed")) && Some(pod.name_any().as_str()) != own
}

fn is_scaled_down(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let status = deployment.status.clone().unwrap_or_default();
    wanted == Some(0)
        && status.observed_generation >= deployment.metadata.generation
        && status.replicas.unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_down_once_its_controllers_say_so_of_this_generation() {
        for (wanted, generation, status, expected) in [
            (0, 2, json!({"observedGeneration": 2}), true),
            (0, 2, json!({"observedGeneration": 3, "replicas": 0}), true),
            (0, 2, json!({"observedGeneration": 1}), false),
            (0, 2, json!({"observedGeneration": 2, "replicas": 1}), false),
            (0, 2, json!({}), false),
            (1, 2, json!({"observedGeneration": 2}), false),
        ] {
            let deployment = json!({"metadata": {"generation": generation}, "status": status,
                "spec": {"replicas": wanted, "selector": {}, "template": {}}});
            let deployment: Deployment = serde_json::from_value(deployment).unwrap();
            assert_eq!(is_scaled_down(&deployment), expected, "{wanted} {status}");
        }
    }
}
