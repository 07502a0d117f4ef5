//! The decision as tables: each row a situation, the step that has to follow, and why.

use jiff::SignedDuration;

use super::*;
use crate::api::Reason;
use crate::api::spec::{Recorder, Subscription};
use crate::lifecycle::fixtures::{
    self, answer, finished, later, seen, seen_in, seen_with, session, with, with_known, with_spec,
};
use crate::lifecycle::observed::Starts;
use crate::lifecycle::outcome::Kind;
use crate::lifecycle::timing::stored;

const QUERY: Step = Step::Query { attempt: 1 };
const AGAIN: Step = Step::StartAgain { attempt: 1 };

fn stop(cause: StopCause) -> Step {
    Step::Stop { attempt: 1, cause }
}

fn orphan(cause: OrphanCause) -> Step {
    Step::Orphan { attempt: 1, cause }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wait(seconds: u64) -> Step {
    Step::Wait(secs(seconds))
}

fn missing_secret() -> Problem {
    Problem::Secret("Secret `agora` does not exist".into())
}

fn deleting(seen: Observed) -> Observed {
    with(seen, |seen| {
        seen.job.deleting = true;
        seen.memory.deleting_since = Some(seen.now.mono);
    })
}

fn not_understood(seen: Observed) -> Observed {
    with(seen, |seen| seen.spec = Err("profile Hologram".into()))
}

/// Its bucket was just searched for the sid, and its start repeated, for a long time to come.
fn searched(seen: Observed) -> Observed {
    with_known(seen, |known| {
        known.search.gate = known.seen + secs(999_999);
        known.gate = known.search.gate;
    })
}

fn check(rows: Vec<(&str, Observed, Step)>) {
    for (reason, seen, expected) in rows {
        assert_eq!(plan(&seen), expected, "{reason}");
    }
}

#[test]
fn nothing_runs_and_something_should() {
    let start = fixtures::start(fixtures::uids()[0]);
    let refused = |problem: Problem, again| {
        (with(seen(), |seen| seen.start_problem = Some(problem.clone())), Step::Refuse(problem, secs(again)))
    };
    let mut rows = vec![
        (
            "the finalizer comes before all",
            with(seen(), |seen| seen.job.has_finalizer = false),
            Step::AddFinalizer,
        ),
        ("a new job is started", seen(), start.clone()),
        (
            "with the declared uid, if there is one",
            with_spec(seen(), |spec| {
                spec.channel.recorders = Some(vec![Recorder { uid: 7, token_secret_key_ref: None }]);
            }),
            fixtures::start(7),
        ),
        (
            "the gate of this process holds",
            with(seen(), |seen| seen.memory.attempt_gate = seen.now.mono + secs(40)),
            wait(40),
        ),
        (
            "so does the one that an earlier process stored",
            with(seen(), |seen| seen.status.next_attempt_time = Some(seen.now.after(secs(40)))),
            wait(40),
        ),
        (
            "a clock set back does not stretch it to hours",
            with(seen(), |seen| seen.status.next_attempt_time = Some(seen.now.after(secs(4000)))),
            wait(600),
        ),
        (
            "a gate that is past is none",
            later(with(seen(), |seen| seen.status.next_attempt_time = Some(seen.now.after(secs(40)))), 40),
            start,
        ),
        (
            "the deadline may be nearer than the gate",
            with_spec(
                with(seen(), |seen| {
                    seen.memory.attempt_gate = seen.now.mono + secs(40);
                    seen.status.start_time = Some(seen.now.stored());
                }),
                |spec| spec.active_deadline_seconds = Some(25),
            ),
            wait(25),
        ),
        ("what is not understood is not started", not_understood(seen()), wait(600)),
    ];
    for (reason, (seen, step)) in [
        ("a missing Secret is looked for", refused(missing_secret(), 15)),
        ("one that cannot be read, too", refused(Problem::SecretsUnreadable("403".into()), 15)),
        ("a token may be renewed at any time", refused(Problem::Token("ended".into()), 15)),
        ("an unknown region needs an edit, which wakes us", refused(Problem::Region("mars-1".into()), 600)),
        ("so does a spec that the vendor would refuse", refused(Problem::Spec("audio".into()), 600)),
        ("another job's uid may become free", refused(Problem::UidTaken("live/other".into()), 15)),
    ] {
        rows.push((reason, seen, step));
    }
    check(rows);
}

#[test]
fn a_session_that_shall_run() {
    let running = || seen_in(SessionState::Running);
    let unconfirmed = |seconds| {
        let session = Session { confirm_time: None, ..session(SessionState::Running) };
        with_known(seen_with(session), |known| known.unconfirmed_for = secs(seconds))
    };
    let ending = |seconds| {
        let now = seen().now.mono;
        with_known(running(), |known| known.ending_since = Some(now - secs(seconds)))
    };
    let gated = |seconds| {
        let now = seen().now.mono;
        with_known(running(), |known| known.gate = now + secs(seconds))
    };
    let lists = |seen| {
        with_spec(seen, |spec| {
            spec.subscription = Some(Subscription { video_uids: vec![7], ..fixtures::everybody() });
        })
    };
    let edited = |seen| with_spec(seen, |spec| spec.interval_seconds = 20);
    let beside = fixtures::start(fixtures::uids()[0]);
    check(vec![
        ("it is asked for", running(), QUERY),
        ("not before its time", gated(20), wait(20)),
        (
            "its bucket is looked into meanwhile",
            with_known(gated(20), |known| known.look_gate = secs(0)),
            Step::Look { attempt: 1 },
        ),
        ("90 s unconfirmed is not started", unconfirmed(90), stop(StopCause::NotConfirmed)),
        ("less than that is not", unconfirmed(89), QUERY),
        ("an end that takes 5 minutes is helped", ending(300), stop(StopCause::StuckEnding)),
        ("a shorter one is watched", ending(299), QUERY),
        ("an edit starts another one beside it", edited(gated(20)), beside.clone()),
        ("after what is due for this one", edited(running()), QUERY),
        ("so does a restart", with(gated(20), |seen| seen.job.restart = Some("1".into())), beside.clone()),
        ("one that does not run yet is stopped first", edited(unconfirmed(0)), stop(StopCause::Replaced)),
        (
            "so is the one of a job with one uid",
            with_spec(edited(gated(20)), |spec| {
                spec.channel.recorders =
                    Some(vec![Recorder { uid: 4_000_000_001, token_secret_key_ref: None }]);
            }),
            stop(StopCause::Replaced),
        ),
        (
            "so is one beside which the quota has no room",
            with(edited(gated(20)), |seen| seen.memory.stop_first = Some(1)),
            stop(StopCause::Replaced),
        ),
        (
            "but not for a replacement that cannot be started",
            with(edited(running()), |seen| seen.start_problem = Some(missing_secret())),
            QUERY,
        ),
        ("lists are told to it", lists(running()), Step::Update { attempt: 1 }),
        (
            "not again before the gate",
            with_known(lists(running()), |known| known.update_gate = known.seen + secs(9999)),
            QUERY,
        ),
        ("an edit of more than lists replaces", lists(edited(gated(20))), beside),
        (
            "renewed storage keys are told to it",
            with(running(), |seen| seen.keys_end = Some(seen.now.wall + secs(9999))),
            Step::Update { attempt: 1 },
        ),
        (
            "known ones are not",
            with(running(), |seen| {
                seen.keys_end = Some(seen.now.wall + secs(9999));
                seen.memory.sessions.get_mut(&1).expect("known").keys_sent = seen.keys_end;
            }),
            QUERY,
        ),
        (
            "without credentials nothing can be asked",
            with(running(), |seen| seen.control_problem = Some(missing_secret())),
            wait(15),
        ),
        ("what is not understood goes on", not_understood(running()), QUERY),
        (
            "a finalizer taken away comes back",
            with(not_understood(running()), |seen| seen.job.has_finalizer = false),
            Step::AddFinalizer,
        ),
        (
            "a finalizer taken away from what is being suspended comes back, too",
            with_spec(with(running(), |seen| seen.job.has_finalizer = false), |spec| spec.suspend = true),
            Step::AddFinalizer,
        ),
    ]);
}

#[test]
fn a_session_is_renewed_before_its_control_or_its_token_ends() {
    let ends = |control: i64, token: Option<i64>| {
        let at = |seconds| stored(seen().now.wall + SignedDuration::from_secs(seconds));
        let start = at(-3600 * 10);
        seen_with(Session {
            start_time: Some(start),
            control_end_time: Some(at(control)),
            token_end_time: token.map(at),
            ..session(SessionState::Running)
        })
    };
    let new_token = |seen: Observed, seconds: u64| {
        with(seen, |seen| seen.token_end = Some(seen.now.wall + secs(seconds)))
    };
    let short = |age: i64, hours: i64| {
        let at = |seconds| stored(seen().now.wall + SignedDuration::from_secs(seconds));
        seen_with(Session {
            start_time: Some(at(-age)),
            control_end_time: Some(at(hours * 3600 - age)),
            ..session(SessionState::Running)
        })
    };
    let hour = 3600;
    let renewed = fixtures::start(fixtures::uids()[0]);
    // The query that is due comes first.
    let quiet = |(reason, seen, step): (&'static str, Observed, Step)| {
        (reason, with_known(seen, |known| known.gate = known.seen + secs(99_999)), step)
    };
    check(
        [
            ("an hour is more than the largest margin", ends(hour, None), wait(300)),
            ("20 minutes are the smallest margin", ends(1200, None), renewed.clone()),
            (
                "a token that ends earlier counts",
                new_token(ends(30 * hour, Some(1200)), 86_400),
                renewed.clone(),
            ),
            (
                "but not if a new session would have the same",
                new_token(ends(30 * hour, Some(1200)), 1200),
                wait(300),
            ),
            ("one without a token outlives it", ends(30 * hour, Some(1200)), renewed.clone()),
            ("an hour's session runs for three quarters", short(2699, 1), wait(300)),
            ("and is renewed then", short(2700, 1), renewed),
        ]
        .map(quiet)
        .into(),
    );
}

#[test]
fn a_claim_is_asked_for_again_until_it_is_settled() {
    let claimed = || seen_in(SessionState::Claimed);
    let anothers = |age: i64| {
        let mut claim = session(SessionState::Claimed);
        claim.acquire_time = stored(seen().now.wall - SignedDuration::from_secs(age));
        let seen = seen_with(claim);
        let now = seen.now.mono;
        with_known(seen, |known| {
            known.ours = false;
            known.seen = now;
        })
    };
    let blocked = |problem: Problem| with(claimed(), |seen| seen.start_problem = Some(problem));
    check(vec![
        ("the same start, with the same resourceId", claimed(), AGAIN),
        ("after its gate", with_known(claimed(), |known| known.gate = known.seen + secs(63)), wait(3)),
        ("another process may be starting a young claim", anothers(12), wait(18)),
        ("not an old one", anothers(30), AGAIN),
        ("a claim from the future is another's for half a minute", anothers(-3600), wait(30)),
        ("and not for the hour that the wall clock was set back", later(anothers(-3600), 30), AGAIN),
        ("it waits for its Secret", blocked(missing_secret()), Step::Refuse(missing_secret(), secs(15))),
        (
            "for an edit no longer than it can be of use",
            blocked(Problem::Spec("audio".into())),
            Step::Refuse(Problem::Spec("audio".into()), secs(270)),
        ),
        ("another job's claim on the uid says nothing of it", blocked(Problem::UidTaken("x".into())), AGAIN),
        (
            "also while suspended: what it started has to be found",
            with_spec(claimed(), |spec| spec.suspend = true),
            AGAIN,
        ),
        ("also in a deletion", deleting(claimed()), AGAIN),
        ("not while the spec is not understood", not_understood(claimed()), wait(600)),
    ]);
}

#[test]
fn never_a_start_beside_a_session() {
    for state in
        [SessionState::Claimed, SessionState::Running, SessionState::Recovering, SessionState::Stopping]
    {
        for hours in [0, 1] {
            let step = plan(&later(seen_in(state), hours * 3600));
            assert!(!matches!(step, Step::Start(_)), "{state:?} {hours}: {step:?}");
        }
    }
    let withdrawing = |seen| with(seen, |seen: &mut Observed| seen.withdrawing = true);
    check(vec![
        (
            "nor under its uid while the operator is removed",
            withdrawing(seen_in(SessionState::Uncontrollable)),
            wait(600),
        ),
        (
            "whose token's end is waited for",
            withdrawing(seen_with(Session {
                token_end_time: Some(seen().now.after(secs(100))),
                ..session(SessionState::Uncontrollable)
            })),
            wait(220),
        ),
    ]);
}

#[test]
fn a_session_that_shall_not_run() {
    let suspended = |state| with_spec(seen_in(state), |spec| spec.suspend = true);
    let no_account = |seen| with(seen, |seen: &mut Observed| seen.control_problem = Some(missing_secret()));
    let finish_running =
        with_spec(seen_in(SessionState::Running), |spec| spec.active_deadline_seconds = Some(60));
    let failed = |state| {
        let mut seen = finished(Reason::InvalidParameter);
        let with_session = seen_in(state);
        seen.status.sessions = with_session.status.sessions;
        seen.memory = with_session.memory;
        seen
    };
    check(vec![
        ("suspended", suspended(SessionState::Running), stop(StopCause::Unwanted)),
        ("a stop under way is repeated", suspended(SessionState::Stopping), stop(StopCause::Unwanted)),
        (
            "after its gate",
            with_known(suspended(SessionState::Stopping), |known| known.gate = known.seen + secs(63)),
            wait(3),
        ),
        (
            "nothing can be stopped without credentials",
            no_account(suspended(SessionState::Running)),
            Step::Refuse(missing_secret(), secs(15)),
        ),
        ("its time is over", finish_running, stop(StopCause::TimeOver)),
        ("a failed job keeps nothing running", failed(SessionState::Running), stop(StopCause::Unwanted)),
        ("a resumed job ends the stop first", seen_in(SessionState::Stopping), stop(StopCause::Unwanted)),
        (
            "a time to live that is over hurries no stop",
            with_known(
                with_spec(failed(SessionState::Stopping), |spec| spec.ttl_seconds_after_finished = Some(0)),
                |known| known.gate = known.seen + secs(63),
            ),
            wait(3),
        ),
        ("suspended and nothing runs", with_spec(seen(), |spec| spec.suspend = true), wait(600)),
        (
            "not understood, and stopping before",
            not_understood(seen_in(SessionState::Stopping)),
            stop(StopCause::Unwanted),
        ),
    ]);
}

#[test]
fn a_finished_job_rests_and_then_goes() {
    let with_ttl = |seen, ttl| with_spec(seen, |spec| spec.ttl_seconds_after_finished = Some(ttl));
    let done = || finished(Reason::Completed);
    check(vec![
        ("it rests", done(), wait(600)),
        ("it lives as long as it is said", with_ttl(later(done(), 59), 60), wait(1)),
        ("and goes", with_ttl(later(done(), 60), 60), Step::Delete),
        ("at once, if it shall", with_ttl(done(), 0), Step::Delete),
        ("a failed one, too", with_ttl(later(finished(Reason::Unauthorized), 60), 60), Step::Delete),
    ]);
}

#[test]
fn a_deletion_ends_everything_within_a_bound() {
    let policy = |seen| with_spec(seen, |spec| spec.deletion_policy = DeletionPolicy::Orphan);
    let locked = |seconds| {
        let seen = with(deleting(seen_in(SessionState::Running)), |seen| {
            seen.control_problem = Some(missing_secret());
            let now = seen.now.mono;
            seen.memory.sessions.get_mut(&1).expect("known").locked_out = Some(now);
        });
        later(seen, seconds)
    };
    let unread = |seconds| {
        let problem = Problem::SecretsUnreadable("403".into());
        let seen = with(deleting(seen_in(SessionState::Running)), |seen| {
            seen.control_problem = Some(problem);
            let now = seen.now.mono;
            seen.memory.sessions.get_mut(&1).expect("known").unread = Some(now);
        });
        later(seen, seconds)
    };
    let silent = |seconds| {
        let seen = deleting(seen_in(SessionState::Stopping));
        let since = seen.now.mono;
        later(with_known(seen, |known| known.unanswered = Some((since, answer(Kind::TimedOut)))), seconds)
    };
    let before_deletion = |since: u64, then: u64| {
        let seen = with_known(seen_in(SessionState::Running), |known| known.locked_out = Some(known.seen));
        later(deleting(with(later(seen, since), |seen| seen.control_problem = Some(missing_secret()))), then)
    };
    check(vec![
        ("what runs is stopped", deleting(seen_in(SessionState::Running)), stop(StopCause::Unwanted)),
        (
            "unless it shall be left",
            policy(deleting(seen_in(SessionState::Running))),
            orphan(OrphanCause::Policy),
        ),
        ("a policy alone deletes nothing", policy(seen_in(SessionState::Running)), QUERY),
        ("credentials are waited for", locked(899), Step::Refuse(missing_secret(), secs(15))),
        ("15 minutes", locked(900), orphan(OrphanCause::NoCredentials)),
        (
            "counted from the deletion, for they may be mended for its sake",
            before_deletion(9000, 899),
            Step::Refuse(missing_secret(), secs(15)),
        ),
        ("and no longer", before_deletion(9000, 900), orphan(OrphanCause::NoCredentials)),
        (
            "Secrets that cannot be read are no gone ones",
            unread(900),
            Step::Refuse(Problem::SecretsUnreadable("403".into()), secs(15)),
        ),
        ("but do not hold a namespace for ever", unread(86_400), orphan(OrphanCause::NoCredentials)),
        ("a silent vendor is asked again", silent(86_399), stop(StopCause::Unwanted)),
        ("for a day", silent(86_400), orphan(OrphanCause::Unreachable)),
        ("a sid may be found", deleting(searched(seen_in(SessionState::Recovering))), wait(270)),
        (
            "the bound is met to the second",
            later(deleting(searched(seen_in(SessionState::Recovering))), 1169),
            wait(1),
        ),
        (
            "15 minutes after the resourceId is too old",
            later(deleting(seen_in(SessionState::Recovering)), 1170),
            orphan(OrphanCause::NoSid),
        ),
        (
            "who cannot be controlled is let go at once",
            deleting(seen_in(SessionState::Uncontrollable)),
            orphan(OrphanCause::ControlEnded),
        ),
        ("nothing runs", deleting(seen()), Step::RemoveFinalizer),
        (
            "another's finalizer is not ours",
            with(deleting(seen()), |seen| seen.job.has_finalizer = false),
            wait(600),
        ),
        (
            "a deletion needs no spec",
            not_understood(deleting(seen_in(SessionState::Running))),
            stop(StopCause::Unwanted),
        ),
    ]);
}

#[test]
fn before_the_operator_is_removed_everything_ends_and_nothing_is_given_up() {
    let withdrawing = |seen| with(seen, |seen: &mut Observed| seen.withdrawing = true);
    let unheld = |seen| with(seen, |seen: &mut Observed| seen.job.has_finalizer = false);
    let locked = |seconds| {
        let seen = with_known(seen_in(SessionState::Running), |known| known.locked_out = Some(known.seen));
        later(withdrawing(with(seen, |seen| seen.control_problem = Some(missing_secret()))), seconds)
    };
    let silent = with_known(seen_in(SessionState::Stopping), |known| {
        known.unanswered = Some((known.seen, answer(Kind::TimedOut)));
    });
    let time_is_over = |seen| {
        with_spec(seen, |spec| {
            spec.ttl_seconds_after_finished = Some(0);
            spec.active_deadline_seconds = Some(1);
        })
    };
    let stranger = with_known(seen_in(SessionState::Claimed), |known| known.ours = false);
    let unreadable = with(withdrawing(seen()), |seen| seen.unreadable = vec![2]);
    let beyond = unreadable.unreadable_problem().expect("one that cannot be read");
    check(vec![
        ("what runs is stopped", withdrawing(seen_in(SessionState::Running)), stop(StopCause::Unwanted)),
        (
            "whatever is to become of it when the job is deleted",
            withdrawing(with_spec(seen_in(SessionState::Running), |spec| {
                spec.deletion_policy = DeletionPolicy::Orphan;
            })),
            stop(StopCause::Unwanted),
        ),
        ("a claim is settled by its own start", withdrawing(seen_in(SessionState::Claimed)), AGAIN),
        ("also one of a former process", withdrawing(stranger), AGAIN),
        (
            "a finished job loses its finalizer",
            withdrawing(finished(Reason::Completed)),
            Step::RemoveFinalizer,
        ),
        (
            "and is not deleted, nor is one failed: that is for the next operator",
            time_is_over(later(withdrawing(finished(Reason::Completed)), 9)),
            Step::RemoveFinalizer,
        ),
        ("so does one with nothing running", withdrawing(seen()), Step::RemoveFinalizer),
        ("without it nothing is left to do", unheld(withdrawing(seen())), wait(600)),
        (
            "a finalizer that somebody took comes back while something may run",
            unheld(withdrawing(seen_in(SessionState::Running))),
            Step::AddFinalizer,
        ),
        ("credentials are waited for", locked(899), Step::Refuse(missing_secret(), secs(15))),
        ("for ever", locked(999_999), Step::Refuse(missing_secret(), secs(15))),
        ("so is a silent vendor", later(withdrawing(silent), 999_999), stop(StopCause::Unwanted)),
        ("so is a sid", later(withdrawing(searched(seen_in(SessionState::Recovering))), 99_999), wait(600)),
        (
            "who cannot be controlled is not let go",
            withdrawing(seen_in(SessionState::Uncontrollable)),
            wait(600),
        ),
        ("nor who cannot be read", unreadable, Step::Refuse(beyond, secs(600))),
        (
            "a deletion is finished as ever",
            withdrawing(deleting(seen_in(SessionState::Uncontrollable))),
            orphan(OrphanCause::ControlEnded),
        ),
        (
            "no spec is needed",
            withdrawing(not_understood(seen_in(SessionState::Running))),
            stop(StopCause::Unwanted),
        ),
    ]);
}

#[test]
fn of_several_sessions_the_one_that_needs_something_goes_first() {
    let mut seen = seen_in(SessionState::Running);
    let second = Session { attempt: 2, nonce: "nonce-2".into(), ..session(SessionState::Stopping) };
    seen.memory.sessions.insert(2, Known::claimed(second.clone(), &seen.now));
    seen.status.sessions.push(second);
    let now = seen.now.mono;
    let gates = |seen: &Observed, first: u64, second: u64| {
        with(seen.clone(), |seen| {
            seen.memory.sessions.get_mut(&1).expect("known").gate = now + secs(first);
            seen.memory.sessions.get_mut(&2).expect("known").gate = now + secs(second);
        })
    };
    check(vec![
        ("the first", gates(&seen, 0, 0), QUERY),
        ("the second", gates(&seen, 9, 0), Step::Stop { attempt: 2, cause: StopCause::Unwanted }),
        ("the shorter wait", gates(&seen, 9, 5), wait(5)),
    ]);
    assert_eq!(seen.memory.sessions[&2].starts, Starts::WithoutEffect);
}

#[test]
fn what_nobody_could_stop_later_is_stopped_now() {
    let near_the_end = |left: u64| {
        with(seen_in(SessionState::Running), |seen| {
            let days_ago = seen.now.wall - jiff::SignedDuration::from_hours(72);
            seen.status.sessions[0].start_time = Some(crate::lifecycle::timing::stored(days_ago));
            seen.status.sessions[0].control_end_time = Some(seen.now.after(secs(left)));
            seen.start_problem = Some(missing_secret());
        })
    };
    check(vec![
        ("a replacement cannot be started: what runs goes on", near_the_end(301), Step::Query { attempt: 1 }),
        ("but not past its control window", near_the_end(300), stop(StopCause::Replaced)),
        (
            "also when the spec is not understood",
            not_understood(near_the_end(300)),
            stop(StopCause::Replaced),
        ),
        (
            "without credentials there is nothing to be done",
            with(near_the_end(300), |seen| seen.control_problem = Some(missing_secret())),
            Step::Refuse(missing_secret(), secs(15)),
        ),
    ]);
}

#[test]
fn a_session_that_cannot_be_read_is_neither_ignored_nor_waited_for_for_ever() {
    let unreadable = |seen| with(seen, |seen: &mut Observed| seen.unreadable = vec![7]);
    let Step::Refuse(problem, _) = plan(&unreadable(seen())) else { panic!("nothing is started beside it") };
    assert!(problem.words().contains("newer operator"), "{problem:?}");
    assert!(matches!(plan(&unreadable(deleting(seen()))), Step::Refuse(_, _)), "it may be billed");
    let late = later(unreadable(deleting(seen())), 900);
    assert_eq!(plan(&late), Step::RemoveFinalizer, "a namespace never hangs for ever");
    assert_eq!(unreadable(seen()).next_attempt(), 8, "its number is taken");
}

#[test]
fn a_stop_that_is_refused_for_good_is_followed_by_a_question() {
    let refused = with_known(seen_in(SessionState::Stopping), |known| known.stop_refused = true);
    assert_eq!(plan(&refused), Step::Query { attempt: 1 });
}
