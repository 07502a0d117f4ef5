//! A lost sid: the search, its proof, and what is done when it is given up.

use super::*;
use crate::api::status::EndReason;
use crate::lifecycle::aging::time_passed;
use crate::lifecycle::answers::started;
use crate::lifecycle::bounds::OrphanCause;
use crate::lifecycle::claims::{self, Reserved};
use crate::lifecycle::fixtures::{
    self, KINDS, answer, later, pass, seen_in, seen_two, seen_with, session, with, with_known, with_spec,
};
use crate::lifecycle::observed::{Known, Starts};
use crate::lifecycle::outcome::Started;
use crate::lifecycle::plan::{StopCause, plan};
use crate::lifecycle::start::NextStart;

const SID: &str = "38f8e3cfdc474cd56fc1ceba380d7e1a";

fn proved(identity: Identity) -> Outcome<Queried> {
    Outcome::Confirmed(Queried { status: 5, identity })
}

fn found(sids: &[&str]) -> Found {
    Found { sids: sids.iter().map(|sid| (*sid).to_owned()).collect(), complete: true, obstacle: None }
}

/// A session whose sid was lost, its resourceId just too old to be started again.
fn past_the_fence() -> Observed {
    let seen = with_known(seen_in(SessionState::Recovering), |known| known.starts = Starts::Doubtful);
    later(seen, 270)
}

/// Does what is planned until only a wait or a start is left, with nothing to be found.
fn search_in_vain(mut seen: Observed) -> Observed {
    while let Step::FindSid { attempt } = plan(&seen) {
        searched(&mut seen, attempt, found(&[]));
    }
    seen
}

#[test]
fn what_is_found_is_asked_about_and_believed_only_if_all_of_it_is_named() {
    let mut seen = past_the_fence();
    assert_eq!(plan(&seen), Step::FindSid { attempt: 1 });
    searched(&mut seen, 1, found(&[SID, "other"]));
    let asked = |seen: &Observed| match plan(seen) {
        Step::Verify { attempt: 1, sid } => sid,
        step => panic!("{step:?}"),
    };
    for outcome in
        [proved(Identity::Likely), proved(Identity::Other), Outcome::Rejected(answer(Kind::ResourceInvalid))]
    {
        let mut seen = seen.clone();
        let sid = asked(&seen);
        assert_eq!(verified(&mut seen, 1, &sid, outcome.clone()), vec![]);
        assert_eq!(seen.status.sessions[0].sid, None, "{outcome:?}");
        assert_ne!(asked(&seen), sid, "{outcome:?}: the next one");
    }
    let notices = verified(&mut seen, 1, SID, proved(Identity::Proved));
    assert_eq!(notices[0].reason, Reason::SidRecovered);
    let session = &seen.status.sessions[0];
    assert_eq!((session.state, session.sid.as_deref()), (SessionState::Running, Some(SID)));
    assert_eq!(session.start_time, Some(session.acquire_time.clone()));
    assert_eq!(plan(&seen), Step::Query { attempt: 1 });
}

#[test]
fn what_cannot_be_asked_now_is_asked_again_and_nothing_is_started_meanwhile() {
    for kind in KINDS {
        for outcome in [Outcome::Unknown(answer(kind)), Outcome::NotSent(answer(kind))] {
            let mut seen = past_the_fence();
            searched(&mut seen, 1, found(&[SID]));
            verified(&mut seen, 1, SID, outcome);
            assert!(seen.memory.sessions[&1].search.candidates.contains_key(SID), "{kind:?}");
            assert!(!is_given_up(&seen, &seen.status.sessions[0]), "{kind:?}");
            assert!(matches!(plan(&seen), Step::Wait(_)), "{kind:?}: {:?}", plan(&seen));
            pass(&mut seen, 60);
            assert!(matches!(plan(&seen), Step::Verify { .. } | Step::FindSid { .. }), "{kind:?}");
        }
    }
}

#[test]
fn a_session_that_shall_not_run_is_stopped_as_soon_as_its_sid_is_known() {
    let mut seen = with(past_the_fence(), |seen| seen.job.deleting = true);
    assert_eq!(plan(&seen), Step::FindSid { attempt: 1 });
    searched(&mut seen, 1, found(&[SID]));
    verified(&mut seen, 1, SID, proved(Identity::Proved));
    assert_eq!(plan(&seen), Step::Stop { attempt: 1, cause: StopCause::Unwanted });
}

