//! The vendor's check vector, each event as documented, and bodies that are none of ours.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// From the vendor's documents, with secret `secret`.
const VECTOR: &[u8] = br#"{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f","notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}"#;
const SHA1: &str = "033c62f40f687675f17f0f41f91a40c71c0f134c";
const SHA256: &str = "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99";

fn secret(text: &str) -> SecretString {
    text.into()
}

#[test]
fn the_check_vector_of_the_documents_and_what_differs_from_it() {
    let wrong = SHA256.replace("6d", "6e");
    for (sha1, sha256, expected, why) in [
        (Some(SHA1), Some(SHA256), true, "as the vendor sends it"),
        (None, Some(SHA256), true, "the stronger one alone"),
        (Some(SHA1), None, true, "the older one alone"),
        (None, None, false, "no signature"),
        (Some(SHA1), Some(wrong.as_str()), false, "a good older one does not make up for a bad one"),
        (Some(SHA256), None, false, "in the wrong header"),
        (None, Some(&SHA256[..62]), false, "cut"),
        (None, Some("not hexadecimal"), false, "no number at all"),
        (None, Some(""), false, "empty"),
    ] {
        let signatures = Signatures { sha1, sha256 };
        assert_eq!(signatures.are_of(VECTOR, &secret("secret")), expected, "{why}");
    }
    let signatures = Signatures { sha1: Some(SHA1), sha256: Some(SHA256) };
    assert!(!signatures.are_of(VECTOR, &secret("Secret")), "another secret");
    assert!(!signatures.are_of(&VECTOR[1..], &secret("secret")), "other bytes");
    assert!(!signatures.are_of(VECTOR, &secret("")), "no secret");
}

#[test]
fn nobody_signs_with_an_empty_secret() {
    // What an endpoint without a secret would accept from anybody.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(b"").unwrap();
    mac.update(VECTOR);
    let signature = hex::encode(mac.finalize().into_bytes());
    let signatures = Signatures { sha1: None, sha256: Some(&signature) };
    assert!(!signatures.are_of(VECTOR, &secret("")));
}

fn body(event_type: i64, details: Value) -> Value {
    json!({
        "noticeId": "2000001428:4330:107", "productId": 3, "eventType": event_type, "notifyMs": 1_611_566_412_672_i64,
        "payload": {
            "cname": "lobby", "uid": "527841", "sid": "8dbd0c41b8e6e2a1a1d9e4f1b1a1c1d1", "sequence": 0,
            "sendts": 1_611_566_412_672_i64, "serviceType": 1, "serviceScene": "rtc_snapshot", "details": details,
        },
    })
}

fn read_value(body: &Value) -> Option<Tiding> {
    read(body.to_string().as_bytes()).map(|notification| notification.tiding)
}

#[test]
fn each_event_as_it_is_documented() {
    let trouble = |module, code, level| Trouble { module, code, level };
    for (event_type, details, expected) in [
        (
            1,
            json!({"msgName": "cloud_recording_error", "module": 1, "errorLevel": 5, "errorCode": 47, "stat": 0,
                "errorMsg": "upload"}),
            Event::Error(trouble(1, 47, 5)),
        ),
        (2, json!({"module": 1, "warnCode": 31}), Event::Warning(trouble(1, 31, 0))),
        (11, json!({"exitStatus": 0}), Event::Exited { normally: true }),
        (11, json!({"exitStatus": 1}), Event::Exited { normally: false }),
        (12, json!({"newUid": 4_294_967_295_i64}), Event::FailedOver { new_uid: 4_294_967_295 }),
        (31, json!({"status": 0, "fileList": []}), Event::Uploaded),
        (32, json!({"status": 0}), Event::BackedUp),
        (31, json!({"status": 1}), Event::Other),
        (32, json!({}), Event::Other),
        (12, json!({"newUid": 4_294_967_296_i64}), Event::Other),
        (12, json!({"newUid": 0}), Event::Other),
        (44, json!({"streamUid": "-7", "state": 0}), Event::Other),
        (40, json!({"status": 0}), Event::Joined),
        (40, json!({"status": 1}), Event::Other),
        (41, json!({"leaveCode": 4}), Event::Left { code: 4 }),
        (44, json!({"streamUid": "7", "state": 0, "UtcMs": 1}), Event::Video { user: 7, received: true }),
        (44, json!({"streamUid": 7, "state": 1}), Event::Video { user: 7, received: false }),
        (45, json!({"fileName": "a/b.jpg"}), Event::Snapshot { file: "a/b.jpg".into() }),
        (43, json!({"streamUid": "7", "state": 0}), Event::Other),
        (1, json!({"errorCode": 47}), Event::Other),
        (45, json!({}), Event::Other),
        (12, Value::Null, Event::Other),
        (9_999, json!({"new": true}), Event::Other),
    ] {
        let tiding = read_value(&body(event_type, details.clone())).expect("of a session");
        assert_eq!(tiding.event, expected, "{event_type} {details}");
        assert_eq!((tiding.channel.as_str(), tiding.uid), ("lobby", 527_841));
        assert_eq!(tiding.sid, "8dbd0c41b8e6e2a1a1d9e4f1b1a1c1d1");
        assert_eq!(tiding.time.as_millisecond(), 1_611_566_412_672);
    }
}

#[test]
fn the_sid_may_stand_beside_the_payload() {
    let mut body = body(40, json!({"status": 0}));
    body["payload"].as_object_mut().expect("a payload").remove("sid");
    assert_eq!(read_value(&body), None, "of which session?");
    body["sid"] = json!("d1");
    assert_eq!(read_value(&body).expect("of a session").sid, "d1");
    body["payload"]["sid"] = json!("");
    assert_eq!(read_value(&body).expect("of a session").sid, "d1");
}

#[test]
fn what_is_none_of_ours_is_passed_by() {
    let good = || body(45, json!({"fileName": "a.jpg"}));
    let with = |path: &str, value: Value| {
        let mut body = good();
        *body.pointer_mut(path).expect("a field") = value;
        body
    };
    for body in [
        with("/productId", json!(1)),
        with("/payload/uid", json!("a name")),
        with("/payload/uid", Value::Null),
        with("/payload/uid", json!("0")),
        with("/payload/sid", json!("")),
        with("/payload", json!({"channelName": "test_webhook", "uid": 12_121_212})),
        with("/payload/sendts", json!(i64::MAX)),
        json!({"msg": "hello"}),
        json!([]),
        Value::Null,
    ] {
        assert_eq!(read_value(&body), None, "{body}");
    }
    assert_eq!(read(VECTOR), None, "of another product");
    assert_eq!(read(b""), None);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,80}") {
        read(&bytes);
        Signatures { sha1: Some(&text), sha256: None }.are_of(&bytes, &secret("s"));
        Signatures { sha1: None, sha256: Some(&text) }.are_of(&bytes, &secret("s"));
    }
}
