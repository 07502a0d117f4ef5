//! What each answer to each call does to a job, as tables: one row for every meaning of an answer.

use super::*;
use crate::api::SnapshotJobSpec;
use crate::api::spec::Subscription;
use crate::api::status::Session;
use crate::lifecycle::claims::{self, Reserved};
use crate::lifecycle::fixtures::{
    KINDS, answer, just_claimed, later, pass, seen, seen_in, seen_two, seen_with, session, with, with_known,
};
use crate::lifecycle::observed::Known;
use crate::lifecycle::plan::{Step, StopCause, plan};
use crate::lifecycle::spec_hash::{self, Difference};
use crate::lifecycle::{fixtures, replacement};

const HASH: &str = "v1:sent";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The three ways in which a call is not confirmed.
fn unconfirmed<T>(kind: Kind) -> [Outcome<T>; 3] {
    [Outcome::Rejected(answer(kind)), Outcome::Unknown(answer(kind)), Outcome::NotSent(answer(kind))]
}

fn known(seen: &Observed) -> &Known {
    &seen.memory.sessions[&1]
}

fn gate(seen: &Observed) -> Duration {
    known(seen).gate.saturating_sub(seen.now.mono)
}

fn doubtful(mut seen: Observed) -> Observed {
    seen.session_mut(1).expect("a session").1.starts = Starts::Doubtful;
    seen
}

/// First waits after an answer, as the vendor documents them, else the first of our own backoff.
fn first_wait(kind: Kind) -> u64 {
    match kind {
        Kind::Late | Kind::BackendTimeout | Kind::ServerFault | Kind::NoWorker => 3,
        Kind::TimedOut | Kind::ConnectionLost | Kind::Unreachable | Kind::Unreadable => 1,
        Kind::Unauthorized
        | Kind::AppIdInvalid
        | Kind::NoRoute
        | Kind::RateLimited
        | Kind::InvalidParameter
        | Kind::AccountSuspended
        | Kind::QuotaExceeded
        | Kind::Conflict
        | Kind::ResourceInvalid
        | Kind::NotFound => 10,
    }
}

#[test]
fn an_acquire_that_gave_nothing_leaves_nothing_but_a_wait() {
    for kind in KINDS {
        for outcome in unconfirmed(kind) {
            let mut seen = seen();
            assert!(not_acquired(&mut seen, &outcome).is_empty());
            let wait = if kind == Kind::AccountSuspended { 360 } else { first_wait(kind) };
            assert_eq!(seen.memory.attempt_gate - seen.now.mono, secs(wait), "{kind:?}");
            assert_eq!(plan(&seen), Step::Wait(secs(wait)), "{kind:?}");
            assert!(seen.status.sessions.is_empty() && seen.status.history.is_empty());
            let stored = seen.status.next_attempt_time.is_some();
            assert_eq!(stored, wait >= 10, "{kind:?}: a wait shorter than a write is worth is not stored");
        }
    }
}

#[test]
fn a_start_that_was_refused_frees_its_claim() {
    for kind in KINDS {
        let mut seen = just_claimed();
        started(&mut seen, 1, HASH, Outcome::Rejected(answer(kind)));
        if kind == Kind::RateLimited {
            assert_eq!(gate(&seen), secs(10), "the resourceId is still good");
            assert_eq!((known(&seen).starts, plan(&seen)), (Starts::WithoutEffect, Step::Wait(secs(10))));
            continue;
        }
        assert!(seen.status.sessions.is_empty() && seen.memory.sessions.is_empty(), "{kind:?}");
        assert!(seen.status.history.is_empty(), "{kind:?}: nothing ran");
        assert!(seen.memory.refusal.is_some() && matches!(plan(&seen), Step::Wait(_)), "{kind:?}");
    }
}

