//! An object as the API server holds it. Spec and status are read apart from each other, and leniently: an operator
//! that does not understand a spec must still be able to stop the session that the status names.

use kube::api::{ObjectMeta, TypeMeta};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::status::Session;
use crate::api::{FINALIZER, RESTART_ANNOTATION, SnapshotJob, SnapshotJobSpec, SnapshotJobStatus};
use crate::lifecycle::observed::Job;

/// A SnapshotJob whose spec and status are still text.
#[derive(Clone, Debug, Deserialize, Resource, Serialize)]
#[resource(inherit = SnapshotJob)]
pub struct StoredJob {
    /// `apiVersion` and `kind`, which a write has to carry.
    #[serde(flatten, default)]
    pub types: Option<TypeMeta>,
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `spec` as stored.
    #[serde(default)]
    pub spec: Value,
    /// `status` as stored.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub status: Value,
}

/// Fields of the status that this operator owns. What a newer operator added beside them is kept.
const OWNED: [&str; 13] = [
    "observedGeneration",
    "phase",
    "conditions",
    "startTime",
    "captureStartTime",
    "completionTime",
    "nextAttemptTime",
    "failures",
    "lastHandledRestart",
    "sessions",
    "history",
    "storage",
    "snapshots",
];

/// Fields of a session that this operator owns. What a newer operator added beside them is kept as long as the session.
const OWNED_OF_SESSION: [&str; 16] = [
    "attempt",
    "state",
    "recorderUid",
    "appId",
    "channel",
    "resourceId",
    "region",
    "nonce",
    "acquireTime",
    "sid",
    "startTime",
    "confirmTime",
    "controlEndTime",
    "tokenEndTime",
    "specHash",
    "stopReason",
];

