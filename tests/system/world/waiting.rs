//! Waiting for what a test is about: for versions of objects by their watch, for the simulator by its long poll, for what
//! nobody tells by asking.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use serde_json::Value;

use super::{SOON, World, condition};

/// Counts the visits to jobs that have ended.
pub const VISITS: &str = "controller_runtime_reconcile_total";

impl World {
    /// Waits until the job is so, and returns it. `what` tells what was awaited.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        within: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let newest = || self.witness.lock().expect("no panic under the lock").newest.get(name).cloned();
        self.awaited(what, within, || newest().filter(|job| is_so(job)), || format!("{:#?}", newest())).await
    }

    /// Waits until `Ready` has this status and reason, and returns the job.
    pub async fn until_ready_is(&self, name: &str, status: &str, reason: &str) -> Value {
        let what = format!("{name} to have Ready={status} {reason}");
        self.until(name, &what, SOON, |job| {
            condition(job, "Ready")
                .is_some_and(|ready| ready["status"] == status && ready["reason"] == reason)
        })
        .await
    }

    /// Waits until a confirmed session takes snapshots.
    pub async fn until_capturing(&self, name: &str) -> Value {
        self.until_ready_is(name, "True", "Capturing").await
    }

    /// Waits until the object is gone.
    pub async fn until_gone(&self, name: &str, within: Duration) {
        let witness = &self.witness;
        let is_gone = || witness.lock().expect("no panic under the lock").gone.contains(name).then_some(());
        let show = || format!("{:#?}", witness.lock().expect("no panic under the lock").newest.get(name));
        self.awaited(&format!("{name} to be gone"), within, is_gone, show).await;
    }

    /// Waits until a namespace is gone, and everything in it.
    pub async fn until_namespace_is_gone(&self, namespace: &str, within: Duration) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let is_gone =
            async || namespaces.get_opt(namespace).await.expect("an answer").is_none().then_some(());
        self.eventually("the namespace to be gone", within, is_gone).await;
    }

    async fn awaited<T>(
        &self,
        what: &str,
        within: Duration,
        look: impl Fn() -> Option<T>,
        show: impl Fn() -> String,
    ) -> T {
        let mut changed = self.changed.clone();
        let wait = async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = look() {
                    return found;
                }
                changed.changed().await.expect("the watch goes on");
            }
        };
        match tokio::time::timeout(within, wait).await {
            Ok(found) => found,
            Err(_) => {
                panic!("waited {within:?} in vain for {what}; the object is {}\n{}", show(), self.log_tail())
            }
        }
    }

    /// Asks again and again until there is an answer, for what no watch tells.
    pub async fn eventually<T, F>(&self, what: &str, within: Duration, ask: impl Fn() -> F) -> T
    where
        F: Future<Output = Option<T>>,
    {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        match tokio::time::timeout(within, asking).await {
            Ok(answer) => answer,
            Err(_) => panic!("waited {within:?} in vain for {what}\n{}", self.log_tail()),
        }
    }

    /// The calls that fit `narrow`, as soon as there are `count` of them.
    pub async fn until_calls(&self, narrow: &[(&str, &str)], count: usize) -> Vec<Value> {
        let answer = self.simulator.requests(&long_poll(narrow, &count.to_string())).await;
        answer.unwrap_or_else(|error| panic!("{count} calls {narrow:?}: {error}\n{}", self.log_tail()))
    }

    /// The sessions that fit `narrow`, as soon as there are `count` of them.
    pub async fn until_sessions(&self, narrow: &[(&str, &str)], count: usize) -> Vec<Value> {
        let answer = self.simulator.sessions(&long_poll(narrow, &count.to_string())).await;
        answer.unwrap_or_else(|error| panic!("{count} sessions {narrow:?}: {error}\n{}", self.log_tail()))
    }

    /// Waits until a line of the operators' logs contains `text`.
    pub async fn until_logged(&self, text: &str) {
        let logged = |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|log| log.contains(text));
        self.eventually(&format!("{text:?} in the log"), SOON, || {
            let found = self.logs.iter().any(logged).then_some(());
            async move { found }
        })
        .await;
    }

    /// Visits to jobs that have ended, by the operator's own count.
    pub async fn visits(&self) -> u64 {
        self.samples(VISITS).await.iter().sum()
    }

    /// Waits until no visit is under way. The change that a visit made can be seen before it ends.
    pub async fn until_no_visit(&self) {
        let is_at_rest = async || {
            let under_way = self.samples("controller_runtime_active_workers").await;
            (under_way == [0]).then_some(())
        };
        self.eventually("the visits to be over", SOON, is_at_rest).await;
    }

    /// The numbers of all series of one of the operator's metrics.
    async fn samples(&self, metric: &str) -> Vec<u64> {
        let operator = self.operator.as_ref().expect("an operator");
        operator.samples(metric, &[]).await.expect("metrics")
    }
}

fn long_poll<'a>(narrow: &[(&'a str, &'a str)], count: &'a str) -> Vec<(&'a str, &'a str)> {
    const MILLISECONDS: &str = "60000";
    narrow.iter().copied().chain([("wait", count), ("timeoutMs", MILLISECONDS)]).collect()
}
