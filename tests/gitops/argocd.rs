//! Argo CD's own judgement, by the program's offline commands on the shipped `argocd-cm.yaml`: the health of every
//! situation, and what the actions do.

use std::path::{Path, PathBuf};
use std::process::Command;

use agora_snapshot_operator::api::RESTART_ANNOTATION;
use agora_snapshot_testbed::{Folder, Testbed};
use jiff::Timestamp;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::examples::gitops;
use crate::kstatus::{self, Health};
use crate::programs;
use crate::rows::rows;
use crate::world::plan::install;
use crate::world::{Plan, SOON};

/// Health and message, as Argo CD shows them.
fn health(folder: &Path, object: &Value) -> (String, String) {
    let text = run(folder, object, &["health"], &[]);
    let line = |prefix: &str| {
        let from = text.find(prefix).unwrap_or_else(|| panic!("no {prefix:?} in {text}"));
        text[from + prefix.len()..].to_owned()
    };
    let status = line("STATUS: ");
    (status.lines().next().expect("a status").to_owned(), line("MESSAGE: ").trim_end().to_owned())
}

/// The actions that can be chosen.
fn actions(folder: &Path, object: &Value) -> Vec<String> {
    let table = run(folder, object, &["list-actions"], &[]);
    let rows: Vec<(&str, &str)> =
        table.lines().skip(1).filter_map(|line| line.trim().split_once(char::is_whitespace)).collect();
    assert_eq!(rows.len(), 3, "{table}");
    let enabled = rows.into_iter().filter(|(_, disabled)| disabled.trim() == "false");
    enabled.map(|(name, _)| name.to_owned()).collect()
}

/// The object as the action leaves it.
fn after(folder: &Path, object: &Value, action: &str) -> Value {
    // The program shows what changed with a command of our choice, after the names of two files: before and after.
    let text = run(folder, object, &["run-action", action], &[("KUBECTL_EXTERNAL_DIFF", "tail -n +1")]);
    let (_, after) = text.rsplit_once("<==\n").unwrap_or_else(|| panic!("no object in {text}"));
    serde_saphyr::from_str(after).unwrap_or_else(|error| panic!("{error}: {after}"))
}

