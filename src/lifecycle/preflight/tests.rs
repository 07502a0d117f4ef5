//! When the bucket is tried, what holds a start back, and what is said.

use jiff::SignedDuration;

use super::*;
use crate::api::SnapshotJobStatus;
use crate::api::spec::Recorder;
use crate::api::status::SessionState;
use crate::lifecycle::arriving::Look;
use crate::lifecycle::conditions::Effort;
use crate::lifecycle::fixtures::{
    self, assert_says, assert_verdict, later, seen, seen_in, seen_with, session, spec, violations, with,
    with_known, with_spec,
};
use crate::lifecycle::observed::{Memory, Problem};
use crate::lifecycle::plan::{Step, StopCause, plan};
use crate::lifecycle::report::report;
use crate::lifecycle::start::NextStart;
use crate::lifecycle::timing::stored;

const KEYS: [&str; 3] = ["AKIA", "hunter2", ""];

fn mark() -> Mark {
    Mark::of(&spec().storage, KEYS)
}

/// The bucket and its keys are known.
fn with_keys(seen: Observed) -> Observed {
    with(seen, |seen| seen.storage = Some(mark()))
}

fn denied() -> Probed {
    Probed::Refused { why: Refused::AccessDenied, said: "403 AccessDenied".into() }
}

fn taken() -> Probed {
    Probed::Taken { left: None }
}

fn unreachable() -> Probed {
    Probed::Untold { unreachable: true, why: "the storage service did not answer in time".into() }
}

