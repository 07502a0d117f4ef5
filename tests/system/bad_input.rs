//! What a user may get wrong outside the schema: each is named with Secret and key, told by an event, and costs no call
//! to the vendor; and what is mended heals by itself.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::telling::{assert_has, effort, message, says};
use crate::vendor::ALL;
use crate::world::{CANARY, Plan, SOON, World};

/// A Secret is looked for every 15 s; the rest is for a loaded machine.
const HEALED: Duration = Duration::from_secs(15 + 5);

/// A job with something wrong in its Secrets.
struct Wrong {
    name: &'static str,
    /// What its spec has beside the usual.
    patch: Value,
    /// What is there at first.
    secrets: Vec<(&'static str, Value)>,
    reason: &'static str,
    effort: &'static str,
    /// What the message must name.
    parts: &'static [&'static str],
    /// What mends it.
    mended: (&'static str, Value),
}

impl Wrong {
    async fn create(&self, world: &World) {
        for (name, values) in &self.secrets {
            world.secret(name, values.clone()).await;
        }
        let mut spec = world.spec(self.name);
        spec["storage"]["prefix"] = json!("bad");
        merge(&mut spec, self.patch.clone());
        world.create(self.name, spec).await;
    }
}

fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}

fn cases(world: &World) -> Vec<Wrong> {
    let account = json!({"customerId": world.simulator.customer_id(), "customerSecret": world.simulator.customer_secret()});
    let root = world.testbed.s3().root();
    let keys = json!({"accessKey": root.access_key, "secretKey": root.secret_key});
    let day = SignedDuration::from_hours(24);
    let hour = SignedDuration::from_hours(1);
    let credentials = |name: &str| json!({"credentialsRef": {"name": name}});
    let storage = |name: &str| json!({"storage": {"credentialsRef": {"name": name}}});
    let token = |name: &str| json!({"channel": {"recorders": [{"uid": 7001, "tokenSecretKeyRef": {"name": name, "key": "rtc"}}]}});
    let good_token = |channel: &str| json!({"rtc": world.token(channel, 7001, SignedDuration::ZERO, day)});
    let secret = "WaitingForSecret";
    vec![
        Wrong {
            name: "no-account",
            patch: credentials("vendor-account"),
            secrets: vec![],
            reason: secret,
            effort: "Reconciling",
            parts: &["Secret `vendor-account` does not exist", "every 15 s"],
            mended: ("vendor-account", account.clone()),
        },
        Wrong {
            name: "no-customer-secret",
            patch: credentials("half-account"),
            secrets: vec![("half-account", json!({"customerId": CANARY}))],
            reason: secret,
            effort: "Reconciling",
            parts: &["`half-account`", "no key `customerSecret`"],
            mended: ("half-account", account.clone()),
        },
        Wrong {
            name: "two-words",
            patch: credentials("odd-account"),
            secrets: vec![(
                "odd-account",
                json!({"customerId": CANARY, "customerSecret": format!("{CANARY} {CANARY}")}),
            )],
            reason: secret,
            effort: "Reconciling",
            parts: &["`odd-account`", "`customerSecret`", "one word"],
            mended: ("odd-account", account),
        },
        Wrong {
            name: "no-storage-secret",
            patch: storage("my-bucket"),
            secrets: vec![],
            reason: secret,
            effort: "Reconciling",
            parts: &["Secret `my-bucket` does not exist"],
            mended: ("my-bucket", keys.clone()),
        },
        Wrong {
            name: "no-storage-key",
            patch: storage("half-bucket"),
            secrets: vec![("half-bucket", json!({"accessKey": CANARY}))],
            reason: secret,
            effort: "Reconciling",
            parts: &["`half-bucket`", "no key `secretKey`"],
            mended: ("half-bucket", keys),
        },
        Wrong {
            name: "token-over",
            patch: token("old-token"),
            secrets: vec![("old-token", json!({"rtc": world.token("token-over", 7001, hour * 2, hour)}))],
            reason: "TokenExpired",
            effort: "Stalled",
            parts: &["`rtc`", "`old-token`", "ended at", "every 15 s"],
            mended: ("old-token", good_token("token-over")),
        },
        Wrong {
            name: "token-of-another",
            patch: token("lent-token"),
            secrets: vec![("lent-token", good_token("another-channel"))],
            reason: "TokenExpired",
            effort: "Stalled",
            parts: &["`rtc`", "`lent-token`", "another channel", "token-of-another"],
            mended: ("lent-token", good_token("token-of-another")),
        },
        Wrong {
            name: "token-of-a-user",
            patch: token("user-token"),
            secrets: vec![(
                "user-token",
                json!({"rtc": world.token("token-of-a-user", 7002, SignedDuration::ZERO, day)}),
            )],
            reason: "TokenExpired",
            effort: "Stalled",
            parts: &["`user-token`", "another uid", "7001"],
            mended: ("user-token", good_token("token-of-a-user")),
        },
        Wrong {
            name: "no-token-at-all",
            patch: token("odd-token"),
            secrets: vec![("odd-token", json!({"rtc": CANARY}))],
            reason: secret,
            effort: "Reconciling",
            parts: &["`rtc`", "`odd-token`"],
            mended: ("odd-token", good_token("no-token-at-all")),
        },
    ]
}

