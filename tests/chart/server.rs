//! What is rendered, given to a real API server: it takes every object strictly, and Pod Security has nothing to say.

use agora_snapshot_testbed::Testbed;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::client::Body;
use kube::core::{GroupVersionKind, Request};
use serde_json::{Value, json};

use crate::golden::everything;
use crate::helm::{NAMESPACE, Rendered, render_as};

/// The API server, and a namespace in which only restricted pods run.
struct Server {
    client: Client,
    namespace: String,
}

/// What the API server said to an object.
struct Answer {
    status: u16,
    warnings: Vec<String>,
    body: String,
}

impl Server {
    async fn start() -> Self {
        let testbed = Testbed::from_env().await.expect("an API server");
        let client = testbed.control_plane().client("admin").await.expect("a client");
        let namespace = testbed.create_namespace("chart").await.expect("a namespace");
        let labels = json!({"metadata": {"labels": {
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/enforce-version": "latest",
            "pod-security.kubernetes.io/warn": "restricted",
        }}});
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.patch(&namespace, &PatchParams::default(), &Patch::Merge(labels)).await.expect("labels");
        Self { client, namespace }
    }

    /// Applies an object strictly on the server's side, as Helm does, without storing it; but for service accounts,
    /// without which no pod is taken.
    async fn apply(&self, object: &Value) -> Answer {
        let api_version = object["apiVersion"].as_str().expect("an apiVersion");
        let kind = object["kind"].as_str().expect("a kind");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let name = object["metadata"]["name"].as_str().expect("a name");
        let parameters =
            PatchParams { dry_run: kind != "ServiceAccount", ..PatchParams::apply("chart-test").force() }
                .validation_strict();
        let request = Request::new(api.resource_url())
            .patch(name, &parameters, &Patch::Apply(object))
            .expect("a request");
        let response = self.client.send(request.map(Body::from)).await.expect("an answer");
        let warnings = response.headers().get_all("warning").iter();
        let warnings = warnings.map(|warning| warning.to_str().expect("text").to_owned()).collect();
        let status = response.status().as_u16();
        let body = response.into_body().collect_bytes().await.expect("a body");
        Answer { status, warnings, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Everything that the chart makes with these values in the namespace.
    fn render(&self, values: &Value) -> Rendered {
        render_as("shots", &self.namespace, values, &[])
    }
}

#[tokio::test]
async fn the_api_server_takes_every_object_strictly() {
    let server = Server::start().await;
    for values in [
        json!({}),
        json!({"replicaCount": 2, "leaderElection": {"enabled": true}}),
        json!({"watchNamespaces": [server.namespace]}),
        everything(),
    ] {
        let mut applied = 0;
        for object in server.render(&values).objects {
            // The Prometheus operator's kinds are not installed here; kubeconform validates them.
            if object["apiVersion"] == "monitoring.coreos.com/v1" {
                continue;
            }
            let answer = server.apply(&object).await;
            let what = format!("{} {}", object["kind"], object["metadata"]["name"]);
            assert!(matches!(answer.status, 200 | 201), "{what}: {}", answer.body);
            assert_eq!(answer.warnings, Vec::<String>::new(), "{what}");
            applied += 1;
        }
        assert!(applied > 10, "only {applied} objects");
    }
}

/// The same asked of what is wrong, so that the test above is known to see it.
#[tokio::test]
async fn the_api_server_would_say_what_is_wrong() {
    let server = Server::start().await;
    let rendered = server.render(&json!({}));
    let mut deployment = rendered.of_kind("Deployment")[0].clone();
    deployment["spec"]["noSuchField"] = json!(1);
    let answer = server.apply(&deployment).await;
    assert!(answer.status >= 400 && answer.body.contains("noSuchField"), "{}", answer.body);

    let root = json!({"podSecurityContext": {"runAsNonRoot": false, "runAsUser": 0}});
    let rendered = server.render(&root);
    let account = server.apply(rendered.of_kind("ServiceAccount")[0]).await;
    assert_eq!(account.status, 201, "{}", account.body);
    // Of the Deployment and the Job it warns; the pod itself it refuses.
    for kind in ["Deployment", "Job"] {
        let answer = server.apply(rendered.of_kind(kind)[0]).await;
        assert!(
            answer.warnings.iter().any(|warning| warning.contains("runAsNonRoot")),
            "{kind}: {:?}",
            answer.warnings
        );
    }
    let answer = server.apply(rendered.of_kind("Pod")[0]).await;
    assert!(answer.status == 403 && answer.body.contains("violates PodSecurity"), "{}", answer.body);
    assert_ne!(server.namespace, NAMESPACE);
}
