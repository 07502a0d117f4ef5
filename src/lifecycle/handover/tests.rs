//! Which of two sessions stays, in each moment of a handover.

use super::*;
use crate::api::Reason;
use crate::api::status::EndReason;
use crate::lifecycle::aging::time_passed;
use crate::lifecycle::answers::{queried, started, stopped};
use crate::lifecycle::claims::{self, Reserved};
use crate::lifecycle::endings::refused;
use crate::lifecycle::fixtures::{
    self, answer, later, seen_in, seen_two, session, with, with_known, with_spec,
};
use crate::lifecycle::observed::Problem;
use crate::lifecycle::outcome::{Identity, Kind, Outcome, Queried, Started, Stopped};
use crate::lifecycle::plan::{Step, StopCause, plan};
use crate::lifecycle::spec_hash;
use crate::lifecycle::timing::stored;

const OTHER: &str = "v1:other-other";

fn running(hash: &str) -> Session {
    Session { spec_hash: hash.into(), ..session(SessionState::Running) }
}

fn unconfirmed(hash: &str) -> Session {
    Session { confirm_time: None, ..running(hash) }
}

/// Everything that is due by its gate is done.
fn quiet(seen: Observed) -> Observed {
    with(seen, |seen| {
        for known in seen.memory.sessions.values_mut() {
            known.gate = seen.now.mono + Duration::from_secs(900);
        }
    })
}

#[test]
fn which_of_two_stays() {
    let wanted = spec_hash::of(&fixtures::spec());
    let claimed = || Session { spec_hash: wanted.clone(), ..session(SessionState::Claimed) };
    let renewal_due = |session: Session| Session {
        control_end_time: Some(fixtures::now().after(Duration::from_secs(900))),
        start_time: Some(stored(fixtures::now().wall - jiff::SignedDuration::from_hours(72))),
        ..session
    };
    let restarted = |seen| with(seen, |seen: &mut Observed| seen.job.restart = Some("1".into()));
    let blocked =
        |seen| with(seen, |seen: &mut Observed| seen.start_problem = Some(Problem::Region("mars-1".into())));
    let not_understood = |seen| with(seen, |seen: &mut Observed| seen.spec = Err("profile Hologram".into()));
    let stop = |attempt| Some(Step::Stop { attempt, cause: StopCause::Replaced });
    for (reason, seen, expected) in [
        ("what became of the new one's start is not known", seen_two(running(OTHER), claimed()), None),
        ("the new one does not run yet", seen_two(running(OTHER), unconfirmed(&wanted)), None),
        ("the new one runs", seen_two(running(OTHER), running(&wanted)), stop(1)),
        ("for a renewal", seen_two(renewal_due(running(&wanted)), running(&wanted)), stop(1)),
        (
            "a renewal whose new one does not run yet",
            seen_two(renewal_due(running(&wanted)), unconfirmed(&wanted)),
            None,
        ),
        ("edited in the middle of it", seen_two(running(OTHER), unconfirmed("v1:third-third")), stop(2)),
        ("edited right after it", seen_two(running(OTHER), running("v1:third-third")), stop(1)),
        ("the edit was taken back", seen_two(running(&wanted), unconfirmed(OTHER)), stop(2)),
        ("taken back when the new one ran already", seen_two(running(&wanted), running(OTHER)), stop(2)),
        (
            "taken back, but the old one ends soon",
            seen_two(renewal_due(running(&wanted)), running(OTHER)),
            stop(1),
        ),
        ("a restart in the middle", restarted(seen_two(running(OTHER), unconfirmed(&wanted))), stop(2)),
        ("a restart after it", restarted(seen_two(running(OTHER), running(&wanted))), stop(1)),
        (
            "edited to what cannot be started",
            blocked(seen_two(running(OTHER), unconfirmed("v1:third-third"))),
            None,
        ),
        ("and the new one runs", blocked(seen_two(running(OTHER), running("v1:third-third"))), stop(1)),
        (
            "edited to what nobody understands",
            not_understood(seen_two(running(OTHER), running(&wanted))),
            stop(1),
        ),
    ] {
        let step = plan(&quiet(seen));
        match expected {
            Some(expected) => assert_eq!(step, expected, "{reason}"),
            None => assert!(!matches!(step, Step::Stop { .. } | Step::Start(_)), "{reason}: {step:?}"),
        }
    }
}

