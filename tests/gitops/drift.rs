//! No shipped example drifts: after the operator has acted, a diff against the file is empty, whichever way the file was
//! applied. So no tool needs to be told of differences to ignore.

use std::path::Path;
use std::process::{Command, Stdio};

use agora_snapshot_operator::api::FINALIZER;
use serde_json::{Value, json};

use crate::examples;
use crate::programs;
use crate::world::{Plan, SOON, World};

/// How the tools apply: server-side as Flux, Helm 4 and Argo CD with `ServerSideApply=true`, and client-side as Argo CD
/// does otherwise.
const WAYS: [(&str, &[&str]); 2] = [
    ("server", &["--server-side", "--field-manager=kustomize-controller"]),
    ("client", &["--field-manager=argocd-controller"]),
];

/// kubectl on this world's API server: its exit code and all that it wrote.
fn kubectl(world: &World, verb: &str, way: &[&str], file: &Path) -> (i32, String) {
    let kubeconfig = world.testbed.control_plane().kubeconfig("admin").expect("a kubeconfig");
    let mut command = Command::new("kubectl");
    command.arg("--kubeconfig").arg(kubeconfig).arg("--namespace").arg(&world.namespace);
    command.arg(verb).args(way).arg("--filename").arg(file).stdin(Stdio::null());
    let output = command.output().expect("kubectl is installed: see Prerequisites in README.md");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

/// Asserts that a diff of the job is empty. kubectl reads the object twice; a difference that the operator made in
/// between (a status, the finalizer) is none of the file's, so only one of an object that stood still counts.
async fn assert_no_drift(world: &World, name: &str, flags: &[&str], file: &Path) {
    let version = async || world.jobs().get(name).await.expect("the job").metadata.resource_version;
    for _ in 0..20 {
        let before = version().await;
        let (code, text) = kubectl(world, "diff", flags, file);
        if code == 0 {
            return;
        }
        assert!(before != version().await, "{name} drifts from {}: {text}", file.display());
    }
    panic!("{name} never stands still for the length of a diff");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_example_drifts_once_the_operator_has_acted() {
    let world = Plan::new("drift").faster(20).make().await;
    let keys = world.testbed.s3().root();
    world.secret("bucket-reader", json!({"accessKey": keys.access_key, "secretKey": keys.secret_key})).await;
    let salt = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    world.secret("media-encryption", json!({"secret": crate::world::CANARY, "salt": salt})).await;
    let jobs = examples::jobs();
    assert!(jobs.len() >= 13, "{} examples", jobs.len());
    let mut applied = vec![];
    for (way, flags) in WAYS {
        for (path, job) in &jobs {
            let name = format!("{way}-{}", job["metadata"]["name"].as_str().expect("a name"));
            let mut job = job.clone();
            job["metadata"]["name"] = json!(name);
            job["spec"]["channel"]["name"] = json!(name);
            job["spec"]["channel"]["appId"] = json!(world.simulator.app_id());
            job["spec"]["storage"]["bucket"] = json!(world.bucket);
            let file = world.testbed.folder().join(format!("{}-{name}.json", world.namespace));
            std::fs::write(&file, job.to_string()).expect("a file");
            let (code, text) = kubectl(&world, "apply", flags, &file);
            assert_eq!(code, 0, "{}: {text}", path.display());
            applied.push((path, name, flags, file));
        }
    }
    for (path, name, flags, file) in &applied {
        let has_acted = |job: &Value| {
            let finalizers = job["metadata"]["finalizers"].as_array();
            job["status"]["observedGeneration"] == 1
                && finalizers.is_some_and(|all| all.iter().any(|one| one == FINALIZER))
                && crate::world::condition(job, "Ready").is_some()
        };
        world.until(name, &format!("{name} of {} to be acted upon", path.display()), SOON, has_acted).await;
        assert_no_drift(&world, name, flags, file).await;
    }
    // Sessions run for most of them by now, which is when drift would show.
    world.until_sessions(&[("state", "live")], 10).await;
    for (_, name, flags, file) in &applied {
        assert_no_drift(&world, name, flags, file).await;
    }
    world.end().await;
}

/// The diff above sees a difference where there is one.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_is_drift() {
    let world = Plan::new("drift-seen").faster(20).make().await;
    for (way, flags) in WAYS {
        let job = examples::job(&world, "snapshot-only.yaml", way);
        let file = world.testbed.folder().join(format!("{}-{way}.json", world.namespace));
        std::fs::write(&file, job.to_string()).expect("a file");
        let (code, text) = kubectl(&world, "apply", flags, &file);
        assert_eq!(code, 0, "{way}: {text}");
        assert_no_drift(&world, way, flags, &file).await;
        world.patch(way, json!({"spec": {"intervalSeconds": 30}})).await;
        let (code, text) = kubectl(&world, "diff", flags, &file);
        // A field of somebody else's is a conflict to a server-side diff, and a difference to the other.
        assert!(code != 0 && text.contains("intervalSeconds"), "{way}: {code}: {text}");
    }
    world.end().await;
}

/// The chart as Flux and Argo CD install it does not drift either.
#[tokio::test(flavor = "multi_thread")]
async fn the_chart_does_not_drift() {
    let world = Plan::new("drift-chart").make_without_operator().await;
    for (way, flags) in WAYS {
        let mut command = Command::new(programs::helm());
        command.args(["template", &format!("drift-{way}"), "--no-hooks", "--namespace", &world.namespace]);
        let chart = programs::repository().join("charts/agora-snapshot-operator");
        let output = command.arg(chart).output().expect("helm runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file = world.testbed.folder().join(format!("{}-{way}.yaml", world.namespace));
        std::fs::write(&file, output.stdout).expect("a file");
        let (code, text) = kubectl(&world, "apply", flags, &file);
        assert_eq!(code, 0, "{way}: {text}");
        let (code, text) = kubectl(&world, "diff", flags, &file);
        assert_eq!(code, 0, "the chart drifts when applied by the {way}: {text}");
    }
    world.end().await;
}
