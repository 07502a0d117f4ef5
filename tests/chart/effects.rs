//! What each value does: one row for every key of values.yaml. A row's checks must fail on what is rendered without
//! the value and hold with it, so that a value without effect, or a check that always holds, is found.

mod monitoring;
mod notifications;
mod operator;
mod pods;
mod policies;
mod rights;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::helm::{FULL_NAME, NAMESPACE, Rendered, render};
use crate::values::keys;

/// Something to look at in what was rendered.
enum Check {
    /// An argument of the operator's container.
    Argument(&'static str),
    /// This object is there.
    There(&'static str, String),
    /// It is not.
    Gone(&'static str, String),
    /// A field of an object has this value.
    Field(&'static str, String, &'static str, Value),
    /// A field of the operator's pod template.
    Pod(&'static str, Value),
    /// A field of each pod: the operator's, and those of the two hooks.
    EachPod(&'static str, Value),
    /// Every object has this label.
    EachLabel(&'static str, &'static str),
    /// The list at this pointer of an object contains the value.
    Contains(&'static str, String, &'static str, Value),
}

impl Check {
    fn holds(&self, rendered: &Rendered) -> bool {
        let field = |kind: &str, name: &str, pointer: &str| {
            rendered.find(kind, name).and_then(|object| object.pointer(pointer)).cloned()
        };
        match self {
            Self::Argument(argument) => rendered.arguments("Deployment").contains(argument),
            Self::There(kind, name) => rendered.find(kind, name).is_some(),
            Self::Gone(kind, name) => rendered.find(kind, name).is_none(),
            Self::Field(kind, name, pointer, value) => field(kind, name, pointer).as_ref() == Some(value),
            Self::Pod(pointer, value) => rendered
                .pods()
                .iter()
                .any(|(kind, pod)| *kind == "Deployment" && pod.pointer(pointer) == Some(value)),
            Self::EachPod(pointer, value) => {
                let pods = rendered.pods();
                pods.len() == 3 && pods.iter().all(|(_, pod)| pod.pointer(pointer) == Some(value))
            }
            Self::EachLabel(label, value) => {
                let labelled = |object: &Value| object["metadata"]["labels"][label] == *value;
                let objects = rendered.objects.iter().all(labelled);
                objects && rendered.pods().iter().all(|(_, pod)| labelled(pod))
            }
            Self::Contains(kind, name, pointer, value) => field(kind, name, pointer)
                .as_ref()
                .and_then(Value::as_array)
                .is_some_and(|list| list.contains(value)),
        }
    }
}

/// A value, what else must be set for it to matter, and what it does.
struct Row {
    key: &'static str,
    base: Value,
    value: Value,
    checks: Vec<Check>,
}

fn row(key: &'static str, value: Value, checks: impl IntoIterator<Item = Check>) -> Row {
    Row { key, base: json!({}), value, checks: checks.into_iter().collect() }
}

impl Row {
    fn with(mut self, base: Value) -> Self {
        self.base = base;
        self
    }
}

/// The full name with an ending.
fn named(ending: &str) -> String {
    format!("{FULL_NAME}{ending}")
}

/// Name of an object without namespace.
fn cluster(ending: &str) -> String {
    format!("{NAMESPACE}:{FULL_NAME}{ending}")
}

fn rows() -> Vec<Row> {
    [
        pods::names_and_pods(),
        rights::rights(),
        operator::operator(),
        monitoring::monitoring(),
        notifications::notifications(),
        policies::policies(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Each value once as something else than its default, with what it needs beside it.
pub(crate) fn each_value() -> Vec<(&'static str, Value)> {
    rows().into_iter().map(|row| (row.key, with(&row.base, row.key, &row.value))).collect()
}

/// `base` with `value` at the dotted path.
pub(crate) fn with(base: &Value, path: &str, value: &Value) -> Value {
    let mut values = base.clone();
    let mut place = &mut values;
    for key in path.split('.') {
        place = &mut place[key];
    }
    *place = value.clone();
    values
}

#[test]
fn every_value_has_a_row() {
    let told: BTreeSet<_> = rows().iter().map(|row| row.key.to_owned()).collect();
    let keys: BTreeSet<_> = keys().into_iter().map(|key| key.path).collect();
    assert_eq!(told, keys, "rows of this file, and keys of values.yaml with a comment");
}

#[test]
fn every_value_does_what_its_row_says() {
    let mut wrong = vec![];
    for row in rows() {
        let before = render(&row.base);
        let after = render(&with(&row.base, row.key, &row.value));
        for (number, check) in row.checks.iter().enumerate() {
            if check.holds(&before) {
                wrong.push(format!("{}: check {number} holds without the value too", row.key));
            }
            if !check.holds(&after) {
                wrong.push(format!("{}: check {number} does not hold with {}", row.key, row.value));
            }
        }
        assert!(!row.checks.is_empty(), "{} has no check", row.key);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
