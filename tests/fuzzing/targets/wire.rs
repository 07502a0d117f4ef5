//! What comes over the connection in place of an answer: any bytes after a request. The client says nothing was sent only
//! if nothing was, believes no session that the bytes do not name, and shows no secret that they repeat.
//!
//! An input is a line with the call, then the bytes; in them `@BODY@` stands for the body of the request.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::Duration;

use agora_snapshot_operator::agora::bodies;
use agora_snapshot_operator::agora::budget::{JobKey, Priority};
use agora_snapshot_operator::agora::client::{Client, SessionAddress, StartVia, StopMode};
use agora_snapshot_operator::agora::material::{Account, Material, Secrets};
use agora_snapshot_operator::agora::settings::{ClientSettings, Limits};
use agora_snapshot_operator::api::SnapshotJobSpec;
use agora_snapshot_operator::lifecycle::outcome::{Outcome, Started};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::contains;

const APP_ID: &str = "970ca35de60c44645bbae8a215061b33";
const UID: i64 = 527_841;
const RESOURCE: &str = "resource";
const SID: &str = "38f8e3cfdc474cd56fc1ceba380d7e1a";
const VALUES: [&str; 4] = ["customer-id-val", "customer-secret-val", "access-key-val", "secret-key-val"];

/// Longer than loopback ever takes; an answer that is cut short ends by itself.
const LIMIT: Duration = Duration::from_secs(5);

struct Place {
    runtime: Runtime,
    listener: TcpListener,
    client: Client,
    account: Account,
    material: Material,
    spec: SnapshotJobSpec,
}

thread_local! {
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

impl Place {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port of loopback");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let limits = Limits { connect: LIMIT, call: LIMIT, stop: LIMIT };
        // The budget's waits would be all that this ever does.
        let settings =
            ClientSettings { endpoints: vec![endpoint], limits, scale: 1e6, ..ClientSettings::default() };
        let client = runtime.block_on(async { Client::new(&settings) }).expect("a client");
        let secrets = secrets();
        let spec = spec();
        let account = Account::from_secret("agora", &secrets).expect("an account");
        let material =
            Material::gather(&spec, UID, &secrets, jiff::Timestamp::UNIX_EPOCH, 1).expect("material");
        Self { runtime, listener, client, account, material, spec }
    }

    async fn call(&self, call: &str) -> Outcome<Proved> {
        let Self { client, account, material, spec, .. } = self;
        let job = JobKey::new("fuzzing");
        let (channel, resource_id, sid) = ("lobby", RESOURCE, SID);
        let session = SessionAddress { app_id: APP_ID, channel, recorder_uid: UID, resource_id, sid };
        match call {
            "acquire" => {
                let body = bodies::acquire_body(spec, UID);
                let outcome = client.acquire(account, APP_ID, &body, &job).await;
                outcome.map(|acquired| Proved::Id(acquired.resource_id))
            }
            "query" => {
                client.query(account, &session, Priority::Query, &job).await.map(|_| Proved::OfTheSession)
            }
            "update" => {
                let body = bodies::update_body(spec, UID, material).expect("a body");
                client.update(account, &session, &body, &job).await.map(|()| Proved::OfTheSession)
            }
            "stop" => client
                .stop(account, &session, StopMode::AwaitUpload, &job)
                .await
                .map(|_| Proved::OfTheSession),
            _ => {
                let body = bodies::start_body(spec, UID, material).expect("a body");
                let via = StartVia::default();
                client.start(account, APP_ID, RESOURCE, &body, via, &job).await.map(|started| match started {
                    Started::New { sid } | Started::Already { sid: Some(sid) } => Proved::Id(sid),
                    Started::Already { sid: None } => Proved::OfTheSession,
                })
            }
        }
    }
}

