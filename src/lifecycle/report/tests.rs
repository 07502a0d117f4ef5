//! What is said in each situation: the rows of the contract with the tools that read conditions.

use super::*;
use crate::api::SnapshotJobStatus;
use crate::api::spec::Subscription;
use crate::lifecycle::answers;
use crate::lifecycle::bounds::OrphanCause;
use crate::lifecycle::fixtures::{
    self, answer, assert_says, assert_verdict, finished, later, pass, seen, seen_in, seen_with, session,
    violations, with, with_known, with_spec,
};
use crate::lifecycle::observed::{Known, Memory, Problem, Refusal};
use crate::lifecycle::outcome::{Identity, Kind, Outcome, Queried};

fn deleting(seen: Observed) -> Observed {
    with(seen, |seen| seen.job.deleting = true)
}

fn missing_secret() -> Problem {
    Problem::Secret("Secret `agora` does not exist in this namespace; create it".into())
}

/// A job that waits since so many seconds for a Secret.
fn without_secret(seconds: u64) -> Observed {
    with(seen(), |seen| {
        seen.start_problem = Some(missing_secret());
        let since = seen.now.mono.saturating_sub(Duration::from_secs(seconds));
        seen.memory.problem_since = Some((Reason::WaitingForSecret, since));
    })
}

fn reported(mut seen: Observed) -> Observed {
    report(&mut seen);
    assert_eq!(violations(&seen), Vec::<String>::new());
    assert_eq!(seen.status.observed_generation, Some(seen.job.generation));
    seen
}

