//! Every place that a secret could leak to, gathered while a test runs and searched at its end.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use crate::cluster::{read, run_folder, say, until};
use crate::outside::CANARY;

/// The canary as base64 has it at the beginning of a value: in HTTP's basic authentication and in Secrets.
const CANARY_IN_BASE64: &str = "Q2FuYXJ5T2ZUaGVTZWNyZXRz";

/// What was gathered.
#[derive(Default)]
pub(crate) struct Sinks {
    /// Where a text is from, and the text.
    texts: Mutex<BTreeMap<String, String>>,
    /// For each container: who writes its log, and where to.
    logs: Mutex<BTreeMap<String, (Child, PathBuf)>>,
}

impl Sinks {
    /// Takes in a text.
    pub(crate) fn add(&self, from: &str, text: &str) {
        let mut texts = self.texts.lock().unwrap();
        texts.entry(from.to_owned()).or_default().push_str(text);
    }

    /// Takes in all that a container logs, from its beginning to its end.
    pub(crate) fn follow(&self, namespace: &str, pod: &str, container: &str) {
        let mut logs = self.logs.lock().unwrap();
        if logs.contains_key(container) {
            return;
        }
        let path = run_folder().join(format!("{pod}-{}.log", logs.len()));
        let child = Command::new("kubectl")
            .args(["logs", "--follow", pod, "-n", namespace])
            .stdin(Stdio::null())
            .stdout(File::create(&path).unwrap())
            .spawn()
            .unwrap();
        logs.insert(container.to_owned(), (child, path));
    }

    /// Takes in what the API server has of jobs, events and the release's own objects.
    pub(crate) async fn look(&self, namespace: &str) {
        for kinds in ["snapshotjobs,events,configmaps,leases", "pods,jobs,deployments"] {
            self.add(&format!("kubectl get {kinds}"), &read(&["get", kinds, "-A", "-o", "yaml"]).await);
        }
        self.add("kubectl describe", &read(&["describe", "pods,snapshotjobs", "-A"]).await);
        self.add("events of the release", &read(&["get", "events", "-n", namespace]).await);
    }

    /// Takes in what a pod tells Prometheus.
    pub(crate) async fn look_at_metrics(&self, namespace: &str, pod: &str) {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:8080/proxy/metrics");
        let metrics = read(&["get", "--raw", &path]).await;
        assert!(metrics.contains("agora_snapshot_api_requests_total{"), "no request was counted:\n{metrics}");
        self.add("metrics", &metrics);
    }

    /// Searches everything. Only once all pods that were followed have ended, so that nothing comes after it.
    pub(crate) async fn hold_no_secret(&self) {
        self.logs_are_complete().await;
        let texts = self.texts.lock().unwrap();
        let bytes: usize = texts.values().map(String::len).sum();
        for (from, text) in texts.iter() {
            for canary in [CANARY, CANARY_IN_BASE64] {
                let line = text.lines().find(|line| line.contains(canary));
                assert_eq!(line, None, "a secret is in: {from}");
            }
        }
        say(&format!("searched {} kinds of text, {} KiB", texts.len(), bytes / 1024));
    }

    /// Waits for the end of every log and takes them in.
    async fn logs_are_complete(&self) {
        let logs = std::mem::take(&mut *self.logs.lock().unwrap());
        assert!(!logs.is_empty(), "no pod was followed");
        for (container, (mut child, path)) in logs {
            let what = format!("the end of the log of container {container}");
            until(&what, async || child.try_wait().unwrap().ok_or_else(|| path.display().to_string())).await;
            let log = std::fs::read_to_string(&path).unwrap();
            assert!(log.contains("\"level\":\"TRACE\""), "{} is not at the highest level", path.display());
            self.add("logs of the operator", &log);
        }
    }
}
