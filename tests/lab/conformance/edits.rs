//! What is changed in an object: by the operator, by its users, and by a third hand that means no good.

use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use serde_json::{Value, json};

/// One field set or taken away.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    path: &'static [&'static str],
    /// `None` takes it away.
    value: Option<Value>,
}

impl Edit {
    /// In the object itself, as for a PUT.
    pub(super) fn apply(&self, object: &mut Value) {
        let (last, before) = self.path.split_last().expect("a path");
        let mut place = object;
        for name in before {
            if !place[*name].is_object() {
                place[*name] = json!({});
            }
            place = &mut place[*name];
        }
        match &self.value {
            Some(value) => place[*last] = value.clone(),
            None => {
                place.as_object_mut().expect("an object").remove(*last);
            }
        }
    }

    /// As a merge patch, added to one.
    pub(super) fn patch(&self, patch: &mut Value) {
        let null = Self { path: self.path, value: Some(self.value.clone().unwrap_or(Value::Null)) };
        null.apply(patch);
    }
}

fn set(path: &'static [&'static str], value: Value) -> Edit {
    Edit { path, value: Some(value) }
}

fn remove(path: &'static [&'static str]) -> Edit {
    Edit { path, value: None }
}

/// A session as the operator writes it.
fn session(attempt: i64, state: &str) -> Value {
    json!({
        "attempt": attempt, "state": state, "recorderUid": 4_000_000_001_u32, "appId": "970ca35de60c44645bbae8a215061b33",
        "channel": "lobby", "resourceId": "resource", "nonce": "nonce", "acquireTime": "2026-01-01T00:00:00Z",
        "specHash": "v1:abc",
    })
}

