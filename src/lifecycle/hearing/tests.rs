//! What each notification changes, and that none of them ends a session by itself.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::lifecycle::answers;
use crate::lifecycle::fixtures::{later, seen_in, with_known};
use crate::lifecycle::outcome::{Answer, Kind, Outcome, Queried, Stopped};
use crate::lifecycle::plan::{Step, plan};
use crate::lifecycle::told::{Event, Tiding, Trouble};

const SID: &str = "5d3f";
const FIRST: i64 = 4_000_000_001;
const SECOND: i64 = 3_900_000_001;

/// Told so many seconds after `now` of the fixtures.
fn told(tidings: &[(i64, i64, Event)]) -> BTreeMap<String, Told> {
    told_of(SID, tidings)
}

fn told_of(sid: &str, tidings: &[(i64, i64, Event)]) -> BTreeMap<String, Told> {
    let mut told = Told::default();
    for (uid, seconds, event) in tidings {
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let time = begin + SignedDuration::from_secs(*seconds);
        told.hear(&Tiding {
            sid: sid.into(),
            channel: "lobby".into(),
            uid: *uid,
            time,
            event: event.clone(),
        });
    }
    BTreeMap::from([(sid.to_owned(), told)])
}

const NORMAL: Event = Event::Exited { normally: true };
const ABNORMAL: Event = Event::Exited { normally: false };
const MOVED: Event = Event::FailedOver { new_uid: SECOND };

fn not_found() -> Outcome<Queried> {
    let answer = Answer {
        kind: Kind::NotFound,
        http: Some(404),
        code: Some(404),
        words: "no".into(),
        retry_after: None,
    };
    Outcome::Rejected(answer)
}

/// Running, and not to be asked before another 40 s have passed; last alive at `now` of the fixtures.
fn quiet() -> Observed {
    let seen = seen_in(SessionState::Running);
    let (now, wall) = (seen.now.mono, seen.now.wall);
    with_known(seen, |known| {
        known.gate = now + Duration::from_secs(40);
        known.look_gate = now + Duration::from_secs(300);
        known.last_answer = Some(now);
        known.last_alive = Some(wall);
    })
}

fn nobody(_: &str) -> bool {
    false
}

#[test]
fn what_may_be_an_end_or_a_failover_is_asked_about_at_once() {
    let error = |level| Event::Error(Trouble { module: 0, code: 110, level });
    for (tidings, asks) in [
        (vec![(FIRST, 10, NORMAL)], true),
        (vec![(FIRST, 10, ABNORMAL)], true),
        (vec![(FIRST, 10, MOVED)], true),
        (vec![(SECOND, 10, Event::Joined)], true),
        (vec![(FIRST, 10, Event::Left { code: 16 })], true),
        (vec![(FIRST, 10, error(5))], true),
        (vec![(FIRST, 10, error(4))], false),
        (vec![(FIRST, 10, Event::Joined)], false),
        (vec![(FIRST, 10, Event::Uploaded)], false),
        (vec![(FIRST, 10, Event::Video { user: 7, received: false })], false),
        (vec![(FIRST, 10, Event::Snapshot { file: "a.jpg".into() })], false),
        (vec![(FIRST, 10, Event::Other)], false),
    ] {
        let mut seen = later(quiet(), 10);
        heard(&mut seen, &told(&tidings), nobody);
        assert_eq!(plan(&seen) == Step::Query { attempt: 1 }, asks, "{tidings:?}");
        // Heard again it is no news.
        let mut seen = with_known(seen, |known| known.gate = Duration::MAX);
        heard(&mut seen, &told(&tidings), nobody);
        assert_ne!(plan(&seen), Step::Query { attempt: 1 }, "{tidings:?}");
    }
}

#[test]
fn a_storm_of_news_is_one_question_in_five_seconds() {
    let mut seen = later(quiet(), 2);
    heard(&mut seen, &told(&[(FIRST, 1, NORMAL)]), nobody);
    assert_eq!(plan(&seen), Step::Wait(Duration::from_secs(3)));
}

