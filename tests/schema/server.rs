//! The real API server with the CRD installed, and what these tests ask of it.

use std::time::Duration;

use agora_snapshot_operator::api;
use agora_snapshot_testbed::Testbed;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Client, CustomResourceExt};
use serde_json::Value;

use agora_snapshot_operator::api::SnapshotJob;

/// The API server, seen from one namespace.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl Server {
    /// The one that all tests share, with the CRD.
    pub(crate) async fn with_crd() -> Self {
        Self::on(Testbed::from_env().await.expect("an API server")).await
    }

    /// Installs the CRD and waits until it is established.
    pub(crate) async fn on(testbed: &Testbed) -> Self {
        let client = testbed.control_plane().client("admin").await.expect("a client");
        let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
        crds.patch(
            SnapshotJob::crd_name(),
            &PatchParams::apply("schema-test").force(),
            &Patch::Apply(api::crd()),
        )
        .await
        .expect("the API server takes the CRD");
        let established = await_condition(crds, SnapshotJob::crd_name(), is_crd_established());
        tokio::time::timeout(Duration::from_secs(30), established)
            .await
            .expect("the CRD is established within 30 s")
            .expect("the CRD can be watched");
        let namespace = testbed.create_namespace("schema").await.expect("a namespace");
        Self { client, namespace }
    }

    /// Creates `object` without storing it, strictly: an unknown field is an error. Returns what would be stored.
    pub(crate) async fn try_create(&self, object: &Value) -> Result<Value, Status> {
        let mut request = kube::core::Request::new(format!(
            "/apis/agora-snapshot.dev/v1alpha1/namespaces/{}/snapshotjobs",
            self.namespace
        ))
        .create(
            &PostParams { dry_run: true, ..PostParams::default() },
            serde_json::to_vec(object).expect("JSON"),
        )
        .expect("a request");
        let uri = format!("{}&fieldValidation=Strict", request.uri());
        *request.uri_mut() = uri.parse().expect("an URI");
        match self.client.request::<Value>(request).await {
            Ok(stored) => Ok(stored),
            Err(kube::Error::Api(status)) => Err(*status),
            Err(error) => panic!("no answer to the creation: {error}"),
        }
    }

    /// Applies `object` (of any kind) without storing it, strictly.
    pub(crate) async fn try_apply(&self, object: &DynamicObject) -> Result<DynamicObject, kube::Error> {
        let types = object.types.clone().expect("apiVersion and kind");
        let kind: kube::core::GroupVersionKind = (&types).try_into().expect("a group and a version");
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::from_gvk(&kind));
        let name = object.metadata.name.as_deref().expect("a name");
        api.patch(
            name,
            &PatchParams { dry_run: true, ..PatchParams::apply("schema-test") }.validation_strict(),
            &Patch::Apply(object),
        )
        .await
    }
}
