//! The vendor's side of a world: what shall go wrong with its answers, and somebody else who calls it.

use agora_snapshot_operator::agora::token::{self, TokenFor};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::World;

/// A number of calls that no test reaches.
pub const ALL: u64 = 1_000_000;

impl World {
    /// The next `times` calls of `verb` are answered so, without an effect.
    pub async fn answer(&self, verb: &str, times: u64, status: u16, body: Value) {
        self.fault(json!({"verb": verb, "times": times, "answer": {"status": status, "body": body}})).await;
    }

    /// Arranges a fault of the simulator's.
    pub async fn fault(&self, fault: Value) {
        self.simulator.fault(fault).await.expect("the simulator takes the fault");
    }

    /// Takes all faults back.
    pub async fn mend(&self) {
        self.simulator.clear_faults().await.expect("the simulator takes its faults back");
    }

    /// A session that somebody else starts in `channel` with recorder uid `uid`: its resourceId and sid.
    pub async fn foreign_session(&self, channel: &str, uid: i64) -> (String, String) {
        let uid = uid.to_string();
        let acquired = self.call("acquire", json!({"cname": channel, "uid": uid, "clientRequest": {}})).await;
        let resource = acquired["resourceId"].as_str().expect("a resourceId").to_owned();
        let keys = self.testbed.s3().root();
        let body = json!({"cname": channel, "uid": uid, "clientRequest": {
            "recordingConfig": {"channelType": 0, "streamTypes": 1, "subscribeUidGroup": 0},
            "snapshotConfig": {"captureInterval": 10, "fileType": ["jpg"]},
            "storageConfig": {"vendor": 1, "region": 0, "bucket": self.bucket,
                "accessKey": keys.access_key, "secretKey": keys.secret_key},
        }});
        let started = self.call(&format!("resourceid/{resource}/mode/individual/start"), body).await;
        (resource, started["sid"].as_str().unwrap_or_else(|| panic!("no sid: {started}")).to_owned())
    }

    /// Stops such a session.
    pub async fn stop_foreign(&self, channel: &str, uid: i64, resource: &str, sid: &str) {
        let body = json!({"cname": channel, "uid": uid.to_string(), "clientRequest": {"async_stop": true}});
        self.call(&format!("resourceid/{resource}/sid/{sid}/mode/individual/stop"), body).await;
    }

    async fn call(&self, path: &str, body: Value) -> Value {
        let url =
            format!("{}/v1/apps/{}/cloud_recording/{path}", self.simulator.url(), self.simulator.app_id());
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let request = client
            .post(url)
            .basic_auth(self.simulator.customer_id(), Some(self.simulator.customer_secret()))
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = request.send().await.expect("an answer").text().await.expect("a body");
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no JSON: {answer}"))
    }

    /// An RTC token for this world's App ID that began so long ago and lives for so long.
    pub fn token(&self, channel: &str, uid: i64, began: SignedDuration, life: SignedDuration) -> String {
        let wanted = TokenFor { app_id: self.simulator.app_id(), channel, uid };
        let certificate = "5cfd2fd1755d40ecb72977518be15d3b";
        token::build(&wanted, certificate, Timestamp::now() - began, life, 1).expect("a token")
    }
}

/// Product seconds from the answer to each call to the arrival of the next.
pub fn waits(calls: &[Value], scale: u32) -> Vec<f64> {
    let time = |call: &Value, field: &str| -> Timestamp {
        let text = call[field].as_str().unwrap_or_else(|| panic!("no {field}: {call}"));
        text.parse().expect("a time")
    };
    let between = |pair: &[Value]| time(&pair[1], "time").duration_since(time(&pair[0], "answered"));
    calls.windows(2).map(|pair| between(pair).as_secs_f64() * f64::from(scale)).collect()
}

/// Asserts that the calls came no sooner after each other than `least` says, in product seconds. The journal counts in
/// milliseconds, and notes an answer before it is sent: no load of the machine makes a wait look shorter than it was.
#[track_caller]
pub fn assert_waits(calls: &[Value], scale: u32, least: &[f64], why: &str) {
    let waited = waits(calls, scale);
    assert!(waited.len() >= least.len(), "{why}: only {} calls", calls.len());
    for (n, (waited, least)) in waited.iter().zip(least).enumerate() {
        let rounding = 2.0 * f64::from(scale) / 1000.0;
        assert!(waited + rounding >= *least, "{why}: call {} came after {waited:.1} s, not {least} s", n + 2);
    }
}