#[test]
fn a_start_that_may_have_had_an_effect_is_kept_for_ever_in_doubt() {
    for kind in KINDS {
        let mut seen = seen_in(SessionState::Claimed);
        started(&mut seen, 1, HASH, Outcome::Unknown(answer(kind)));
        assert_eq!(known(&seen).starts, Starts::Doubtful, "{kind:?}");
        assert_eq!(plan(&seen), Step::Wait(secs(first_wait(kind))), "{kind:?}");

        // What is said of a later try proves nothing of the first.
        pass(&mut seen, 20);
        assert_eq!(plan(&seen), Step::StartAgain { attempt: 1 }, "{kind:?}");
        started(&mut seen, 1, HASH, Outcome::Rejected(answer(kind)));
        assert_eq!(seen.status.sessions.len(), 1, "{kind:?}");
        let state = seen.status.sessions[0].state;
        let expected = if kind == Kind::Conflict { SessionState::Recovering } else { SessionState::Claimed };
        assert_eq!(state, expected, "{kind:?}: 53 says that it runs");
        match kind {
            Kind::Conflict => assert_eq!(plan(&seen), Step::FindSid { attempt: 1 }, "{kind:?}"),
            _ => assert!(matches!(plan(&seen), Step::Wait(_)), "{kind:?}"),
        }
        assert_eq!((seen.status.failures, &seen.memory.refusal), (None, &None), "{kind:?}");
    }
}

#[test]
fn a_start_that_never_left_is_repeated_until_others_may_take_up_its_claim() {
    let mut seen = just_claimed();
    for wait in [1, 3, 6, 10] {
        started(&mut seen, 1, HASH, Outcome::NotSent(answer(Kind::Unreachable)));
        assert_eq!((known(&seen).starts, gate(&seen)), (Starts::WithoutEffect, secs(wait)));
        pass(&mut seen, wait);
        assert_eq!(plan(&seen), Step::StartAgain { attempt: 1 });
    }
    started(&mut seen, 1, HASH, Outcome::NotSent(answer(Kind::Unreachable)));
    assert!(seen.status.sessions.is_empty(), "20 s old, and the next try would come when it is 40 s old");
    assert!(matches!(plan(&seen), Step::Wait(_)), "{:?}", plan(&seen));
    assert_eq!(seen.status.failures, None, "an unreachable vendor is no failure of the spec");
}

#[test]
fn who_slept_over_his_claim_cannot_say_that_it_is_unused() {
    // Another process may have repeated the start, and its sid be on the way into the status.
    for kind in KINDS {
        for outcome in [Outcome::Rejected(answer(kind)), Outcome::NotSent(answer(kind))] {
            let mut seen = just_claimed();
            pass(&mut seen, 30);
            started(&mut seen, 1, HASH, outcome);
            assert_eq!((seen.status.sessions.len(), known(&seen).starts), (1, Starts::Doubtful), "{kind:?}");
        }
    }
}

#[test]
fn a_sid_makes_a_session() {
    let new = || Outcome::Confirmed(Started::New { sid: "abc".into() });
    let found = || Outcome::Confirmed(Started::Already { sid: Some("abc".into()) });
    let claimed = spec_hash::of(&fixtures::spec());
    for (outcome, control_end, hash, reason) in [
        (new(), 72 * 3600, HASH, "the vendor counts from the sid, and takes the spec that was sent"),
        (
            found(),
            72 * 3600 - 60,
            &claimed,
            "it runs since nobody knows when, with the spec of an earlier start",
        ),
    ] {
        let mut seen = doubtful(seen_in(SessionState::Claimed));
        let notices = started(&mut seen, 1, HASH, outcome);
        assert_eq!(notices[0].reason, Reason::SessionStarted);
        assert!(notices[0].words.contains("abc") && !notices[0].warning);
        let session = &seen.status.sessions[0];
        assert_eq!((session.state, session.sid.as_deref()), (SessionState::Running, Some("abc")));
        assert_eq!((session.spec_hash.as_str(), &session.confirm_time), (hash, &None), "{reason}");
        let left = session.control_end_time.as_ref().map(|end| seen.now.until(end));
        assert_eq!(left, Some(secs(control_end)), "{reason}");
        assert_eq!((gate(&seen), &known(&seen).unanswered), (secs(5), &None), "asked for after 5 s");
    }
}

