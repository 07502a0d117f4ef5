//! The calls against the simulator, a real process: it is strict as the vendor and shares no code with the client.

use std::time::Duration;

use agora_snapshot_operator::agora::bodies::{acquire_body, start_body, update_body};
use agora_snapshot_operator::agora::budget::Priority;
use agora_snapshot_operator::agora::client::{Acquired, Client, SessionAddress, StartVia, StopMode};
use agora_snapshot_operator::agora::endpoints::Route;
use agora_snapshot_operator::agora::material::{Account, Material};
use agora_snapshot_operator::api::spec::SnapshotJobSpec;
use agora_snapshot_operator::lifecycle::outcome::{Identity, Kind, Outcome, Started, Stopped};
use agora_snapshot_testbed::{Folder, Simulator, SimulatorOptions, simulator_program};
use serde_json::{Value, json};

use crate::support::{RECORDER, client, confirmed, job, material, secrets, spec, unconfirmed};

const CERTIFICATE: &str = "5cfd2fd1755d40ecb72977518be15d3b";
const CONFIRM: Duration = Duration::from_secs(20);
const BETWEEN_QUERIES: Duration = Duration::from_millis(100);

struct Bench {
    simulator: Simulator,
    client: Client,
    more: Vec<(&'static str, &'static str)>,
    _folder: Folder,
}

/// A session in hand.
struct Running {
    resource_id: String,
    sid: String,
    material: Material,
    spec: SnapshotJobSpec,
}

impl Bench {
    async fn start(options: SimulatorOptions) -> Self {
        let folder = Folder::new("agora-client").unwrap();
        let options = SimulatorOptions { speed: Some(20), seed: Some(7), ..options };
        let simulator =
            Simulator::start(&simulator_program().unwrap(), folder.path(), options).await.unwrap();
        let client = client(&[simulator.url().to_owned()]);
        Self { simulator, client, more: Vec::new(), _folder: folder }
    }

    fn spec(&self, change: impl FnOnce(&mut Value)) -> SnapshotJobSpec {
        spec(self.simulator.app_id(), change)
    }

    fn material(&self, spec: &SnapshotJobSpec) -> Material {
        let (id, secret) = (self.simulator.customer_id(), self.simulator.customer_secret());
        material(spec, &secrets(id, secret, &self.more))
    }

    async fn acquire(&self, spec: &SnapshotJobSpec, account: &Account) -> Outcome<Acquired> {
        let body = acquire_body(spec, RECORDER);
        self.client.acquire(account, self.simulator.app_id(), &body, &job()).await
    }

    async fn start_with(
        &self,
        spec: &SnapshotJobSpec,
        material: &Material,
        resource_id: &str,
        via: StartVia,
    ) -> Outcome<Started> {
        let body = start_body(spec, RECORDER, material).unwrap();
        self.client.start(&material.account, self.simulator.app_id(), resource_id, &body, via, &job()).await
    }

    async fn run(&self, spec: SnapshotJobSpec) -> Running {
        let material = self.material(&spec);
        let acquired = confirmed(self.acquire(&spec, &material.account).await);
        assert_eq!(acquired.via.route, Route::Primary);
        assert!(acquired.server_date.is_some());
        let started = self.start_with(&spec, &material, &acquired.resource_id, acquired.via).await;
        let Started::New { sid } = confirmed(started) else { panic!("already started") };
        Running { resource_id: acquired.resource_id, sid, material, spec }
    }

    fn address<'a>(&'a self, running: &'a Running) -> SessionAddress<'a> {
        SessionAddress {
            app_id: self.simulator.app_id(),
            channel: "lobby",
            recorder_uid: RECORDER,
            resource_id: &running.resource_id,
            sid: &running.sid,
        }
    }

    async fn status(&self, running: &Running) -> Result<i64, Kind> {
        let address = self.address(running);
        match self.client.query(&running.material.account, &address, Priority::Recover, &job()).await {
            Outcome::Confirmed(queried) => {
                assert_eq!(queried.identity, Identity::Proved);
                Ok(queried.status)
            }
            Outcome::Rejected(answer) => Err(answer.kind),
            Outcome::Unknown(answer) | Outcome::NotSent(answer) => panic!("{answer:?}"),
        }
    }