#[test]
fn a_session_that_comes_up_is_asked_about_sooner() {
    for event in [Event::Joined, Event::Snapshot { file: "a.jpg".into() }] {
        let mut seen = later(quiet(), 10);
        seen.status.sessions[0].confirm_time = None;
        heard(&mut seen, &told(&[(FIRST, 10, event)]), nobody);
        assert_eq!(plan(&seen), Step::Query { attempt: 1 });
    }
}

/// How long a run of 404 takes until the session is over.
fn dies_after(tidings: &[(i64, i64, Event)]) -> u64 {
    let mut seen = later(quiet(), 10);
    heard(&mut seen, &told(tidings), nobody);
    for seconds in 0..400 {
        if seen.session(1).is_none() {
            return seconds - 1;
        }
        if plan(&seen) == (Step::Query { attempt: 1 }) {
            answers::queried(&mut seen, 1, not_found());
        }
        seen = later(seen, 1);
    }
    panic!("it never dies");
}

#[test]
fn only_a_normal_end_of_the_only_process_shortens_the_run_of_404() {
    for (tidings, dies, why) in [
        (vec![(FIRST, 10, NORMAL)], 30, "it ended as it should"),
        (vec![(FIRST, 10, ABNORMAL)], 120, "a crash may be a failover"),
        (vec![(FIRST, 10, NORMAL), (FIRST, 9, MOVED)], 120, "the former process ended"),
        (vec![(FIRST, 10, NORMAL), (SECOND, 8, Event::Joined)], 120, "there is another one"),
        (vec![(SECOND, 10, NORMAL), (FIRST, 5, MOVED)], 120, "after a failover nothing is sure"),
        (vec![(FIRST, -100, NORMAL)], 120, "it was called running since"),
        (vec![(FIRST, 10, Event::Left { code: 4 })], 120, "who leaves may come back"),
    ] {
        assert_eq!(dies_after(&tidings), dies, "{why}");
    }
}

#[test]
fn a_session_that_is_said_to_have_ended_and_answers_goes_on() {
    let mut seen = later(quiet(), 10);
    heard(&mut seen, &told(&[(FIRST, 10, NORMAL)]), nobody);
    let alive = Queried { status: 5, identity: crate::lifecycle::outcome::Identity::Proved };
    answers::queried(&mut seen, 1, Outcome::Confirmed(alive));
    assert_eq!(seen.status.sessions[0].state, SessionState::Running);
    assert!(matches!(plan(&seen), Step::Wait(_) | Step::Look { .. }));
}

#[test]
fn with_notifications_queries_are_half_as_frequent() {
    let mut seen = quiet();
    assert_eq!(answers::query_interval(&seen, 1), Duration::from_secs(60));
    heard(&mut seen, &told(&[(FIRST, 0, Event::Other)]), nobody);
    assert_eq!(answers::query_interval(&seen, 1), Duration::from_secs(120));
}

#[test]
fn the_first_of_each_error_is_told_of_with_its_code() {
    let mut seen = quiet();
    let uploader = Event::Error(Trouble { module: 1, code: 47, level: 4 });
    let minor = Event::Error(Trouble { module: 1, code: 51, level: 2 });
    let notices = heard(&mut seen, &told(&[(FIRST, 1, uploader.clone()), (FIRST, 2, minor)]), nobody);
    let [notice] = notices.as_slice() else { panic!("{notices:?}") };
    assert!(notice.warning && notice.words.contains("uploader error 47"), "{notice:?}");
    assert_eq!(notice.reason, Reason::UploadFailing);
    assert_eq!(heard(&mut seen, &told(&[(FIRST, 3, uploader)]), nobody), [], "once");
    let notices = heard(&mut seen, &told(&[(FIRST, 4, MOVED)]), nobody);
    assert!(notices[0].words.contains(&SECOND.to_string()), "{notices:?}");
}

