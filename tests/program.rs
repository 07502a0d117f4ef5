//! The program as a process: what its commands print, how it refuses, and that it serves and ends as it should.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use agora_snapshot_testbed::{Process, Program, Testbed};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, ResourceExt};

const PROGRAM: &str = env!("CARGO_BIN_EXE_agora-snapshot-operator");

fn output(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .env_remove("KUBECONFIG")
        .env("HOME", "/nowhere")
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn version_and_crd_are_printed_without_a_cluster() {
    let version = output(&["version"]);
    assert!(version.status.success());
    let words = text(&version.stdout);
    assert!(
        words.contains(env!("CARGO_PKG_VERSION")) && words.contains("agora-snapshot.dev/v1alpha1"),
        "{words}"
    );
    let crd = output(&["crd"]);
    assert!(crd.status.success() && text(&crd.stdout).contains("kind: CustomResourceDefinition"));
}

#[test]
fn wrong_settings_end_with_words_and_a_code() {
    let unscaled = output(&["run", "--time-scale", "60"]);
    assert_eq!(unscaled.status.code(), Some(1));
    assert!(text(&unscaled.stderr).contains("--agora-endpoint"));
    let unknown = output(&["run", "--orphan-after", "soon"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("must be a duration with units"));
}

#[test]
fn no_cluster_is_told_in_words() {
    let nowhere =
        output(&["run", "--metrics-bind-address", "127.0.0.1:0", "--health-bind-address", "127.0.0.1:0"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("set KUBECONFIG"), "{}", text(&nowhere.stderr));
}

#[test]
fn a_taken_address_is_told_with_its_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let refused =
        output(&["run", "--metrics-bind-address", "127.0.0.1:0", "--health-bind-address", &address]);
    assert_eq!(refused.status.code(), Some(1));
    let words = text(&refused.stderr);
    assert!(words.contains("--health-bind-address") && words.contains(&address), "{words}");
}

struct Running {
    process: Process,
    metrics: String,
    health: String,
}

/// Installs the definition that the program itself prints.
async fn install_definition(testbed: &Testbed) {
    let printed: CustomResourceDefinition =
        serde_saphyr::from_str(&text(&output(&["crd"]).stdout)).expect("a definition in YAML");
    let definitions: Api<CustomResourceDefinition> =
        Api::all(testbed.control_plane().client("admin").await.expect("a client"));
    let (name, parameters) = (printed.name_any(), PatchParams::apply("tests").force());
    definitions.patch(&name, &parameters, &Patch::Apply(&printed)).await.expect("the API server takes it");
    let established = await_condition(definitions, &name, conditions::is_crd_established());
    tokio::time::timeout(Duration::from_secs(30), established).await.expect("in time").expect("established");
}

async fn start(name: &str, kubeconfig: &Path) -> Running {
    let testbed = Testbed::from_env().await.expect("servers");
    let addresses = testbed.folder().join(format!("{name}.addresses"));
    let mut process = Program::new(name, PROGRAM.as_ref(), testbed.folder().join(format!("{name}.log")))
        .env("KUBECONFIG", kubeconfig)
        .args(["run", "--metrics-bind-address", "127.0.0.1:0", "--health-bind-address", "127.0.0.1:0"])
        .args(["--watch-namespace", "nobody-is-here,nor-here", "--bound-addresses-file"])
        .arg(&addresses)
        .start()
        .expect("it starts");
    let written = process
        .ready("its addresses", Duration::from_secs(60), async || std::fs::read_to_string(&addresses).ok())
        .await
        .expect("it writes its addresses");
    let address = |name: &str| {
        let line = written.lines().find_map(|line| line.strip_prefix(name)).expect("both addresses");
        format!("http://{line}")
    };
    Running { metrics: address("METRICS_ADDRESS="), health: address("HEALTH_ADDRESS="), process }
}

impl Running {
    /// Waits for 200.
    async fn answers(&mut self, path: &str) {
        let url = format!("{}{path}", self.health);
        self.process.answers(&url, Duration::from_secs(30)).await.expect("200");
    }

    /// Sends SIGTERM; returns what it logged, entry by entry.
    async fn end(&mut self) -> Vec<serde_json::Value> {
        self.process.terminate();
        let status = self.process.ended_within(Duration::from_secs(30)).await.expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", self.process.log());
        let entry = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("must be JSON: {line}"));
        self.process.log().lines().map(entry).collect()
    }
}

async fn get(url: String) -> reqwest::Response {
    reqwest::get(url).await.expect("an answer")
}

#[tokio::test]
async fn serves_probes_and_metrics_and_ends_cleanly_on_sigterm() {
    let testbed = Testbed::from_env().await.expect("servers");
    install_definition(testbed).await;
    let mut running =
        start("program", &testbed.control_plane().kubeconfig("admin").expect("a kubeconfig")).await;
    running.answers("/healthz").await;
    running.answers("/readyz").await;
    let answer = get(format!("{}/metrics", running.metrics)).await;
    let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let metrics = answer.text().await.expect("a body");
    assert!(metrics.contains("agora_snapshot_jobs{phase=\"Running\"} 0") && metrics.ends_with("# EOF\n"));
    assert_eq!(
        get(format!("{}/metrics", running.health)).await.status(),
        404,
        "it has a listener of its own"
    );
    for entry in running.end().await {
        assert!(entry["timestamp"].is_string() && entry["level"].is_string(), "{entry}");
    }
}

#[tokio::test]
async fn without_an_api_server_it_lives_is_not_ready_and_still_ends() {
    let testbed = Testbed::from_env().await.expect("servers");
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let kubeconfig = testbed.folder().join("nobody.kubeconfig");
    let document = serde_json::json!({
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{closed}")}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    });
    std::fs::write(&kubeconfig, document.to_string()).expect("a file");
    let mut running = start("program-alone", &kubeconfig).await;
    running.answers("/healthz").await;
    let ready = get(format!("{}/readyz", running.health)).await;
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.expect("a body").contains("first list"));
    running.end().await;
}
