//! Searches through a bucket in memory: what is found, and what it costs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::snapshots::file_name::{FileName, time_in_name};
use crate::snapshots::fixtures::{FOLDER, Service};

const UNLIMITED: Limits = Limits { time: Duration::from_secs(3_600), requests: 100_000 };

/// Seconds of the tests count from here; the search asks for what began since then.
fn since() -> Timestamp {
    "2026-07-01T00:00:00Z".parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    since() + SignedDuration::from_secs(second)
}

/// The nth of sids that are spread over all first characters.
fn sid(nth: usize) -> String {
    let spread = (nth as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    if nth.is_multiple_of(7) { format!("{spread:032X}") } else { format!("{spread:032x}") }
}

fn key(sid: &str, activation: Option<u32>, user: u32, second: i64) -> String {
    let name = FileName { activation, sid: sid.to_owned(), channel: "c_d".into(), user, taken: at(second) };
    format!("{FOLDER}/{name}")
}

fn segment(sid: &str, second: i64) -> String {
    format!("{FOLDER}/{sid}_c_d__uid_s_7__uid_e_audio_{}.ts", time_in_name(at(second)))
}

fn playlist(sid: &str) -> String {
    format!("{FOLDER}/{sid}_c_d__uid_s_7__uid_e_audio.m3u8")
}

async fn all(service: &Arc<Service>) -> Found {
    service.bucket().candidates(&mut Search::default(), since(), UNLIMITED).await
}

#[tokio::test]
async fn gives_sessions_that_began_since_then_newest_first_in_the_case_of_their_names() {
    let service = Arc::new(Service::default());
    for (nth, second) in [(0, 50), (1, 10), (2, -1), (3, 0), (4, 90)] {
        service.put(&key(&sid(nth), None, 7, second));
        service.put(&key(&sid(nth), None, 7, second + 1_000));
    }
    assert!(sid(0).contains(|character: char| character.is_ascii_uppercase()), "{}", sid(0));
    let found = all(&service).await;
    assert_eq!(
        found,
        Found { sids: vec![sid(4), sid(0), sid(1), sid(3)], complete: true, requests: 1, problem: None }
    );
}

#[tokio::test]
async fn one_name_from_before_is_enough_and_recordings_and_failovers_tell_as_well() {
    let service = Arc::new(Service::default());
    // A user who came later sorts before the one who was there from the beginning.
    service.put(&key(&sid(1), None, 7, 60));
    service.put(&key(&sid(1), None, 8, -60));
    service.put(&segment(&sid(2), 5));
    service.put_at(&playlist(&sid(3)), at(4));
    service.put_at(&playlist(&sid(4)), at(-4));
    service.put(&key(&sid(5), Some(2), 7, 3));
    service.put(&key(&sid(6), Some(0), 7, -3));
    // The playlist is written again and again, its segments are not.
    service.put_at(&playlist(&sid(8)), at(100));
    service.put(&segment(&sid(8), -100));
    assert_eq!(all(&service).await.sids, [sid(2), sid(3), sid(5)]);
}

#[tokio::test]
async fn what_is_not_directly_in_the_folder_or_no_session_does_not_count() {
    let service = Arc::new(Service::default());
    let mine = key(&sid(1), None, 7, 1);
    service.put(&mine);
    for foreign in [
        key(&sid(2), None, 7, 1).replace("lobby/east/", "lobby/"),
        key(&sid(3), None, 7, 1).replace("lobby/east/", "lobby/east/abc/"),
        key(&sid(4), None, 7, 1).replace("lobby/east/", "lobby/eastern/"),
        format!("{FOLDER}/{}_/{}", sid(5), key(&sid(5), None, 7, 1)),
        key(&sid(6), None, 7, 1).replace(&sid(6), &sid(6)[1..]),
        format!("{FOLDER}/notes.txt"),
        format!("{FOLDER}/{}", sid(9)),
        format!("{FOLDER}/é"),
    ] {
        service.put(&foreign);
    }
    for deaf_to_delimiter in [false, true] {
        let objects = service.objects.lock().unwrap().clone().into();
        let service = Arc::new(Service { deaf_to_delimiter, objects, ..Service::default() });
        let found = all(&service).await;
        assert_eq!((found.sids, found.complete), (vec![sid(1)], true), "{deaf_to_delimiter}");
    }
}

/// Years of snapshots: what a search costs is counted in sessions, not in keys.
#[tokio::test]
async fn jumps_from_session_to_session() {
    const SESSIONS: usize = 60;
    let service = Arc::new(Service::default());
    for nth in 0..SESSIONS {
        for shot in 0..2_000 {
            service.put(&key(&sid(nth), None, 7 + u32::from(shot % 2 == 0), -1_000_000 + shot));
        }
        // Names that sort behind all that is in a channel's usual name.
        service.put(&format!("{FOLDER}/{}_~__uid_s_7__uid_e_video_{}.jpg", sid(nth), time_in_name(at(-9))));
    }
    service.put(&key(&sid(SESSIONS), None, 7, 30));
    let found = all(&service).await;
    assert_eq!((found.sids, found.complete), (vec![sid(SESSIONS)], true));
    assert!(found.requests <= 62, "{} requests for 120,000 keys", found.requests);
}

/// Short sessions stand many on a page, folders cost an entry each, and other people's files are passed by.
#[tokio::test]
async fn does_not_crawl_through_short_sessions_folders_or_foreign_files() {
    let service = Arc::new(Service::default());
    for nth in 0..3_000 {
        service.put(&key(&sid(nth), None, 7, -1_000_000));
        service.put(&format!("{FOLDER}/IMG{nth:05}.jpg"));
        service.put(&format!("{FOLDER}/20210528-{nth:05}.jpg"));
        for shot in 0..3 {
            service.put(&format!("{FOLDER}/d{nth:05}/{}", key(&sid(shot), None, 7, 1)));
        }
    }
    service.put(&key(&sid(3_000), None, 7, 30));
    let found = all(&service).await;
    assert_eq!((found.sids, found.complete), (vec![sid(3_000)], true));
    assert!(found.requests <= 20, "{} requests", found.requests);
}

#[tokio::test]
async fn more_than_32_are_given_by_the_next_looks_and_none_is_lost() {
    let service = Arc::new(Service::default());
    for nth in 0..90 {
        service.put(&key(&sid(nth), None, 7, i64::try_from(nth).unwrap()));
    }
    let (mut search, mut sids) = (Search::default(), vec![]);
    loop {
        let found = service.bucket().candidates(&mut search, since(), UNLIMITED).await;
        assert!(found.sids.len() <= MOST && found.problem.is_none(), "{found:?}");
        sids.extend(found.sids);
        if found.complete {
            break;
        }
    }
    assert_eq!(sids.len(), 90);
    assert_eq!(sids.iter().cloned().collect::<BTreeSet<_>>(), (0..90).map(sid).collect());
    assert_eq!(service.requests(), 1, "the rest was kept in mind");
    assert_eq!(search, Search::default(), "and then it begins anew");
}

#[tokio::test]
async fn a_search_that_was_cut_off_goes_on_where_it_ended() {
    let service = Arc::new(Service::default());
    for nth in 0..10 {
        for shot in 0..300 {
            service.put(&key(&sid(nth), None, 7, if nth % 2 == 0 { shot } else { shot - 1 }));
        }
    }
    let (mut search, mut sids) = (Search::default(), BTreeSet::new());
    for _ in 0..20 {
        let found =
            service.bucket().candidates(&mut search, since(), Limits { requests: 1, ..UNLIMITED }).await;
        assert_eq!((found.requests, found.problem), (1, None));
        sids.extend(found.sids);
        if found.complete {
            assert_eq!(sids, (0..10).step_by(2).map(sid).collect());
            return;
        }
    }
    panic!("twenty requests for ten sessions were not enough");
}

#[tokio::test]
async fn a_service_without_start_after_is_paged_through() {
    let service = Arc::new(Service { deaf_to_start_after: true, ..Service::default() });
    for nth in 0..10 {
        for shot in 0..300 {
            service.put(&key(&sid(nth), None, 7, if nth == 9 { shot } else { shot - 1 }));
        }
    }
    let (mut search, mut sids, mut looks) = (Search::default(), vec![], 0);
    loop {
        looks += 1;
        let found =
            service.bucket().candidates(&mut search, since(), Limits { requests: 1, ..UNLIMITED }).await;
        assert_eq!(found.problem, None);
        sids.extend(found.sids);
        if found.complete {
            break;
        }
    }
    assert_eq!(sids, [sid(9)]);
    assert!(looks <= 5, "one before it was known, one that tells, three of 1,000 keys: {looks}");
}

#[tokio::test]
async fn a_service_that_cannot_go_on_at_all_is_told() {
    let service = Arc::new(Service { deaf_to_start_after: true, without_tokens: true, ..Service::default() });
    for shot in 0..1_500 {
        service.put(&key(&sid(1), None, 7, shot));
    }
    let found = all(&service).await;
    let problem = Some(BucketProblem::NoStartAfter);
    assert_eq!(found, Found { sids: vec![sid(1)], complete: false, requests: 3, problem });
}

/// `Icon\r` of a file manager, or `//` in a key: object_store gives up the page that holds such a name.
#[tokio::test]
async fn a_foreign_name_that_cannot_be_expressed_hides_nothing() {
    for foreign in ["Icon\r", "/x"] {
        let service = Arc::new(Service::default());
        service.put(&format!("{FOLDER}/{foreign}"));
        for nth in 0..60 {
            service.put(&key(&sid(nth), Some(1).filter(|_| nth % 3 == 0), 7, if nth < 20 { 1 } else { -1 }));
        }
        let found = all(&service).await;
        assert_eq!((found.sids.len(), found.complete, found.problem), (20, true, None), "{foreign:?}");
    }
    let service = Arc::new(Service::default());
    service.put(&format!("{FOLDER}/{}\r", sid(1)));
    let found = all(&service).await;
    assert!(matches!(found.problem, Some(BucketProblem::Fault(_))) && !found.complete, "{found:?}");
}

#[tokio::test]
async fn a_problem_is_told_and_what_was_found_before_is_given() {
    let service = Arc::new(Service { most: 1, ..Service::default() });
    service.put(&key(&sid(0), None, 7, 1));
    service.put(&key(&sid(2), None, 7, 1));
    let mut search = Search::default();
    let limits = Limits { requests: 1, ..UNLIMITED };
    assert_eq!(service.bucket().candidates(&mut search, since(), limits).await.sids.len(), 1);
    *service.fault.lock().unwrap() =
        Some("Server returned non-2xx status code: 403 Forbidden: <Code>AccessDenied</Code>".into());
    let found = service.bucket().candidates(&mut search, since(), UNLIMITED).await;
    let problem = Some(BucketProblem::AccessDenied("403 AccessDenied".into()));
    assert_eq!(found, Found { sids: vec![], complete: false, requests: 1, problem });
    *service.fault.lock().unwrap() = None;
    let found = service.bucket().candidates(&mut search, since(), UNLIMITED).await;
    assert_eq!((found.sids.len(), found.complete), (1, true), "it goes on");
}

#[test]
fn behind_all_is_behind_everything_that_begins_so() {
    assert_eq!(behind_all("a/b_"), "a/b`");
    assert_eq!(behind_all("a\u{d7ff}"), "a\u{e000}");
    assert_eq!(behind_all(&format!("a{}", char::MAX)), "b");
}

#[derive(Clone, Debug)]
struct Written {
    nth: usize,
    activation: Option<u32>,
    kind: Kind,
    second: i64,
}

#[derive(Clone, Debug)]
enum Kind {
    Snapshot(u32),
    Segment,
    Playlist,
    InFolder,
    Foreign(String),
}

fn written() -> impl Strategy<Value = Written> {
    let kind = prop_oneof![
        6 => (1_u32..30).prop_map(Kind::Snapshot),
        1 => Just(Kind::Segment),
        1 => Just(Kind::Playlist),
        1 => Just(Kind::InFolder),
        1 => "[ -~é]{1,6}".prop_map(Kind::Foreign),
    ];
    let activation = prop_oneof![3 => Just(None), 1 => (0_u32..3).prop_map(Some)];
    (0_usize..12, activation, kind, -20_i64..20).prop_map(|(nth, activation, kind, second)| Written {
        nth,
        activation,
        kind,
        second,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// However the service pages and whatever it can do, and wherever looks are cut off: the search ends, every session
    /// that began since then is found, and none of which nothing is from then.
    #[test]
    fn every_session_since_then_is_found(
        written in proptest::collection::vec(written(), 0..80),
        most in 1_usize..8,
        requests in 1_u32..4,
        deaf_to_start_after: bool,
        deaf_to_delimiter: bool,
        unexpressible in proptest::bool::weighted(0.1),
    ) {
        let service =
            Arc::new(Service { most, deaf_to_start_after, deaf_to_delimiter, ..Service::default() });
        if unexpressible {
            service.put(&format!("{FOLDER}/Icon\r"));
        }
        let (mut old, mut new) = (BTreeSet::new(), BTreeSet::new());
        for Written { nth, activation, kind, second } in &written {
            let sid = sid(*nth);
            let modified = at(*second);
            match kind {
                Kind::Snapshot(user) => service.put_at(&key(&sid, *activation, *user, *second), at(1_000)),
                Kind::Segment => service.put_at(&segment(&sid, *second), at(1_000)),
                Kind::Playlist => service.put_at(&playlist(&sid), modified),
                Kind::InFolder => service.put(&format!("{FOLDER}/{nth}/{sid}_x")),
                Kind::Foreign(name) => service.put(&format!("{FOLDER}/{}", name.replace(['/', '.'], "-"))),
            }
            if matches!(kind, Kind::InFolder | Kind::Foreign(_)) {
                continue;
            }
            // The same playlist may be written twice; the last time counts.
            if *second < 0 && !matches!(kind, Kind::Playlist) { old.insert(sid) } else { new.insert(sid) };
        }
        let bucket = service.bucket();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut search, mut found, mut looks) = (Search::default(), BTreeSet::new(), 0);
        loop {
            let limits = Limits { requests, ..UNLIMITED };
            let look = runtime.block_on(bucket.candidates(&mut search, since(), limits));
            prop_assert_eq!(&look.problem, &None);
            found.extend(look.sids);
            looks += 1;
            prop_assert!(looks < 400, "it must get on: {:?}", search);
            if look.complete {
                break;
            }
        }
        let last_playlist = |sid: &String| {
            let of_sid = |it: &&Written| matches!(it.kind, Kind::Playlist) && super::tests::sid(it.nth) == *sid;
            written.iter().rfind(of_sid).map(|it| it.second)
        };
        for sid in &new {
            let playlist_is_old = last_playlist(sid).is_some_and(|second| second < 0);
            if !old.contains(sid) && !playlist_is_old {
                prop_assert!(found.contains(sid), "{} is missing in {:?}", sid, found);
            }
        }
        for sid in &found {
            prop_assert!(new.contains(sid), "{} has nothing from then", sid);
        }
    }
}
