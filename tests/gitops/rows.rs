//! The situations of a job and what tools shall conclude from them, as objects that the API server holds.
//!
//! Statuses come from the operator's own `report`; those of situations that it cannot report yet are written out.

use agora_snapshot_operator::api::status::{Phase, SessionState};
use agora_snapshot_operator::api::{FINALIZER, Reason, SnapshotJob, SnapshotJobSpec};
use agora_snapshot_operator::lifecycle::observed::{Observed, Problem, Refusal};
use agora_snapshot_operator::lifecycle::report::report;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::kstatus::{self, Health};
use crate::situations::{
    finished, handover, held_back_by_the_bucket, not_found, orphaned, refused_by_the_bucket, seen, seen_in,
    spec_of_a_job, unanswered, with, with_spec, without_secret, without_video,
};

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
        row("no-video", Current, "Healthy", "SnapshotsArriving is False, NoVideo", reported(without_video())),
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
            "no-bucket",
            InProgress,
            "Progressing",
            "NoSuchBucket: Bucket",
            reported(held_back_by_the_bucket(0)),
        ),
        row(
            "no-bucket-for-long",
            Failed,
            "Degraded",
            "NoSuchBucket: Bucket",
            reported(held_back_by_the_bucket(120)),
        ),
        row(
            "uncontrollable",
            Failed,
            "Degraded",
            "OrphanRisk: ",
            reported(seen_in(SessionState::Uncontrollable)),
        ),
        row("upload-heals", InProgress, "Progressing", "UploadFailing: ", reported(refused_by_the_bucket(0))),
        row("upload-given-up", Failed, "Degraded", "UploadFailing: ", reported(refused_by_the_bucket(1801))),
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
        row(
            "operator-removed",
            InProgress,
            "Progressing",
            "OperatorRemoved: ",
            reported(with(seen(), |seen| seen.withdrawing = true)),
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
        row(
            "orphaned-and-deleting",
            Terminating,
            "Progressing",
            "Pending deletion",
            Make::Deleted(Box::new(orphaned())),
        ),
    ]
}

impl Row {
    /// Makes the object in a namespace where no operator works, and returns it as the API server holds it.
    pub async fn make(&self, client: &Client, namespace: &str) -> Value {
        let jobs = jobs(client, namespace);
        let create = async |spec: &SnapshotJobSpec, finalizers: &[&str]| {
            create(&jobs, self.name, spec, finalizers).await
        };
        let store = async |status: &Value| store(&jobs, self.name, status).await;
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
            Make::Untouched => create(&spec_of_a_job(), &[]).await,
            Make::Reported(seen) => {
                create(&spec(seen), &[]).await;
                store(&reported(seen, 1)).await;
            }
            Make::Announced(reason, conditions) => {
                let unknown = Reason::parse(reason).is_none();
                assert!(unknown, "the operator knows {reason} by now: take this row from its own report");
                create(&spec_of_a_job(), &[]).await;
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
        let jobs = jobs(client, namespace);
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        jobs.patch(self.name, &PatchParams::default(), &patch).await.expect(self.name);
    }
}

/// SnapshotJobs of a namespace.
pub fn jobs(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let resource = kube::api::ApiResource::erase::<SnapshotJob>(&());
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// Makes a job.
pub async fn create(jobs: &Api<DynamicObject>, name: &str, spec: &SnapshotJobSpec, finalizers: &[&str]) {
    let job = json!({"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
        "metadata": {"name": name, "finalizers": finalizers}, "spec": spec});
    let job: DynamicObject = serde_json::from_value(job).expect("an object");
    jobs.create(&PostParams::default(), &job).await.expect(name);
}

/// Writes a job's status, as the operator would.
pub async fn store(jobs: &Api<DynamicObject>, name: &str, status: &Value) {
    let patch = Patch::Merge(json!({"status": status}));
    jobs.patch_status(name, &PatchParams::default(), &patch).await.expect(name);
}

/// A condition of the first generation.
pub fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z"})
}