#[test]
fn a_session_whose_sid_was_lost_is_recovered_and_no_second_one_started() {
    let mut seen = seen_in(SessionState::Claimed);
    let notices = started(&mut seen, 1, HASH, Outcome::Confirmed(Started::Already { sid: None }));
    assert_eq!((notices[0].reason, notices[0].warning), (Reason::RecoveringSid, true));
    assert_eq!(seen.status.sessions[0].state, SessionState::Recovering);
    assert_eq!(plan(&seen), Step::FindSid { attempt: 1 });
    // What was confirmed once is not undone by a refusal later.
    for kind in KINDS {
        let mut seen = later(seen.clone(), 30);
        started(&mut seen, 1, HASH, Outcome::Rejected(answer(kind)));
        assert_eq!(seen.status.sessions[0].state, SessionState::Recovering, "{kind:?}");
    }
}

#[test]
fn a_sid_that_somebody_else_saved_meanwhile_is_not_lost_again() {
    // A process that slept between its claim and its start, while another one repeated the start.
    let running = || with_known(seen_in(SessionState::Running), |known| known.starts = Starts::WithoutEffect);
    for outcome in [
        Outcome::Confirmed(Started::Already { sid: None }),
        Outcome::Rejected(answer(Kind::ResourceInvalid)),
        Outcome::Rejected(answer(Kind::Conflict)),
        Outcome::Unknown(answer(Kind::Late)),
    ] {
        let mut seen = running();
        assert_eq!(started(&mut seen, 1, HASH, outcome.clone()), vec![], "{outcome:?}");
        assert_eq!(seen.status, running().status, "{outcome:?}");
    }
}

fn says(status: i64) -> Outcome<Queried> {
    Outcome::Confirmed(Queried { status, identity: Identity::Proved })
}

#[test]
fn a_session_is_confirmed_by_status_4_or_5_and_asked_on_the_vendors_schedule() {
    let fresh = || {
        let mut seen = seen_with(Session { confirm_time: None, ..session(SessionState::Running) });
        seen.session_mut(1).expect("a session").1.highest_status = None;
        seen
    };
    let mut seen = fresh();
    let mut asked_after = vec![];
    for status in [1, 2, 3, 3, 3, 3] {
        let before = seen.now.mono;
        queried(&mut seen, 1, says(status));
        asked_after.push(gate(&seen).as_secs());
        assert_eq!(seen.status.sessions[0].confirm_time, None, "status {status}");
        let wait = gate(&seen).as_secs();
        pass(&mut seen, wait);
        assert!(seen.now.mono > before);
    }
    assert_eq!(asked_after, [5, 5, 5, 10, 10, 10], "at 10, 15 and 20 s after the start, then every 10 s");
    assert_eq!(known(&seen).unconfirmed_for, secs(35), "the time in which the vendor answered");
    for status in [4, 5] {
        let mut seen = fresh();
        queried(&mut seen, 1, says(status));
        assert_eq!(seen.status.sessions[0].confirm_time, Some(seen.now.stored()), "status {status}");
        assert_eq!(seen.status.capture_start_time, Some(seen.now.stored()));
        assert_eq!(gate(&seen), secs(60));
    }
}

#[test]
fn silence_does_not_count_against_a_session_that_comes_up() {
    let mut seen = seen_with(Session { confirm_time: None, ..session(SessionState::Running) });
    pass(&mut seen, 3600);
    queried(&mut seen, 1, says(3));
    assert_eq!(known(&seen).unconfirmed_for, secs(30), "of an hour without an answer a half minute counts");
    let mut seen = seen_with(Session { confirm_time: None, ..session(SessionState::Running) });
    for kind in KINDS.into_iter().filter(|kind| *kind != Kind::NotFound) {
        pass(&mut seen, 60);
        queried(&mut seen, 1, Outcome::Unknown(answer(kind)));
    }
    assert_eq!(known(&seen).unconfirmed_for, secs(0));
}

