//! Values of Secrets: any bytes under any key. They are used or refused, and never shown: not by an error, not by `Debug`.
//!
//! An input is `{"spec": <fields to set>, "secrets": {<name>: {<key>: <text, or base64 after "base64:">}}}`. Bytes that are
//! no JSON are themselves the value of some of the keys.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::time::Duration;

use agora_snapshot_operator::agora::bodies;
use agora_snapshot_operator::agora::material::{Account, Material, Secrets};
use agora_snapshot_operator::agora::token::Token;
use agora_snapshot_operator::api::SnapshotJobSpec;
use agora_snapshot_operator::snapshots::{Bucket, Connections, Keys, Limits, Location, Tally};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Choices, contains};

const UID: i64 = 1001;

/// Shortest value that is looked for: shorter ones stand in errors by chance.
const SHORTEST: usize = 10;

fn usual() -> Value {
    json!({
        "spec": {
            "credentialsRef": {"name": "agora"},
            "channel": {"appId": "970ca35de60c44645bbae8a215061b33", "name": "lobby", "profile": "LiveBroadcasting"},
            "storage": {"vendor": "AmazonS3", "region": "us-east-1", "bucket": "snapshots", "credentialsRef": {"name": "bucket"}},
        },
        "secrets": {
            "agora": {"customerId": "customer-0123", "customerSecret": "customer-4567"},
            "bucket": {"accessKey": "access-89ab", "secretKey": "secret-cdef"},
        },
    })
}

/// With every reference to a Secret that there is.
fn full() -> Value {
    let mut all = usual();
    all["spec"]["channel"]["recorders"] =
        json!([{"uid": UID, "tokenSecretKeyRef": {"name": "token", "key": "token"}}]);
    all["spec"]["channel"]["encryption"] = json!({"mode": "AES256GCM2",
        "secretKeyRef": {"name": "encryption", "key": "secret"}, "saltSecretKeyRef": {"name": "encryption", "key": "salt"}});
    all
}

fn input(data: &[u8]) -> (SnapshotJobSpec, Secrets) {
    let given = serde_json::from_slice(data).unwrap_or(Value::Null);
    let mut all = if given.is_object() { usual() } else { raw(data) };
    merge(&mut all, &given);
    let spec = serde_json::from_value(all["spec"].clone());
    let spec = spec.unwrap_or_else(|_| serde_json::from_value(usual()["spec"].clone()).expect("a spec"));
    let mut secrets = Secrets::new();
    for (name, keys) in all["secrets"].as_object().into_iter().flatten() {
        let keys = keys.as_object().map(|keys| {
            keys.iter().map(|(key, value)| (key.clone(), bytes(value))).collect::<BTreeMap<_, _>>()
        });
        secrets.insert(name.clone(), keys);
    }
    (spec, secrets)
}

fn raw(data: &[u8]) -> Value {
    let mut choices = Choices(data);
    let mut all = if choices.flag() { full() } else { usual() };
    let which = choices.byte();
    let value = json!(format!("base64:{}", STANDARD.encode(choices.0)));
    let keys = [
        ("agora", "customerId"),
        ("agora", "customerSecret"),
        ("agora", "appCertificate"),
        ("bucket", "accessKey"),
        ("bucket", "secretKey"),
        ("bucket", "stsToken"),
        ("token", "token"),
        ("encryption", "secret"),
        ("encryption", "salt"),
    ];
    for (at, (name, key)) in keys.iter().enumerate() {
        if which == 255 || usize::from(which) % keys.len() == at || usize::from(which / 16) % keys.len() == at
        {
            all["secrets"][name][key] = value.clone();
        }
    }
    all
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (into, from) => *into = from.clone(),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let encoded = text.strip_prefix("base64:").and_then(|encoded| STANDARD.decode(encoded).ok());
    encoded.unwrap_or_else(|| text.into_bytes())
}

/// The promises, for the Secrets of one job.
pub(crate) fn check(data: &[u8]) {
    let (spec, secrets) = input(data);
    let shown = shown(&spec, &secrets);
    // When keys end is no secret.
    let times = secrets.values().flatten().filter_map(|keys| keys.get("stsExpiration")).collect::<Vec<_>>();
    for value in secrets.values().flatten().flat_map(BTreeMap::values).filter(|value| !times.contains(value))
    {
        assert_unseen(value, &shown, &spec, &secrets);
    }
}

