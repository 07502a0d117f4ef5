//! What should be, by the spec, the status and the time alone: the first question of every decision.

use std::time::Duration;

use super::observed::Observed;
use crate::api::{ConditionType, Reason};

/// What should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Intent {
    /// One session, taking snapshots.
    Capture,
    /// No session, until the spec says otherwise.
    Suspend,
    /// No session, and then the job is complete or failed for this reason.
    Finish(Reason),
    /// Nothing more: the job is complete or failed.
    Rest,
    /// What runs goes on, nothing new: the spec is not understood.
    Hold,
    /// No session, and then no object.
    Delete,
}

/// What should be.
pub fn intent(seen: &Observed) -> Intent {
    if seen.job.deleting {
        return Intent::Delete;
    }
    if is_finished(seen) {
        return Intent::Rest;
    }
    let Ok(spec) = &seen.spec else { return Intent::Hold };
    if spec.suspend {
        return Intent::Suspend;
    }
    let seconds = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    if let (Some(limit), Some(start)) = (spec.active_deadline_seconds, &seen.status.start_time)
        && seen.now.is_past(start, seconds(limit))
    {
        return Intent::Finish(Reason::DeadlineExceeded);
    }
    if let (Some(limit), Some(start)) = (spec.duration_seconds, &seen.status.capture_start_time)
        && seen.now.is_past(start, seconds(limit))
    {
        return Intent::Finish(Reason::Completed);
    }
    Intent::Capture
}

/// Whether the job completed or failed, and nothing revives it: a restart, or, if it failed, a newer spec.
pub fn is_finished(seen: &Observed) -> bool {
    finished_generation(seen).is_some_and(|(failed, generation)| {
        !(seen.restart_wanted() || failed && generation < seen.job.generation)
    })
}

/// Whether the status says that the job finished although something revives it.
pub fn is_revived(seen: &Observed) -> bool {
    finished_generation(seen).is_some() && !is_finished(seen)
}

fn finished_generation(seen: &Observed) -> Option<(bool, i64)> {
    let succeeded = ConditionType::Succeeded.as_str();
    let condition = seen.status.conditions.iter().find(|condition| condition.type_ == succeeded)?;
    match condition.status.as_str() {
        "True" => Some((false, condition.observed_generation.unwrap_or(0))),
        "False" => Some((true, condition.observed_generation.unwrap_or(0))),
        _ => None,
    }
}

/// Product time until the spec's own clock changes what should be, if it ever does.
pub fn next_change(seen: &Observed) -> Option<Duration> {
    let spec = seen.spec.as_ref().ok()?;
    let left = |limit: Option<i64>, start: &Option<_>| {
        let limit = Duration::from_secs(u64::try_from(limit?).unwrap_or(0));
        let elapsed = Duration::try_from(seen.now.since(start.as_ref()?)).unwrap_or_default();
        Some(limit.saturating_sub(elapsed))
    };
    match intent(seen) {
        Intent::Capture => [
            left(spec.active_deadline_seconds, &seen.status.start_time),
            left(spec.duration_seconds, &seen.status.capture_start_time),
        ]
        .into_iter()
        .flatten()
        .min(),
        Intent::Rest => left(spec.ttl_seconds_after_finished.map(i64::from), &seen.status.completion_time),
        Intent::Suspend | Intent::Finish(_) | Intent::Hold | Intent::Delete => None,
    }
}
