//! The room `cluster` against a real API server: what its RBAC and its validation of events make of our calls.

use std::collections::BTreeSet;
use std::time::Duration;

use agora_snapshot_operator::api::Reason;
use agora_snapshot_operator::cluster::client::{self, CALL_LIMIT, within};
use agora_snapshot_operator::cluster::events::{Events, Kind, News, Repeated};
use agora_snapshot_operator::cluster::secrets::{SecretError, SecretReader};
use agora_snapshot_operator::metrics::Metrics;
use agora_snapshot_operator::telemetry;
use agora_snapshot_testbed::Testbed;
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

/// The operator's own kind of client, as one of the testbed's users.
async fn client_of(testbed: &Testbed, user: &str, metrics: &Metrics) -> Client {
    telemetry::install_tls_provider();
    let kubeconfig = testbed.control_plane().kubeconfig(user).expect("a kubeconfig");
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a readable kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a configuration");
    client::client(config, metrics).expect("a client")
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn job(namespace: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("agora-snapshot.dev/v1alpha1".into()),
        kind: Some("SnapshotJob".into()),
        name: Some("lobby".into()),
        namespace: Some(namespace.to_owned()),
        uid: Some("3f0e8c1c-0000-4000-8000-000000000001".into()),
        ..ObjectReference::default()
    }
}

fn news(note: &str) -> News {
    News { kind: Kind::Warning, reason: Reason::OrphanRisk, action: "Stop", note: note.into() }
}

async fn events_in(client: &Client, namespace: &str) -> Vec<Event> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    events.list(&ListParams::default()).await.expect("a list of events").items
}

#[tokio::test]
async fn secrets_are_read_and_a_missing_permission_is_named() {
    let testbed = Testbed::from_env().await.expect("servers");
    let namespace = testbed.create_namespace("secrets").await.expect("a namespace");
    let metrics = Metrics::new(false);
    let admin = client_of(testbed, "admin", &metrics).await;
    let secret: Secret = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "agora"},
        "stringData": {"customerId": "id", "customerSecret": "hunter2"},
    }))
    .expect("a Secret");
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), &namespace);
    within(CALL_LIMIT, secrets.create(&PostParams::default(), &secret)).await.expect("admin may create");

    let found =
        SecretReader::new(admin, 1).read(&namespace, &names(&["agora", "bucket"])).await.expect("both");
    let agora = found["agora"].as_ref().expect("it is there");
    assert_eq!(agora["customerSecret"], b"hunter2");
    assert_eq!(found["bucket"], None);

    let nobody = SecretReader::new(client_of(testbed, "operator", &metrics).await, 1);
    let error = nobody.read(&namespace, &names(&["agora"])).await.expect_err("no role was given");
    assert_eq!(error, SecretError::Forbidden { namespace: namespace.clone(), name: "agora".into() });
    assert!(metrics.exposition().contains(r#"rest_client_requests_total{code="403",method="GET"} 1"#));
    testbed.delete_namespace(&namespace).await.expect("it may go");
}

#[tokio::test]
async fn events_are_accepted_beside_the_object_and_in_the_operators_namespace() {
    let testbed = Testbed::from_env().await.expect("servers");
    let team = testbed.create_namespace("team").await.expect("a namespace");
    let own = testbed.create_namespace("operator").await.expect("a namespace");
    let metrics = Metrics::new(false);
    let admin = client_of(testbed, "admin", &metrics).await;

    let events = Events::start(admin.clone(), metrics.clone(), Some("operator-0".into()), Repeated::Counted);
    events.publish(job(&team), news(&"told ".repeat(300)));
    events.publish_in(&own, job(&team), news("resourceId abc"));
    let without_pod = Events::start(admin.clone(), metrics.clone(), None, Repeated::Counted);
    without_pod.publish_in(&own, job(&team), news("resourceId def"));
    events.flush(Duration::from_secs(10)).await;
    without_pod.flush(Duration::from_secs(10)).await;

    assert!(metrics.exposition().contains("agora_snapshot_events_lost_total 0"), "the API server took all");
    let beside = events_in(&admin, &team).await;
    assert_eq!(beside.len(), 1);
    assert_eq!(beside[0].reason.as_deref(), Some("OrphanRisk"));
    assert_eq!(beside[0].note.as_ref().map(String::len), Some(1024));
    let in_own = events_in(&admin, &own).await;
    assert_eq!(in_own.len(), 2);
    for event in in_own {
        let related = event.related.expect("the job");
        assert_eq!((related.namespace, related.name), (Some(team.clone()), Some("lobby".into())));
    }
    for namespace in [team, own] {
        testbed.delete_namespace(&namespace).await.expect("it may go");
    }
}

#[tokio::test]
async fn an_event_that_is_refused_is_counted() {
    let testbed = Testbed::from_env().await.expect("servers");
    let metrics = Metrics::new(false);
    let events = Events::start(
        client_of(testbed, "operator", &metrics).await,
        metrics.clone(),
        None,
        Repeated::Counted,
    );
    events.publish(job("default"), news("nobody may hear"));
    events.flush(Duration::from_secs(10)).await;
    assert!(metrics.exposition().contains("agora_snapshot_events_lost_total 1"));
}
