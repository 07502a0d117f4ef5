//! Keys shown by hand, in the order of a listing.

use super::*;

const SID: &str = "1cd3d60b784382f12ce30fa615421852";
const OTHER: &str = "ffffffffffffffffffffffffffffffff";

/// A key of this user, so many milliseconds after the first of July 2026.
fn key(user: u32, millisecond: i64) -> String {
    key_of(SID, user, millisecond)
}

fn key_of(sid: &str, user: u32, millisecond: i64) -> String {
    let time = time_in_name(at(millisecond));
    format!("lobby/{sid}_c__uid_s_{user}__uid_e_video_{time}.jpg")
}

fn at(millisecond: i64) -> Timestamp {
    "2026-07-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_millis(millisecond)
}

fn see(tally: &mut Tally, keys: &[String]) {
    for key in keys {
        tally.see(key);
    }
}

#[test]
fn counts_per_user_and_shows_the_newest_first() {
    let mut tally = Tally::default();
    see(&mut tally, &[key(7, 1_500), key(7, 11_500), key(8, 21_250), key(9, 5_000)]);
    let summary = tally.summary();
    assert_eq!(summary.count, 4);
    assert_eq!(summary.last_file, Some(key(8, 21_250)));
    assert_eq!(summary.last_time, Some(Time(at(21_000))));
    let users: Vec<_> = summary.users.iter().map(|user| (user.uid, user.count)).collect();
    assert_eq!(users, [(8, 1), (7, 2), (9, 1)]);
    assert_eq!(summary.users[1].last_time, Some(Time(at(11_000))));
}

#[test]
fn a_key_is_counted_once_however_often_it_is_seen() {
    let mut tally = Tally::default();
    for _ in 0..3 {
        see(&mut tally, &[key(7, 0), key(7, 10_000)]);
    }
    assert_eq!(tally.count(), 2);
}

#[test]
fn what_is_told_of_is_counted_once_and_a_listing_finds_what_was_not_told() {
    let at = |quarter: i64| key(7, quarter * 15 * 60_000);
    let mut tally = Tally::default();
    for quarter in [4, 0, 2, 4, 0] {
        tally.tell(&at(quarter));
    }
    tally.tell("lobby/notes.txt");
    assert_eq!(tally.count(), 3);
    assert_eq!(tally.summary().last_file, Some(at(4)));
    for quarter in 0..=4 {
        assert_eq!(
            tally.see(&at(quarter)),
            Next::Key,
            "nothing behind it is settled by what was told of: {quarter}"
        );
    }
    assert_eq!(tally.count(), 5);
    tally.tell(&at(1));
    assert_eq!(tally.count(), 5, "a copy that comes late");
}

#[test]
fn memory_of_what_is_told_of_is_bounded() {
    let mut tally = Tally::default();
    for second in 0..5_000 {
        tally.tell(&key(7, second * 1_000));
    }
    assert_eq!(tally.count(), 5_000);
    assert!(tally.sequences.values().all(|sequence| sequence.recent.len() <= MOST_RECENT));
}

#[test]
fn late_uploads_are_counted_and_what_is_settled_is_jumped_over() {
    let minute = 60_000;
    let mut tally = Tally::default();
    see(&mut tally, &[key(7, 0), key(7, 12 * minute)]);
    assert_eq!(tally.see(&key(7, 3 * minute)), Next::Key, "nine minutes late");
    assert_eq!(tally.count(), 3);
    let Next::After(place) = tally.see(&key(7, 0)) else { panic!("settled long ago") };
    assert!(key(7, 0) < place && place < key(7, 1), "{place}");
    assert_eq!(tally.count(), 3);
}

#[test]
fn memory_per_user_is_bounded() {
    let mut tally = Tally::default();
    for second in 0..5_000 {
        tally.see(&key(7, second * 100));
    }
    assert_eq!(tally.count(), 5_000);
    assert!(tally.sequences.values().all(|sequence| sequence.recent.len() <= MOST_RECENT));
}

