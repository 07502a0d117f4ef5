//! Getting, listing and watching.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::failures::{Failure, answer};
use super::requests::{Query, Target, wants_metadata_only};
use super::resources::Resource;
use super::store::{Change, Key};
use super::{Answer, ApiServer};

/// What is watched, and since when.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    resource: Resource,
    /// `None` is all of them.
    namespace: Option<String>,
    from: u64,
    /// It begins with the objects that there are.
    initial: bool,
    /// After these comes a bookmark that says so.
    initial_end: bool,
    metadata_only: bool,
}

impl Watch {
    /// The resourceVersion that it starts from; 0 where it starts with the objects that there are.
    pub(crate) fn resource_version(&self) -> u64 {
        self.from
    }
}

impl ApiServer {
    pub(super) fn get(&self, target: &Target, request: &Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let mut query = Query::of(request);
        query.take("resourceVersion");
        query.nothing_else();
        let key = Key::new(target.resource, target.namespace(), target.name());
        match self.store.get(&key) {
            Some(object) => Ok(answer(200, &shown(object, wants_metadata_only(request)))),
            None => Err(Failure::not_found(target.resource, target.name())),
        }
    }

    pub(super) fn list_or_watch(&self, target: &Target, request: &Request<Bytes>) -> Result<Answer, Failure> {
        let mut query = Query::of(request);
        if query.flag("watch") {
            self.watch(target, query, wants_metadata_only(request)).map(Answer::Watch)
        } else {
            self.list(target, query, wants_metadata_only(request)).map(Answer::Now)
        }
    }

    fn list(
        &self,
        target: &Target,
        mut query: Query,
        metadata_only: bool,
    ) -> Result<Response<Bytes>, Failure> {
        let (resource, namespace) = (target.resource, target.namespace.as_deref());
        let limit: Option<usize> = query.take("limit").map(|limit| limit.parse().expect("a limit"));
        let page = query.take("continue").map(|token| Continue::decode(&token)).transpose()?;
        // The newest state is as good as any that the reader allows.
        let version = query.take("resourceVersion");
        let exact = query.take("resourceVersionMatch");
        assert!(
            exact.as_deref() != Some("Exact"),
            "the model of the API server lists the newest state alone"
        );
        assert!(page.is_none() || version.is_none(), "a page is of the resourceVersion that its token names");
        query.nothing_else();
        let revision = page.as_ref().map_or(self.store.revision(), |page| page.revision);
        let Some(all) = self.store.collection_at(resource, namespace, revision) else {
            return Err(Failure::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new \
                 list without the continue parameter."
                    .into(),
            ));
        };
        let start = page.map(|page| page.start);
        let mut rest = all
            .into_iter()
            .filter(|(key, _)| start.as_ref().is_none_or(|start| relative(key, namespace) >= start.as_str()));
        let items: Vec<(Key, _)> = rest.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
        let remaining = rest.count();
        let mut list_metadata = json!({"resourceVersion": revision.to_string()});
        if resource == Resource::SnapshotJobs && !metadata_only {
            list_metadata["continue"] = "".into();
        }
        if let Some((last, _)) = items.last().filter(|_| remaining > 0) {
            let token = Continue { revision, start: format!("{}\0", relative(last, namespace)) };
            list_metadata["continue"] = token.encode().into();
            list_metadata["remainingItemCount"] = remaining.into();
        }
        let items: Vec<Value> =
            items.iter().map(|(_, object)| listed(resource, object, metadata_only)).collect();
        let (api_version, kind) = if metadata_only {
            ("meta.k8s.io/v1".into(), "PartialObjectMetadataList".into())
        } else {
            (resource.api_version(), format!("{}List", resource.kind()))
        };
        Ok(answer(
            200,
            &json!({"kind": kind, "apiVersion": api_version, "metadata": list_metadata, "items": items}),
        ))
    }

    fn watch(&self, target: &Target, mut query: Query, metadata_only: bool) -> Result<Watch, Failure> {
        let version = query.take("resourceVersion").unwrap_or_default();
        // Those of the initial events alone are sent: the others come as the server likes, or never.
        let bookmarks = query.flag("allowWatchBookmarks");
        query.take("timeoutSeconds");
        let streaming_list = query.flag("sendInitialEvents");
        let matches = query.take("resourceVersionMatch");
        query.nothing_else();
        assert!(
            !streaming_list || (bookmarks && matches.as_deref() == Some("NotOlderThan")),
            "a streaming list comes with bookmarks and resourceVersionMatch=NotOlderThan"
        );
        let from = if version.is_empty() {
            0
        } else {
            version.parse().map_err(|_| {
                Failure::internal(format!(
                    "resourceVersion: Invalid value: {version:?}: strconv.ParseUint: parsing {version:?}: invalid syntax"
                ))
            })?
        };
        let initial = streaming_list || from == 0;
        Ok(Watch {
            resource: target.resource,
            namespace: target.namespace.clone(),
            from: if initial { 0 } else { from },
            initial,
            // Whoever takes bookmarks gets this one, though it is a part of streaming lists alone.
            initial_end: initial && bookmarks,
            metadata_only,
        })
    }

    /// Events of a watch after this resourceVersion, oldest first, each as JSON in one line without its newline, with
    /// the resourceVersion to go on from after it.
    ///
    /// # Errors
    /// The events are forgotten: the line that the API server sends then, the last one of its answer.
    pub(crate) fn events_after(
        &self,
        watch: &Watch,
        resource_version: u64,
    ) -> Result<Vec<(u64, Bytes)>, Bytes> {
        let (resource, namespace) = (watch.resource, watch.namespace.as_deref());
        if watch.initial && resource_version == 0 {
            let revision = self.store.revision();
            let added = self
                .store
                .collection(resource, namespace)
                .map(|(_, object)| (revision, line("ADDED", &shown(object, watch.metadata_only))));
            let end = watch.initial_end.then(|| {
                let mut bookmark = bookmark(watch, revision);
                bookmark["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
                (revision, line("BOOKMARK", &bookmark))
            });
            return Ok(added.chain(end).collect());
        }
        let Some(events) = self.store.after(resource, namespace, resource_version) else {
            return Err(self.expired(resource_version));
        };
        let told = |change| match change {
            Change::Added => "ADDED",
            Change::Modified => "MODIFIED",
            Change::Deleted => "DELETED",
        };
        Ok(events
            .map(|event| {
                (event.revision, line(told(event.change), &shown(&event.object, watch.metadata_only)))
            })
            .collect())
    }

    /// The line that is sent in place of events to a watch that goes on from a forgotten resourceVersion.
    pub(crate) fn expired(&self, resource_version: u64) -> Bytes {
        let oldest = self.store.compacted() + 1;
        let failure = Failure::expired(format!("too old resource version: {resource_version} ({oldest})"));
        line("ERROR", &failure.status())
    }
}

