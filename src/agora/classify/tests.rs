//! The vendor's tables, row by row and verb by verb, and what is none of its answers.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

mod strangers;

const RESOURCE: &str = "JyvK8nXHuV1BE64GDkAaBGEscvtHW7v8BrQoRPCHxmeVxwY22-x-kv4GdPcjZeMzoCBUCOr9q";
const SID: &str = "38f8e3cfdc474cd56fc1ceba380d7e1a";
const SESSION: SessionAddress<'_> = SessionAddress {
    app_id: "970ca35de60c44645bbae8a215061b33",
    channel: "lobby",
    recorder_uid: 1001,
    resource_id: RESOURCE,
    sid: SID,
};

const VERBS: [Verb; 5] = [Verb::Acquire, Verb::Start, Verb::Query, Verb::Update, Verb::Stop];

fn nothing_secret() -> Redactor {
    Redactor::new([])
}

/// What any verb makes of an answer, with the confirmed value as text.
fn judged(verb: Verb, http: u16, body: &[u8]) -> Outcome<String> {
    let reply = Reply::new(http, None, Some(body));
    judged_reply(verb, &reply, &nothing_secret())
}

fn judged_reply(verb: Verb, reply: &Reply, redactor: &Redactor) -> Outcome<String> {
    match verb {
        Verb::Acquire => acquired(reply, "lobby", "1001", redactor),
        Verb::Start => started(reply, RESOURCE, redactor).map(|started| format!("{started:?}")),
        Verb::Query => queried(reply, &SESSION, redactor).map(|queried| format!("{queried:?}")),
        Verb::Update => updated(reply, &SESSION, redactor).map(|()| "updated".to_owned()),
        Verb::Stop => stopped(reply, &SESSION, redactor).map(|stopped| format!("{stopped:?}")),
    }
}

fn json_judged(verb: Verb, http: u16, body: &Value) -> Outcome<String> {
    judged(verb, http, body.to_string().as_bytes())
}

/// `R`efused, `D`oubtful or `C`onfirmed, and why.
fn short(outcome: &Outcome<String>) -> String {
    match outcome {
        Outcome::Confirmed(what) => format!("C {what}"),
        Outcome::Rejected(answer) => format!("R {:?}", answer.kind),
        Outcome::Unknown(answer) => format!("D {:?}", answer.kind),
        Outcome::NotSent(answer) => format!("N {:?}", answer.kind),
    }
}

