//! What the page is told: JSON of numbers and of words that are shown as they are. No key of an object, no secret.

use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;

use super::album::{Shown, pause};
use crate::api::SnapshotJob;
use crate::api::conditions::ConditionType;
use crate::plugin::ls::{condition, phase};
use crate::plugin::problem::PluginError;

/// Everything but the time lines. Times are milliseconds since 1970.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    namespace: String,
    name: String,
    channel: String,
    phase: String,
    interval_seconds: i32,
    problem: Option<Problem>,
    notice: Option<Notice>,
    /// Whether a part of the bucket is still to be read.
    reading: bool,
    users: Vec<User>,
    /// This machine's clock, by which ages are counted.
    now: i64,
    /// When to ask again.
    again_milliseconds: u64,
}

/// Why what is shown may be out of date.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Problem {
    title: &'static str,
    words: String,
}

/// Why there is nothing, or nothing new.
#[derive(Debug, Eq, PartialEq, Serialize)]
struct Notice {
    title: &'static str,
    words: String,
    /// A command that says more.
    command: String,
}

/// A user of whom there are snapshots.
#[derive(Debug, Eq, PartialEq, Serialize)]
struct User {
    uid: u32,
    newest: i64,
    oldest: i64,
    count: usize,
}

/// A piece of a user's time line, oldest first.
#[derive(Debug, Serialize)]
pub(super) struct Piece {
    pub(super) times: Vec<i64>,
}

impl Problem {
    /// The job could not be read.
    pub(super) fn of_cluster(error: &PluginError) -> Self {
        match error {
            PluginError::NoJob { namespace, name } => Self {
                title: "The job is gone",
                words: format!(
                    "There is no SnapshotJob {name} in namespace {namespace} any more. What was seen of it so far is \
                     still shown, as long as this page is open and the bucket has it."
                ),
            },
            other => Self { title: "The cluster cannot be asked", words: capital(&other.to_string()) },
        }
    }

    /// The bucket could not be opened or listed.
    pub(super) fn of_bucket(error: &PluginError) -> Self {
        Self { title: "The bucket cannot be read", words: capital(&error.to_string()) }
    }
}

impl Told {
    pub(super) fn of(shown: &Shown, now: Timestamp) -> Self {
        let (job, inventory) = (&shown.job, &shown.inventory);
        let user = |(newest, count): (crate::snapshots::Stored, usize)| User {
            uid: newest.user,
            newest: newest.taken.as_millisecond(),
            oldest: inventory.oldest(newest.user).unwrap_or(newest.taken).as_millisecond(),
            count,
        };
        let users: Vec<_> = inventory.users().into_iter().map(user).collect();
        let notice = match shown.problem.is_none() && !shown.reading {
            true => notice(job, users.is_empty()),
            false => None,
        };
        Self {
            namespace: job.namespace().unwrap_or_default(),
            name: job.name_any(),
            channel: job.spec.channel.name.clone(),
            phase: phase(job),
            interval_seconds: job.spec.interval_seconds,
            problem: shown.problem.clone(),
            notice,
            reading: shown.reading,
            users,
            now: now.as_millisecond(),
            again_milliseconds: u64::try_from(pause(job).as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The operator's own words for why nothing arrives.
fn notice(job: &SnapshotJob, none: bool) -> Option<Notice> {
    let arriving = condition(job, ConditionType::SnapshotsArriving);
    let told = arriving.filter(|arriving| none || arriving.status == "False");
    let told = told.or_else(|| condition(job, ConditionType::Ready).filter(|_| none));
    let words = match told {
        Some(told) => capital(&told.message),
        None if none => "No operator has looked at the job yet.".to_owned(),
        None => return None,
    };
    let namespace = job.namespace().unwrap_or_default();
    Some(Notice {
        title: if none { "No snapshots yet" } else { "No new snapshots" },
        words,
        command: format!("kubectl snapshotjob doctor {} --namespace {namespace}", job.name_any()),
    })
}

/// As a sentence.
fn capital(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(conditions: &[[&str; 3]]) -> SnapshotJob {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|[kind, status, message]| {
                json!({"type": kind, "status": status, "reason": "R", "message": message,
                    "lastTransitionTime": "2026-07-01T09:00:00Z"})
            })
            .collect();
        serde_json::from_value(json!({"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
            "metadata": {"name": "lobby", "namespace": "live"},
            "spec": {"credentialsRef": {"name": "agora"},
                "channel": {"appId": "a", "name": "<b>lobby", "profile": "Communication"},
                "storage": {"vendor": "AzureBlob", "bucket": "b", "credentialsRef": {"name": "bucket"}}},
            "status": {"conditions": conditions}}))
        .unwrap()
    }

    #[test]
    fn the_reason_for_nothing_is_what_the_operator_says() {
        let words =
            |conditions, none| notice(&job(conditions), none).map(|notice| (notice.title, notice.words));
        let told = |title, words: &str| Some((title, words.to_owned()));
        for (conditions, none, expected) in [
            (&[][..], true, told("No snapshots yet", "No operator has looked at the job yet.")),
            (&[], false, None),
            (&[["Ready", "False", "waits for quota"]], true, told("No snapshots yet", "Waits for quota.")),
            (&[["Ready", "False", "waits for quota"]], false, None),
            (
                &[["Ready", "True", "captures"], ["SnapshotsArriving", "Unknown", "none is due yet."]],
                true,
                told("No snapshots yet", "None is due yet."),
            ),
            (&[["SnapshotsArriving", "Unknown", "none is due yet."]], false, None),
            (
                &[["SnapshotsArriving", "False", "nobody sends video"]],
                false,
                told("No new snapshots", "Nobody sends video."),
            ),
        ] {
            assert_eq!(words(conditions, none), expected, "{conditions:?} {none}");
        }
    }

    #[test]
    fn a_problem_takes_the_place_of_a_notice() {
        let gone = PluginError::NoJob { namespace: "live".into(), name: "lobby".into() };
        let shown = |problem| Shown {
            job: job(&[]),
            problem,
            reading: false,
            inventory: Default::default(),
            bucket: None,
        };
        let told = |shown: &Shown| -> Value {
            serde_json::to_value(Told::of(shown, Timestamp::from_second(7).unwrap())).unwrap()
        };
        let with = told(&shown(Some(Problem::of_cluster(&gone))));
        assert_eq!((&with["problem"]["title"], &with["notice"]), (&json!("The job is gone"), &Value::Null));
        let without = told(&shown(None));
        assert_eq!(without["notice"]["command"], "kubectl snapshotjob doctor lobby --namespace live");
        assert_eq!((&without["now"], &without["againMilliseconds"]), (&json!(7_000), &json!(5_000)));
    }
}