fn condition(kind: &str, status: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": "Testing", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

/// A finalizer that nobody here takes away.
pub(super) fn hold() -> Edit {
    set(&["metadata", "finalizers"], json!(["example.com/hold"]))
}

/// What the metadata of any object may meet.
pub(super) fn metadata() -> impl Strategy<Value = Edit> {
    const FINALIZER: &str = "agora-snapshot.dev/session";
    select(vec![
        set(&["metadata", "finalizers"], json!([FINALIZER])),
        set(&["metadata", "finalizers"], json!([FINALIZER])),
        set(&["metadata", "finalizers"], json!(["example.com/other"])),
        set(&["metadata", "finalizers"], json!(["example.com/other", FINALIZER])),
        set(&["metadata", "finalizers"], json!([])),
        set(&["metadata", "finalizers"], json!([])),
        remove(&["metadata", "finalizers"]),
        set(&["metadata", "labels"], json!({"team": "a"})),
        set(&["metadata", "labels", "team"], json!("b")),
        remove(&["metadata", "labels"]),
        set(&["metadata", "annotations", "agora-snapshot.dev/restart"], json!("1")),
        set(&["metadata", "annotations", "agora-snapshot.dev/restart"], json!("2")),
        set(&["metadata", "annotations"], json!({})),
        set(&["metadata", "generation"], json!(99)),
        set(&["metadata", "creationTimestamp"], json!("2020-01-01T00:00:00Z")),
        set(&["metadata", "unknown"], json!(1)),
        remove(&["metadata", "deletionTimestamp"]),
        remove(&["metadata", "deletionGracePeriodSeconds"]),
        remove(&["metadata", "creationTimestamp"]),
        set(&["metadata", "deletionTimestamp"], json!("2020-01-01T00:00:00Z")),
        set(&["metadata", "deletionGracePeriodSeconds"], json!(5)),
        set(&["metadata", "namespace"], json!("elsewhere")),
        set(&["metadata", "name"], json!("elsewhere")),
    ])
}

/// What users do to the spec.
pub(super) fn spec() -> impl Strategy<Value = Edit> {
    select(vec![
        set(&["spec", "intervalSeconds"], json!(5)),
        set(&["spec", "intervalSeconds"], json!(60)),
        remove(&["spec", "intervalSeconds"]),
        set(&["spec", "suspend"], json!(true)),
        set(&["spec", "suspend"], json!(false)),
        set(&["spec", "recording"], json!({})),
        set(&["spec", "recording"], json!({"format": "HLS", "streams": "Video", "unknown": 1})),
        remove(&["spec", "recording"]),
        set(&["spec", "subscription"], json!({"videoUids": [1, 2]})),
        set(&["spec", "durationSeconds"], json!(3600)),
        set(&["spec", "durationSeconds"], json!(null)),
        set(&["spec", "channel", "name"], json!("annex")),
        set(
            &["spec", "channel", "recorders"],
            json!([{"uid": 4_000_000_001_u32}, {"uid": 4_000_000_002_u32}]),
        ),
        set(&["spec", "unknown"], json!({"a": 1})),
        set(&["spec", "storage", "unknown"], json!(null)),
        set(&["unknown"], json!(1)),
        // None of these is accepted.
        set(&["spec", "intervalSeconds"], json!(0)),
        set(&["spec", "intervalSeconds"], json!(4000)),
        set(&["spec", "intervalSeconds"], json!("ten")),
        set(&["spec", "intervalSeconds"], json!(2.5)),
        set(&["spec", "suspend"], json!("no")),
        set(&["spec", "onIdle"], json!("Explode")),
        set(&["spec", "channel", "profile"], json!("Party")),
        set(&["spec", "channel"], json!("lobby")),
        set(&["spec", "subscription"], json!({"videoUids": [1, 1]})),
        set(&["spec", "subscription"], json!({"videoUids": [1, "two"]})),
        set(&["spec", "channel", "recorders"], json!([{"uid": 7}, {"uid": 7}])),
        remove(&["spec", "channel", "appId"]),
        remove(&["spec", "storage"]),
        remove(&["spec"]),
        set(&["spec"], json!([])),
    ])
}

/// What the operator writes into the status, and what others do to it.
pub(super) fn status() -> impl Strategy<Value = Edit> {
    let good = select(vec![
        set(&["status", "phase"], json!("Running")),
        set(&["status", "phase"], json!("Stopping")),
        set(&["status", "observedGeneration"], json!(1)),
        set(&["status", "observedGeneration"], json!(2)),
        set(&["status", "sessions"], json!([session(1, "Claimed")])),
        set(&["status", "sessions"], json!([session(1, "Running")])),
        set(&["status", "sessions"], json!([session(1, "Stopping"), session(2, "Running")])),
        set(&["status", "sessions"], json!([])),
        set(&["status", "conditions"], json!([condition("Ready", "True")])),
        set(&["status", "conditions"], json!([condition("Ready", "False"), condition("Stalled", "True")])),
        set(&["status", "startTime"], json!("2026-01-01T00:00:00Z")),
        set(&["status", "startTime"], json!("2026-01-01T00:00:00.123456Z")),
        set(&["status", "failures"], json!(3)),
        set(&["status", "storage"], json!({"bucket": "snapshots", "unknown": true})),
        set(&["status", "snapshots"], json!({"count": 3, "users": [{"uid": 1, "count": 3}]})),
        set(&["status", "newer"], json!({"field": null, "list": [null, 1]})),
        remove(&["status", "newer"]),
    ]);
    let wiped = select(vec![
        remove(&["status"]),
        set(&["status"], json!({})),
        set(&["status"], json!(null)),
        remove(&["status", "sessions"]),
        set(&["status", "phase"], json!(null)),
    ]);
    let bad = select(vec![
        set(&["status", "phase"], json!(3)),
        set(&["status", "failures"], json!(1.5)),
        set(&["status", "sessions"], json!([session(1, "Running"), session(1, "Claimed")])),
        set(&["status", "sessions"], json!([1, 2, 3, 4, 5].map(|attempt| session(attempt, "Running")))),
        set(&["status", "sessions"], json!([{"attempt": 1}])),
        set(&["status", "sessions"], json!({"attempt": 1})),
        set(&["status", "storage"], json!({"prefix": "lobby"})),
        set(&["status", "startTime"], json!("yesterday")),
        set(&["status", "conditions"], json!([condition("Ready", "True"), condition("Ready", "False")])),
        set(&["status", "storage"], json!({"bucket": "b".repeat(4097)})),
        set(&["status"], json!("gone")),
        set(&["status"], json!([])),
    ]);
    prop_oneof![8 => good, 2 => wiped, 1 => bad]
}

/// What happens to Secrets.
pub(super) fn secret() -> impl Strategy<Value = Edit> {
    select(vec![
        set(&["data", "k"], json!("b3RoZXI=")),
        set(&["stringData"], json!({"k": "text", "l": "more"})),
        remove(&["data"]),
        set(&["type"], json!("example.com/other")),
    ])
}

/// What happens to Leases.
pub(super) fn lease() -> impl Strategy<Value = Edit> {
    select(vec![
        set(&["spec", "holderIdentity"], json!("one")),
        set(&["spec", "holderIdentity"], json!("two")),
        set(&["spec", "renewTime"], json!("2026-01-01T00:01:00.000000Z")),
        set(&["spec", "leaseTransitions"], json!(3)),
        remove(&["spec", "holderIdentity"]),
    ])
}

/// What happens to Events: nothing but a further one of the series.
pub(super) fn event() -> impl Strategy<Value = Edit> {
    (2..5).prop_flat_map(|count| {
        Just(set(&["series"], json!({"count": count, "lastObservedTime": "2026-01-01T00:01:00.000001Z"})))
    })
}
