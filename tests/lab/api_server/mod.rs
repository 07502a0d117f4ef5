//! A model of the API server: strict, deterministic, without a clock of its own and without I/O, so that whole lives of
//! jobs run in virtual time.
//!
//! It knows what the operator, its users and a hostile third hand do with SnapshotJobs, and of Namespaces, Secrets, Events
//! and Leases what the operator needs. Every answer of it is compared with the real API server's in `conformance.rs`;
//! what it does not know is a panic. Not modelled: admission beside the namespace's, rights, server-side apply,
//! managedFields, CEL rules, dry runs, garbage collection, the limits of size and rate.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use serde_json::Value;

mod deletion;
mod failures;
mod metadata;
mod reads;
mod requests;
mod resources;
mod schema;
mod store;
mod typed;
mod writes;

use failures::Failure;
pub(crate) use reads::Watch;
use requests::Target;
pub(crate) use resources::Resource;
use store::Store;

/// The API server and all that it stores.
#[derive(Debug)]
pub(crate) struct ApiServer {
    store: Store,
    /// How many uids were given.
    uids: u64,
    /// Jobs that were created and not written since: of their status nothing is stored.
    without_status: BTreeSet<String>,
}

/// What comes of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// An answer that is complete.
    Now(Response<Bytes>),
    /// The events of this watch, as `events_after` gives them.
    Watch(Watch),
}

impl ApiServer {
    /// An empty one. There is no namespace yet, not even `default`.
    pub(crate) fn new() -> Self {
        Self { store: Store::new(), uids: 0, without_status: BTreeSet::new() }
    }

    /// Does what a request asks for, at this time.
    ///
    /// # Panics
    /// At a request of a kind that the model does not know.
    pub(crate) fn answer(&mut self, now: Timestamp, request: &Request<Bytes>) -> Answer {
        let target = Target::of(request.uri().path());
        let done = match (request.method(), &target.name) {
            (&Method::GET, None) => match self.list_or_watch(&target, request) {
                Ok(answer) => return answer,
                Err(failure) => Err(failure),
            },
            (&Method::GET, Some(_)) => self.get(&target, request),
            (&Method::POST, None) => self.create(now, &target, request),
            (&Method::PUT, Some(_)) => self.replace(now, &target, request),
            (&Method::PATCH, Some(_)) => self.patch(&target, request),
            (&Method::DELETE, Some(_)) if !target.status => self.delete(now, &target, request),
            (method, _) => {
                panic!("the model of the API server does not know {method} {}", request.uri().path())
            }
        };
        Answer::Now(done.unwrap_or_else(|failure| failure.response()))
    }

    /// What an object was since the last compaction, oldest first.
    pub(crate) fn history(&self, resource: Resource, namespace: &str, name: &str) -> Vec<&Value> {
        self.store.history(&store::Key::new(resource, namespace, name))
    }

    /// Forgets all events, so that whoever watches from before is told 410 Expired.
    pub(crate) fn compact(&mut self) {
        self.store.compact();
    }

    /// resourceVersion of the newest change of all.
    pub(crate) fn resource_version(&self) -> u64 {
        self.store.revision()
    }

    /// An object as it is now, for who looks on.
    pub(crate) fn object(&self, resource: Resource, namespace: &str, name: &str) -> Option<&Value> {
        self.store.get(&store::Key::new(resource, namespace, name)).map(AsRef::as_ref)
    }

    fn next_uid(&mut self) -> String {
        self.uids += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.uids)
    }
}

/// The object of a request.
fn decode(resource: Resource, body: &Bytes) -> Result<Value, Failure> {
    let object: Value = serde_json::from_slice(body).expect("a body in JSON");
    assert!(
        object["metadata"].is_object(),
        "the model of the API server wants objects with metadata: {object}"
    );
    let (api_version, kind) =
        (object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
    let expected = resource.api_version();
    assert!(
        !kind.is_empty() && !api_version.is_empty() || resource != Resource::SnapshotJobs,
        "the model of the API server wants SnapshotJobs that say what they are"
    );
    if !api_version.is_empty() && api_version != expected {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({expected})"
        )));
    }
    if !kind.is_empty() && kind != resource.kind() {
        let cause =
            failures::Cause::invalid("kind", format!("{kind:?}"), &format!("must be {}", resource.kind()));
        return Err(Failure::invalid(resource, kind, metadata::text(&object, "name"), &[cause]));
    }
    let mut object = object;
    object["apiVersion"] = expected.into();
    object["kind"] = resource.kind().into();
    Ok(object)
}
