//! What happens in the demo, and what is shown of it. Every claim it prints was looked up a moment before.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::{APP_ID, BUCKET, Stage, USERS, chapter, checkout};
use crate::error::{Error, Result};
use crate::samples::samples;

/// The two scenarios of the vendor's guide.
const EXAMPLES: [(&str, &str); 2] =
    [("snapshot-only", "snapshots alone"), ("record-and-snapshot", "recording and snapshots in one session")];
/// Longest wait for one step; the steps themselves take seconds.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks while waiting.
const LOOK: Duration = Duration::from_secs(1);
/// What a recording consists of: a playlist, and segments of some fifteen seconds.
const RECORDING: [&str; 2] = [".m3u8", ".ts"];
/// So many snapshots of each user are waited for.
const ENOUGH: usize = 3;

/// Applies the examples and waits until snapshots of everybody have arrived.
pub(super) async fn capture(stage: &Stage) -> Result<()> {
    chapter("Secrets, as in examples/secrets.yaml with their values filled in");
    stage.apply(&secrets(stage)?).await?;

    chapter("The two scenarios of the guide: snapshots alone, and recording with snapshots in one session");
    let begun = Instant::now();
    stage
        .kubectl(&["apply", "-f", "examples/snapshot-only.yaml", "-f", "examples/record-and-snapshot.yaml"])
        .await?;
    progress("sessions", EXAMPLES.len(), begun, async || {
        let jobs = jobs(stage).await?;
        let words = jobs
            .iter()
            .map(|job| format!("{} {}", text(&job["metadata"]["name"]), text(&job["status"]["phase"])));
        let ready = jobs.iter().filter(|job| is_ready(job)).count();
        Ok((ready, words.collect::<Vec<_>>().join(", ")))
    })
    .await?;

    chapter("Snapshots arrive, one of each user every five seconds");
    progress("snapshots in the bucket", USERS.len() * ENOUGH, begun, async || {
        let keys = stage.testbed.s3().list(BUCKET, "").await?;
        let of = |uid: u32| {
            keys.iter()
                .filter(|key| key.contains(&format!("__uid_s_{uid}__uid_e_video_")) && key.ends_with(".jpg"))
                .count()
        };
        let counts: Vec<usize> = USERS.iter().map(|(_, uid)| of(*uid)).collect();
        let words = USERS.iter().zip(&counts).map(|((_, uid), count)| format!("user {uid}: {count}"));
        Ok((counts.iter().map(|count| (*count).min(ENOUGH)).sum(), words.collect::<Vec<_>>().join(", ")))
    })
    .await?;
    progress("files of the recording beside them", RECORDING.len(), begun, async || {
        let keys = stage.testbed.s3().list(BUCKET, "").await?;
        let there: Vec<&str> =
            RECORDING.into_iter().filter(|kind| keys.iter().any(|key| key.ends_with(kind))).collect();
        Ok((there.len(), if there.is_empty() { "none yet".into() } else { there.join(", ") }))
    })
    .await?;
    progress("jobs whose status counts them", EXAMPLES.len(), begun, async || {
        let jobs = jobs(stage).await?;
        let counted =
            jobs.iter().filter(|job| job["status"]["snapshots"]["count"].as_i64() > Some(0)).count();
        Ok((counted, "Agora tells of each snapshot, and the operator looks into the bucket".into()))
    })
    .await?;
    println!("  notifications taken so far: {}", taken(&stage.operator.metrics().await?));
    stage.kubectl(&["get", "snapshotjobs", "-o", "wide"]).await?;
    println!();
    stage
        .kubectl(&[
            "get",
            "events",
            "--sort-by=.metadata.creationTimestamp",
            "-o",
            "custom-columns=OBJECT:.involvedObject.name,TYPE:.type,REASON:.reason,MESSAGE:.message",
        ])
        .await?;

    chapter("The files, named as the guide says");
    for job in jobs(stage).await? {
        let sid = job["status"]["sessions"][0]["sid"].as_str().unwrap_or_default().to_owned();
        let keys = stage.testbed.s3().list(BUCKET, "").await?;
        let keys: Vec<&String> = keys.iter().filter(|key| key.contains(&sid)).collect();
        println!("  {} ({} files so far)", job["metadata"]["name"].as_str().unwrap_or_default(), keys.len());
        for kind in [".jpg", ".m3u8", ".ts"] {
            keys.iter()
                .filter(|key| key.ends_with(kind))
                .take(4)
                .for_each(|key| println!("    s3://{BUCKET}/{key}"));
        }
    }
    Ok(())
}

