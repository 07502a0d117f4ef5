//! How sessions end and attempts fail: what is idle and what is lost, what counts and what does not.

use super::*;
use crate::api::ConditionType;
use crate::api::status::SnapshotsSummary;
use crate::lifecycle::answers::{self, stopped};
use crate::lifecycle::conditions::Effort;
use crate::lifecycle::fixtures;
use crate::lifecycle::fixtures::{KINDS, answer, assert_says, assert_verdict, pass, seen, seen_in, session};
use crate::lifecycle::outcome::{Identity, Outcome, Queried, Stopped};
use crate::lifecycle::plan::{Step, plan};
use crate::lifecycle::report::report;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// 404 every half minute until the session is dead; what was noticed then.
fn death(seen: &mut Observed) -> Vec<Notice> {
    for _ in 0..5 {
        let notices = missing(seen, 1);
        if seen.status.sessions.is_empty() {
            return notices;
        }
        assert!(notices.is_empty(), "no word before it is proved");
        pass(seen, 30);
    }
    panic!("five 404 over two minutes are death");
}

/// A session that began so long ago, was last seen running so long after its start, with this highest status.
fn ended(age: u64, last_alive: u64, highest: i64) -> Observed {
    let mut seen = seen_in(SessionState::Running);
    let start = seen.status.sessions[0].start_time.clone().expect("it was started").0;
    let known = seen.session_mut(1).expect("a session").1;
    known.highest_status = Some(highest);
    known.last_alive = Some(start + secs(last_alive));
    pass(&mut seen, age - 58);
    seen
}

#[test]
fn idle_is_who_never_had_video_and_went_about_when_the_idle_timeout_was_over() {
    for (seen, end, reason) in [
        (ended(310, 290, 4), EndReason::Idle, "gone right after 300 s"),
        (ended(290, 270, 4), EndReason::Idle, "the vendor checks in steps"),
        (ended(360, 360, 4), EndReason::Idle, "up to a minute late"),
        (ended(400, 361, 4), EndReason::Lost, "it lived longer than an idle one can"),
        (ended(230, 220, 4), EndReason::Lost, "gone too early"),
        (ended(310, 290, 5), EndReason::Lost, "it had files, so somebody was there"),
        (ended(3000, 290, 4), EndReason::Idle, "nobody looked for a while"),
    ] {
        let mut seen = seen;
        death(&mut seen);
        assert_eq!(seen.status.history[0].end_reason, end, "{reason}");
    }
    for (of, end) in [("5d3f", EndReason::Lost), ("77aa", EndReason::Idle)] {
        let mut seen = ended(310, 290, 4);
        let last_file = Some(format!("lobby/{of}_lobby__uid_s_7__uid_e_video_20260101000000000.jpg"));
        seen.status.snapshots = Some(SnapshotsSummary { count: 1, last_file, ..SnapshotsSummary::default() });
        death(&mut seen);
        assert_eq!(seen.status.history[0].end_reason, end, "the newest snapshot is of {of}");
    }
    let mut seen = ended(310, 290, 4);
    seen.session_mut(1).expect("a session").1.highest_status = None;
    death(&mut seen);
    assert_eq!(seen.status.history[0].end_reason, EndReason::Lost, "a new process does not know what it saw");
}

#[test]
fn what_follows_an_end() {
    let idle = || ended(310, 290, 4);
    let lost = || ended(3000, 2990, 5);
    let mut done = idle();
    death(&mut done);
    assert_verdict(&done, "True", Effort::None, Reason::Completed, "idle, onIdle Complete");
    assert_says(&done, ConditionType::Succeeded, "True", Reason::Completed, "idle");
    assert!(done.status.completion_time.is_some());

    let mut again = idle();
    again.spec.as_mut().expect("understood").on_idle = OnIdle::Restart;
    death(&mut again);
    assert!(matches!(plan(&again), Step::Start { .. }), "idle, onIdle Restart");
    assert_eq!(again.status.failures, None);

    let mut replaced = lost();
    let notices = death(&mut replaced);
    assert!(matches!(plan(&replaced), Step::Start { .. }), "a lost one is replaced at once");
    assert_eq!(replaced.status.failures, None, "and counts as no failure");
    assert!(notices.iter().any(|notice| notice.reason == Reason::SessionLost && notice.warning));

    let mut never_up = lost();
    never_up.status.sessions[0].confirm_time = None;
    death(&mut never_up);
    assert_eq!(never_up.status.failures, Some(1), "who never came up counts");
    assert_eq!(plan(&never_up), Step::Wait(secs(10)));

    let mut suspended = idle();
    suspended.spec.as_mut().expect("understood").suspend = true;
    death(&mut suspended);
    assert_eq!(suspended.status.completion_time, None, "a suspended job does not complete");

    let mut deleted = lost();
    deleted.job.deleting = true;
    death(&mut deleted);
    assert_eq!(plan(&deleted), Step::RemoveFinalizer);
}