/// In real time, for what is promised to users is promised in it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_a_secret_is_named_costs_no_call_and_heals_within_15_seconds() {
    let world = Plan::new("bad-secrets").make().await;
    let cases = cases(&world);
    for case in &cases {
        case.create(&world).await;
    }
    for case in &cases {
        let job = world.until_ready_is(case.name, "False", case.reason).await;
        assert_eq!(effort(&job), case.effort, "{}: {job:#}", case.name);
        assert_has(message(&job), case.parts);
        assert_eq!(job["status"]["phase"], "Pending");
        let (kind, note) = world.until_event(case.name, case.reason).await;
        assert_eq!(kind, "Warning", "{}", case.name);
        assert_has(&note, case.parts);
    }
    let calls = world.simulator.requests(&[]).await.expect("requests");
    assert!(calls.is_empty(), "the vendor was called: {calls:#?}");

    for case in &cases {
        world.secret(case.mended.0, case.mended.1.clone()).await;
    }
    let mended = Instant::now();
    let narrow = [("verb", "start")];
    world.until_calls(&narrow, cases.len()).await;
    assert!(mended.elapsed() <= HEALED, "all were mended, and started {:?} later", mended.elapsed());
    for case in &cases {
        world.until_capturing(case.name).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_stays_away_is_called_stuck_after_two_minutes_and_still_heals() {
    let world = Plan::new("late-secret").faster(20).make().await;
    let mut spec = world.spec("lobby");
    spec["credentialsRef"]["name"] = json!("late");
    let created = Instant::now();
    world.create("lobby", spec).await;
    let waiting = world.until_ready_is("lobby", "False", "WaitingForSecret").await;
    assert_eq!(effort(&waiting), "Reconciling", "tools apply a Secret and its user together");
    let stuck = |job: &Value| says(job, "Stalled", "True", "WaitingForSecret");
    world.until("lobby", "it to be called stuck", SOON, stuck).await;
    assert!(created.elapsed() >= Duration::from_secs(120) / 20, "stuck after {:?}", created.elapsed());
    let account = json!({"customerId": world.simulator.customer_id(), "customerSecret": world.simulator.customer_secret()});
    world.secret("late", account).await;
    let healed = world.until_capturing("lobby").await;
    assert_eq!(effort(&healed), "");
    let words: std::collections::BTreeSet<String> = world
        .versions_of("lobby")
        .iter()
        .map(|job| message(job).to_owned())
        .filter(|it| it.contains("`late`"))
        .collect();
    assert_eq!(words.len(), 1, "the words stay the same, or the object wakes its own controller: {words:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_goes_while_it_captures_stops_nothing() {
    let world = Plan::new("gone-secret").faster(30).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    let before = world.until_capturing("lobby").await;
    world.delete_secret("agora").await;
    let unreachable = |job: &Value| says(job, "ControlReachable", "False", "WaitingForSecret");
    let job = world.until("lobby", "control to be gone", SOON, unreachable).await;
    assert!(says(&job, "Ready", "True", "Capturing"), "the snapshots go on: {job:#}");
    let account = json!({"customerId": world.simulator.customer_id(), "customerSecret": world.simulator.customer_secret()});
    world.secret("agora", account).await;
    let reachable = |job: &Value| says(job, "ControlReachable", "True", "Reachable");
    let after = world.until("lobby", "control to be back", SOON, reachable).await;
    assert_eq!(after["status"]["sessions"][0]["sid"], before["status"]["sessions"][0]["sid"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_region_needs_an_edit_and_no_call() {
    let world = Plan::new("bad-region").faster(20).make().await;
    let mut spec = world.spec("lobby");
    spec["storage"] = json!({"vendor": "AmazonS3", "region": "us-esat-1", "bucket": world.bucket,
        "credentialsRef": {"name": "bucket"}});
    world.create("lobby", spec).await;
    let job = world.until_ready_is("lobby", "False", "UnknownRegion").await;
    assert_eq!(effort(&job), "Stalled");
    assert_has(message(&job), &["us-esat-1", "AmazonS3", "us-east-1", "regionCode"]);
    assert_eq!(world.until_event("lobby", "UnknownRegion").await.0, "Warning");
    assert!(world.simulator.requests(&[]).await.expect("requests").is_empty());
    world.patch("lobby", json!({"spec": {"storage": {"region": "us-east-1"}}})).await;
    world.until_capturing("lobby").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_below_five_works_with_a_warning_and_its_refusal_is_explained() {
    let world = Plan::new("short-interval").faster(10).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let mut spec = world.spec("lobby");
    spec["intervalSeconds"] = json!(1);
    world.create("lobby", spec.clone()).await;
    world.until_capturing("lobby").await;
    let (kind, note) = world.until_event("lobby", "IntervalBelowDocumentedMinimum").await;
    assert_eq!(kind, "Warning");
    assert_has(&note, &["intervalSeconds is 1", "5"]);
    world.until_sessions(&[("minFiles", "2")], 1).await;

    // A service that goes by the newer reference.
    world.simulator.set(json!({"captureIntervalMinimum": "5"})).await.expect("the setting is taken");
    spec["channel"]["name"] = json!("strict");
    world.create("strict", spec).await;
    let refused = world.until_ready_is("strict", "False", "InvalidParameter").await;
    assert_has(message(&refused), &["400/2", "captureInterval", "intervalSeconds is 1"]);
    world.end().await;
}

/// A vendor that answers nothing must not be asked while the operator knows better.
#[tokio::test(flavor = "multi_thread")]
async fn a_problem_of_our_own_is_found_before_the_vendor_is_asked() {
    let world = Plan::new("own-problem").faster(20).make().await;
    world.answer("acquire", ALL, 500, json!({"code": 500, "reason": "internal_error"})).await;
    let mut spec = world.spec("lobby");
    spec["storage"]["credentialsRef"]["name"] = json!("nowhere");
    world.create("lobby", spec).await;
    world.until_ready_is("lobby", "False", "WaitingForSecret").await;
    let root = world.testbed.s3().root();
    world.secret("nowhere", json!({"accessKey": root.access_key, "secretKey": root.secret_key})).await;
    let refused = world.until_ready_is("lobby", "False", "VendorUnavailable").await;
    assert_has(message(&refused), &["500/500 \"internal_error\""]);
    world.mend().await;
    world.until_capturing("lobby").await;
    world.end().await;
}
