//! The CRD on the real API server: taken without complaint, and what people and operators do with objects of it.

use agora_snapshot_operator::api::status::SnapshotJobStatus;
use agora_snapshot_operator::api::{self, SnapshotJob};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use kube::api::{Api, GetParams, ListParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};

use crate::objects::{record_and_snapshot, snapshot_only, with};
use crate::server::Server;

#[tokio::test]
async fn the_api_server_has_no_complaint() {
    let server = Server::with_crd().await;
    let crds: Api<CustomResourceDefinition> = Api::all(server.client.clone());
    let crd = crds.get(SnapshotJob::crd_name()).await.expect("the CRD");
    let conditions = crd.status.and_then(|status| status.conditions).expect("conditions");
    let status_of =
        |kind: &str| conditions.iter().find(|found| found.type_ == kind).map(|found| found.status.as_str());
    assert_eq!(status_of("Established"), Some("True"));
    assert_eq!(status_of("NamesAccepted"), Some("True"));
    // Present only with a complaint: the first with a schema that is not structural.
    assert_eq!(status_of("NonStructuralSchema"), None, "{conditions:?}");
    assert_eq!(status_of("Terminating"), None, "{conditions:?}");
}

#[tokio::test]
async fn nothing_of_the_schema_is_dropped_by_the_api_server() {
    let server = Server::with_crd().await;
    let crds: Api<CustomResourceDefinition> = Api::all(server.client.clone());
    let crd = crds.get(SnapshotJob::crd_name()).await.expect("the CRD");
    assert_eq!(
        serde_json::to_value(&crd.spec.versions).expect("JSON"),
        serde_json::to_value(api::crd().spec.versions).expect("JSON"),
    );
}

/// A status as a running job has it.
pub(crate) fn running() -> Value {
    json!({
        "observedGeneration": 1,
        "phase": "Running",
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Capturing", "message": "",
            "lastTransitionTime": "2025-06-01T10:00:00Z", "observedGeneration": 1,
        }],
        "sessions": [{
            "attempt": 1, "state": "Running", "recorderUid": 1001, "nonce": "n", "specHash": "v1:h",
            "appId": "970ca35de60c44645bbae8a215061b33", "channel": "lobby",
            "resourceId": "r", "acquireTime": "2025-06-01T10:00:00Z", "sid": "38f8e3cfdc474cd56fc1ceba380d7e1a",
        }],
        "snapshots": { "count": 12, "lastTime": "2025-06-01T10:02:00Z" },
    })
}