#[test]
fn a_stop_that_meets_404s_ends_as_what_was_wanted() {
    for reason in [EndReason::Stopped, EndReason::Replaced, EndReason::Deadline] {
        let mut seen = seen_in(SessionState::Stopping);
        seen.status.sessions[0].stop_reason = Some(reason);
        death(&mut seen);
        assert_eq!(seen.status.history[0].end_reason, reason);
        assert_eq!(seen.status.failures, None);
    }
}

#[test]
fn an_answer_between_two_404s_begins_the_run_again() {
    let mut seen = seen_in(SessionState::Running);
    for round in 0..10 {
        missing(&mut seen, 1);
        pass(&mut seen, if round % 3 == 2 { 46 } else { 30 });
    }
    assert_eq!(seen.status.sessions.len(), 1, "no run of them was long enough without a gap");
    let mut seen = seen_in(SessionState::Running);
    for round in 0..10 {
        if round % 3 == 2 {
            let running = Queried { status: 5, identity: Identity::Proved };
            answers::queried(&mut seen, 1, Outcome::Confirmed(running));
        } else {
            missing(&mut seen, 1);
        }
        pass(&mut seen, 20);
    }
    assert_eq!(seen.status.sessions.len(), 1, "nor without a sign of life");
}

#[test]
fn what_counts_as_a_failure_and_what_is_said_of_it() {
    let counted = [Kind::Unauthorized, Kind::AppIdInvalid, Kind::InvalidParameter];
    for kind in KINDS {
        let mut seen = seen();
        refused(&mut seen, &answer(kind));
        assert_eq!(seen.status.failures, counted.contains(&kind).then_some(1), "{kind:?}");
        report(&mut seen);
        let (reason, effort) = match kind {
            Kind::Unauthorized => (Reason::Unauthorized, Effort::Working),
            Kind::AppIdInvalid => (Reason::AppIdInvalid, Effort::Working),
            Kind::InvalidParameter => (Reason::InvalidParameter, Effort::Working),
            Kind::AccountSuspended => (Reason::AccountSuspended, Effort::Stuck),
            Kind::QuotaExceeded => (Reason::QuotaQueued, Effort::Working),
            Kind::RateLimited => (Reason::RateLimited, Effort::Working),
            Kind::Conflict => (Reason::RecorderUidInUse, Effort::Working),
            Kind::NoRoute
            | Kind::ResourceInvalid
            | Kind::NoWorker
            | Kind::NotFound
            | Kind::Late
            | Kind::BackendTimeout
            | Kind::ServerFault
            | Kind::TimedOut
            | Kind::ConnectionLost
            | Kind::Unreadable
            | Kind::Unreachable => (Reason::VendorUnavailable, Effort::Working),
        };
        let message = assert_verdict(&seen, "False", effort, reason, &format!("{kind:?}"));
        assert!(message.contains("400/2 \"vendor's words\""), "{kind:?}: {message}");
        assert!(message.contains("nextAttemptTime"), "{kind:?} does not say what is next: {message}");
    }
}

#[test]
fn a_uid_that_our_own_recorder_is_leaving_is_not_somebody_elses() {
    for (after, other_uid, reason, wait) in [
        (5, 0, Reason::Replacing, 5),
        (119, 0, Reason::Replacing, 5),
        (120, 0, Reason::RecorderUidInUse, 10),
        (5, 1, Reason::RecorderUidInUse, 10),
    ] {
        let why = format!("{after} s after the stop, uid {other_uid} beside it");
        let mut seen = seen_in(SessionState::Stopping);
        let own = fixtures::uids()[0];
        seen.status.sessions[0].recorder_uid = own + other_uid;
        stopped(&mut seen, 1, Outcome::Confirmed(Stopped::NoRecordedData));
        report(&mut seen);
        assert_verdict(&seen, "False", Effort::Working, Reason::Replacing, &why);
        assert_eq!(plan(&seen), Step::Wait(secs(5)), "{why}: the recorder needs a moment to leave");
        pass(&mut seen, after);
        assert_eq!(plan(&seen), fixtures::start(own), "{why}");
        refused(&mut seen, &answer(Kind::Conflict));
        report(&mut seen);
        assert_verdict(&seen, "False", Effort::Working, reason, &why);
        assert_eq!((plan(&seen), seen.status.failures), (Step::Wait(secs(wait)), None), "{why}");
    }
}

#[test]
fn the_wait_for_our_own_recorder_grows_like_any_other() {
    let mut seen = seen_in(SessionState::Stopping);
    seen.status.sessions[0].recorder_uid = recorder::uids(&fixtures::spec(), "live", "lobby")[0];
    stopped(&mut seen, 1, Outcome::Confirmed(Stopped::NoRecordedData));
    for wait in [5, 10, 20, 40] {
        refused(&mut seen, &answer(Kind::Conflict));
        assert_eq!(plan(&seen), Step::Wait(secs(wait)));
        pass(&mut seen, wait);
    }
}