impl StoredJob {
    /// `namespace/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace().unwrap_or_default(), self.name_any())
    }

    /// What decisions need of the metadata.
    pub fn job(&self) -> Job {
        Job {
            uid: self.uid().unwrap_or_default(),
            namespace: self.namespace().unwrap_or_default(),
            name: self.name_any(),
            generation: self.metadata.generation.unwrap_or(0),
            deleting: self.metadata.deletion_timestamp.is_some(),
            has_finalizer: self.finalizers().iter().any(|finalizer| finalizer == FINALIZER),
            restart: self.annotations().get(RESTART_ANNOTATION).cloned(),
        }
    }

    /// The spec.
    ///
    /// # Errors
    /// Why this operator does not understand it.
    pub fn spec(&self) -> Result<SnapshotJobSpec, String> {
        serde_json::from_value(self.spec.clone()).map_err(|error| error.to_string())
    }

    /// Name of the Secret with the customer's id and secret, even where the rest of the spec is not understood.
    pub fn credentials_name(&self) -> Option<&str> {
        self.spec.get("credentialsRef")?.get("name")?.as_str()
    }

    /// Whether the spec refers to a Secret of this name. By the rule that every reference is an object with a `name`
    /// under a key that ends in `Ref`, so that it also holds where the spec is not understood.
    pub fn refers_to(&self, secret: &str) -> bool {
        refers_to(&self.spec, secret)
    }

    /// The status, as much of it as can be read.
    pub fn status(&self) -> SnapshotJobStatus {
        SnapshotJobStatus {
            observed_generation: self.read("observedGeneration"),
            phase: self.read("phase"),
            conditions: self.read_each("conditions"),
            start_time: self.read("startTime"),
            capture_start_time: self.read("captureStartTime"),
            completion_time: self.read("completionTime"),
            next_attempt_time: self.read("nextAttemptTime"),
            failures: self.read("failures"),
            last_handled_restart: self.read("lastHandledRestart"),
            sessions: self.read_each("sessions"),
            history: self.read_each("history"),
            storage: self.read("storage"),
            snapshots: self.read("snapshots"),
        }
    }

    /// The object with this status. Fields of a newer operator, and sessions that this one cannot read, are kept.
    pub fn with_status(&self, status: &SnapshotJobStatus) -> Self {
        let mut fields = self.status.as_object().cloned().unwrap_or_default();
        let mut written = match serde_json::to_value(status) {
            Ok(Value::Object(written)) => written,
            Ok(_) | Err(_) => Map::new(),
        };
        self.keep_of_sessions(&mut written);
        for field in OWNED {
            match written.remove(field) {
                Some(value) => fields.insert(field.to_owned(), value),
                None => fields.remove(field),
            };
        }
        self.written(Value::Object(fields))
    }

    /// The object with these sessions and otherwise its stored status: the smallest write that saves a sid.
    pub fn with_sessions(&self, sessions: &[Session]) -> Self {
        let mut fields = self.status.as_object().cloned().unwrap_or_default();
        let mut written = Map::new();
        written.insert("sessions".to_owned(), serde_json::to_value(sessions).unwrap_or_default());
        self.keep_of_sessions(&mut written);
        fields.extend(written);
        self.written(Value::Object(fields))
    }

    fn written(&self, status: Value) -> Self {
        let types = Some(TypeMeta::resource::<SnapshotJob>());
        let mut metadata = self.metadata.clone();
        metadata.managed_fields = None;
        Self { types, metadata, spec: self.spec.clone(), status }
    }

    fn read<T: DeserializeOwned>(&self, field: &str) -> Option<T> {
        serde_json::from_value(self.status.get(field)?.clone()).ok()
    }

    fn read_each<T: DeserializeOwned>(&self, field: &str) -> Vec<T> {
        let entries = self.status.get(field).and_then(Value::as_array);
        entries.into_iter().flatten().filter_map(|entry| serde_json::from_value(entry.clone()).ok()).collect()
    }

    /// Numbers of the sessions that this operator cannot read; 0 for one without a number.
    pub fn unreadable_sessions(&self) -> Vec<i64> {
        self.unreadable().map(|entry| entry.get("attempt").and_then(Value::as_i64).unwrap_or(0)).collect()
    }

    /// What these say of themselves, for a person who has to look for them.
    pub fn unreadable_words(&self) -> Vec<String> {
        let known = |entry: &Value, field: &str| match entry.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
                "unknown".into()
            }
        };
        let words = |entry: &Value| {
            let fields = [
                ("appId", "appId"),
                ("cname", "channel"),
                ("uid", "recorderUid"),
                ("resourceId", "resourceId"),
                ("sid", "sid"),
                ("hard end", "tokenEndTime"),
            ];
            fields.map(|(name, field)| format!("{name} {}", known(entry, field))).join(", ")
        };
        self.unreadable().map(words).collect()
    }

    fn unreadable(&self) -> impl Iterator<Item = &Value> {
        let entries = self.status.get("sessions").and_then(Value::as_array).into_iter().flatten();
        entries.filter(|entry| serde_json::from_value::<Session>((*entry).clone()).is_err())
    }

    /// Keeps what a newer operator wrote: whole sessions, and fields of those that this one can read.
    fn keep_of_sessions(&self, written: &mut Map<String, Value>) {
        if let Some(Value::Array(sessions)) = written.get_mut("sessions") {
            sessions.iter_mut().for_each(|session| self.keep_unknown_fields(session));
        }
        self.keep_unreadable_sessions(written);
    }

    fn keep_unknown_fields(&self, written: &mut Value) {
        let attempt = written.get("attempt").cloned();
        let entries = self.status.get("sessions").and_then(Value::as_array).into_iter().flatten();
        let mut stored = entries.filter(|entry| entry.get("attempt") == attempt.as_ref());
        if let (Some(Value::Object(stored)), Some(written)) = (stored.next(), written.as_object_mut()) {
            let unknown = stored.iter().filter(|(field, _)| !OWNED_OF_SESSION.contains(&field.as_str()));
            written.extend(unknown.map(|(field, value)| (field.clone(), value.clone())));
        }
    }

    fn keep_unreadable_sessions(&self, written: &mut Map<String, Value>) {
        let unreadable: Vec<Value> = self.unreadable().cloned().collect();
        if unreadable.is_empty() {
            return;
        }
        if let Value::Array(sessions) = written.entry("sessions").or_insert_with(|| Value::Array(Vec::new()))
        {
            sessions.extend(unreadable);
        }
    }
}

