//! Sessions through virtual time: status, snapshots, idleness, control window, files, bill.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use agora_simulator::service::{EndReason, State, User};
use serde_json::{Value, json};
use support::{Bench, plain_body, record_body, start_body, verdict};

const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;

fn status(bench: &mut Bench, target: &agora_simulator::service::Target) -> Option<u64> {
    bench.query(target).body["serverResponse"]["status"].as_u64()
}

#[test]
fn status_climbs_to_ready_within_seconds_and_to_five_with_the_first_file() {
    let mut bench = Bench::default();
    let started = bench.started(start_body("lobby"));
    let mut seen = vec![status(&mut bench, &started.target).unwrap()];
    for _ in 0..100 {
        bench.pass(100);
        let next = status(&mut bench, &started.target).unwrap();
        if seen.last() != Some(&next) {
            seen.push(next);
        }
    }
    assert_eq!(seen, [1, 2, 3, 4], "nobody sends video");
    bench.join("lobby", 7);
    bench.seconds(2);
    assert_eq!(status(&mut bench, &started.target), Some(5));
}

#[test]
fn each_sender_is_captured_at_the_interval_under_the_documented_name() {
    let mut bench = Bench::default();
    bench.join("lobby", 7);
    bench.put("lobby", 8, User { video: false, ..User::default() });
    let started = bench.started(start_body("lobby"));
    bench.seconds(33);
    let session = bench.only_session();
    // Ready after 2 to 3.7 s, first snapshot about a second later, then every 5 s.
    assert_eq!(session.file_count, 6, "{:?}", session.files);
    let stem = format!("directory1/directory2/{}_lobby__uid_s_7__uid_e_video_", started.target.sid);
    let mut stamps = Vec::new();
    for file in &session.files {
        let stamp = file.strip_prefix(&stem).and_then(|rest| rest.strip_suffix(".jpg")).expect(file);
        assert!(stamp.len() == 17 && stamp.bytes().all(|b| b.is_ascii_digit()), "{stamp}");
        assert!(stamp.starts_with("20231114221"), "{stamp}");
        stamps.push(stamp.to_owned());
    }
    assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
    let events: Vec<Value> = bench.events(45);
    assert_eq!(events.len(), 6);
    assert_eq!(events[0]["fileName"], json!(session.files[0]));
}

#[test]
fn snapshots_pause_while_a_user_sends_no_video() {
    let mut bench = Bench::default();
    bench.running();
    bench.put("lobby", 7, User { video: false, ..User::default() });
    let before = bench.only_session().file_count;
    bench.seconds(60);
    assert_eq!(bench.only_session().file_count, before);
    bench.join("lobby", 7);
    bench.seconds(3);
    assert_eq!(bench.only_session().file_count, before + 1);
    let states: Vec<Value> = bench.events(44).iter().map(|details| details["state"].clone()).collect();
    assert_eq!(states, [0, 1, 0]);
}

#[test]
fn first_snapshot_can_wait_for_an_interval() {
    let mut bench = Bench::with(&[("firstSnapshot", "interval")]);
    bench.join("lobby", 7);
    bench.started(start_body("lobby"));
    bench.pass(6_500);
    assert_eq!(bench.only_session().file_count, 0);
    bench.seconds(3);
    assert_eq!(bench.only_session().file_count, 1);
}