#[test]
fn what_is_said_in_each_situation() {
    let running = || seen_in(SessionState::Running);
    let unconfirmed = || seen_with(Session { confirm_time: None, ..session(SessionState::Running) });
    let refused = |reason, needs_person| {
        let refusal = Refusal { reason, words: "400/406 \"vendor_over_load\"".into(), needs_person };
        with(seen(), |seen| seen.memory.refusal = Some(refusal))
    };
    let in_the_way = |problem: Problem| with(seen(), |seen| seen.start_problem = Some(problem));
    let edited = |seen| with_spec(seen, |spec| spec.interval_seconds = 20);
    let withdrawing = |seen| with(seen, |seen: &mut Observed| seen.withdrawing = true);
    let suspended = |seen| with_spec(seen, |spec| spec.suspend = true);
    let not_understood = |seen| with(seen, |seen: &mut Observed| seen.spec = Err("profile Hologram".into()));
    let over = |seen| with_spec(seen, |spec| spec.active_deadline_seconds = Some(1));
    let replaced = with(seen_in(SessionState::Stopping), |seen| {
        seen.status.sessions[0].stop_reason = Some(EndReason::Replaced);
    });
    let orphaned = with(deleting(running()), |seen| {
        answers::orphaned(seen, 1, OrphanCause::NoCredentials);
    });
    let doubtful = with_known(seen_in(SessionState::Claimed), |known| {
        known.unanswered = Some((known.seen, answer(Kind::Late)));
    });
    let (no, yes, working, stuck, none) = ("False", "True", Effort::Working, Effort::Stuck, Effort::None);
    for (situation, seen, phase, ready, effort, reason, part) in [
        ("nothing yet", seen(), Phase::Starting, no, working, Reason::Acquiring, "reserved"),
        (
            "a Secret is missing",
            without_secret(119),
            Phase::Pending,
            no,
            working,
            Reason::WaitingForSecret,
            "`agora`",
        ),
        (
            "it stays away",
            without_secret(120),
            Phase::Pending,
            no,
            stuck,
            Reason::WaitingForSecret,
            "every 15 s",
        ),
        (
            "a token ended",
            in_the_way(Problem::Token("ended".into())),
            Phase::Pending,
            no,
            stuck,
            Reason::TokenExpired,
            "ended",
        ),
        (
            "an unknown region",
            in_the_way(Problem::Region("mars-1".into())),
            Phase::Pending,
            no,
            stuck,
            Reason::UnknownRegion,
            "mars-1",
        ),
        (
            "a spec that would be refused",
            in_the_way(Problem::Spec("audio".into())),
            Phase::Pending,
            no,
            stuck,
            Reason::InvalidParameter,
            "Mend the spec",
        ),
        (
            "another job has the uid",
            in_the_way(Problem::UidTaken("live/x has it".into())),
            Phase::Pending,
            no,
            working,
            Reason::RecorderUidInUse,
            "live/x",
        ),
        (
            "the quota is used up",
            refused(Reason::QuotaQueued, false),
            Phase::Queued,
            no,
            working,
            Reason::QuotaQueued,
            "vendor_over_load",
        ),
        (
            "the vendor is down",
            refused(Reason::VendorUnavailable, false),
            Phase::Waiting,
            no,
            working,
            Reason::VendorUnavailable,
            "nextAttemptTime",
        ),
        (
            "the account is suspended",
            refused(Reason::AccountSuspended, true),
            Phase::Waiting,
            no,
            stuck,
            Reason::AccountSuspended,
            "nextAttemptTime",
        ),
        (
            "a start is sent",
            seen_in(SessionState::Claimed),
            Phase::Starting,
            no,
            working,
            Reason::Starting,
            "not yet confirmed",
        ),
        (
            "it was not answered",
            doubtful,
            Phase::Starting,
            no,
            working,
            Reason::VendorUnavailable,
            "The start is repeated",
        ),
        ("it has a sid", unconfirmed(), Phase::Starting, no, working, Reason::Starting, "not yet confirmed"),
        ("it runs", running(), Phase::Running, yes, none, Reason::Capturing, "5d3f"),
        (
            "an edit",
            edited(running()),
            Phase::Running,
            no,
            working,
            Reason::Replacing,
            "as soon as the new one runs",
        ),
        (
            "an edit before it runs",
            edited(unconfirmed()),
            Phase::Stopping,
            no,
            working,
            Reason::Replacing,
            "replaced",
        ),
        (
            "an edit that the vendor refuses",
            with(edited(running()), |seen| {
                let words = "The vendor refused what was sent: 400/2".into();
                seen.memory.refusal =
                    Some(Refusal { reason: Reason::InvalidParameter, words, needs_person: true });
            }),
            Phase::Running,
            no,
            stuck,
            Reason::InvalidParameter,
            "former spec goes on",
        ),
        (
            "a restart",
            with(running(), |seen| seen.job.restart = Some("1".into())),
            Phase::Running,
            no,
            working,
            Reason::Replacing,
            "restart annotation",
        ),
        ("the old one stops", replaced, Phase::Stopping, no, working, Reason::Replacing, "then a new one"),
        (
            "the sid was lost",
            seen_in(SessionState::Recovering),
            Phase::Recovering,
            no,
            working,
            Reason::RecoveringSid,
            "resource-1",
        ),
        (
            "control is over",
            seen_in(SessionState::Uncontrollable),
            Phase::Recovering,
            no,
            stuck,
            Reason::OrphanRisk,
            "hard end: none",
        ),
        ("suspending", suspended(running()), Phase::Stopping, no, working, Reason::Suspending, "suspended"),
        ("suspended", suspended(seen()), Phase::Suspended, yes, none, Reason::Suspended, "spec.suspend"),
        ("its time is over", over(running()), Phase::Stopping, no, working, Reason::Stopping, "time is over"),
        (
            "the operator is being removed",
            withdrawing(running()),
            Phase::Stopping,
            no,
            working,
            Reason::Stopping,
            "operator is being removed",
        ),
        (
            "it was removed",
            withdrawing(seen()),
            Phase::Pending,
            no,
            none,
            Reason::OperatorRemoved,
            "installed again",
        ),
        (
            "also from what was suspended",
            withdrawing(suspended(seen())),
            Phase::Pending,
            no,
            none,
            Reason::OperatorRemoved,
            "installed again",
        ),
        (
            "not from what it cannot read",
            with(withdrawing(seen()), |seen| seen.unreadable = vec![7]),
            Phase::Pending,
            no,
            stuck,
            Reason::SpecNotUnderstood,
            "newer operator",
        ),
        (
            "while it is removed a sid may be missing",
            withdrawing(seen_in(SessionState::Recovering)),
            Phase::Recovering,
            no,
            working,
            Reason::RecoveringSid,
            "sid is not known",
        ),
        (
            "a finished job keeps its words",
            withdrawing(finished(Reason::Unauthorized)),
            Phase::Failed,
            no,
            stuck,
            Reason::Unauthorized,
            "It is over.",
        ),
        ("deleted", deleting(running()), Phase::Stopping, no, working, Reason::Stopping, "deleted"),
        ("deleted and let go", orphaned, Phase::Stopping, no, stuck, Reason::OrphanRisk, "5d3f"),
        (
            "not understood",
            not_understood(seen()),
            Phase::Pending,
            no,
            stuck,
            Reason::SpecNotUnderstood,
            "Hologram",
        ),
        (
            "not understood while it runs",
            not_understood(running()),
            Phase::Running,
            no,
            stuck,
            Reason::SpecNotUnderstood,
            "goes on",
        ),
        (
            "not understood and deleted",
            deleting(not_understood(running())),
            Phase::Stopping,
            no,
            working,
            Reason::Stopping,
            "deleted",
        ),
        ("completed", finished(Reason::Completed), Phase::Succeeded, yes, none, Reason::Completed, "over"),
        (
            "completed and not understood any more",
            not_understood(finished(Reason::Completed)),
            Phase::Succeeded,
            yes,
            none,
            Reason::Completed,
            "over",
        ),
        ("failed", finished(Reason::Unauthorized), Phase::Failed, no, stuck, Reason::Unauthorized, "over"),
    ] {
        let seen = reported(seen);
        assert_eq!(seen.status.phase, Some(phase), "{situation}");
        let message = assert_verdict(&seen, ready, effort, reason, situation);
        assert!(message.contains(part), "{situation}: {part:?} is not in {message:?}");
    }
}