/// Vain searches of a resourceId that still lives have long waits between them in the end.
#[test]
fn the_first_search_after_the_fence_is_not_put_off() {
    let mut seen = with_known(seen_in(SessionState::Recovering), |known| {
        known.starts = Starts::Doubtful;
        known.search.rounds = 20;
    });
    searched(&mut seen, 1, found(&[]));
    let known = &seen.memory.sessions[&1];
    assert_eq!(known.search.gate, known.seen + seen.timing.resource_life);
    let mut seen = past_the_fence();
    searched(&mut seen, 1, found(&[]));
    assert!(seen.memory.sessions[&1].search.gate > seen.now.mono, "and no hot loop from then on");
}

#[test]
fn a_start_asks_only_when_everything_else_was_tried() {
    let probe = Step::Start(NextStart { recorder_uid: 4_000_000_001, in_doubt: Some(1) });
    let is_probe = |seen: &Observed| plan(seen) == probe;
    let young = with_known(seen_in(SessionState::Recovering), |known| {
        known.starts = Starts::Doubtful;
        known.gate = known.seen + Duration::from_secs(9999);
    });
    let searched_before = search_in_vain(later(young.clone(), 200));
    assert!(!is_probe(&searched_before), "its resourceId may still carry a session");
    assert!(
        !is_probe(&with(later(searched_before, 70), |seen| {
            let known = seen.memory.sessions.get_mut(&1).expect("known");
            known.search.gate = seen.now.mono + Duration::from_secs(100);
        })),
        "what was searched before the fence may have come later"
    );
    let seen = search_in_vain(past_the_fence());
    assert!(is_probe(&seen), "{:?}", plan(&seen));
    assert!(is_probe(&with_spec(seen.clone(), |spec| spec.suspend = true)), "else the doubt lasts for ever");
    assert!(
        !is_probe(&with(seen.clone(), |seen| seen.job.deleting = true)),
        "nothing is started in a deletion"
    );
    assert!(!is_probe(&with(seen, |seen| seen.memory.attempt_gate = seen.now.mono + Duration::from_secs(9))));
    let blind = with(past_the_fence(), |seen| {
        searched(seen, 1, Found { obstacle: Some("AccessDenied".into()), ..Found::default() });
    });
    assert!(is_probe(&blind), "a bucket that cannot be listed is no reason to wait for ever");
    assert!(is_probe(&seen_in(SessionState::Uncontrollable)));
    let with_token = with(seen_in(SessionState::Uncontrollable), |seen| {
        seen.status.sessions[0].token_end_time = Some(seen.now.after(Duration::from_secs(3600)));
    });
    assert!(!is_probe(&with_token), "it has a hard end");
}

/// A start under one uid says nothing of the other: its session's hard end is waited for, and where there is none it is
/// asked about afterwards, as after a handover.
#[test]
fn sessions_in_doubt_under_two_uids_are_asked_about_one_after_the_other() {
    let in_doubt = || seen_two(session(SessionState::Uncontrollable), session(SessionState::Recovering));
    let settled = |seen: Observed| search_in_vain(later(seen, 400));
    let first = NextStart { recorder_uid: 4_000_000_001, in_doubt: Some(1) };
    assert_eq!(plan(&settled(in_doubt())), Step::Start(first));
    let with_end = with(in_doubt(), |seen| {
        let end = Some(seen.now.after(Duration::from_secs(3600)));
        seen.status.sessions[1].token_end_time.clone_from(&end);
        seen.memory.sessions.get_mut(&2).expect("known").session.token_end_time = end;
    });
    assert!(matches!(plan(&settled(with_end.clone())), Step::Wait(_)));
    let same = with(with_end, |seen| seen.status.sessions[1].recorder_uid = 4_000_000_001);
    assert!(matches!(plan(&settled(same)), Step::Start(_)));
}

/// One 404 is no death here either: the session may be moving to another server.
#[test]
fn a_candidate_that_the_vendor_does_not_know_is_ruled_out_by_a_run_of_404_alone() {
    let mut seen = past_the_fence();
    searched(&mut seen, 1, found(&[SID]));
    for nth in 0..5 {
        assert!(!is_given_up(&seen, &seen.status.sessions[0]), "{nth}");
        assert!(!matches!(plan(&seen), Step::Start(_)), "{nth}");
        verified(&mut seen, 1, SID, Outcome::Rejected(answer(Kind::NotFound)));
        pass(&mut seen, 30);
    }
    assert_eq!(seen.memory.sessions[&1].search.candidates, BTreeMap::new());
    assert!(is_given_up(&seen, &seen.status.sessions[0]));
}

