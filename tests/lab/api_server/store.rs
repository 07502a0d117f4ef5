//! What is stored, and what has happened to it: the part of etcd and of the watch cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::resources::Resource;

/// Where an object is: by resource, then as etcd orders them.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key {
    pub(super) resource: Resource,
    /// `namespace/name`, or the name alone.
    path: String,
}

/// All objects, and the events since the last compaction.
#[derive(Debug)]
pub(super) struct Store {
    revision: u64,
    /// Events up to here are forgotten.
    compacted: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    /// Oldest first.
    events: Vec<Event>,
}

/// A change of one object.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) revision: u64,
    pub(super) key: Key,
    pub(super) change: Change,
    /// As it is after the change; at a deletion its last state, with the revision of the deletion.
    pub(super) object: Arc<Value>,
    /// As it was before.
    before: Option<Arc<Value>>,
}

/// What became of the object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    Added,
    Modified,
    Deleted,
}

impl Key {
    pub(super) fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        let path = if resource.namespaced() { format!("{namespace}/{name}") } else { name.to_owned() };
        Self { resource, path }
    }

    /// Whether it is in this namespace; every object is in `None`.
    pub(super) fn is_in(&self, namespace: Option<&str>) -> bool {
        namespace.is_none_or(|namespace| {
            self.path.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// Namespace and name.
    pub(super) fn parts(&self) -> (&str, &str) {
        self.path.split_once('/').unwrap_or(("", &self.path))
    }

    /// `namespace/name`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// As etcd names it.
    pub(super) fn registry(&self) -> String {
        match self.resource.group() {
            "" => format!("/registry/{}/{}", self.resource.plural(), self.path),
            group => format!("/registry/{group}/{}/{}", self.resource.plural(), self.path),
        }
    }
}

impl Store {
    pub(super) fn new() -> Self {
        // Revision 0 means "any" to a reader, so nothing is ever stored at it.
        Self { revision: 1, compacted: 0, objects: BTreeMap::new(), events: Vec::new() }
    }

    /// Revision of the newest change of all.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// Stores an object at a new revision, and returns it with that.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), object.clone());
        let change = if before.is_some() { Change::Modified } else { Change::Added };
        self.events.push(Event { revision: self.revision, key, change, object: object.clone(), before });
        object
    }

    /// Removes an object; `last` is the state that its watchers see.
    pub(super) fn remove(&mut self, key: Key, mut last: Value) {
        self.revision += 1;
        last["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let before = self.objects.remove(&key);
        let object = Arc::new(last);
        self.events.push(Event { revision: self.revision, key, change: Change::Deleted, object, before });
    }

    /// The objects of a collection, in order.
    pub(super) fn collection<'a>(
        &'a self,
        resource: Resource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        self.objects.iter().filter(move |(key, _)| key.resource == resource && key.is_in(namespace))
    }

    /// The same as it was at an older revision; `None` if that is forgotten.
    pub(super) fn collection_at(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        revision: u64,
    ) -> Option<Vec<(Key, Arc<Value>)>> {
        if revision < self.compacted {
            return None;
        }
        let mut then: BTreeMap<Key, Arc<Value>> =
            self.collection(resource, namespace).map(|(key, object)| (key.clone(), object.clone())).collect();
        let later = self.events.iter().rev().take_while(|event| event.revision > revision);
        for event in later.filter(|event| event.key.resource == resource && event.key.is_in(namespace)) {
            match &event.before {
                Some(before) => then.insert(event.key.clone(), before.clone()),
                None => then.remove(&event.key),
            };
        }
        Some(then.into_iter().collect())
    }

    /// The events of a collection after a revision; `None` if they are forgotten.
    pub(super) fn after(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        revision: u64,
    ) -> Option<impl Iterator<Item = &Event>> {
        let namespace = namespace.map(str::to_owned);
        let first = self.events.partition_point(|event| event.revision <= revision);
        (revision >= self.compacted).then(|| {
            self.events[first..]
                .iter()
                .filter(move |event| event.key.resource == resource && event.key.is_in(namespace.as_deref()))
        })
    }

    /// What an object was since the last compaction, oldest first.
    pub(super) fn history(&self, key: &Key) -> Vec<&Value> {
        let of_it = self.events.iter().filter(|event| event.key == *key);
        of_it.map(|event| event.object.as_ref()).collect()
    }

    /// Forgets all events.
    pub(super) fn compact(&mut self) {
        self.compacted = self.revision;
        self.events.clear();
    }
}
