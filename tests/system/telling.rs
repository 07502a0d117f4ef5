//! What a job tells: questions about conditions and events that many tests have.

use serde_json::Value;

use crate::world::{SOON, World, condition};

/// Message of `Ready`.
pub fn message(job: &Value) -> &str {
    condition(job, "Ready").and_then(|ready| ready["message"].as_str()).unwrap_or_default()
}

/// Whether the job has a condition of this type, with this status and reason.
pub fn says(job: &Value, kind: &str, status: &str, reason: &str) -> bool {
    condition(job, kind).is_some_and(|one| one["status"] == status && one["reason"] == reason)
}

/// `Reconciling`, `Stalled` or, if neither is there, nothing.
pub fn effort(job: &Value) -> &str {
    ["Reconciling", "Stalled"].into_iter().find(|kind| condition(job, kind).is_some()).unwrap_or_default()
}

/// Asserts that `text` has every part.
#[track_caller]
pub fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

impl World {
    /// Waits for an event about a job: its type and note.
    pub async fn until_event(&self, name: &str, reason: &str) -> (String, String) {
        let what = format!("an event {reason} about {name}");
        self.eventually(&what, SOON, async || {
            let events = self.events(name).await;
            events.into_iter().find(|event| event.1 == reason).map(|event| (event.0, event.2))
        })
        .await
    }

    /// How many events with this reason there are about a job.
    pub async fn count_events(&self, name: &str, reason: &str) -> usize {
        self.events(name).await.iter().filter(|event| event.1 == reason).count()
    }

    /// What the operator counts. It counts a visit after its change can be seen.
    pub async fn operator_metrics(&self) -> String {
        self.until_no_visit().await;
        let operator = self.operator.as_ref().expect("a running operator");
        operator.metrics().await.expect("metrics")
    }
}
