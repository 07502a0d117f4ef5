//! Answers of the vendor: any HTTP status and body, for each call. What is confirmed is proved by the answer itself, what
//! is rejected was refused in the service's own words, and the words shown are short, stable and without secrets.
//!
//! An input is a line `<call> <HTTP status> <Retry-After in seconds or ->`, then the body.

use std::time::Duration;

use agora_snapshot_operator::agora::classify;
use agora_snapshot_operator::agora::client::SessionAddress;
use agora_snapshot_operator::agora::reply::{LONGEST_BODY, Reply};
use agora_snapshot_operator::agora::words::Redactor;
use agora_snapshot_operator::lifecycle::outcome::{
    Answer, Identity, Kind, Outcome, Queried, Started, Stopped,
};
use serde_json::{Map, Value};

use super::contains;

const CHANNEL: &str = "lobby";
const UID: i64 = 527_841;
const RESOURCE: &str = "r-4eb720f08da711e9_resource";
const SID: &str = "38f8e3cfdc474cd56fc1ceba380d7e1a";
const SECRETS: [&str; 3] = ["customer-id-7f3a", "p\"a\\ss\tw\u{f6}rd", "bucket/secret+KEY=="];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Call {
    Acquire,
    Start,
    Query,
    Update,
    Stop,
}

const CALLS: [(&str, Call); 5] = [
    ("acquire", Call::Acquire),
    ("start", Call::Start),
    ("query", Call::Query),
    ("update", Call::Update),
    ("stop", Call::Stop),
];

struct Input<'a> {
    call: Call,
    http: u16,
    retry_after: Option<Duration>,
    body: &'a [u8],
}

impl<'a> Input<'a> {
    fn of(data: &'a [u8]) -> Self {
        let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let line = String::from_utf8_lossy(&data[..end]);
        let mut words = line.split(' ');
        let call = words.next().and_then(|word| CALLS.iter().find(|(name, _)| *name == word));
        let chosen = CALLS[usize::from(data.first().copied().unwrap_or(0)) % CALLS.len()];
        let http = words.next().and_then(|word| word.parse().ok()).unwrap_or(200);
        let retry_after = words.next().and_then(|word| word.parse().ok()).map(Duration::from_secs);
        Self { call: call.unwrap_or(&chosen).1, http, retry_after, body: &data[(end + 1).min(data.len())..] }
    }

    fn object(&self) -> Option<Map<String, Value>> {
        let body = self.body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(self.body);
        serde_json::from_slice(body).ok().filter(|_| self.body.len() <= LONGEST_BODY)
    }

