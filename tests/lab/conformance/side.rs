//! One of the two servers, and a sequence run against it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::steps::{Base, From, Step, Uid, Version, declared};
use super::transcript::{Exchange, Transcript};
use crate::api_server::{Answer, ApiServer, Resource, Watch};

/// A server under comparison.
pub(super) trait Side {
    /// Sends a request and waits for the answer: its status and its body.
    async fn send(&mut self, request: Request<Bytes>) -> (u16, Value);

    /// Begins a watch.
    async fn watch(&mut self, request: Request<Bytes>);

    /// Waits until a deletion of the namespace has reached what is in it.
    async fn namespace_emptied(&mut self, namespace: &str);

    /// The events of each watch, once all of them have come.
    async fn events(&mut self) -> Vec<Vec<Value>>;
}

/// The model.
pub(super) struct Modelled {
    server: ApiServer,
    /// Each with the events that it began with, and from where it goes on.
    watches: Vec<(Watch, Vec<Value>, u64)>,
}

impl Modelled {
    /// With this namespace, and with everything before it forgotten.
    pub(super) fn new(namespace: &str) -> Self {
        let mut server = ApiServer::new();
        // As the testbed makes the real one.
        let namespace = json!({"metadata": {"name": namespace, "generateName": "lab-"}}).to_string();
        let request = Request::post("/api/v1/namespaces").body(namespace.into()).expect("a request");
        let Answer::Now(answer) = server.answer(now(), &request) else { panic!("an answer to a creation") };
        assert_eq!(answer.status(), 201);
        server.compact();
        Self { server, watches: vec![] }
    }
}

fn event(line: &[u8]) -> Value {
    serde_json::from_slice(line).expect("an event in JSON")
}

/// Any time will do: times are compared by their form.
fn now() -> Timestamp {
    "2026-01-01T00:00:00.123456Z".parse().expect("a time")
}

impl Side for Modelled {
    async fn send(&mut self, request: Request<Bytes>) -> (u16, Value) {
        match self.server.answer(now(), &request) {
            Answer::Now(answer) => {
                (answer.status().as_u16(), serde_json::from_slice(answer.body()).expect("JSON"))
            }
            Answer::Watch(_) => panic!("a watch in answer to {} {}", request.method(), request.uri()),
        }
    }

    async fn watch(&mut self, request: Request<Bytes>) {
        match self.server.answer(now(), &request) {
            Answer::Watch(watch) if watch.resource_version() == 0 => {
                let first = self.server.events_after(&watch, 0).expect("what there is");
                let first = first.iter().map(|(_, line)| event(line)).collect();
                let now = self.server.resource_version();
                self.watches.push((watch, first, now));
            }
            Answer::Watch(watch) => {
                let from = watch.resource_version();
                self.watches.push((watch, vec![], from));
            }
            Answer::Now(answer) => panic!("a watch is answered with {answer:?}"),
        }
    }

    async fn namespace_emptied(&mut self, _namespace: &str) {}

    async fn events(&mut self) -> Vec<Vec<Value>> {
        let all =
            |(watch, first, from): (Watch, Vec<Value>, u64)| match self.server.events_after(&watch, from) {
                Ok(later) => first.into_iter().chain(later.iter().map(|(_, line)| event(line))).collect(),
                Err(expired) => vec![event(&expired)],
            };
        std::mem::take(&mut self.watches).into_iter().map(all).collect()
    }
}

/// What was seen so far.
struct Seen<'a> {
    namespace: &'a str,
    /// By resource and name, oldest first.
    objects: BTreeMap<(Resource, String), Vec<Value>>,
    /// resourceVersion of the last list of jobs.
    listed: String,
    next_page: Option<(Resource, String)>,
}

