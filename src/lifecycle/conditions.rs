//! How conditions are written: in one place, so that their rules hold everywhere.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::timing::Moment;
use crate::api::status::{Phase, SnapshotJobStatus};
use crate::api::{ConditionType, Reason};

/// Messages are cut at 1 KiB, on a character boundary.
const MESSAGE_LIMIT: usize = 1024;

/// What is to be said of a job: the conditions that tools read, and the phase that people read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// One word.
    pub phase: Phase,
    /// Status of `Ready`.
    pub ready: bool,
    /// Whether the operator is at work, stuck, or neither. Never both, as kstatus wants it.
    pub effort: Effort,
    /// Reason of all of them.
    pub reason: Reason,
    /// What, why, and what happens next.
    pub message: String,
}

/// What the operator does about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effort {
    /// Nothing has to be done.
    None,
    /// `Reconciling`: it works towards the spec.
    Working,
    /// `Stalled`: a person is needed.
    Stuck,
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Nobody can say.
    Unknown,
}

impl Value {
    /// The word as it stands in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// Writes a verdict into the status, for the generation that was acted upon.
pub fn say(status: &mut SnapshotJobStatus, verdict: &Verdict, now: &Moment, generation: i64) {
    let Verdict { phase, ready, effort, reason, message } = verdict;
    status.phase = Some(*phase);
    status.observed_generation = Some(generation);
    set(status, ConditionType::Ready, *ready, *reason, message, now, generation);
    for (kind, present) in [
        (ConditionType::Reconciling, *effort == Effort::Working),
        (ConditionType::Stalled, *effort == Effort::Stuck),
    ] {
        if present {
            set(status, kind, true, *reason, message, now, generation);
        } else {
            remove(status, kind);
        }
    }
}

/// Writes one condition. `lastTransitionTime` moves only when its status flips.
pub fn set(
    status: &mut SnapshotJobStatus,
    kind: ConditionType,
    value: impl Into<Value>,
    reason: Reason,
    message: &str,
    now: &Moment,
    generation: i64,
) {
    let value = value.into().as_str();
    let before = status.conditions.iter().find(|condition| condition.type_ == kind.as_str());
    let since = before
        .filter(|condition| condition.status == value)
        .map(|condition| condition.last_transition_time.clone());
    let condition = Condition {
        type_: kind.as_str().to_owned(),
        status: value.to_owned(),
        reason: reason.as_str(),
        message: cut(message, MESSAGE_LIMIT).to_owned(),
        observed_generation: Some(generation),
        last_transition_time: since.unwrap_or_else(|| now.stored()),
    };
    match status.conditions.iter_mut().find(|condition| condition.type_ == kind.as_str()) {
        Some(place) => *place = condition,
        None => status.conditions.push(condition),
    }
}

/// Says that what a condition says holds for this generation, too.
pub fn keep(status: &mut SnapshotJobStatus, kind: ConditionType, generation: i64) {
    let kept = status.conditions.iter_mut().find(|condition| condition.type_ == kind.as_str());
    if let Some(condition) = kept {
        condition.observed_generation = Some(generation);
    }
}

/// Takes a condition away.
pub fn remove(status: &mut SnapshotJobStatus, kind: ConditionType) {
    status.conditions.retain(|condition| condition.type_ != kind.as_str());
}

/// A condition of the status.
pub fn get(status: &SnapshotJobStatus, kind: ConditionType) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// The text, cut to at most `limit` bytes on a character boundary.
pub fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::fixtures;

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let mut status = SnapshotJobStatus::default();
        let mut now = fixtures::now();
        let mut say_ready = |status: &mut SnapshotJobStatus, ready, message: &str| {
            now.wall += std::time::Duration::from_secs(60);
            set(status, ConditionType::Ready, ready, Reason::Capturing, message, &now, 1);
            get(status, ConditionType::Ready).expect("it was set").last_transition_time.clone()
        };
        let first = say_ready(&mut status, true, "a");
        assert_eq!(say_ready(&mut status, true, "b"), first);
        assert!(say_ready(&mut status, false, "b") > first);
    }

    #[test]
    fn long_messages_are_cut_on_a_character() {
        let mut status = SnapshotJobStatus::default();
        let message = "声".repeat(1000);
        set(&mut status, ConditionType::Ready, true, Reason::Capturing, &message, &fixtures::now(), 1);
        let message = &get(&status, ConditionType::Ready).expect("it was set").message;
        assert_eq!(message.len(), 1023);
    }
}
