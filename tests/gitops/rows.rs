//! The situations of a job and what tools shall conclude from them, as objects that the API server holds.
//!
//! Statuses come from the operator's own `report`; those of situations that it cannot report yet are written out.

use std::time::Duration;

use agora_snapshot_operator::api::status::{EndReason, Phase, Session, SessionState};
use agora_snapshot_operator::api::{FINALIZER, Reason, SnapshotJobSpec, SnapshotJobStatus};
use agora_snapshot_operator::lifecycle::death::DeathRun;
use agora_snapshot_operator::lifecycle::observed::{Job, Known, Memory, Observed, Problem, Refusal};
use agora_snapshot_operator::lifecycle::outcome::{Answer, Kind};
use agora_snapshot_operator::lifecycle::report::{finish, report};
use agora_snapshot_operator::lifecycle::spec_hash;
use agora_snapshot_operator::lifecycle::timing::{Moment, Timing, stored};
use jiff::SignedDuration;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use agora_snapshot_operator::api::SnapshotJob;

use crate::kstatus::{self, Health};

/// One situation.
pub struct Row {
    /// Name of its object.
    pub name: &'static str,
    /// What Flux, Helm and kubectl conclude.
    pub health: Health,
    /// What Argo CD shows.
    pub argo: &'static str,
    /// What its message must have.
    pub part: &'static str,
    make: Make,
}