/// Runs a sequence, between a first list with a watch and a last object, so that nothing is missed at either end.
pub(super) async fn run<S: Side>(side: &mut S, namespace: &str, steps: &[Step]) -> Transcript {
    let mut seen = Seen { namespace, objects: BTreeMap::new(), listed: String::new(), next_page: None };
    let mut exchanges = Vec::new();
    let first = [Step::List { resource: Resource::SnapshotJobs, limit: Some(500) }, Step::Watch(From::List)];
    let last = Step::Create {
        resource: Resource::SnapshotJobs,
        name: "the-last",
        base: Base::Declared,
        edits: vec![],
    };
    for step in first.iter().chain(steps).chain([&last]) {
        if let Step::Watch(From::StreamingList) = step {
            let list = Step::List { resource: Resource::SnapshotJobs, limit: None };
            let (_, body) = side.send(seen.request(&list).expect("a list")).await;
            seen.note(&list, &body);
        }
        let Some(request) = seen.request(step) else { continue };
        let told = format!(
            "{} {} {}",
            request.method(),
            request.uri(),
            std::str::from_utf8(request.body()).expect("text")
        );
        if let Step::Watch(_) = step {
            side.watch(request).await;
            continue;
        }
        let (code, body) = side.send(request).await;
        seen.note(step, &body);
        exchanges.push(Exchange { request: told, code, body });
        if let Step::DeleteNamespace = step {
            side.namespace_emptied(namespace).await;
        }
    }
    Transcript { exchanges, events: side.events().await }
}

