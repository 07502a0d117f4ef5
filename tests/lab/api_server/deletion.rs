//! Deleting objects, and what the namespace controller does when a namespace is deleted.

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::failures::{Failure, answer, details};
use super::requests::{Query, Target};
use super::resources::Resource;
use super::store::Key;
use super::writes::raise_generation;
use super::{ApiServer, metadata};

impl ApiServer {
    pub(super) fn delete(
        &mut self,
        now: Timestamp,
        target: &Target,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Failure> {
        Query::of(request).nothing_else();
        let (resource, name) = (target.resource, target.name());
        let options: Value = match request.body().as_ref() {
            [] => Value::Null,
            body => serde_json::from_slice(body).expect("options in JSON"),
        };
        let policy = &options["propagationPolicy"];
        assert!(
            policy.is_null() || policy == "Background",
            "the model of the API server has no garbage collector, so it cannot delete by {policy}"
        );
        let key = Key::new(resource, target.namespace(), name);
        let Some(object) = self.store.get(&key).cloned() else {
            return Err(Failure::not_found(resource, name));
        };
        check_preconditions(target, &object, &options["preconditions"])?;
        if resource == Resource::Namespaces {
            return Ok(self.delete_namespace(now, key, &object));
        }
        if metadata::finalizers(&object).is_empty() {
            let uid = metadata::text(&object, "uid");
            let mut details = details(resource.group(), resource.plural(), name);
            details["uid"] = uid.into();
            self.store.remove(key, Value::clone(&object));
            let success = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
            });
            return Ok(answer(200, &success));
        }
        if metadata::is_deleting(&object) {
            return Ok(answer(200, &object));
        }
        let marked = self.mark_deleted(now, key, &object);
        Ok(answer(200, &marked))
    }

    fn mark_deleted(&mut self, now: Timestamp, key: Key, object: &Value) -> Value {
        let mut marked = object.clone();
        let fields = metadata::fields(&mut marked);
        fields.insert("deletionTimestamp".into(), metadata::time(now));
        fields.insert("deletionGracePeriodSeconds".into(), 0.into());
        if key.resource.has_generation() {
            raise_generation(&mut marked);
        }
        self.without_status.remove(metadata::text(object, "uid"));
        Value::clone(&self.store.put(key, marked))
    }

    /// A namespace is marked, emptied at once of all that no finalizer holds, and goes with the last object in it.
    fn delete_namespace(&mut self, now: Timestamp, key: Key, namespace: &Value) -> Response<Bytes> {
        if metadata::is_deleting(namespace) {
            return answer(200, namespace);
        }
        let mut marked = namespace.clone();
        metadata::fields(&mut marked).insert("deletionTimestamp".into(), metadata::time(now));
        marked["status"]["phase"] = "Terminating".into();
        let marked = self.store.put(key.clone(), marked);
        let (_, name) = key.parts();
        for resource in Resource::ALL.into_iter().filter(|resource| resource.namespaced()) {
            let inside: Vec<(Key, Value)> = self
                .store
                .collection(resource, Some(name))
                .map(|(key, object)| (key.clone(), Value::clone(object)))
                .collect();
            for (key, object) in inside {
                if metadata::finalizers(&object).is_empty() {
                    self.store.remove(key, object);
                } else if !metadata::is_deleting(&object) {
                    self.mark_deleted(now, key, &object);
                }
            }
        }
        self.end_if_empty(name);
        answer(200, &marked)
    }

    /// To be told when an object is gone, for it may have been the last that its namespace waited for.
    pub(super) fn namespace_emptied(&mut self, gone: &Key) {
        if gone.resource.namespaced() {
            let (namespace, _) = gone.parts();
            let namespace = namespace.to_owned();
            self.end_if_empty(&namespace);
        }
    }

    fn end_if_empty(&mut self, name: &str) {
        let key = Key::new(Resource::Namespaces, "", name);
        let Some(namespace) = self.store.get(&key).filter(|namespace| metadata::is_deleting(namespace))
        else {
            return;
        };
        let last = Value::clone(namespace);
        let mut namespaced = Resource::ALL.into_iter().filter(|resource| resource.namespaced());
        if namespaced.all(|resource| self.store.collection(resource, Some(name)).next().is_none()) {
            self.store.remove(key, last);
        }
    }
}

fn check_preconditions(target: &Target, object: &Value, wanted: &Value) -> Result<(), Failure> {
    let refuse = |why: String| Err(Failure::precondition(target.resource, target.name(), &why));
    let uid = metadata::text(object, "uid");
    if let Some(wanted) = wanted["uid"].as_str().filter(|wanted| *wanted != uid) {
        return refuse(format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have \
             been deleted and then recreated"
        ));
    }
    let version = metadata::text(object, "resourceVersion");
    if let Some(wanted) = wanted["resourceVersion"].as_str().filter(|wanted| *wanted != version) {
        return refuse(format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
             ({version}). The object might have been modified"
        ));
    }
    Ok(())
}
