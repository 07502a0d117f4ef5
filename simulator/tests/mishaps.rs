//! What can happen to a session: lost servers, refused keys, storage that is down, a user with its uid.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use agora_simulator::service::{EndReason, State, UploadFailure};
use serde_json::{Value, json};
use support::{Bench, UID, plain_body, record_body, start_body, verdict};

const SECOND: u64 = 1000;

fn status(bench: &mut Bench, target: &agora_simulator::service::Target) -> Option<u64> {
    bench.query(target).body["serverResponse"]["status"].as_u64()
}

#[test]
fn a_failover_hides_the_session_then_goes_on_under_another_uid() {
    let mut bench = Bench::default();
    let started = bench.running();
    let effects = bench.service.fail_over(bench.now, &started.target.sid).unwrap();
    bench.perform(effects);
    let files = bench.only_session().file_count;
    bench.seconds(29);
    assert_eq!(verdict(&bench.query(&started.target)), (404, Some(404)));
    assert_eq!(verdict(&bench.stop(&started.target)), (404, Some(404)));
    assert_eq!(bench.only_session().file_count, files, "no snapshots meanwhile");
    bench.seconds(61 + 10);
    let session = bench.only_session();
    assert_eq!(session.status, 5);
    assert_ne!(session.current_uid, UID);
    assert_eq!(bench.events(12)[0]["newUid"].to_string(), session.current_uid);
    let newest = session.files.last().unwrap();
    assert!(newest.contains(&format!("/bak0_{}_lobby", started.target.sid)), "{newest}");
    assert_eq!(session.billed_seconds, 8 + 29 + 71);

    // The fence has fallen with the first server.
    let twin = bench.resource("lobby");
    assert_eq!(bench.start_with(&twin, &start_body("lobby")).status, 200);
    assert_eq!(
        verdict(&bench.stop(&started.target)),
        (206, Some(435)),
        "the original uid is the one to send"
    );
}

#[test]
fn which_uid_stops_after_a_failover_and_whether_it_is_free_meanwhile_are_settings() {
    for (uid_setting, during) in [("original", "free"), ("new", "taken")] {
        let mut bench = Bench::with(&[("uidAfterFailover", uid_setting), ("uidDuringFailover", during)]);
        let started = bench.running();
        bench.service.fail_over(bench.now, &started.target.sid).unwrap();
        let twin = bench.resource("lobby");
        let expected = if during == "free" { 200 } else { 400 };
        assert_eq!(bench.start_with(&twin, &start_body("lobby")).status, expected);
        bench.seconds(91);
        let new_uid = bench.service.sessions(bench.now)[0].current_uid.clone();
        let mut with_new = plain_body("lobby");
        with_new["uid"] = json!(new_uid);
        let (good, bad) = match uid_setting {
            "new" => (with_new, plain_body("lobby")),
            _ => (plain_body("lobby"), with_new),
        };
        assert_eq!(verdict(&bench.stop_with(&started.target, &bad)), (400, Some(2)));
        assert_eq!(verdict(&bench.stop_with(&started.target, &good)), (206, Some(435)));
    }
}

#[test]
fn the_fourth_loss_of_a_server_is_the_end() {
    let mut bench = Bench::default();
    let started = bench.running();
    for _ in 0..3 {
        bench.service.fail_over(bench.now, &started.target.sid).unwrap();
        bench.seconds(100);
        assert_eq!(bench.only_session().state, State::Live);
    }
    assert!(bench.only_session().files.last().unwrap().contains("/bak2_"));
    bench.service.fail_over(bench.now, &started.target.sid).unwrap();
    bench.seconds(10);
    assert_eq!(bench.only_session().end_reason, Some(EndReason::FailoverExhausted));
    assert_eq!(bench.events(11)[0]["exitStatus"], 1);
}

#[test]
fn a_killed_session_shows_status_twenty_for_a_moment() {
    let mut bench = Bench::default();
    let started = bench.running();
    bench.service.kill(bench.now, &started.target.sid).unwrap();
    assert_eq!(status(&mut bench, &started.target), Some(20));
    bench.seconds(6);
    assert_eq!(verdict(&bench.query(&started.target)), (404, Some(404)));
    assert!(bench.service.kill(bench.now, &started.target.sid).is_err());
    assert!(bench.service.kill(bench.now, "nobody").is_err());
}

#[test]
fn a_user_with_the_recorders_uid_ends_the_session() {
    let mut bench = Bench::default();
    bench.running();
    bench.join("lobby", UID.parse().unwrap());
    bench.seconds(4);
    assert_eq!(bench.only_session().state, State::Live);
    bench.seconds(12);
    assert_eq!(bench.only_session().end_reason, Some(EndReason::UidCollision));
}

#[test]
fn refused_keys_end_the_session_with_the_uploaders_code() {
    let refusals =
        [(UploadFailure::Refused("x".into()), 47), (UploadFailure::WrongConfiguration("x".into()), 32)];
    for (failure, code) in refusals {
        let mut bench = Bench { fate: Some(Err(failure)), ..Bench::default() };
        let started = bench.running();
        let session = bench.only_session();
        assert_eq!((session.end_reason, session.file_count), (Some(EndReason::StorageRefused), 0));
        assert_eq!(
            (&bench.events(1)[0]["module"], &bench.events(1)[0]["errorCode"]),
            (&json!(1), &json!(code))
        );
        bench.seconds(10);
        assert_eq!(verdict(&bench.query(&started.target)), (404, Some(404)));
    }
}

#[test]
fn a_storage_that_is_down_sends_files_to_the_backup_and_later_on() {
    let mut bench = Bench::default();
    bench.join("lobby", 7);
    let started = bench.started(record_body("lobby"));
    bench.service.set_storage_down(bench.now, true);
    bench.seconds(25);
    let codes: Vec<Value> = bench.events(2).iter().map(|details| details["warnCode"].clone()).collect();
    assert_eq!(codes[..3], [json!(31), json!(31), json!(31)][..], "{codes:?}");
    assert!(codes.contains(&json!(32)));
    assert_eq!(bench.only_session().file_count, 0);
    let answer = bench.stop(&started.target);
    assert_eq!(answer.body["serverResponse"]["uploadingStatus"], "backuped", "{answer:?}");
    bench.service.set_storage_down(bench.now, false);
    bench.seconds(70);
    let session = bench.only_session();
    assert!(session.file_count >= 5, "{:?}", session.files);
    assert!(bench.events(32).len() >= 5);
}

#[test]
fn a_slow_upload_makes_a_synchronous_stop_overrun() {
    for (setting, expected) in [("206", (206, Some(50))), ("200", (200, None))] {
        let mut bench = Bench::with(&[("syncStopOverrun", setting)]);
        let started = bench.running();
        bench.fate = None;
        bench.seconds(5);
        let asked = bench.now;
        assert_eq!(verdict(&bench.stop(&started.target)), expected);
        assert_eq!(bench.answers[0].2, asked + 20 * SECOND);
    }
}