#[test]
fn a_stop_that_was_refused_is_tried_under_the_uid_of_the_failover_once() {
    let mut seen = seen_in(SessionState::Stopping);
    heard(&mut seen, &told(&[(FIRST, 1, MOVED)]), nobody);
    let refused = || -> Outcome<Stopped> {
        let words = "cname or uid".to_owned();
        let answer =
            Answer { kind: Kind::InvalidParameter, http: Some(400), code: Some(2), words, retry_after: None };
        Outcome::Rejected(answer)
    };
    let uid = |seen: &Observed| stop_uid(&seen.status.sessions[0], &seen.memory.sessions[&1]);
    assert_eq!(uid(&seen), FIRST);
    answers::stopped(&mut seen, 1, refused());
    assert_eq!(uid(&seen), SECOND);
    assert!(matches!(plan(&seen), Step::Stop { attempt: 1, .. }), "at once");
    answers::stopped(&mut seen, 1, refused());
    assert_eq!(plan(&later(seen, 60)), Step::Query { attempt: 1 }, "refused again it is asked about");
}

#[test]
fn sids_told_of_under_the_uid_of_a_lost_one_are_candidates_once() {
    let others = |sid: &str| sid == "others";
    for (sid, uid, seconds, expected, why) in [
        ("found", FIRST, -30, true, "since the claim, which is a minute old"),
        ("found", FIRST, -110, true, "the clocks may differ by a minute"),
        ("found", FIRST, -121, false, "of a session before it"),
        ("found", 1001, -30, false, "of another recorder"),
        ("others", FIRST, -30, false, "of another job's session"),
    ] {
        let mut seen = seen_in(SessionState::Recovering);
        let told = told_of(sid, &[(uid, seconds, Event::Other)]);
        heard(&mut seen, &told, others);
        let offered = |seen: &Observed| seen.memory.sessions[&1].search.candidates.contains_key(sid);
        assert_eq!(offered(&seen), expected, "{why}");
        if expected {
            seen = later(seen, 400);
            assert_eq!(plan(&seen), Step::Verify { attempt: 1, sid: sid.to_owned() });
            let mut seen = with_known(seen, |known| known.search.candidates.clear());
            heard(&mut seen, &told, others);
            assert!(!offered(&seen), "it was ruled out");
        }
    }
}

#[test]
fn who_left_an_empty_channel_and_came_back_is_not_gone_for_that() {
    let left = (FIRST, 10, Event::Left { code: 4 });
    let snapshot = |second| (FIRST, second, Event::Snapshot { file: "a.jpg".into() });
    for (tidings, expected, why) in [
        (vec![left.clone()], true, "the last word"),
        (vec![left.clone(), snapshot(40)], true, "it was being uploaded"),
        (vec![left.clone(), snapshot(41)], false, "it takes snapshots"),
        (vec![left.clone(), (FIRST, 100, Event::Joined)], false, "it came back"),
        (vec![(FIRST, -100, Event::Left { code: 4 })], false, "the vendor called it running since"),
        (vec![left.clone(), (FIRST, 5, MOVED)], false, "the former process of a failover"),
    ] {
        let mut seen = later(quiet(), 200);
        heard(&mut seen, &told(&tidings), nobody);
        let known = &seen.memory.sessions[&1];
        assert_eq!(left_for_nobody(&seen.status.sessions[0], known), expected, "{why}");
    }
}

#[test]
fn news_waits_while_the_vendor_does_not_answer() {
    let answer =
        Answer { kind: Kind::TimedOut, http: None, code: None, words: "no".into(), retry_after: None };
    let now = quiet().now.mono;
    let mut seen = later(with_known(quiet(), |known| known.unanswered = Some((now, answer))), 10);
    heard(&mut seen, &told(&[(FIRST, 10, NORMAL)]), nobody);
    assert_ne!(plan(&seen), Step::Query { attempt: 1 });
}
