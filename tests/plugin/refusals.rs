//! What a user is told when something is not there, not allowed, or wrong.

use serde_json::json;

use crate::telling::assert_has;
use crate::user::{User, documented_rules};
use crate::world::{CANARY, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_forbidden_is_named_with_what_to_do() {
    let world = Plan::new("plugin-refused").make_without_operator().await;
    let user = User::of(&world).await;
    world.create("lobby", world.spec("lobby")).await;

    assert_has(&user.refused(&["describe", "nobody"]), &["no SnapshotJob nobody in namespace", "ls -A"]);
    assert_has(
        &user.refused(&["ls", "-A"]),
        &["you may not list SnapshotJobs in all namespaces", "docs/plugin.md"],
    );
    assert_has(&user.refused(&["pictures", "lobby"]), &["there are no snapshots of job lobby", "doctor"]);
    assert_has(&user.refused(&["latest", "lobby", "-o", "-"]), &["there are no snapshots of job lobby"]);
    let unfound = user.run(&["pictures", "lobby", "--since", "yesterday"]);
    assert!(unfound.0 == 2 && unfound.2.contains("must be a time as"), "{unfound:?}");

    let only_jobs = json!([{"apiGroups": ["agora-snapshot.dev"], "resources": ["snapshotjobs"],
        "verbs": ["get", "list"]}]);
    let reader = User::with(&world, "no-secrets", only_jobs).await;
    assert_has(&reader.refused(&["pictures", "lobby"]), &["you may not get Secret bucket"]);
    let (code, text, _) = reader.run(&["doctor", "lobby"]);
    assert_eq!(code, 1, "{text}");
    assert_has(
        &text,
        &["note  Secrets: you may not read Secret agora", "skip  vendor credentials", "NotLookedAfter"],
    );
    let stranger = User::with(&world, "stranger", json!([])).await;
    assert_has(&stranger.refused(&["ls"]), &["you may not list SnapshotJobs in namespace"]);

    // No session was yet, which is when doctor is asked for; the bucket is looked into all the same.
    let bucket = format!("ok    storage: bucket {} can be listed; there was no session yet", world.bucket);
    assert_has(&user.run(&["doctor", "lobby"]).1, &[&bucket, "skip  snapshots: no session runs"]);
    world
        .secret("bucket", json!({"accessKey": format!("{CANARY}A"), "secretKey": format!("{CANARY}S")}))
        .await;
    assert_has(&user.run(&["doctor", "lobby"]).1, &["FAIL  storage", "StorageKeysRefused:"]);

    world.delete_secret("bucket").await;
    assert_has(&user.refused(&["pictures", "lobby"]), &["Secret bucket", "does not exist", "create it"]);
    world.secret("bucket", json!({"accessKey": "a"})).await;
    assert_has(&user.refused(&["pictures", "lobby"]), &["Secret bucket has no usable key secretKey"]);
    let rules = documented_rules();
    assert!(!rules.to_string().contains("\"*\""), "the documented role names what it needs: {rules}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_found_by_doctor_and_never_shown() {
    let world = Plan::new("plugin-keys").make().await;
    world.simulator.join("lobby", 101).await.expect("a user");
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    let user = User::of(&world).await;
    world
        .secret("bucket", json!({"accessKey": format!("{CANARY}A"), "secretKey": format!("{CANARY}S")}))
        .await;
    world
        .secret("agora", json!({"customerId": format!("{CANARY}I"), "customerSecret": format!("{CANARY}C")}))
        .await;
    let (code, text, errors) = user.run(&["doctor", "lobby"]);
    assert_eq!(code, 1, "{text}");
    assert_has(&text, &["FAIL  vendor credentials", "Unauthorized:", "FAIL  storage", "StorageKeysRefused:"]);
    let told = user.refused(&["pictures", "lobby"]);
    assert_has(&told, &["refused the keys"]);
    assert!(!format!("{text}{errors}{told}").contains(CANARY), "{text}{errors}{told}");
    let (id, secret) = (world.simulator.customer_id(), world.simulator.customer_secret());
    world.secret("agora", json!({"customerId": id, "customerSecret": secret})).await;
    world.end().await;
}
