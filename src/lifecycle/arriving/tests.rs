//! Each cause with what it is known by, and the times between which nothing is said.

use jiff::SignedDuration;

use super::*;
use crate::api::status::{SessionState, UserSnapshots};
use crate::lifecycle::answers;
use crate::lifecycle::conditions::get;
use crate::lifecycle::death::DeathRun;
use crate::lifecycle::fixtures::{later, now, seen_in, seen_with, session, with_known};
use crate::lifecycle::outcome::{Identity, Outcome, Queried};
use crate::lifecycle::report::report;
use crate::lifecycle::timing::stored;
use crate::lifecycle::told::{Event, Tiding, Trouble};

const AGAIN: Duration = Duration::from_secs(300);

/// What a look finds whose newest snapshot was taken so many seconds ago.
fn sight(seen: &Observed, newest: Option<i64>) -> Sight {
    let at = |seconds| stored(seen.now.wall - SignedDuration::from_secs(seconds));
    let found = SnapshotsSummary { count: 3, last_time: newest.map(at), ..SnapshotsSummary::default() };
    Sight { found: Some(found), listing: Listing::Seen { whole: true } }
}

/// After a look that finds a newest snapshot of so many seconds ago. The session was confirmed 50 s before `seen`.
fn looked(mut seen: Observed, newest: Option<i64>) -> Observed {
    let sight = sight(&seen, newest);
    answers::looked(&mut seen, 1, sight, AGAIN);
    report(&mut seen);
    seen
}

/// Status and reason.
fn said(seen: &Observed) -> Option<(String, String)> {
    let condition = get(&seen.status, ConditionType::SnapshotsArriving)?;
    Some((condition.status.clone(), condition.reason.clone()))
}

fn words(status: &str, reason: &str) -> Option<(String, String)> {
    Some((status.to_owned(), reason.to_owned()))
}

fn ready(seen: &Observed) -> (String, String) {
    let condition = get(&seen.status, ConditionType::Ready).expect("it is always there");
    (condition.status.clone(), condition.reason.clone())
}

fn next_look(seen: &Observed) -> Duration {
    seen.memory.sessions[&1].look_gate.saturating_sub(seen.now.mono)
}

fn status(value: i64) -> Outcome<Queried> {
    Outcome::Confirmed(Queried { status: value, identity: Identity::Proved })
}

#[test]
fn with_an_interval_of_10_s_they_arrive_until_90_s_passed_without_one() {
    let running = || seen_in(SessionState::Running);
    for (after, newest, expected, why) in [
        (0, None, None, "50 s after the confirmation it is too early to tell"),
        (40, None, None, "90 s are as long as it may take"),
        (41, None, words("False", "Unknown"), "none came"),
        (0, Some(20), words("True", "Arriving"), "one came"),
        (600, Some(90), words("True", "Arriving"), "the last one is recent enough"),
        (600, Some(91), words("False", "Unknown"), "the last one is too old"),
        (0, Some(55), words("True", "Arriving"), "the first comes before the vendor says that it runs"),
        (0, Some(60), None, "that one is of another session"),
        (600, Some(9000), words("False", "Unknown"), "that one is of another session, and none came since"),
    ] {
        assert_eq!(said(&looked(later(running(), after), newest)), expected, "{why}");
    }
}

#[test]
fn a_long_interval_is_given_three_times_its_length() {
    let mut seen = later(seen_in(SessionState::Running), 1000);
    seen.spec.as_mut().expect("a spec").interval_seconds = 600;
    assert_eq!(said(&looked(seen.clone(), Some(1000))), words("True", "Arriving"));
    assert_eq!(patience_of(&seen), Some(Duration::from_secs(1860)));
}

