//! Notifications in virtual time: what is sent, when, how often, and what a test can make of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;

use agora_simulator::notices::{NoticeState, Outcome, Verdict, sign};
use agora_simulator::service::User;
use serde_json::{Value, json};
use support::{APP, Bench, envelope, record_body, start_body};

const SECOND: u64 = 1000;

/// A header of an attempt.
fn header<'a>(delivery: &'a agora_simulator::notices::Delivery, name: &str) -> Option<&'a str> {
    delivery.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
}

/// Whether both signatures are those of the endpoint's secret.
fn is_genuine(delivery: &agora_simulator::notices::Delivery) -> bool {
    let good = sign("secret", &delivery.body);
    header(delivery, "Agora-Signature") == Some(&good.sha1)
        && header(delivery, "Agora-Signature-V2") == Some(&good.sha256)
}

#[test]
fn every_event_of_a_session_is_sent_once_in_its_envelope_and_signed() {
    let mut bench = Bench::default();
    bench.notify();
    let started = bench.running();
    bench.stop(&started.target);
    bench.seconds(10);
    let session = bench.only_session();
    assert_eq!(session.events.len(), 7, "{:?}", session.events);
    assert_eq!(bench.sent.len(), session.events.len());
    let mut ids = BTreeSet::new();
    for (number, ((at, delivery), event)) in bench.sent.iter().zip(&session.events).enumerate() {
        let body = envelope(delivery);
        assert_eq!(delivery.url, "https://example.com/ncs");
        assert_eq!(header(delivery, "Content-Type"), Some("application/json"));
        assert!(is_genuine(delivery));
        assert_eq!((&body["productId"], &body["eventType"]), (&json!(3), &json!(event.event_type)));
        assert_eq!((&body["payload"], &body["sid"]), (&event.payload, &json!(started.target.sid)));
        assert_eq!(body["payload"]["sequence"], number);
        assert_eq!((&body["notifyMs"], &body["payload"]["sendts"]), (&json!(*at), &json!(*at)));
        assert!(ids.insert(body["noticeId"].as_str().unwrap().to_owned()), "{body}");
    }
    let types: Vec<u64> = bench.sent_types();
    assert_eq!(types[..3], [40, 30, 44]);
    assert_eq!(types[types.len() - 3..], [41, 31, 11]);
    assert!(types.contains(&45));
    let counts = bench.service.notice_counts();
    assert_eq!((counts.delivered, counts.attempts, counts.open), (counts.notices, counts.notices, 0));
}

#[test]
fn nothing_is_sent_without_an_endpoint_or_of_what_was_not_subscribed_to() {
    let mut bench = Bench::default();
    bench.running();
    assert!(bench.sent.is_empty());
    bench.notify_of(Some(&[45, 11]));
    bench.seconds(20);
    assert_eq!(bench.sent_types(), [45, 45, 45, 45], "what was before is not made up for");
    bench.service.remove_endpoint(bench.now, APP);
    bench.seconds(20);
    assert_eq!(bench.sent.len(), 4);
}

#[test]
fn what_is_not_answered_with_200_and_json_is_sent_again_three_times() {
    let failures = [
        (Outcome::Answered { status: 500, json: true }, Verdict::WrongStatus, Some(500)),
        (Outcome::Answered { status: 204, json: false }, Verdict::WrongStatus, Some(204)),
        (Outcome::Answered { status: 200, json: false }, Verdict::NotJson, Some(200)),
        (Outcome::TimedOut, Verdict::TimedOut, None),
        (Outcome::Unreachable("refused".into()), Verdict::Unreachable, None),
    ];
    for (receipt, verdict, status) in failures {
        let mut bench = Bench::with(&[("resendSeconds", "7")]);
        bench.receipt = Some(receipt);
        bench.notify_of(Some(&[40]));
        bench.running();
        bench.seconds(60);
        let first = bench.sent[0].0;
        let times: Vec<u64> = bench.sent.iter().map(|(at, _)| at - first).collect();
        assert_eq!(times, [0, 0, 7 * SECOND, 21 * SECOND], "at once, then at growing intervals");
        let bodies: Vec<Value> = bench.sent.iter().map(|(_, delivery)| envelope(delivery)).collect();
        for ((at, delivery), body) in bench.sent.iter().zip(&bodies) {
            assert_eq!((&body["noticeId"], &body["notifyMs"]), (&bodies[0]["noticeId"], &json!(*at)));
            assert!(is_genuine(delivery), "each is signed anew");
        }
        let notice = &bench.service.notices()[0];
        assert_eq!(notice.state, NoticeState::GivenUp);
        assert_eq!(notice.attempts.len(), 4);
        assert!(notice.attempts.iter().all(|it| it.verdict == Some(verdict) && it.status == status));
        assert_eq!(bench.service.notice_counts().given_up, 1);
    }
}

