//! What time and edits alone change, as tables.

use jiff::SignedDuration;

use super::*;
use crate::api::status::Session;
use crate::lifecycle::conditions::Effort;
use crate::lifecycle::fixtures::{
    answer, assert_verdict, finished, just_claimed, later, pass, seen, seen_in, seen_with, session,
};
use crate::lifecycle::plan::{Step, plan};
use crate::lifecycle::report::report;
use crate::lifecycle::timing::stored;

fn aged(mut seen: Observed) -> (Observed, Vec<Notice>) {
    let notices = time_passed(&mut seen);
    (seen, notices)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A claim acquired a minute ago, then aged by each clock apart.
fn claim(wall: i64, mono: u64) -> Observed {
    let mut seen = seen_in(SessionState::Claimed);
    seen.session_mut(1).expect("a session").1.starts = Starts::Doubtful;
    seen.now.wall += SignedDuration::from_secs(wall);
    seen.now.mono += secs(mono);
    seen
}

#[test]
fn a_claim_is_given_up_only_when_both_clocks_say_that_its_resource_is_too_old() {
    for (wall, mono, over, reason) in [
        (269, 269, false, "5:29 after the acquire"),
        (270, 270, true, "5:30 by both clocks"),
        (3600, 10, false, "the wall clock was set forward"),
        (10, 3600, false, "the wall clock was set back"),
        (-3600, 3600, false, "by an hour"),
    ] {
        let (seen, notices) = aged(claim(wall, mono));
        let state = seen.status.sessions[0].state;
        let expected = if over { SessionState::Recovering } else { SessionState::Claimed };
        assert_eq!(state, expected, "{reason}: a claim that something may have come of is never given up");
        assert_eq!(notices.len(), usize::from(over), "{reason}");
    }
}

#[test]
fn a_claim_that_nothing_came_of_goes_with_the_wish() {
    for (reason, change) in [
        ("suspended", (|seen| seen.spec.as_mut().expect("understood").suspend = true) as fn(&mut Observed)),
        ("deleted", |seen| seen.job.deleting = true),
    ] {
        let mut seen = just_claimed();
        change(&mut seen);
        assert!(aged(seen.clone()).0.status.sessions.is_empty(), "{reason}");
        assert_eq!(
            aged(later(seen, 30)).0.status.sessions.len(),
            1,
            "{reason}: another process may have started it"
        );
        let mut seen = claim(0, 0);
        change(&mut seen);
        assert_eq!(aged(seen).0.status.sessions.len(), 1, "{reason}, and something may run");
    }
    let mut seen = just_claimed();
    seen.spec = Err("profile Hologram".into());
    assert_eq!(aged(seen).0.status.sessions.len(), 1, "an older operator does not know the wish");
}

#[test]
fn control_ends_and_the_session_may_go_on() {
    for state in [SessionState::Running, SessionState::Stopping] {
        let with_end = |seconds: i64, token: Option<i64>| {
            let at = |seconds| stored(seen().now.wall + SignedDuration::from_secs(seconds));
            seen_with(Session {
                control_end_time: Some(at(seconds)),
                token_end_time: token.map(at),
                ..session(state)
            })
        };
        assert_eq!(aged(with_end(1, None)).0.status.sessions[0].state, state);
        let (mut seen, notices) = aged(with_end(0, None));
        assert_eq!(seen.status.sessions[0].state, SessionState::Uncontrollable);
        assert_eq!((notices[0].reason, notices[0].warning), (Reason::OrphanRisk, true));
        report(&mut seen);
        assert_verdict(&seen, "False", Effort::Stuck, Reason::OrphanRisk, "a person is needed");
        let (seen, _) = aged(later(seen, 1_000_000));
        assert_eq!(seen.status.sessions.len(), 1, "without a token it has no hard end");

        let (seen, _) = aged(with_end(0, Some(0)));
        let (seen, _) = aged(later(seen, 119));
        assert_eq!(seen.status.sessions.len(), 1, "the vendor's server needs a moment to leave");
        let (seen, _) = aged(later(seen, 1));
        assert_eq!(seen.status.history[0].end_reason, EndReason::Lost, "two minutes after its token");
    }
}

#[test]
fn a_finished_job_begins_anew_and_keeps_its_past() {
    let mut failed = finished(Reason::InvalidParameter);
    failed.status.failures = Some(7);
    failed.status.start_time = Some(failed.now.stored());
    failed.status.capture_start_time = Some(failed.now.stored());
    failed.memory.attempt_gate = failed.now.mono + secs(300);
    failed.memory.acquire_failures = 4;
    failed.status.last_handled_restart = Some("0".into());
    failed.job.restart = Some("1".into());
    failed.job.generation += 1;
    let (mut seen, notices) = aged(failed);
    assert_eq!(notices[0].reason, Reason::Revived);
    let status = &seen.status;
    assert_eq!((status.failures, &status.start_time, &status.capture_start_time), (None, &None, &None));
    assert_eq!((&status.completion_time, &status.next_attempt_time), (&None, &None));
    assert_eq!(status.last_handled_restart.as_deref(), Some("1"), "the restart is answered");
    assert!(matches!(plan(&seen), Step::Start { .. }), "no gate of its past holds");
    report(&mut seen);
    assert_verdict(&seen, "False", Effort::Working, Reason::Acquiring, "it is under way");
}

#[test]
fn a_deletion_revives_nothing() {
    let mut failed = finished(Reason::InvalidParameter);
    failed.job.deleting = true;
    failed.job.generation += 1;
    let (seen, notices) = aged(failed.clone());
    assert!(notices.is_empty(), "{notices:?}");
    assert_eq!(seen.status, failed.status);
    assert_eq!(plan(&seen), Step::RemoveFinalizer);
}

#[test]
fn a_suspension_ends_the_run_that_durations_count() {
    let mut job = seen_in(SessionState::Stopping);
    job.spec.as_mut().expect("understood").suspend = true;
    job.status.capture_start_time = Some(job.now.stored());
    job.status.next_attempt_time = Some(job.now.after(secs(99)));
    job.memory.attempt_gate = job.now.mono + secs(99);
    report(&mut job);
    assert!(job.status.start_time.is_some(), "not while something runs");
    job.status.sessions.clear();
    report(&mut job);
    assert_eq!((&job.status.start_time, &job.status.capture_start_time), (&None, &None));
    job.spec.as_mut().expect("understood").suspend = false;
    assert_eq!(plan(&job), Step::Wait(secs(5)), "a resume waits for no gate of the past, but for who leaves");
    pass(&mut job, 5);
    assert!(matches!(plan(&job), Step::Start { .. }));
}

#[test]
fn since_when_a_problem_stands_in_the_way() {
    let secret = || Some(Problem::Secret("Secret `agora` does not exist".into()));
    let since = |seen: &Observed| seen.memory.problem_since.map(|(_, since)| since);
    let mut job = seen();
    job.start_problem = Some(Problem::UidTaken("live/other".into()));
    let (mut job, _) = aged(job);
    pass(&mut job, 3600);
    job.start_problem = secret();
    let (mut job, _) = aged(job);
    assert_eq!(since(&job), Some(job.now.mono), "another problem has another beginning");
    let began = job.now.mono;
    pass(&mut job, 60);
    job.start_problem = Some(Problem::SecretsUnreadable("403".into()));
    let (mut job, _) = aged(job);
    assert_eq!(since(&job), Some(began), "the same in the user's eyes");
    job.start_problem = None;
    assert_eq!(since(&aged(job).0), None);
}

#[test]
fn who_is_locked_out_of_which_session() {
    let secret = || Some(Problem::Secret("Secret `agora` does not exist".into()));
    let unread = || Some(Problem::SecretsUnreadable("403".into()));
    for (state, control, start, locked, unreadable, reason) in [
        (SessionState::Running, secret(), secret(), true, false, "its account is gone"),
        (SessionState::Running, None, secret(), false, false, "a stop needs the account alone"),
        (SessionState::Claimed, None, secret(), true, false, "a repeated start needs all Secrets"),
        (SessionState::Claimed, None, Some(Problem::Region("mars".into())), false, false, "an edit may help"),
        (SessionState::Running, unread(), unread(), false, true, "gone is not unreadable"),
        (SessionState::Running, None, None, false, false, "all is there"),
    ] {
        let mut job = seen_in(state);
        (job.control_problem, job.start_problem) = (control, start);
        let began = job.now.mono;
        let (mut job, _) = aged(job);
        pass(&mut job, 60);
        let (mut job, _) = aged(job);
        let known = &job.memory.sessions[&1];
        assert_eq!(known.locked_out, locked.then_some(began), "{reason}");
        assert_eq!(known.unread, unreadable.then_some(began), "{reason}");
        (job.control_problem, job.start_problem) = (None, None);
        let (job, _) = aged(job);
        let known = &job.memory.sessions[&1];
        assert_eq!((known.locked_out, known.unread), (None, None), "{reason}, and it was mended");
    }
    let mut refused = seen_in(SessionState::Stopping);
    let now = refused.now.mono;
    let known = refused.session_mut(1).expect("a session").1;
    known.locked_out = Some(now);
    known.unanswered = Some((now, answer(Kind::Unauthorized)));
    let (refused, _) = aged(refused);
    assert_eq!(
        refused.memory.sessions[&1].locked_out,
        Some(now),
        "a 401 locks out although the Secret is there"
    );
}

#[test]
fn a_deletion_is_known_since_its_first_visit() {
    let mut job = seen();
    job.job.deleting = true;
    let began = job.now.mono;
    let (mut job, _) = aged(job);
    pass(&mut job, 60);
    assert_eq!(aged(job).0.memory.deleting_since, Some(began));
}

#[test]
fn what_was_proved_holds_although_the_write_that_said_so_failed() {
    let stored = seen_in(SessionState::Running);
    let mut visit = stored.clone();
    super::end_session(&mut visit, 1, EndReason::Idle);
    finish(&mut visit, Reason::Completed, "Nobody was there.");
    // The next visit reads the status as it was.
    let mut next = Observed { memory: visit.remembered(), ..stored };
    next.join();
    let (next, _) = aged(next);
    assert!(next.status.sessions.is_empty(), "the session does not come back in doubt");
    assert_eq!(next.status.history[0].end_reason, EndReason::Idle);
    assert_eq!(intent(&next), Intent::Rest, "and the job is complete");
    // Once it is written nothing has to be remembered.
    let mut written = Observed { memory: next.remembered(), ..next };
    written.join();
    assert!(written.memory.over.is_empty());
}

#[test]
fn a_claim_that_was_refused_is_not_doubted_after_a_failed_write() {
    let stored = seen_in(SessionState::Claimed);
    let mut visit = stored.clone();
    super::forget(&mut visit, 1);
    let mut next = Observed { memory: visit.remembered(), ..stored };
    next.join();
    assert!(next.status.sessions.is_empty() && next.status.history.is_empty());
}

#[test]
fn a_failure_that_was_not_saved_is_forgotten_when_the_spec_is_mended() {
    let mut visit = seen();
    finish(&mut visit, Reason::InvalidParameter, "The vendor refused it.");
    let mut edited = Observed { memory: visit.remembered(), ..seen() };
    edited.job.generation += 1;
    assert_eq!(intent(&aged(edited).0), Intent::Capture);
}

#[test]
fn a_running_session_without_a_sid_is_one_to_be_recovered() {
    let mut edited = seen_in(SessionState::Running);
    edited.status.sessions[0].sid = None;
    assert_eq!(aged(edited).0.status.sessions[0].state, SessionState::Recovering);
}

#[test]
fn a_token_ends_the_doubt_about_a_lost_sid() {
    let mut lost = seen_in(SessionState::Recovering);
    lost.status.sessions[0].token_end_time = Some(lost.now.stored());
    assert_eq!(aged(later(lost.clone(), 119)).0.status.sessions.len(), 1);
    let (over, _) = aged(later(lost, 120));
    assert!(over.status.sessions.is_empty());
    assert_eq!(over.status.history[0].end_reason, EndReason::Lost);
}