#[test]
fn a_bad_edit_says_so_and_its_revert_is_healthy_again() {
    let mut bad = seen_in(SessionState::Running);
    bad.spec.as_mut().expect("understood").storage.region = Some("mars-1".into());
    bad.start_problem = Some(Problem::Region("mars-1 is not a region".into()));
    let bad = reported(bad);
    let message = assert_verdict(&bad, "False", Effort::Stuck, Reason::UnknownRegion, "a bad edit");
    assert!(message.contains("mars-1") && message.contains("goes on meanwhile"), "{message}");
    assert_eq!(bad.status.phase, Some(Phase::Running));
    let mut good = bad;
    good.spec = Ok(fixtures::spec());
    good.start_problem = None;
    assert_verdict(&reported(good), "True", Effort::None, Reason::Capturing, "the revert");
}

#[test]
fn a_problem_that_is_not_in_the_way_yet_leaves_a_healthy_job_healthy() {
    let running = with(seen_in(SessionState::Running), |seen| seen.start_problem = Some(missing_secret()));
    assert_verdict(
        &reported(running),
        "True",
        Effort::None,
        Reason::Capturing,
        "a Secret that the next start needs",
    );
}

#[test]
fn new_lists_are_told_and_nothing_is_stopped() {
    let lists = |seen| {
        with_spec(seen, |spec| {
            spec.subscription = Some(Subscription { video_uids: vec![7], ..fixtures::everybody() });
        })
    };
    let told = reported(lists(seen_in(SessionState::Running)));
    let message = assert_verdict(&told, "False", Effort::Working, Reason::Replacing, "lists");
    assert!(message.contains("subscription lists") && told.status.phase == Some(Phase::Running), "{message}");
    let refused = with_known(lists(seen_in(SessionState::Running)), |known| {
        known.unanswered = Some((known.seen, answer(Kind::InvalidParameter)));
    });
    let message = assert_verdict(&reported(refused), "False", Effort::Working, Reason::Replacing, "refused");
    assert!(message.contains("400/2 \"vendor's words\""), "{message}");
}

