//! `describe`: all that the status of one job tells, in words.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::age::{NONE, age, age_of, span};
use super::cluster::Cluster;
use super::ls::{condition, phase, print};
use super::problem::PluginError;
use super::session_time::SessionTime;
use super::table::{indented, plain, table};
use crate::api::SnapshotJob;
use crate::api::conditions::ConditionType;
use crate::api::status::SnapshotJobStatus;

pub(super) async fn run(cluster: &Cluster, name: &str) -> Result<(), PluginError> {
    let job = cluster.job(name).await?;
    print(&text(&job, Timestamp::now()))
}

/// The whole of it.
pub(super) fn text(job: &SnapshotJob, now: Timestamp) -> String {
    let (spec, storage) = (&job.spec, &job.spec.storage);
    let below = storage.prefix.as_ref().map(|prefix| format!(", below {prefix}")).unwrap_or_default();
    let status = job.status.clone().unwrap_or_default();
    let mut text = String::new();
    let mut line = |what: &str, value: &str| {
        // Writing to a text does not fail.
        let _written = writeln!(text, "{:<11}{}", format!("{what}:"), plain(value));
    };
    line("Name", &job.name_any());
    line("Namespace", &job.namespace().unwrap_or_default());
    line(
        "Channel",
        &format!("{} ({:?}), App ID {}", spec.channel.name, spec.channel.profile, spec.channel.app_id),
    );
    line("Interval", &format!("one snapshot of each user every {} s", spec.interval_seconds));
    line("Bucket", &format!("{}{below} ({:?})", storage.bucket, storage.vendor));
    line("Phase", &phase(job));
    if let Some(ready) = condition(job, ConditionType::Ready) {
        line("Ready", &format!("{} ({}): {}", ready.status, ready.reason, ready.message));
    }
    line("Cost", &SessionTime::of(&status, now).words());
    line("Next", &next_step(job, &status, now));
    let sections = [
        ("Conditions", conditions(&status, now)),
        ("Sessions that may run", sessions(&status, now)),
        ("Sessions that are over", history(&status, now)),
        ("Users", users(&status, now)),
    ];
    for (heading, section) in sections {
        let _written = match section.is_empty() {
            true => writeln!(text, "{heading}: none"),
            false => write!(text, "{heading}:\n{}", indented(&section)),
        };
    }
    text
}

/// What comes next, by itself or by a person.
fn next_step(job: &SnapshotJob, status: &SnapshotJobStatus, now: Timestamp) -> String {
    let to_come = |time: &Option<Time>| time.as_ref().map(|time| time.0).filter(|time| *time > now);
    let within = |time: Timestamp| span(time.duration_since(now).as_secs());
    let is = |kind, value: &str| condition(job, kind).filter(|condition| condition.status == value);
    if job.metadata.deletion_timestamp.is_some() {
        return "the session is stopped, then the object goes".into();
    }
    if is(ConditionType::Succeeded, "True").is_some() {
        return "nothing; the job is complete. The annotation agora-snapshot.dev/restart runs it again"
            .into();
    }
    if let Some(failed) = is(ConditionType::Succeeded, "False").or(is(ConditionType::Stalled, "True")) {
        return format!("nothing by itself; a person is needed ({})", failed.reason);
    }
    if let Some(attempt) = to_come(&status.next_attempt_time) {
        return format!("the next attempt in {}", within(attempt));
    }
    if job.spec.suspend && status.sessions.is_empty() {
        return "nothing while spec.suspend is true".into();
    }
    let session = status.sessions.first();
    let ends = [
        session.and_then(|it| to_come(&it.token_end_time)).map(|at| (at, "its token ends")),
        session
            .and_then(|it| to_come(&it.control_end_time))
            .map(|at| (at, "the vendor's control of it ends")),
    ];
    let duration = job
        .spec
        .duration_seconds
        .zip(status.capture_start_time.as_ref())
        .and_then(|(seconds, start)| start.0.checked_add(jiff::SignedDuration::from_secs(seconds)).ok());
    let first_end = ends.into_iter().flatten().min();
    match (duration.filter(|end| *end > now), first_end) {
        (Some(end), None) => format!("the job is complete in {}", within(end)),
        (Some(end), Some((other, _))) if end <= other => format!("the job is complete in {}", within(end)),
        (_, Some((end, why))) => format!("a new session takes over before {why}, in {}", within(end)),
        (_, None) if session.is_some() => {
            "the session goes on until it is stopped, or nobody is in the channel".into()
        }
        (_, None) => "a session is started".into(),
    }
}

fn conditions(status: &SnapshotJobStatus, now: Timestamp) -> String {
    let rows: Vec<Vec<String>> = status
        .conditions
        .iter()
        .map(|it| {
            let since = age(it.last_transition_time.0, now);
            vec![it.type_.clone(), it.status.clone(), it.reason.clone(), since, it.message.clone()]
        })
        .collect();
    some_table(&["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"], &rows)
}

fn sessions(status: &SnapshotJobStatus, now: Timestamp) -> String {
    let time = |time: &Option<Time>| age_of(time.as_ref().map(|time| time.0), now);
    let row = |it: &crate::api::status::Session| {
        vec![
            it.attempt.to_string(),
            format!("{:?}", it.state),
            it.sid.clone().unwrap_or_else(|| NONE.to_owned()),
            it.recorder_uid.to_string(),
            time(&it.start_time),
            time(&it.confirm_time),
        ]
    };
    let rows: Vec<_> = status.sessions.iter().map(row).collect();
    some_table(&["ATTEMPT", "STATE", "SID", "RECORDER", "STARTED", "CONFIRMED"], &rows)
}

fn history(status: &SnapshotJobStatus, now: Timestamp) -> String {
    let row = |it: &crate::api::status::PastSession| {
        let lasted = it.start_time.as_ref().map(|start| it.end_time.0.duration_since(start.0).as_secs());
        vec![
            it.attempt.to_string(),
            format!("{:?}", it.end_reason),
            it.sid.clone().unwrap_or_else(|| NONE.to_owned()),
            it.recorder_uid.to_string(),
            lasted.map_or_else(|| NONE.to_owned(), span),
            age(it.end_time.0, now),
        ]
    };
    let rows: Vec<_> = status.history.iter().map(row).collect();
    some_table(&["ATTEMPT", "END", "SID", "RECORDER", "LASTED", "ENDED"], &rows)
}

fn users(status: &SnapshotJobStatus, now: Timestamp) -> String {
    let users = status.snapshots.iter().flat_map(|snapshots| &snapshots.users);
    let row = |it: &crate::api::status::UserSnapshots| {
        vec![it.uid.to_string(), it.count.to_string(), age_of(it.last_time.as_ref().map(|time| time.0), now)]
    };
    some_table(&["UID", "SNAPSHOTS", "LAST-SNAPSHOT"], &users.map(row).collect::<Vec<_>>())
}

fn some_table(headings: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() { String::new() } else { table(headings, rows) }
}
