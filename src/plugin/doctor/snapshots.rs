//! Whether snapshots arrive: by what the bucket has just shown, and by what the operator found and why.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Check, Finding, Verdict, told};
use crate::api::SnapshotJob;
use crate::api::conditions::{ConditionType, Reason};
use crate::lifecycle::arriving;
use crate::lifecycle::timing::Timing;
use crate::plugin::age::{age, span};
use crate::plugin::ls::condition;
use crate::snapshots::Inventory;

/// So long a snapshot may be late for the operator, too.
pub(super) fn patience(job: &SnapshotJob) -> SignedDuration {
    let patience = arriving::patience(&job.spec, &Timing::default());
    patience.try_into().unwrap_or(SignedDuration::MAX)
}

pub(super) fn judge(job: &SnapshotJob, inventory: Option<&Inventory>, now: Timestamp) -> Verdict {
    let arriving = condition(job, ConditionType::SnapshotsArriving);
    let missing = arriving.filter(|condition| condition.status == "False");
    if let Some(missing) = missing
        && !inventory.is_some_and(|inventory| is_refuted(missing, job, inventory, now))
    {
        return Verdict::Found(of_cause(missing), told(missing));
    }
    let Some(inventory) = inventory else {
        // The operator knows from notifications, or reads with other keys.
        return match arriving.filter(|condition| condition.status == "True") {
            Some(arriving) => Verdict::Ok(Check::Snapshots, arriving.message.clone()),
            None => Verdict::Skipped(Check::Snapshots, "the bucket could not be looked into".into()),
        };
    };
    if let Some(newest) = inventory.newest() {
        let users = inventory.users().len();
        let plural = if users == 1 { "" } else { "s" };
        let ago = age(newest.taken, now);
        let but = missing.map_or("", |_| "; the operator, which found none before, looks again by itself");
        return Verdict::Ok(Check::Snapshots, format!("of {users} user{plural}, the newest {ago} ago{but}"));
    }
    let sessions = job.status.iter().flat_map(|status| &status.sessions);
    let confirmed = sessions.filter_map(|session| session.confirm_time.as_ref()).map(|time| time.0).min();
    let Some(confirmed) = confirmed else {
        return Verdict::Needless(Check::Snapshots, "no session runs, so none are expected".into());
    };
    let running = now.duration_since(confirmed);
    match running < patience(job) {
        true => Verdict::Found(
            Finding::NotDueYet,
            format!("the session was confirmed {} ago", age(confirmed, now)),
        ),
        false => Verdict::Found(
            Finding::Unknown,
            format!(
                "none in the last {}, though the session was confirmed {} ago",
                span(patience(job).as_secs()),
                age(confirmed, now)
            ),
        ),
    }
}

/// The operator looks every few minutes; what the bucket shows now may be newer. That single users are missed it cannot
/// refute, for others' snapshots arrive all the time.
fn is_refuted(missing: &Condition, job: &SnapshotJob, inventory: &Inventory, now: Timestamp) -> bool {
    inventory.newest().is_some_and(|newest| {
        newest.taken > missing.last_transition_time.0 && now.duration_since(newest.taken) <= patience(job)
    }) && !arriving::misses_users(&missing.message)
}

