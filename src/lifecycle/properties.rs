//! What holds in every situation, whatever its parts: no second session, no hot loop, no unstable word, and always a
//! status that the tools around understand.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use proptest::prelude::*;

use super::aging::time_passed;
use super::answers;
use super::arriving::{Look, Sight};
use super::conditions;
use super::fixtures::{self, KINDS, answer, finished, seen, session, violations, with};
use super::intent::is_finished;
use super::observed::{Known, Observed, Problem, Starts};
use super::outcome::{Identity, Kind, Outcome, Queried, Started, Stopped};
use super::plan::{Step, StopCause, plan};
use super::preflight::{self, Mark, Probed, Refused};
use super::recovery::{self, Found};
use super::report::report;
use super::timing::stored;
use crate::api::spec::{DeletionPolicy, OnIdle, Preflight, Subscription};
use crate::api::status::{EndReason, Session, SessionState};
use crate::api::{ConditionType, Reason};

const STATES: [SessionState; 5] = [
    SessionState::Claimed,
    SessionState::Running,
    SessionState::Recovering,
    SessionState::Stopping,
    SessionState::Uncontrollable,
];

fn problem() -> impl Strategy<Value = Option<Problem>> {
    let words = || "what is wrong".to_owned();
    prop_oneof![
        5 => Just(None),
        1 => Just(Some(Problem::Secret(words()))),
        1 => Just(Some(Problem::SecretsUnreadable(words()))),
        1 => Just(Some(Problem::Token(words()))),
        1 => Just(Some(Problem::Region(words()))),
        1 => Just(Some(Problem::Spec(words()))),
        1 => Just(Some(Problem::NotUnderstood(words()))),
        1 => Just(Some(Problem::UidTaken(words()))),
    ]
}

prop_compose! {
    /// A session in any state, with times around now by either clock.
    fn any_session()(
        state in prop::sample::select(STATES.to_vec()),
        times in (-4000i64..400_000, -4000i64..400_000, prop::option::of(-4000i64..100_000)),
        confirmed in any::<bool>(),
        stop_reason in prop::sample::select(vec![EndReason::Stopped, EndReason::Replaced, EndReason::Deadline]),
        same_spec in any::<bool>(),
        keeps_sid in any::<bool>(),
    ) -> Session {
        let (age, control, token) = times;
        let at = |seconds: i64| stored(seen().now.wall + SignedDuration::from_secs(seconds));
        let mut session = session(state);
        session.acquire_time = at(-age);
        session.start_time = session.start_time.map(|_| at(-age));
        session.confirm_time = session.confirm_time.filter(|_| confirmed);
        session.control_end_time = Some(at(control));
        session.token_end_time = token.map(at);
        session.stop_reason = session.stop_reason.map(|_| stop_reason);
        if !same_spec {
            session.spec_hash = "v1:other-other".into();
        }
        // A stopping session of a doubtful start may have none.
        if state == SessionState::Uncontrollable && !keeps_sid {
            session.sid = None;
        }
        session
    }
}

prop_compose! {
    /// What a process may remember of a session.
    fn any_known(session: Session)(
        ours in any::<bool>(),
        doubtful in any::<bool>(),
        seconds in prop::array::uniform8(0u64..90_000),
        kind in prop::option::of(prop::sample::select(KINDS.to_vec())),
        repeats in 0u32..20,
        highest in prop::option::of(0i64..21),
        some in prop::array::uniform4(any::<bool>()),
    ) -> Known {
        let now = seen().now;
        let ago = |n: usize| (now.mono + Duration::from_secs(90_000)).saturating_sub(Duration::from_secs(seconds[n]));
        let ahead = |n: usize| now.mono + Duration::from_secs(90_000 + seconds[n] % 900);
        let starts = if doubtful { Starts::Doubtful } else { Starts::WithoutEffect };
        Known {
            ours,
            seen: ago(0),
            starts,
            gate: if some[0] { ahead(1) } else { ago(1) },
            look_gate: if some[1] { ahead(2) } else { ago(2) },
            update_gate: ago(3),
            repeats,
            unanswered: kind.map(|kind| (ago(4), answer(kind))),
            locked_out: some[2].then(|| ago(5)),
            unconfirmed_for: Duration::from_secs(seconds[6] % 120),
            last_answer: some[3].then(|| ago(6)),
            highest_status: highest,
            last_status: highest,
            look: some[1].then(|| Look { time: now.wall, obstacle: some[0].then(|| "no keys".to_owned()), whole: some[2] }),
            last_alive: some[3].then_some(now.wall),
            ending_since: some[2].then(|| ago(7)),
            ..Known::found(session.clone(), &now)
        }
    }
}

