//! Watching Secrets (`--watch-secrets`), so that a new or changed one is used at once.
//!
//! Owns which jobs a Secret wakes. Only metadata is asked for and only versions are kept: an annotation may hold the
//! values too. What the Secret holds is read as ever, by the visit.

use std::collections::HashMap;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};

use crate::cluster::stored::StoredJob;
use crate::reconcile::Context;

type Key = (String, String);

/// resourceVersions of the Secrets of one scope.
#[derive(Default)]
struct Versions {
    known: HashMap<Key, String>,
    /// Those that a list in progress has named so far.
    listed: Option<HashMap<Key, String>>,
}

/// The jobs of `store` that a change of a Secret concerns, each time there is one. What is remembered of that Secret
/// is dropped before.
pub(super) fn wakes(
    secrets: Api<PartialObjectMeta<Secret>>,
    store: Store<StoredJob>,
    context: Arc<Context>,
) -> impl Stream<Item = ObjectRef<StoredJob>> + Send + 'static {
    let mut versions = Versions::default();
    watcher(secrets, watcher::Config::default()).default_backoff().flat_map(move |event| {
        let changed = match event {
            Ok(event) => versions.changed(event),
            Err(error) => {
                tell(&error);
                Vec::new()
            }
        };
        let mut woken = Vec::new();
        for (namespace, name) in changed {
            context.secrets.forget(&namespace, &name);
            woken.extend(concerned(&store.state(), &namespace, &name));
        }
        stream::iter(woken)
    })
}

/// Jobs that refer to this Secret.
fn concerned(jobs: &[Arc<StoredJob>], namespace: &str, name: &str) -> Vec<ObjectRef<StoredJob>> {
    let of_it =
        |job: &&Arc<StoredJob>| job.metadata.namespace.as_deref() == Some(namespace) && job.refers_to(name);
    jobs.iter().filter(of_it).map(|job| ObjectRef::from_obj(&**job)).collect()
}

impl Versions {
    /// The Secrets that this event shows to have changed, appeared or gone.
    fn changed(&mut self, event: Event<PartialObjectMeta<Secret>>) -> Vec<Key> {
        match event {
            Event::Init => {
                self.listed = Some(HashMap::new());
                Vec::new()
            }
            Event::InitApply(secret) => {
                let (key, version) = key_and_version(&secret);
                let is_new = self.known.get(&key) != Some(&version);
                if let Some(listed) = &mut self.listed {
                    listed.insert(key.clone(), version);
                }
                is_new.then_some(key).into_iter().collect()
            }
            Event::InitDone => {
                let Some(listed) = self.listed.take() else { return Vec::new() };
                let before = std::mem::replace(&mut self.known, listed);
                before.into_keys().filter(|key| !self.known.contains_key(key)).collect()
            }
            Event::Apply(secret) => {
                let (key, version) = key_and_version(&secret);
                let before = self.known.insert(key.clone(), version.clone());
                (before != Some(version)).then_some(key).into_iter().collect()
            }
            Event::Delete(secret) => {
                let (key, _) = key_and_version(&secret);
                self.known.remove(&key);
                vec![key]
            }
        }
    }
}

fn key_and_version(secret: &PartialObjectMeta<Secret>) -> (Key, String) {
    let key = (secret.namespace().unwrap_or_default(), secret.name_any());
    (key, secret.resource_version().unwrap_or_default())
}

fn tell(error: &watcher::Error) {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status.clone()),
        watcher::Error::WatchError(status) => Some(status.clone()),
        _ => None,
    };
    if status.is_some_and(|status| status.is_forbidden()) {
        tracing::error!(
            "the operator may not watch Secrets: with --watch-secrets its role needs the verbs list and watch on \
             secrets in every watched namespace; until then changes are found by reading them again"
        );
    } else {
        tracing::warn!(%error, "watching Secrets");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lifecycle::fixtures;

    fn secret(name: &str, version: u32) -> PartialObjectMeta<Secret> {
        let metadata = json!({"name": name, "namespace": "live", "resourceVersion": version.to_string()});
        serde_json::from_value(json!({"metadata": metadata})).expect("metadata")
    }

    fn names(changed: &[Key]) -> Vec<&str> {
        changed.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn only_what_changed_wakes() {
        let mut versions = Versions::default();
        for (event, expected) in [
            (Event::Init, &[][..]),
            (Event::InitApply(secret("a", 1)), &["a"]),
            (Event::InitApply(secret("b", 2)), &["b"]),
            (Event::InitDone, &[]),
            (Event::Apply(secret("a", 1)), &[]),
            (Event::Apply(secret("a", 3)), &["a"]),
            (Event::Apply(secret("c", 4)), &["c"]),
            (Event::Delete(secret("c", 5)), &["c"]),
            (Event::Apply(secret("c", 6)), &["c"]),
            // The watch broke and everything is listed again: b went meanwhile, c is another one.
            (Event::Init, &[]),
            (Event::InitApply(secret("a", 3)), &[]),
            (Event::InitApply(secret("c", 9)), &["c"]),
            (Event::InitDone, &["b"]),
            (Event::Apply(secret("c", 9)), &[]),
        ] {
            let told = format!("{event:?}");
            assert_eq!(names(&versions.changed(event)), expected, "{told}");
        }
    }

    #[test]
    fn a_secret_concerns_the_jobs_of_its_namespace_that_name_it() {
        let job = |namespace: &str, name: &str, credentials: &str| {
            let mut spec = serde_json::to_value(fixtures::spec()).expect("a spec");
            spec["credentialsRef"]["name"] = json!(credentials);
            let metadata = json!({"name": name, "namespace": namespace, "uid": name});
            Arc::new(serde_json::from_value(json!({"metadata": metadata, "spec": spec})).expect("an object"))
        };
        let jobs = [job("live", "a", "agora-a"), job("live", "b", "agora-b"), job("other", "c", "agora-a")];
        let woken = concerned(&jobs, "live", "agora-a");
        assert_eq!(woken.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["a"]);
    }
}
