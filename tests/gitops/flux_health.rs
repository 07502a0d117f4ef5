//! Every situation as the real kustomize-controller judges it: by its own rules (kstatus), and by the shipped
//! `healthCheckExprs`.

use std::time::Duration;

use agora_snapshot_testbed::Testbed;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::flux::{Flux, ready};
use crate::kstatus::Health;
use crate::rows::rows;
use crate::world::install;

/// Time for two looks of the controller, which looks every 5 s.
const TIMEOUT: &str = "12s";

/// As long as one round of all of them may take.
const ROUND: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn every_situation_means_the_same_with_and_without_expressions() {
    let testbed = Testbed::from_env().await.expect("a testbed");
    let client = testbed.control_plane().client("admin").await.expect("a client");
    install(&client).await;
    let namespace = testbed.create_namespace("flux-health").await.expect("a namespace");
    let flux = Flux::start(testbed, &namespace).await;
    let rows = rows();
    let mut names = vec![];
    let mut files = vec![];
    for row in &rows {
        row.make(&client, &namespace).await;
        for by in ["kstatus", "expressions"] {
            let name = format!("{by}-{}", row.name);
            files.push((
                format!("{name}/nothing.yaml"),
                vec![json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})],
            ));
            names.push((name, by, row));
        }
    }
    let files: Vec<(&str, Vec<Value>)> =
        files.iter().map(|(path, objects)| (path.as_str(), objects.clone())).collect();
    flux.push(&files).await;
    let judged = names.iter().map(async |(name, by, row)| {
        let mut kustomization = flux.shipped();
        kustomization["metadata"]["name"] = json!(name);
        let spec = &mut kustomization["spec"];
        spec["path"] = json!(format!("./{name}"));
        spec["timeout"] = json!(TIMEOUT);
        spec["wait"] = json!(false);
        spec["healthChecks"] = json!([{"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
            "name": row.name, "namespace": namespace}]);
        assert!(spec["healthCheckExprs"].is_array(), "the shipped Kustomization has expressions");
        if *by == "kstatus" {
            spec.as_object_mut().expect("a spec").remove("healthCheckExprs");
        }
        flux.apply(kustomization).await;
        let is_judged = |object: &Value| matches!(ready(object)["status"].as_str(), Some("True" | "False"));
        let object = flux.until(name, "to be judged", ROUND, is_judged).await;
        (ready(&object)["status"].clone(), ready(&object)["message"].as_str().expect("a message").to_owned())
    });
    let judged = join_all(judged).await;
    let mut wrong = vec![];
    for ((name, by, row), (status, message)) in names.iter().zip(&judged) {
        let as_expected = match (row.health, *by) {
            (Health::Current, _) => status == "True",
            (Health::Failed, _) => {
                status == "False" && message.contains("failed early") && message.contains("'Failed'")
            }
            (Health::InProgress, _) | (Health::Terminating, "expressions") => {
                status == "False" && message.contains("timeout") && message.contains("'InProgress'")
            }
            (Health::Terminating, _) => status == "False" && message.contains("'Terminating'"),
        };
        if !as_expected {
            wrong.push(format!("{name} shall be {:?}: {status}: {message}", row.health));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    flux.end().await;
    for row in &rows {
        row.unmake(&client, &namespace).await;
    }
}
