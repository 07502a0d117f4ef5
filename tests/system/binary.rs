//! The program from outside: its help, its refusals, its probes and metrics, its end, and which namespaces it looks at.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use agora_snapshot_testbed::operator_program;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use serde_json::json;

use agora_snapshot_operator::api::SnapshotJob;

use crate::role;
use crate::telling::{assert_has, says};
use crate::world::{Plan, SOON, World};

/// A session that may be running is no reason to end slowly: it goes on, and the next process finds it.
const QUICKLY: Duration = Duration::from_secs(10);

fn run(arguments: &[&str]) -> Output {
    let program = operator_program().expect("the operator is built");
    let mut command = Command::new(program);
    // Neither a cluster nor a setting of whoever runs the tests.
    command.args(arguments).env_clear().env("HOME", "/nowhere");
    command.output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The help of a command, and its part about each flag, which must explain it and name its variable.
fn documented_flags(command: &str) -> (String, Vec<String>) {
    let output = run(&[command, "--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    let flags: Vec<String> = help.split("\n      --").skip(1).map(str::to_owned).collect();
    for flag in &flags {
        let name = flag.split([' ', '\n', '[', '=']).next().expect("a name");
        let lines: Vec<&str> = flag.lines().skip(1).map(str::trim).collect();
        assert!(
            lines.iter().any(|line| line.len() > 20 && !line.starts_with('[')),
            "--{name} is not explained: {flag}"
        );
        let variable = lines.iter().find_map(|line| line.strip_prefix("[env: "));
        assert!(
            variable.is_some_and(|it| it.starts_with("AGORA_SNAPSHOT_")),
            "--{name} names no variable: {flag}"
        );
    }
    assert!(!help.contains("time-scale"), "what is only for tests is hidden");
    (help, flags)
}

#[test]
fn help_documents_each_flag_of_drain() {
    let (help, flags) = documented_flags("drain");
    for (flag, words) in [
        ("sessions", "[default: Refuse]"),
        ("deployment", "scaled to 0"),
        ("timeout", "[default: 10m]"),
        ("watch-namespace", "all namespaces"),
        ("agora-endpoint", "repeatable"),
    ] {
        assert!(
            flags.iter().any(|text| text.starts_with(flag) && text.contains(words)),
            "--{flag} must say {words}: {help}"
        );
    }
    assert!(!help.contains("--max-concurrent-reconciles"), "what only run knows");
}

#[test]
fn help_documents_each_flag_with_its_variable_and_default() {
    let (_, flags) = documented_flags("run");
    assert!(flags.len() >= 14, "{flags:#?}");
    for (flag, default) in [
        ("max-concurrent-reconciles", "[default: 64]"),
        ("metrics-bind-address", "[default: 0.0.0.0:8080]"),
        ("health-bind-address", "[default: 0.0.0.0:8081]"),
        ("log-format", "[default: json]"),
        ("log-level", "[default: info]"),
        ("orphan-after", "[default: 24h]"),
        ("snapshot-status-interval", "[default: 5m]"),
        ("streaming-lists", "[default: false]"),
        ("last-file-age-metric", "[default: true]"),
        ("watch-namespace", "all namespaces"),
        ("agora-endpoint", "repeatable"),
        ("storage-endpoint", "listed"),
        ("operator-namespace", "POD_NAMESPACE"),
        ("bound-addresses-file", "METRICS_ADDRESS"),
        ("leader-election", "[default: false]"),
        ("leader-election-lease-name", "[default: agora-snapshot-operator]"),
        ("leader-election-lease-duration", "[default: 15s]"),
        ("leader-election-renew-deadline", "[default: 10s]"),
        ("leader-election-retry-period", "[default: 2s]"),
        ("watch-secrets", "[default: false]"),
        ("ca-bundle", "PEM"),
    ] {
        let documented = flags.iter().find(|text| text.starts_with(flag));
        let documented = documented.unwrap_or_else(|| panic!("--{flag} is not in the help"));
        assert!(documented.contains(default), "--{flag} must say {default}: {documented}");
    }
    let all = text(&run(&["--help"]).stdout);
    assert_has(&all, &["run", "check", "drain", "crd", "version"]);
}

#[test]
fn a_wrong_word_is_told_with_what_would_do() {
    for (arguments, code, parts) in [
        (&[][..], 2, &["Usage", "crd"][..]),
        (&["serve"], 2, &["serve"]),
        (&["run", "--no-such-flag"], 2, &["--no-such-flag"]),
        (&["run", "--watch-namespace", "Team_A"], 2, &["--watch-namespace", "must be a namespace"]),
        (&["run", "--agora-endpoint", "example.com"], 2, &["--agora-endpoint", "must be a URL"]),
        (&["run", "--orphan-after", "24"], 2, &["--orphan-after", "must be a duration with units"]),
        (&["run", "--orphan-after", "1s"], 2, &["must be between"]),
        (&["run", "--max-concurrent-reconciles", "0"], 2, &["1..=1000"]),
        (&["run", "--log-format", "xml"], 2, &["json, text"]),
        (&["run", "--leader-election-retry-period", "9s"], 1, &["--leader-election-renew-deadline 10s"]),
        (&["run", "--time-scale", "60"], 1, &["--time-scale 60", "--agora-endpoint"]),
        (&["drain"], 2, &["--deployment <NAME>"]),
        (&["drain", "--deployment=o", "--sessions=Kill"], 2, &["Stop, Refuse, Leave"]),
        (&["drain", "--deployment=o", "--time-scale=60"], 1, &["--time-scale 60", "--agora-endpoint"]),
        (&["drain", "--deployment=o"], 1, &["no cluster"]),
    ] {
        let output = run(arguments);
        let words = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {words}");
        assert_has(&words, parts);
        assert!(!words.contains("panicked"), "{arguments:?}: {words}");
    }
}

#[test]
fn the_printed_definition_is_the_one_in_the_repository() {
    let printed = run(&["crd"]);
    assert!(printed.status.success());
    let file = include_str!("../../crds/agora-snapshot.dev_snapshotjobs.yaml");
    assert_eq!(text(&printed.stdout), file, "run `agora-snapshot-operator crd` into crds/");
}

#[test]
fn the_version_says_what_it_is() {
    let version = text(&run(&["version"]).stdout);
    assert_has(&version, &[env!("CARGO_PKG_VERSION"), "agora-snapshot.dev/v1alpha1"]);
}

/// Names that `docs/metrics.md` promises, without those of its list of what is left out.
fn promised() -> Vec<&'static str> {
    include_str!("../../docs/metrics.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_answer_and_every_promised_metric_is_there() {
    let plan = Plan::new("probes").faster(20).operator_argument("--snapshot-status-interval=10s");
    let mut world = plan.operator_argument("--leader-election").make_without_operator().await;
    world.grant(role::leader_election("agora-snapshot-operator")).await;
    world.operator_options.arguments.push(format!("--operator-namespace={}", world.namespace));
    world.start_operator().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    let counted = |job: &serde_json::Value| job["status"]["snapshots"]["count"].as_i64() > Some(0);
    world.until("lobby", "snapshots to be counted", SOON, counted).await;
    let operator = world.operator.as_ref().expect("an operator");
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 404)] {
        let answer = reqwest::get(format!("{}{path}", operator.health_url())).await.expect("an answer");
        assert_eq!(answer.status(), status, "{path} of the probes' listener");
    }
    let answer = reqwest::get(format!("{}/metrics", operator.metrics_url())).await.expect("an answer");
    let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let metrics = world.operator_metrics().await;
    let names = promised();
    assert!(names.len() > 18, "{names:?}");
    for name in names {
        // A family without a label value yet has its description alone; a counter's is named without its ending.
        let family = name.trim_end_matches("_total").trim_end_matches("_info");
        assert!(
            metrics.contains(&format!("# TYPE {family} ")),
            "{name} is promised by docs/metrics.md and not there"
        );
    }
    for (sample, what) in [
        ("agora_snapshot_jobs{phase=\"Running\"} 1", "one job runs"),
        ("agora_snapshot_jobs{phase=\"Failed\"} 0", "every phase is always there"),
        ("agora_snapshot_jobs_by_reason{reason=\"Capturing\"} 1", "and says why"),
        ("agora_snapshot_oldest_deletion_age_seconds 0.0", "nothing is deleted"),
        ("agora_snapshot_jobs_missing_snapshots 0", "its snapshots arrive"),
        ("agora_snapshot_sessions_ended_total{reason=\"Lost\"} 0", "nothing ended"),
        ("agora_snapshot_sessions_started_total{result=\"started\"} 1", "one start"),
        ("verb=\"start\",code=\"200\",vendor_code=\"\"", "the vendor's answer"),
        ("agora_snapshot_start_latency_seconds_count 1", "one sid"),
        (
            "agora_snapshot_duplicate_sessions_prevented_total{fence=\"recorder_uid\"} 0",
            "known series begin at zero",
        ),
        (
            "controller_runtime_reconcile_errors_total{controller=\"snapshotjob\"} 0",
            "so does the one of errors",
        ),
        ("leader_election_master_status{name=\"agora-snapshot-operator\"} 1", "it leads"),
        ("agora_snapshot_orphan_risk_sessions 0", "nothing is lost"),
        ("controller_runtime_max_concurrent_reconciles{controller=\"snapshotjob\"} 64", "the flag"),
        ("agora_snapshot_last_file_age_seconds{namespace=\"", "the only one by job"),
    ] {
        assert!(metrics.contains(sample), "{what}: {sample} is not in\n{metrics}");
    }
    let labelled = metrics.lines().filter(|line| line.contains("lobby") || line.contains(&world.namespace));
    let others: Vec<&str> =
        labelled.filter(|line| !line.starts_with("agora_snapshot_last_file_age_seconds")).collect();
    assert!(others.is_empty(), "no other metric names an object: {others:?}");
    assert!(!metrics.contains(world.simulator.app_id()), "no metric names an App ID");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_quickly_and_leaves_its_sessions_to_the_next_process() {
    let mut world = Plan::new("sigterm").faster(20).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    let before = world.until_capturing("lobby").await;
    let asked = Instant::now();
    world.stop_operator().await;
    assert!(asked.elapsed() < QUICKLY, "it took {:?}", asked.elapsed());
    assert_eq!(world.live_sessions().await.len(), 1);
    world.start_operator().await;
    let queries = world.calls("query").await.len();
    world.until_calls(&[("verb", "query"), ("answered", "true")], queries + 2).await;
    let after = world.until_capturing("lobby").await;
    assert_eq!(after["status"]["sessions"][0]["sid"], before["status"]["sessions"][0]["sid"]);
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.end().await;
}

/// SIGTERM in the middle of a start: the sid is saved before the process ends.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_waits_for_the_call_in_flight_and_saves_what_came_of_it() {
    let mut world = Plan::new("sigterm-start").faster(20).make().await;
    world.fault(json!({"verb": "start", "times": 1, "delayAfterMs": 2000})).await;
    world.create("lobby", world.spec("lobby")).await;
    world.until_calls(&[("verb", "start")], 1).await;
    world.stop_operator().await;
    let live = world.live_sessions().await;
    let saved = |job: &serde_json::Value| job["status"]["sessions"][0]["sid"] == live[0]["sid"];
    world.until("lobby", "the sid to be saved", SOON, saved).await;
    world.start_operator().await;
    world.until_capturing("lobby").await;
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.end().await;
}

/// Jobs of a namespace that is not the world's own.
fn jobs_in(world: &World, namespace: &str) -> Api<DynamicObject> {
    let resource = kube::api::ApiResource::erase::<SnapshotJob>(&());
    Api::namespaced_with(world.client.clone(), namespace, &resource)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_looks_at_the_named_namespaces_and_at_no_other() {
    let testbed = agora_snapshot_testbed::Testbed::from_env().await.expect("a testbed");
    let second = testbed.create_namespace("watched").await.expect("a namespace");
    let third = testbed.create_namespace("unwatched").await.expect("a namespace");
    // The world's own namespace is the first.
    let plan = Plan::new("namespaces").faster(20).operator_argument(&format!("--watch-namespace={second}"));
    let world = plan.make().await;
    let mut spec = world.spec("lobby");
    spec["credentialsRef"]["name"] = json!("nowhere");
    for namespace in [&third, &second, &world.namespace] {
        let job = json!({"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
            "metadata": {"name": "lobby", "namespace": namespace}, "spec": spec});
        let job: DynamicObject = serde_json::from_value(job).expect("an object");
        jobs_in(&world, namespace).create(&PostParams::default(), &job).await.expect("the job is created");
    }
    for namespace in [&second, &world.namespace] {
        let jobs = jobs_in(&world, namespace);
        let is_seen = async || {
            let job = serde_json::to_value(jobs.get("lobby").await.expect("the job")).expect("an object");
            says(&job, "Ready", "False", "WaitingForSecret").then_some(())
        };
        world.eventually(&format!("the job in {namespace} to be seen"), SOON, is_seen).await;
    }
    // It was created first, and the others have been seen meanwhile.
    let ignored = jobs_in(&world, &third).get("lobby").await.expect("the job");
    assert_eq!(ignored.data["status"], json!({"observedGeneration": -1}));
    assert!(ignored.metadata.finalizers.is_none());
    world.end().await;
}
