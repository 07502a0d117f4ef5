//! The vendor's notifications on real parts: sent by the simulator, signed, lost, doubled, out of order, and forged; received
//! by the operator's own server.

use std::time::Duration;

use agora_snapshot_testbed::{NotificationEndpoint, Operator, evidence};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::crash::assert_one_session_ever;
use crate::role;
use crate::telling::{assert_has, says};
use crate::world::{Plan, SOON, World, condition};

const SCALE: u32 = 20;
const SECRET: &str = "CANARY7f3a-notices";

/// 32 hexadecimal characters, as the vendor's console gives them.
const CERTIFICATE: &str = "5CFd2fd1755d40ecb72977518be15d3b";

/// A world whose operator hears its notifications, with a user in channel `lobby`.
async fn hearing(plan: Plan) -> World {
    let mut world = plan.make_without_operator().await;
    world.operator_options.notifications = true;
    sign_with(&world, SECRET).await;
    world.start_operator().await;
    let operator = world.operator.as_ref().expect("an operator");
    send_to(&world, operator, SECRET).await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world
}

/// Puts the secret into the Secret `agora`.
async fn sign_with(world: &World, secret: &str) {
    credentials(world, "agora", json!({ "notificationSecret": secret })).await;
}

async fn credentials(world: &World, name: &str, more: Value) {
    let (id, secret) = (world.simulator.customer_id(), world.simulator.customer_secret());
    let mut values = json!({"customerId": id, "customerSecret": secret});
    let more = more.as_object().cloned().expect("an object");
    values.as_object_mut().expect("an object").extend(more);
    world.secret(name, values).await;
}

/// The vendor sends there, signed with this.
async fn send_to(world: &World, operator: &Operator, secret: &str) {
    let app_id = world.simulator.app_id();
    let url = format!("{}/ncs/{app_id}", operator.notifications_url().expect("it takes notifications"));
    let endpoint = NotificationEndpoint { url, secret: secret.to_owned() };
    world.simulator.notify(app_id, &endpoint).await.expect("an endpoint");
}

/// How many notifications came to this, of a type or of all.
async fn heard(operator: &Operator, event_type: Option<u32>, result: &str) -> u64 {
    let kind = event_type.map(|kind| kind.to_string());
    let labels = [("result", result)].into_iter().chain(kind.iter().map(|kind| ("type", kind.as_str())));
    let labels: Vec<_> = labels.collect();
    let counts = operator.samples("agora_snapshot_notifications_total", &labels).await;
    counts.expect("metrics").iter().sum()
}

async fn until_heard(world: &World, operator: &Operator, event_type: Option<u32>, result: &str) {
    let what = format!("{event_type:?} {result}");
    let one = async || (heard(operator, event_type, result).await > 0).then_some(());
    world.eventually(&what, SOON, one).await;
}

/// A body as the vendor's, about a session.
fn body(session: &Value, event_type: u32, sequence: u64, details: Value) -> Value {
    let now = Timestamp::now().as_millisecond();
    json!({
        "noticeId": format!("{event_type}-{sequence}"), "productId": 3, "eventType": event_type, "notifyMs": now,
        "payload": {
            "cname": session["cname"], "uid": session["uid"], "sid": session["sid"],
            "sequence": sequence, "sendts": now, "serviceType": 0, "details": details,
        },
    })
}

