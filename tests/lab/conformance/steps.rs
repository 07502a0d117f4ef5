//! The steps of a sequence: what is sent, in terms of what was answered before. Each side makes its requests from its own
//! answers, since uids and resourceVersions differ.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use serde_json::{Value, json};

use super::edits::{self, Edit};
use crate::api_server::Resource;

/// One request.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create {
        resource: Resource,
        name: &'static str,
        base: Base,
        edits: Vec<Edit>,
    },
    Get {
        resource: Resource,
        name: &'static str,
        status: bool,
    },
    List {
        resource: Resource,
        limit: Option<usize>,
    },
    /// The next page of the last list that had one.
    NextPage,
    Replace {
        resource: Resource,
        name: &'static str,
        status: bool,
        base: Base,
        version: Version,
        uid: Uid,
        edits: Vec<Edit>,
    },
    Patch {
        resource: Resource,
        name: &'static str,
        status: bool,
        version: Version,
        uid: Uid,
        edits: Vec<Edit>,
    },
    Delete {
        resource: Resource,
        name: &'static str,
        uid: Uid,
        version: Version,
    },
    Watch(From),
    DeleteNamespace,
}

/// The object that a write begins with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    /// As declared by a user, without anything that the server says.
    Declared,
    /// As it was last seen.
    Newest,
    /// As it was seen earlier: by a stale cache, or in a backup.
    Older(usize),
}

/// Which resourceVersion a write names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Version {
    OfBase,
    Newest,
    Older(usize),
    Absent,
    /// One that no object of these tests ever has.
    Other,
    NoNumber,
}

/// Which uid a write names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Uid {
    OfBase,
    Absent,
    Other,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// With the objects that there are.
    Anything,
    /// The same, with a mark at their end (streaming lists).
    StreamingList,
    /// After the resourceVersion of the last list.
    List,
    /// After that of an object seen.
    Object(usize),
    /// Long before anything that is remembered.
    Forgotten,
}

const NAMES: [&str; 2] = ["hall", "lobby"];

fn name() -> impl Strategy<Value = &'static str> + Clone {
    select(NAMES.to_vec())
}

fn base() -> impl Strategy<Value = Base> {
    prop_oneof![
        4 => Just(Base::Newest),
        1 => Just(Base::Declared),
        1 => (0..8_usize).prop_map(Base::Older),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![
        10 => Just(Version::OfBase),
        4 => Just(Version::Newest),
        2 => (0..8_usize).prop_map(Version::Older),
        1 => Just(Version::Absent),
        1 => Just(Version::Other),
        1 => Just(Version::NoNumber),
    ]
}

fn uid() -> impl Strategy<Value = Uid> {
    prop_oneof![6 => Just(Uid::OfBase), 2 => Just(Uid::Absent), 1 => Just(Uid::Other)]
}

fn job_edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit =
        prop_oneof![2 => edits::metadata().boxed(), 2 => edits::spec().boxed(), 1 => edits::status().boxed()];
    vec(edit, 0..4)
}

fn status_edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        8 => edits::status().boxed(),
        1 => edits::metadata().boxed(),
        1 => edits::spec().boxed(),
    ];
    vec(edit, 0..4)
}

fn job_step(name: impl Strategy<Value = &'static str> + Clone + 'static) -> impl Strategy<Value = Step> {
    let resource = Resource::SnapshotJobs;
    let create_base = prop_oneof![8 => Just(Base::Declared), 1 => Just(Base::Newest)];
    prop_oneof![
        4 => (name.clone(), create_base, job_edits())
            .prop_map(move |(name, base, edits)| Step::Create { resource, name, base, edits }),
        1 => (name.clone(), any::<bool>())
            .prop_map(move |(name, status)| Step::Get { resource, name, status }),
        1 => select(vec![None, Some(1), Some(500)]).prop_map(move |limit| Step::List { resource, limit }),
        1 => Just(Step::NextPage),
        3 => (name.clone(), base(), version(), uid(), job_edits()).prop_map(
            move |(name, base, version, uid, edits)| {
                Step::Replace { resource, name, status: false, base, version, uid, edits }
            }
        ),
        6 => (name.clone(), base(), version(), uid(), status_edits()).prop_map(
            move |(name, base, version, uid, edits)| {
                Step::Replace { resource, name, status: true, base, version, uid, edits }
            }
        ),
        4 => (name.clone(), version(), uid(), job_edits()).prop_map(move |(name, version, uid, edits)| {
            Step::Patch { resource, name, status: false, version, uid, edits }
        }),
        2 => (name.clone(), version(), uid(), status_edits()).prop_map(move |(name, version, uid, edits)| {
            Step::Patch { resource, name, status: true, version, uid, edits }
        }),
        2 => (name, uid(), version())
            .prop_map(move |(name, uid, version)| Step::Delete { resource, name, uid, version }),
        1 => prop_oneof![
            Just(From::Anything),
            Just(From::StreamingList),
            Just(From::List),
            (0..8_usize).prop_map(From::Object),
            Just(From::Forgotten),
        ]
        .prop_map(Step::Watch),
    ]
}