prop_compose! {
    fn any_sessions()(sessions in prop::collection::vec(any_session(), 0..3))(
        known in sessions.iter().cloned().map(any_known).collect::<Vec<_>>(),
    ) -> Vec<Known> {
        known
    }
}

prop_compose! {
    /// Any situation at all, as a visit observes it: joined and aged.
    fn situation()(
        sessions in any_sessions(),
        flags in prop::array::uniform8(any::<bool>()),
        limits in (prop::option::of(1i64..5000), prop::option::of(1i64..5000), prop::option::of(0i32..5000), 0i32..3),
        control in problem(),
        start in problem(),
        withdrawing in prop::bool::weighted(0.2),
        gates in (0u64..900, prop::option::of(-100i64..900), -5000i64..1),
        failures in prop::option::of(1i32..4),
        past in prop::sample::select(vec![None, None, None, Some(Reason::Completed), Some(Reason::Unauthorized)]),
        jitter in 0.0f64..=1.0,
        bucket in (prop::option::of(0u8..4), 0u64..4000, any_mode()),
    ) -> Observed {
        let mut seen = past.map_or_else(seen, finished);
        // Room for what was remembered a day ago.
        seen.now.mono += Duration::from_secs(90_000);
        seen.jitter = jitter;
        seen.withdrawing = withdrawing;
        let [deleting, finalizer, understood, suspend, orphan, restart, idle_restart, lists] = flags;
        seen.job.deleting = deleting && finalizer;
        seen.job.has_finalizer = finalizer || suspend;
        seen.job.restart = restart.then(|| "1".to_owned());
        seen.job.generation = if lists { 1 } else { 2 };
        let spec = seen.spec.as_mut().expect("understood");
        (spec.active_deadline_seconds, spec.duration_seconds) = (limits.0, limits.1);
        (spec.ttl_seconds_after_finished, spec.backoff_limit) = (limits.2, limits.3);
        spec.suspend = suspend && orphan;
        spec.deletion_policy = if orphan && idle_restart { DeletionPolicy::Orphan } else { DeletionPolicy::Stop };
        spec.on_idle = if idle_restart { OnIdle::Restart } else { OnIdle::Complete };
        spec.subscription = lists.then(|| Subscription { video_uids: vec![7], max_users: 17, ..Subscription::default() });
        spec.storage.preflight = bucket.2;
        if !understood && suspend {
            seen.spec = Err("profile Hologram".into());
        }
        (seen.control_problem, seen.start_problem) = (control, start);
        if seen.spec.is_err() {
            seen.start_problem = Some(Problem::NotUnderstood("profile Hologram".into()));
        }
        seen.memory.attempt_gate = seen.now.mono + Duration::from_secs(gates.0) - Duration::from_secs(450);
        seen.status.next_attempt_time = gates.1.map(|at| stored(seen.now.wall + SignedDuration::from_secs(at)));
        let began = stored(seen.now.wall + SignedDuration::from_secs(gates.2));
        seen.status.start_time = (!sessions.is_empty() || restart).then(|| began.clone());
        seen.status.capture_start_time = sessions.iter().any(|known| known.session.confirm_time.is_some()).then_some(began);
        seen.status.failures = failures;
        let ended = seen.status.completion_time.is_some().then(|| seen.now.wall + SignedDuration::from_secs(gates.2));
        seen.status.completion_time = ended.map(stored);
        for (attempt, mut known) in (1..).zip(sessions) {
            known.session.attempt = attempt;
            known.session.nonce = format!("nonce-{attempt}");
            known.session.resource_id = format!("resource-{attempt}");
            seen.status.sessions.push(known.session.clone());
            seen.memory.sessions.insert(attempt, known);
        }
        seen.join();
        if let (Some(way), before, _) = bucket {
            seen.storage = Some(Mark::of(&fixtures::spec().storage, ["", "", ""]));
            seen.now.mono -= Duration::from_secs(before);
            try_bucket(&mut seen, if way == 3 { Probed::Taken { left: None } } else { refused_by_bucket(way) });
            seen.now.mono += Duration::from_secs(before);
        }
        time_passed(&mut seen);
        seen
    }
}