#[test]
fn an_ending_session_is_watched_and_one_that_comes_back_is_forgiven() {
    for status in [6, 7, 8, 20] {
        let mut seen = seen_in(SessionState::Running);
        queried(&mut seen, 1, says(status));
        assert_eq!((known(&seen).ending_since, gate(&seen)), (Some(seen.now.mono), secs(30)), "{status}");
        assert_eq!(known(&seen).highest_status, Some(5), "an end is no sign of files");
        queried(&mut seen, 1, says(5));
        assert_eq!(known(&seen).ending_since, None);
    }
}

#[test]
fn a_query_that_was_not_answered_changes_nothing_but_the_time_of_the_next() {
    for kind in KINDS {
        for outcome in unconfirmed::<Queried>(kind) {
            let mut seen = seen_in(SessionState::Running);
            let before = seen.status.clone();
            let rejected = matches!(outcome, Outcome::Rejected(_));
            assert!(queried(&mut seen, 1, outcome).is_empty());
            assert_eq!(seen.status, before, "{kind:?}");
            assert_eq!(seen.status.failures, None);
            let runs = kind == Kind::NotFound && rejected;
            assert_eq!(known(&seen).death.is_some(), runs, "{kind:?}: only the service's own 404 counts");
            assert_eq!(known(&seen).locked_out.is_some(), kind == Kind::Unauthorized, "{kind:?}");
            assert_eq!(gate(&seen), secs(if runs { 30 } else { first_wait(kind) }), "{kind:?}");
        }
    }
}

#[test]
fn an_answer_about_another_session_is_none() {
    let mut seen = seen_in(SessionState::Running);
    queried(&mut seen, 1, Outcome::Confirmed(Queried { status: 5, identity: Identity::Other }));
    assert_eq!(gate(&seen), secs(1));
    let unanswered = known(&seen).unanswered.as_ref().expect("it is not believed");
    assert_eq!(unanswered.1.words, "the vendor's answer names another session");
}

#[test]
fn failures_are_forgotten_after_ten_minutes_confirmed() {
    for (confirmed_for, failures) in [(599, Some(3)), (600, None)] {
        let mut seen = seen_in(SessionState::Running);
        seen.status.failures = Some(3);
        pass(&mut seen, confirmed_for - 50);
        queried(&mut seen, 1, says(5));
        assert_eq!(seen.status.failures, failures, "{confirmed_for} s");
    }
}

#[test]
fn the_interval_of_queries_stays_below_half_of_the_idle_timeout() {
    for (idle, every) in [(5, 10), (30, 13), (60, 27), (300, 60), (2_592_000, 60)] {
        let mut seen = seen();
        seen.spec.as_mut().expect("understood").idle_timeout_seconds = idle;
        assert_eq!(query_interval(&seen, 1).as_secs(), every, "idleTimeoutSeconds {idle}");
        let with_jitter = backoff::with_jitter(query_interval(&seen, 1), 1.0, &seen.timing);
        let half = Duration::from_secs_f64(f64::from(idle) / 2.0);
        assert!(with_jitter <= half || every == 10, "idleTimeoutSeconds {idle}");
    }
}

#[test]
fn an_update_is_repeated_until_it_is_taken() {
    for kind in KINDS {
        for outcome in unconfirmed(kind) {
            let mut seen = seen_in(SessionState::Running);
            let subscription =
                Subscription { video_uids: vec![7], ..crate::lifecycle::fixtures::everybody() };
            seen.spec.as_mut().expect("understood").subscription = Some(subscription);
            assert_eq!(plan(&seen), Step::Update { attempt: 1 });
            let rejected = matches!(outcome, Outcome::Rejected(_));
            updated(&mut seen, 1, HASH, outcome);
            assert_ne!(plan(&seen), Step::Update { attempt: 1 }, "{kind:?}: not at once again");
            if rejected && kind == Kind::InvalidParameter {
                let uid = seen.status.sessions[0].recorder_uid;
                let other = fixtures::uids().into_iter().find(|other| *other != uid).expect("two");
                pass(&mut seen, 60);
                seen.memory.sessions.get_mut(&1).expect("known").gate = seen.now.mono + secs(9);
                assert_eq!(
                    plan(&seen),
                    fixtures::start(other),
                    "a new session may take what a running one does not"
                );
                continue;
            }
            assert_eq!(seen.status.sessions[0].spec_hash, spec_hash::of(&crate::lifecycle::fixtures::spec()));
            assert_eq!(known(&seen).death.is_some(), kind == Kind::NotFound && rejected, "{kind:?}");
        }
    }
    let mut seen = seen_in(SessionState::Running);
    assert!(updated(&mut seen, 1, HASH, Outcome::Confirmed(())).is_empty());
    assert_eq!(seen.status.sessions[0].spec_hash, HASH);
}

