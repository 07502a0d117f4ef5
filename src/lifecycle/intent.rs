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
    /// No session, and then no finalizer: the operator is being removed. The object stays, for the next one.
    Withdraw,
    /// No session, and then no object.
    Delete,
}

/// What should be.
pub fn intent(seen: &Observed) -> Intent {
    if seen.job.deleting {
        return Intent::Delete;
    }
    if seen.withdrawing {
        return Intent::Withdraw;
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

/// Whether the status says that the job finished although something revives it. A deletion raises the generation, too,
/// and revives nothing.
pub fn is_revived(seen: &Observed) -> bool {
    !seen.job.deleting && finished_generation(seen).is_some() && !is_finished(seen)
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
        Intent::Suspend | Intent::Finish(_) | Intent::Hold | Intent::Withdraw | Intent::Delete => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::api::SnapshotJobSpec;
    use crate::lifecycle::fixtures::{finished, later, seen, with, with_spec};
    use crate::lifecycle::timing::stored;

    /// Began, and captured, so many seconds ago.
    fn began(seconds: i64, captured: Option<i64>) -> Observed {
        with(seen(), |seen| {
            let ago = |seconds| stored(seen.now.wall - SignedDuration::from_secs(seconds));
            seen.status.start_time = Some(ago(seconds));
            seen.status.capture_start_time = captured.map(ago);
        })
    }

    #[test]
    fn what_should_be() {
        let not_understood =
            |seen| with(seen, |seen: &mut Observed| seen.spec = Err("profile Hologram".into()));
        let deleting = |seen| with(seen, |seen: &mut Observed| seen.job.deleting = true);
        let withdrawing = |seen| with(seen, |seen: &mut Observed| seen.withdrawing = true);
        let edited = |seen| with(seen, |seen: &mut Observed| seen.job.generation += 1);
        let restarted = |seen| with(seen, |seen: &mut Observed| seen.job.restart = Some("1".into()));
        let (completed, failed) = (finished(Reason::Completed), finished(Reason::InvalidParameter));
        for (reason, seen, expected) in [
            ("a new job captures", seen(), Intent::Capture),
            ("deletion goes before all", deleting(not_understood(seen())), Intent::Delete),
            ("also before being finished", deleting(failed.clone()), Intent::Delete),
            ("what is not understood is left as it is", not_understood(seen()), Intent::Hold),
            ("the operator's removal goes before all but deletion", withdrawing(seen()), Intent::Withdraw),
            ("deletion goes before it", deleting(withdrawing(seen())), Intent::Delete),
            ("it takes what is not understood", withdrawing(not_understood(seen())), Intent::Withdraw),
            ("what is finished", withdrawing(failed.clone()), Intent::Withdraw),
            (
                "what is suspended",
                withdrawing(with_spec(seen(), |spec| spec.suspend = true)),
                Intent::Withdraw,
            ),
            (
                "and what is past its deadline: the next operator says so",
                withdrawing(with_spec(began(60, None), |spec| spec.active_deadline_seconds = Some(60))),
                Intent::Withdraw,
            ),
            ("a finished job needs no spec", not_understood(completed.clone()), Intent::Rest),
            ("suspended", with_spec(seen(), |spec| spec.suspend = true), Intent::Suspend),
            (
                "while suspended no deadline passes",
                with_spec(began(99, None), |spec| {
                    spec.suspend = true;
                    spec.active_deadline_seconds = Some(1);
                }),
                Intent::Suspend,
            ),
            (
                "before its deadline",
                with_spec(began(59, None), |spec| spec.active_deadline_seconds = Some(60)),
                Intent::Capture,
            ),
            (
                "at its deadline, even if it never captured",
                with_spec(began(60, None), |spec| spec.active_deadline_seconds = Some(60)),
                Intent::Finish(Reason::DeadlineExceeded),
            ),
            (
                "the deadline counts from the first claim",
                with_spec(seen(), |spec| spec.active_deadline_seconds = Some(1)),
                Intent::Capture,
            ),
            (
                "the duration counts from the first confirmed session, not from the start",
                with_spec(began(99, Some(59)), |spec| spec.duration_seconds = Some(60)),
                Intent::Capture,
            ),
            (
                "its duration is over",
                with_spec(began(99, Some(60)), |spec| spec.duration_seconds = Some(60)),
                Intent::Finish(Reason::Completed),
            ),
            ("completed", completed.clone(), Intent::Rest),
            ("an edit does not repeat what is complete", edited(completed.clone()), Intent::Rest),
            ("a restart does", restarted(completed), Intent::Capture),
            ("failed", failed.clone(), Intent::Rest),
            ("an edit revives what failed", edited(failed.clone()), Intent::Capture),
            ("so does a restart", restarted(failed.clone()), Intent::Capture),
            (
                "but not one that was answered",
                with(restarted(failed), |seen| seen.status.last_handled_restart = Some("1".into())),
                Intent::Rest,
            ),
        ] {
            assert_eq!(intent(&seen), expected, "{reason}");
        }
    }

    #[test]
    fn only_a_finished_job_is_revived_and_never_by_its_deletion() {
        let mut failed = finished(Reason::Unauthorized);
        assert!(!is_revived(&seen()) && !is_revived(&failed));
        failed.job.generation += 1;
        assert!(is_revived(&failed));
        // The API server raises the generation when it marks an object for deletion.
        failed.job.deleting = true;
        assert!(!is_revived(&failed));
    }

    #[test]
    fn the_next_change_is_the_nearest_limit_ahead() {
        let limits = |spec: &mut SnapshotJobSpec| {
            spec.active_deadline_seconds = Some(100);
            spec.duration_seconds = Some(70);
            spec.ttl_seconds_after_finished = Some(30);
        };
        let left = |seen: Observed| next_change(&with_spec(seen, limits)).map(|left| left.as_secs());
        assert_eq!(left(seen()), None, "nothing has begun");
        assert_eq!(left(began(20, None)), Some(80), "the deadline");
        assert_eq!(left(began(20, Some(10))), Some(60), "the duration is nearer");
        assert_eq!(left(later(finished(Reason::Completed), 10)), Some(20), "its time to live");
        assert_eq!(left(later(finished(Reason::Completed), 31)), Some(0));
        assert_eq!(left(with(began(20, None), |seen| seen.job.deleting = true)), None);
        assert_eq!(left(with(finished(Reason::Completed), |seen| seen.withdrawing = true)), None);
    }
}
