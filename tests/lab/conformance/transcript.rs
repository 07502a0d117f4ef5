//! All that a server answered to a sequence, made comparable: uids, resourceVersions and times are not the same on any
//! two servers, but their order and their equality are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// One request and its answer.
pub(super) struct Exchange {
    pub(super) request: String,
    pub(super) code: u16,
    pub(super) body: Value,
}

/// Everything of one run.
pub(super) struct Transcript {
    pub(super) exchanges: Vec<Exchange>,
    /// Of each watch.
    pub(super) events: Vec<Vec<Value>>,
}

impl Transcript {
    pub(super) fn requests(&self) -> usize {
        self.exchanges.len()
    }

    pub(super) fn events(&self) -> usize {
        self.events.iter().map(Vec::len).sum()
    }
}

/// Compares the real server's with the model's.
pub(super) fn same(mut real: Transcript, mut modelled: Transcript) -> Result<(), String> {
    Names::of(&real).make_comparable(&mut real);
    Names::of(&modelled).make_comparable(&mut modelled);
    assert_eq!(real.exchanges.len(), modelled.exchanges.len(), "a sequence is as long on both sides");
    for (real, modelled) in real.exchanges.iter().zip(&modelled.exchanges) {
        if (real.code, &real.body) != (modelled.code, &modelled.body) {
            return Err(format!(
                "request: {}\nreal:  {} {}\nmodel: {} {}",
                real.request, real.code, real.body, modelled.code, modelled.body
            ));
        }
    }
    for (watch, (real, modelled)) in real.events.iter().zip(&modelled.events).enumerate() {
        for index in 0..real.len().max(modelled.len()) {
            let (real, modelled) = (real.get(index), modelled.get(index));
            if real != modelled {
                let told = |event: Option<&Value>| event.map_or("none".into(), Value::to_string);
                return Err(format!(
                    "watch {watch}, event {index}\nreal:  {}\nmodel: {}",
                    told(real),
                    told(modelled)
                ));
            }
        }
    }
    Ok(())
}

/// What one server calls its objects and their versions.
struct Names {
    uids: BTreeMap<String, String>,
    versions: BTreeMap<u64, usize>,
}

impl Names {
    fn of(transcript: &Transcript) -> Self {
        let (mut uids, mut versions) = (Vec::new(), BTreeSet::new());
        let bodies = transcript.exchanges.iter().map(|exchange| &exchange.body);
        for body in bodies.chain(transcript.events.iter().flatten()) {
            gather(body, &mut uids, &mut versions);
        }
        let mut named = BTreeMap::new();
        for uid in uids {
            let count = named.len() + 1;
            named.entry(uid).or_insert_with(|| format!("uid {count}"));
        }
        Self {
            uids: named,
            versions: versions.into_iter().enumerate().map(|(index, version)| (version, index + 1)).collect(),
        }
    }

    fn make_comparable(&self, transcript: &mut Transcript) {
        for exchange in &mut transcript.exchanges {
            self.comparable(&mut exchange.body);
            order_causes(&mut exchange.body);
        }
        for events in &mut transcript.events {
            for event in events.iter_mut() {
                let expired = event["object"]["reason"] == "Expired";
                self.comparable(event);
                if expired {
                    // How far back a server remembers is its own affair.
                    let message = event["object"]["message"].as_str().unwrap_or_default();
                    let (before, _) = message.rsplit_once(" (").expect("what is remembered");
                    event["object"]["message"] = before.into();
                }
            }
        }
    }

    fn comparable(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("managedFields");
                self.comparable_version(fields);
                if fields.get("continue").is_some_and(|token| token != "") {
                    fields.insert("continue".into(), "a token".into());
                }
                for field in ["creationTimestamp", "deletionTimestamp"] {
                    if let Some(time) = fields.get_mut(field) {
                        *time = whole_seconds(time);
                    }
                }
                fields.values_mut().for_each(|value| self.comparable(value));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.comparable(item)),
            Value::String(text) => self.comparable_text(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn comparable_version(&self, fields: &mut Map<String, Value>) {
        let of_object = fields.contains_key("uid");
        let Some(version) = fields.get_mut("resourceVersion") else { return };
        let Some(number) = number(version) else { return };
        *version = if of_object {
            format!("version {}", self.versions[&number]).into()
        } else {
            // Of a list or a bookmark: others write beside us.
            let newest = self.versions.range(..=number).next_back().map_or(0, |(_, rank)| *rank);
            format!("after version {newest}").into()
        };
    }

    fn comparable_text(&self, text: &mut String) {
        for (uid, name) in &self.uids {
            if text.contains(uid) {
                *text = text.replace(uid, name);
            }
        }
        for (version, rank) in &self.versions {
            let told = format!("({version})");
            if text.contains(&told) {
                *text = text.replace(&told, &format!("(version {rank})"));
            }
        }
    }
}

fn gather(value: &Value, uids: &mut Vec<String>, versions: &mut BTreeSet<u64>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(uid)) = fields.get("uid") {
                uids.push(uid.clone());
                versions.extend(fields.get("resourceVersion").and_then(number));
            }
            fields.values().for_each(|value| gather(value, uids, versions));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, uids, versions)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn number(version: &Value) -> Option<u64> {
    version.as_str()?.parse().ok()
}

fn whole_seconds(time: &Value) -> Value {
    let text = time.as_str().unwrap_or_default();
    let whole = text.len() == "2026-01-01T00:00:00Z".len() && text.parse::<jiff::Timestamp>().is_ok();
    if whole { "a time".into() } else { time.clone() }
}

/// The API server lists what is wrong in no order.
fn order_causes(body: &mut Value) {
    let name = body["details"]["name"].as_str().unwrap_or_default().to_owned();
    let Some(Value::Array(causes)) = body.get_mut("details").and_then(|details| details.get_mut("causes"))
    else {
        return;
    };
    if causes.len() < 2 {
        return;
    }
    let told = |cause: &Value| -> String {
        let text = |field: &str| cause[field].as_str().unwrap_or_default().to_owned();
        format!("{}: {}", text("field"), text("message"))
    };
    let mut said: Vec<String> = Vec::new();
    for cause in causes.iter().map(told) {
        if !said.contains(&cause) {
            said.push(cause);
        }
    }
    let said = match said.as_slice() {
        [one] => one.clone(),
        all => format!("[{}]", all.join(", ")),
    };
    causes.sort_by_key(told);
    if let Some(Value::String(message)) = body.get_mut("message") {
        assert!(message.ends_with(&said), "a message tells its causes in their order: {message}");
        message.truncate(message.len() - said.len());
        message.push_str(&format!("[what is wrong with {name}]"));
    }
}