enum Make {
    /// Created, and seen by no operator.
    Untouched,
    /// As the operator reports it.
    Reported(Box<Observed>),
    /// With this status, which no code of the operator writes yet.
    Announced(&'static str, Value),
    /// Reported, then edited.
    EditedAfter(Box<Observed>),
    /// Deleted, then reported.
    Deleted(Box<Observed>),
}

/// All situations.
pub fn rows() -> Vec<Row> {
    use Health::{Current, Failed, InProgress, Terminating};
    let row = |name, health, argo, part, make| Row { name, health, argo, part, make };
    let reported = |seen| Make::Reported(Box::new(seen));
    let running = || seen_in(SessionState::Running);
    let in_the_way = |problem: Problem| with(seen(), |seen| seen.start_problem = Some(problem));
    let suspended = |seen| with_spec(seen, |spec| spec.suspend = true);
    let refused = |reason, needs_person| {
        let refusal = Refusal { reason, words: "400/406 \"vendor_over_load\"".into(), needs_person };
        with(seen(), |seen| seen.memory.refusal = Some(refusal))
    };
    vec![
        row("untouched", InProgress, "Progressing", "No operator", Make::Untouched),
        row("secret-missing", InProgress, "Progressing", "WaitingForSecret: ", reported(without_secret(119))),
        row("secret-still-missing", Failed, "Degraded", "Secret `agora`", reported(without_secret(120))),
        row("acquiring", InProgress, "Progressing", "Acquiring: ", reported(seen())),
        row("starting", InProgress, "Progressing", "Starting: ", reported(seen_in(SessionState::Claimed))),
        row(
            "recovering",
            InProgress,
            "Progressing",
            "RecoveringSid: ",
            reported(seen_in(SessionState::Recovering)),
        ),
        row(
            "queued",
            InProgress,
            "Progressing",
            "vendor_over_load",
            reported(refused(Reason::QuotaQueued, false)),
        ),
        row("capturing", Current, "Healthy", "Capturing: ", reported(running())),
        row(
            "no-video",
            Current,
            "Healthy",
            "SnapshotsArriving is False, NoVideo",
            Make::Announced(
                "NoVideo",
                json!([
                    condition("Ready", "True", "NoVideo", "The session runs; nobody sends video."),
                    condition("SnapshotsArriving", "False", "NoVideo", "Nobody sends video."),
                ]),
            ),
        ),
        row(
            "vendor-unreachable",
            Current,
            "Healthy",
            "ControlReachable is False, VendorUnavailable",
            reported(unanswered()),
        ),
        row(
            "not-found",
            Current,
            "Healthy",
            "ControlReachable is False, PossibleFailover",
            reported(not_found()),
        ),
        row("handover", Current, "Healthy", "Capturing: ", reported(handover())),
        row(
            "replacing",
            InProgress,
            "Progressing",
            "Replacing: ",
            reported(with_spec(running(), |spec| spec.interval_seconds = 20)),
        ),
        row("suspending", InProgress, "Progressing", "Suspending: ", reported(suspended(running()))),
        row("stopping", InProgress, "Progressing", "Stopping: ", reported(seen_in(SessionState::Stopping))),
        row(
            "uid-taken",
            InProgress,
            "Progressing",
            "RecorderUidInUse: live/x",
            reported(in_the_way(Problem::UidTaken("live/x has it".into()))),
        ),
        row(
            "uncontrollable",
            Failed,
            "Degraded",
            "OrphanRisk: ",
            reported(seen_in(SessionState::Uncontrollable)),
        ),
        row(
            "upload-heals",
            InProgress,
            "Progressing",
            "UploadFailing: ",
            Make::Announced(
                "UploadFailing",
                json!([
                    condition("Ready", "False", "UploadFailing", "The bucket takes no files."),
                    condition("Reconciling", "True", "UploadFailing", "The bucket takes no files."),
                    condition("StorageWritable", "False", "UploadFailing", "The bucket takes no files."),
                ]),
            ),
        ),
        row(
            "upload-given-up",
            Failed,
            "Degraded",
            "UploadFailing: ",
            Make::Announced(
                "UploadFailing",
                json!([
                    condition("Ready", "False", "UploadFailing", "The bucket takes no files."),
                    condition("Stalled", "True", "UploadFailing", "The bucket takes no files."),
                    condition("StorageWritable", "False", "UploadFailing", "The bucket takes no files."),
                ]),
            ),
        ),
        row(
            "outside-window",
            Current,
            "Healthy",
            "OutsideWindow: ",
            Make::Announced(
                "OutsideWindow",
                json!([condition("Ready", "True", "OutsideWindow", "The next window opens at 08:00 UTC."),]),
            ),
        ),
        row("suspended", Current, "Suspended", "no session runs", reported(suspended(seen()))),
        row("completed", Current, "Healthy", "Completed: ", reported(finished(Reason::Completed))),
        row(
            "deadline",
            Failed,
            "Degraded",
            "DeadlineExceeded: ",
            reported(finished(Reason::DeadlineExceeded)),
        ),
        row(
            "retries-exhausted",
            Failed,
            "Degraded",
            "BackoffLimitExceeded: ",
            reported(finished(Reason::BackoffLimitExceeded)),
        ),
        row(
            "wrong-credentials",
            Failed,
            "Degraded",
            "Unauthorized: ",
            reported(finished(Reason::Unauthorized)),
        ),
        row(
            "wrong-spec",
            Failed,
            "Degraded",
            "UnknownRegion: mars-1",
            reported(in_the_way(Problem::Region("mars-1".into()))),
        ),
        row(
            "account-suspended",
            Failed,
            "Degraded",
            "AccountSuspended: ",
            reported(refused(Reason::AccountSuspended, true)),
        ),
        row("edited", InProgress, "Progressing", "newest spec", Make::EditedAfter(Box::new(running()))),
        row("deleting", Terminating, "Progressing", "Pending deletion", Make::Deleted(Box::new(running()))),
        row(
            "finished-and-deleting",
            Terminating,
            "Progressing",
            "Pending deletion",
            Make::Deleted(Box::new(finished(Reason::Unauthorized))),
        ),
    ]
}

impl Row {
    /// Makes the object in a namespace where no operator works, and returns it as the API server holds it.
    pub async fn make(&self, client: &Client, namespace: &str) -> Value {
        let resource = kube::api::ApiResource::erase::<SnapshotJob>(&());
        let jobs: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let create = async |spec: &SnapshotJobSpec, finalizers: &[&str]| {
            let job = json!({"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
                "metadata": {"name": self.name, "namespace": namespace, "finalizers": finalizers}, "spec": spec});
            let job: DynamicObject = serde_json::from_value(job).expect("an object");
            jobs.create(&PostParams::default(), &job).await.expect(self.name)
        };
        let store = async |status: &Value| {
            let patch = Patch::Merge(json!({"status": status}));
            jobs.patch_status(self.name, &PatchParams::default(), &patch).await.expect(self.name);
        };
        let reported = |seen: &Observed, generation| {
            let mut seen = seen.clone();
            seen.job.generation = generation;
            // A finished job was finished for the generation that is reported.
            for condition in &mut seen.status.conditions {
                condition.observed_generation = Some(generation);
            }
            report(&mut seen);
            assert!(seen.status.conditions.iter().all(|one| Reason::parse(&one.reason).is_some()));
            serde_json::to_value(&seen.status).expect("a status")
        };
        let spec = |seen: &Observed| seen.spec.clone().expect("an understood spec");
        match &self.make {
            Make::Untouched => drop(create(&fixture_spec(), &[]).await),
            Make::Reported(seen) => {
                create(&spec(seen), &[]).await;
                store(&reported(seen, 1)).await;
            }
            Make::Announced(reason, conditions) => {
                let unknown = Reason::parse(reason).is_none();
                assert!(unknown, "the operator knows {reason} by now: take this row from its own report");
                create(&fixture_spec(), &[]).await;
                store(&json!({"observedGeneration": 1, "phase": Phase::Running, "conditions": conditions}))
                    .await;
            }
            Make::EditedAfter(seen) => {
                create(&spec(seen), &[]).await;
                store(&reported(seen, 1)).await;
                let edit = Patch::Merge(json!({"spec": {"intervalSeconds": 20}}));
                jobs.patch(self.name, &PatchParams::default(), &edit).await.expect("an edit");
            }
            Make::Deleted(seen) => {
                create(&spec(seen), &[FINALIZER]).await;
                let asked = jobs.delete(self.name, &DeleteParams::default()).await.expect("a deletion");
                let going = asked.left().expect("the finalizer keeps it");
                let generation = going.metadata.generation.expect("a generation");
                let seen = with((**seen).clone(), |seen| seen.job.deleting = true);
                store(&reported(&seen, generation)).await;
            }
        }
        let stored = serde_json::to_value(jobs.get(self.name).await.expect(self.name)).expect("an object");
        assert_eq!(kstatus::health(&stored), self.health, "{}: {stored:#}", self.name);
        assert_eq!(kstatus::violations(&stored), Vec::<String>::new(), "{}", self.name);
        stored
    }

