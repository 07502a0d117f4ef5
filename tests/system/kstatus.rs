//! How tools read an object's health: a port of kstatus' rules and of the further demands of Flux's checker. Asserted on
//! every version of every object of every test.

use serde_json::{Value, json};

/// What `kubectl wait`, Helm and Flux conclude.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// Being deleted.
    Terminating,
    /// On its way.
    InProgress,
    /// Stuck.
    Failed,
    /// As wanted.
    Current,
}

/// What kstatus concludes from an object.
pub fn health(object: &Value) -> Health {
    let status = &object["status"];
    if object["metadata"].get("deletionTimestamp").is_some() {
        return Health::Terminating;
    }
    if status.get("observedGeneration").is_some_and(|seen| *seen != object["metadata"]["generation"]) {
        return Health::InProgress;
    }
    let is = |kind: &str, value: &str| {
        conditions(object).iter().any(|condition| condition["type"] == kind && condition["status"] == value)
    };
    if is("Reconciling", "True") {
        Health::InProgress
    } else if is("Stalled", "True") {
        Health::Failed
    } else if is("Ready", "True") {
        Health::Current
    } else if is("Ready", "False") || is("Ready", "Unknown") {
        Health::InProgress
    } else {
        Health::Current
    }
}

/// What is wrong with an object's status by the contract with those tools; empty if nothing is.
pub fn violations(object: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let conditions = conditions(object);
    let find = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind);
    let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
    for condition in &conditions {
        let (kind, status) = (&condition["type"], &condition["status"]);
        let reason = condition["reason"].as_str().unwrap_or_default();
        if !reason.starts_with(|first: char| first.is_ascii_uppercase())
            || !reason.chars().all(|letter| letter.is_ascii_alphanumeric())
        {
            wrong.push(format!("{kind}: reason {reason:?} is not CamelCase"));
        }
        if condition["message"].as_str().is_none_or(|message| message.is_empty() || message.len() > 1024) {
            wrong.push(format!("{kind}: the message is empty or longer than 1 KiB"));
        }
        if condition["observedGeneration"].as_i64().is_none_or(|seen| seen > generation) {
            wrong.push(format!("{kind}: observedGeneration is missing or newer than the object"));
        }
        if (kind == "Reconciling" || kind == "Stalled") && status != "True" {
            wrong.push(format!("{kind} is present while not True"));
        }
    }
    let mut kinds: Vec<_> = conditions.iter().map(|condition| condition["type"].to_string()).collect();
    kinds.sort();
    kinds.dedup();
    if kinds.len() != conditions.len() {
        wrong.push("a condition type stands twice".into());
    }
    if find("Reconciling").is_some() && find("Stalled").is_some() {
        wrong.push("Reconciling and Stalled stand together".into());
    }
    let observed = object["status"]["observedGeneration"].as_i64();
    if observed.is_some_and(|seen| seen > generation) {
        wrong.push("status.observedGeneration is newer than the object".into());
    }
    let Some(ready) = find("Ready") else {
        if observed != Some(-1) {
            wrong.push("Ready is absent although the operator has been here".into());
        }
        return wrong;
    };
    if ready["status"] == "True" {
        if find("Reconciling").is_some() || find("Stalled").is_some() {
            wrong.push("Ready is True beside Reconciling or Stalled".into());
        }
        if ready["observedGeneration"].as_i64() != observed {
            wrong.push("Ready is True for another generation than the status".into());
        }
    } else if find("Reconciling").is_none()
        && find("Stalled").is_none()
        // There is nobody who could do anything about it, and nothing is wrong with the object.
        && ready["reason"] != "OperatorRemoved"
    {
        wrong.push(
            "Ready is not True, and neither Reconciling nor Stalled says why: in progress for ever".into(),
        );
    }
    if ready["status"] == "Unknown" && find("Reconciling").is_none() {
        wrong.push("Ready is Unknown without Reconciling".into());
    }
    wrong
}

fn conditions(object: &Value) -> Vec<&Value> {
    object["status"]["conditions"].as_array().into_iter().flatten().collect()
}

fn object(observed: i64, conditions: &[(&str, &str)]) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, status)| {
            json!({"type": kind, "status": status, "reason": "Because", "message": "so", "observedGeneration": observed})
        })
        .collect();
    json!({"metadata": {"generation": 2}, "status": {"observedGeneration": observed, "conditions": conditions}})
}

#[test]
fn what_tools_conclude() {
    for (object, expected) in [
        (object(-1, &[]), Health::InProgress),
        (object(1, &[("Ready", "True")]), Health::InProgress),
        (object(2, &[("Ready", "True")]), Health::Current),
        (object(2, &[("Ready", "False"), ("Reconciling", "True")]), Health::InProgress),
        (object(2, &[("Ready", "False"), ("Stalled", "True")]), Health::Failed),
        (object(2, &[("Ready", "False")]), Health::InProgress),
        (json!({"metadata": {"generation": 1}}), Health::Current),
    ] {
        assert_eq!(health(&object), expected, "{object}");
    }
}

#[test]
fn what_is_wrong_is_seen() {
    assert!(violations(&object(2, &[("Ready", "True")])).is_empty());
    assert!(violations(&object(-1, &[])).is_empty());
    for object in [
        object(2, &[]),
        object(2, &[("Ready", "False")]),
        object(2, &[("Ready", "True"), ("Reconciling", "True")]),
        object(2, &[("Ready", "False"), ("Reconciling", "True"), ("Stalled", "True")]),
        object(2, &[("Ready", "False"), ("Stalled", "False")]),
        object(3, &[("Ready", "True")]),
        object(2, &[("Ready", "True"), ("Ready", "True")]),
    ] {
        assert!(!violations(&object).is_empty(), "{object}");
    }
}