#[test]
fn idleness_goes_by_the_channel_profile() {
    // (channelType, who stays behind, rule, does the session end)
    let audience = Some(User { video: false, audio: false, host: false });
    let silent_host = Some(User { video: false, audio: false, host: true });
    let table = [
        (1, None, "profile", true),
        (1, audience, "profile", true),
        (1, silent_host, "profile", false),
        (0, None, "profile", true),
        (0, audience, "profile", false),
        (1, silent_host, "publishers", true),
        (0, audience, "publishers", true),
    ];
    for (profile, left_behind, rule, ends) in table {
        let mut bench = Bench::with(&[("idleRule", rule)]);
        bench.join("lobby", 7);
        let mut body = start_body("lobby");
        body["clientRequest"]["recordingConfig"]["channelType"] = json!(profile);
        let started = bench.started(body);
        bench.seconds(10);
        match left_behind {
            Some(user) => bench.put("lobby", 7, user),
            None => bench.leave("lobby", 7),
        }
        bench.seconds(29);
        assert_eq!(bench.only_session().state, State::Live, "{profile} {left_behind:?} {rule}");
        bench.seconds(2);
        let session = bench.only_session();
        assert_eq!(session.end_reason == Some(EndReason::Idle), ends, "{profile} {left_behind:?} {rule}");
        if ends {
            assert_eq!(bench.events(41)[0]["leaveCode"], 4);
            assert_eq!(verdict(&bench.stop(&started.target)), (400, Some(49)), "it is on its way out");
            bench.seconds(10);
            assert_eq!(verdict(&bench.stop(&started.target)), (404, Some(404)), "it is gone");
            assert_eq!(verdict(&bench.query(&started.target)), (404, Some(404)));
        }
    }
}

#[test]
fn a_user_who_comes_back_in_time_keeps_the_session() {
    let mut bench = Bench::default();
    bench.running();
    for _ in 0..5 {
        bench.leave("lobby", 7);
        bench.seconds(25);
        bench.join("lobby", 7);
        bench.seconds(10);
    }
    assert_eq!(bench.only_session().state, State::Live);
}

#[test]
fn the_bill_runs_from_start_to_stop_and_time_jumps_change_nothing() {
    let mut bench = Bench::default();
    let started = bench.running();
    bench.seconds(3592);
    assert_eq!(bench.only_session().billed_seconds, 3600);
    assert_eq!(verdict(&bench.stop(&started.target)), (206, Some(435)));
    bench.seconds(100);
    let session = bench.only_session();
    assert_eq!((session.billed_seconds, session.end_reason), (3600, Some(EndReason::Stopped)));

    let mut jump = Bench::default();
    jump.running();
    jump.now += 3_592 * SECOND;
    let effects = jump.service.tick(jump.now);
    jump.perform(effects);
    assert_eq!(jump.only_session().file_count, session.file_count, "one jump, the same snapshots");
}

#[test]
fn calls_fail_after_the_control_window_but_the_meter_runs() {
    for (setting, expected) in [("404", (404, Some(404))), ("400", (400, Some(2)))] {
        let mut bench = Bench::with(&[("controlWindowEnd", setting)]);
        bench.join("lobby", 7);
        let mut acquire = plain_body("lobby");
        acquire["clientRequest"]["resourceExpiredHour"] = json!(1);
        let mut target = bench.resource_for(&acquire);
        let answer = bench.start_with(&target, &start_body("lobby"));
        target.sid = answer.body["sid"].as_str().unwrap().to_owned();
        bench.pass(HOUR - SECOND);
        assert_eq!(bench.query(&target).status, 200);
        bench.pass(SECOND);
        assert_eq!(verdict(&bench.query(&target)), expected);
        assert_eq!(verdict(&bench.stop(&target)), expected);
        bench.pass(HOUR);
        let session = bench.only_session();
        assert_eq!((session.state, session.billed_seconds), (State::Live, 7200));
        // Its uid is still taken: the one thing that proves it lives.
        let again = bench.resource("lobby");
        assert_eq!(verdict(&bench.start_with(&again, &start_body("lobby"))), (400, Some(53)));
    }
}

#[test]
fn an_asynchronous_stop_answers_at_once() {
    let mut bench = Bench::with(&[("snapshotOnlyStop", "uploaded")]);
    let started = bench.running();
    bench.fate = None;
    bench.seconds(5);
    let mut body = plain_body("lobby");
    body["clientRequest"]["async_stop"] = json!(true);
    let asked = bench.now;
    let answer = bench.stop_with(&started.target, &body);
    assert_eq!((bench.now, &answer.body["serverResponse"]["uploadingStatus"]), (asked, &json!("unknown")));
}

