//! A release of the chart, by the real Helm, and the pods that it runs.

use std::path::PathBuf;

use agora_snapshot_testbed::helm_program;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::cluster::{checkout, create_namespace, get, printed, read, run, until};
use crate::sinks::Sinks;

const CHART: &str = "charts/agora-snapshot-operator";
static HELM: OnceCell<PathBuf> = OnceCell::const_new();

/// A release, installed or not.
pub(crate) struct Release<'s> {
    pub(crate) name: &'static str,
    pub(crate) namespace: String,
    values: Vec<String>,
    sinks: &'s Sinks,
}

impl<'s> Release<'s> {
    /// `values` are files beside this one.
    pub(crate) fn new(name: &'static str, namespace: &str, values: &[&str], sinks: &'s Sinks) -> Self {
        let values = values.iter().map(|file| format!("--values=tests/e2e/{file}")).collect();
        Self { name, namespace: namespace.to_owned(), values, sinks }
    }

    /// Makes its namespace, which takes restricted pods alone.
    pub(crate) async fn create_namespace(&self) {
        create_namespace(&self.namespace).await;
    }

    /// `helm install --wait`.
    pub(crate) async fn install(&self) {
        self.with_values("install", &[]).await;
        self.available().await;
    }

    /// `helm upgrade --wait` with the same values and these changes.
    pub(crate) async fn upgrade(&self, changes: &[&str]) {
        self.with_values("upgrade", changes).await;
        self.available().await;
    }

    /// `helm rollback --wait` to the revision before.
    pub(crate) async fn rollback(&self) {
        self.helm(&["rollback", self.name, "--wait", "--timeout=3m"]).await.unwrap();
        self.available().await;
    }

    /// `helm rollback --wait` to the newest revision, after which Helm takes an upgrade again.
    pub(crate) async fn rollback_to_itself(&self) {
        let history = self.helm(&["history", self.name, "--output=json"]).await.unwrap();
        let history: Value = serde_json::from_str(&history).unwrap();
        let newest = history.as_array().and_then(|all| all.last()).unwrap()["revision"].to_string();
        self.helm(&["rollback", self.name, &newest, "--wait", "--timeout=3m"]).await.unwrap();
        self.available().await;
    }

    /// `helm test`, with what its pod prints.
    pub(crate) async fn test(&self) {
        let said = self.helm(&["test", self.name, "--logs", "--timeout=2m"]).await.unwrap();
        assert!(said.contains("Succeeded"), "{said}");
        assert!(
            said.lines().any(|line| line.starts_with("ok ")),
            "the test pod has checked nothing:\n{said}"
        );
    }

    /// `helm uninstall --wait`; what it printed, also when it fails.
    pub(crate) async fn uninstall(&self) -> Result<String, String> {
        self.helm(&["uninstall", self.name, "--wait", "--timeout=4m"]).await
    }