#[test]
fn every_word_of_a_stop_ends_a_session() {
    for stopped_as in [
        Stopped::Uploaded,
        Stopped::BackedUp,
        Stopped::UploadUnknown,
        Stopped::UploadUnfinished,
        Stopped::NoRecordedData,
        Stopped::AlreadyStopping,
    ] {
        let mut seen = seen_in(SessionState::Stopping);
        let notices = stopped(&mut seen, 1, Outcome::Confirmed(stopped_as));
        assert!(seen.status.sessions.is_empty() && seen.memory.sessions.is_empty(), "{stopped_as:?}");
        let past = &seen.status.history[0];
        assert_eq!(
            (past.sid.as_deref(), past.end_reason),
            (Some("5d3f"), EndReason::Stopped),
            "{stopped_as:?}"
        );
        assert_eq!((notices[0].reason, notices[0].warning), (Reason::SessionStopped, false));
        assert_eq!(plan(&seen), Step::Wait(secs(5)), "its uid is taken until it has left");
    }
}

#[test]
fn a_session_that_is_being_stopped_is_not_believed_to_run_again() {
    let mut seen = seen_in(SessionState::Stopping);
    queried(&mut seen, 1, Outcome::Confirmed(Queried { status: 5, identity: Identity::Proved }));
    let session = &seen.status.sessions[0];
    assert_eq!((session.state, session.stop_reason), (SessionState::Stopping, Some(EndReason::Stopped)));
    let seen = later(seen, 30);
    assert_eq!(plan(&seen), Step::Stop { attempt: 1, cause: StopCause::Unwanted }, "the stop is repeated");
}

#[test]
fn a_stop_that_was_not_confirmed_is_repeated() {
    for kind in KINDS {
        for outcome in unconfirmed(kind) {
            let mut seen = seen_in(SessionState::Stopping);
            let rejected = matches!(outcome, Outcome::Rejected(_));
            stopped(&mut seen, 1, outcome);
            assert_eq!(seen.status.sessions[0].state, SessionState::Stopping, "{kind:?}");
            let run = kind == Kind::NotFound && rejected;
            let wait = if run { 30 } else { first_wait(kind) };
            assert_eq!(plan(&seen), Step::Wait(secs(wait)), "{kind:?}");
            assert_eq!(known(&seen).death.is_some(), run, "{kind:?}");
            assert_eq!(seen.status.failures, None, "{kind:?}");
        }
    }
}

#[test]
fn the_vendor_may_ask_for_a_longer_wait() {
    let slowed = Answer { retry_after: Some(secs(120)), ..answer(Kind::RateLimited) };
    let mut seen = seen_in(SessionState::Running);
    queried(&mut seen, 1, Outcome::Rejected(slowed.clone()));
    assert_eq!(gate(&seen), secs(120), "longer than our own longest between two queries");
    let mut seen = crate::lifecycle::fixtures::seen();
    not_acquired(&mut seen, &Outcome::Rejected(slowed));
    assert_eq!(plan(&seen), Step::Wait(secs(120)));
}

#[test]
fn who_is_locked_out_is_so_since_the_first_refusal_and_until_another_answer() {
    let mut seen = seen_in(SessionState::Stopping);
    let since = seen.now.mono;
    for _ in 0..3 {
        stopped(&mut seen, 1, Outcome::Rejected(answer(Kind::Unauthorized)));
        pass(&mut seen, 60);
        assert_eq!(known(&seen).locked_out, Some(since));
    }
    stopped(&mut seen, 1, Outcome::Unknown(answer(Kind::Late)));
    assert_eq!(known(&seen).locked_out, None);
    assert_eq!(known(&seen).unanswered.as_ref().map(|(first, _)| *first), Some(since), "not answered since");
}

