//! What is worth an event.

use super::conditions;
use crate::api::status::SnapshotJobStatus;
use crate::api::{ConditionType, Reason};

/// Something worth an event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    /// Whether a person should look.
    pub warning: bool,
    /// Reason of the event.
    pub reason: Reason,
    /// Its text.
    pub words: String,
}

impl Notice {
    /// Something that went as it should.
    pub fn normal(reason: Reason, words: impl Into<String>) -> Self {
        Self { warning: false, reason, words: words.into() }
    }

    /// Something that a person should look at.
    pub fn warning(reason: Reason, words: impl Into<String>) -> Self {
        Self { warning: true, reason, words: words.into() }
    }
}

/// The event that goes with a new verdict: only where readiness or its reason changed.
pub fn transition(before: &SnapshotJobStatus, after: &SnapshotJobStatus) -> Option<Notice> {
    let ready = |status| conditions::get(status, ConditionType::Ready);
    let now = ready(after)?;
    if ready(before).is_some_and(|was| was.status == now.status && was.reason == now.reason) {
        return None;
    }
    let stuck = conditions::get(after, ConditionType::Stalled).is_some();
    let reason = Reason::parse(&now.reason)?;
    let warning = stuck || reason.is_trouble();
    Some(Notice { warning, reason, words: now.message.clone() })
}
