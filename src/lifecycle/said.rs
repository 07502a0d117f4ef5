//! What this process last said of a job, so that two of them do not undo each other's words for ever: each knows what the
//! other does not, such as a run of 404 that is under way. Owns who has to wait, and how long; what is said is `report`'s.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::timing::Timing;
use crate::api::status::{Phase, SnapshotJobStatus};

/// What this process last said of a job.
#[derive(Clone, Debug, Default)]
pub struct Said {
    words: Option<Words>,
    /// Since when somebody else says otherwise, monotonic.
    contradicted: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
struct Words {
    phase: Option<Phase>,
    /// Type, status, reason and message of each condition.
    conditions: Vec<[String; 4]>,
}

impl Said {
    /// What was written, or stands there already.
    pub fn say(&mut self, status: &SnapshotJobStatus) {
        *self = Self { words: Some(Words::of(status)), contradicted: None };
    }

    /// How long the words of another are to be left in place: this process learnt nothing since it said what it would say
    /// again, and the other one may know more.
    pub fn leaves(
        &mut self,
        stored: &SnapshotJobStatus,
        wanted: &SnapshotJobStatus,
        now: Duration,
        timing: &Timing,
    ) -> Option<Duration> {
        let by_words_alone = {
            let theirs = (stored.phase, stored.conditions.clone());
            let mut as_theirs = wanted.clone();
            (as_theirs.phase, as_theirs.conditions) = theirs;
            as_theirs == *stored
        };
        let wiped = stored.conditions.is_empty();
        if !by_words_alone || wiped || self.words.as_ref() != Some(&Words::of(wanted)) {
            return None;
        }
        let since = *self.contradicted.get_or_insert(now);
        let left = (since + timing.say_again).saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }
}

impl Words {
    fn of(status: &SnapshotJobStatus) -> Self {
        let words = |one: &Condition| {
            [one.type_.clone(), one.status.clone(), one.reason.clone(), one.message.clone()]
        };
        let mut conditions: Vec<_> = status.conditions.iter().map(words).collect();
        conditions.sort();
        Self { phase: status.phase, conditions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ConditionType, Reason};
    use crate::lifecycle::conditions;
    use crate::lifecycle::fixtures;

    fn status(reason: Reason) -> SnapshotJobStatus {
        let mut status = SnapshotJobStatus::default();
        let kind = ConditionType::ControlReachable;
        conditions::set(&mut status, kind, false, reason, "so it is", &fixtures::now(), 1);
        status
    }

    const AT: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn another_is_left_its_words_for_a_while_and_then_this_one_has_its_own_again() {
        let timing = Timing::default();
        let (mine, theirs) = (status(Reason::Reachable), status(Reason::PossibleFailover));
        let mut said = Said::default();
        assert_eq!(said.leaves(&theirs, &mine, AT(0), &timing), None, "whoever is new has a say");
        said.say(&mine);
        assert_eq!(said.leaves(&theirs, &mine, AT(100), &timing), Some(timing.say_again));
        assert_eq!(said.leaves(&theirs, &mine, AT(110), &timing), Some(timing.say_again - AT(10)));
        assert_eq!(said.leaves(&theirs, &mine, AT(100) + timing.say_again, &timing), None);
        said.say(&mine);
        assert_eq!(said.leaves(&theirs, &mine, AT(300), &timing), Some(timing.say_again), "and so on");
    }

    #[test]
    fn what_is_new_is_said_at_once() {
        let timing = Timing::default();
        let (mine, theirs) = (status(Reason::Reachable), status(Reason::PossibleFailover));
        let mut said = Said::default();
        said.say(&mine);
        let new = status(Reason::QuotaQueued);
        assert_eq!(said.leaves(&theirs, &new, AT(100), &timing), None, "other words than before");
        let more = SnapshotJobStatus { failures: Some(1), ..mine.clone() };
        assert_eq!(said.leaves(&theirs, &more, AT(100), &timing), None, "more than words");
        let wiped = SnapshotJobStatus::default();
        assert_eq!(said.leaves(&wiped, &mine, AT(100), &timing), None, "nobody says anything");
    }
}