    fn reply(&self) -> Reply {
        Reply::new(self.http, self.retry_after, Some(self.body).filter(|body| body.len() <= LONGEST_BODY))
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Proved {
    ResourceId(String),
    Start(Started),
    Query(Queried),
    Update,
    Stop(Stopped),
}

fn session() -> SessionAddress<'static> {
    let (channel, resource_id, sid) = (CHANNEL, RESOURCE, SID);
    SessionAddress {
        app_id: "970ca35de60c44645bbae8a215061b33",
        channel,
        recorder_uid: UID,
        resource_id,
        sid,
    }
}

fn classified(input: &Input<'_>, redactor: &Redactor) -> Outcome<Proved> {
    let reply = input.reply();
    match input.call {
        Call::Acquire => {
            classify::acquired(&reply, CHANNEL, &UID.to_string(), redactor).map(Proved::ResourceId)
        }
        Call::Start => classify::started(&reply, RESOURCE, redactor).map(Proved::Start),
        Call::Query => classify::queried(&reply, &session(), redactor).map(Proved::Query),
        Call::Update => classify::updated(&reply, &session(), redactor).map(|()| Proved::Update),
        Call::Stop => classify::stopped(&reply, &session(), redactor).map(Proved::Stop),
    }
}

/// The promises, for one answer.
pub(crate) fn check(data: &[u8]) {
    let input = Input::of(data);
    // One of the secrets is a piece of the very answer, wherever that is text.
    let echoed = String::from_utf8_lossy(input.body);
    let echoed: String = echoed.chars().skip(data.len() % 31).take(1 + data.len() % 24).collect();
    let secrets = SECRETS.into_iter().chain([echoed.as_str()]).filter(|secret| !secret.is_empty());
    let outcome = classified(&input, &Redactor::new(secrets.clone()));
    assert_eq!(outcome, classified(&input, &Redactor::new(secrets.clone())), "another time, another meaning");
    let _ = classify::asks_to_slow_down(&input.reply());
    match &outcome {
        Outcome::Confirmed(proved) => assert_proved(&input, proved),
        Outcome::Rejected(answer) => {
            assert_refused(&input, answer);
            assert_words(&input, answer, secrets);
        }
        Outcome::Unknown(answer) => assert_words(&input, answer, secrets),
        Outcome::NotSent(answer) => panic!("who answers was sent something: {answer:?}"),
    }
    assert_same_words_for_other_ids(&input);
}

// === what the answer itself has to say ===

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn assert_proved(input: &Input<'_>, proved: &Proved) {
    let object = input.object().expect("nothing is confirmed without the vendor's JSON");
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let code = object.get("code").filter(|code| !code.is_null());
    let no_error = code.is_none_or(|code| matches!(number(code), Some(0 | 200)));
    let code = code.and_then(number);
    let agrees = |name: &str, wanted: &str| match object.get(name) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text == wanted,
        Some(other) => other.to_string().as_str() == wanted,
    };
    let is_ours = || agrees("cname", CHANNEL) && agrees("resourceId", RESOURCE) && agrees("sid", SID);
    let names_a_session =
        || text("sid").is_some() || text("resourceId").is_some() || object.contains_key("serverResponse");
    let http = input.http;
    match proved {
        Proved::ResourceId(id) => {
            assert!(http == 200 && no_error && text("resourceId") == Some(id));
            assert!(agrees("cname", CHANNEL) && agrees("uid", &UID.to_string()));
            assert!(usable(id), "{id:?} goes into a URL");
        }
        Proved::Start(Started::New { sid }) => {
            assert!(http == 200 && text("sid") == Some(sid) && agrees("resourceId", RESOURCE) && usable(sid));
        }
        Proved::Start(Started::Already { sid }) => {
            assert!((200..300).contains(&http));
            assert!(code == Some(7) || code.is_none() && words_of(&object).contains(&"already started"));
            assert!(sid.is_none() || text("sid") == sid.as_deref() && agrees("resourceId", RESOURCE));
        }
        Proved::Query(Queried { status, identity }) => {
            let said = object.get("serverResponse").and_then(|response| response.get("status"));
            assert!(http == 200 && no_error && said.and_then(number) == Some(*status));
            let named = |name: &str, wanted: &str| {
                object.get(name).is_some_and(|value| !value.is_null()) && agrees(name, wanted)
            };
            let all = named("cname", CHANNEL) && named("resourceId", RESOURCE) && named("sid", SID);
            assert!(match identity {
                Identity::Proved => all && named("uid", &UID.to_string()),
                Identity::Likely => is_ours(),
                Identity::Other => !(all && named("uid", &UID.to_string())),
            });
        }
        Proved::Update => assert!(http == 200 && no_error && is_ours() && names_a_session()),
        Proved::Stop(stopped) => {
            let accepted = (200..300).contains(&http);
            assert!(is_ours(), "another session was stopped");
            assert!(match stopped {
                Stopped::Uploaded | Stopped::BackedUp | Stopped::UploadUnknown =>
                    http == 200 && no_error && names_a_session(),
                Stopped::UploadUnfinished =>
                    accepted && code == Some(50)
                        || http == 206 && !object.contains_key("code") && names_a_session()
                        || http == 206 && no_error && code.is_none() && names_a_session(),
                Stopped::NoRecordedData => (accepted || http == 400) && code == Some(435),
                Stopped::AlreadyStopping => (accepted || http == 400) && code == Some(49),
            });
        }
    }
}

