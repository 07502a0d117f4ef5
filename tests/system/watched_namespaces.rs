//! Namespaces that are watched each for itself: the rights in one go with it, and the others are served all the same.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use agora_snapshot_operator::api::SnapshotJob;

use crate::role;
use crate::world::{Plan, SOON, World, condition};

fn plan(name: &'static str) -> Plan {
    Plan::new(name).faster(20).operator_role(role::in_watched_namespaces())
}

fn jobs(world: &World, namespace: &str) -> Api<DynamicObject> {
    let resource = kube::api::ApiResource::erase::<SnapshotJob>(&());
    Api::namespaced_with(world.client.clone(), namespace, &resource)
}

/// Creates a job that is suspended, and waits until the operator has said so.
async fn served(world: &World, namespace: &str) {
    let mut spec = world.spec("elsewhere");
    spec["suspend"] = json!(true);
    let job = json!({"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
        "metadata": {"name": "elsewhere"}, "spec": spec});
    let job: DynamicObject = serde_json::from_value(job).expect("an object");
    let jobs = jobs(world, namespace);
    jobs.create(&PostParams::default(), &job).await.expect("the job is created");
    world
        .eventually("a visit in the other namespace", SOON, async || {
            let job: Value = serde_json::to_value(jobs.get("elsewhere").await.ok()?).ok()?;
            (condition(&job, "Ready")?["reason"] == "Suspended").then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_deleted_keeps_no_other_waiting_and_is_served_when_it_is_back() {
    let mut world = plan("watched-gone").make_without_operator().await;
    let other = world.testbed.create_namespace("watched-other").await.expect("a namespace");
    world.allow_in(&other, role::in_watched_namespaces()).await;
    world.operator_options.namespaces.push(other.clone());
    world.start_operator().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    world.stop_operator().await;

    world.testbed.delete_namespace(&other).await.expect("it is asked to end");
    world.until_namespace_is_gone(&other, SOON).await;
    // Ready, though one of its namespaces is refused.
    world.start_operator().await;
    world.until_logged(&format!("SnapshotJobs of namespace {other} are refused")).await;
    world.until_logged("take it out of the chart's watchNamespaces").await;
    world.patch("lobby", json!({"spec": {"suspend": true}})).await;
    world.until_ready_is("lobby", "True", "Suspended").await;
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());

    let again = serde_json::from_value(json!({"metadata": {"name": other}})).expect("a namespace");
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.create(&PostParams::default(), &again).await.expect("the namespace is created again");
    world.allow_in(&other, role::in_watched_namespaces()).await;
    served(&world, &other).await;
    // It tells of the refusals.
    world.forget_log();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_ready_whose_only_namespace_is_refused() {
    let mut world = Plan::new("watched-none").operator_role(vec![]).make_without_operator().await;
    world.start_operator_unready().await;
    world.until_logged(&format!("SnapshotJobs of namespace {} are refused", world.namespace)).await;
    let url = format!("{}/readyz", world.operator.as_ref().expect("an operator").health_url());
    let answer = reqwest::get(&url).await.expect("an answer");
    assert_eq!(answer.status(), 503);
    let words = answer.text().await.expect("words");
    assert!(words.contains("the log says why"), "{words}");
    world.abandon().await;
}