fn run(folder: &Path, object: &Value, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let name = object["metadata"]["name"].as_str().expect("a name");
    let path = folder.join(format!("argocd-{name}.json"));
    std::fs::write(&path, object.to_string()).expect("a file");
    let mut command = Command::new(programs::argocd());
    command.args(["admin", "settings", "resource-overrides", arguments[0]]).arg(&path);
    command.args(&arguments[1..]).arg("--argocd-cm-path").arg(configuration());
    // It leaves files of its own among the temporary ones.
    command.env("HOME", folder).env("TMPDIR", folder).envs(environment.iter().copied());
    let output = command.output().expect("argocd runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "argocd {arguments:?} on {name}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn configuration() -> PathBuf {
    gitops("argocd/argocd-cm.yaml")
}

#[test]
fn argo_cd_takes_the_settings() {
    let mut command = Command::new(programs::argocd());
    command.args(["admin", "settings", "validate", "--group", "resource-overrides", "--argocd-cm-path"]);
    let output = command.arg(configuration()).output().expect("argocd runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("2 resource overrides"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_situation_has_its_health() {
    let testbed = Testbed::from_env().await.expect("a testbed");
    let client = testbed.control_plane().client("admin").await.expect("a client");
    install(&client).await;
    let namespace = testbed.create_namespace("argocd-health").await.expect("a namespace");
    for row in rows() {
        let object = row.make(&client, &namespace).await;
        let (status, message) = health(testbed.folder(), &object);
        assert_eq!(status, row.argo, "{}: {message}: {object:#}", row.name);
        assert!(message.contains(row.part), "{}: {:?} is not in {message:?}", row.name, row.part);
        row.unmake(&client, &namespace).await;
    }
    testbed.delete_namespace(&namespace).await.expect("the namespace goes");
}

/// A job of the second generation, with this status.
fn job(status: Value) -> Value {
    json!({"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
        "metadata": {"name": "lobby", "namespace": "live", "generation": 2}, "spec": {}, "status": status})
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "Because", "message": "so", "observedGeneration": 2})
}

/// Statuses that this API server never stores: an object is not to pass for healthy because of its poverty.
#[test]
fn a_status_that_says_nothing_is_no_good_news() {
    let folder = Folder::new("argocd").expect("a folder");
    let ready = [condition("Ready", "True")];
    for (status, part) in [
        (Value::Null, "No operator"),
        (json!({}), "No operator"),
        (json!({"observedGeneration": -1}), "No operator"),
        (json!({"conditions": ready}), "No operator"),
        (json!({"observedGeneration": 1, "conditions": ready}), "newest spec"),
        (json!({"observedGeneration": 2}), "not yet said"),
        (json!({"observedGeneration": 2, "conditions": []}), "not yet said"),
    ] {
        let (health, message) = health(folder.path(), &job(status.clone()));
        assert_eq!(health, "Progressing", "{status}");
        assert!(message.contains(part), "{status}: {part:?} is not in {message:?}");
    }
}

/// Also for conditions that the operator never sets beside each other.
#[test]
fn argo_cd_ranks_conditions_as_kstatus_does() {
    let folder = Folder::new("argocd").expect("a folder");
    for ready in ["True", "False", "Unknown"] {
        for reconciling in [None, Some("True"), Some("False")] {
            for stalled in [None, Some("True"), Some("False")] {
                let others = [("Reconciling", reconciling), ("Stalled", stalled)];
                let others = others.iter().filter_map(|(kind, status)| Some(condition(kind, (*status)?)));
                let conditions: Vec<Value> =
                    std::iter::once(condition("Ready", ready)).chain(others).collect();
                let job = job(json!({"observedGeneration": 2, "conditions": conditions}));
                let expected = match kstatus::health(&job) {
                    Health::Terminating | Health::InProgress => "Progressing",
                    Health::Failed => "Degraded",
                    Health::Current => "Healthy",
                };
                let (health, message) = health(folder.path(), &job);
                assert_eq!((health.as_str(), message.as_str()), (expected, "Because: so"), "{conditions:#?}");
            }
        }
    }
}

/// A whole life, each version of it judged: what Argo CD shows is what kstatus concludes.
#[tokio::test(flavor = "multi_thread")]
async fn argo_cd_agrees_with_kstatus_at_every_moment_of_a_life() {
    let world = Plan::new("argocd-life").faster(20).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    world.patch("lobby", json!({"spec": {"intervalSeconds": 20}})).await;
    let replaced = |job: &Value| job["status"]["history"][0]["endReason"] == "Replaced";
    world.until("lobby", "the session to be replaced", SOON, replaced).await;
    world.until_capturing("lobby").await;
    world.patch("lobby", json!({"spec": {"suspend": true}})).await;
    world.until_ready_is("lobby", "True", "Suspended").await;
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;

    let versions = world.versions_of("lobby");
    let mut seen = std::collections::BTreeSet::new();
    for version in &versions {
        let (argo, message) = health(world.testbed.folder(), version);
        let expected: &[&str] = match kstatus::health(version) {
            Health::Terminating | Health::InProgress => &["Progressing"],
            Health::Failed => &["Degraded"],
            Health::Current => &["Healthy", "Suspended"],
        };
        assert!(expected.contains(&argo.as_str()), "{argo} {message:?} of {version:#}");
        seen.insert(argo);
    }
    let all: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(all, ["Healthy", "Progressing", "Suspended"], "of {} versions", versions.len());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_action_is_offered_where_it_has_an_effect() {
    let testbed = Testbed::from_env().await.expect("a testbed");
    let client = testbed.control_plane().client("admin").await.expect("a client");
    install(&client).await;
    let namespace = testbed.create_namespace("argocd-actions").await.expect("a namespace");
    let offered: &[(&str, &[&str])] = &[
        ("untouched", &["restart", "suspend"]),
        ("capturing", &["restart", "suspend"]),
        ("wrong-spec", &["restart", "suspend"]),
        ("suspending", &["resume"]),
        ("suspended", &["resume"]),
        ("completed", &["restart"]),
        ("deadline", &["restart"]),
        ("deleting", &[]),
    ];
    for (name, expected) in offered {
        let row = rows().into_iter().find(|row| row.name == *name).expect(name);
        let object = row.make(&client, &namespace).await;
        assert_eq!(actions(testbed.folder(), &object), *expected, "{name}");
        row.unmake(&client, &namespace).await;
    }
    testbed.delete_namespace(&namespace).await.expect("the namespace goes");
}

/// What an action makes of the object is sent to the API server, as Argo CD does it, and the operator acts upon it.
#[tokio::test(flavor = "multi_thread")]
async fn suspend_resume_and_restart_do_what_they_say() {
    let world = Plan::new("argocd-actions").faster(20).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    let first = world.until_capturing("lobby").await;
    let folder = world.testbed.folder();
    let sid = |job: &Value| job["status"]["sessions"][0]["sid"].as_str().map(str::to_owned);

    let act = async |action: &str, allowed: &dyn Fn(&Value, &mut Value)| {
        let before = live(&world.jobs()).await;
        let after = after(folder, &before, action);
        let mut expected = before.clone();
        allowed(&after, &mut expected);
        assert_eq!(after, expected, "{action} changes this and nothing else");
        let merge = json_patch::diff(&before, &after);
        let patch = Patch::Json::<()>(merge);
        world.jobs().patch("lobby", &PatchParams::default(), &patch).await.expect(action);
    };

    act("suspend", &|_, job| job["spec"]["suspend"] = json!(true)).await;
    world.until_ready_is("lobby", "True", "Suspended").await;
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());

    act("resume", &|_, job| job["spec"]["suspend"] = json!(false)).await;
    let second = world.until_capturing("lobby").await;
    assert_ne!(sid(&second), sid(&first));

    act("restart", &|after, job| {
        let value = after["metadata"]["annotations"][RESTART_ANNOTATION].as_str().expect("a value");
        let asked: Timestamp = value.parse().expect("a time in UTC");
        let ago = Timestamp::now().duration_since(asked).as_secs();
        assert!((0..60).contains(&ago), "{value} is not now");
        job["metadata"]["annotations"] = json!({RESTART_ANNOTATION: value});
    })
    .await;
    let another = |job: &Value| sid(job).is_some() && sid(job) != sid(&second);
    let third = world.until("lobby", "another session", SOON, another).await;
    assert_eq!(third["status"]["history"][0]["endReason"], "Replaced");
    let third = world.until_capturing("lobby").await;

    // A later restart is another value, so it is another restart.
    let now = live(&world.jobs()).await;
    let before = now["metadata"]["annotations"][RESTART_ANNOTATION].clone();
    let next_value = async || {
        let after = after(folder, &now, "restart");
        let value = after["metadata"]["annotations"][RESTART_ANNOTATION].clone();
        (value != before).then_some(value)
    };
    world.eventually("another value", SOON, next_value).await;
    assert_eq!(third["status"]["lastHandledRestart"], before);
    assert_eq!(world.one_at_a_time_or_handed_over("lobby").await.len(), 3);
    world.end().await;
}

async fn live(jobs: &Api<DynamicObject>) -> Value {
    let mut object = serde_json::to_value(jobs.get("lobby").await.expect("the job")).expect("an object");
    // Argo CD does not keep these either.
    object["metadata"].as_object_mut().expect("metadata").remove("managedFields");
    object
}
