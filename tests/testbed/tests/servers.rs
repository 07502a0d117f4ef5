//! The servers of the testbed do what the tests of the product rely on.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::time::{Duration, Instant};

use agora_snapshot_testbed::{Keys, Rights, Testbed};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        data: Some([("key".to_owned(), "value".to_owned())].into()),
        ..ConfigMap::default()
    }
}

#[tokio::test]
async fn a_deleted_namespace_ends_with_all_that_is_in_it() {
    let testbed = Testbed::from_env().await.unwrap();
    let client = testbed.control_plane().client("admin").await.unwrap();
    let namespace = testbed.create_namespace("ends").await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    maps.create(&PostParams::default(), &config_map("content")).await.unwrap();
    assert_eq!(maps.get("content").await.unwrap().data.unwrap()["key"], "value");

    testbed.delete_namespace(&namespace).await.unwrap();

    let namespaces = Api::<Namespace>::all(client);
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Some(left) = namespaces.get_opt(&namespace).await.unwrap() {
        assert!(Instant::now() < deadline, "namespace {namespace} does not end: {:?}", left.status);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(maps.get_opt("content").await.unwrap().is_none());
}

#[tokio::test]
async fn the_audit_log_counts_writes_by_object_and_user() {
    let testbed = Testbed::from_env().await.unwrap();
    let control_plane = testbed.control_plane();
    let admin = control_plane.client("admin").await.unwrap();
    let operator = control_plane.client("operator").await.unwrap();
    let audit = control_plane.audit_log();
    let namespace = testbed.create_namespace("audit").await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(admin.clone(), &namespace);
    maps.create(&PostParams::default(), &config_map("before")).await.unwrap();

    let marker = audit.mark(&admin).await.unwrap();
    maps.create(&PostParams::default(), &config_map("counted")).await.unwrap();
    maps.get("counted").await.unwrap();
    let change = Patch::Merge(serde_json::json!({"data": {"key": "other"}}));
    maps.patch("counted", &PatchParams::default(), &change).await.unwrap();
    let refused = Api::<ConfigMap>::namespaced(operator, &namespace)
        .delete("counted", &DeleteParams::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.is_forbidden()));

    let writes = audit.writes_since(&admin, marker).await.unwrap();
    let writes = writes.of("configmaps").object(&namespace, "counted");
    let seen: Vec<_> =
        writes.iter().map(|write| (write.verb.as_str(), write.user.as_str(), write.code)).collect();
    assert_eq!(seen, [("create", "admin", 201), ("patch", "admin", 200), ("delete", "operator", 403)]);
    assert_eq!(writes.by("admin").count(), 2);
    assert_eq!(writes.accepted().by("operator").count(), 0);

    let later = audit.mark(&admin).await.unwrap();
    assert_eq!(audit.writes_since(&admin, later).await.unwrap().in_namespace(&namespace).count(), 0);
    testbed.delete_namespace(&namespace).await.unwrap();
}

#[tokio::test]
async fn the_operators_user_may_do_what_is_bound_to_it() {
    let testbed = Testbed::from_env().await.unwrap();
    let namespaces = Api::<Namespace>::all(testbed.control_plane().client("operator").await.unwrap());
    let refused = namespaces.list(&Default::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.is_forbidden()));

    testbed.control_plane().bind_cluster_role("operator", "system:node").await.unwrap();
    testbed.control_plane().bind_cluster_role("operator", "system:node").await.unwrap();

    let nodes = Api::<k8s_openapi::api::core::v1::Node>::all(namespaces.into_client());
    let deadline = Instant::now() + Duration::from_secs(10);
    // The authorizer learns of the binding through a watch of its own.
    while let Err(error) = nodes.list(&Default::default()).await {
        assert!(Instant::now() < deadline, "the binding has no effect: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_bucket_keeps_what_is_put_and_refuses_a_wrong_key() {
    let s3 = Testbed::from_env().await.unwrap().s3();
    s3.create_bucket("keeps").await.unwrap();
    let bucket = s3.bucket("keeps", s3.root()).unwrap();
    for key in ["lobby/east/b.jpg", "lobby/east/a.jpg", "other/c.jpg"] {
        bucket.put(&Path::from(key), PutPayload::from(key.to_owned())).await.unwrap();
    }

    assert_eq!(s3.list("keeps", "lobby/east").await.unwrap(), ["lobby/east/a.jpg", "lobby/east/b.jpg"]);
    assert_eq!(s3.list("keeps", "").await.unwrap().len(), 3);
    assert_eq!(s3.get("keeps", "other/c.jpg").await.unwrap(), b"other/c.jpg");

    let wrong = Keys { secret_key: "0".repeat(32), ..s3.root().clone() };
    let refused =
        s3.bucket("keeps", &wrong).unwrap().put(&Path::from("d"), PutPayload::new()).await.unwrap_err();
    assert!(refused.to_string().contains("SignatureDoesNotMatch"), "{refused}");
    assert_eq!(s3.list("keeps", "").await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_account_has_only_the_rights_it_was_given() {
    let s3 = Testbed::from_env().await.unwrap().s3();
    s3.create_bucket("narrow").await.unwrap();
    let (writer, reader, stranger) = (
        s3.create_account().await.unwrap(),
        s3.create_account().await.unwrap(),
        s3.create_account().await.unwrap(),
    );
    s3.set_access("narrow", &[(&writer, Rights::Write), (&reader, Rights::Read)]).await.unwrap();
    let path = Path::from("folder/object");
    let put = async |keys: &Keys| s3.bucket("narrow", keys).unwrap().put(&path, "content".into()).await;
    let get = async |keys: &Keys| s3.bucket("narrow", keys).unwrap().get(&path).await;
    let list = async |keys: &Keys| s3.bucket("narrow", keys).unwrap().list_with_delimiter(None).await;

    put(&writer).await.unwrap();
    get(&reader).await.unwrap();
    assert_eq!(list(&reader).await.unwrap().common_prefixes.len(), 1);

    for (what, refused) in [
        ("reader puts", put(&reader).await.err()),
        ("stranger puts", put(&stranger).await.err()),
        ("writer gets", get(&writer).await.err()),
        ("writer lists", list(&writer).await.err()),
        ("stranger lists", list(&stranger).await.err()),
    ] {
        let refused = refused.unwrap_or_else(|| panic!("allowed: {what}")).to_string();
        assert!(refused.contains("AccessDenied"), "{what}: {refused}");
    }
}
