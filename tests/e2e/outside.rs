//! What is outside of a real cluster and runs as pods here: the vendor's service (simulated) and an S3 server.
//! It owns the secrets of both, each of which is a canary that is looked for in every sink.

use agora_snapshot_testbed::{Keys, S3, SimulatorControl};
use serde_json::Value;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use crate::cluster::{apply, checkout, create_namespace, get, read, say, until};
use crate::job::{Job, apply_secrets};

/// The bucket of the examples.
const BUCKET: &str = "snapshots";
/// The channels of the examples, and who is in them.
const USERS: [(&str, u32); 3] =
    [("httpClient463224", 101), ("httpClient463224", 102), ("httpClient463224-call", 201)];
/// A string that nothing else has, in every secret value. Fixed, as the pods outlive a test.
pub(crate) const CANARY: &str = "CanaryOfTheSecrets";

/// The vendor and the bucket.
pub(crate) struct Outside {
    simulator: SimulatorControl,
    s3: S3,
}

impl Outside {
    /// Starts both, or finds those that an earlier test started.
    pub(crate) async fn build() -> Self {
        create_namespace("outside").await;
        let keys: Vec<String> =
            values().iter().map(|(key, value)| format!("  {key}: \"{value}\"\n")).collect();
        apply(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: accounts, namespace: outside}}\nstringData:\n{}",
            keys.concat()
        ))
        .await;
        let manifest = std::fs::read_to_string(checkout().join("tests/e2e/manifests/outside.yaml")).unwrap();
        apply(&manifest).await;
        for deployment in ["deployment/s3", "deployment/simulator"] {
            read(&["rollout", "status", deployment, "-n", "outside", "--timeout=120s"]).await;
        }
        let simulator = SimulatorControl::of(address("simulator", 8080).await).unwrap();
        let [_, _, access_key, secret_key] = values().map(|(_, value)| value);
        let s3 = S3::join(address("s3", 7070).await, Keys { access_key, secret_key });
        let outside = Self { simulator, s3 };
        if outside.s3.list(BUCKET, "").await.is_err() {
            outside.s3.create_bucket(BUCKET).await.unwrap();
        }
        // Each test counts its own sessions.
        read(&["rollout", "restart", "deployment/simulator", "-n", "outside"]).await;
        read(&["rollout", "status", "deployment/simulator", "-n", "outside", "--timeout=120s"]).await;
        until("an empty simulator", async || match outside.simulator.sessions(&[]).await {
            Ok(sessions) if sessions.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        outside
    }

    /// Makes the namespace of a team, with the Secrets that its jobs refer to.
    pub(crate) async fn create_team(&self, namespace: &str) {
        create_namespace(namespace).await;
        let values = values();
        apply_secrets(namespace, &values.each_ref().map(|(key, value)| (*key, value.as_str()))).await;
    }

    /// People enter the channels of the examples and send video.
    pub(crate) async fn join(&self) {
        for (channel, uid) in USERS {
            self.simulator.join(channel, uid).await.unwrap();
        }
    }

    /// Every session that ever ran.
    pub(crate) async fn sessions(&self) -> Vec<Value> {
        self.simulator.sessions(&[]).await.unwrap()
    }

    /// The sids of all that are live.
    pub(crate) async fn live(&self) -> Vec<String> {
        let live = self.simulator.sessions(&[("state", "live")]).await.unwrap();
        live.iter().map(|session| session["sid"].as_str().unwrap().to_owned()).collect()
    }

    /// No session is live.
    pub(crate) async fn nobody_is_recorded(&self) {
        assert_eq!(self.live().await, Vec::<String>::new(), "no session may be left running");
    }

    /// The keys of all snapshots of a session.
    pub(crate) async fn snapshots(&self, sid: &str) -> Vec<String> {
        let mut keys = self.s3.list(BUCKET, "").await.unwrap();
        keys.retain(|key| key.contains(sid) && key.ends_with(".jpg"));
        keys
    }

    /// Waits until a job's session has so many snapshots in the bucket; the last is a real JPEG.
    pub(crate) async fn snapshots_of(&self, job: &Job, enough: usize) {
        let [sid] = &self.live().await[..] else { panic!("one live session of {} was expected", job.name) };
        let keys = until("snapshots in the bucket", async || {
            let keys = self.snapshots(sid).await;
            if keys.len() >= enough { Ok(keys) } else { Err(format!("{keys:?}")) }
        })
        .await;
        let last = keys.last().unwrap();
        let bytes = self.s3.get(BUCKET, last).await.unwrap();
        let mut decoder = JpegDecoder::new(ZCursor::new(&bytes));
        decoder.decode().unwrap_or_else(|error| panic!("{last} is no JPEG: {error}"));
        let (width, height) = decoder.dimensions().unwrap();
        say(&format!("{} snapshots, the last {width}x{height}: s3://{BUCKET}/{last}", keys.len()));
    }
}

/// The values of the Secrets: customer, then bucket.
fn values() -> [(&'static str, String); 4] {
    ["customerId", "customerSecret", "accessKey", "secretKey"].map(|key| (key, format!("{CANARY}{key}")))
}

async fn address(service: &str, port: u16) -> String {
    let service = get(&["service", service, "-n", "outside"]).await;
    format!("http://{}:{port}", service["spec"]["clusterIP"].as_str().unwrap())
}
