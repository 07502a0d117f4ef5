//! A client, a job and a session to make calls with.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use agora_snapshot_operator::agora::budget::JobKey;
use agora_snapshot_operator::agora::client::{Client, SessionAddress};
use agora_snapshot_operator::agora::material::{Account, Material, Secrets};
use agora_snapshot_operator::agora::observe::{Observer, Request, Verb};
use agora_snapshot_operator::agora::settings::{ClientSettings, Limits};
use agora_snapshot_operator::api::spec::SnapshotJobSpec;
use agora_snapshot_operator::lifecycle::outcome::{Answer, Outcome};
use serde_json::{Value, json};

pub(crate) const APP_ID: &str = "970ca35de60c44645bbae8a215061b33";
pub(crate) const RECORDER: i64 = 527_841;

/// Every secret in `secrets()`, to look for where none must be.
pub(crate) const SECRETS: [&str; 5] =
    ["customer-id", "customer-pass", "bucket-access", "bucket-secret", "open-sesame"];

/// What the client told of its requests, as `verb ending code domain`.
#[derive(Default)]
pub(crate) struct Observed(Mutex<Vec<String>>);

impl Observed {
    pub(crate) fn requests(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Observed {
    fn request(&self, request: &Request<'_>) {
        let Request { verb, ending, vendor_code, domain, duration } = request;
        assert!(!duration.is_zero());
        self.0.lock().unwrap().push(format!("{} {ending:?} {vendor_code:?} {domain}", verb.as_str()));
    }

    fn budget_wait(&self, _: Verb, _: Duration) {}
}

/// Limits that a loaded machine keeps and a test can wait for.
pub(crate) fn short_limits() -> Limits {
    let call = Duration::from_millis(1500);
    Limits { connect: Duration::from_millis(700), call, stop: call }
}

pub(crate) fn settings(endpoints: &[String]) -> ClientSettings {
    ClientSettings { endpoints: endpoints.to_vec(), ..ClientSettings::default() }
}

pub(crate) fn client(endpoints: &[String]) -> Client {
    Client::new(&settings(endpoints)).unwrap()
}

pub(crate) fn hasty_client(endpoints: &[String]) -> (Client, Arc<Observed>) {
    let observer = Arc::new(Observed::default());
    let settings =
        ClientSettings { limits: short_limits(), observer: observer.clone(), ..settings(endpoints) };
    (Client::new(&settings).unwrap(), observer)
}

pub(crate) fn job() -> JobKey {
    JobKey::new("5e1d7a52-6c36-4f0e-9d5c-1f3f3a2b7c11")
}

/// With these customer credentials, and more keys as `name/key`.
pub(crate) fn secrets(customer_id: &str, customer_secret: &str, more: &[(&str, &str)]) -> Secrets {
    let mut all = Secrets::new();
    let usual = [
        ("agora/customerId", customer_id),
        ("agora/customerSecret", customer_secret),
        ("bucket/accessKey", SECRETS[2]),
        ("bucket/secretKey", SECRETS[3]),
        ("e/secret", SECRETS[4]),
    ];
    for (path, value) in usual.into_iter().chain(more.iter().copied()) {
        let (name, key) = path.split_once('/').unwrap();
        let data = all.entry(name.to_owned()).or_default().get_or_insert_default();
        data.insert(key.to_owned(), value.as_bytes().to_vec());
    }
    all
}

pub(crate) fn account() -> Account {
    Account::from_secret("agora", &secrets(SECRETS[0], SECRETS[1], &[])).unwrap()
}

/// A job of snapshots only, changed.
pub(crate) fn spec(app_id: &str, change: impl FnOnce(&mut Value)) -> SnapshotJobSpec {
    let mut spec = json!({
        "credentialsRef": {"name": "agora"},
        "channel": {"appId": app_id, "name": "lobby", "profile": "LiveBroadcasting"},
        "storage": {
            "vendor": "AmazonS3", "region": "us-east-1", "bucket": "snapshots", "prefix": "a/b",
            "credentialsRef": {"name": "bucket"},
        },
    });
    change(&mut spec);
    serde_json::from_value(spec).unwrap()
}

pub(crate) fn material(spec: &SnapshotJobSpec, secrets: &Secrets) -> Material {
    Material::gather(spec, RECORDER, secrets, jiff::Timestamp::now(), 4711).unwrap()
}

pub(crate) fn session() -> SessionAddress<'static> {
    SessionAddress {
        app_id: APP_ID,
        channel: "lobby",
        recorder_uid: RECORDER,
        resource_id: "r/e s?o#u%rce",
        sid: "38f8e3cfdc474cd56fc1ceba380d7e1a",
    }
}

/// The name of an outcome, and its answer.
pub(crate) fn unconfirmed<T: std::fmt::Debug>(outcome: Outcome<T>) -> (&'static str, Answer) {
    match outcome {
        Outcome::Confirmed(value) => panic!("confirmed: {value:?}"),
        Outcome::Rejected(answer) => ("rejected", answer),
        Outcome::Unknown(answer) => ("unknown", answer),
        Outcome::NotSent(answer) => ("not sent", answer),
    }
}

pub(crate) fn confirmed<T>(outcome: Outcome<T>) -> T {
    let answer = outcome.answer().cloned();
    match outcome {
        Outcome::Confirmed(value) => value,
        Outcome::Rejected(_) | Outcome::Unknown(_) | Outcome::NotSent(_) => panic!("{answer:?}"),
    }
}