#[test]
fn seventeen_senders_and_the_next_one_when_one_leaves() {
    let mut bench = Bench::default();
    for uid in 1..=18 {
        bench.join("lobby", uid);
    }
    bench.started(start_body("lobby"));
    bench.seconds(8);
    let pictured = |bench: &mut Bench, uid: u32| {
        let mark = format!("__uid_s_{uid}__");
        bench.only_session().files.iter().any(|file| file.contains(&mark))
    };
    assert!((1..=17).all(|uid| pictured(&mut bench, uid)));
    assert!(!pictured(&mut bench, 18));
    bench.leave("lobby", 3);
    bench.seconds(2);
    assert!(pictured(&mut bench, 18));

    let mut capped = Bench::with(&[("uidGroupEffect", "cap")]);
    for uid in 1..=3 {
        capped.join("lobby", uid);
    }
    capped.started(start_body("lobby"));
    capped.seconds(8);
    assert!(pictured(&mut capped, 2) && !pictured(&mut capped, 3), "group 0 is made for two");
}

#[test]
fn record_and_snapshot_writes_a_playlist_for_each_kind_of_media() {
    let mut bench = Bench::default();
    bench.join("lobby", 7);
    let started = bench.started(record_body("lobby"));
    bench.seconds(40);
    let answer = bench.stop(&started.target);
    assert_eq!(answer.body["serverResponse"]["uploadingStatus"], "uploaded");
    assert!(answer.body["serverResponse"].get("fileList").is_none(), "snapshots: never a file list");
    let files = bench.only_session().files;
    let count = |end: &str| files.iter().filter(|file| file.ends_with(end)).count();
    assert_eq!((count("_audio.m3u8"), count("_video.m3u8")), (1, 1), "{files:?}");
    assert_eq!(count(".ts"), 6, "15 + 15 + the rest, of both kinds");
    assert!(count(".jpg") >= 7);
    let last = bench.uploads.iter().rev().find(|upload| upload.key.ends_with("_video.m3u8")).unwrap();
    match &last.content {
        agora_simulator::service::Content::Playlist { segments, ended } => {
            assert_eq!((segments.len(), *ended), (3, true));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sped_up_names_carry_the_wall_clock_and_stay_unique() {
    let mut bench = Bench::made_of(&[], None, 20_000);
    for uid in 1..=3 {
        bench.join("lobby", uid);
    }
    bench.started(start_body("lobby"));
    bench.seconds(100);
    let files = bench.only_session().files;
    let unique: std::collections::BTreeSet<&String> = files.iter().collect();
    assert_eq!(unique.len(), files.len());
    assert!(files.len() > 50);
    let newest = files.last().unwrap();
    assert!(newest.contains("_202311142213200"), "5 ms have passed on the wall: {newest}");
    assert_eq!(bench.only_session().billed_seconds, 100);
}

#[test]
fn updated_lists_take_effect_and_one_list_silences_the_other_kind() {
    let mut bench = Bench::default();
    bench.join("lobby", 7);
    bench.join("lobby", 8);
    let started = bench.started(record_body("lobby"));
    bench.seconds(8);
    let mut body = plain_body("lobby");
    body["clientRequest"]["streamSubscribe"] = json!({"videoUidList": {"unSubscribeVideoUids": ["8"]}});
    assert_eq!(bench.update(&started.target, &body).status, 200);
    let before = bench.only_session().files.len();
    bench.seconds(11);
    let later = bench.only_session().files.split_off(before);
    assert!(later.iter().any(|f| f.contains("_s_7__uid_e_video_") && f.ends_with("jpg")), "{later:?}");
    assert!(!later.iter().any(|f| f.contains("_s_8__") && f.ends_with("jpg")), "{later:?}");
    body["clientRequest"]["streamSubscribe"] = json!({"audioUidList": {"subscribeAudioUids": ["7"]}});
    assert_eq!(bench.update(&started.target, &body).status, 200);
    let before = bench.only_session().files.len();
    bench.seconds(30);
    let later = bench.only_session().files.split_off(before);
    assert!(!later.iter().any(|file| file.ends_with("jpg")), "audio alone: no snapshots: {later:?}");
}
