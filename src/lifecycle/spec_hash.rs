//! Which part of a spec a session was started with, as a short text that can be stored and compared.
//!
//! Two parts, `v1:<body>-<lists>`: a change of the lists alone can be sent to a running session, any other change
//! needs a new one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::api::SnapshotJobSpec;
use crate::api::spec::defaults;

const VERSION: &str = "v1:";

/// Stands for a session that was started with one of several specs, nobody knows which: unlike any of them.
pub const UNCLEAR: &str = "v1:unclear-unclear";

/// Fields of `subscription` that the vendor's `update` takes.
const LISTS: [&str; 4] = ["videoUids", "audioUids", "excludedVideoUids", "excludedAudioUids"];

/// Values that mean the same as an absent field.
fn is_default(field: &str, value: &Value) -> bool {
    match field {
        "intervalSeconds" => *value == defaults::interval_seconds(),
        "idleTimeoutSeconds" => *value == defaults::idle_timeout_seconds(),
        "maxUsers" => *value == defaults::max_users(),
        "videoQuality" => *value == "High",
        "format" => *value == "HLS",
        "streams" => *value == "AudioAndVideo",
        _ => false,
    }
}

/// How a session's spec stands to the wanted one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Difference {
    /// The same, or hashed by another version of this function, which is never a reason to replace a session.
    None,
    /// Only the subscription lists differ.
    Lists,
    /// It takes a new session.
    Body,
}

/// The hash of the part of a spec that a session is started with.
pub fn of(spec: &SnapshotJobSpec) -> String {
    let mut spec = serde_json::to_value(spec).unwrap_or_default();
    let mut body = Map::new();
    for field in
        ["credentialsRef", "channel", "intervalSeconds", "recording", "subscription", "idleTimeoutSeconds"]
    {
        if let Some(value) = spec.get_mut(field) {
            body.insert(field.to_owned(), value.take());
        }
    }
    if let Some(Value::Object(mut storage)) = spec.get_mut("storage").map(Value::take) {
        // What a session that runs knows nothing of.
        storage.remove("readerCredentialsRef");
        storage.remove("preflight");
        body.insert("storage".to_owned(), Value::Object(storage));
    }
    let mut lists = Map::new();
    if let Some(Value::Object(subscription)) = body.get_mut("subscription") {
        lists.extend(LISTS.iter().filter_map(|list| subscription.remove_entry(*list)));
    }
    // `recording: {}` means something, `subscription: {}` does not.
    let mut body = without_defaults(body);
    if body.get("subscription").is_some_and(|value| value.as_object().is_some_and(Map::is_empty)) {
        body.remove("subscription");
    }
    format!("{VERSION}{}-{}", digest(&body), digest(&without_defaults(lists)))
}

/// How the hash of a session stands to the wanted one.
pub fn difference(session: &str, wanted: &str) -> Difference {
    let parts =
        |hash: &str| hash.strip_prefix(VERSION)?.split_once('-').map(|(a, b)| (a.to_owned(), b.to_owned()));
    match (parts(session), parts(wanted)) {
        (Some((body, _)), Some((wanted_body, _))) if body != wanted_body => Difference::Body,
        (Some((_, lists)), Some((_, wanted_lists))) if lists != wanted_lists => Difference::Lists,
        (_, _) => Difference::None,
    }
}

fn without_defaults(object: Map<String, Value>) -> Map<String, Value> {
    object
        .into_iter()
        .filter(|(name, value)| !is_default(name, value))
        .filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()))
        .map(|(name, value)| match value {
            Value::Object(inner) => (name, Value::Object(without_defaults(inner))),
            value => (name, value),
        })
        .collect()
}

fn digest(object: &Map<String, Value>) -> String {
    let text = canonical(&Value::Object(object.clone())).to_string();
    hex::encode(&Sha256::digest(text.as_bytes())[..12])
}

/// The same with its keys in order. serde_json keeps them so, or as they were put in: that depends on which crates are built
/// beside this one.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<&String, &Value> = object.iter().collect();
            Value::Object(sorted.into_iter().map(|(key, value)| (key.clone(), canonical(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::spec::{DeletionPolicy, OnIdle, Recording, Subscription, VideoQuality};
    use crate::lifecycle::fixtures;

    type Change = fn(&mut SnapshotJobSpec);

    #[test]
    fn what_a_change_needs() {
        let table: &[(&str, Change, Difference)] = &[
            ("suspend", |s| s.suspend = true, Difference::None),
            ("duration", |s| s.duration_seconds = Some(1), Difference::None),
            ("deadline", |s| s.active_deadline_seconds = Some(1), Difference::None),
            ("backoff limit", |s| s.backoff_limit = 1, Difference::None),
            ("ttl", |s| s.ttl_seconds_after_finished = Some(1), Difference::None),
            ("deletion policy", |s| s.deletion_policy = DeletionPolicy::Orphan, Difference::None),
            ("on idle", |s| s.on_idle = OnIdle::Restart, Difference::None),
            ("session limit", |s| s.session_limit_hours = 1, Difference::None),
            (
                "reader",
                |s| s.storage.reader_credentials_ref = Some(fixtures::secret_ref("r")),
                Difference::None,
            ),
            ("empty subscription", |s| s.subscription = Some(fixtures::everybody()), Difference::None),
            ("interval", |s| s.interval_seconds = 11, Difference::Body),
            ("idle timeout", |s| s.idle_timeout_seconds = 301, Difference::Body),
            ("channel", |s| s.channel.name = "other".into(), Difference::Body),
            ("bucket", |s| s.storage.bucket = "other".into(), Difference::Body),
            ("credentials", |s| s.credentials_ref = fixtures::secret_ref("other"), Difference::Body),
            (
                "recording",
                |s| s.recording = Some(Recording { format: Default::default(), streams: Default::default() }),
                Difference::Body,
            ),
            (
                "a list",
                |s| s.subscription = Some(Subscription { video_uids: vec![7], ..fixtures::everybody() }),
                Difference::Lists,
            ),
            (
                "quality",
                |s| {
                    s.subscription =
                        Some(Subscription { video_quality: VideoQuality::Low, ..fixtures::everybody() })
                },
                Difference::Body,
            ),
        ];
        let before = of(&fixtures::spec());
        for (name, change, expected) in table {
            let mut spec = fixtures::spec();
            change(&mut spec);
            assert_eq!(difference(&before, &of(&spec)), *expected, "{name}");
        }
    }

    #[test]
    fn another_version_is_no_reason_to_replace() {
        assert_eq!(difference("v0:whatever", &of(&fixtures::spec())), Difference::None);
        assert_eq!(difference("v2:a-b", &of(&fixtures::spec())), Difference::None);
    }

    /// Sessions survive an upgrade of the operator only while this stays as it is.
    #[test]
    fn the_hash_is_stable_across_releases() {
        assert_eq!(of(&fixtures::spec()), "v1:bf31fc091398b0c24d4172a6-44136fa355b3678a1146ad16");
    }
}