#[test]
fn a_deadline_fails_and_a_duration_completes_once_nothing_runs() {
    let began = |seen: Observed| {
        later(
            with(seen, |seen| {
                seen.status.start_time = Some(seen.now.stored());
                seen.status.capture_start_time = Some(seen.now.stored());
            }),
            60,
        )
    };
    let failed = reported(began(with_spec(seen(), |spec| spec.active_deadline_seconds = Some(60))));
    let message = assert_verdict(&failed, "False", Effort::Stuck, Reason::DeadlineExceeded, "deadline");
    assert!(message.contains("restart"), "{message}");
    assert_says(&failed, ConditionType::Succeeded, "False", Reason::DeadlineExceeded, "deadline");
    let done = reported(began(with_spec(seen(), |spec| spec.duration_seconds = Some(60))));
    assert_verdict(&done, "True", Effort::None, Reason::Completed, "duration");
    assert_says(&done, ConditionType::Succeeded, "True", Reason::Completed, "duration");
    assert_eq!(done.status.completion_time, Some(done.now.stored()));
    let again = reported(later(done.clone(), 3600));
    assert_eq!(again.status, done.status, "what is over is over");
}

#[test]
fn an_operator_that_comes_back_neither_waits_nor_counts_anew() {
    let began = fixtures::now().stored();
    let removed = reported(with(seen(), |seen| {
        seen.withdrawing = true;
        seen.status.start_time = Some(began.clone());
        seen.status.next_attempt_time = Some(seen.now.after(Duration::from_secs(300)));
        seen.status.failures = Some(2);
    }));
    assert_eq!(removed.status.next_attempt_time, None, "what it waited for is old by then");
    assert_eq!(removed.status.start_time, Some(began), "its limits of time go on");
    assert_eq!(removed.status.failures, Some(2), "and so does what counts against backoffLimit");
    let again = reported(with(removed, |seen| {
        seen.withdrawing = false;
        seen.memory = Memory::default();
    }));
    assert_verdict(&again, "False", Effort::Working, Reason::Acquiring, "the next operator is at work");
}

#[test]
fn what_an_ending_waits_for_is_said() {
    let no_account =
        with(deleting(seen_in(SessionState::Running)), |seen| seen.control_problem = Some(missing_secret()));
    let message =
        assert_verdict(&reported(no_account), "False", Effort::Working, Reason::Stopping, "no account");
    assert!(message.contains("Secret `agora` does not exist") && message.contains("repeated"), "{message}");
    let silent = with_known(deleting(seen_in(SessionState::Stopping)), |known| {
        known.unanswered = Some((known.seen, answer(Kind::TimedOut)));
    });
    let message = assert_verdict(&reported(silent), "False", Effort::Working, Reason::Stopping, "silent");
    assert!(message.contains("could not be reached"), "{message}");
}

