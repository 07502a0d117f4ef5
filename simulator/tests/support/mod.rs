//! A service in virtual time: calls with good bodies, uploads that succeed unless told otherwise.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a module of test binaries, each of which uses a part of it"
)]

pub mod program;

use std::num::NonZeroU32;

use agora_simulator::answer::Answer;
use agora_simulator::clock::{Clock, Millis};
use agora_simulator::notices::{Delivery, Endpoint, Outcome as Receipt};
use agora_simulator::service::{
    Config, Effect, Outcome, Reply, Service, SessionReport, Target, Ticket, Upload, UploadFailure, User,
};
use agora_simulator::settings::Settings;
use serde_json::{Value, json};

pub const APP: &str = "970ca35de60c44645bbae8a215061b33";
pub const UID: &str = "527841";
/// 2023-11-14T22:13:20Z.
pub const ORIGIN: Millis = 1_700_000_000_000;

pub struct Bench {
    pub service: Service,
    pub now: Millis,
    pub uploads: Vec<Upload>,
    pub answers: Vec<(Ticket, Answer, Millis)>,
    pub notes: Vec<String>,
    /// What becomes of every upload; nothing leaves it under way.
    pub fate: Option<Result<(), UploadFailure>>,
    /// Every attempt to deliver a notification, and when it was made.
    pub sent: Vec<(Millis, Delivery)>,
    /// What becomes of each; nothing leaves it under way.
    pub receipt: Option<Receipt>,
}

/// A notification as its receiver reads it.
pub fn envelope(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).unwrap()
}

pub const TAKEN: Receipt = Receipt::Answered { status: 200, json: true };

pub struct Started {
    pub target: Target,
    pub body: Value,
}

pub fn start_body(cname: &str) -> Value {
    json!({
        "cname": cname, "uid": UID,
        "clientRequest": {
            "recordingConfig": {"channelType": 1, "streamTypes": 1, "maxIdleTime": 30, "subscribeUidGroup": 0},
            "snapshotConfig": {"captureInterval": 5, "fileType": ["jpg"]},
            "storageConfig": {
                "vendor": 1, "region": 0, "bucket": "snapshots", "accessKey": "AKEY", "secretKey": "SKEY",
                "fileNamePrefix": ["directory1", "directory2"],
            },
        },
    })
}

pub fn record_body(cname: &str) -> Value {
    let mut body = start_body(cname);
    body["clientRequest"]["recordingFileConfig"] = json!({"avFileType": ["hls"]});
    body["clientRequest"]["recordingConfig"]["streamTypes"] = json!(2);
    body
}

pub fn plain_body(cname: &str) -> Value {
    json!({"cname": cname, "uid": UID, "clientRequest": {}})
}

impl Default for Bench {
    fn default() -> Self {
        Self::with(&[])
    }
}

impl Bench {
    pub fn with(set: &[(&str, &str)]) -> Self {
        Self::made_of(set, None, 1)
    }

    pub fn made_of(set: &[(&str, &str)], app_certificate: Option<&str>, speed: u32) -> Self {
        let mut settings = Settings::default();
        for (name, value) in set {
            settings.set(name, value).unwrap();
        }
        let clock = Clock::new(ORIGIN, NonZeroU32::new(speed).unwrap());
        let app_certificate = app_certificate.map(str::to_owned);
        let service = Service::new(Config { clock, seed: 42, app_certificate, settings });
        Self {
            service,
            now: ORIGIN,
            uploads: Vec::new(),
            answers: Vec::new(),
            notes: Vec::new(),
            fate: Some(Ok(())),
            sent: Vec::new(),
            receipt: Some(TAKEN),
        }
    }

