//! `ls`: jobs with the age of their newest snapshot, as their status tells it; no bucket is asked.

use std::io::Write;

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::age::{NONE, age_of};
use super::cluster::Cluster;
use super::problem::PluginError;
use super::settings::{Form, List};
use super::table::table;
use crate::api::SnapshotJob;
use crate::api::conditions::ConditionType;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub(super) async fn run(cluster: &Cluster, list: &List) -> Result<(), PluginError> {
    let jobs = cluster.jobs(list.all_namespaces, list.selector.as_deref()).await?;
    let text = match list.output {
        Form::Json => format!("{:#}\n", Value::from(jobs.iter().map(as_json).collect::<Vec<_>>())),
        Form::Table if jobs.is_empty() => {
            let place = match list.all_namespaces {
                true => "any namespace".to_owned(),
                false => format!("namespace {}", cluster.namespace),
            };
            eprintln!("There are no SnapshotJobs in {place}.");
            return Ok(());
        }
        Form::Table => as_table(&jobs, list.all_namespaces, Timestamp::now()),
    };
    print(&text)
}

/// Standard output, which somebody may have closed (`| head`); that is no error.
pub(super) fn print(text: &str) -> Result<(), PluginError> {
    let mut output = std::io::stdout().lock();
    // The last line that `watch` draws has no end, and would come with the next one.
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(PluginError::file("standard output")(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A condition of a job.
pub(super) fn condition(job: &SnapshotJob, kind: ConditionType) -> Option<&Condition> {
    job.status.iter().flat_map(|status| &status.conditions).find(|condition| condition.type_ == kind.as_str())
}

/// The word of the phase.
pub(super) fn phase(job: &SnapshotJob) -> String {
    let phase = job.status.as_ref().and_then(|status| status.phase);
    phase.map_or_else(|| "Pending".to_owned(), |phase| format!("{phase:?}"))
}

/// Capture time of the newest snapshot that the status knows.
pub(super) fn last_snapshot(job: &SnapshotJob) -> Option<Timestamp> {
    Some(job.status.as_ref()?.snapshots.as_ref()?.last_time.as_ref()?.0)
}

pub(super) fn as_table(jobs: &[SnapshotJob], namespaces: bool, now: Timestamp) -> String {
    let mut headings =
        vec!["NAME", "PHASE", "CHANNEL", "INTERVAL", "SNAPSHOTS", "LAST-SNAPSHOT", "AGE", "REASON"];
    if namespaces {
        headings.insert(0, "NAMESPACE");
    }
    let row = |job: &SnapshotJob| {
        let snapshots = job.status.as_ref().and_then(|status| status.snapshots.as_ref());
        let created = job.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let mut row = vec![
            job.name_any(),
            phase(job),
            job.spec.channel.name.clone(),
            format!("{}s", job.spec.interval_seconds),
            snapshots.map_or_else(|| NONE.to_owned(), |snapshots| snapshots.count.to_string()),
            age_of(last_snapshot(job), now),
            age_of(created, now),
            condition(job, ConditionType::Ready)
                .map_or_else(|| NONE.to_owned(), |ready| ready.reason.clone()),
        ];
        if namespaces {
            row.insert(0, job.namespace().unwrap_or_default());
        }
        row
    };
    table(&headings, &jobs.iter().map(row).collect::<Vec<_>>())
}

fn as_json(job: &SnapshotJob) -> Value {
    let snapshots = job.status.as_ref().and_then(|status| status.snapshots.as_ref());
    let ready = condition(job, ConditionType::Ready);
    json!({
        "namespace": job.namespace(),
        "name": job.name_any(),
        "phase": phase(job),
        "reason": ready.map(|ready| &ready.reason),
        "message": ready.map(|ready| &ready.message),
        "channel": job.spec.channel.name,
        "intervalSeconds": job.spec.interval_seconds,
        "snapshots": snapshots.map(|snapshots| snapshots.count),
        "lastSnapshotTime": snapshots.and_then(|snapshots| snapshots.last_time.as_ref()),
        "lastSnapshotAgeSeconds":
            last_snapshot(job).map(|last| Timestamp::now().duration_since(last).as_secs().max(0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_the_age_of_the_newest_snapshot() {
        let now = "2026-07-01T10:00:00Z".parse::<Timestamp>().unwrap();
        let job = |name: &str, status: Value| -> SnapshotJob {
            serde_json::from_value(json!({"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
                "metadata": {"name": name, "namespace": "live", "creationTimestamp": "2026-07-01T09:00:00Z"},
                "spec": {"credentialsRef": {"name": "agora"},
                    "channel": {"appId": "a", "name": "lobby", "profile": "Communication"},
                    "storage": {"vendor": "AzureBlob", "bucket": "b", "credentialsRef": {"name": "bucket"}}},
                "status": status}))
            .unwrap()
        };
        let jobs = [
            job("new", Value::Null),
            job(
                "old",
                json!({"phase": "Running", "snapshots": {"count": 7, "lastTime": "2026-07-01T09:59:57Z"},
                    "conditions": [{"type": "Ready", "status": "True", "reason": "Capturing", "message": "m",
                        "lastTransitionTime": "2026-07-01T09:00:00Z"}]}),
            ),
        ];
        assert_eq!(
            as_table(&jobs, true, now),
            "NAMESPACE   NAME   PHASE     CHANNEL   INTERVAL   SNAPSHOTS   LAST-SNAPSHOT   AGE   REASON\n\
             live        new    Pending   lobby     10s        -           -               60m   -\n\
             live        old    Running   lobby     10s        7           3s              60m   Capturing\n"
        );
        assert!(as_table(&jobs, false, now).starts_with("NAME   PHASE"));
        assert_eq!(as_json(&jobs[1])["reason"], "Capturing");
        assert_eq!(as_json(&jobs[0])["lastSnapshotAgeSeconds"], Value::Null);
    }
}