async fn send(world: &World, body: Value) {
    let app_id = world.simulator.app_id();
    let number = world.simulator.send_raw(app_id, json!({ "body": body })).await.expect("it is sent");
    let number = number.to_string();
    let narrow =
        [("number", number.as_str()), ("verdict", "delivered"), ("wait", "1"), ("timeoutMs", "20000")];
    world.simulator.notices(&narrow).await.expect("it is delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_channel_is_known_for_idle_although_there_were_snapshots() {
    let world = hearing(Plan::new("told-idle").faster(SCALE)).await;
    world.create("lobby", world.spec("lobby")).await;
    let arrive = |job: &Value| says(job, "SnapshotsArriving", "True", "Arriving");
    world.until("lobby", "snapshots to arrive", SOON, arrive).await;
    world.simulator.leave("lobby", 7).await.expect("the user leaves");
    // Without the word of the vendor nobody could tell this from a loss, and another session would be started.
    let job = world.until_ready_is("lobby", "True", "Completed").await;
    assert_eq!(job["status"]["history"][0]["endReason"], "Idle", "{job:#}");
    assert_one_session_ever(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nobody_sends_any_more_is_told_by_the_vendor() {
    let world = hearing(Plan::new("told-video").faster(SCALE)).await;
    world.create("lobby", world.spec("lobby")).await;
    let arrive = |job: &Value| says(job, "SnapshotsArriving", "True", "Arriving");
    world.until("lobby", "snapshots to arrive", SOON, arrive).await;
    let silent = json!({"video": false, "audio": true, "host": true});
    world.simulator.put_user("lobby", 7, silent).await.expect("the user changes");
    let none = |job: &Value| says(job, "SnapshotsArriving", "False", "NoVideo");
    let job = world.until("lobby", "the missing video to be told", SOON, none).await;
    assert!(says(&job, "Ready", "True", "NoVideo"), "{job:#}");
    world.simulator.join("lobby", 7).await.expect("the user sends again");
    world.until("lobby", "snapshots to arrive again", SOON, arrive).await;
    assert_one_session_ever(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_in_words() {
    let world = hearing(Plan::new("told-token").app_certificate(CERTIFICATE).faster(SCALE)).await;
    let mut spec = world.spec("lobby");
    spec["backoffLimit"] = json!(0);
    world.create("lobby", spec).await;
    let (kind, words) = world.until_event("lobby", "TokenExpired").await;
    assert_eq!(kind, "Warning");
    assert_has(&words, &["recorder error 110", "token is wrong", "appCertificate"]);
    let job = world.until_ready_is("lobby", "False", "TokenExpired").await;
    let message = condition(&job, "Ready").expect("it was found")["message"].to_string();
    assert_has(&message, &["recorder error 110"]);
    assert_eq!(job["status"]["phase"], "Failed");
    assert!(world.live_sessions().await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_vendors_changes_nothing_and_what_is_not_understood_is_taken() {
    let world = hearing(Plan::new("told-forged").faster(SCALE)).await;
    let operator = world.operator.as_ref().expect("an operator");
    let app_id = world.simulator.app_id();
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    let session = world.until_sessions(&[("cname", "lobby")], 1).await.remove(0);

    let exit = body(&session, 11, 901, json!({"msgName": "session_exit", "exitStatus": 0}));
    for forgery in ["wrongSecret", "absent", "alteredBody"] {
        let before = heard(operator, None, "forged").await;
        let raw = json!({"body": exit, "forge": forgery});
        let number = world.simulator.send_raw(app_id, raw).await.expect("it is sent").to_string();
        let narrow = [("number", number.as_str()), ("verdict", "wrongStatus"), ("wait", "1")];
        let notices = world.simulator.notices(&[&narrow[..], &[("timeoutMs", "20000")]].concat()).await;
        assert_eq!(notices.expect("notices").len(), 1, "{forgery}");
        assert!(heard(operator, None, "forged").await > before, "{forgery}");
    }
    assert_eq!(heard(operator, Some(11), "accepted").await, 0);

    // The console's check, and bytes of no sense: signed, so they are the vendor's.
    let tests = world.simulator.test_endpoint(app_id).await.expect("a test");
    for number in tests {
        let number = number.to_string();
        let narrow =
            [("number", number.as_str()), ("verdict", "delivered"), ("wait", "1"), ("timeoutMs", "20000")];
        assert_eq!(world.simulator.notices(&narrow).await.expect("notices").len(), 1);
    }
    send(&world, json!("no JSON")).await;
    until_heard(&world, operator, None, "not_understood").await;

    // Nobody can say whether it is the vendor's while no Secret has the secret.
    let strange = format!("{}/ncs/{}", operator.notifications_url().expect("it does"), "0".repeat(32));
    let http = reqwest::Client::new();
    let answer = http.post(&strange).body("{}").send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].as_bytes()),
        (200, &b"application/json"[..])
    );
    assert_eq!(heard(operator, None, "unverifiable").await, 1);
    let too_large = http.post(&strange).body(vec![b' '; 300_000]).send().await.expect("an answer");
    assert_eq!(too_large.status().as_u16(), 413);
    assert_eq!(http.get(&strange).send().await.expect("an answer").status().as_u16(), 405);

    assert_one_session_ever(&world).await;
    world.end().await;
}

/// Two teams share an App ID, each with a secret of its own: neither can end the other's session.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_tenant_signs_is_not_heard_for_another() {
    let world = hearing(Plan::new("told-tenants").faster(SCALE)).await;
    let operator = world.operator.as_ref().expect("an operator");
    credentials(&world, "other", json!({"notificationSecret": "CANARY7f3a-other"})).await;
    let mut spec = world.spec("hall");
    spec["credentialsRef"]["name"] = json!("other");
    world.create("hall", spec).await;
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("hall").await;
    world.until_capturing("lobby").await;
    let session = world.until_sessions(&[("cname", "lobby")], 1).await.remove(0);
    let exit = |sequence| body(&session, 11, sequence, json!({"msgName": "session_exit", "exitStatus": 0}));

    send_to(&world, operator, "CANARY7f3a-other").await;
    send(&world, exit(901)).await;
    until_heard(&world, operator, Some(11), "unmatched").await;
    assert_eq!(heard(operator, Some(11), "accepted").await, 0);

    let asked =
        world.simulator.requests(&[("verb", "query"), ("cname", "lobby")]).await.expect("requests").len();
    send_to(&world, operator, SECRET).await;
    send(&world, exit(902)).await;
    until_heard(&world, operator, Some(11), "accepted").await;
    // It is asked about at once, and as it answers it goes on.
    world.until_calls(&[("verb", "query"), ("cname", "lobby")], asked + 1).await;
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed_whatever_becomes_of_its_notifications() {
    let plan = Plan::new("told-failover").faster(SCALE).setting("uidAfterFailover", "new");
    let world = hearing(plan.setting("lostServerEvents", "sent")).await;
    let operator = world.operator.as_ref().expect("an operator");
    for rule in [
        json!({"double": "ownId", "doubleAfterSeconds": 20}),
        json!({"double": "sameId", "percent": 50}),
        json!({"shuffleSeconds": 30}),
        json!({"eventTypes": [40, 44, 45], "percent": 30, "lose": true}),
    ] {
        world.simulator.notice_rule(rule).await.expect("a rule");
    }
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    let session = world.until_sessions(&[("cname", "lobby")], 1).await.remove(0);
    world.simulator.fault(json!({"failover": session["sid"]})).await.expect("a failover");
    let (_, words) = world.until_event("lobby", "Failover").await;
    assert_has(&words, &["another server", "recorder uid"]);
    let back = async || {
        let session = world.sessions().await.remove(0);
        let files = session["files"].as_array().expect("keys").iter();
        let of_other = |key: &Value| key.as_str().is_some_and(|key| key.contains("/bak"));
        files.into_iter().any(of_other).then_some(())
    };
    world.eventually("snapshots of the other server", SOON, back).await;
    until_heard(&world, operator, None, "duplicate").await;
    // The vendor knows the session under its new uid alone, which only a notification told.
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    let session = assert_one_session_ever(&world).await;
    assert_eq!(session["endReason"], "stopped", "{session:#}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_sid_is_told_by_a_notification() {
    let plan = Plan::new("told-sid").faster(SCALE).setting("alreadyStartedSid", "absent");
    let world = hearing(plan).await;
    // The bucket tells nothing.
    world.secret("blind", json!({"accessKey": "nobody", "secretKey": "CANARY7f3a-nothing"})).await;
    let fault = json!({"verb": "start", "cname": "lobby", "times": 1, "drop": "after"});
    world.simulator.fault(fault).await.expect("a fault");
    let mut spec = world.spec("lobby");
    spec["storage"]["readerCredentialsRef"] = json!({"name": "blind"});
    world.create("lobby", spec).await;
    let job = world.until_capturing("lobby").await;
    let session = assert_one_session_ever(&world).await;
    assert_eq!(job["status"]["sessions"][0]["sid"], session["sid"]);
    let (_, words) = world.until_event("lobby", "SidRecovered").await;
    assert_has(&words, &[session["sid"].as_str().expect("a sid")]);
    let arrive = |job: &Value| says(job, "SnapshotsArriving", "True", "Arriving");
    world.until("lobby", "snapshots to be told of", SOON, arrive).await;
    world.end().await;
}

/// How often the bucket was listed.
fn lists(world: &World) -> usize {
    world.log().matches("looked into the bucket").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_is_counted_without_listing_the_bucket_again() {
    let plan = Plan::new("told-count").faster(SCALE).operator_argument("--snapshot-status-interval=60s");
    let world = hearing(plan).await;
    world.create("lobby", world.spec("lobby")).await;
    let count = |job: &Value| job["status"]["snapshots"]["count"].as_u64().unwrap_or(0);
    let job = world.until("lobby", "the first snapshots", SOON, |job| count(job) > 0).await;
    // Some may have come between the confirmation and the word of the first one: the first look is into the bucket.
    let job = world.until("lobby", "more snapshots", SOON, |now| count(now) > count(&job)).await;
    let before = lists(&world);
    let mut last = count(&job);
    for _ in 0..3 {
        let job = world.until("lobby", "more snapshots", SOON, |job| count(job) > last).await;
        last = count(&job);
    }
    assert_eq!(lists(&world), before, "they were told of");
    // Nobody's video, and everything was counted once.
    world.simulator.leave("lobby", 7).await.expect("the user leaves");
    let session = world.until_sessions(&[("cname", "lobby")], 1).await.remove(0);
    let sid = session["sid"].as_str().expect("a sid").to_owned();
    let job = world.until_ready_is("lobby", "True", "Completed").await;
    let keys = world.testbed.s3().list(&world.bucket, "lobby/").await.expect("a listing");
    let there = keys.iter().filter(|key| key.contains(&sid) && key.ends_with(".jpg")).count();
    assert_eq!(count(&job), there as u64, "{job:#}");
    world.end().await;
}

/// With keys that the bucket refuses, and with none at all.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_list_has_the_count_from_notifications() {
    let plan = Plan::new("told-blind").faster(SCALE).operator_argument("--snapshot-status-interval=60s");
    let world = hearing(plan).await;
    world.secret("blind", json!({"accessKey": "nobody", "secretKey": "CANARY7f3a-nothing"})).await;
    world.simulator.join("hall", 7).await.expect("a user joins");
    let channels = [("lobby", "blind"), ("hall", "missing")];
    for (channel, reader) in channels {
        let mut spec = world.spec(channel);
        spec["storage"]["readerCredentialsRef"] = json!({"name": reader});
        world.create(channel, spec).await;
    }
    for (channel, _) in channels {
        let counted = |job: &Value| job["status"]["snapshots"]["count"].as_u64() >= Some(3);
        let job = world.until(channel, "three snapshots", SOON, counted).await;
        assert!(says(&job, "SnapshotsArriving", "True", "Arriving"), "{job:#}");
        let snapshots = &job["status"]["snapshots"];
        assert_eq!(snapshots["users"][0]["uid"], 7, "{snapshots:#}");
        assert_eq!(snapshots["users"][0]["count"], snapshots["count"]);
        let last = snapshots["lastFile"].as_str().expect("a key");
        let keys = world.testbed.s3().list(&world.bucket, &format!("{channel}/")).await.expect("a listing");
        assert!(keys.iter().any(|key| key == last), "{last} in {keys:?}");

        // What is told of while the stop waits for the last uploads counts, too.
        let slow = json!({"verb": "stop", "cname": channel, "delayBeforeMs": 1000, "delayAfterMs": 500});
        world.simulator.fault(slow).await.expect("a fault");
        world.patch(channel, json!({"spec": {"suspend": true}})).await;
        let job = world.until_ready_is(channel, "True", "Suspended").await;
        let keys = world.testbed.s3().list(&world.bucket, &format!("{channel}/")).await.expect("a listing");
        let there = keys.iter().filter(|key| key.ends_with(".jpg")).count();
        assert_eq!(job["status"]["snapshots"]["count"], there, "{job:#}");
    }
    world.end().await;
}

/// Others' snapshots arrive, and the vendor says that it receives this one's video, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_whom_there_are_no_snapshots_is_named() {
    let world = hearing(Plan::new("told-user").faster(SCALE)).await;
    world.create("lobby", world.spec("lobby")).await;
    let arrive = |job: &Value| says(job, "SnapshotsArriving", "True", "Arriving");
    world.until("lobby", "snapshots to arrive", SOON, arrive).await;
    let session = world.until_sessions(&[("cname", "lobby")], 1).await.remove(0);
    let video =
        |state| json!({"streamUid": "99", "state": state, "UtcMs": Timestamp::now().as_millisecond()});
    send(&world, body(&session, 44, 902, video(0))).await;
    let missed = |job: &Value| says(job, "SnapshotsArriving", "False", "Unknown");
    let job = world.until("lobby", "the user to be missed", SOON, missed).await;
    let message = condition(&job, "SnapshotsArriving").expect("it was found")["message"].to_string();
    assert_has(&message, &["No snapshot of user 99, whose video the recorder receives", "others' arrive"]);
    assert!(says(&job, "Ready", "True", "Capturing"), "{job:#}");
    send(&world, body(&session, 44, 903, video(1))).await;
    world.until("lobby", "nobody to be missed", SOON, arrive).await;
    assert_one_session_ever(&world).await;
    world.end().await;
}

/// The vendor has one address, behind which all replicas stand.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_does_not_lead_hands_on_what_it_gets() {
    let arguments = [
        "--leader-election",
        "--leader-election-lease-duration=6s",
        "--leader-election-renew-deadline=4s",
        "--leader-election-retry-period=1s",
    ];
    let plan =
        arguments.iter().fold(Plan::new("told-standby").faster(SCALE), |plan, it| plan.operator_argument(it));
    let mut world = plan.make_without_operator().await;
    let namespace = format!("--operator-namespace={}", world.namespace);
    world.operator_options.arguments.push(namespace);
    world.operator_options.notifications = true;
    world.grant(role::leader_election()).await;
    sign_with(&world, SECRET).await;
    world.start_operator().await;
    world.until_logged("this process leads").await;
    let standby = world.start_another_operator().await;
    send_to(&world, &standby, SECRET).await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    let arrive = |job: &Value| says(job, "SnapshotsArriving", "True", "Arriving");
    world.until("lobby", "snapshots to be told of", SOON, arrive).await;
    let leader = world.operator.as_ref().expect("an operator");
    until_heard(&world, leader, Some(45), "accepted").await;
    until_heard(&world, &standby, None, "forwarded").await;
    assert_eq!(heard(&standby, None, "accepted").await, 0);

    // While nobody leads the vendor is asked to send again, and does; who takes over hears it.
    world.kill_operator().await;
    until_heard(&world, &standby, None, "refused").await;
    let narrow = [("state", "delivered"), ("verdict", "wrongStatus"), ("wait", "1"), ("timeoutMs", "60000")];
    let again = world.simulator.notices(&narrow).await.expect("one that was sent again is delivered");
    assert!(!again.is_empty());
    until_heard(&world, &standby, None, "accepted").await;
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.operator = Some(standby);
    world.end().await;
}

/// 20,000 notifications at 2,000 a second, for ten jobs, and between them the one that matters.
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_a_second_lose_nothing() {
    const COUNT: u64 = 20_000;
    let world = hearing(Plan::new("told-storm").faster(1)).await;
    let operator = world.operator.as_ref().expect("an operator");
    let app_id = world.simulator.app_id();
    let channels: Vec<String> = (0..10).map(|number| format!("lobby{number}")).collect();
    for channel in &channels {
        world.simulator.join(channel, 7).await.expect("a user joins");
        world.create(channel, world.spec(channel)).await;
    }
    for channel in &channels {
        world.until_capturing(channel).await;
    }
    let begun = std::time::Instant::now();
    let storm = json!({"perSecond": 2000, "count": COUNT});
    world.simulator.storm(app_id, storm).await.expect("a storm");
    let session = world.until_sessions(&[("cname", "lobby0")], 1).await.remove(0);
    let error = json!({"module": 1, "errorLevel": 4, "errorCode": 47, "stat": 0, "errorMsg": "upload"});
    send(&world, body(&session, 1, 900_001, error)).await;
    let (_, words) = world.until_event("lobby0", "UploadFailing").await;
    assert_has(&words, &["uploader error 47"]);
    let counts = world.simulator.settled_notice_counts(SOON).await.expect("it is over");
    let took = begun.elapsed();
    let taken = heard(operator, Some(45), "accepted").await + heard(operator, Some(45), "duplicate").await;
    assert!(taken >= COUNT, "{taken} of {COUNT} were taken: {counts}");
    let lost = counts["givenUp"].as_u64().unwrap_or(0);
    assert_eq!(lost, 0, "{counts}");
    let rate = COUNT as f64 / took.as_secs_f64();
    evidence(format_args!(
        "notifications: {COUNT} in {:.1} s ({rate:.0} a second), {taken} told of snapshots, none given up by the vendor",
        took.as_secs_f64()
    ));
    for channel in &channels {
        let job = world
            .until(channel, "its snapshots", SOON, |job| says(job, "SnapshotsArriving", "True", "Arriving"));
        job.await;
        assert_eq!(world.one_at_a_time(channel).await.len(), 1);
        // One after the other of 17 users in each of ten channels: each has 117, and the first 11 one more.
        world.patch(channel, json!({"spec": {"suspend": true}})).await;
        let job = world.until_ready_is(channel, "True", "Suspended").await;
        let users = job["status"]["snapshots"]["users"].as_array().expect("users");
        for uid in 1..=17 {
            let user = users.iter().find(|user| user["uid"] == uid).expect("each user");
            let (count, told) = (user["count"].as_u64(), Some(if uid <= 11 { 118 } else { 117 }));
            // The one who is really there has more.
            assert!(if uid == 7 { count >= told } else { count == told }, "{told:?} of {uid}: {job:#}");
        }
    }
    assert!(took < Duration::from_secs(30), "it took {took:?}");
    world.end().await;
}