/// The vendor takes acquires and leaves starts without an answer, longer than there is room for claims.
#[test]
fn more_doubts_than_can_be_asked_about_end_as_orphans_one_by_one() {
    let mut seen = search_in_vain(past_the_fence());
    for _ in 0..2 {
        let attempt = claim_probe(&mut seen);
        started(&mut seen, attempt, "v1:a-b", Outcome::Unknown(answer(Kind::BackendTimeout)));
        let last = seen.status.sessions.last_mut().expect("the claim");
        (last.resource_id, last.nonce) = (format!("resource-{attempt}"), format!("nonce-{attempt}"));
        seen.join();
        pass(&mut seen, 400);
        time_passed(&mut seen);
        seen = search_in_vain(seen);
    }
    assert_eq!(seen.status.sessions.len(), 3);
    assert_eq!(plan(&seen), Step::Orphan { attempt: 1, cause: OrphanCause::NoSid });
    answers::orphaned(&mut seen, 1, OrphanCause::NoSid);
    assert!(matches!(plan(&seen), Step::Start(_)), "and it goes on");
}

#[test]
fn a_start_that_took_effect_says_nothing_of_sessions_under_another_uid() {
    let mut seen = seen_two(session(SessionState::Uncontrollable), session(SessionState::Claimed));
    assert_ne!(seen.status.sessions[0].recorder_uid, seen.status.sessions[1].recorder_uid);
    started(&mut seen, 2, "v1:a-b", Outcome::Confirmed(Started::New { sid: SID.into() }));
    assert_eq!(seen.status.sessions.len(), 2, "it may go on beside it");
}

/// The handover of an edit, whose new session's sid was lost before anybody heard of it.
#[test]
fn a_doubt_in_mid_handover_is_settled_beside_the_session_that_runs() {
    let new = with_known(
        seen_two(
            Session { spec_hash: "v1:other-other".into(), ..session(SessionState::Running) },
            session(SessionState::Recovering),
        ),
        |known| known.gate = known.seen + Duration::from_secs(9999),
    );
    let mut seen =
        later(with_known(new, |known| known.look_gate = known.seen + Duration::from_secs(9999)), 400);
    while let step @ (Step::FindSid { .. } | Step::Query { .. }) = plan(&seen) {
        match step {
            Step::FindSid { attempt } => searched(&mut seen, attempt, found(&[])),
            _ => {
                seen.memory.sessions.get_mut(&1).expect("known").gate =
                    seen.now.mono + Duration::from_secs(60)
            }
        }
    }
    let uid = fixtures::uids()[0];
    assert_eq!(plan(&seen), Step::Start(NextStart { recorder_uid: uid, in_doubt: Some(2) }));
    let unconfirmed = with(seen.clone(), |seen| seen.status.sessions[0].confirm_time = None);
    assert!(!matches!(plan(&unconfirmed), Step::Start(_)), "{:?}", plan(&unconfirmed));
    let same_uid = with(seen, |seen| seen.status.sessions[0].recorder_uid = uid);
    assert!(!matches!(plan(&same_uid), Step::Start(_)), "it would be refused, whatever became of the other");
}

#[test]
fn a_session_that_runs_under_the_uid_of_an_older_doubt_settles_it() {
    let restored = |later_by: u64| {
        let two = seen_two(session(SessionState::Recovering), session(SessionState::Running));
        with(later(two, later_by), |seen| seen.status.sessions[1].recorder_uid = 4_000_000_001)
    };
    let left = |mut seen: Observed| {
        time_passed(&mut seen);
        seen.status.sessions.iter().map(|session| session.attempt).collect::<Vec<_>>()
    };
    assert_eq!(left(restored(300)), [2]);
    assert_eq!(left(restored(200)), [1, 2], "its resourceId may still start it");
    let other_uid = with(restored(300), |seen| seen.status.sessions[1].recorder_uid += 1);
    assert_eq!(left(other_uid), [1, 2], "a handover");
    let unconfirmed = with(restored(300), |seen| seen.status.sessions[1].confirm_time = None);
    assert_eq!(left(unconfirmed), [1, 2]);
    // The sid of the older one was found meanwhile.
    let found_since = |answered: u64| {
        let two = seen_two(session(SessionState::Running), session(SessionState::Recovering));
        with(later(two, 400), |seen| {
            seen.status.sessions[1].recorder_uid = 4_000_000_001;
            let known = seen.memory.sessions.get_mut(&1).expect("known");
            known.last_answer = Some(known.seen + Duration::from_secs(answered));
        })
    };
    assert_eq!(left(found_since(420)), [1]);
    assert_eq!(left(found_since(300)), [1, 2], "it may have ended since");
}