    /// Runs Helm in the release's namespace, shown with what it prints.
    pub(crate) async fn helm(&self, arguments: &[&str]) -> Result<String, String> {
        let helm = HELM.get_or_init(async || helm_program().await.unwrap()).await;
        let namespace = format!("--namespace={}", self.namespace);
        let output = run(helm, &[arguments, &[&namespace]].concat(), "").await;
        let said = printed(&output);
        if arguments[0] != "get" {
            println!("    $ helm {} -n {}", arguments.join(" "), self.namespace);
            // The log of a hook is one line to Helm, and at the highest level that is a very long one.
            said.lines().for_each(|line| println!("      {}", line.chars().take(300).collect::<String>()));
        }
        self.sinks.add(&format!("what helm {} prints", arguments[0]), &said);
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    /// Waits until its Deployment is as it should be, and takes in what its pods log from now on.
    pub(crate) async fn available(&self) {
        let name = format!("deployment/{}", self.deployment().await["metadata"]["name"].as_str().unwrap());
        read(&["rollout", "status", &name, "-n", &self.namespace, "--timeout=120s"]).await;
        read(&["wait", "--for=condition=Available", &name, "-n", &self.namespace, "--timeout=120s"]).await;
        for pod in self.labelled("pod").await {
            // A container that was started again is another one, with a log of its own.
            let container = pod["status"]["containerStatuses"][0]["containerID"].as_str();
            if let (Some(name), Some(container)) = (pod["metadata"]["name"].as_str(), container) {
                self.sinks.follow(&self.namespace, name, container);
            }
        }
        self.sinks.look(&self.namespace).await;
        self.sinks.add("helm get all", &self.helm(&["get", "all", self.name]).await.unwrap());
    }

    /// Takes in what its only pod tells Prometheus.
    pub(crate) async fn show_metrics_to_sinks(&self) {
        self.sinks.look_at_metrics(&self.namespace, &self.pod().await).await;
    }

    /// How its operator is started.
    pub(crate) async fn arguments(&self) -> String {
        let deployment = self.deployment().await;
        let arguments =
            deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap().iter();
        arguments.map(|argument| argument.as_str().unwrap().to_owned() + " ").collect()
    }

    /// The name of its only pod.
    pub(crate) async fn pod(&self) -> String {
        until("a single pod", async || {
            let mut pods = self.pods().await;
            match pods.pop() {
                Some(pod) if pods.is_empty() => Ok(pod),
                last => Err(format!("{pods:?} and {last:?}")),
            }
        })
        .await
    }

    /// Waits until kubelet has started a container of the pod again.
    pub(crate) async fn restarted(&self, pod: &str) {
        until("a restart of the container", async || {
            let pod = get(&["pod", pod, "-n", &self.namespace]).await;
            let container = &pod["status"]["containerStatuses"][0];
            let again = container["restartCount"].as_i64() > Some(0) && container["ready"] == true;
            if again { Ok(()) } else { Err(container.to_string()) }
        })
        .await;
    }

    /// Who holds the Lease.
    pub(crate) async fn leader(&self) -> String {
        self.leader_after("").await
    }

    /// Waits until somebody else than `former` holds the Lease.
    pub(crate) async fn leader_after(&self, former: &str) -> String {
        until("a leader", async || {
            let leases = get(&["lease", "-n", &self.namespace]).await;
            let holder = leases["items"][0]["spec"]["holderIdentity"].as_str().unwrap_or_default();
            if holder.is_empty() || holder == former {
                Err(leases.to_string())
            } else {
                Ok(holder.to_owned())
            }
        })
        .await
    }

    /// The pod that a holder of the Lease is named after.
    pub(crate) async fn pod_of(&self, holder: &str) -> String {
        let pods = self.pods().await;
        let found = pods.iter().find(|pod| holder.starts_with(pod.as_str()));
        found.unwrap_or_else(|| panic!("{holder} is none of {pods:?}")).clone()
    }

    /// Nothing of the release is in the cluster any more, hooks included, but the CRD.
    pub(crate) async fn left_nothing(&self) {
        let kinds = "all,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,networkpolicies,\
                     poddisruptionbudgets,configmaps,secrets";
        let selector = format!("app.kubernetes.io/instance={}", self.name);
        until("the end of everything that was installed", async || {
            let left = read(&["get", kinds, "-n", &self.namespace, "-l", &selector, "-o", "name"]).await;
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
    }

    async fn with_values(&self, verb: &str, changes: &[&str]) {
        assert!(checkout().join(CHART).exists(), "there is no {CHART}");
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        let fixed = [verb, self.name, CHART, "--wait", "--timeout=3m"];
        self.helm(&[&fixed, &values[..], changes].concat()).await.unwrap();
    }

    async fn deployment(&self) -> Value {
        let mut deployments = self.labelled("deployment").await;
        assert_eq!(deployments.len(), 1, "one Deployment was expected: {deployments:#?}");
        deployments.remove(0)
    }

    async fn pods(&self) -> Vec<String> {
        let pods = self.labelled("pod").await.into_iter();
        pods.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Its objects of a kind that belong to the operator and not to a hook, without those that are being deleted.
    async fn labelled(&self, kind: &str) -> Vec<Value> {
        let selector =
            format!("app.kubernetes.io/instance={},app.kubernetes.io/component=operator", self.name);
        let mut list = get(&[kind, "-n", &self.namespace, "-l", &selector]).await;
        let Value::Array(mut items) = list["items"].take() else { panic!("a list was expected: {list}") };
        items.retain(|item| item["metadata"]["deletionTimestamp"].is_null());
        items
    }
}