fn any_mode() -> impl Strategy<Value = Preflight> {
    prop::sample::select(vec![Preflight::Enforce, Preflight::Warn, Preflight::Skip])
}

/// An outcome that is not confirmed, for a step with one.
fn fail(seen: &mut Observed, step: &Step, kind: Kind, way: u8) {
    fn of<T>(kind: Kind, way: u8) -> Outcome<T> {
        match way {
            0 => Outcome::Rejected(answer(kind)),
            1 => Outcome::Unknown(answer(kind)),
            _ => Outcome::NotSent(answer(kind)),
        }
    }
    match step {
        Step::Start(_) => drop(answers::not_acquired(seen, &of(kind, way))),
        Step::StartAgain { attempt } => drop(answers::started(seen, *attempt, "v1:a-b", of(kind, way))),
        Step::Query { attempt } => drop(answers::queried(seen, *attempt, of(kind, way))),
        Step::Look { attempt } => answers::looked(seen, *attempt, Sight::default(), Duration::from_secs(300)),
        Step::FindSid { attempt } => {
            recovery::searched(
                seen,
                *attempt,
                Found { obstacle: Some("AccessDenied".into()), ..Found::default() },
            );
        }
        Step::Verify { attempt, sid } => drop(recovery::verified(seen, *attempt, sid, of(kind, way))),
        Step::Update { attempt } => drop(answers::updated(seen, *attempt, "v1:a-b", of(kind, way))),
        Step::Stop { attempt, cause } => {
            super::claims::stopping(seen, *attempt, *cause);
            drop(answers::stopped(seen, *attempt, of(kind, way)));
        }
        Step::AddFinalizer | Step::RemoveFinalizer | Step::Delete | Step::Wait(_) | Step::Refuse(_, _) => {}
        Step::Preflight => try_bucket(seen, refused_by_bucket(way)),
        Step::Orphan { attempt, cause } => drop(answers::orphaned(seen, *attempt, *cause)),
    }
}

fn refused_by_bucket(way: u8) -> Probed {
    match way {
        0 => Probed::Refused { why: Refused::NoSuchBucket, said: "404 NoSuchBucket".into() },
        way => Probed::Untold { unreachable: way == 1, why: "nobody knows".into() },
    }
}

fn try_bucket(seen: &mut Observed, probed: Probed) {
    let mark = seen.storage.clone().expect("else it is not tried");
    drop(preflight::probed(seen, mark, probed));
}