#[test]
fn both_end_when_nothing_shall_run() {
    let two = || seen_two(running(OTHER), unconfirmed(OTHER));
    for (reason, mut seen) in [
        ("suspended", with_spec(two(), |spec| spec.suspend = true)),
        ("deleted", with(two(), |seen| seen.job.deleting = true)),
        ("removed", with(two(), |seen| seen.withdrawing = true)),
    ] {
        for attempt in [1, 2] {
            let step = plan(&seen);
            assert_eq!(step, Step::Stop { attempt, cause: StopCause::Unwanted }, "{reason}");
            claims::stopping(&mut seen, attempt, StopCause::Unwanted);
            stopped(&mut seen, attempt, Outcome::Confirmed(Stopped::NoRecordedData));
        }
        assert!(seen.status.sessions.is_empty(), "{reason}");
    }
}

fn reserved(seen: &Observed, attempt: i64, recorder_uid: i64) -> Reserved {
    let spec = seen.spec.as_ref().expect("understood");
    Reserved {
        resource_id: format!("resource-{attempt}"),
        region: None,
        nonce: format!("nonce-{attempt}"),
        app_id: spec.channel.app_id.clone(),
        channel: spec.channel.name.clone(),
        recorder_uid,
        spec_hash: spec_hash::of(spec),
        acquire_time: seen.now.stored(),
        token_end: None,
    }
}

#[test]
fn an_edit_is_handed_over_and_the_next_start_keeps_the_uid() {
    let mut seen = quiet(with_spec(seen_in(SessionState::Running), |spec| spec.interval_seconds = 20));
    let Step::Start(next) = plan(&seen) else { panic!("{:?}", plan(&seen)) };
    assert_eq!((next.recorder_uid, next.in_doubt), (fixtures::uids()[0], None));
    let reserved = reserved(&seen, 2, next.recorder_uid);
    let attempt = claims::claim(&mut seen, reserved);
    let hash = spec_hash::of(seen.spec.as_ref().expect("understood"));
    started(&mut seen, attempt, &hash, Outcome::Confirmed(Started::New { sid: "7e4a".into() }));
    assert_eq!(seen.running().map(|session| session.attempt), Some(1), "the old one takes the snapshots");
    seen = later(seen, 5);
    queried(&mut seen, attempt, Outcome::Confirmed(Queried { status: 4, identity: Identity::Proved }));
    assert_eq!(seen.running().map(|session| session.attempt), Some(2), "now the new one does");
    assert_eq!(plan(&seen), Step::Stop { attempt: 1, cause: StopCause::Replaced });
    claims::stopping(&mut seen, 1, StopCause::Replaced);
    stopped(&mut seen, 1, Outcome::Confirmed(Stopped::NoRecordedData));
    assert_eq!(seen.status.history[0].end_reason, EndReason::Replaced);
    // The new one is lost: its replacement joins with its uid, whichever is named first in the spec.
    crate::lifecycle::endings::end_session(&mut seen, 2, EndReason::Lost);
    assert_eq!(plan(&later(seen, 9)), fixtures::start(fixtures::uids()[0]));
}

#[test]
fn what_an_end_says_of_a_handover() {
    let past = |attempt, end_reason| PastSession {
        attempt,
        sid: None,
        resource_id: "r".into(),
        recorder_uid: 1,
        start_time: None,
        end_time: fixtures::now().stored(),
        end_reason,
    };
    let beside = |attempt, state| vec![Session { attempt, ..session(state) }];
    for (reason, end, others, expected) in [
        (
            "the new one runs",
            past(1, EndReason::Replaced),
            beside(2, SessionState::Running),
            Some(Handover::Completed),
        ),
        (
            "the old one stays",
            past(2, EndReason::Replaced),
            beside(1, SessionState::Running),
            Some(Handover::Cancelled),
        ),
        ("nothing is beside it", past(1, EndReason::Replaced), vec![], Some(Handover::StoppedFirst)),
        (
            "it never ran",
            past(2, EndReason::Stopped),
            beside(1, SessionState::Running),
            Some(Handover::Failed),
        ),
        ("it was lost", past(2, EndReason::Lost), beside(1, SessionState::Running), Some(Handover::Failed)),
        ("a suspended pair", past(1, EndReason::Stopped), beside(2, SessionState::Stopping), None),
        ("one that ends by itself", past(1, EndReason::Lost), vec![], None),
        ("the old one is lost", past(1, EndReason::Lost), beside(2, SessionState::Running), None),
    ] {
        assert_eq!(outcome(&end, &others), expected, "{reason}");
    }
}