/// The finding for the reason that the operator gives.
fn of_cause(missing: &Condition) -> Finding {
    match Reason::parse(&missing.reason) {
        Some(Reason::NoVideo) => Finding::NoVideo,
        Some(Reason::UploadFailing) => Finding::UploadFailing,
        Some(Reason::Failover) => Finding::Failover,
        Some(Reason::RecorderGone) => Finding::RecorderGone,
        Some(Reason::TokenExpired) => Finding::TokenExpired,
        Some(_) | None if arriving::misses_users(&missing.message) => Finding::UserMissed,
        Some(_) | None => Finding::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;
    use super::*;
    use crate::snapshots::file_name::time_in_name;
    use crate::snapshots::{Ledger as _, Wanted};

    /// When the conditions of the fixture were written.
    fn written() -> Timestamp {
        "2026-07-01T09:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        written() + SignedDuration::from_secs(seconds)
    }

    /// A bucket with one snapshot, taken so many seconds after the conditions were written.
    fn bucket(taken: i64) -> Inventory {
        let mut inventory = Inventory::new(Wanted::default());
        let time = time_in_name(after(taken));
        inventory.see(&format!("{}_lobby__uid_s_7__uid_e_video_{time}.jpg", "5d3f".repeat(8)));
        assert_eq!(inventory.newest().map(|newest| newest.taken), Some(after(taken)));
        inventory
    }

    /// Snapshots do not arrive, for this reason and in these words.
    fn missing(reason: &str, message: &str) -> SnapshotJob {
        let mut job = job(false, &[["SnapshotsArriving", "False", reason]]);
        job.status.as_mut().unwrap().conditions[0].message = message.into();
        job
    }

    fn found(verdict: Verdict) -> Option<Finding> {
        match verdict {
            Verdict::Found(finding, _) => Some(finding),
            Verdict::Ok(..) | Verdict::Skipped(..) | Verdict::Needless(..) => None,
        }
    }

    #[test]
    fn what_was_just_listed_is_newer_than_what_the_operator_found() {
        let of_session = "No snapshot of session 5d3f: the vendor says that the session is ending.";
        let of_user = "No snapshot of user 7, whose video the recorder receives, while others' arrive: why.";
        let of_users = "No snapshot of users 7 and 9, whose video the recorder receives: why.";
        // Words, when the newest was taken and when doctor looks (seconds after the verdict), whether it is still wrong.
        for (words, taken, now, expected, why) in [
            (of_session, 100, 103, false, "newer, and fresh"),
            (of_session, 13, 103, false, "as late as a snapshot may be"),
            (of_session, 12, 103, true, "newer, and none followed"),
            (of_session, 0, 3, true, "not newer"),
            (of_session, -20, 3, true, "fresh, but the operator knew it"),
            (of_user, 100, 103, true, "it is another user's"),
            (of_users, 100, 103, true, "it is another user's"),
        ] {
            let verdict = judge(&missing("RecorderGone", words), Some(&bucket(taken)), after(now));
            assert_eq!(found(verdict.clone()).is_some(), expected, "{why}: {}", verdict.line());
            assert!(expected || verdict.line().contains("the operator, which found none before"), "{why}");
        }
        let empty = Inventory::new(Wanted::default());
        let verdict = judge(&missing("RecorderGone", of_session), Some(&empty), after(3));
        assert_eq!(found(verdict), Some(Finding::RecorderGone));
    }

    #[test]
    fn each_cause_has_a_finding_of_its_own() {
        let of_users = "No snapshot of users 7 and 9, whose video the recorder receives: why.";
        for (reason, message, expected, is_wrong) in [
            ("NoVideo", "m", Finding::NoVideo, false),
            ("UploadFailing", "m", Finding::UploadFailing, true),
            ("Failover", "m", Finding::Failover, true),
            ("RecorderGone", "m", Finding::RecorderGone, true),
            ("TokenExpired", "m", Finding::TokenExpired, true),
            ("Unknown", of_users, Finding::UserMissed, true),
            ("Unknown", "m", Finding::Unknown, true),
            ("OfANewerOperator", "m", Finding::Unknown, true),
        ] {
            let verdict = judge(&missing(reason, message), None, after(3));
            assert_eq!(verdict, Verdict::Found(expected, format!("{reason}: {message}")));
            assert_eq!(verdict.is_wrong(), is_wrong, "{reason}");
        }
    }

    #[test]
    fn who_may_not_look_into_the_bucket_hears_what_the_operator_knows() {
        let verdict = |status| judge(&job(false, &[["SnapshotsArriving", status, "r"]]), None, after(0));
        assert!(matches!(verdict("True"), Verdict::Ok(Check::Snapshots, words) if words == "m"));
        assert!(matches!(verdict("Unknown"), Verdict::Skipped(Check::Snapshots, _)));
        assert!(matches!(verdict("False"), Verdict::Found(Finding::Unknown, words) if words == "r: m"));
    }
}