#[test]
fn each_cause_is_known_by_something() {
    let quiet = || later(seen_in(SessionState::Running), 600);
    let at = quiet().now;
    let run = DeathRun { first: at.mono, last: at.mono, answers: 1 };
    let token_over = {
        let mut session = session(SessionState::Running);
        session.token_end_time = Some(stored(at.wall - SignedDuration::from_secs(5)));
        later(seen_with(session), 600)
    };
    let not_writable = {
        let mut seen = quiet();
        let kind = ConditionType::StorageWritable;
        conditions::set(&mut seen.status, kind, false, Reason::UploadFailing, "no", &at, 1);
        with_known(seen, |known| known.last_status = Some(4))
    };
    for (seen, reason) in [
        (with_known(quiet(), |known| known.last_status = Some(4)), "NoVideo"),
        (with_known(quiet(), |known| known.last_status = Some(5)), "Unknown"),
        (with_known(quiet(), |known| known.death = Some(run)), "Failover"),
        (with_known(quiet(), |known| known.ending_since = Some(at.mono)), "RecorderGone"),
        (token_over, "TokenExpired"),
        (not_writable, "UploadFailing"),
    ] {
        assert_eq!(said(&looked(seen, None)), words("False", reason));
    }
}

#[test]
fn without_video_the_job_is_ready_and_says_so_until_the_first_snapshot() {
    let quiet = with_known(later(seen_in(SessionState::Running), 600), |known| known.last_status = Some(4));
    let mut seen = looked(quiet, None);
    assert_eq!(ready(&seen), ("True".to_owned(), "NoVideo".to_owned()));
    let condition = get(&seen.status, ConditionType::SnapshotsArriving).expect("it is said");
    assert_eq!(condition.message, get(&seen.status, ConditionType::Ready).expect("Ready").message);
    assert_eq!(next_look(&seen), AGAIN, "it is decided");

    // The vendor's status tells that there is something to see.
    answers::queried(&mut seen, 1, status(5));
    assert_eq!(next_look(&seen), seen.timing.look_first);
    let seen = looked(later(seen, 20), Some(5));
    assert_eq!(ready(&seen), ("True".to_owned(), "Capturing".to_owned()));
    assert_eq!(said(&seen), words("True", "Arriving"));
}

#[test]
fn a_bucket_that_takes_nothing_is_given_half_an_hour_before_a_person_is_called() {
    let mut seen =
        with_known(later(seen_in(SessionState::Running), 600), |known| known.last_status = Some(4));
    let kind = ConditionType::StorageWritable;
    let now = seen.now;
    conditions::set(&mut seen.status, kind, false, Reason::UploadFailing, "no", &now, 1);
    for (after, effort) in
        [(0, ConditionType::Reconciling), (1799, ConditionType::Reconciling), (1, ConditionType::Stalled)]
    {
        seen = looked(later(seen, after), None);
        assert_eq!(ready(&seen), ("False".to_owned(), "UploadFailing".to_owned()));
        assert!(get(&seen.status, effort).is_some(), "{:#?}", seen.status.conditions);
    }
    conditions::remove(&mut seen.status, kind);
    let seen = looked(seen, Some(5));
    assert_eq!(ready(&seen), ("True".to_owned(), "Capturing".to_owned()));
}

#[test]
fn a_look_that_decides_nothing_is_followed_by_one_that_does() {
    let seen = looked(seen_in(SessionState::Running), None);
    assert_eq!(next_look(&seen), Duration::from_secs(40), "90 s after the confirmation, which was 50 s ago");
    let seen = looked(seen_in(SessionState::Running), Some(3));
    assert_eq!(next_look(&seen), AGAIN);
}

#[test]
fn where_nothing_can_be_seen_it_says_why_and_the_rest_is_as_it_was() {
    let mut seen = later(seen_in(SessionState::Running), 600);
    let blind = Sight { found: None, listing: Listing::Obstacle("access denied".to_owned()) };
    answers::looked(&mut seen, 1, blind, AGAIN);
    report(&mut seen);
    assert_eq!(said(&seen), words("Unknown", "Unknown"));
    let message = &get(&seen.status, ConditionType::SnapshotsArriving).expect("it is said").message;
    assert!(message.contains("access denied") && message.contains("readerCredentialsRef"), "{message}");
    assert_eq!(ready(&seen), ("True".to_owned(), "Capturing".to_owned()));
    assert_eq!(next_look(&seen), AGAIN);
}