#[test]
fn a_receiver_that_comes_back_gets_the_rest() {
    let mut bench = Bench { receipt: None, ..Bench::default() };
    bench.notify_of(Some(&[40]));
    bench.running();
    assert_eq!(bench.sent.len(), 1, "nothing more is sent while an attempt is under way");
    let number = bench.sent[0].1.number;
    let again = bench.service.notified(bench.now, number, Outcome::TimedOut);
    bench.perform(again);
    let settled = bench.service.notified(bench.now, number, support::TAKEN);
    bench.perform(settled);
    // A second outcome of the same attempt is nobody's.
    bench.service.notified(bench.now, number, Outcome::TimedOut);
    bench.seconds(60);
    let notice = &bench.service.notices()[0];
    let verdicts: Vec<Option<Verdict>> = notice.attempts.iter().map(|it| it.verdict).collect();
    assert_eq!(verdicts, [Some(Verdict::TimedOut), Some(Verdict::Delivered)]);
    assert_eq!(notice.state, NoticeState::Delivered);
}

#[test]
fn lost_notifications_are_never_sent_and_known_to_be_lost() {
    let mut bench = Bench::default();
    bench.notify();
    bench.rule(json!({"eventTypes": [40], "lose": true}));
    bench.rule(json!({"eventTypes": [45], "lose": true, "times": 2}));
    bench.running();
    bench.seconds(20);
    let types = bench.sent_types();
    let kept = bench.events(45).len();
    assert!(!types.contains(&40) && types.contains(&44), "{types:?}");
    assert_eq!(types.iter().filter(|it| **it == 45).count(), kept - 2);
    assert_eq!(bench.service.notice_counts().lost, 3);
    let lost = bench.service.notices().iter().filter(|it| it.state == NoticeState::Lost);
    assert!(lost.clone().count() == 3 && lost.into_iter().all(|it| it.attempts.is_empty()));
}

#[test]
fn late_and_doubled_notifications_come_when_the_rule_says() {
    let mut bench = Bench::default();
    bench.notify_of(Some(&[40]));
    bench.rule(json!({"lateSeconds": 30, "double": "ownId", "doubleAfterSeconds": 60}));
    bench.running();
    bench.seconds(120);
    let event = bench.only_session().events[0].payload.clone();
    let joined = event["sendts"].as_u64().unwrap();
    let times: Vec<u64> = bench.sent.iter().map(|(at, _)| at - joined).collect();
    assert_eq!(times, [30 * SECOND, 90 * SECOND]);
    let bodies: Vec<Value> = bench.sent.iter().map(|(_, delivery)| envelope(delivery)).collect();
    assert!(bodies.iter().all(|body| body["payload"] == event));
    assert_ne!(bodies[0]["noticeId"], bodies[1]["noticeId"]);
    assert_eq!(bodies[0]["notifyMs"], joined + 30 * SECOND);
    let second: Vec<bool> = bench.service.notices().iter().map(|notice| notice.second).collect();
    assert_eq!(second, [false, true]);

    let mut same = Bench::default();
    same.notify_of(Some(&[40]));
    same.rule(json!({"double": "sameId"}));
    same.running();
    let ids: BTreeSet<String> =
        same.sent.iter().map(|(_, it)| envelope(it)["noticeId"].to_string()).collect();
    assert_eq!((same.sent.len(), ids.len()), (2, 1));
}