fn confirm(seen: &mut Observed, step: &Step) {
    let sid = || "abc".to_owned();
    match step {
        Step::StartAgain { attempt } => {
            drop(answers::started(seen, *attempt, "v1:a-b", Outcome::Confirmed(Started::New { sid: sid() })));
        }
        Step::Query { attempt } => {
            let queried = Queried { status: 5, identity: Identity::Proved };
            drop(answers::queried(seen, *attempt, Outcome::Confirmed(queried)));
        }
        Step::Stop { attempt, cause } => {
            super::claims::stopping(seen, *attempt, *cause);
            drop(answers::stopped(seen, *attempt, Outcome::Confirmed(Stopped::NoRecordedData)));
        }
        Step::Update { attempt } => drop(answers::updated(seen, *attempt, "v1:a-b", Outcome::Confirmed(()))),
        Step::Verify { attempt, sid } => {
            let queried = Queried { status: 5, identity: Identity::Proved };
            drop(recovery::verified(seen, *attempt, sid, Outcome::Confirmed(queried)));
        }
        Step::FindSid { attempt } => {
            recovery::searched(seen, *attempt, Found { complete: true, ..Found::default() });
        }
        Step::Preflight => try_bucket(seen, Probed::Taken { left: None }),
        Step::Start(_)
        | Step::Look { .. }
        | Step::Orphan { .. }
        | Step::AddFinalizer
        | Step::RemoveFinalizer
        | Step::Delete
        | Step::Wait(_)
        | Step::Refuse(_, _) => {}
    }
}