fn usable(id: &str) -> bool {
    !id.is_empty() && id.len() <= 4096 && id.bytes().all(|byte| (33..127).contains(&byte))
}

/// What the service or its gateway may have said.
fn words_of(object: &Map<String, Value>) -> Vec<&str> {
    let payload = |name: &str| object.get("serverResponse")?.get(name)?.get("message");
    let all = [object.get("reason"), object.get("message"), payload("payload"), payload("playload")];
    all.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// `Rejected` settles a claim: it has to be the service's, or its gateway's, own refusal.
fn assert_refused(input: &Input<'_>, answer: &Answer) {
    let object = input.object().expect("a page that stands on the way refuses nothing");
    let code = object.get("code").and_then(number);
    assert!((400..600).contains(&input.http), "{} is no refusal", input.http);
    assert!(code.is_some() || !words_of(&object).is_empty() || matches!(input.http, 401 | 429));
    assert_ne!(code, Some(65), "65 was late, not refused");
    assert!(code != Some(62) || input.call == Call::Acquire || matches!(input.http, 401 | 429));
    assert_eq!(answer.code, code);
    if answer.kind == Kind::NotFound {
        assert!(input.http == 404 && code == Some(404), "only this 404 counts towards death");
        assert!(!matches!(input.call, Call::Acquire | Call::Start));
    }
    if answer.kind == Kind::Conflict {
        assert!((400..500).contains(&input.http) && code == Some(53));
    }
    if input.call == Call::Start && input.http >= 500 {
        assert!(
            matches!(code, Some(2 | 502)),
            "a start that met a fault of the service may have had an effect"
        );
    }
}

// === what is shown ===

fn assert_words<'a>(input: &Input<'_>, answer: &Answer, secrets: impl Iterator<Item = &'a str>) {
    let words = &answer.words;
    assert_eq!((answer.http, answer.retry_after), (Some(input.http), input.retry_after));
    assert!(words.len() <= 300, "{} bytes", words.len());
    assert!(!words.contains(char::is_control), "{words:?}");
    for secret in secrets {
        assert!(!contains(words, secret), "{secret:?} is in {words:?}");
    }
    for run in words.split(|c: char| !c.is_ascii_alphanumeric()) {
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let mixed = digits > 0 && digits < run.len();
        assert!(
            !(mixed && run.len() >= 16 || digits == run.len() && digits >= 12),
            "{run:?} is in {words:?}"
        );
    }
}

/// An answer that differs in nothing but ids has the same words, or the object would wake itself for ever.
fn assert_same_words_for_other_ids(input: &Input<'_>) {
    let Ok(body) = std::str::from_utf8(input.body) else { return };
    if body.contains('\\') || body.contains(SID) || body.contains("4eb720f0") {
        return;
    }
    let other: String = body
        .split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(|run| if is_id(run) { run.chars().map(turned).collect() } else { run.to_owned() })
        .collect();
    let none = Redactor::new([]);
    let said = |body: &[u8]| {
        let input = Input { body, ..*input };
        classified(&input, &none).answer().map(|answer| (answer.kind, answer.words.clone()))
    };
    assert_eq!(said(input.body), said(other.as_bytes()), "{body:?} and {other:?}");
}

fn is_id(run: &str) -> bool {
    let letters = run.bytes().filter(u8::is_ascii_alphabetic).count();
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    // Not a number with an exponent.
    letters >= 4 && digits >= 4 && letters + digits >= 16
}

fn turned(c: char) -> char {
    match c {
        '1'..='8' => char::from(c as u8 + 1),
        '9' => '1',
        other => other,
    }
}
