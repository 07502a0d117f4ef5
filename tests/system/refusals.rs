//! What the vendor refuses: each answer has its class, its wait and the vendor's own words in the message; and only what
//! the spec or the credentials are to blame for counts as a failure.

use std::time::Duration;

use serde_json::{Value, json};

use crate::telling::{assert_has, effort, message, says};
use crate::vendor::{ALL, assert_waits};
use crate::world::{Plan, SOON, World};

/// An answer of the vendor's to an acquire or a start, and what becomes of it.
struct Refusal {
    /// Name of job and channel.
    name: &'static str,
    verb: &'static str,
    status: u16,
    body: Value,
    reason: &'static str,
    phase: &'static str,
    effort: &'static str,
    /// Whether it counts against `backoffLimit`.
    counts: bool,
    /// Product seconds before the call is repeated for the first time.
    wait: f64,
    parts: &'static [&'static str],
}

fn service(code: u32, reason: &str) -> Value {
    json!({"code": code, "reason": reason})
}

fn gateway(message: &str) -> Value {
    json!({"message": message})
}

#[rustfmt::skip]
fn refusals() -> Vec<Refusal> {
    let row = |name, verb, status, body, reason, phase, effort, counts, wait, parts| Refusal {
        name, verb, status, body, reason, phase, effort, counts, wait, parts,
    };
    let working = "Reconciling";
    vec![
        row("unauthorized", "acquire", 401, gateway("Invalid authentication credentials"),
            "Unauthorized", "Waiting", working, true, 10.0, &["401 \"Invalid authentication credentials\"", "customerSecret"]),
        row("noapp", "acquire", 400, gateway("appid is invalid"),
            "AppIdInvalid", "Waiting", working, true, 10.0, &["400 \"appid is invalid\""]),
        row("noapp2", "acquire", 400, service(400, "invalid_appid"),
            "AppIdInvalid", "Waiting", working, true, 10.0, &["400/400 \"invalid_appid\""]),
        row("channelname", "acquire", 400, service(401, "invalid_channel_name"),
            "InvalidParameter", "Waiting", working, true, 10.0, &["400/401 \"invalid_channel_name\""]),
        row("arrears", "acquire", 400, service(405, "no_active_status"),
            "AccountSuspended", "Waiting", "Stalled", false, 360.0, &["400/405 \"no_active_status\"", "arrears"]),
        row("quota", "acquire", 400, service(406, "vendor_over_load"),
            "QuotaQueued", "Queued", working, false, 10.0, &["400/406 \"vendor_over_load\"", "quota"]),
        row("rate", "acquire", 429, gateway("API rate limit exceeded"),
            "RateLimited", "Waiting", working, false, 10.0, &["429 \"API rate limit exceeded\""]),
        row("noroute", "acquire", 404, gateway("no Route matched with those values"),
            "VendorUnavailable", "Waiting", working, false, 10.0, &["404 \"no Route matched", "--agora-endpoint"]),
        row("internal", "acquire", 500, service(500, "internal_error"),
            "VendorUnavailable", "Waiting", working, false, 3.0, &["500/500 \"internal_error\""]),
        row("parameter", "start", 400, service(2, "services not selected!"),
            "InvalidParameter", "Waiting", working, true, 10.0, &["400/2 \"services not selected!\""]),
        row("noworker", "start", 500, service(502, "Failed to allocate worker"),
            "VendorUnavailable", "Waiting", working, false, 3.0, &["500/502 \"Failed to allocate worker\""]),
        row("tooold", "start", 400, service(433, "resourceId is expired"),
            "VendorUnavailable", "Waiting", working, false, 10.0, &["400/433"]),
        row("late", "start", 206, service(65, "request not completed"),
            "VendorUnavailable", "Starting", working, false, 3.0, &["206/65 \"request not completed\"", "repeated"]),
        row("timeout", "start", 500, service(62, "request timeout"),
            "VendorUnavailable", "Starting", working, false, 3.0, &["500/62 \"request timeout\"", "repeated"]),
        row("startrate", "start", 429, gateway("API rate limit exceeded"),
            "RateLimited", "Starting", working, false, 10.0, &["429", "repeated"]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_acquire_has_its_class_its_wait_and_the_vendors_words() {
    each_is_told(Plan::new("refused-acquire"), "acquire", 30).await;
}

/// Not as fast: a start that is answered later than 30 s after its acquire is in doubt, for another replica may have sent
/// one as well, and both Kubernetes and the vendor cut a second of real time off the time of the acquire.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_start_has_its_class_its_wait_and_the_vendors_words() {
    each_is_told(Plan::new("refused-start"), "start", 10).await;
}

async fn each_is_told(plan: Plan, verb: &str, scale: u32) {
    let world = plan.faster(scale).make().await;
    let rows: Vec<_> = refusals().into_iter().filter(|row| row.verb == verb).collect();
    for row in &rows {
        let answer = json!({"status": row.status, "body": row.body});
        // A start in doubt must be answered while its resourceId is good, or it is in doubt for ever.
        let times = if row.phase == "Starting" { 3 } else { ALL };
        world.fault(json!({"verb": row.verb, "cname": row.name, "times": times, "answer": answer})).await;
        world.simulator.join(row.name, 7).await.expect("a user joins");
        let mut spec = world.spec(row.name);
        spec["backoffLimit"] = json!(1000);
        world.create(row.name, spec).await;
    }
    for row in &rows {
        let calls =
            world.until_calls(&[("verb", row.verb), ("cname", row.name), ("answered", "true")], 2).await;
        assert_waits(&calls, scale, &[row.wait], row.name);
        let is_told =
            |job: &Value| says(job, "Ready", "False", row.reason) && job["status"]["phase"] == row.phase;
        let what = format!("{} to be told", row.name);
        let told = async || world.versions_of(row.name).into_iter().find(is_told);
        let job = world.eventually(&what, SOON, told).await;
        assert_eq!(effort(&job), row.effort, "{}: {job:#}", row.name);
        assert_has(message(&job), row.parts);
        let failures = job["status"]["failures"].as_i64().unwrap_or(0);
        assert_eq!(failures > 0, row.counts, "{}: {failures} failures", row.name);
        let tells = |(kind, reason, note): &(String, String, String)| {
            kind == "Warning" && reason == row.reason && row.parts.iter().all(|part| note.contains(part))
        };
        let event = async || world.events(row.name).await.into_iter().find(tells);
        world.eventually(&format!("a warning about {} with {:?}", row.name, row.parts), SOON, event).await;
    }
    let doubtful =
        |session: &Value| rows.iter().any(|row| row.phase == "Starting" && session["cname"] == row.name);
    assert!(world.sessions().await.iter().all(doubtful), "nothing was started that was refused");
    world.mend().await;
    for row in &rows {
        world.until_capturing(row.name).await;
        let ran = world.one_at_a_time(row.name).await;
        assert_eq!(ran.len(), 1, "{}", row.name);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_fail_the_job_at_its_backoff_limit_and_a_restart_revives_it() {
    const SCALE: u32 = 20;
    let world = Plan::new("wrong-account").faster(SCALE).make().await;
    let id = world.simulator.customer_id();
    world.secret("agora", json!({"customerId": id, "customerSecret": "wrong"})).await;
    let mut spec = world.spec("lobby");
    spec["backoffLimit"] = json!(2);
    world.create("lobby", spec).await;
    let is_failed = |job: &Value| says(job, "Succeeded", "False", "Unauthorized");
    let failed = world.until("lobby", "the job to fail", SOON, is_failed).await;
    assert_eq!(effort(&failed), "Stalled");
    assert_eq!(failed["status"]["phase"], "Failed");
    assert_eq!(failed["status"]["failures"], 3);
    assert!(
        failed["status"].get("nextAttemptTime").is_none() && failed["status"]["completionTime"].is_string()
    );
    assert_has(message(&failed), &["401", "failure 3, backoffLimit 2", "agora-snapshot.dev/restart"]);
    assert_waits(&world.calls("acquire").await, SCALE, &[10.0, 20.0], "backoff doubles");
    // As long as the longest backoff: a failed job is left alone.
    tokio::time::sleep(Duration::from_secs(400) / SCALE / 4).await;
    assert_eq!(world.calls("acquire").await.len(), 3, "one try and two retries");

    world
        .secret("agora", json!({"customerId": id, "customerSecret": world.simulator.customer_secret()}))
        .await;
    world.patch("lobby", json!({"metadata": {"annotations": {"agora-snapshot.dev/restart": "1"}}})).await;
    let healed = world.until_capturing("lobby").await;
    assert_eq!(healed["status"]["lastHandledRestart"], "1");
    assert!(healed["status"].get("completionTime").is_none());
    assert!(
        healed["status"]["conditions"]
            .as_array()
            .expect("conditions")
            .iter()
            .all(|one| one["type"] != "Succeeded")
    );
    assert_eq!(world.until_event("lobby", "Revived").await.0, "Normal");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_id_that_the_vendor_does_not_know_fails_and_an_edit_revives() {
    let world = Plan::new("wrong-app").faster(20).make().await;
    let mut spec = world.spec("lobby");
    spec["channel"]["appId"] = json!("0123456789abcdef0123456789abcdef");
    spec["backoffLimit"] = json!(0);
    world.create("lobby", spec).await;
    let is_failed = |job: &Value| says(job, "Succeeded", "False", "AppIdInvalid");
    let failed = world.until("lobby", "the job to fail", SOON, is_failed).await;
    assert_has(message(&failed), &["400 \"appid is invalid\"", "failure 1, backoffLimit 0"]);
    world.patch("lobby", json!({"spec": {"channel": {"appId": world.simulator.app_id()}}})).await;
    let healed = world.until_capturing("lobby").await;
    assert_eq!(healed["status"]["observedGeneration"], 2);
    assert!(healed["status"].get("failures").is_none(), "a new spec begins with no failures");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_is_deleted_without_being_revived() {
    let mut world = Plan::new("failed-deleted").faster(20).make().await;
    world.answer("acquire", ALL, 400, service(2, "no")).await;
    let mut spec = world.spec("lobby");
    spec["backoffLimit"] = json!(0);
    world.create("lobby", spec).await;
    world
        .until("lobby", "the job to fail", SOON, |job| says(job, "Succeeded", "False", "InvalidParameter"))
        .await;
    world.until_event("lobby", "InvalidParameter").await;
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert_eq!(world.calls("acquire").await.len(), 1);
    // An operator that ended has published what it had to say.
    world.stop_operator().await;
    assert_eq!(world.count_events("lobby", "Revived").await, 0, "{:?}", world.events("lobby").await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_beyond_the_quota_waits_for_its_place() {
    let world = Plan::new("quota").faster(20).setting("concurrencyQuota", "1").make().await;
    let (resource, sid) = world.foreign_session("elsewhere", 9).await;
    world.create("lobby", world.spec("lobby")).await;
    let queued = world.until_ready_is("lobby", "False", "QuotaQueued").await;
    assert_eq!((queued["status"]["phase"].as_str(), effort(&queued)), (Some("Queued"), "Reconciling"));
    assert!(queued["status"]["nextAttemptTime"].is_string(), "{queued:#}");
    assert_has(message(&queued), &["400/406 \"vendor_over_load\"", "never stopped"]);
    world.until_calls(&[("verb", "acquire"), ("cname", "lobby")], 3).await;
    world.stop_foreign("elsewhere", 9, &resource, &sid).await;
    let running = world.until_capturing("lobby").await;
    assert!(running["status"].get("failures").is_none());
    world.end().await;
}

/// An answer that takes longer than the wait that follows it, as a time-out does.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_counts_from_the_answer_and_not_from_the_question() {
    const SCALE: u32 = 30;
    let world = Plan::new("slow-refusal").faster(SCALE).make().await;
    let answer = json!({"status": 500, "body": service(500, "internal_error")});
    let slow = json!({"verb": "acquire", "times": 3, "delayBeforeMs": 250, "answer": answer});
    world.fault(slow).await;
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    assert_waits(&world.calls("acquire").await, SCALE, &[3.0, 6.0, 9.0], "500, as the vendor documents");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendor_says_how_long_to_wait() {
    const SCALE: u32 = 20;
    let world = Plan::new("retry-after").faster(SCALE).make().await;
    let slow =
        json!({"status": 429, "body": gateway("API rate limit exceeded"), "headers": {"retry-after": "60"}});
    world.fault(json!({"verb": "acquire", "times": 1, "answer": slow})).await;
    world.create("lobby", world.spec("lobby")).await;
    let limited = world.until_ready_is("lobby", "False", "RateLimited").await;
    assert!(limited["status"]["nextAttemptTime"].is_string());
    world.until_capturing("lobby").await;
    assert_waits(&world.calls("acquire").await, SCALE, &[60.0], "Retry-After");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_doubt_is_repeated_with_its_resource_until_it_is_answered() {
    const SCALE: u32 = 20;
    let world = Plan::new("late-start").faster(SCALE).make().await;
    world.answer("start", 2, 206, service(65, "request not completed")).await;
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    let starts = world.calls("start").await;
    assert_waits(&starts, SCALE, &[3.0, 6.0], "code 65, as the vendor documents");
    assert!(starts.iter().all(|start| start["resourceId"] == starts[0]["resourceId"]));
    assert_eq!(starts.len(), 3);
    assert_eq!(world.calls("acquire").await.len(), 1);
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.end().await;
}

/// The start had its effect although its answer says nothing of it; 201 code 7 tells.
async fn started_behind_a_late_answer(name: &'static str, sid: &str) -> World {
    let world = Plan::new(name).faster(20).setting("alreadyStartedSid", sid).make().await;
    let late = json!({"status": 206, "body": service(65, "request not completed"), "effect": true});
    world.fault(json!({"verb": "start", "times": 1, "answer": late})).await;
    world.create("lobby", world.spec("lobby")).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_behind_a_late_answer_is_adopted_where_the_vendor_repeats_its_sid() {
    let world = started_behind_a_late_answer("late-effect", "present").await;
    let job = world.until_capturing("lobby").await;
    let ran = world.one_at_a_time("lobby").await;
    assert_eq!(ran.len(), 1);
    assert_eq!(job["status"]["sessions"][0]["sid"], ran[0]["sid"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_behind_a_late_answer_without_sid_is_never_followed_by_a_second() {
    let world = started_behind_a_late_answer("lost-sid", "absent").await;
    let job = world.until_ready_is("lobby", "False", "RecoveringSid").await;
    assert_eq!((job["status"]["phase"].as_str(), effort(&job)), (Some("Recovering"), "Reconciling"));
    let resource = job["status"]["sessions"][0]["resourceId"].as_str().expect("a resourceId");
    assert_has(message(&job), &["lobby", resource, "nothing else is started until then"]);
    assert_eq!(world.until_event("lobby", "RecoveringSid").await.0, "Warning");
    // Nobody is in the channel: it ends as idle, and only then is the next start accepted.
    let next = async || (world.sessions().await.len() == 2).then_some(());
    world.eventually("the next session", SOON, next).await;
    let ran = world.one_at_a_time("lobby").await;
    assert_eq!((&ran[0]["endReason"], &ran[0]["uid"]), (&json!("idle"), &ran[1]["uid"]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_later_try_proves_nothing_of_the_first() {
    let world = Plan::new("first-try").faster(20).setting("alreadyStartedSid", "present").make().await;
    world.fault(json!({"verb": "start", "times": 1, "drop": "after"})).await;
    world.answer("start", 1, 500, service(502, "Failed to allocate worker")).await;
    world.answer("start", 1, 400, service(2, "services not selected!")).await;
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_capturing("lobby").await;
    let ran = world.one_at_a_time("lobby").await;
    assert_eq!((ran.len(), world.calls("acquire").await.len()), (1, 1), "the first try is the one that runs");
    assert_eq!(job["status"]["sessions"][0]["sid"], ran[0]["sid"]);
    assert!(job["status"].get("failures").is_none());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_session_on_the_uid_is_neither_adopted_nor_stopped() {
    let world = Plan::new("foreign").faster(20).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let (resource, sid) = world.foreign_session("lobby", 7001).await;
    let mut spec = world.spec("lobby");
    spec["channel"]["recorders"] = json!([{"uid": 7001}]);
    world.create("lobby", spec).await;
    let job = world.until_ready_is("lobby", "False", "RecorderUidInUse").await;
    assert_eq!(effort(&job), "Reconciling");
    assert!(job["status"].get("sessions").is_none(), "{job:#}");
    assert_has(message(&job), &["400/53 \"task conflict\"", "neither adopted nor stopped"]);
    world.until_calls(&[("verb", "start"), ("uid", "7001"), ("answered", "true")], 4).await;
    let job = world.until_ready_is("lobby", "False", "RecorderUidInUse").await;
    assert!(job["status"].get("failures").is_none(), "it is no failure of the spec: {job:#}");
    assert!(world.calls("query").await.is_empty() && world.calls("stop").await.is_empty());
    let live = world.live_sessions().await;
    assert_eq!((live.len(), live[0]["sid"].as_str()), (1, Some(sid.as_str())));
    world.stop_foreign("lobby", 7001, &resource, &sid).await;
    let job = world.until_capturing("lobby").await;
    assert_ne!(job["status"]["sessions"][0]["sid"], json!(sid));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_in_the_middle_of_refusals_leaves_nothing() {
    let world = Plan::new("refused-deleted").faster(20).make().await;
    world.answer("start", ALL, 429, gateway("API rate limit exceeded")).await;
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_ready_is("lobby", "False", "RateLimited").await;
    assert_eq!(job["status"]["sessions"][0]["state"], "Claimed", "its resourceId is still good");
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert!(world.sessions().await.is_empty() && world.calls("stop").await.is_empty());
    world.end().await;
}
