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
    /// Whether it has to be told outside the object's namespace, too, should that be going: it tells of what outlives the
    /// object.
    pub outlives: bool,
}

impl Notice {
    /// Something that went as it should.
    pub fn normal(reason: Reason, words: impl Into<String>) -> Self {
        Self { warning: false, reason, words: words.into(), outlives: false }
    }

    /// Something that a person should look at.
    pub fn warning(reason: Reason, words: impl Into<String>) -> Self {
        Self { warning: true, reason, words: words.into(), outlives: false }
    }

    /// A session that may go on and be billed when nobody looks after it any more.
    pub fn orphan(words: impl Into<String>) -> Self {
        Self { warning: true, reason: Reason::OrphanRisk, words: words.into(), outlives: true }
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
    Some(Notice { warning, reason, words: now.message.clone(), outlives: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::Phase;
    use crate::lifecycle::conditions::{Effort, Verdict, say};
    use crate::lifecycle::fixtures;

    fn status(ready: bool, effort: Effort, reason: Reason, message: &str) -> SnapshotJobStatus {
        let mut status = SnapshotJobStatus::default();
        let verdict = Verdict { phase: Phase::Pending, ready, effort, reason, message: message.into() };
        say(&mut status, &verdict, &fixtures::now(), 1);
        status
    }

    #[test]
    fn an_event_tells_of_a_change_of_readiness_or_reason_alone() {
        let starting = || status(false, Effort::Working, Reason::Starting, "a");
        let quota = || status(false, Effort::Working, Reason::QuotaQueued, "a");
        let capturing = || status(true, Effort::None, Reason::Capturing, "a");
        let stuck = |reason| status(false, Effort::Stuck, reason, "a");
        for (before, after, expected, why) in [
            (SnapshotJobStatus::default(), starting(), Some(false), "the first word"),
            (starting(), capturing(), Some(false), "it captures"),
            (capturing(), capturing(), None, "nothing changed"),
            (starting(), status(false, Effort::Working, Reason::Starting, "b"), None, "other words alone"),
            (starting(), quota(), Some(true), "a person should hear of it, although it heals"),
            (quota(), starting(), Some(false), "it goes on"),
            (starting(), stuck(Reason::BackoffLimitExceeded), Some(true), "whoever is stuck is trouble"),
            (starting(), SnapshotJobStatus::default(), None, "nothing is said at all"),
        ] {
            let notice = transition(&before, &after);
            assert_eq!(notice.as_ref().map(|notice| notice.warning), expected, "{why}");
            assert!(notice.is_none_or(|notice| notice.words == "a"), "{why}");
        }
    }
}