    pub fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Answer(ticket, answer) => self.answers.push((ticket, answer, self.now)),
                Effect::Notify(delivery) => {
                    let number = delivery.number;
                    self.sent.push((self.now, delivery));
                    if let Some(receipt) = self.receipt.clone() {
                        let more = self.service.notified(self.now, number, receipt);
                        self.perform(more);
                    }
                }
                Effect::Upload(upload) => {
                    let id = upload.id;
                    self.uploads.push(upload);
                    let more = match self.fate.clone() {
                        None => Vec::new(),
                        Some(Ok(())) => self.service.uploaded(self.now, id),
                        Some(Err(failure)) => self.service.upload_failed(self.now, id, failure),
                    };
                    self.perform(more);
                }
            }
        }
    }

    /// Sends the notifications of the App ID somewhere.
    pub fn notify(&mut self) {
        self.notify_of(None);
    }

    pub fn notify_of(&mut self, events: Option<&[u32]>) {
        let events = events.map(|events| events.iter().copied().collect());
        let endpoint = Endpoint { url: "https://example.com/ncs".into(), secret: "secret".into(), events };
        let effects = self.service.set_endpoint(self.now, APP, endpoint).unwrap();
        self.perform(effects);
    }

    pub fn rule(&mut self, rule: Value) {
        let rule = serde_json::from_value(rule).unwrap();
        let effects = self.service.add_notice_rule(self.now, rule).unwrap();
        self.perform(effects);
    }

    /// Types of what was sent so far, in order.
    pub fn sent_types(&self) -> Vec<u64> {
        self.sent.iter().map(|(_, delivery)| envelope(delivery)["eventType"].as_u64().unwrap()).collect()
    }

    /// Lets virtual time pass, event by event as the binary does.
    pub fn pass(&mut self, milliseconds: Millis) {
        let end = self.now + milliseconds;
        while let Some(next) = self.service.next_wakeup().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            let effects = self.service.tick(self.now);
            self.perform(effects);
        }
        self.now = end;
        let effects = self.service.tick(end);
        self.perform(effects);
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.pass(seconds * 1000);
    }

    pub fn join(&mut self, cname: &str, uid: u32) {
        self.put(cname, uid, User::default());
    }

    pub fn put(&mut self, cname: &str, uid: u32, user: User) {
        let effects = self.service.put_user(self.now, cname, uid, user);
        self.perform(effects);
    }

    pub fn leave(&mut self, cname: &str, uid: u32) {
        let effects = self.service.remove_user(self.now, cname, uid);
        self.perform(effects);
    }

    fn settle(&mut self, outcome: Outcome) -> Reply {
        let Outcome { reply, effects, notes } = outcome;
        self.notes.extend(notes);
        self.perform(effects);
        reply
    }

    fn settle_now(&mut self, outcome: Outcome) -> Answer {
        match self.settle(outcome) {
            Reply::Now(answer) => answer,
            Reply::Held(ticket) => panic!("the answer is held under ticket {ticket}"),
        }
    }

    pub fn acquire(&mut self, body: &Value) -> Answer {
        let outcome = self.service.acquire(self.now, APP, body);
        self.settle_now(outcome)
    }

    /// The target of a start with a fresh resource id.
    pub fn resource(&mut self, cname: &str) -> Target {
        self.resource_for(&plain_body(cname))
    }

    pub fn resource_for(&mut self, body: &Value) -> Target {
        let answer = self.acquire(body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let resource_id = answer.body["resourceId"].as_str().unwrap().to_owned();
        Target { app_id: APP.into(), resource_id, sid: String::new(), mode: "individual".into() }
    }

    pub fn start_with(&mut self, target: &Target, body: &Value) -> Answer {
        let outcome = self.service.start(self.now, target, body);
        self.settle_now(outcome)
    }

    pub fn started(&mut self, body: Value) -> Started {
        let mut target = self.resource(body["cname"].as_str().unwrap());
        let answer = self.start_with(&target, &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        target.sid = answer.body["sid"].as_str().unwrap().to_owned();
        Started { target, body }
    }

    /// A snapshot-only session in a channel with one host, past its first snapshot.
    pub fn running(&mut self) -> Started {
        self.join("lobby", 7);
        let started = self.started(start_body("lobby"));
        self.seconds(8);
        started
    }

    pub fn query(&mut self, target: &Target) -> Answer {
        let outcome = self.service.query(self.now, target);
        self.settle_now(outcome)
    }

    pub fn update(&mut self, target: &Target, body: &Value) -> Answer {
        let outcome = self.service.update(self.now, target, body);
        self.settle_now(outcome)
    }

    /// Stops and waits for the answer.
    pub fn stop(&mut self, target: &Target) -> Answer {
        self.stop_with(target, &plain_body("lobby"))
    }

    pub fn stop_with(&mut self, target: &Target, body: &Value) -> Answer {
        let outcome = self.service.stop(self.now, target, body);
        match self.settle(outcome) {
            Reply::Now(answer) => answer,
            Reply::Held(ticket) => {
                let deadline = self.now + 60_000;
                while self.now < deadline {
                    if let Some((_, answer, _)) = self.answers.iter().find(|(held, _, _)| *held == ticket) {
                        return answer.clone();
                    }
                    self.pass(100);
                }
                panic!("the stop was never answered");
            }
        }
    }

    pub fn only_session(&mut self) -> SessionReport {
        let mut sessions = self.service.sessions(self.now);
        assert_eq!(sessions.len(), 1);
        sessions.remove(0)
    }

    pub fn events(&mut self, kind: u32) -> Vec<Value> {
        let session = self.only_session();
        session.events.iter().filter(|e| e.event_type == kind).map(|e| e.payload["details"].clone()).collect()
    }
}

pub fn verdict(answer: &Answer) -> (u16, Option<u64>) {
    (answer.status, answer.code())
}

/// A body with one value put at a path like `clientRequest.snapshotConfig.fileType`; `null` removes it.
pub fn edited(mut body: Value, path: &str, value: Value) -> Value {
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = parents.split('.').filter(|key| !key.is_empty()).fold(&mut body, |at, key| &mut at[key]);
    if value.is_null() {
        parent.as_object_mut().unwrap().remove(last);
    } else {
        parent[last] = value;
    }
    body
}
