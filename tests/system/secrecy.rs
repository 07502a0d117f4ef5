//! No secret in any sink, with every kind of secret in use and every library at its most talkative. What a world checks
//! at its end (metrics, log, events, statuses) is checked in every test; here for more secrets, and at `trace`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::world::{CANARY, Plan, SOON};

/// 32 hexadecimal characters, as the vendor's console gives them.
const CERTIFICATE: &str = "0CA7A271CA7A271CA7A271CA7A271CA7";

/// Version 007, and what every zlib stream of default strength begins with in Base64.
const TOKEN_HEAD: &str = "007eJ";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_told_at_the_highest_level() {
    let mut world = Plan::new("secrecy")
        .faster(20)
        .app_certificate(CERTIFICATE)
        .log_level("trace")
        .make_without_operator()
        .await;
    let (id, secret) = (world.simulator.customer_id(), world.simulator.customer_secret());
    let basic = STANDARD.encode(format!("{id}:{secret}"));
    let certificate =
        json!({"customerId": id, "customerSecret": secret, "appCertificate": CERTIFICATE, "unused": CANARY});
    world.secret("agora", certificate).await;
    let salt = STANDARD.encode([0xca; 32]);
    world.secret("media", json!({"secret": format!("{CANARY}-media"), "salt": salt})).await;
    world.start_operator().await;

    world.simulator.join("lobby", 7).await.expect("a user joins");
    let mut spec = world.spec("lobby");
    spec["channel"]["encryption"] = json!({"mode": "AES256GCM2", "secretKeyRef": {"name": "media", "key": "secret"},
        "saltSecretKeyRef": {"name": "media", "key": "salt"}});
    world.create("lobby", spec).await;
    world.until_capturing("lobby").await;
    // Bad values are told without being repeated.
    world.secret("odd", json!({"customerId": format!("{CANARY} {CANARY}"), "customerSecret": CANARY})).await;
    let mut odd = world.spec("odd");
    odd["credentialsRef"] = json!({"name": "odd"});
    world.create("odd", odd).await;
    world.until_ready_is("odd", "False", "WaitingForSecret").await;

    // Both were sent; the simulator's journal shows hashes only.
    let sent = world.calls("start").await[0]["body"]["clientRequest"].clone();
    for secret in [&sent["token"], &sent["recordingConfig"]["secret"]] {
        assert!(secret.as_str().is_some_and(|text| text.starts_with("sha256:")), "{sent:#}");
    }
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    let log = world.log();
    assert!(log.contains(" TRACE "), "the log is at its highest level");
    assert!(log.lines().any(|line| line.contains("hyper") || line.contains("kube")), "libraries talk, too");
    for (what, secret) in [
        ("the Basic credentials", basic.as_str()),
        ("the App Certificate", CERTIFICATE),
        ("the salt", &salt),
        ("a token", TOKEN_HEAD),
    ] {
        assert!(!log.contains(secret), "{what} is in the log");
    }
    world.end().await;
}
