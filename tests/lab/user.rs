//! The user: what they ask of the API server, and who sits in the channel.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::api_server::{Answer, Resource};
use crate::world::{ACCOUNT, APP_ID, Inner};

pub(crate) const NAMESPACE: &str = "live";
pub(crate) const JOB: &str = "lobby";
const CHANNEL: &str = "lobby";

/// Of the bucket.
const BUCKET_KEYS: (&str, &str) = ("bucket-4711", "hunter2-of-the-bucket");

/// Nothing of these may leave the operator but for the vendor and the bucket.
pub(crate) const SECRETS: [&str; 2] = [ACCOUNT.1, BUCKET_KEYS.1];

/// A user of the channel.
const HOST: u32 = 42;

/// The job as it is created.
fn job() -> Value {
    json!({
        "apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob", "metadata": {"name": JOB},
        "spec": {
            "credentialsRef": {"name": "agora"},
            "channel": {"appId": APP_ID, "name": CHANNEL, "profile": "LiveBroadcasting"},
            "intervalSeconds": 600,
            "storage": {
                "vendor": "AmazonS3", "region": "us-east-1", "bucket": "snapshots", "prefix": "lobby",
                "credentialsRef": {"name": "bucket"},
            },
        },
    })
}

impl Inner {
    /// Makes the namespace and the Secrets, and somebody joins the channel.
    pub(crate) fn prepare(&mut self) {
        for namespace in [NAMESPACE, "agora-system"] {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            self.request(Method::POST, "/api/v1/namespaces", &object);
        }
        self.secret("agora", &[("customerId", ACCOUNT.0), ("customerSecret", ACCOUNT.1)]);
        self.secret("bucket", &[("accessKey", BUCKET_KEYS.0), ("secretKey", BUCKET_KEYS.1)]);
        let now = self.millis();
        self.vendor.join(now, CHANNEL, HOST, &mut self.buckets);
    }

    fn secret(&mut self, name: &str, data: &[(&str, &str)]) {
        let data: serde_json::Map<String, Value> =
            data.iter().map(|(key, value)| ((*key).to_owned(), json!(base64(value)))).collect();
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": data});
        self.request(Method::POST, &format!("/api/v1/namespaces/{NAMESPACE}/secrets"), &object);
    }

    pub(crate) fn create_job(&mut self) {
        self.request(Method::POST, &jobs(), &job());
    }

    /// Changes the spec.
    pub(crate) fn edit(&mut self, spec: Value) {
        self.request(Method::PATCH, &format!("{}/{JOB}", jobs()), &json!({"spec": spec}));
    }

    /// Asks for a new session by the annotation, with a value that it did not have.
    pub(crate) fn restart(&mut self) {
        let value = self.api.resource_version().to_string();
        let annotations = json!({"agora-snapshot.dev/restart": value});
        let path = format!("{}/{JOB}", jobs());
        self.request(Method::PATCH, &path, &json!({"metadata": {"annotations": annotations}}));
    }

    /// Takes the Secret with the vendor's credentials away, if it is there.
    pub(crate) fn take_credentials(&mut self) {
        if self.api.object(Resource::Secrets, NAMESPACE, "agora").is_some() {
            let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets/agora");
            self.request(Method::DELETE, &path, &Value::Null);
        }
    }

    /// Gives it back, if it is not there.
    pub(crate) fn give_credentials(&mut self) {
        if self.api.object(Resource::Secrets, NAMESPACE, "agora").is_none() {
            self.secret("agora", &[("customerId", ACCOUNT.0), ("customerSecret", ACCOUNT.1)]);
        }
    }

    /// Somebody joins a channel.
    pub(crate) fn somebody_joins(&mut self, channel: &str) {
        let now = self.millis();
        self.vendor.join(now, channel, HOST, &mut self.buckets);
    }

    pub(crate) fn delete_job(&mut self) {
        self.request(Method::DELETE, &format!("{}/{JOB}", jobs()), &Value::Null);
    }

    /// The job as it is now.
    pub(crate) fn job(&self) -> Option<&Value> {
        self.api.object(Resource::SnapshotJobs, NAMESPACE, JOB)
    }

    /// Takes the server of the session that runs away.
    pub(crate) fn fail_over(&mut self) {
        let now = self.millis();
        let sid = self.vendor.live(now).first().map(|session| session.sid.clone()).expect("a session runs");
        self.vendor.fail_over(now, &sid, &mut self.buckets);
    }

    pub(crate) fn request(&mut self, method: Method, path: &str, body: &Value) {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let form = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(method).uri(path).header("content-type", form).body(body);
        let (request, now) = (request.expect("a request"), self.now());
        let Answer::Now(answer) = self.api.answer(now, &request) else { unreachable!("nobody watches") };
        assert!(answer.status().is_success(), "{path}: {answer:?}");
    }
}

pub(crate) fn jobs() -> String {
    format!("/apis/agora-snapshot.dev/v1alpha1/namespaces/{NAMESPACE}/snapshotjobs")
}

pub(crate) fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