fn other_step() -> impl Strategy<Value = Step> {
    let resource = select(vec![Resource::Secrets, Resource::Leases, Resource::Events]);
    (resource, name(), base(), version(), uid(), any::<u8>()).prop_flat_map(
        |(resource, name, base, version, uid, pick)| {
            let edit = match resource {
                Resource::Secrets => edits::secret().boxed(),
                Resource::Leases => edits::lease().boxed(),
                Resource::SnapshotJobs | Resource::Namespaces | Resource::Events => edits::event().boxed(),
            };
            // A deletion and a PUT of these with a foreign uid are nothing that the model knows.
            let uid = match uid {
                Uid::OfBase => Uid::OfBase,
                Uid::Absent | Uid::Other => Uid::Absent,
            };
            vec(edit, 0..3).prop_map(move |edits| match (pick % 8, resource) {
                (0 | 1, _) => Step::Create { resource, name, base: Base::Declared, edits },
                (2, _) => Step::Get { resource, name, status: false },
                (3, _) => Step::List { resource, limit: None },
                (4, _) => Step::Delete { resource, name, uid, version },
                (5 | 6, Resource::Secrets | Resource::Leases) => {
                    let uid = if resource == Resource::Leases { Uid::Absent } else { uid };
                    Step::Replace { resource, name, status: false, base, version, uid, edits }
                }
                _ => Step::Patch { resource, name, status: false, version, uid: Uid::Absent, edits },
            })
        },
    )
}

/// Any step but the end of the namespace.
pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![5 => job_step(name()).boxed(), 1 => other_step().boxed()]
}

/// A sequence about one object whose namespace is deleted. Another, with a finalizer that nobody takes away, keeps the
/// namespace from going altogether, for when it does depends on its controller.
pub(super) fn terminating() -> impl Strategy<Value = Vec<Step>> {
    let only = || Just(NAMES[0]);
    (
        vec(job_step(only()), 0..6),
        vec(prop_oneof![5 => job_step(only()).boxed(), 2 => other_step().boxed()], 4..16),
    )
        .prop_map(|(mut steps, after)| {
            steps.push(Step::Create {
                resource: Resource::SnapshotJobs,
                name: "that-stays",
                base: Base::Declared,
                edits: vec![edits::hold()],
            });
            steps.push(Step::DeleteNamespace);
            steps.extend(after);
            steps
        })
}

/// An object as a user declares it.
pub(super) fn declared(resource: Resource, name: &str, namespace: &str) -> Value {
    let mut object = match resource {
        Resource::SnapshotJobs => json!({
            "spec": {
                "credentialsRef": {"name": "agora"},
                "channel": {
                    "appId": "970ca35de60c44645bbae8a215061b33", "name": "lobby", "profile": "LiveBroadcasting",
                },
                "storage": {
                    "vendor": "AmazonS3", "region": "us-east-1", "bucket": "snapshots",
                    "credentialsRef": {"name": "bucket"},
                },
            },
        }),
        Resource::Namespaces => json!({}),
        Resource::Secrets => json!({"data": {"k": "dmFsdWU="}}),
        Resource::Leases => json!({
            "spec": {
                "holderIdentity": "one", "leaseDurationSeconds": 15, "leaseTransitions": 0,
                "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.000000Z",
            },
        }),
        Resource::Events => json!({
            "action": "Stop", "reason": "Testing", "note": "a note", "type": "Normal",
            "eventTime": "2026-01-01T00:00:00.000001Z",
            "regarding": {"kind": "SnapshotJob", "namespace": namespace, "name": "lobby"},
            "reportingController": "agora-snapshot-operator", "reportingInstance": "operator-0",
        }),
    };
    object["apiVersion"] = resource.api_version().into();
    object["kind"] = resource.kind().into();
    object["metadata"] = json!({"name": name});
    object
}
