//! The chart on a real cluster of one node: installed by Helm, used by kubectl, upgraded, drained, uninstalled.
//!
//! `make e2e` runs this within the cluster's own network (see `tests/e2e/run`); plain `cargo test` does not. The tests
//! share the cluster and follow each other in the order of their names. Here is what happens; how, is in the modules.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod cluster;
mod job;
mod outside;
mod release;
mod sinks;
mod steps;

use cluster::{kill_container, kubectl, read, say};
use job::{Job, Now};
use outside::Outside;
use release::Release;
use sinks::Sinks;
use steps::step;

#[tokio::test(flavor = "multi_thread")]
async fn one_release_lives_its_whole_life() {
    let outside = step("the vendor and a bucket, as pods", Outside::build()).await;
    let sinks = Sinks::default();
    let release = Release::new("agora", "agora-snapshot-operator", &["values.yaml"], &sinks);
    let job = Job::new("team-a", "snapshot-only");

    step("helm install", async {
        release.create_namespace().await;
        release.install().await;
    })
    .await;
    step("a job of the examples takes snapshots", async {
        outside.create_team(job.namespace).await;
        outside.join().await;
        job.apply().await;
        job.ready().await;
        outside.snapshots_of(&job, 3).await;
        job.counted().await;
        release.show_metrics_to_sinks().await;
    })
    .await;
    step("helm test", release.test()).await;

    let before = job.now(&outside).await;
    step("the operator's process is killed", async {
        let pod = release.pod().await;
        kill_container(&release.namespace, &pod).await;
        release.restarted(&pod).await;
        release.available().await;
        job.goes_on(&before, &outside).await;
    })
    .await;
    step("kubectl drain evicts it, and it comes back", async {
        let pod = release.pod().await;
        let selector = format!("--pod-selector=app.kubernetes.io/instance={}", release.name);
        kubectl(&["drain", "node1", &selector, "--timeout=120s"]).await;
        cluster::gone(&release.namespace, "pod", &pod).await;
        kubectl(&["uncordon", "node1"]).await;
        release.available().await;
        job.goes_on(&before, &outside).await;
    })
    .await;
    step("helm upgrade", async {
        release.upgrade(&["--set", "operator.maxConcurrentReconciles=8"]).await;
        let arguments = release.arguments().await;
        assert!(
            arguments.contains("--max-concurrent-reconciles=8 "),
            "the upgrade changed nothing: {arguments}"
        );
        job.goes_on(&before, &outside).await;
    })
    .await;
    step("helm rollback", async {
        release.rollback().await;
        let arguments = release.arguments().await;
        assert!(
            !arguments.contains("--max-concurrent-reconciles=8 "),
            "nothing was rolled back: {arguments}"
        );
        job.goes_on(&before, &outside).await;
    })
    .await;
    step("helm uninstall is refused while a session runs", async {
        let said = release.uninstall().await.expect_err("a live session must be a reason to refuse");
        for word in [job.name, before.sid.as_str()] {
            assert!(said.contains(word), "the list does not name {word}:\n{said}");
        }
        release.available().await;
        job.goes_on(&before, &outside).await;
    })
    .await;
    step("helm uninstall stops the sessions where it is told to", async {
        // Helm upgrades no release whose uninstall has failed before it is rolled back to what it is.
        release.rollback_to_itself().await;
        release.upgrade(&["--set", "uninstall.sessions=Stop"]).await;
        job.goes_on(&before, &outside).await;
        release.uninstall().await.expect("it may stop sessions");
        release.left_nothing().await;
        outside.nobody_is_recorded().await;
        assert_eq!(outside.sessions().await.len(), 1, "an uninstall must not start sessions");
        job.is_left_without_operator().await;
        read(&["get", "crd", "snapshotjobs.agora-snapshot.dev"]).await;
    })
    .await;
    step("a reinstalled operator resumes the job", async {
        release.install().await;
        job.ready().await;
        let Now { sid, .. } = job.now(&outside).await;
        assert_ne!(sid, before.sid, "a stopped session does not come back");
    })
    .await;
    step("the job is deleted, then the release", async {
        job.delete().await;
        outside.nobody_is_recorded().await;
        release.uninstall().await.expect("nothing runs any more");
        release.left_nothing().await;
        read(&["get", "crd", "snapshotjobs.agora-snapshot.dev"]).await;
    })
    .await;
    step("no secret is in any log, event, status, metric or manifest", sinks.hold_no_secret()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_hand_over() {
    let outside = step("the vendor and a bucket, as pods", Outside::build()).await;
    let sinks = Sinks::default();
    let values = ["values.yaml", "values-two-replicas.yaml"];
    let release = Release::new("pair", "agora-pair", &values, &sinks);
    let job = Job::new("team-b", "record-and-snapshot");

    step("helm install of two replicas for one namespace", async {
        read(&["apply", "--server-side", "-f", "crds/agora-snapshot.dev_snapshotjobs.yaml"]).await;
        release.create_namespace().await;
        outside.create_team(job.namespace).await;
        outside.join().await;
        release.install().await;
        let manifest = release.helm(&["get", "manifest", release.name]).await.unwrap();
        assert!(!manifest.contains("kind: ClusterRole"), "one namespace needs Roles only:\n{manifest}");
        job.apply().await;
        job.ready().await;
    })
    .await;
    let before = job.now(&outside).await;
    step("the leader crashes and its pod goes", async {
        let leader = release.leader().await;
        say(&format!("the leader is {leader}"));
        let pod = release.pod_of(&leader).await;
        kill_container(&release.namespace, &pod).await;
        read(&["delete", "pod", &pod, "-n", &release.namespace, "--force", "--grace-period=0"]).await;
        say(&format!("the leader is now {}", release.leader_after(&leader).await));
        release.available().await;
        job.goes_on(&before, &outside).await;
    })
    .await;
    step("the leader is asked to go, and the other acts at once", async {
        let leader = release.leader().await;
        let pod = release.pod_of(&leader).await;
        read(&["delete", "pod", &pod, "-n", &release.namespace, "--wait=false"]).await;
        say(&format!("the leader is now {}", release.leader_after(&leader).await));
        job.goes_on(&before, &outside).await;
        // Only a leader that works ends a session.
        job.delete().await;
        outside.nobody_is_recorded().await;
    })
    .await;
    step("helm uninstall", async {
        release.available().await;
        release.uninstall().await.expect("nothing runs any more");
        release.left_nothing().await;
    })
    .await;
    step("no secret is in any log, event, status, metric or manifest", sinks.hold_no_secret()).await;
}