/// The envelope of most answers, with more in it.
fn fat(more: &Value) -> Value {
    let mut body = json!({"cname": "lobby", "uid": "1001", "resourceId": RESOURCE, "sid": SID});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn code(code: i64, reason: &str) -> Value {
    json!({"code": code, "reason": reason})
}

fn message(message: &str) -> Value {
    json!({"message": message})
}

/// The current table; the last column is what it means, the same for all the verbs named.
fn current() -> Vec<(Vec<Verb>, u16, Value, &'static str)> {
    let all = VERBS.to_vec();
    let (acquire, start, stop) = (vec![Verb::Acquire], vec![Verb::Start], vec![Verb::Stop]);
    let control = vec![Verb::Query, Verb::Update, Verb::Stop];
    let except_stop = vec![Verb::Acquire, Verb::Start, Verb::Query, Verb::Update];
    vec![
        (all.clone(), 400, message("appid is invalid"), "R AppIdInvalid"),
        (all.clone(), 401, message("Unauthorized"), "R Unauthorized"),
        (all.clone(), 401, message("Invalid authentication credentials"), "R Unauthorized"),
        (all.clone(), 404, message("no Route matched with those values"), "R NoRoute"),
        (all.clone(), 429, message("API rate limit exceeded"), "R RateLimited"),
        (all.clone(), 400, code(2, "request_hash mismatch!"), "R InvalidParameter"),
        (acquire.clone(), 400, code(400, "invalid_appid"), "R AppIdInvalid"),
        (acquire.clone(), 400, code(401, "invalid_channel_name"), "R InvalidParameter"),
        (acquire.clone(), 400, code(405, "no_active_status"), "R AccountSuspended"),
        (acquire.clone(), 400, code(406, "vendor_over_load"), "R QuotaExceeded"),
        (acquire.clone(), 500, code(500, "internal_error"), "R ServerFault"),
        (acquire.clone(), 500, code(501, "no_worker_manager_available"), "R NoWorker"),
        (acquire.clone(), 500, code(504, "allocate_timeout"), "R NoWorker"),
        (start.clone(), 201, code(7, "already started"), "C Already { sid: None }"),
        (all.clone(), 206, code(65, "request not completed"), "D Late"),
        (start.clone(), 400, code(53, "task conflict"), "R Conflict"),
        (start.clone(), 500, code(502, "Failed to allocate worker"), "R NoWorker"),
        (start.clone(), 500, code(62, "request timeout"), "D BackendTimeout"),
        (control.clone(), 404, code(404, "failed to find worker"), "R NotFound"),
        (control, 504, code(62, "request timeout"), "D BackendTimeout"),
        (stop.clone(), 206, code(435, "no recorded data"), "C NoRecordedData"),
        (stop.clone(), 400, code(49, "invalid operation"), "C AlreadyStopping"),
        (stop.clone(), 206, code(50, "upload timeout"), "C UploadUnfinished"),
        (except_stop, 206, code(435, "no recorded data"), "D ServerFault"),
        // Too many requests for the quota: a 400 whose body is not documented.
        (all, 400, message("API rate limit exceeded"), "R RateLimited"),
    ]
}

/// Codes that are only in older pages, SDKs and tickets.
fn old() -> Vec<(Vec<Verb>, u16, Value, &'static str)> {
    let all = VERBS.to_vec();
    let (acquire, start, query) = (vec![Verb::Acquire], vec![Verb::Start], vec![Verb::Query]);
    let except_stop = vec![Verb::Acquire, Verb::Start, Verb::Query, Verb::Update];
    vec![
        (all.clone(), 400, code(8, "HTTP request header incorrect"), "R InvalidParameter"),
        (except_stop, 400, code(49, "invalid operation"), "R InvalidParameter"),
        (acquire.clone(), 400, code(53, "task conflict"), "R Conflict"),
        (acquire.clone(), 400, code(62, "service not enabled"), "R AppIdInvalid"),
        (acquire, 504, code(62, "request timeout"), "D BackendTimeout"),
        (all.clone(), 400, code(432, "webResource is not allowed for this scene!"), "R InvalidParameter"),
        (all.clone(), 400, code(433, "resourceId expired"), "R ResourceInvalid"),
        (all.clone(), 400, code(1001, "cannot parse resourceId"), "R ResourceInvalid"),
        (all.clone(), 400, code(1003, "sid does not match resourceId"), "R ResourceInvalid"),
        (all.clone(), 400, code(1013, "channel name invalid"), "R InvalidParameter"),
        (all.clone(), 400, code(1028, "invalid layout"), "R InvalidParameter"),
        (all.clone(), 500, code(2, "post method api body check failed!"), "R InvalidParameter"),
        // The service is leaving: asked again it says 404, or 49.
        (query, 500, code(501, "service exiting"), "D ServerFault"),
        (vec![Verb::Stop], 500, code(501, "service exiting"), "D ServerFault"),
        (start, 500, json!({"resourceId": RESOURCE, "sid": "", "code": 15}), "D ServerFault"),
        (all, 400, code(9, "not in any table"), "R InvalidParameter"),
    ]
}

#[test]
fn every_row_of_the_vendors_tables() {
    for (verbs, http, body, meaning) in current().into_iter().chain(old()) {
        for verb in verbs {
            let outcome = json_judged(verb, http, &body);
            assert_eq!(short(&outcome), meaning, "{verb:?} {http} {body}");
            // A code in a string is the same code.
            let mut in_text = body.clone();
            if let Some(code) = body.get("code") {
                in_text["code"] = json!(code.to_string());
            }
            assert_eq!(short(&json_judged(verb, http, &in_text)), meaning, "{verb:?} {http} {in_text}");
            if let Some(answer) = outcome.answer() {
                assert_eq!((answer.http, answer.code), (Some(http), body["code"].as_i64()));
                let said = body.get("reason").or(body.get("message")).and_then(Value::as_str);
                let expected = said.map_or(format!("HTTP {http} without a reason"), str::to_owned);
                assert_eq!(answer.words, expected);
            }
        }
    }
}

#[test]
fn successes() {
    let fat = |more: Value| fat(&more);
    let response = |response: Value| fat(json!({"serverResponse": response}));
    for (verb, http, body, meaning) in [
        (Verb::Acquire, 200, json!({"cname": "lobby", "uid": "1001", "resourceId": "r-1"}), "C r-1"),
        // Very old answers have nothing else.
        (Verb::Acquire, 200, json!({"resourceId": "r-1"}), "C r-1"),
        (Verb::Start, 200, fat(json!({})), "C New { sid: \"38f8e3cfdc474cd56fc1ceba380d7e1a\" }"),
        (Verb::Start, 200, json!({"resourceId": RESOURCE, "sid": "F96E79"}), "C New { sid: \"F96E79\" }"),
        (
            Verb::Start,
            201,
            fat(json!({"code": 7})),
            "C Already { sid: Some(\"38f8e3cfdc474cd56fc1ceba380d7e1a\") }",
        ),
        (Verb::Start, 201, json!({"reason": "already started"}), "C Already { sid: None }"),
        (
            Verb::Query,
            200,
            response(json!({"status": 5, "sliceStartTime": 1})),
            "C Queried { status: 5, identity: Proved }",
        ),
        (
            Verb::Query,
            200,
            json!({"serverResponse": {"status": "4"}}),
            "C Queried { status: 4, identity: Likely }",
        ),
        (
            Verb::Query,
            200,
            response(json!({"status": 5, "fileListMode": "json", "fileList": [{"fileName": "a"}]})),
            "C Queried { status: 5, identity: Proved }",
        ),
        (Verb::Update, 200, fat(json!({})), "C updated"),
        (Verb::Stop, 200, response(json!({"uploadingStatus": "uploaded"})), "C Uploaded"),
        (Verb::Stop, 200, response(json!({"uploadingStatus": "backuped", "fileList": []})), "C BackedUp"),
        (Verb::Stop, 200, response(json!({"uploadingStatus": "unknow"})), "C UploadUnknown"),
        (Verb::Stop, 200, response(json!({"uploadingStatus": "unknown"})), "C UploadUnknown"),
        (Verb::Stop, 200, fat(json!({})), "C UploadUnknown"),
        (Verb::Stop, 206, fat(json!({})), "C UploadUnfinished"),
        (Verb::Stop, 206, response(json!({})), "C UploadUnfinished"),
    ] {
        assert_eq!(short(&json_judged(verb, http, &body)), meaning, "{verb:?} {http} {body}");
    }
}

#[test]
fn fat_bodies_seen_in_tickets() {
    let leaving = fat(&json!({"code": 49, "serverResponse": {
        "backuped": 0, "fileListMode": "", "fileListStr": "", "gwWorkerVersion": "1", "inProgressBitmask": 0,
        "output": "", "payload": {"message": "Failed"}, "selectionBitmask": 0, "subscribeModeBitmask": 1,
    }}));
    assert_eq!(short(&json_judged(Verb::Stop, 400, &leaving)), "C AlreadyStopping");
    let gone = fat(&json!({"code": 404, "serverResponse": {
        "command": "StopCloudRecorder", "payload": {"message": "failed to find worker"}, "subscribeModeBitmask": 1,
        "vid": "1",
    }}));
    for verb in [Verb::Query, Verb::Update, Verb::Stop] {
        let outcome = json_judged(verb, 404, &gone);
        assert_eq!(short(&outcome), "R NotFound");
        assert_eq!(outcome.answer().unwrap().words, "failed to find worker");
    }
}

#[test]
fn a_404_counts_only_with_its_code() {
    for body in [message("Not Found"), json!({}), json!({"code": "x"}), code(2, "bad"), json!({"code": null})]
    {
        for verb in VERBS {
            assert_eq!(short(&json_judged(verb, 404, &body)), "D ServerFault", "{verb:?} {body}");
        }
    }
    assert_eq!(short(&judged(Verb::Query, 404, b"<html>404 Not Found</html>")), "D Unreadable");
    // There is nothing yet that acquire and start could not find.
    for verb in [Verb::Acquire, Verb::Start] {
        assert_eq!(short(&json_judged(verb, 404, &code(404, "failed to find worker"))), "D ServerFault");
    }
}

#[test]
fn another_sessions_answer_confirms_nothing() {
    let other = |field: &str| {
        let mut body = fat(&json!({"serverResponse": {"status": 5, "uploadingStatus": "uploaded"}}));
        body[field] = json!("other");
        body
    };
    // After a failover the recorder has another uid.
    let meaning = short(&json_judged(Verb::Query, 200, &other("uid")));
    assert_eq!(meaning, "C Queried { status: 5, identity: Likely }");
    for field in ["cname", "resourceId", "sid"] {
        let meaning = short(&json_judged(Verb::Query, 200, &other(field)));
        assert_eq!(meaning, "C Queried { status: 5, identity: Other }", "{field}");
        for verb in [Verb::Update, Verb::Stop] {
            assert_eq!(short(&json_judged(verb, 200, &other(field))), "D ServerFault", "{verb:?} {field}");
        }
    }
    for field in ["cname", "uid"] {
        assert_eq!(short(&json_judged(Verb::Acquire, 200, &other(field))), "D ServerFault", "{field}");
    }
    assert_eq!(short(&json_judged(Verb::Start, 200, &other("resourceId"))), "D ServerFault");
    let mut already = other("resourceId");
    already["code"] = json!(7);
    assert_eq!(short(&json_judged(Verb::Start, 201, &already)), "C Already { sid: None }");
    for code in [49, 50, 435] {
        let mut body = other("sid");
        body["code"] = json!(code);
        assert!(short(&json_judged(Verb::Stop, 206, &body)).starts_with('D'), "{code}");
    }
    for field in ["cname", "uid", "resourceId", "sid"] {
        let mut body = fat(&json!({"serverResponse": {"status": 5}}));
        body.as_object_mut().unwrap().remove(field);
        let meaning = short(&json_judged(Verb::Query, 200, &body));
        assert_eq!(meaning, "C Queried { status: 5, identity: Likely }", "without {field} nothing is proved");
    }
    // A number is the same uid.
    let mut body = fat(&json!({"serverResponse": {"status": 5}}));
    body["uid"] = json!(1001);
    assert_eq!(short(&json_judged(Verb::Query, 200, &body)), "C Queried { status: 5, identity: Proved }");
}

#[test]
fn success_without_what_was_asked_for_confirms_nothing() {
    for (verb, body) in [
        (Verb::Acquire, json!({"resourceId": ""})),
        (Verb::Acquire, json!({"resourceId": "a b"})),
        (Verb::Acquire, json!({"resourceId": ".."})),
        (Verb::Acquire, json!({"resourceId": 5})),
        (Verb::Acquire, json!({"resourceId": "r", "code": 2})),
        (Verb::Start, json!({"resourceId": RESOURCE, "sid": ""})),
        (Verb::Start, json!({"resourceId": RESOURCE})),
        (Verb::Query, fat(&json!({"serverResponse": {}}))),
        (Verb::Query, fat(&json!({"status": 5}))),
        (Verb::Query, fat(&json!({"code": 65, "serverResponse": {"status": 5}}))),
        (Verb::Update, json!({})),
        (Verb::Update, json!({"ok": true})),
        (Verb::Stop, json!({})),
        (Verb::Stop, json!({"ok": true})),
    ] {
        for http in [200, 202, 204, 206] {
            let outcome = short(&json_judged(verb, http, &body));
            assert!(outcome.starts_with('D'), "{verb:?} {http} {body}: {outcome}");
        }
    }
}

#[test]
fn a_byte_order_mark_is_no_reason_to_lose_a_sid() {
    let body = format!("\u{feff}{}", fat(&json!({})));
    assert!(short(&judged(Verb::Start, 200, body.as_bytes())).starts_with("C New"));
}

#[test]
fn words_for_answers_without_words() {
    for (http, body, words) in [
        (302, "", "HTTP 302, a redirect; it is not followed"),
        (502, "<html>", "HTTP 502 and a body that is not the vendor's JSON"),
        (200, "{}", "HTTP 200 and a body without what was asked for"),
        (503, "{}", "HTTP 503 without a reason"),
        (503, r#"{"reason":" ","message":"busy"}"#, "busy"),
        (503, r#"{"reason":{},"serverResponse":{"playload":{"message":"odd"}}}"#, "odd"),
    ] {
        let outcome = judged(Verb::Query, http, body.as_bytes());
        assert_eq!(outcome.answer().unwrap().words, words, "{http} {body}");
    }
}

#[test]
fn retry_after_is_handed_on() {
    let body = message("API rate limit exceeded").to_string();
    let reply = Reply::new(429, Some(Duration::from_secs(3)), Some(body.as_bytes()));
    let outcome = judged_reply(Verb::Query, &reply, &nothing_secret());
    assert_eq!(outcome.answer().unwrap().retry_after, Some(Duration::from_secs(3)));
}

#[test]
fn transport_faults() {
    let (limit, http) = (Duration::from_secs(20), None);
    for (fault, meaning, words) in [
        (Fault::Name, "N Unreachable", "the host name of the vendor's API could not be resolved"),
        (
            Fault::Unreachable("connection refused".to_owned()),
            "N Unreachable",
            "the vendor's API could not be reached: connection refused",
        ),
        (Fault::TimedOut { limit, http }, "D TimedOut", "no answer within 20 s"),
        (
            Fault::TimedOut { limit, http: Some(200) },
            "D TimedOut",
            "HTTP 200, but its body did not come within 20 s",
        ),
        (Fault::Lost { http }, "D ConnectionLost", "the connection broke before an answer came"),
        (
            Fault::Lost { http: Some(400) },
            "D ConnectionLost",
            "HTTP 400, but the connection broke in its body",
        ),
    ] {
        let outcome: Outcome<String> = failed(&fault, &nothing_secret());
        assert_eq!((short(&outcome).as_str(), outcome.answer().unwrap().words.as_str()), (meaning, words));
    }
}