#[test]
fn a_new_process_leaves_what_was_said_and_a_session_that_is_over_says_nothing() {
    let mut seen = looked(seen_in(SessionState::Running), Some(3));
    seen.memory.sessions.get_mut(&1).expect("a session").look = None;
    seen.job.generation += 1;
    report(&mut seen);
    assert_eq!(said(&seen), words("True", "Arriving"));
    let condition = get(&seen.status, ConditionType::SnapshotsArriving).expect("it is said");
    assert_eq!(condition.observed_generation, Some(seen.job.generation));

    seen.status.sessions[0].state = SessionState::Stopping;
    report(&mut seen);
    assert_eq!(said(&seen), None);
}

// === what notifications tell ===

/// With these told, so many seconds after the `now` of the fixtures, 50 s before which the session was confirmed.
fn told(seen: Observed, tidings: &[(i64, Event)]) -> Observed {
    let begin = now().wall;
    let uid = session(SessionState::Running).recorder_uid;
    with_known(seen, |known| {
        for (seconds, event) in tidings {
            let time = begin + SignedDuration::from_secs(*seconds);
            let (sid, channel) = ("5d3f".into(), "lobby".into());
            known.told.hear(&Tiding { sid, channel, uid, time, event: event.clone() });
        }
    })
}

fn snapshot() -> Event {
    Event::Snapshot { file: "lobby/a.jpg".into() }
}

fn error(module: i64, code: i64) -> Event {
    Event::Error(Trouble { module, code, level: 5 })
}

#[test]
fn a_snapshot_that_is_told_of_arrives_without_a_look() {
    let mut seen = told(seen_in(SessionState::Running), &[(0, snapshot())]);
    for (after, expected) in [(0, words("True", "Arriving")), (90, words("True", "Arriving"))] {
        seen = later(seen, after);
        report(&mut seen);
        assert_eq!(said(&seen), expected);
    }
    // Whether they cease only a look can tell: notifications may be lost.
    seen = later(seen, 10);
    report(&mut seen);
    assert_eq!(said(&seen), words("True", "Arriving"), "what was said stays until it is known better");
    assert_eq!(said(&looked(seen.clone(), Some(5))), words("True", "Arriving"), "the notification was lost");
    assert_eq!(said(&looked(seen, Some(100))), words("False", "Unknown"));
}

#[test]
fn causes_that_are_told_of_count_from_the_newest_snapshot_on() {
    let video = |received| Event::Video { user: 7, received };
    for (tidings, reason, part) in [
        (vec![(0, snapshot()), (5, error(0, 110))], "TokenExpired", "recorder error 110"),
        (vec![(0, error(0, 110)), (5, snapshot())], "Unknown", "records"),
        (vec![(0, snapshot()), (5, error(1, 47))], "UploadFailing", "uploader error 47"),
        (vec![(5, Event::Warning(Trouble { module: 1, code: 32, level: 0 }))], "UploadFailing", "backup"),
        (vec![(5, Event::Left { code: 16 })], "RecorderGone", "left the channel"),
        (vec![(5, Event::Exited { normally: false })], "RecorderGone", "left the channel"),
        (vec![(5, Event::FailedOver { new_uid: 77 })], "Failover", "moved the session"),
        (
            vec![(4, Event::Joined), (5, video(true)), (6, video(false))],
            "NoVideo",
            "nobody in the channel sends video",
        ),
        (vec![(6, video(false))], "Unknown", "records"),
        (vec![(5, video(true))], "Unknown", "records"),
        (vec![(5, error(2, 52))], "Unknown", "service error 52"),
    ] {
        let seen = looked(told(later(seen_in(SessionState::Running), 600), &tidings), None);
        assert_eq!(said(&seen), words("False", reason), "{tidings:?}");
        let condition = get(&seen.status, ConditionType::SnapshotsArriving).expect("it is said");
        assert!(condition.message.contains(part), "{part:?} in {:?}", condition.message);
    }
}