#[tokio::test]
async fn columns_show_what_people_ask_for() {
    let server = Server::with_crd().await;
    let jobs: Api<SnapshotJob> = Api::namespaced(server.client.clone(), &server.namespace);
    let mut job: SnapshotJob =
        serde_json::from_value(with(record_and_snapshot(), json!({ "spec": { "suspend": null } })))
            .expect("a job");
    job = jobs.create(&PostParams::default(), &job).await.expect("a good job");
    job.status = Some(serde_json::from_value::<SnapshotJobStatus>(running()).expect("a status"));
    jobs.replace_status("lobby", &PostParams::default(), &job).await.expect("a good status");
    let mut request =
        Request::new(jobs.resource_url()).get("lobby", &GetParams::default()).expect("a request");
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io".parse().expect("a media type");
    request.headers_mut().insert("Accept", table);
    let table: Value = server.client.request(request).await.expect("a table");
    let cells = table["rows"][0]["cells"].as_array().expect("cells");
    let columns: Vec<(&str, i64, &Value)> = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter()
        .zip(cells)
        .map(|(column, cell)| {
            (column["name"].as_str().expect("a name"), column["priority"].as_i64().expect("a priority"), cell)
        })
        .collect();
    let cell = |name: &str| columns.iter().find(|column| column.0 == name).map(|column| column.2);
    let names = |priority: i64| -> Vec<&str> {
        columns.iter().filter(|column| column.1 == priority).map(|column| column.0).collect()
    };
    assert_eq!(names(0), ["Name", "Phase", "Channel", "Interval", "Snapshots", "Last-Snapshot", "Age"]);
    assert_eq!(names(1), ["Sid", "Recorder", "Reason"]);
    assert_eq!(cell("Phase"), Some(&json!("Running")));
    assert_eq!(cell("Channel"), Some(&json!("lobby")));
    assert_eq!(cell("Interval"), Some(&json!(5)));
    assert_eq!(cell("Snapshots"), Some(&json!(12)));
    assert!(
        cell("Last-Snapshot")
            .and_then(Value::as_str)
            .is_some_and(|age| age.ends_with('d') || age.ends_with('y'))
    );
    assert_eq!(cell("Sid"), Some(&json!("38f8e3cfdc474cd56fc1ceba380d7e1a")));
    assert_eq!(cell("Recorder"), Some(&json!(1001)));
    assert_eq!(cell("Reason"), Some(&json!("Capturing")));

    for selector in [
        "spec.channel.name=lobby",
        "spec.channel.appId=970ca35de60c44645bbae8a215061b33",
        "spec.storage.bucket=snapshots",
        "status.phase=Running",
    ] {
        let found = jobs.list(&ListParams::default().fields(selector)).await.expect("a selectable field");
        assert_eq!(found.items.len(), 1, "{selector}");
        let (field, _) = selector.split_once('=').expect("an equals sign");
        let none = jobs.list(&ListParams::default().fields(&format!("{field}=other"))).await.expect("a list");
        assert_eq!(none.items.len(), 0, "{field}=other");
    }
}

#[tokio::test]
async fn a_status_with_words_of_the_future_is_stored_and_a_fifth_session_is_not() {
    let server = Server::with_crd().await;
    let jobs: Api<SnapshotJob> = Api::namespaced(server.client.clone(), &server.namespace);
    let job: SnapshotJob = serde_json::from_value(snapshot_only()).expect("a job");
    jobs.create(&PostParams::default(), &job).await.expect("a good job");
    let put = async |status: Value| -> Result<Value, kube::Error> {
        // As plain JSON, for this decoder does not know the words of the future.
        let get = Request::new(jobs.resource_url()).get("lobby", &GetParams::default()).expect("a request");
        let mut object: Value = server.client.request(get).await.expect("the job");
        object["status"] = status;
        let replace = Request::new(jobs.resource_url())
            .replace_subresource("status", "lobby", &PostParams::default(), object.to_string().into_bytes())
            .expect("a request");
        server.client.request(replace).await
    };
    let mut future = with(running(), json!({ "phase": "Dreaming" }));
    future["sessions"][0]["state"] = json!("Dreaming");
    future["sessions"][0]["resourceId"] = json!("r".repeat(4096));
    let stored = put(future.clone()).await.expect("new words and a long resourceId");
    assert_eq!(stored["status"]["phase"], "Dreaming");
    assert_eq!(stored["status"]["sessions"], future["sessions"]);

    let sessions = |count: i64| -> Value {
        let mut status = running();
        status["sessions"] = (1..=count)
            .map(|attempt| with(running()["sessions"][0].clone(), json!({ "attempt": attempt })))
            .collect();
        status
    };
    put(sessions(4)).await.expect("four sessions");
    // Refused with the claim, before the session is started: nothing is lost.
    let refused = put(sessions(5)).await.expect_err("five sessions").to_string();
    assert!(refused.contains("status.sessions: Too many: 5: must have at most 4 items"), "{refused}");
    let mut twins = sessions(2);
    twins["sessions"][1]["attempt"] = json!(1);
    let refused = put(twins).await.expect_err("two sessions of one attempt").to_string();
    // Between the two words, releases of Kubernetes differ.
    assert!(refused.contains("status.sessions[1]: Duplicate value: "), "{refused}");
    assert!(refused.contains("{\"attempt\":1}"), "{refused}");
}