#[test]
fn whether_the_vendor_answers_for_the_session_is_said_apart() {
    let reachable = |seen: &Observed, value, reason, why: &str| {
        assert_verdict(seen, "True", Effort::None, Reason::Capturing, why);
        assert_says(seen, ConditionType::ControlReachable, value, reason, why)
    };
    let silent = |repeats, seconds| {
        let seen = with_known(seen_in(SessionState::Running), |known| {
            known.repeats = repeats;
            known.unanswered = Some((known.seen + Duration::from_secs(60), answer(Kind::TimedOut)));
        });
        let mut seen = later(seen, seconds);
        seen.status = reported(seen_in(SessionState::Running)).status;
        reported(seen)
    };
    reachable(&reported(seen_in(SessionState::Running)), "True", Reason::Reachable, "it answers");
    reachable(&silent(3, 59), "True", Reason::Reachable, "less than a minute");
    reachable(&silent(2, 300), "True", Reason::Reachable, "fewer than three failures");
    let message = reachable(&silent(3, 60), "False", Reason::VendorUnavailable, "three over a minute");
    assert!(message.contains("vendor's words"), "{message}");
    let mut missing = seen_in(SessionState::Running);
    answers::queried(&mut missing, 1, Outcome::Rejected(answer(Kind::NotFound)));
    reachable(&reported(missing), "False", Reason::PossibleFailover, "a run of 404");
    let locked = with(seen_in(SessionState::Running), |seen| seen.control_problem = Some(missing_secret()));
    reachable(&reported(locked), "False", Reason::WaitingForSecret, "its account is gone");
    let mut new_process = silent(3, 60);
    new_process.memory.sessions.insert(1, Known::found(session(SessionState::Running), &new_process.now));
    reachable(&reported(new_process), "False", Reason::VendorUnavailable, "a new process has not asked yet");
    let ended = with(reported(seen_in(SessionState::Running)), |seen| seen.status.sessions.clear());
    let ended = reported(ended);
    assert!(conditions::get(&ended.status, ConditionType::ControlReachable).is_none(), "nothing to control");
}

#[test]
fn a_new_process_keeps_what_was_said_of_a_wait() {
    let mut before = seen();
    answers::not_acquired(&mut before, &Outcome::Rejected(answer(Kind::QuotaExceeded)));
    let before = reported(before);
    let mut after = seen();
    after.status = before.status.clone();
    assert_eq!(reported(after).status, before.status);
}

#[test]
fn the_same_situation_is_said_in_the_same_words() {
    let twice = |seen: Observed, again: fn(&mut Observed)| {
        let first = reported(seen);
        let mut second = first.clone();
        pass(&mut second, 60);
        again(&mut second);
        let mut second = reported(second);
        second.status.next_attempt_time.clone_from(&first.status.next_attempt_time);
        assert_eq!(second.status, first.status);
    };
    let quota: fn(&mut Observed) =
        |seen| drop(answers::not_acquired(seen, &Outcome::Rejected(answer(Kind::QuotaExceeded))));
    twice(with(seen(), quota), quota);
    let late: fn(&mut Observed) =
        |seen| drop(answers::started(seen, 1, "h", Outcome::Unknown(answer(Kind::Late))));
    twice(with(seen_in(SessionState::Claimed), late), late);
    let alive: fn(&mut Observed) = |seen| {
        let queried = Outcome::Confirmed(Queried { status: 5, identity: Identity::Proved });
        drop(answers::queried(seen, 1, queried));
    };
    twice(with(seen_in(SessionState::Running), alive), alive);
    twice(without_secret(300), |seen| seen.start_problem = Some(missing_secret()));
}

#[test]
fn a_stalled_secret_stays_stalled_for_a_new_process() {
    let stalled = reported(without_secret(120));
    let mut restarted = seen();
    restarted.start_problem = Some(missing_secret());
    restarted.status = stalled.status;
    assert_verdict(&reported(restarted), "False", Effort::Stuck, Reason::WaitingForSecret, "restarted");
}

#[test]
fn messages_have_a_limit() {
    let refusal =
        Refusal { reason: Reason::InvalidParameter, words: "声".repeat(1000), needs_person: false };
    let long = reported(with(seen(), |seen| seen.memory.refusal = Some(refusal)));
    let message = assert_verdict(&long, "False", Effort::Working, Reason::InvalidParameter, "long words");
    assert!(message.len() <= 1024);
    assert_ne!(long.status, SnapshotJobStatus::default());
}