#[test]
fn shuffled_notifications_lose_their_order_and_nothing_else() {
    let mut bench = Bench::default();
    bench.notify();
    bench.rule(json!({"shuffleSeconds": 60}));
    bench.running();
    bench.seconds(120);
    bench.service.clear_notice_rules(bench.now);
    bench.service.remove_endpoint(bench.now, APP);
    let sequence = |bench: &Bench| -> Vec<u64> {
        let number = |(_, it): &(u64, _)| envelope(it)["payload"]["sequence"].as_u64().unwrap();
        bench.sent.iter().map(number).collect()
    };
    let mut seen = sequence(&bench);
    assert!(!seen.is_sorted(), "{seen:?}");
    seen.sort_unstable();
    let whole: Vec<u64> = (0..seen.len() as u64).collect();
    assert_eq!(seen[..10], whole[..10], "none is lost or doubled");
}

#[test]
fn forged_notifications_carry_a_signature_that_is_not_the_secrets() {
    for forgery in ["wrongSecret", "absent", "alteredBody"] {
        let mut bench = Bench::default();
        bench.notify_of(Some(&[40, 44]));
        bench.rule(json!({"eventTypes": [40], "forge": forgery}));
        bench.running();
        let (_, forged) = &bench.sent[0];
        let (_, genuine) = &bench.sent[1];
        assert_eq!(envelope(forged)["eventType"], 40, "the body is one that could be believed");
        assert!(!is_genuine(forged), "{forgery}");
        let headers =
            ["Agora-Signature", "Agora-Signature-V2"].map(|name| header(forged, name).map(str::len));
        let expected = if forgery == "absent" { [None, None] } else { [Some(40), Some(64)] };
        assert_eq!(headers, expected, "{forgery}");
        assert!(is_genuine(genuine));
    }
}

#[test]
fn bodies_on_demand_are_sent_as_they_are_past_all_rules() {
    let mut bench = Bench::default();
    assert!(bench.service.send_raw(bench.now, APP, b"{}".to_vec(), None).is_err(), "there is no endpoint");
    bench.notify();
    bench.rule(json!({"lose": true}));
    let body = b"\xFF not even text".to_vec();
    let (number, effects) = bench.service.send_raw(bench.now, APP, body.clone(), None).unwrap();
    bench.perform(effects);
    assert_eq!(bench.sent[0].1.body, body);
    assert!(is_genuine(&bench.sent[0].1));
    assert_eq!(bench.service.notices()[number as usize - 1].state, NoticeState::Delivered);
    let forged = serde_json::from_value(json!("wrongSecret")).unwrap();
    let (_, effects) = bench.service.send_raw(bench.now, APP, body, Some(forged)).unwrap();
    bench.perform(effects);
    assert!(!is_genuine(&bench.sent[1].1));
}

#[test]
fn the_consoles_test_is_one_call_for_each_subscribed_event_without_channel_and_sid() {
    let mut bench = Bench { receipt: Some(Outcome::TimedOut), ..Bench::default() };
    bench.notify_of(Some(&[40, 45]));
    let (numbers, effects) = bench.service.test_endpoint(bench.now, APP).unwrap();
    bench.perform(effects);
    bench.seconds(60);
    assert_eq!((numbers.len(), bench.sent_types()), (2, vec![40, 45]), "sent once, whatever comes of it");
    for (_, delivery) in &bench.sent {
        let body = envelope(delivery);
        assert_eq!(body["payload"], json!({"channelName": "test_webhook", "uid": 12_121_212}));
        assert!(body.get("sid").is_none() && is_genuine(delivery), "{body}");
    }
    let mut all = Bench::default();
    all.notify();
    assert_eq!(all.service.test_endpoint(all.now, APP).unwrap().0.len(), 15);
}

