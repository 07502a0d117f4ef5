//! One SnapshotJob of the examples, as its user sees it, beside what the vendor knows of it.

use serde_json::Value;

use crate::cluster::{apply, checkout, get, kubectl, read, until};
use crate::outside::Outside;

/// A job of `examples/`, in a namespace.
pub(crate) struct Job {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
}

/// The session of a job at a moment, and how many sessions ever ran.
pub(crate) struct Now {
    pub(crate) sid: String,
    sessions: usize,
}

impl Job {
    pub(crate) fn new(namespace: &'static str, name: &'static str) -> Self {
        Self { namespace, name }
    }

    /// Applies the example as it is in the repository.
    pub(crate) async fn apply(&self) {
        let file = format!("examples/{}.yaml", self.name);
        assert!(checkout().join(&file).exists(), "there is no {file}");
        kubectl(&["apply", "-n", self.namespace, "-f", &file]).await;
    }

    /// Waits until its session captures.
    pub(crate) async fn ready(&self) {
        let name = format!("snapshotjob/{}", self.name);
        let waiting = ["wait", "--for=condition=Ready", &name, "-n", self.namespace, "--timeout=120s"];
        kubectl(&waiting).await;
        until("a session in the status", async || self.sid().await.ok_or("no sid".to_owned())).await;
    }

    /// Waits until the status counts snapshots.
    pub(crate) async fn counted(&self) {
        until("a count of snapshots in the status", async || {
            let status = self.get().await["status"].take();
            if status["snapshots"]["count"].as_i64() > Some(0) { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
        kubectl(&["get", "snapshotjobs", "-n", self.namespace, "-o", "wide"]).await;
    }

    /// The session that both sides agree on.
    pub(crate) async fn now(&self, outside: &Outside) -> Now {
        let sid = self.sid().await.expect("the job has a session");
        let live: Vec<String> = outside.live().await;
        assert_eq!(live, std::slice::from_ref(&sid), "the vendor's live sessions and the one in the status");
        Now { sid, sessions: outside.sessions().await.len() }
    }

    /// The same session goes on, no other was ever started, and snapshots keep coming.
    pub(crate) async fn goes_on(&self, before: &Now, outside: &Outside) {
        let snapshots = outside.snapshots(&before.sid).await.len();
        // Past the first visit of an operator that has just come, which is when it might do harm.
        outside.snapshots_of(self, snapshots + 2).await;
        self.ready().await;
        let now = self.now(outside).await;
        assert_eq!(
            (now.sid, now.sessions),
            (before.sid.clone(), before.sessions),
            "the session and their number"
        );
    }

    /// The object stays, tells that the operator was removed, and would not hinder its own deletion.
    pub(crate) async fn is_left_without_operator(&self) {
        let job = self.get().await;
        let ready = job["status"]["conditions"].as_array().into_iter().flatten();
        let ready = ready.into_iter().find(|condition| condition["type"] == "Ready").unwrap();
        assert_eq!(
            (&ready["status"], &ready["reason"]),
            (&"False".into(), &"OperatorRemoved".into()),
            "{job:#}"
        );
        assert_eq!(job["metadata"]["finalizers"], Value::Null, "{job:#}");
        kubectl(&["get", "snapshotjobs", "-n", self.namespace, "-o", "wide"]).await;
    }

    /// Deletes the job and waits until it is gone.
    pub(crate) async fn delete(&self) {
        kubectl(&["delete", "snapshotjob", self.name, "-n", self.namespace, "--timeout=120s"]).await;
    }

    async fn get(&self) -> Value {
        get(&["snapshotjob", self.name, "-n", self.namespace]).await
    }

    async fn sid(&self) -> Option<String> {
        let job = self.get().await;
        job["status"]["sessions"][0]["sid"].as_str().map(str::to_owned)
    }
}

/// Makes the Secrets of `examples/secrets.yaml` that the examples refer to, with these values in them.
pub(crate) async fn apply_secrets(namespace: &str, values: &[(&str, &str)]) {
    let template = std::fs::read_to_string(checkout().join("examples/secrets.yaml")).unwrap();
    let wanted =
        |document: &&str| ["  name: agora\n", "  name: bucket\n"].iter().any(|it| document.contains(it));
    let documents: Vec<String> = template
        .split("---\n")
        .filter(wanted)
        .map(|document| {
            let filled = values.iter().fold(document.to_owned(), |text, (key, value)| {
                text.replace(&format!("  {key}: REPLACE_ME"), &format!("  {key}: \"{value}\""))
            });
            filled.replace("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"))
        })
        .collect();
    assert_eq!(documents.len(), 2, "examples/secrets.yaml has the Secrets agora and bucket");
    apply(&documents.join("---\n")).await;
    read(&["get", "secret", "agora", "bucket", "-n", namespace]).await;
}