#[test]
fn who_may_not_list_knows_from_notifications() {
    let obstacle = || Sight { found: None, listing: Listing::Obstacle("denied".into()) };
    let quiet = || later(seen_in(SessionState::Running), 600);
    let video = |received| Event::Video { user: 7, received };
    for (seen, expected) in [
        (quiet(), words("Unknown", "Unknown")),
        (told(quiet(), &[(590, snapshot())]), words("True", "Arriving")),
        (told(quiet(), &[(4, Event::Joined), (6, video(false))]), words("False", "NoVideo")),
        (told(quiet(), &[(5, snapshot()), (50, error(1, 47))]), words("False", "UploadFailing")),
        (
            told(quiet(), &[(5, snapshot()), (50, Event::Exited { normally: false })]),
            words("False", "RecorderGone"),
        ),
        (told(quiet(), &[(520, snapshot()), (550, error(1, 47))]), words("True", "Arriving")),
    ] {
        let mut seen = seen;
        answers::looked(&mut seen, 1, obstacle(), AGAIN);
        report(&mut seen);
        assert_eq!(said(&seen), expected);
    }
}

#[test]
fn words_stay_while_one_trouble_follows_the_other() {
    let warning = |code| Event::Warning(Trouble { module: 1, code, level: 0 });
    let mut seen = later(seen_in(SessionState::Running), 600);
    let mut words = Vec::new();
    for (second, event) in
        [(1, warning(31)), (2, warning(32)), (3, warning(31)), (4, warning(32)), (5, warning(31))]
    {
        seen = looked(told(seen, &[(second, event)]), None);
        words.push(get(&seen.status, ConditionType::SnapshotsArriving).expect("it is said").message.clone());
    }
    words.dedup();
    assert_eq!(words.len(), 2, "the heavier one stays: {words:?}");
}

#[test]
fn who_begins_to_send_is_waited_for() {
    let video = |received| Event::Video { user: 7, received };
    let seen = later(seen_in(SessionState::Running), 600);
    let seen = looked(told(seen, &[(4, Event::Joined), (5, video(true)), (6, video(false))]), None);
    assert_eq!(said(&seen), words("False", "NoVideo"));
    let seen = told(seen, &[(590, video(true))]);
    assert_eq!(said(&looked(seen.clone(), None)), words("False", "NoVideo"), "what was said stays");
    assert_eq!(said(&looked(later(seen, 90), None)), words("False", "Unknown"), "none came");
}

// === single users ===

/// A job 600 s after its beginning, of whose session a snapshot was told of 5 s ago, and whose user 7 sends since `since`.
/// `taken`: when the newest snapshot of that user was taken, if one was told of.
fn sending(since: i64, taken: Option<i64>) -> Observed {
    let video = Event::Video { user: 7, received: true };
    let seen = told(later(seen_in(SessionState::Running), 600), &[(since, video), (595, snapshot())]);
    with_known(seen, |known| {
        if let Some(taken) = taken {
            known.told.took(7, now().wall + SignedDuration::from_secs(taken));
        }
    })
}

/// The same after a look so many seconds after the beginning, that found user 7 with a newest snapshot of that time.
fn listed(mut seen: Observed, at: u64, found: Option<i64>) -> Observed {
    let time = |second: i64| stored(now().wall + SignedDuration::from_secs(second));
    let user = |last| UserSnapshots { uid: 7, count: 1, last_time: Some(time(last)) };
    let users = found.map(user).into_iter().collect();
    let found =
        SnapshotsSummary { count: 3, last_time: Some(time(590)), users, ..SnapshotsSummary::default() };
    let today = seen.now;
    seen.now = later(seen_in(SessionState::Running), at).now;
    answers::looked(
        &mut seen,
        1,
        Sight { found: Some(found), listing: Listing::Seen { whole: true } },
        AGAIN,
    );
    seen.now = today;
    seen
}