fn claim_probe(seen: &mut Observed) -> i64 {
    let Step::Start(next) = plan(seen) else { panic!("{:?}", plan(seen)) };
    let spec = fixtures::spec();
    let reserved = Reserved {
        resource_id: "resource-2".into(),
        region: None,
        nonce: "nonce-2".into(),
        app_id: spec.channel.app_id.clone(),
        channel: spec.channel.name.clone(),
        recorder_uid: next.recorder_uid,
        spec_hash: crate::lifecycle::spec_hash::of(&spec),
        acquire_time: seen.now.stored(),
        token_end: None,
    };
    claims::claim(seen, reserved)
}

#[test]
fn what_the_answer_to_such_a_start_tells() {
    let claimed = || {
        let mut seen = search_in_vain(past_the_fence());
        let attempt = claim_probe(&mut seen);
        (seen, attempt)
    };
    let (mut seen, attempt) = claimed();
    started(&mut seen, attempt, "v1:a-b", Outcome::Confirmed(Started::New { sid: SID.into() }));
    assert_eq!(seen.status.sessions.len(), 1, "the vendor would not have two under one uid");
    assert_eq!((seen.status.history[0].attempt, seen.status.history[0].end_reason), (1, EndReason::Lost));

    let (mut seen, attempt) = claimed();
    started(&mut seen, attempt, "v1:a-b", Outcome::Rejected(answer(Kind::Conflict)));
    let left: Vec<_> = seen.status.sessions.iter().map(|session| session.attempt).collect();
    assert_eq!(left, [1], "53: it is the old one that runs");
    assert!(matches!(plan(&seen), Step::Wait(_)), "{:?}", plan(&seen));
    assert_eq!(seen.status.failures, None);

    let (mut seen, attempt) = claimed();
    started(&mut seen, attempt, "v1:a-b", Outcome::Unknown(answer(Kind::Late)));
    pass(&mut seen, 30);
    started(&mut seen, attempt, "v1:a-b", Outcome::Rejected(answer(Kind::Conflict)));
    assert_eq!(seen.status.sessions.len(), 2, "an earlier start may have had its effect");
    for _ in 0..5 {
        pass(&mut seen, 400);
        time_passed(&mut seen);
        seen = search_in_vain(seen);
        assert!(seen.status.sessions.len() <= 4);
    }
}

#[test]
fn the_search_goes_on_where_it_was_cut_and_grows_rarer() {
    let mut seen =
        with_known(past_the_fence(), |known: &mut Known| known.gate = known.seen + Duration::from_secs(9999));
    searched(&mut seen, 1, Found { complete: false, ..found(&[]) });
    assert_eq!(plan(&seen), Step::Wait(Duration::from_secs(1)), "a large bucket");
    assert_eq!(seen.memory.sessions[&1].search.ended, None);
    for wait in [10, 20, 40, 80, 160, 320, 360, 360] {
        searched(&mut seen, 1, found(&[]));
        assert_eq!(seen.memory.sessions[&1].search.gate - seen.now.mono, Duration::from_secs(wait));
    }
}

#[test]
fn a_status_without_the_sid_of_what_ran_is_searched_for_too() {
    let wiped = Session { sid: None, ..session(SessionState::Stopping) };
    let mut seen = later(seen_with(wiped), 300);
    seen.memory.sessions.clear();
    seen.join();
    time_passed(&mut seen);
    assert_eq!(seen.status.sessions[0].state, SessionState::Recovering);
    pass(&mut seen, 330);
    searched(&mut seen, 1, found(&[SID]));
    verified(&mut seen, 1, SID, proved(Identity::Proved));
    assert_eq!(seen.status.sessions[0].state, SessionState::Stopping, "it is never believed running again");
}
