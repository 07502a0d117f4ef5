//! Every situation as the real kustomize-controller judges it: by its own rules (kstatus), and by the shipped
//! `healthCheckExprs`.

use std::time::Duration;

use agora_snapshot_testbed::Testbed;
use futures::future::join_all;
use kube::Client;
use serde_json::{Value, json};

use crate::flux::{Flux, ready};
use crate::kstatus::Health;
use crate::rows::{Row, condition, create, jobs, rows, store};
use crate::situations::spec_of_a_job;
use crate::world::plan::install;

/// Time for two looks of the controller, which looks every 5 s.
const TIMEOUT: &str = "12s";

/// As long as one round of all of them may take.
const ROUND: Duration = Duration::from_secs(180);

/// What tells the controller how a job is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum By {
    Kstatus,
    Expressions,
}

/// A namespace where no operator works.
async fn namespace(name: &str) -> (&'static Testbed, Client, String) {
    let testbed = Testbed::from_env().await.expect("a testbed");
    let client = testbed.control_plane().client("admin").await.expect("a client");
    install(&client).await;
    let namespace = testbed.create_namespace(name).await.expect("a namespace");
    (testbed, client, namespace)
}

/// Has the controller judge jobs, and checks what it concludes.
async fn judge(testbed: &Testbed, namespace: &str, expected: &[(&str, By, Health)]) {
    let flux = Flux::start(testbed, namespace).await;
    let named = |(job, by, _): &(&str, By, Health)| format!("{by:?}-{job}").to_lowercase();
    let names: Vec<String> = expected.iter().map(named).collect();
    let nothing =
        |name: &String| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let paths: Vec<(String, Vec<Value>)> =
        names.iter().map(|name| (format!("{name}/nothing.yaml"), vec![nothing(name)])).collect();
    flux.push(&paths.iter().map(|(path, objects)| (path.as_str(), objects.clone())).collect::<Vec<_>>())
        .await;
    let judged = names.iter().zip(expected).map(async |(name, (job, by, _))| {
        let mut kustomization = flux.shipped();
        kustomization["metadata"]["name"] = json!(name);
        let spec = &mut kustomization["spec"];
        spec["path"] = json!(format!("./{name}"));
        spec["timeout"] = json!(TIMEOUT);
        spec["wait"] = json!(false);
        spec["healthChecks"] = json!([{"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
            "name": job, "namespace": namespace}]);
        assert!(spec["healthCheckExprs"].is_array(), "the shipped Kustomization has expressions");
        if *by == By::Kstatus {
            spec.as_object_mut().expect("a spec").remove("healthCheckExprs");
        }
        flux.apply(kustomization).await;
        let is_judged = |object: &Value| matches!(ready(object)["status"].as_str(), Some("True" | "False"));
        let object = flux.until(name, "to be judged", ROUND, is_judged).await;
        (ready(&object)["status"].clone(), ready(&object)["message"].as_str().expect("words").to_owned())
    });
    let mut wrong = vec![];
    for (((_, by, health), name), (status, message)) in
        expected.iter().zip(&names).zip(join_all(judged).await)
    {
        let failed = |parts: [&str; 2]| status == "False" && parts.iter().all(|part| message.contains(part));
        let as_expected = match (health, by) {
            (Health::Current, _) => status == "True",
            (Health::Failed, _) => failed(["failed early", "'Failed'"]),
            (Health::Terminating, By::Kstatus) => failed(["timeout", "'Terminating'"]),
            // Expressions have no word for it.
            (Health::InProgress, _) | (Health::Terminating, By::Expressions) => {
                failed(["timeout", "'InProgress'"])
            }
        };
        if !as_expected {
            wrong.push(format!("{name} shall be {health:?}: {status}: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    flux.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_situation_means_the_same_with_and_without_expressions() {
    let (testbed, client, namespace) = namespace("flux-health").await;
    let rows = rows();
    for row in &rows {
        row.make(&client, &namespace).await;
    }
    let both = |row: &Row| [By::Kstatus, By::Expressions].map(|by| (row.name, by, row.health));
    let expected: Vec<_> = rows.iter().flat_map(both).collect();
    judge(testbed, &namespace, &expected).await;
    for row in &rows {
        row.unmake(&client, &namespace).await;
    }
}

/// Conditions that no operator of ours sets beside each other, and a status that lost them: expressions rank them as
/// kstatus does, and take no silence for health.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_operator_says_is_ranked_and_silence_is_not_health() {
    use Health::{Current, InProgress};
    let (testbed, client, namespace) = namespace("flux-ranks").await;
    let jobs = jobs(&client, &namespace);
    let mut expected = vec![];
    for (name, said, by_kstatus) in [
        ("at-work-and-ready", vec![("Reconciling", "True"), ("Ready", "True")], InProgress),
        ("at-work-and-stuck", vec![("Reconciling", "True"), ("Stalled", "True")], InProgress),
        ("not-ready", vec![("Ready", "False")], InProgress),
        ("ready-unknown", vec![("Ready", "Unknown")], InProgress),
        (
            "not-at-work-and-ready",
            vec![("Reconciling", "False"), ("Stalled", "False"), ("Ready", "True")],
            Current,
        ),
        ("silent", vec![], Current),
    ] {
        create(&jobs, name, &spec_of_a_job(), &[]).await;
        let conditions = said.iter().map(|(kind, status)| condition(kind, status, "Because", "so"));
        let conditions: Vec<Value> = conditions.collect();
        let mut status = json!({"observedGeneration": 1});
        if !said.is_empty() {
            status["conditions"] = json!(conditions);
        }
        store(&jobs, name, &status).await;
        let by_expressions = if said.is_empty() { InProgress } else { by_kstatus };
        expected.extend([(name, By::Kstatus, by_kstatus), (name, By::Expressions, by_expressions)]);
    }
    judge(testbed, &namespace, &expected).await;
}
