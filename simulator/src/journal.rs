//! The journal of calls: one entry from the moment a call arrives, completed when it is answered. Owns the masking of
//! secrets in the bodies that it keeps, so that tests can compare what was sent without anything being stored.

use std::sync::Mutex;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::gateway::Verb;
use crate::service::Target;

/// Body keys whose values are secrets.
const SECRET_KEYS: [&str; 6] = ["accessKey", "secretKey", "token", "stsToken", "secret", "salt"];

/// One call.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Number of the call, from 1.
    pub id: u64,
    /// Arrival, RFC 3339.
    pub time: String,
    /// The verb, or `unknown` where no route fits.
    pub verb: String,
    /// HTTP method.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// App ID of the path.
    pub app_id: String,
    /// Channel name, of the body or of the resource id.
    pub cname: String,
    /// Recorder uid of the body.
    pub uid: String,
    /// Resource id of the path, or the one that acquire gave out.
    pub resource_id: String,
    /// Sid of the path, or the one that start gave out.
    pub sid: String,
    /// Body with its secrets masked.
    pub body: Value,
    /// When it was answered, RFC 3339; null while it is held.
    pub answered: Option<String>,
    /// HTTP status of the answer; null while it is held, and where the connection was closed without one.
    pub status: Option<u16>,
    /// The service's code in the answer.
    pub code: Option<u64>,
    /// Whether the connection was closed without an answer.
    pub dropped: bool,
    /// What a strict reader found odd.
    pub notes: Vec<String>,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Completion {
    /// RFC 3339.
    pub time: String,
    /// HTTP status and body; nothing if the connection was closed.
    pub answer: Option<(u16, Value)>,
    /// What a strict reader found odd.
    pub notes: Vec<String>,
}

/// All calls since the start.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Vec<Entry>>);

/// What has arrived.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// RFC 3339.
    pub time: String,
    /// HTTP method.
    pub method: &'a str,
    /// Path.
    pub path: &'a str,
    /// What it means.
    pub route: Option<(Verb, &'a Target)>,
    /// Channel name, where known.
    pub cname: String,
    /// Body as received; null if there is none or it is no JSON.
    pub body: &'a Value,
}

impl Journal {
    /// Opens an entry and gives its number.
    pub fn arrive(&self, arrival: Arrival<'_>) -> u64 {
        let mut entries = self.lock();
        let id = entries.len() as u64 + 1;
        let target = arrival.route.map(|(_, target)| target.clone()).unwrap_or_default();
        entries.push(Entry {
            id,
            time: arrival.time,
            verb: arrival.route.map_or("unknown", |(verb, _)| verb.word()).to_owned(),
            method: arrival.method.to_owned(),
            path: arrival.path.to_owned(),
            app_id: target.app_id,
            cname: arrival.cname,
            uid: arrival.body["uid"].as_str().unwrap_or_default().to_owned(),
            resource_id: target.resource_id,
            sid: target.sid,
            body: masked(arrival.body),
            answered: None,
            status: None,
            code: None,
            dropped: false,
            notes: Vec::new(),
        });
        id
    }

    /// Completes an entry.
    pub fn complete(&self, id: u64, completion: Completion) {
        let mut entries = self.lock();
        let Some(entry) = id.checked_sub(1).and_then(|index| entries.get_mut(index as usize)) else { return };
        entry.answered = Some(completion.time);
        entry.notes = completion.notes;
        match completion.answer {
            None => entry.dropped = true,
            Some((status, body)) => {
                entry.status = Some(status);
                entry.code = body["code"].as_u64();
                for (field, key) in [(&mut entry.resource_id, "resourceId"), (&mut entry.sid, "sid")] {
                    if field.is_empty() {
                        *field = body[key].as_str().unwrap_or_default().to_owned();
                    }
                }
            }
        }
    }

    /// The entries that pass a filter.
    pub fn entries(&self, passes: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.lock().iter().filter(|entry| passes(entry)).cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().expect("no panic happens while the journal is locked")
    }
}

/// A body in which every secret is replaced by `sha256:` and the hash of its text in hexadecimal.
pub fn masked(body: &Value) -> Value {
    match body {
        Value::Object(map) => {
            let mask = |(key, value): (&String, &Value)| {
                let value = match value {
                    Value::String(text) if SECRET_KEYS.contains(&key.as_str()) => mask_text(text).into(),
                    other => masked(other),
                };
                (key.clone(), value)
            };
            Value::Object(map.iter().map(mask).collect::<Map<String, Value>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(masked).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => body.clone(),
    }
}

fn mask_text(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
}