/// Where a list goes on, as clients carry it without looking.
struct Continue {
    revision: u64,
    start: String,
}

impl Continue {
    fn encode(&self) -> String {
        let token = json!({"v": "meta.k8s.io/v1", "rv": self.revision, "start": format!("/{}", self.start)});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn decode(token: &str) -> Result<Self, Failure> {
        let read = || -> Option<Self> {
            let token: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
            let start = token["start"].as_str()?.strip_prefix('/')?.to_owned();
            Some(Self { revision: token["rv"].as_u64()?, start })
        };
        read().ok_or_else(|| Failure::bad_request("invalid continue token"))
    }
}

/// The part of a key that a list of this scope is ordered by.
fn relative<'a>(key: &'a Key, namespace: Option<&str>) -> &'a str {
    match namespace {
        Some(_) => key.parts().1,
        None => key.path(),
    }
}

fn shown(object: &Value, metadata_only: bool) -> Value {
    if !metadata_only {
        return object.clone();
    }
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
    })
}

/// An item of a list. Those of the API server's own types do not repeat what they are.
fn listed(resource: Resource, object: &Value, metadata_only: bool) -> Value {
    let mut item = shown(object, metadata_only);
    if resource != Resource::SnapshotJobs && !metadata_only {
        let fields = item.as_object_mut().expect("an object");
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    item
}

fn bookmark(watch: &Watch, revision: u64) -> Value {
    let (api_version, kind) = if watch.metadata_only {
        ("meta.k8s.io/v1".into(), "PartialObjectMetadata")
    } else {
        (watch.resource.api_version(), watch.resource.kind())
    };
    json!({"kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": revision.to_string()}})
}

fn line(kind: &str, object: &Value) -> Bytes {
    serde_json::to_vec(&json!({"type": kind, "object": object})).expect("JSON").into()
}