#[test]
fn a_user_whose_video_is_received_is_missed_after_the_same_patience() {
    let message = |mut seen: Observed| {
        report(&mut seen);
        let condition = get(&seen.status, ConditionType::SnapshotsArriving).expect("it is said").clone();
        (condition.status, condition.message)
    };
    let blind = |mut seen: Observed| {
        answers::looked(&mut seen, 1, Sight { found: None, listing: Listing::Obstacle("no".into()) }, AGAIN);
        seen
    };
    let in_part = |mut seen: Observed| {
        answers::looked(&mut seen, 1, Sight { found: None, listing: Listing::Seen { whole: false } }, AGAIN);
        seen
    };
    let (never, no_more) =
        ("No snapshot of user 7, whose video the recorder receives", "but no more of user 7,");
    for (seen, status, part, why) in [
        (
            sending(400, None),
            "True",
            "arrive in the bucket.",
            "word of the snapshots may be lost: no look yet",
        ),
        (
            listed(sending(400, None), 450, None),
            "True",
            "arrive in the bucket.",
            "that look was too early to tell",
        ),
        (listed(sending(400, None), 500, None), "False", never, "neither told of nor in the bucket"),
        (listed(sending(400, Some(399)), 500, Some(399)), "False", never, "those are of another time"),
        (
            in_part(listed(sending(400, None), 500, None)),
            "True",
            "arrive in the bucket.",
            "what was not seen yet may be that user's",
        ),
        (blind(sending(400, None)), "False", never, "no look can tell more"),
        (listed(sending(520, None), 600, None), "True", "arrive in the bucket.", "80 s are no reason yet"),
        (
            listed(sending(400, Some(510)), 500, None),
            "True",
            "arrive in the bucket.",
            "90 s without are none",
        ),
        (
            listed(sending(400, None), 600, Some(510)),
            "True",
            "arrive in the bucket.",
            "found, though not told of",
        ),
        (listed(sending(400, Some(509)), 500, None), "True", no_more, "one may leave without a word"),
        (listed(sending(400, None), 500, Some(450)), "True", no_more, "found once"),
    ] {
        let (is, words) = message(seen);
        assert_eq!(is, status, "{why}: {words}");
        assert!(words.contains(part), "{why}: {part:?} in {words:?}");
        assert_eq!(misses_users(&words), part == never, "{why}: {words:?}");
    }
    let mut missed = listed(sending(400, None), 500, None);
    report(&mut missed);
    assert_eq!(message(in_part(missed)).0, "False", "nor does a look at a part take back what was said");
    let gone = told(sending(400, None), &[(450, Event::Video { user: 7, received: false })]);
    assert_eq!(message(listed(gone, 600, None)).0, "True", "the user pauses");
}

#[test]
fn a_look_tells_whether_a_user_is_missed_and_one_that_shows_nothing_is_not_repeated_at_once() {
    let session = session(SessionState::Running);
    let wait = |seen: &Observed| look_wait(seen, &session);
    let seen = listed(sending(560, None), 580, None);
    assert_eq!(wait(&seen), Duration::from_secs(52), "90 s and the slack after the user began");
    let due = listed(sending(400, None), 450, None);
    assert_eq!(wait(&due), Duration::ZERO);
    let mut cut = due.clone();
    answers::looked(&mut cut, 1, Sight { found: None, listing: Listing::CutShort }, AGAIN);
    assert_eq!(wait(&cut), AGAIN);
    assert_eq!(wait(&listed(sending(400, Some(590)), 590, None)), AGAIN - Duration::from_secs(10));
}

#[test]
fn a_look_at_a_part_decides_nothing_and_is_soon_followed_by_the_rest() {
    let part = |found: i64| Sight {
        found: Some(SnapshotsSummary {
            count: 1,
            last_time: Some(stored(now().wall + SignedDuration::from_secs(found))),
            ..SnapshotsSummary::default()
        }),
        listing: Listing::Seen { whole: false },
    };
    let mut seen = later(seen_in(SessionState::Running), 600);
    answers::looked(&mut seen, 1, part(400), AGAIN);
    report(&mut seen);
    assert_eq!(said(&seen), None, "newer ones may stand further on");
    assert_eq!(look_wait(&seen, &session(SessionState::Running)), seen.timing.look_first);
    answers::looked(&mut seen, 1, part(595), AGAIN);
    report(&mut seen);
    assert_eq!(said(&seen), words("True", "Arriving"));
}