#[test]
fn the_backoff_limit_is_the_number_of_retries() {
    let mut seen = seen();
    seen.spec.as_mut().expect("understood").backoff_limit = 2;
    for (failure, wait) in [(1, 10), (2, 20)] {
        refused(&mut seen, &answer(Kind::InvalidParameter));
        assert_eq!((seen.status.failures, plan(&seen)), (Some(failure), Step::Wait(secs(wait))));
        assert!(seen.status.completion_time.is_none());
        pass(&mut seen, wait);
        assert!(matches!(plan(&seen), Step::Start { .. }));
    }
    refused(&mut seen, &answer(Kind::InvalidParameter));
    report(&mut seen);
    let message =
        assert_verdict(&seen, "False", Effort::Stuck, Reason::InvalidParameter, "the third is one too many");
    assert!(
        message.contains("failure 3, backoffLimit 2") && message.contains("agora-snapshot.dev/restart"),
        "{message}"
    );
    assert_says(&seen, ConditionType::Succeeded, "False", Reason::InvalidParameter, "it failed");
    assert_eq!(seen.status.next_attempt_time, None);
    assert_eq!(plan(&seen), Step::Wait(secs(600)), "nothing more is tried");

    let mut strict = crate::lifecycle::fixtures::seen();
    strict.spec.as_mut().expect("understood").backoff_limit = 0;
    refused(&mut strict, &answer(Kind::Unauthorized));
    assert!(strict.status.completion_time.is_some(), "backoffLimit 0 allows no retry");
}

#[test]
fn a_refused_parameter_may_be_the_interval() {
    for (interval, kind, hinted) in [
        (4, Kind::InvalidParameter, true),
        (5, Kind::InvalidParameter, false),
        (4, Kind::Unauthorized, false),
    ] {
        let mut seen = seen();
        seen.spec.as_mut().expect("understood").interval_seconds = interval;
        refused(&mut seen, &answer(kind));
        let words = seen.memory.refusal.expect("it was refused").words;
        assert_eq!(words.contains("intervalSeconds is 4"), hinted, "{interval} {kind:?}: {words}");
    }
}

#[test]
fn waits_that_do_not_count_grow_as_well() {
    let mut seen = seen();
    let mut waits = vec![];
    for _ in 0..9 {
        refused(&mut seen, &answer(Kind::QuotaExceeded));
        waits.push((seen.memory.attempt_gate - seen.now.mono).as_secs());
        let wait = seen.memory.attempt_gate - seen.now.mono;
        pass(&mut seen, wait.as_secs());
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 360, 360, 360]);
    assert_eq!(seen.status.failures, None);
}

#[test]
fn history_keeps_the_newest_ten() {
    let mut seen = seen();
    for attempt in 1..=12 {
        let session = Session { attempt, ..session(SessionState::Running) };
        seen.status.sessions.push(session);
        end_session(&mut seen, attempt, EndReason::Stopped);
    }
    let attempts: Vec<_> = seen.status.history.iter().map(|past| past.attempt).collect();
    assert_eq!(attempts, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    assert_eq!(seen.next_attempt(), 13, "numbers are not used again");
}

#[test]
fn a_restart_is_answered_by_an_attempt_and_not_by_two_rounds_of_them() {
    let mut seen = seen();
    seen.job.restart = Some("1".into());
    seen.spec.as_mut().expect("understood").backoff_limit = 0;
    refused(&mut seen, &answer(Kind::Unauthorized));
    assert_eq!(seen.status.last_handled_restart.as_deref(), Some("1"));
    assert!(!crate::lifecycle::intent::is_revived(&seen), "the attempt that failed was the one asked for");
}

#[test]
fn one_loss_after_the_other_is_slowed_down() {
    let mut seen = seen_in(SessionState::Running);
    let session = seen.status.sessions[0].clone();
    let mut waits = vec![];
    for n in 1..=4 {
        let mut next = Session { nonce: format!("n{n}"), ..session.clone() };
        next.start_time = Some(seen.now.stored());
        next.confirm_time = next.start_time.clone();
        next.resource_id = format!("r{n}");
        seen.status.sessions = vec![next];
        seen.memory.sessions.clear();
        seen.join();
        seen.memory.attempt_gate = Duration::ZERO;
        death(&mut seen);
        waits.push(seen.memory.attempt_gate.saturating_sub(seen.now.mono).as_secs());
    }
    assert_eq!(waits, [0, 10, 20, 40], "one is replaced at once");
    assert_eq!(seen.status.failures, None, "they say nothing against the spec");
    assert_eq!(seen.memory.refusal.expect("it is said").reason, Reason::SessionLost);
}