#[test]
fn sequences_are_bounded_and_everybody_is_counted_once() {
    let mut tally = Tally::default();
    for user in 0..2_000 {
        tally.see(&key(user, 0));
    }
    assert_eq!(tally.see(&key(2_000, 10_000)), Next::Key);
    assert_eq!((tally.count(), tally.sequences.len()), (2_001, MOST_SEQUENCES));
    assert_eq!(tally.summary().users.len(), MOST_USERS);
    assert_eq!(tally.summary().users[0].uid, 2_000, "the newest one is shown");
    for _ in 0..3 {
        for user in 0..2_000 {
            tally.see(&key(user, 0));
        }
        tally.see(&key(2_000, 10_000));
    }
    assert_eq!(tally.count(), 2_001, "nobody is counted twice");
    tally.see(&key(0, 20_000));
    assert_eq!(tally.count(), 2_002, "who was folded goes on");
}

#[test]
fn recordings_beside_the_snapshots_are_not_counted_and_whole_sequences_of_them_jumped_over() {
    let mut tally = Tally::default();
    let audio = key(7, 0).replace("video", "audio").replace(".jpg", ".ts");
    let Next::After(place) = tally.see(&audio) else { panic!("nothing but audio up to the next sequence") };
    assert!(place > audio && place < key(7, 0), "{place}");
    assert_eq!(tally.see(&key(7, 0).replace(".jpg", ".ts")), Next::Key, "snapshots are among video segments");
    assert_eq!(tally.see(&format!("lobby/{SID}_c__uid_s_7__uid_e_video.m3u8")), Next::Key);
    assert_eq!(tally.count(), 0);
}

#[test]
fn goes_on_from_the_status_without_counting_twice() {
    let mut first = Tally::default();
    see(&mut first, &[key(7, 1_250), key(7, 11_250), key(8, 3_000)]);
    let mut second = Tally::resume(Some(&first.summary()));
    assert_eq!(second.summary(), first.summary());
    see(&mut second, &[key(7, 1_250), key(7, 11_250), key(7, 21_250), key(8, 3_000), key(9, 100)]);
    let summary = second.summary();
    assert_eq!(summary.count, 5);
    assert_eq!(summary.last_file, Some(key(7, 21_250)));
    let users: Vec<_> = summary.users.iter().map(|user| (user.uid, user.count)).collect();
    assert_eq!(users, [(7, 3), (8, 1), (9, 1)]);
}

#[test]
fn users_that_the_status_had_no_room_for_are_not_counted_twice() {
    let mut first = Tally::default();
    for user in 0..25 {
        first.see(&key(user, i64::from(user) * 10_000));
    }
    let mut second = Tally::resume(Some(&first.summary()));
    for user in 0..25 {
        second.see(&key(user, i64::from(user) * 10_000));
    }
    assert_eq!(second.count(), 25);
    second.see(&key(0, 260_000));
    assert_eq!(second.count(), 26, "one of them is back");
}

#[test]
fn a_session_that_is_over_is_folded_into_the_count() {
    let mut tally = Tally::default();
    see(&mut tally, &[key(7, 0), key_of(OTHER, 7, 10_000)]);
    tally.see(&format!("lobby/bak0_{}", key(7, 5_000).trim_start_matches("lobby/")));
    tally.cuts().set(&format!("lobby/{SID}_"), Some(key(7, 0)));
    let before = tally.summary();
    tally.keep_only(&[OTHER]);
    assert_eq!(tally.summary(), before);
    assert_eq!((tally.sequences.len(), &tally.cuts), (1, &Cuts::default()));
    tally.see(&key_of(OTHER, 7, 20_000));
    assert_eq!(tally.count(), 4);
}

#[test]
fn an_empty_status_and_none_are_the_same() {
    assert_eq!(Tally::resume(Some(&SnapshotsSummary::default())), Tally::resume(None));
    assert_eq!(Tally::resume(None).summary(), SnapshotsSummary::default());
}