    /// Asks until the answer is one of these.
    async fn until(&self, running: &Running, wanted: &[Result<i64, Kind>]) {
        let asking = async {
            while !wanted.contains(&self.status(running).await) {
                tokio::time::sleep(BETWEEN_QUERIES).await;
            }
        };
        tokio::time::timeout(CONFIRM, asking).await.expect("the session gets there");
    }

    async fn stop(&self, running: &Running, mode: StopMode) -> Outcome<Stopped> {
        self.client.stop(&running.material.account, &self.address(running), mode, &job()).await
    }
}

#[tokio::test]
async fn a_session_from_acquire_to_stop() {
    let bench = Bench::start(SimulatorOptions::default()).await;
    bench.simulator.join("lobby", 7).await.unwrap();
    let running = bench.run(bench.spec(|_| ())).await;

    // The same start again, as after a lost answer.
    let via = StartVia::from(Route::default());
    let again = bench.start_with(&running.spec, &running.material, &running.resource_id, via).await;
    assert!(matches!(confirmed(again), Started::Already { .. }));

    // Another resourceId for the same channel and uid.
    let acquired = confirmed(bench.acquire(&running.spec, &running.material.account).await);
    let twin = bench.start_with(&running.spec, &running.material, &acquired.resource_id, acquired.via).await;
    let (proof, answer) = unconfirmed(twin);
    assert_eq!((proof, answer.kind, answer.code), ("rejected", Kind::Conflict, Some(53)));

    bench.until(&running, &[Ok(4), Ok(5)]).await;
    let only = bench.spec(|spec| spec["subscription"] = json!({"videoUids": [7, 8]}));
    let body = update_body(&only, RECORDER, &running.material).unwrap();
    let account = &running.material.account;
    confirmed(bench.client.update(account, &bench.address(&running), &body, &job()).await);

    // Snapshots are no recorded content: the normal answer to the stop of such a session.
    assert_eq!(confirmed(bench.stop(&running, StopMode::AwaitUpload).await), Stopped::NoRecordedData);
    bench.until(&running, &[Err(Kind::NotFound)]).await;
    let (proof, answer) = unconfirmed(bench.stop(&running, StopMode::Detached).await);
    assert_eq!((proof, answer.kind), ("rejected", Kind::NotFound));
    let live = bench.simulator.sessions(&[("state", "live")]).await.unwrap();
    assert_eq!(live, Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_recorded_beside_snapshots_is_uploaded_at_the_stop() {
    let bench = Bench::start(SimulatorOptions::default()).await;
    bench.simulator.join("lobby", 7).await.unwrap();
    let running = bench.run(bench.spec(|spec| spec["recording"] = json!({}))).await;
    bench.until(&running, &[Ok(5)]).await;
    assert_eq!(confirmed(bench.stop(&running, StopMode::AwaitUpload).await), Stopped::Uploaded);
}

#[tokio::test]
async fn every_option_is_taken_by_a_strict_service() {
    let mut bench = Bench::start(SimulatorOptions::default()).await;
    bench.more.push(("e/salt", "c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHQ="));
    bench.simulator.join("lobby", 7).await.unwrap();
    let both = json!({"streams": "AudioAndVideo"});
    for (subscription, recording) in [
        (json!({"videoUids": [7]}), Value::Null),
        (json!({"excludedVideoUids": [7], "videoQuality": "Low"}), Value::Null),
        (json!({"videoUids": [7]}), both.clone()),
        (json!({"audioUids": [7]}), both.clone()),
        (json!({"excludedVideoUids": [7]}), both.clone()),
        (json!({"excludedAudioUids": [7], "maxUsers": 49}), both.clone()),
        (json!({"excludedVideoUids": [7], "excludedAudioUids": [7]}), both.clone()),
        (json!({"videoUids": [7], "audioUids": [7, 8]}), both.clone()),
    ] {
        let running = bench
            .run(bench.spec(|spec| {
                spec["subscription"] = subscription.clone();
                spec["channel"]["encryption"] = json!({
                    "mode": "AES256GCM2",
                    "secretKeyRef": {"name": "e", "key": "secret"}, "saltSecretKeyRef": {"name": "e", "key": "salt"},
                });
                spec["storage"]["serverSideEncryption"] = json!("KMS");
                spec["storage"]["objectTag"] = json!("RETENTION_DAYS=30");
                if !recording.is_null() {
                    spec["recording"] = recording.clone();
                }
            }))
            .await;
        // The vendor has the session only a moment after it started it.
        bench.until(&running, &[Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)]).await;
        let body = update_body(&running.spec, RECORDER, &running.material).unwrap();
        let account = &running.material.account;
        let updated = bench.client.update(account, &bench.address(&running), &body, &job()).await;
        assert_eq!(updated, Outcome::Confirmed(()), "{subscription}");
        confirmed(bench.stop(&running, StopMode::Detached).await);
        bench.until(&running, &[Err(Kind::NotFound)]).await;
    }
    for request in bench.simulator.requests(&[]).await.unwrap() {
        assert_eq!(request["notes"], json!([]), "the service found something odd in {request}");
    }
}

#[tokio::test]
async fn a_token_made_here_lets_the_recorder_in() {
    let options =
        SimulatorOptions { app_certificate: Some(CERTIFICATE.to_owned()), ..SimulatorOptions::default() };
    let mut bench = Bench::start(options).await;
    bench.simulator.join("lobby", 7).await.unwrap();
    // Without a token the session dies soon after it started.
    let lost = bench.run(bench.spec(|_| ())).await;
    bench.until(&lost, &[Err(Kind::NotFound)]).await;
    bench.more.push(("agora/appCertificate", CERTIFICATE));
    let running = bench.run(bench.spec(|_| ())).await;
    assert!(running.material.token_end.is_some());
    bench.until(&running, &[Ok(5)]).await;
}

#[tokio::test]
async fn refusals_are_what_they_say() {
    let bench = Bench::start(SimulatorOptions::default()).await;
    let spec = bench.spec(|_| ());
    let material = bench.material(&spec);
    let stranger = Account::from_secret("agora", &secrets("x", "y", &[])).unwrap();
    let (proof, answer) = unconfirmed(bench.acquire(&spec, &stranger).await);
    assert_eq!((proof, answer.kind, answer.http), ("rejected", Kind::Unauthorized, Some(401)));
    assert_eq!(answer.words, "Invalid authentication credentials");

    let unknown = "0".repeat(32);
    let body = acquire_body(&spec, RECORDER);
    let outcome = bench.client.acquire(&material.account, &unknown, &body, &job()).await;
    assert_eq!(unconfirmed(outcome).1.kind, Kind::AppIdInvalid);

    let elsewhere = client(&[format!("{}/elsewhere", bench.simulator.url())]);
    let outcome = elsewhere.acquire(&material.account, bench.simulator.app_id(), &body, &job()).await;
    let (proof, answer) = unconfirmed(outcome);
    assert_eq!((proof, answer.kind), ("rejected", Kind::NoRoute), "{answer:?}");

    // The guide takes it, newer references do not.
    bench.simulator.set(json!({"captureIntervalMinimum": "5"})).await.unwrap();
    let often = bench.spec(|spec| spec["intervalSeconds"] = json!(1));
    let acquired = confirmed(bench.acquire(&often, &material.account).await);
    let outcome = bench.start_with(&often, &material, &acquired.resource_id, acquired.via).await;
    let (proof, answer) = unconfirmed(outcome);
    assert_eq!((proof, answer.kind, answer.code), ("rejected", Kind::InvalidParameter, Some(2)));
    assert!(answer.words.contains("captureInterval"), "{}", answer.words);

    let unheard_of = bench.start_with(&spec, &material, "never-given", StartVia::default()).await;
    let (proof, answer) = unconfirmed(unheard_of);
    assert_eq!((proof, answer.kind), ("rejected", Kind::ResourceInvalid), "{answer:?}");
}

#[tokio::test]
async fn answers_that_never_come_leave_a_doubt_that_the_same_start_ends() {
    let bench = Bench::start(SimulatorOptions::default()).await;
    bench.simulator.join("lobby", 7).await.unwrap();
    let spec = bench.spec(|_| ());
    let material = bench.material(&spec);
    let acquired = confirmed(bench.acquire(&spec, &material.account).await);
    let route = acquired.via.route;
    bench.simulator.fault(json!({"verb": "start", "times": 1, "drop": "after"})).await.unwrap();
    let lost = bench.start_with(&spec, &material, &acquired.resource_id, acquired.via).await;
    let (proof, answer) = unconfirmed(lost);
    assert_eq!((proof, answer.kind), ("unknown", Kind::ConnectionLost));
    let again = bench.start_with(&spec, &material, &acquired.resource_id, route.into()).await;
    assert!(matches!(confirmed(again), Started::Already { .. }));
    assert_eq!(bench.simulator.sessions(&[("state", "live")]).await.unwrap().len(), 1);
}