impl Seen<'_> {
    /// The request of a step; `None` for one that has no sense yet.
    fn request(&self, step: &Step) -> Option<Request<Bytes>> {
        let request = |method: Method, path: String, body: Option<&Value>| {
            let form =
                if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
            let body = body.map(|body| serde_json::to_vec(body).expect("JSON")).unwrap_or_default();
            Request::builder()
                .method(method)
                .uri(path)
                .header(CONTENT_TYPE, form)
                .header(ACCEPT, "application/json")
                .body(body.into())
                .ok()
        };
        match step {
            Step::Create { resource, name, base, edits } => {
                let mut object = self.base(*resource, name, *base);
                edits.iter().for_each(|edit| edit.apply(&mut object));
                request(Method::POST, self.path(*resource, ""), Some(&object))
            }
            Step::Get { resource, name, status } => {
                let path = self.path(*resource, name) + if *status { "/status" } else { "" };
                request(Method::GET, path, None)
            }
            Step::List { resource, limit } => {
                let limit = limit.map(|limit| format!("?limit={limit}")).unwrap_or_default();
                request(Method::GET, self.path(*resource, "") + &limit, None)
            }
            Step::NextPage => {
                let (resource, token) = self.next_page.as_ref()?;
                let path = format!("{}?limit=1&continue={token}", self.path(*resource, ""));
                request(Method::GET, path, None)
            }
            Step::Replace { resource, name, status, base, version, uid, edits } => {
                let mut object = self.base(*resource, name, *base);
                let own = object["metadata"].clone();
                edits.iter().for_each(|edit| edit.apply(&mut object));
                self.mark(&mut object, *resource, name, &own, *version, *uid);
                let path = self.path(*resource, name) + if *status { "/status" } else { "" };
                request(Method::PUT, path, Some(&object))
            }
            Step::Patch { resource, name, status, version, uid, edits } => {
                let mut patch = json!({});
                edits.iter().for_each(|edit| edit.patch(&mut patch));
                let own = self.base(*resource, name, Base::Newest)["metadata"].clone();
                self.mark(&mut patch, *resource, name, &own, *version, *uid);
                let path = self.path(*resource, name) + if *status { "/status" } else { "" };
                request(Method::PATCH, path, Some(&patch))
            }
            Step::Delete { resource, name, uid, version } => {
                let own = self.base(*resource, name, Base::Newest)["metadata"].clone();
                let mut wanted = json!({});
                self.mark(&mut wanted, *resource, name, &own, *version, *uid);
                let options = json!({
                    "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
                    "preconditions": wanted["metadata"],
                });
                request(Method::DELETE, self.path(*resource, name), Some(&options))
            }
            Step::Watch(from) => {
                let objects =
                    self.objects.iter().filter(|((resource, _), _)| *resource == Resource::SnapshotJobs);
                let versions: Vec<&str> = objects
                    .flat_map(|(_, versions)| versions)
                    .filter_map(|object| object["metadata"]["resourceVersion"].as_str())
                    .collect();
                let from = match from {
                    From::Anything => String::new(),
                    From::StreamingList => {
                        // With 0, as clients send it, the real server may show what is old.
                        format!(
                            "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion={}",
                            self.listed
                        )
                    }
                    From::List => format!("&resourceVersion={}", self.listed),
                    From::Object(index) => {
                        format!("&resourceVersion={}", versions.get(index % versions.len().max(1))?)
                    }
                    From::Forgotten => "&resourceVersion=1".to_owned(),
                };
                let path = self.path(Resource::SnapshotJobs, "");
                request(
                    Method::GET,
                    format!("{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds=290{from}"),
                    None,
                )
            }
            Step::DeleteNamespace => {
                request(Method::DELETE, self.path(Resource::Namespaces, self.namespace), None)
            }
        }
    }

    fn path(&self, resource: Resource, name: &str) -> String {
        let group =
            if resource.group().is_empty() { "/api".into() } else { format!("/apis/{}", resource.group()) };
        let namespace =
            if resource.namespaced() { format!("/namespaces/{}", self.namespace) } else { String::new() };
        let name = if name.is_empty() { String::new() } else { format!("/{name}") };
        format!("{group}/{}{namespace}/{}{name}", resource.version(), resource.plural())
    }

    fn versions(&self, resource: Resource, name: &str) -> &[Value] {
        self.objects.get(&(resource, name.to_owned())).map_or(&[], Vec::as_slice)
    }

    fn base(&self, resource: Resource, name: &str, base: Base) -> Value {
        let versions = self.versions(resource, name);
        let found = match base {
            Base::Declared => None,
            Base::Newest => versions.last(),
            Base::Older(index) => versions.get(index % versions.len().max(1)),
        };
        found.cloned().unwrap_or_else(|| declared(resource, name, self.namespace))
    }

    /// Writes the resourceVersion and the uid that are to be named into the metadata of `object`.
    fn mark(
        &self,
        object: &mut Value,
        resource: Resource,
        name: &str,
        own: &Value,
        version: Version,
        uid: Uid,
    ) {
        let versions = self.versions(resource, name);
        let of = |object: Option<&Value>| object.map(|object| object["metadata"]["resourceVersion"].clone());
        let version = match version {
            Version::OfBase => Some(own["resourceVersion"].clone()),
            Version::Newest => of(versions.last()),
            Version::Older(index) => of(versions.get(index % versions.len().max(1))),
            Version::Absent => None,
            Version::Other => Some("1".into()),
            Version::NoNumber => Some("newest".into()),
        };
        let uid = match uid {
            Uid::OfBase => Some(own["uid"].clone()),
            Uid::Absent => None,
            Uid::Other => Some("11111111-2222-3333-4444-555555555555".into()),
        };
        for (field, value) in [("resourceVersion", version), ("uid", uid)] {
            if !object["metadata"].is_object() {
                object["metadata"] = json!({});
            }
            let metadata = object["metadata"].as_object_mut().expect("metadata");
            match value.filter(|value| !value.is_null()) {
                Some(value) => metadata.insert(field.to_owned(), value),
                None => metadata.remove(field),
            };
        }
    }

    fn note(&mut self, step: &Step, body: &Value) {
        match step {
            Step::List { resource, .. } => {
                if *resource == Resource::SnapshotJobs {
                    self.listed = text(&body["metadata"]["resourceVersion"]);
                }
                self.note_page(*resource, body);
            }
            Step::NextPage => {
                if let Some((resource, _)) = self.next_page.take() {
                    self.note_page(resource, body);
                }
            }
            Step::Create { resource, name, .. }
            | Step::Get { resource, name, .. }
            | Step::Replace { resource, name, .. }
            | Step::Patch { resource, name, .. }
            | Step::Delete { resource, name, .. } => {
                if body["kind"] == resource.kind() {
                    let mut object = body.clone();
                    object["metadata"].as_object_mut().expect("metadata").remove("managedFields");
                    self.objects.entry((*resource, (*name).to_owned())).or_default().push(object);
                }
            }
            Step::Watch(_) | Step::DeleteNamespace => {}
        }
    }

    fn note_page(&mut self, resource: Resource, body: &Value) {
        let token = text(&body["metadata"]["continue"]);
        self.next_page = (!token.is_empty()).then_some((resource, token));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