#[test]
fn a_storm_brings_snapshot_events_at_its_rate() {
    let mut bench = Bench::default();
    bench.notify_of(Some(&[45]));
    bench.running();
    let before = bench.sent.len();
    let kept = bench.only_session().events.len();
    let storm = serde_json::from_value(json!({"perSecond": 200, "count": 1000})).unwrap();
    let (began, effects) = (bench.now, bench.service.storm(bench.now, APP, &storm).unwrap());
    bench.perform(effects);
    bench.pass(5 * SECOND);
    let sid = bench.only_session().sid;
    let storm: Vec<(u64, Value)> =
        bench.sent[before..].iter().map(|(at, it)| (at - began, envelope(it)["payload"].clone())).collect();
    // The session's own snapshot of these five seconds comes between.
    assert_eq!(storm.len(), 1001);
    assert_eq!(bench.only_session().events.len(), kept + 1, "the storm is not kept with the session");
    assert_eq!(storm.iter().filter(|(at, _)| *at < SECOND).count() / 10, 20);
    let names: BTreeSet<&str> =
        storm.iter().map(|(_, payload)| payload["details"]["fileName"].as_str().unwrap()).collect();
    assert_eq!(names.len(), storm.len());
    for uid in 1..=17 {
        let mark = format!("{sid}_lobby__uid_s_{uid}__uid_e_video_");
        assert!(names.iter().any(|name| name.contains(&mark)), "{mark}");
    }
    let sequences: BTreeSet<u64> =
        storm.iter().map(|(_, payload)| payload["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences.len(), storm.len(), "with the session's own events it makes one sequence");
}

#[test]
fn a_storm_can_be_of_a_session_that_never_was() {
    let mut bench = Bench::default();
    bench.notify();
    let storm = |body: Value| serde_json::from_value(body).unwrap();
    let none = storm(json!({"perSecond": 10, "count": 10}));
    assert!(bench.service.storm(bench.now, APP, &none).is_err(), "no session is live");
    let strong = storm(json!({"perSecond": 0, "count": 10, "unknownSid": true}));
    assert!(bench.service.storm(bench.now, APP, &strong).is_err());
    let unknown = storm(json!({"perSecond": 10, "count": 10, "unknownSid": true, "users": 3}));
    let effects = bench.service.storm(bench.now, APP, &unknown).unwrap();
    bench.perform(effects);
    bench.pass(900);
    assert_eq!(bench.sent.len(), 10);
    let sids: BTreeSet<String> = bench.sent.iter().map(|(_, it)| envelope(it)["sid"].to_string()).collect();
    assert_eq!((sids.len(), bench.service.sessions(bench.now).len()), (1, 0));
    bench.pass(60 * SECOND);
    assert_eq!((bench.sent.len(), bench.service.next_wakeup()), (10, None));
}

#[test]
fn settings_decide_the_form_of_the_envelope() {
    let digits = |text: &str, lengths: &[usize], between: char| {
        let parts: Vec<&str> = text.split(between).collect();
        parts.iter().map(|part| part.len()).collect::<Vec<_>>() == lengths
            && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    for (form, sid) in [("hex", "present"), ("uuid", "absent"), ("parts", "present")] {
        let mut bench = Bench::with(&[("noticeId", form), ("envelopeSid", sid)]);
        bench.notify();
        bench.running();
        let body = envelope(&bench.sent[0].1);
        assert_eq!(body.get("sid").is_some(), sid == "present");
        let id = body["noticeId"].as_str().unwrap();
        let fits = match form {
            "hex" => digits(id, &[32], '-'),
            "uuid" => digits(id, &[8, 4, 4, 4, 12], '-'),
            _ => id.split(':').map(str::parse::<u32>).filter(Result::is_ok).count() == 3,
        };
        assert!(fits, "{form}: {id}");
    }
}

#[test]
fn the_uploader_tells_that_it_began_and_once_a_minute_how_far_it_is() {
    let mut bench = Bench::default();
    bench.notify_of(Some(&[30, 33]));
    let started = bench.running();
    bench.seconds(3 * 60);
    assert_eq!(bench.events(30), [json!({"msgName": "uploader_started", "status": 0})]);
    let progress = |bench: &Bench| -> Vec<u64> {
        let told = bench.sent.iter().map(|(_, it)| envelope(it)["payload"]["details"]["progress"].clone());
        told.filter_map(|progress| progress.as_u64()).collect()
    };
    assert_eq!(bench.sent_types(), [30, 33, 33, 33]);
    let joined = bench.sent[0].0;
    assert_eq!(bench.sent[2].0, joined + 120 * SECOND);
    assert_eq!(progress(&bench), [10_000; 3]);
    bench.service.set_storage_down(bench.now, true);
    bench.seconds(60);
    let last = progress(&bench).pop().unwrap();
    assert!((5_000..10_000).contains(&last), "{last}");
    bench.service.set_storage_down(bench.now, false);
    bench.stop(&started.target);
    bench.seconds(600);
    assert!(progress(&bench).len() <= 5, "a session that is gone tells nothing more");

    for (body, kept) in [(start_body("lobby"), 0), (record_body("lobby"), 2)] {
        let mut silent = Bench::with(&[("snapshotOnlyUploaderEvents", "absent")]);
        silent.notify_of(Some(&[30, 33]));
        silent.join("lobby", 7);
        silent.started(body);
        silent.seconds(64);
        assert_eq!(silent.sent.len(), kept);
    }
}

#[test]
fn event_43_follows_the_audio_that_is_received() {
    let mut bench = Bench::default();
    bench.join("lobby", 7);
    bench.started(record_body("lobby"));
    bench.seconds(10);
    bench.put("lobby", 7, User { audio: false, ..User::default() });
    bench.join("lobby", 8);
    bench.join("lobby", 7);
    let told: Vec<(Value, Value)> =
        bench.events(43).iter().map(|it| (it["streamUid"].clone(), it["state"].clone())).collect();
    let expected = [("7", 0), ("7", 1), ("8", 0), ("7", 0)].map(|(uid, state)| (json!(uid), json!(state)));
    assert_eq!(told, expected);
    assert_eq!(bench.events(43)[0]["msgName"], "recorder_audio_stream_state_changed");

    let mut video = Bench::default();
    video.running();
    assert!(video.events(43).is_empty(), "streamTypes 1 receives no audio");
}

#[test]
fn the_process_on_a_lost_server_may_still_say_that_it_leaves() {
    for (setting, count) in [("absent", 0), ("sent", 1)] {
        let mut bench = Bench::with(&[("lostServerEvents", setting)]);
        let started = bench.running();
        let effects = bench.service.fail_over(bench.now, &started.target.sid).unwrap();
        bench.perform(effects);
        bench.seconds(100);
        let session = bench.only_session();
        let of_original: Vec<u32> = session
            .events
            .iter()
            .filter(|event| {
                event.payload["uid"] == json!(session.uid) && [11, 41].contains(&event.event_type)
            })
            .map(|event| event.event_type)
            .collect();
        assert_eq!(of_original.len(), 2 * count, "{of_original:?}");
        assert_eq!(session.status, 5, "it goes on under {}", session.current_uid);
    }
}

#[test]
fn an_endpoint_changes_nothing_of_what_happens() {
    let run = |notify: bool| {
        let mut bench = Bench::default();
        if notify {
            bench.notify();
            bench.rule(json!({"percent": 50, "shuffleSeconds": 30, "double": "ownId"}));
        }
        let started = bench.running();
        bench.seconds(60);
        bench.stop(&started.target);
        bench.seconds(60);
        let session = bench.only_session();
        (session.sid, session.files, session.stop_time)
    };
    assert_eq!(run(true), run(false));
}
