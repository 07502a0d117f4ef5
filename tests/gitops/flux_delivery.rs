//! The life of a job that Git owns, with the real kustomize-controller and the real operator: applied, waited for, edited,
//! suspended, broken and mended, pruned. The Kustomization is the shipped one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::examples;
use crate::flux::{Flux, SOON, ready};
use crate::world::{Plan, World, condition};

/// The controller looks every 5 s; a start takes a few.
const DELIVERY: Duration = Duration::from_secs(120);

const NAME: &str = "snapshot-jobs";

/// A revision with this one job, or none. The ConfigMap stays, for Flux prunes nothing by an empty folder.
async fn push(flux: &Flux, job: Option<&Value>) -> String {
    let keep = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keep"}});
    let objects = std::iter::once(keep).chain(job.cloned()).collect();
    flux.push(&[("snapshot-jobs/jobs.yaml", objects)]).await
}

fn sid(job: &Value) -> &str {
    job["status"]["sessions"][0]["sid"].as_str().unwrap_or_default()
}

async fn stored(world: &World) -> Value {
    serde_json::to_value(world.jobs().get("lobby").await.expect("the job")).expect("an object")
}

/// What Flux has put into the object, and when.
fn applied_by_flux(job: &Value) -> Vec<&Value> {
    let managers = job["metadata"]["managedFields"].as_array().expect("managers");
    managers.iter().filter(|one| one["manager"] == "kustomize-controller").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_from_git_is_applied_waited_for_edited_mended_and_pruned() {
    let world = Plan::new("flux-delivery").faster(20).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let flux = Flux::start(world.testbed, &world.namespace).await;
    let mut job = examples::job(&world, "snapshot-only.yaml", "lobby");

    // The vendor is down: Flux waits for the job, and does not call it ready meanwhile.
    let fault = json!({"verb": "acquire", "times": 1_000_000, "answer": {"status": 503, "body": {}}});
    world.simulator.fault(fault).await.expect("a fault");
    let revision = push(&flux, Some(&job)).await;
    flux.apply(flux.shipped()).await;
    world.until_ready_is("lobby", "False", "VendorUnavailable").await;
    let waits = |object: &Value| {
        condition(object, "Healthy").is_some_and(|healthy| {
            let message = healthy["message"].as_str().unwrap_or_default();
            healthy["status"] == "Unknown" && message.contains("Running health checks")
        })
    };
    flux.until(NAME, "to wait for the job", SOON, waits).await;
    // Two of its looks.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let waiting = flux.kustomization(NAME).await;
    assert!(waits(&waiting) && ready(&waiting)["status"] == "Unknown", "{:#}", waiting["status"]);
    world.simulator.clear_faults().await.expect("no fault");
    let delivered = flux.until_ready(NAME, &revision, DELIVERY).await;
    assert_eq!(ready(&delivered)["reason"], "ReconciliationSucceeded");
    let first = stored(&world).await;
    assert_eq!(crate::kstatus::health(&first), crate::kstatus::Health::Current, "{first:#}");
    assert!(!sid(&first).is_empty());

    // The operator has written since; Flux sees no drift and writes nothing.
    flux.reconcile(NAME, DELIVERY).await;
    let entry = format!("SnapshotJob/{}/lobby", world.namespace);
    assert_eq!(flux.last_apply(NAME)[&entry], "unchanged");
    let again = stored(&world).await;
    assert_eq!(applied_by_flux(&again), applied_by_flux(&first));
    assert_eq!((sid(&again), &again["metadata"]["generation"]), (sid(&first), &json!(1)));

    // An edit: ready again only when the new session runs.
    job["spec"]["intervalSeconds"] = json!(20);
    let revision = push(&flux, Some(&job)).await;
    flux.until_ready(NAME, &revision, DELIVERY).await;
    assert_eq!(flux.last_apply(NAME)[&entry], "configured");
    let second = world.until_capturing("lobby").await;
    assert_eq!((&second["status"]["observedGeneration"], sid(&second) == sid(&first)), (&json!(2), false));

    // Suspended by Git, and resumed.
    job["spec"]["suspend"] = json!(true);
    let revision = push(&flux, Some(&job)).await;
    flux.until_ready(NAME, &revision, DELIVERY).await;
    assert_eq!(world.live_sessions().await, Vec::<Value>::new(), "a suspended job has no session");
    job["spec"]["suspend"] = json!(false);
    let revision = push(&flux, Some(&job)).await;
    flux.until_ready(NAME, &revision, DELIVERY).await;
    let third = world.until_capturing("lobby").await;

    // An edit that cannot work: Flux says which job failed, the job says why. The session goes on meanwhile.
    let good = job["spec"]["storage"]["credentialsRef"].clone();
    job["spec"]["storage"]["credentialsRef"] = json!({"name": "nowhere"});
    push(&flux, Some(&job)).await;
    let has_failed = |object: &Value| ready(object)["reason"] == "HealthCheckFailed";
    let failed = flux.until(NAME, "to fail", DELIVERY, has_failed).await;
    let message = ready(&failed)["message"].as_str().expect("a message");
    assert!(message.contains(&format!("{entry} status: 'Failed'")), "{message}");
    let stalled = stored(&world).await;
    let said = condition(&stalled, "Stalled").expect("Stalled")["message"].as_str().expect("words");
    assert!(said.contains("Secret `nowhere` does not exist"), "{said}");
    assert_eq!(sid(&stalled), sid(&third));
    job["spec"]["storage"]["credentialsRef"] = good;
    let revision = push(&flux, Some(&job)).await;
    flux.until_ready(NAME, &revision, DELIVERY).await;
    assert_eq!(sid(&world.until_capturing("lobby").await), sid(&third), "the mended job keeps its session");

    // Gone from Git: gone from the cluster, its session stopped first.
    let stops = world.calls("stop").await.len();
    let revision = push(&flux, None).await;
    flux.until_ready(NAME, &revision, DELIVERY).await;
    world.until_gone("lobby", DELIVERY).await;
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());
    assert_eq!(world.calls("stop").await.len(), stops + 1);
    assert_eq!(
        world.one_at_a_time_or_handed_over("lobby").await.len(),
        3,
        "one for each of: created, edited, resumed"
    );
    flux.end().await;
    world.end().await;
}

/// Deleting the Kustomization prunes its jobs.
#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_that_goes_takes_its_jobs_and_their_sessions() {
    let world = Plan::new("flux-prune").faster(20).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let flux = Flux::start(world.testbed, &world.namespace).await;
    let revision = push(&flux, Some(&examples::job(&world, "record-and-snapshot.yaml", "lobby"))).await;
    flux.apply(flux.shipped()).await;
    flux.until_ready(NAME, &revision, DELIVERY).await;
    assert_eq!(world.live_sessions().await.len(), 1);
    let delete = kube::api::DeleteParams::default();
    flux.kustomizations().delete(NAME, &delete).await.expect("the Kustomization is deleted");
    world.until_gone("lobby", DELIVERY).await;
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());
    flux.end().await;
    world.end().await;
}