#[test]
fn at_most_one_handover_a_minute() {
    let edited = || quiet(with_spec(seen_in(SessionState::Running), |spec| spec.interval_seconds = 20));
    let young = |age: i64| {
        with(edited(), |seen| {
            seen.status.sessions[0].acquire_time =
                stored(seen.now.wall - jiff::SignedDuration::from_secs(age));
        })
    };
    assert_eq!(plan(&young(59)), Step::Wait(Duration::from_secs(1)));
    assert!(matches!(plan(&young(60)), Step::Start(_)));
    // Edited again in the middle of it: the new session was stopped before it was confirmed.
    let mut cancelled = quiet(seen_two(running(OTHER), unconfirmed("v1:third-third")));
    cancelled.status.sessions[1].start_time = Some(cancelled.now.stored());
    claims::stopping(&mut cancelled, 2, StopCause::Replaced);
    stopped(&mut cancelled, 2, Outcome::Confirmed(Stopped::NoRecordedData));
    cancelled.memory.attempt_gate = cancelled.now.mono;
    cancelled.status.sessions[0].acquire_time =
        stored(cancelled.now.wall - jiff::SignedDuration::from_secs(3600));
    assert!(plan(&cancelled).wait().is_some(), "{:?}", plan(&cancelled));
    assert!(matches!(plan(&quiet(later(cancelled, 60))), Step::Start(_)));
}

#[test]
fn no_room_for_two_means_one_after_the_other() {
    let mut seen = quiet(with_spec(seen_in(SessionState::Running), |spec| spec.interval_seconds = 20));
    refused(&mut seen, &answer(Kind::QuotaExceeded));
    assert_eq!(plan(&seen), Step::Stop { attempt: 1, cause: StopCause::Replaced });
}

#[test]
fn a_replacement_that_is_refused_ends_nothing_that_runs() {
    let mut seen = quiet(with_spec(seen_in(SessionState::Running), |spec| {
        spec.interval_seconds = 20;
        spec.backoff_limit = 0;
    }));
    for failure in 1..20 {
        refused(&mut seen, &answer(Kind::InvalidParameter));
        assert_eq!(seen.status.failures, Some(failure));
        assert!(seen.status.completion_time.is_none(), "it goes on as before");
        assert!(matches!(plan(&seen), Step::Wait(_)), "{:?}", plan(&seen));
    }
    // Nor are the failures forgotten because the old one runs so well.
    seen = later(seen, 3600);
    queried(&mut seen, 1, Outcome::Confirmed(Queried { status: 5, identity: Identity::Proved }));
    assert_eq!(seen.status.failures, Some(19));
    // The edit is taken back.
    seen.spec.as_mut().expect("understood").interval_seconds = 10;
    crate::lifecycle::report::report(&mut seen);
    assert_eq!((&seen.memory.refusal, &seen.status.next_attempt_time), (&None, &None));
    let ready =
        fixtures::assert_says(&seen, crate::api::ConditionType::Ready, "True", Reason::Capturing, "back");
    assert!(ready.contains("5d3f"), "{ready}");
}

#[test]
fn a_new_one_that_does_not_come_up_is_stopped_and_the_old_one_goes_on() {
    let wanted = spec_hash::of(&fixtures::spec());
    let seen = with_known(seen_two(running(OTHER), unconfirmed(&wanted)), |_| {});
    let mut seen = quiet(with(seen, |seen| {
        seen.memory.sessions.get_mut(&2).expect("known").unconfirmed_for = Duration::from_secs(90);
    }));
    assert_eq!(plan(&seen), Step::Stop { attempt: 2, cause: StopCause::NotConfirmed });
    claims::stopping(&mut seen, 2, StopCause::NotConfirmed);
    stopped(&mut seen, 2, Outcome::Confirmed(Stopped::NoRecordedData));
    time_passed(&mut seen);
    assert_eq!(seen.running().map(|session| session.attempt), Some(1));
    let Step::Wait(wait) = plan(&seen) else { panic!("{:?}", plan(&seen)) };
    assert!(wait >= Duration::from_secs(10), "with the wait of a failure: {wait:?}");
}