/// Types, statuses and reasons, in one order.
fn said(conditions: &[Condition]) -> BTreeSet<(&str, &str, &str)> {
    conditions.iter().map(|one| (one.type_.as_str(), one.status.as_str(), one.reason.as_str())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_is_always_one_step_and_it_is_the_same(seen in situation()) {
        prop_assert_eq!(plan(&seen), plan(&seen.clone()));
    }

    #[test]
    fn nothing_is_started_and_nothing_let_go_beside_a_session(seen in situation()) {
        let step = plan(&seen);
        let alone = matches!(step, Step::RemoveFinalizer | Step::Delete);
        prop_assert!(!alone || seen.status.sessions.is_empty(), "{:?}", step);
        let starts = matches!(step, Step::Start(_) | Step::AddFinalizer);
        prop_assert!(!starts || !seen.job.deleting, "{:?}", step);
        if let Step::Start(next) = &step {
            for session in &seen.status.sessions {
                // Either the vendor refuses it while that session runs, or it is to take that session's place.
                let fenced = session.recorder_uid == next.recorder_uid;
                let hands_over = session.state == SessionState::Running && session.confirm_time.is_some();
                prop_assert!(fenced != hands_over, "{:?} beside {:?}", next, session);
            }
        }
        let new = matches!(step, Step::Start(_));
        prop_assert!(!new || seen.job.has_finalizer, "what runs must have a finalizer");
        prop_assert!(!new || seen.start_problem.is_none(), "no call to the vendor with a known problem");
    }

    #[test]
    fn who_is_being_removed_begins_nothing_and_gives_nothing_up(seen in situation()) {
        let seen = with(seen, |seen| {
            seen.withdrawing = true;
            seen.job.deleting = false;
        });
        match plan(&seen) {
            Step::Start(_) | Step::Preflight | Step::Update { .. } | Step::Look { .. } | Step::Delete | Step::Orphan { .. } => {
                prop_assert!(false, "{:?}", plan(&seen));
            }
            Step::StartAgain { attempt } => {
                let state = seen.session(attempt).map(|session| session.state);
                let in_doubt = matches!(state, Some(SessionState::Claimed | SessionState::Recovering));
                prop_assert!(in_doubt, "only to learn what became of its claim: {:?}", state);
            }
            Step::AddFinalizer => prop_assert!(!seen.status.sessions.is_empty()),
            Step::RemoveFinalizer => prop_assert!(seen.status.sessions.is_empty() && seen.unreadable.is_empty()),
            Step::Stop { cause, .. } => prop_assert_eq!(cause, StopCause::Unwanted),
            Step::Query { .. }
            | Step::FindSid { .. }
            | Step::Verify { .. }
            | Step::Wait(_)
            | Step::Refuse(_, _) => {}
        }
    }

    #[test]
    fn a_willing_vendor_has_the_operator_gone_in_a_few_steps(seen in situation()) {
        let mut seen = with(seen, |seen| {
            seen.withdrawing = true;
            seen.job.deleting = false;
            (seen.control_problem, seen.start_problem) = (None, None);
        });
        let was_finished = is_finished(&seen).then(|| seen.status.conditions.clone());
        let beyond = |session: &Session| matches!(session.state, SessionState::Recovering | SessionState::Uncontrollable);
        for _ in 0..40 {
            let step = plan(&seen);
            if matches!(step, Step::RemoveFinalizer) || seen.status.sessions.iter().all(beyond) {
                break;
            }
            match &step {
                Step::AddFinalizer => seen.job.has_finalizer = true,
                Step::Wait(wait) => {
                    seen.now.mono += *wait;
                    seen.now.wall += *wait;
                }
                _ => confirm(&mut seen, &step),
            }
            time_passed(&mut seen);
            report(&mut seen);
        }
        prop_assert!(seen.status.sessions.iter().all(beyond), "{:#?}", seen.status.sessions);
        report(&mut seen);
        if seen.status.sessions.is_empty() {
            let ready = conditions::get(&seen.status, ConditionType::Ready).map(|ready| ready.reason.clone());
            match was_finished {
                Some(before) => prop_assert_eq!(said(&before), said(&seen.status.conditions)),
                None => prop_assert_eq!(ready.as_deref(), Some("OperatorRemoved")),
            }
        }
    }

    #[test]
    fn what_fails_is_not_repeated_at_once_and_soon_all_wait(
        seen in situation(),
        kind in prop::sample::select(KINDS.to_vec()),
        way in 0u8..3,
    ) {
        let mut seen = seen;
        let mut steps = vec![];
        loop {
            let step = plan(&seen);
            if let Step::Wait(wait) | Step::Refuse(_, wait) = &step {
                prop_assert!(!wait.is_zero(), "a wait of no time after {:?}", steps);
                break;
            }
            // What these do is between us and the API server, which has a backoff of its own.
            if matches!(step, Step::AddFinalizer | Step::RemoveFinalizer | Step::Delete) {
                break;
            }
            prop_assert!(!steps.contains(&step), "{:?} again after {:?}, all failed as {:?}", step, steps, kind);
            fail(&mut seen, &step, kind, way);
            time_passed(&mut seen);
            steps.push(step);
        }
    }

    #[test]
    fn a_status_is_reported_once_and_is_what_the_tools_understand(seen in situation(), kind in prop::sample::select(KINDS.to_vec()), way in 0u8..4) {
        let mut seen = seen;
        let step = plan(&seen);
        match way {
            3 => confirm(&mut seen, &step),
            way => fail(&mut seen, &step, kind, way),
        }
        report(&mut seen);
        prop_assert_eq!(violations(&seen), Vec::<String>::new());
        let once = seen.status.clone();
        report(&mut seen);
        prop_assert_eq!(&seen.status, &once);
        // Nor does the mere passing of a moment change a word of it.
        seen.now.mono += Duration::from_millis(1);
        report(&mut seen);
        prop_assert_eq!(&seen.status, &once);
    }

    #[test]
    fn no_session_is_forgotten_that_may_run(seen in situation(), kind in prop::sample::select(KINDS.to_vec()), way in 0u8..3) {
        let mut seen = seen;
        let step = plan(&seen);
        let before = seen.clone();
        fail(&mut seen, &step, kind, way);
        for session in &before.status.sessions {
            let kept = seen.status.sessions.iter().any(|now| now.attempt == session.attempt);
            let past = seen.status.history.iter().any(|past| past.attempt == session.attempt);
            let known = &before.memory.sessions[&session.attempt];
            let never_began = session.state == SessionState::Claimed && known.starts == Starts::WithoutEffect;
            prop_assert!(kept || past || never_began, "{:?} lost by {:?}", session.state, step);
        }
    }
}