#[test]
fn an_orphan_is_told_with_all_that_helps_to_find_it() {
    let told = words::orphan(&session(SessionState::Running), OrphanCause::NoCredentials);
    for part in
        ["970ca35de60c44645bbae8a215061b33", "lobby", "4000000001", "resource-1", "5d3f", "hard end none"]
    {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    for (cause, deleting, risk, why) in [
        (OrphanCause::NoCredentials, true, true, "it may run"),
        (OrphanCause::NoSid, false, false, "the job goes on"),
        (OrphanCause::Policy, true, false, "what the user asked for is no risk that holds the object"),
    ] {
        let mut seen = with(seen_in(SessionState::Running), |seen| seen.job.deleting = deleting);
        orphaned(&mut seen, 1, cause);
        assert_eq!(seen.memory.orphaned, risk, "{why}");
        assert_eq!(seen.status.history[0].end_reason, EndReason::Orphaned);
    }
}

// === a wrong verdict ===

/// A session that ended, and the claim that shall take its place under its uid.
fn replaced_by_a_claim(reason: EndReason) -> Observed {
    end_and_claim(seen_in(SessionState::Running), 1, reason)
}

fn end_and_claim(mut seen: Observed, attempt: i64, reason: EndReason) -> Observed {
    end_session(&mut seen, attempt, reason);
    let number = attempt + 1;
    let claim = Session {
        attempt: number,
        recorder_uid: seen.status.history[0].recorder_uid,
        nonce: format!("nonce-{number}"),
        resource_id: format!("resource-{number}"),
        acquire_time: seen.now.stored(),
        ..session(SessionState::Claimed)
    };
    seen.memory.sessions.insert(number, Known::claimed(claim.clone(), &seen.now));
    seen.status.sessions.push(claim);
    seen
}

#[test]
fn who_was_taken_for_dead_is_gone_back_to_when_its_uid_is_refused() {
    for reason in [EndReason::Lost, EndReason::Idle] {
        let mut seen = replaced_by_a_claim(reason);
        let notices = started(&mut seen, 2, HASH, Outcome::Rejected(answer(Kind::Conflict)));
        assert_eq!(notices[0].reason, Reason::SidRecovered);
        let back = |one: &Session| (one.attempt, one.state, one.sid.clone());
        let sessions: Vec<_> = seen.status.sessions.iter().map(back).collect();
        assert_eq!(sessions, [(1, SessionState::Running, Some("5d3f".into()))], "{reason:?}");
        assert_eq!(seen.status.history, []);
        assert_eq!(seen.status.failures, None);
        assert_eq!(plan(&seen), Step::Query { attempt: 1 }, "it is asked about");
        seen.join();
        assert_eq!(seen.status.sessions.len(), 1, "and it stays when the status is read again");

        let mut seen = end_and_claim(seen, 1, reason);
        started(&mut seen, 2, HASH, Outcome::Rejected(answer(Kind::Conflict)));
        assert_eq!(seen.status.sessions, [], "once: somebody else has the uid");
    }
}

#[test]
fn nobody_goes_back_to_what_was_stopped() {
    for reason in [EndReason::Stopped, EndReason::Replaced, EndReason::Deadline, EndReason::Orphaned] {
        let mut seen = replaced_by_a_claim(reason);
        started(&mut seen, 2, HASH, Outcome::Rejected(answer(Kind::Conflict)));
        assert_eq!(seen.status.sessions, [], "{reason:?}");
        assert_eq!(seen.status.history.len(), 1, "{reason:?}");
    }
}

/// The vendor wants another uid in the stop of a session that moved, or is of two minds: a query answers, a stop does not.
#[test]
fn a_stop_that_is_refused_for_ever_bounds_a_deletion_whatever_queries_say() {
    let mut seen = with(seen_in(SessionState::Stopping), |seen| {
        seen.job.deleting = true;
        seen.memory.deleting_since = Some(seen.now.mono);
    });
    let day = seen.timing.orphan_unreachable.as_secs();
    for _ in 0..day / 600 {
        assert!(!matches!(plan(&seen), Step::Orphan { .. }), "not yet");
        stopped(&mut seen, 1, Outcome::Rejected(answer(Kind::InvalidParameter)));
        queried(&mut seen, 1, says(5));
        pass(&mut seen, 600);
    }
    assert_eq!(plan(&seen), Step::Orphan { attempt: 1, cause: OrphanCause::Unreachable });
}

#[test]
fn a_full_quota_holds_off_the_question_about_a_session_in_doubt() {
    let mut seen = seen_two(session(SessionState::Running), session(SessionState::Recovering));
    not_acquired(&mut seen, &Outcome::Rejected(answer(Kind::QuotaExceeded)));
    assert!(seen.memory.attempt_gate > seen.now.mono, "else it is asked without a pause");
    assert_eq!(seen.memory.stop_first, None);
}

#[test]
fn an_answer_for_a_session_that_is_gone_is_no_news() {
    let mut seen = seen_in(SessionState::Running);
    let before = seen.status.clone();
    queried(&mut seen, 9, says(5));
    stopped(&mut seen, 9, Outcome::Confirmed(Stopped::Uploaded));
    updated(&mut seen, 9, HASH, Outcome::Confirmed(()));
    started(&mut seen, 9, HASH, Outcome::Rejected(answer(Kind::Conflict)));
    orphaned(&mut seen, 9, OrphanCause::NoSid);
    looked(&mut seen, 9, Sight::default(), secs(300));
    assert_eq!(seen.status, before);
}

/// A job with a claim, as it is right before the first start.
fn freshly_claimed() -> (Observed, i64) {
    let mut seen = fixtures::seen();
    let reserved = Reserved {
        resource_id: "r".into(),
        region: None,
        nonce: "n".into(),
        app_id: fixtures::spec().channel.app_id,
        channel: fixtures::spec().channel.name,
        recorder_uid: 4_000_000_001,
        spec_hash: spec_hash::of(&fixtures::spec()),
        acquire_time: seen.now.stored(),
        token_end: None,
    };
    let attempt = claims::claim(&mut seen, reserved);
    (seen, attempt)
}

fn only(seen: &Observed) -> &Session {
    seen.status.sessions.first().expect("a session")
}

#[test]
fn a_session_is_of_the_spec_whose_start_took_effect() {
    let sid = || "5".repeat(32);
    let answers = |new| match new {
        true => Outcome::Confirmed(Started::New { sid: sid() }),
        false => Outcome::Confirmed(Started::Already { sid: Some(sid()) }),
    };
    for (edits, new, expected, reason) in [
        (0, true, Difference::None, "the only start there was"),
        (0, false, Difference::None, "one of several, all of the same spec"),
        (1, true, Difference::None, "this start took effect, whatever was sent before"),
        (1, false, Difference::Body, "the start of the former spec took effect, or this one: replace it"),
        (2, true, Difference::None, "this start took effect"),
        (2, false, Difference::Body, "the spec is as it was, but another may have been sent meanwhile"),
    ] {
        let (mut seen, attempt) = freshly_claimed();
        // There and back again.
        for interval in [20, 10].into_iter().take(edits) {
            let spec = SnapshotJobSpec { interval_seconds: interval, ..fixtures::spec() };
            claims::starting_again(&mut seen, attempt, &spec_hash::of(&spec), None);
            seen.spec = Ok(spec);
        }
        let hash = spec_hash::of(seen.spec.as_ref().expect("a spec"));
        started(&mut seen, attempt, &hash, answers(new));
        assert_eq!(only(&seen).sid, Some(sid()), "{reason}");
        assert_eq!(replacement::wanted_difference(&seen, only(&seen)), expected, "{reason}");
    }
}