#[test]
fn the_bucket_is_listed_when_what_is_told_does_not_do() {
    let session = session(SessionState::Running);
    let told_of = || sending(400, Some(590));
    for (seen, expected, why) in [
        (told_of(), false, "it was not listed yet"),
        (listed(told_of(), 500, None), true, "everything is told of"),
        (later(listed(told_of(), 500, None), 90), false, "the last one that was told of is too old"),
        (listed(sending(400, None), 450, None), false, "a user may be missed"),
        (listed(sending(400, None), 500, None), true, "a user is missed, and that is known"),
    ] {
        assert_eq!(can_do_without_listing(&seen, &session), expected, "{why}");
    }
    let set_back = with_known(listed(told_of(), 500, None), |known| known.doubt_gate = Duration::ZERO);
    assert!(!can_do_without_listing(&set_back, &session), "else it would be due again at once");
    let mut blind = listed(told_of(), 500, None);
    answers::looked(&mut blind, 1, Sight { found: None, listing: Listing::Obstacle("no".into()) }, AGAIN);
    assert!(!can_do_without_listing(&blind, &session), "it may have been a failure of one moment");
    let mut in_part = listed(told_of(), 500, None);
    answers::looked(&mut in_part, 1, Sight { found: None, listing: Listing::Seen { whole: false } }, AGAIN);
    assert!(!can_do_without_listing(&in_part, &session), "the listing goes on where it ended");
    let mut without_spec =
        with_known(listed(told_of(), 500, None), |known| known.doubt_gate = Duration::ZERO);
    answers::looked(&mut without_spec, 1, Sight::default(), AGAIN);
    assert_eq!(look_wait(&without_spec, &session), AGAIN, "it is not due again at once");
    let for_900_s = told(later(listed(told_of(), 500, None), 799), &[(1399, snapshot())]);
    assert!(can_do_without_listing(&for_900_s, &session));
    let for_longer = told(later(for_900_s, 1), &[(1400, snapshot())]);
    assert!(!can_do_without_listing(&for_longer, &session), "some may be lost");
}

#[test]
fn so_many_users_are_named() {
    for (users, words) in [
        (&[7][..], "user 7"),
        (&[7, 9], "users 7 and 9"),
        (&[7, 9, 11], "users 7, 9 and 11"),
        (&[7, 9, 11, 13, 15], "users 7, 9, 11 and 2 more"),
    ] {
        assert_eq!(named(users), words);
    }
}

#[test]
fn what_was_counted_is_in_the_status_when_snapshots_begin_to_arrive() {
    let count = |seen: &Observed| seen.status.snapshots.as_ref().map(|snapshots| snapshots.count);
    let counted = |mut seen: Observed, count| {
        seen.memory.counted = Some(SnapshotsSummary { count, ..SnapshotsSummary::default() });
        report(&mut seen);
        seen
    };
    let seen = counted(seen_in(SessionState::Running), 1);
    assert_eq!(count(&seen), None, "nothing can be said yet");
    let seen = counted(told(seen, &[(0, snapshot())]), 1);
    assert_eq!(count(&seen), Some(1));
    let seen = counted(seen, 2);
    assert_eq!(count(&seen), Some(1), "the next look writes it, lest every snapshot be a write");
    let ceased = looked(later(seen, 600), None);
    assert_eq!(said(&ceased), words("False", "Unknown"));
    let again = told(ceased, &[(600, snapshot())]);
    assert_eq!(count(&counted(again.clone(), 1)), Some(3), "what the look found");
    let mut over = counted(again, 4);
    assert_eq!(count(&over), Some(4));
    over.status.sessions.clear();
    assert_eq!(count(&counted(over, 6)), Some(6), "no look follows a session that is over");
}