fn spec() -> SnapshotJobSpec {
    serde_json::from_value(json!({
        "credentialsRef": {"name": "agora"},
        "channel": {"appId": APP_ID, "name": "lobby", "profile": "LiveBroadcasting"},
        "storage": {"vendor": "AmazonS3", "region": "us-east-1", "bucket": "snapshots", "credentialsRef": {"name": "bucket"}},
    }))
    .expect("a spec")
}

fn secrets() -> Secrets {
    let secret = |keys: [&str; 2], at: usize| {
        Some(
            keys.into_iter()
                .zip(&VALUES[at..])
                .map(|(key, value)| (key.into(), value.as_bytes().to_vec()))
                .collect(),
        )
    };
    Secrets::from([
        ("agora".into(), secret(["customerId", "customerSecret"], 0)),
        ("bucket".into(), secret(["accessKey", "secretKey"], 2)),
    ])
}

#[derive(Debug)]
enum Proved {
    Id(String),
    OfTheSession,
}

/// The promises, for one connection.
pub(crate) fn check(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let call = String::from_utf8_lossy(&data[..end]).into_owned();
    let answer = &data[(end + 1).min(data.len())..];
    PLACE.with_borrow_mut(|place| {
        let place = place.get_or_insert_with(Place::new);
        let request = OnceLock::new();
        let outcome = place.runtime.block_on(async {
            let outcome = tokio::select! {
                outcome = place.call(&call) => outcome,
                () = serve(&place.listener, answer, &request) => unreachable!("it serves for ever"),
            };
            // The client's connection shall notice that it is at its end, or the next request would be sent into it.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            outcome
        });
        judge(&outcome, &with_body(answer, request.get().map_or(&[], Vec::as_slice)));
    });
}

fn judge(outcome: &Outcome<Proved>, sent: &[u8]) {
    let text = String::from_utf8_lossy(sent);
    let in_pieces = contains(&text, "chunked");
    match outcome {
        Outcome::Confirmed(Proved::Id(id)) => {
            assert!(in_pieces || text.contains(id.as_str()) || text.contains('\\'), "nobody said {id:?}");
        }
        Outcome::Confirmed(Proved::OfTheSession) => {}
        Outcome::Rejected(answer) => assert!(text.contains('{') && answer.http.is_some()),
        Outcome::Unknown(_) => {}
        Outcome::NotSent(answer) => panic!("the request was read, and yet it was not sent: {answer:?}"),
    }
    let Some(answer) = outcome.answer() else {
        assert!(text.contains("HTTP/1."), "who does not speak HTTP confirms nothing");
        return;
    };
    assert!(answer.words.len() <= 300 && !answer.words.contains(char::is_control), "{answer:?}");
    assert!(answer.retry_after.is_none_or(|wait| wait <= Duration::from_secs(600)), "{answer:?}");
    for value in VALUES {
        assert!(!contains(&answer.words, value), "{value} is in {answer:?}");
    }
}

/// Answers every request with these bytes, and ends the connection.
async fn serve(listener: &TcpListener, answer: &[u8], seen: &OnceLock<Vec<u8>>) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let body = read_request(&mut stream).await;
        // The client may end the connection before it has read all of this.
        let _ = stream.write_all(&with_body(answer, &body)).await;
        let _ = stream.shutdown().await;
        seen.get_or_init(|| body);
    }
}

async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length =
                head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return body.as_bytes().to_vec();
            }
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return Vec::new();
        }
    }
}

fn with_body(answer: &[u8], body: &[u8]) -> Vec<u8> {
    const PLACE: &[u8] = b"@BODY@";
    let Some(at) = answer.windows(PLACE.len()).position(|window| window == PLACE) else {
        return answer.to_vec();
    };
    // As the vendor would put it into a text.
    let escaped = serde_json::Value::from(String::from_utf8_lossy(body)).to_string();
    let escaped = &escaped.as_bytes()[1..escaped.len() - 1];
    [&answer[..at], escaped, &answer[at + PLACE.len()..]].concat()
}