    /// Lets the object go.
    pub async fn unmake(&self, client: &Client, namespace: &str) {
        let resource = kube::api::ApiResource::erase::<SnapshotJob>(&());
        let jobs: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        jobs.patch(self.name, &PatchParams::default(), &patch).await.expect(self.name);
    }
}

// === what the operator would know in each situation ===

fn fixture_spec() -> SnapshotJobSpec {
    serde_json::from_value(json!({
        "credentialsRef": {"name": "agora"},
        "channel": {"appId": "0123456789abcdef0123456789abcdef", "name": "lobby", "profile": "LiveBroadcasting"},
        "storage": {"vendor": "AmazonS3", "region": "us-east-1", "bucket": "snapshots", "prefix": "lobby",
            "credentialsRef": {"name": "bucket"}},
    }))
    .expect("a spec")
}

fn now() -> Moment {
    let wall = "2026-01-01T00:00:00Z".parse().expect("a time");
    Moment { wall, mono: Duration::from_secs(3600), scale: 1 }
}

fn seen() -> Observed {
    Observed {
        now: now(),
        timing: Timing::default(),
        jitter: 0.0,
        job: Job {
            uid: "0b6f".into(),
            namespace: "live".into(),
            name: "lobby".into(),
            generation: 1,
            deleting: false,
            has_finalizer: true,
            restart: None,
        },
        spec: Ok(fixture_spec()),
        status: SnapshotJobStatus { observed_generation: Some(-1), ..SnapshotJobStatus::default() },
        memory: Memory::default(),
        control_problem: None,
        start_problem: None,
        keys_end: None,
        token_end: None,
        unreadable: Vec::new(),
    }
}

fn session(state: SessionState) -> Session {
    let ago = |seconds| stored(now().wall - SignedDuration::from_secs(seconds));
    let has_sid = !matches!(state, SessionState::Claimed | SessionState::Recovering);
    Session {
        attempt: 1,
        state,
        recorder_uid: 4_000_000_001,
        app_id: fixture_spec().channel.app_id,
        channel: fixture_spec().channel.name,
        resource_id: "resource-1".into(),
        region: None,
        nonce: "nonce-1".into(),
        acquire_time: ago(60),
        sid: has_sid.then(|| "5d3f".into()),
        start_time: has_sid.then(|| ago(58)),
        confirm_time: has_sid.then(|| ago(50)),
        control_end_time: Some(now().after(Duration::from_secs(72 * 3600))),
        token_end_time: None,
        spec_hash: spec_hash::of(&fixture_spec()),
        stop_reason: (state == SessionState::Stopping).then_some(EndReason::Stopped),
    }
}

fn seen_in(state: SessionState) -> Observed {
    with(seen(), |seen| {
        let session = session(state);
        let mut known = Known::claimed(session.clone(), &seen.now);
        known.last_answer = Some(seen.now.mono);
        seen.status.start_time = Some(session.acquire_time.clone());
        seen.memory.sessions.insert(session.attempt, known);
        seen.status.sessions.push(session);
    })
}

fn without_secret(seconds: u64) -> Observed {
    with(seen(), |seen| {
        let words = "Secret `agora` does not exist in this namespace; create it";
        seen.start_problem = Some(Problem::Secret(words.into()));
        let since = seen.now.mono.saturating_sub(Duration::from_secs(seconds));
        seen.memory.problem_since = Some((Reason::WaitingForSecret, since));
    })
}

fn unanswered() -> Observed {
    with_known(seen_in(SessionState::Running), |known, now| {
        let answer = Answer {
            kind: Kind::TimedOut,
            http: None,
            code: None,
            words: "no answer".into(),
            retry_after: None,
        };
        known.repeats = 3;
        known.unanswered = Some((now.mono.saturating_sub(Duration::from_secs(60)), answer));
    })
}

fn not_found() -> Observed {
    with_known(seen_in(SessionState::Running), |known, now| {
        known.death = Some(DeathRun::with_answer(None, now.mono, &Timing::default()))
    })
}

/// The next session is claimed while the first still runs.
fn handover() -> Observed {
    with(seen_in(SessionState::Running), |seen| {
        let next = Session {
            attempt: 2,
            resource_id: "resource-2".into(),
            nonce: "nonce-2".into(),
            recorder_uid: 4_000_000_002,
            ..session(SessionState::Claimed)
        };
        seen.memory.sessions.insert(2, Known::claimed(next.clone(), &seen.now));
        seen.status.sessions.push(next);
    })
}

fn finished(reason: Reason) -> Observed {
    with(seen(), |seen| finish(seen, reason, "It is over."))
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

fn with(mut seen: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut seen);
    seen
}

fn with_spec(seen: Observed, change: impl FnOnce(&mut SnapshotJobSpec)) -> Observed {
    with(seen, |seen| change(seen.spec.as_mut().expect("an understood spec")))
}

fn with_known(seen: Observed, change: impl FnOnce(&mut Known, &Moment)) -> Observed {
    with(seen, |seen| change(seen.memory.sessions.get_mut(&1).expect("a session"), &seen.now))
}