/// Deletes the jobs and shows that nothing is left running.
pub(super) async fn end(stage: &Stage) -> Result<()> {
    chapter("Delete the jobs: their sessions are stopped before the objects go");
    stage.kubectl(&["delete", "snapshotjobs", "--all", "--timeout=120s"]).await?;
    println!("  what the vendor's side has seen:");
    let sessions = stage.simulator.sessions(&[]).await?;
    for session in &sessions {
        println!(
            "    sid {}  channel {}  {} ({})  billed {} s  {} files",
            text(&session["sid"]),
            text(&session["cname"]),
            text(&session["state"]),
            text(&session["endReason"]),
            session["billedSeconds"],
            session["fileCount"].as_u64().unwrap_or_default()
        );
    }
    let live = stage.simulator.sessions(&[("state", "live")]).await?.len();
    println!("  live sessions: {live}");
    if live != 0 || sessions.len() != EXAMPLES.len() {
        let said = format!(
            "{} sessions ran and {live} are live, instead of {} and 0",
            sessions.len(),
            EXAMPLES.len()
        );
        return Err(Error::Demo(said));
    }
    Ok(())
}

/// Asks again and again until there is enough, and shows how far it is whenever that changes.
async fn progress(
    what: &str,
    enough: usize,
    begun: Instant,
    look: impl AsyncFn() -> Result<(usize, String)>,
) -> Result<()> {
    let (until, mut shown) = (Instant::now() + PATIENCE, None);
    loop {
        let now = look().await?;
        if shown.as_ref() != Some(&now) {
            println!("  {:>5.1} s  {what}: {}/{enough}  ({})", begun.elapsed().as_secs_f64(), now.0, now.1);
        }
        if now.0 >= enough {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(Error::Demo(format!("waited {PATIENCE:?} in vain for {what}; last seen: {}", now.1)));
        }
        shown = Some(now);
        tokio::time::sleep(LOOK).await;
    }
}

/// The Secrets of the template that the two examples need, with the demo's values.
fn secrets(stage: &Stage) -> Result<String> {
    let path = checkout().join("examples/secrets.yaml");
    let template = std::fs::read_to_string(&path).map_err(Error::file("cannot read", &path))?;
    let keys = stage.testbed.s3().root();
    let values = [
        ("customerId", stage.simulator.customer_id()),
        ("customerSecret", stage.simulator.customer_secret()),
        ("notificationSecret", stage.notification_secret.as_str()),
        ("accessKey", keys.access_key.as_str()),
        ("secretKey", keys.secret_key.as_str()),
    ];
    let wanted =
        |document: &&str| ["  name: agora\n", "  name: bucket\n"].iter().any(|name| document.contains(name));
    let documents: Vec<String> = template
        .split("---\n")
        .filter(wanted)
        .map(|document| {
            values.iter().fold(document.to_owned(), |text, (key, value)| {
                let filled = format!("  {key}: \"{value}\"");
                // What a job can do without stands there as a comment.
                text.replace(&format!("  # {key}: REPLACE_ME"), &filled)
                    .replace(&format!("  {key}: REPLACE_ME"), &filled)
            })
        })
        .collect();
    Ok(documents.join("---\n"))
}

/// The notifications that the operator took, by `eventType`, from its metrics.
fn taken(metrics: &str) -> String {
    let events = [(40, "recorder started"), (44, "video received"), (45, "snapshot uploaded")];
    let count = |kind: u32| {
        let labels = [("type", &*kind.to_string()), ("result", "accepted")];
        samples(metrics, "agora_snapshot_notifications_total", &labels).iter().sum::<u64>()
    };
    let words = events.map(|(kind, name)| format!("{} of event {kind} ({name})", count(kind)));
    words.join(", ")
}

async fn jobs(stage: &Stage) -> Result<Vec<Value>> {
    let list: Value = serde_json::from_str(&stage.ask(&["get", "snapshotjobs", "-o", "json"]).await?)
        .map_err(|error| Error::Demo(format!("kubectl printed no JSON: {error}")))?;
    let mut jobs = list["items"].as_array().cloned().unwrap_or_default();
    jobs.retain(|job| job["spec"]["channel"]["appId"] == APP_ID);
    Ok(jobs)
}

fn is_ready(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