/// Everything that is said of these Secrets.
fn shown(spec: &SnapshotJobSpec, secrets: &Secrets) -> Vec<String> {
    let now = jiff::Timestamp::from_second(1_767_225_600).expect("2026");
    let mut shown = Vec::new();
    match Account::from_secret(&spec.credentials_ref.name, secrets) {
        Ok(account) => shown.push(format!("{account:?}")),
        Err(problem) => shown.push(format!("{problem} {problem:?}")),
    }
    match Material::gather(spec, UID, secrets, now, 4711) {
        Ok(material) => {
            shown.push(format!("{material:?}"));
            match bodies::start_body(spec, UID, &material) {
                Ok(body) => {
                    shown.push(format!("{body:?}"));
                    serde_json::to_string(&body).expect("what was gathered can be sent");
                }
                Err(problem) => shown.push(format!("{problem} {problem:?}")),
            }
            if let Ok(body) = bodies::update_body(spec, UID, &material) {
                shown.push(format!("{body:?}"));
            }
        }
        Err(problem) => shown.push(format!("{problem} {problem:?}")),
    }
    for text in secrets
        .values()
        .flatten()
        .flat_map(|keys| keys.values())
        .filter_map(|it| std::str::from_utf8(it).ok())
    {
        if let Err(problem) = Token::parse(text.trim()) {
            shown.push(format!("{problem} {problem:?}"));
        }
    }
    shown.extend(looked(spec, secrets));
    shown
}

fn assert_unseen(value: &[u8], shown: &[String], spec: &SnapshotJobSpec, secrets: &Secrets) {
    let Ok(text) = std::str::from_utf8(value) else { return };
    let text = text.trim();
    // What the spec has, too, is no secret.
    if text.len() < SHORTEST || serde_json::to_string(spec).expect("a spec").contains(text) {
        return;
    }
    let escaped = text.escape_debug().to_string();
    let says = |line: &String| contains(line, text) || contains(line, &escaped);
    if let Some(line) = shown.iter().find(|line| says(line)) {
        // A value may be words of ours by chance, and then they are said with any other value, too.
        let by_chance = self::shown(spec, &with_other(secrets, value)).iter().any(says);
        assert!(by_chance, "{text:?} is in {line:?}");
    }
}

/// The Secrets with another value wherever this one stands, of the same length and kind.
fn with_other(secrets: &Secrets, value: &[u8]) -> Secrets {
    let next = |byte: &u8| match *byte {
        b'z' => b'a',
        b'Z' => b'A',
        b'9' => b'0',
        byte if byte.is_ascii_alphanumeric() => byte + 1,
        byte => byte,
    };
    let other =
        |known: &Vec<u8>| if known == value { known.iter().map(next).collect() } else { known.clone() };
    let others =
        |keys: &BTreeMap<String, Vec<u8>>| keys.iter().map(|(key, it)| (key.clone(), other(it))).collect();
    secrets.iter().map(|(name, keys)| (name.clone(), keys.as_ref().map(others))).collect()
}

// === the bucket's keys ===

struct Place {
    runtime: Runtime,
    connections: Connections,
    /// Nobody listens there.
    endpoint: http::Uri,
}

thread_local! {
    static PLACE: OnceCell<Place> = const { OnceCell::new() };
}

fn place() -> Place {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connections = Connections::new(Duration::from_secs(5), None).expect("connections");
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let endpoint = format!("http://{}", port.expect("a port of loopback")).parse().expect("a URL");
    Place { runtime, connections, endpoint }
}

/// Lists with the keys as they are; nobody answers.
fn looked(spec: &SnapshotJobSpec, secrets: &Secrets) -> Vec<String> {
    let Some(Some(secret)) = secrets.get(&spec.storage.credentials_ref.name) else { return Vec::new() };
    let text = |key: &str| std::str::from_utf8(secret.get(key)?).ok().map(|text| text.trim().to_owned());
    let (Some(access_key), Some(secret_key)) = (text("accessKey"), text("secretKey")) else {
        return Vec::new();
    };
    let keys = Keys { access_key, secret_key, session_token: text("stsToken") };
    PLACE.with(|place_of| {
        let place = place_of.get_or_init(place);
        let location = match Location::of(&spec.storage, Some(&place.endpoint)) {
            Ok(location) => location,
            Err(problem) => return vec![format!("{problem} {problem:?}")],
        };
        let azure = Location::Azure { container: "snapshots".into() };
        let mut shown = vec![format!("{keys:?}")];
        match Bucket::open(&azure, None, &keys, &place.connections) {
            Ok(bucket) => shown.push(format!("{bucket:?}")),
            Err(problem) => shown.push(format!("{problem} {problem:?}")),
        }
        match Bucket::open(&location, spec.storage.prefix.as_deref(), &keys, &place.connections) {
            Ok(bucket) => {
                let mut tally = Tally::default();
                let sids = ["38f8e3cfdc474cd56fc1ceba380d7e1a"];
                let look = place.runtime.block_on(bucket.look(&mut tally, &sids, Limits::default()));
                let problem = look.problem.expect("nobody answers");
                shown.push(format!("{bucket:?} {problem} {problem:?}"));
            }
            Err(problem) => shown.push(format!("{problem} {problem:?}")),
        }
        shown
    })
}