/// The visit in which the bucket was tried.
fn tried(mut seen: Observed, came_of_it: Probed) -> Observed {
    probed(&mut seen, mark(), came_of_it);
    report(&mut seen);
    seen
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn set_mode(seen: Observed, mode: Preflight) -> Observed {
    with_spec(seen, |spec| spec.storage.preflight = mode)
}

/// What runs is no longer what is wanted.
fn edited(seen: Observed) -> Observed {
    with_spec(seen, |spec| spec.interval_seconds = 20)
}

/// One recorder uid alone: what runs has to be stopped before another is started.
fn with_one_uid(seen: Observed) -> Observed {
    with_spec(seen, |spec| {
        spec.channel.recorders = Some(vec![Recorder { uid: 4_000_000_001, token_secret_key_ref: None }]);
    })
}

fn running() -> Observed {
    let quiet = |known: &mut crate::lifecycle::observed::Known| known.gate = fixtures::now().mono + secs(900);
    with_known(with_keys(seen_in(SessionState::Running)), quiet)
}

fn value(status: &SnapshotJobStatus) -> Option<&str> {
    conditions::get(status, ConditionType::StorageWritable).map(|condition| condition.status.as_str())
}

#[test]
fn a_start_waits_for_the_bucket_and_only_for_a_certain_refusal() {
    use Preflight::{Enforce, Skip, Warn};
    let start = fixtures::start(fixtures::uids()[0]);
    let new = || with_keys(seen());
    for (seen, expected, why) in [
        (new(), Step::Preflight, "nothing is known of the bucket"),
        (set_mode(new(), Warn), Step::Preflight, "to be told it has to be tried"),
        (set_mode(new(), Skip), start.clone(), "it is not to be tried"),
        (seen(), start.clone(), "the keys are not known, which is another problem's"),
        (tried(new(), taken()), start.clone(), "it takes files"),
        (tried(new(), Probed::Taken { left: Some("x".into()) }), start.clone(), "and keeps them"),
        (tried(new(), denied()), Step::Wait(secs(10)), "it refuses them"),
        (tried(set_mode(new(), Warn), denied()), start.clone(), "the user knows better"),
        (set_mode(tried(new(), denied()), Skip), start.clone(), "the user has it so now"),
        (tried(new(), unreachable()), start.clone(), "the vendor may reach it"),
        (later(tried(new(), denied()), 10), Step::Preflight, "it is tried again"),
        (later(tried(new(), taken()), 3599), start.clone(), "an hour long that is believed"),
        (later(tried(new(), taken()), 3600), Step::Preflight, "then it is tried anew"),
        (
            with(tried(new(), denied()), |seen| {
                seen.storage = Some(Mark::of(&spec().storage, ["AKIA", "3", ""]))
            }),
            Step::Preflight,
            "other keys are tried at once",
        ),
        (
            with(new(), |seen| seen.start_problem = Some(Problem::Region("mars-1".into()))),
            Step::Refuse(Problem::Region("mars-1".into()), secs(600)),
            "what cannot be started needs no bucket",
        ),
        (
            with(new(), |seen| seen.memory.attempt_gate = seen.now.mono + secs(40)),
            Step::Wait(secs(40)),
            "it is tried right before the start, not long before",
        ),
        (with_spec(new(), |spec| spec.suspend = true), Step::Wait(secs(600)), "nothing is to run"),
    ] {
        assert_eq!(plan(&seen), expected, "{why}");
    }
    assert_eq!(set_mode(seen(), Enforce).spec, seen().spec, "it is the default");
}

#[test]
fn tries_grow_rarer_and_the_secret_is_looked_at_all_the_while() {
    let mut seen = with_keys(seen());
    for wait in [10, 20, 40, 80, 160, 320, 360, 360] {
        seen = tried(seen, denied());
        assert_eq!(seen.memory.preflight.as_ref().map(|tried| tried.until - seen.now.mono), Some(secs(wait)));
        assert_eq!(plan(&seen), Step::Wait(secs(wait.min(15))));
        assert!(is_refused(&seen));
        seen = later(seen, wait);
        assert_eq!(plan(&seen), Step::Preflight);
    }
    assert!(!is_refused(&tried(seen, taken())));
}

#[test]
fn a_start_that_tells_of_a_session_in_doubt_is_made_whatever_the_bucket_does() {
    let asks = Step::Start(NextStart { recorder_uid: 4_000_000_001, in_doubt: Some(1) });
    let in_doubt = with_keys(seen_in(SessionState::Uncontrollable));
    assert_eq!(plan(&in_doubt), asks);
    assert_eq!(plan(&tried(in_doubt, denied())), asks);
}

#[test]
fn an_edit_ends_no_session_that_works_for_one_that_would_bring_nothing() {
    let replacement = fixtures::start(fixtures::uids()[0]);
    let stop = Step::Stop { attempt: 1, cause: StopCause::Replaced };
    for (seen, none_known, taken_it, why) in [
        (edited(running()), Step::Preflight, replacement.clone(), "beside it"),
        (edited(with_one_uid(running())), Step::Preflight, stop.clone(), "after it"),
        (
            with(running(), |seen| seen.job.restart = Some("1".into())),
            Step::Preflight,
            replacement.clone(),
            "for a restart",
        ),
    ] {
        assert_eq!(plan(&seen), none_known, "{why}");
        assert_eq!(plan(&tried(seen.clone(), taken())), taken_it, "{why}");
        assert_eq!(plan(&tried(seen.clone(), unreachable())), taken_it, "{why}");
        let refused = tried(seen.clone(), denied());
        assert!(plan(&refused).wait().is_some(), "{why}: {:?}", plan(&refused));
        let words = assert_verdict(&refused, "False", Effort::Working, Reason::StorageAccessDenied, why);
        assert!(words.contains("The session of the former spec goes on meanwhile"), "{words}");
        assert_eq!(plan(&later(refused, 10)), Step::Preflight, "{why}");
    }
}

#[test]
fn a_renewal_is_kept_by_nothing() {
    let renewed = |seen: Observed| {
        with(seen, |seen| {
            let session = &mut seen.status.sessions[0];
            session.start_time = Some(stored(seen.now.wall - SignedDuration::from_hours(71)));
            session.control_end_time = Some(seen.now.after(secs(900)));
        })
    };
    for (seen, goes_on) in [
        (renewed(running()), fixtures::start(fixtures::uids()[0])),
        (
            renewed(with_one_uid(with(running(), |seen| {
                seen.status.sessions[0].spec_hash = crate::lifecycle::spec_hash::of(
                    with_one_uid(seen.clone()).spec.as_ref().expect("a spec"),
                );
            }))),
            Step::Stop { attempt: 1, cause: StopCause::Replaced },
        ),
    ] {
        assert_eq!(plan(&seen), Step::Preflight, "it is tried, in the time that one request may take");
        for came_of_it in [denied(), unreachable(), taken()] {
            assert_eq!(plan(&tried(seen.clone(), came_of_it)), goes_on);
        }
    }
}

#[test]
fn a_refusal_is_told_with_what_to_do_and_calls_a_person_after_two_minutes() {
    let said = |text: &str| text.to_owned();
    for (why, code, reason, tells) in [
        (
            Refused::WrongKeys,
            "403 InvalidAccessKeyId",
            Reason::WrongStorageKeys,
            "accessKey and secretKey in Secret bucket",
        ),
        (
            Refused::AccessDenied,
            "403 AccessDenied",
            Reason::StorageAccessDenied,
            "below lobby/ in bucket snapshots",
        ),
        (Refused::NoSuchBucket, "404 NoSuchBucket", Reason::NoSuchBucket, "Bucket snapshots does not exist"),
        (Refused::WrongRegion, "301 PermanentRedirect", Reason::WrongStorageRegion, "correct storage.region"),
    ] {
        let mut seen = with_keys(seen());
        let told = probed(&mut seen, mark(), Probed::Refused { why, said: said(code) });
        report(&mut seen);
        assert!(told.len() == 1 && told[0].warning && told[0].reason == reason, "{told:?}");
        let message = assert_says(&seen, ConditionType::StorageWritable, "False", reason, code);
        assert!(message.contains(tells) && message.contains(code) && message.ends_with('.'), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
        let message = assert_verdict(&seen, "False", Effort::Working, reason, code);
        assert!(message.contains(tells) && message.contains("No session is started"), "{message}");

        let mut seen = later(seen, 120);
        assert_eq!(
            probed(&mut seen, mark(), Probed::Refused { why, said: said(code) }),
            [],
            "once is enough"
        );
        report(&mut seen);
        assert_verdict(&seen, "False", Effort::Stuck, reason, code);
        // A new process does not begin to count anew.
        seen.memory = Memory::default();
        assert_eq!(plan(&seen), Step::Preflight);
        let mut seen = tried(seen, Probed::Refused { why, said: said(code) });
        assert_verdict(&seen, "False", Effort::Stuck, reason, code);

        let told = probed(&mut seen, mark(), taken());
        report(&mut seen);
        assert!(told.len() == 1 && !told[0].warning && told[0].reason == Reason::Writable, "{told:?}");
        assert_verdict(&seen, "False", Effort::Working, Reason::Acquiring, code);
        assert_eq!(value(&seen.status), Some("True"));
    }
}

#[test]
fn what_is_no_refusal_is_said_and_nothing_more() {
    for (came_of_it, status, reason, tells) in [
        (taken(), "True", Reason::Writable, "Bucket snapshots takes files."),
        (
            Probed::Taken { left: Some("lobby/probe.txt".into()) },
            "True",
            Reason::Writable,
            "lobby/probe.txt stays",
        ),
        (unreachable(), "Unknown", Reason::StorageUnreachable, "did not answer in time"),
        (
            Probed::Untold { unreachable: false, why: "regionCode is Agora's own".into() },
            "Unknown",
            Reason::Unknown,
            "regionCode is Agora's own",
        ),
    ] {
        let mut seen = with_keys(seen());
        assert_eq!(probed(&mut seen, mark(), came_of_it), [], "no event");
        report(&mut seen);
        let message = assert_says(&seen, ConditionType::StorageWritable, status, reason, tells);
        assert!(message.contains(tells), "{message}");
        assert_verdict(&seen, "False", Effort::Working, Reason::Acquiring, tells);
    }
    let warned = tried(set_mode(with_keys(seen()), Preflight::Warn), denied());
    assert_says(&warned, ConditionType::StorageWritable, "False", Reason::StorageAccessDenied, "it is told");
    assert_verdict(&warned, "False", Effort::Working, Reason::Acquiring, "and holds nothing back");
}

#[test]
fn the_condition_goes_with_what_it_is_of_interest_to() {
    let refused = || tried(with_keys(seen()), denied());
    let after = |mut seen: Observed| {
        report(&mut seen);
        assert_eq!(violations(&seen), Vec::<String>::new());
        value(&seen.status).map(str::to_owned)
    };
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(after(refused()), is("False"));
    assert_eq!(after(with(refused(), |seen| seen.memory = Memory::default())), is("False"), "a new process");
    assert_eq!(after(with(refused(), |seen| seen.storage = None)), is("False"), "the Secret is gone");
    assert_eq!(after(set_mode(refused(), Preflight::Skip)), None, "it is not to be tried any more");
    assert_eq!(after(with_spec(refused(), |spec| spec.suspend = true)), None, "suspended");
    assert_eq!(after(with(refused(), |seen| seen.withdrawing = true)), None, "the operator is removed");
    let mut over = refused();
    crate::lifecycle::report::finish(&mut over, Reason::DeadlineExceeded, "over");
    assert_eq!(after(over), None, "failed");
    let stopping = tried(running(), denied());
    assert_eq!(after(with_spec(stopping, |spec| spec.suspend = true)), is("False"), "while it is stopped");
}

/// A job whose session was started so many seconds ago, and has brought nothing, with what is known of the bucket.
fn without_snapshots(mut seen: Observed, seconds: i64) -> Observed {
    let ago = stored(seen.now.wall - SignedDuration::from_secs(seconds));
    let (session, known) = seen.session_mut(1).expect("the fixture's session");
    (session.start_time, session.confirm_time) = (Some(ago.clone()), Some(ago));
    known.last_status = Some(5);
    let time = seen.now.wall;
    let looked = |known: &mut crate::lifecycle::observed::Known| {
        known.look = Some(Look { time, obstacle: None, whole: true })
    };
    let mut seen = with_known(seen, looked);
    report(&mut seen);
    seen
}

#[test]
fn missing_snapshots_are_blamed_on_the_bucket_only_if_it_refused_since_the_start() {
    let reason = |seen: &Observed| {
        let arriving = conditions::get(&seen.status, ConditionType::SnapshotsArriving).expect("it is said");
        assert_eq!(arriving.status, "False", "{arriving:?}");
        arriving.reason.clone()
    };
    let warned = || set_mode(running(), Preflight::Warn);
    let found = tried(warned(), denied());
    assert_eq!(reason(&without_snapshots(found.clone(), 600)), "UploadFailing", "found in mid-session");
    // The same words, from before the session began.
    let before = later(with(found.clone(), |seen| seen.memory.preflight = None), 700);
    assert_eq!(reason(&without_snapshots(before.clone(), 600)), "Unknown", "another session's");
    let again = tried(before, denied());
    assert_eq!(reason(&without_snapshots(again.clone(), 600)), "UploadFailing", "found again since");
    assert_eq!(reason(&without_snapshots(edited(again), 600)), "Unknown", "of the bucket that an edit names");
    assert_eq!(reason(&without_snapshots(tried(warned(), taken()), 600)), "Unknown");
    assert_eq!(reason(&without_snapshots(tried(warned(), unreachable()), 600)), "Unknown");
}

#[test]
fn while_a_session_runs_the_bucket_is_tried_where_it_may_be_why() {
    assert!(plan(&running()).wait().is_some(), "nothing is wrong");
    let quiet = without_snapshots(running(), 600);
    assert_eq!(plan(&quiet), Step::Preflight, "snapshots are missing");
    assert!(plan(&set_mode(quiet.clone(), Preflight::Skip)).wait().is_some(), "as it is told");
    assert!(plan(&with(quiet.clone(), |seen| seen.storage = None)).wait().is_some(), "there are no keys");
    for came_of_it in [taken(), unreachable()] {
        let known = tried(quiet.clone(), came_of_it);
        assert!(plan(&known).wait().is_some(), "{:?}", plan(&known));
        assert_ne!(plan(&later(known.clone(), 359)), Step::Preflight);
        assert_eq!(plan(&later(known, 360)), Step::Preflight, "in every look");
    }
    let known = tried(quiet, denied());
    assert_verdict(&known, "False", Effort::Working, Reason::UploadFailing, "it is why");
    assert!(plan(&known).wait().is_some());
    assert_eq!(plan(&later(known.clone(), 10)), Step::Preflight);
    assert_eq!(plan(&later(tried(known, taken()), 10)).wait().map(|_| ()), Some(()), "mended");
    let unconfirmed = session(SessionState::Running);
    let unconfirmed = Session { confirm_time: None, ..unconfirmed };
    let unconfirmed = tried(set_mode(with_keys(seen_with(unconfirmed)), Preflight::Warn), denied());
    assert!(!matches!(plan(&later(unconfirmed, 20)), Step::Preflight), "first it has to run");
}

#[test]
fn a_mark_is_that_of_what_matters_to_the_vendor_and_shows_none_of_it() {
    let storage = spec().storage;
    assert_eq!(Mark::of(&Storage { preflight: Preflight::Warn, ..storage.clone() }, KEYS), mark());
    let reader = Some(fixtures::secret_ref("reader"));
    assert_eq!(Mark::of(&Storage { reader_credentials_ref: reader, ..storage.clone() }, KEYS), mark());
    assert_ne!(Mark::of(&Storage { bucket: "other".into(), ..storage.clone() }, KEYS), mark());
    assert_ne!(Mark::of(&storage, ["AKIAhunter2", "", ""]), mark());
    assert_ne!(Mark::of(&storage, ["AKIA", "hunter2", "token"]), mark());
    assert_eq!(format!("{:?}", mark()), "Mark(..)");
}