fn refers_to(value: &Value, secret: &str) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, field)| {
            (key.ends_with("Ref") && field.get("name").and_then(Value::as_str) == Some(secret))
                || refers_to(field, secret)
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, secret)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::api::status::SessionState;
    use crate::lifecycle::fixtures;

    fn stored(status: Value) -> StoredJob {
        let spec = serde_json::to_value(fixtures::spec()).expect("a spec");
        serde_json::from_value(json!({
            "apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
            "metadata": {"name": "lobby", "namespace": "live", "uid": "u", "resourceVersion": "7"},
            "spec": spec, "status": status,
        }))
        .expect("an object")
    }

    #[test]
    fn every_field_of_the_status_and_of_a_session_is_owned() {
        for (schema, owned) in [
            (schemars::schema_for!(SnapshotJobStatus), OWNED.as_slice()),
            (schemars::schema_for!(Session), OWNED_OF_SESSION.as_slice()),
        ] {
            let schema = serde_json::to_value(schema).expect("a schema");
            let properties = schema["properties"].as_object().expect("properties");
            let fields: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
            assert_eq!(fields, owned.iter().copied().collect());
        }
    }

    #[test]
    fn every_reference_of_the_schema_is_found_and_nothing_else() {
        let mut object = stored(Value::Null);
        object.spec["channel"]["encryption"] = json!({"mode": "AES256GCM2",
            "secretKeyRef": {"name": "encryption", "key": "k"}, "saltSecretKeyRef": {"name": "salt", "key": "k"}});
        object.spec["channel"]["recorders"] =
            json!([{"uid": 1}, {"uid": 2, "tokenSecretKeyRef": {"name": "token", "key": "k"}}]);
        object.spec["storage"]["credentialsRef"] = json!({"name": "writer"});
        object.spec["storage"]["readerCredentialsRef"] = json!({"name": "reader"});
        object.spec["credentialsRef"] = json!({"name": "account"});
        object.spec().expect("a whole spec");
        let names = ["encryption", "salt", "token", "writer", "reader", "account"];
        for name in names {
            assert!(object.refers_to(name), "{name}");
        }
        let schema = serde_json::to_string(&schemars::schema_for!(SnapshotJobSpec)).expect("a schema");
        let references: BTreeSet<&str> = schema
            .split('"')
            .filter(|word| word.ends_with("Ref") && word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .collect();
        for reference in &references {
            let found =
                serde_json::to_string(&object.spec).expect("text").contains(&format!("\"{reference}\""));
            assert!(found, "the spec of this test lacks {reference}");
        }
        assert!(references.len() >= 5, "{references:?}");
        let channel = object.spec["channel"]["name"].as_str().expect("a name").to_owned();
        assert!(!object.refers_to(&channel) && !object.refers_to("k"));
    }

    #[test]
    fn what_was_read_is_written_back_unchanged() {
        let status = json!({
            "observedGeneration": 3, "phase": "Running", "failures": 2, "lastHandledRestart": "x",
            "startTime": "2026-01-01T00:00:00Z", "captureStartTime": "2026-01-01T00:00:10Z",
            "sessions": [{"attempt": 1, "state": "Running", "recorderUid": 1, "appId": "a", "channel": "c",
                "resourceId": "r", "nonce": "n", "acquireTime": "2026-01-01T00:00:00Z", "sid": "s", "specHash": "h"}],
            "snapshots": {"count": 4}, "storage": {"bucket": "b"},
        });
        let object = stored(status.clone());
        assert_eq!(object.with_status(&object.status()).status, status);
    }

    #[test]
    fn nothing_of_a_newer_operator_is_lost() {
        let object = stored(json!({
            "futureField": {"a": 1},
            "sessions": [{"attempt": 9, "state": "Hibernating", "sid": "precious"}],
        }));
        assert!(object.status().sessions.is_empty());
        let written = object.with_status(&SnapshotJobStatus::default()).status;
        assert_eq!(written["futureField"], json!({"a": 1}));
        assert_eq!(written["sessions"][0]["sid"], "precious");
    }

    /// After a rollback the older operator goes on with sessions that the newer one began.
    #[test]
    fn a_session_keeps_the_fields_of_a_newer_operator_as_long_as_it_is_there() {
        let session = |attempt: i64| {
            json!({"attempt": attempt, "state": "Running", "recorderUid": 1, "appId": "a", "channel": "c",
            "resourceId": "r", "nonce": "n", "acquireTime": "2026-01-01T00:00:00Z", "sid": "s", "specHash": "h",
            "stopReason": "Stopped", "futureField": {"of": attempt}})
        };
        let object = stored(json!({"sessions": [session(1), session(2)]}));
        assert_eq!(object.with_status(&object.status()).status, object.status, "nothing to write");
        let mut status = object.status();
        // The order of sessions says nothing, a field taken away stays away, and a new session inherits nothing.
        status.sessions.reverse();
        status.sessions[0].state = SessionState::Stopping;
        status.sessions[0].stop_reason = None;
        let mut third = status.sessions[1].clone();
        third.attempt = 3;
        status.sessions.push(third);
        for written in [object.with_status(&status), object.with_sessions(&status.sessions)] {
            let sessions = &written.status["sessions"];
            assert_eq!(sessions[0]["futureField"], json!({"of": 2}));
            assert_eq!(sessions[0]["state"], "Stopping");
            assert!(sessions[0].get("stopReason").is_none(), "{sessions:#}");
            assert_eq!(sessions[1]["futureField"], json!({"of": 1}));
            assert!(sessions[2].get("futureField").is_none(), "{sessions:#}");
        }
        status.sessions.clear();
        assert!(object.with_status(&status).status.get("sessions").is_none());
    }

    #[test]
    fn a_spec_that_is_not_understood_leaves_the_session_readable() {
        let mut object = stored(
            json!({"sessions": [{"attempt": 1, "state": "Running", "recorderUid": 1, "appId": "a",
            "channel": "c", "resourceId": "r", "nonce": "n", "acquireTime": "2026-01-01T00:00:00Z", "sid": "s",
            "specHash": "h"}]}),
        );
        object.spec["channel"]["profile"] = json!("Hologram");
        assert!(object.spec().expect_err("an unknown profile").contains("Hologram"));
        assert_eq!(object.credentials_name(), Some("agora"));
        assert_eq!(object.status().sessions[0].sid.as_deref(), Some("s"));
    }
}
