//! The simulator is started, asked and ended through the testbed. It must have been built before
//! (`cargo build -p agora-simulator`).

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::time::Duration;

use agora_snapshot_testbed::{
    Error, Folder, NotificationEndpoint, Simulator, SimulatorOptions, simulator_program,
};
use serde_json::json;

async fn start(folder: &Folder) -> Simulator {
    let options = SimulatorOptions { speed: Some(10), seed: Some(1), ..SimulatorOptions::default() };
    Simulator::start(&simulator_program().unwrap(), folder.path(), options).await.unwrap()
}

#[tokio::test]
async fn its_control_interface_answers_and_its_vendor_interface_wants_the_credentials() {
    let folder = Folder::new("test").unwrap();
    let mut simulator = start(&folder).await;
    // A name with characters that an address gives a meaning.
    simulator.join("a room/with?marks", 7).await.unwrap();
    simulator.leave("a room/with?marks", 7).await.unwrap();
    assert_eq!(simulator.sessions(&[("state", "live")]).await.unwrap(), Vec::<serde_json::Value>::new());
    assert!(simulator.settings().await.unwrap().as_object().is_some_and(|settings| !settings.is_empty()));

    let url = format!("{}/v1/apps/{}/cloud_recording/acquire", simulator.url(), simulator.app_id());
    let acquire =
        || reqwest::Client::new().post(&url).json(&json!({"cname": "c", "uid": "1", "clientRequest": {}}));
    assert_eq!(acquire().send().await.unwrap().status(), 401);
    let allowed = acquire()
        .basic_auth(simulator.customer_id(), Some(simulator.customer_secret()))
        .send()
        .await
        .unwrap();
    assert_eq!(allowed.status(), 200);
    let requests = simulator.requests(&[("verb", "acquire")]).await.unwrap();
    assert_eq!(requests.len(), 2, "{requests:?}");

    assert!(simulator.process().stop(Duration::from_secs(5)).await.unwrap().success());
}

#[tokio::test]
async fn a_refusal_of_the_control_interface_is_told() {
    let folder = Folder::new("test").unwrap();
    let simulator = start(&folder).await;
    let error = simulator.sessions(&[("state", "asleep")]).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { status: 400, body, .. } if body.contains("asleep")), "{error}");
}

#[tokio::test]
async fn notifications_go_where_they_are_told_to() {
    let folder = Folder::new("test").unwrap();
    // Nobody listens here: what is sent is known by its attempts. The operator's own receiver is the system tests' part.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let to = NotificationEndpoint { url: format!("http://{nobody}/ncs/app"), secret: "secret".to_owned() };
    let options = SimulatorOptions {
        speed: Some(100),
        seed: Some(1),
        notifications: Some(to.clone()),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(&simulator_program().unwrap(), folder.path(), options).await.unwrap();
    let number = simulator.send_raw(simulator.app_id(), json!({"body": {}})).await.unwrap().to_string();
    let given_up =
        simulator.notices(&[("number", &number), ("state", "givenUp"), ("wait", "1")]).await.unwrap();
    assert_eq!(given_up[0]["attempts"][3]["url"], to.url);

    simulator.notify_nobody(simulator.app_id()).await.unwrap();
    assert!(simulator.test_endpoint(simulator.app_id()).await.is_err());
    simulator.notify(simulator.app_id(), &to).await.unwrap();
    simulator.notice_rule(json!({"lose": true})).await.unwrap();
    simulator
        .storm(simulator.app_id(), json!({"perSecond": 100, "count": 50, "unknownSid": true}))
        .await
        .unwrap();
    let counts = simulator.settled_notice_counts(Duration::from_secs(30)).await.unwrap();
    assert_eq!((&counts["lost"], &counts["givenUp"]), (&json!(50), &json!(1)));
    simulator.clear_notice_rules().await.unwrap();
    assert_eq!(simulator.test_endpoint(simulator.app_id()).await.unwrap().len(), 15);
}
