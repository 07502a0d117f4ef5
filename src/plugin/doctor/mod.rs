//! `doctor`: why a job has no snapshots, from the Secrets to the bucket, each step with ok or what to do.
//!
//! Changes nothing and bills nothing: the vendor is asked for the state of the running session, or for a resourceId that
//! is never used, which costs nothing; the bucket is only listed.

mod findings;
mod snapshots;
mod storage;
mod vendor;

pub use findings::Finding;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::cluster::Cluster;
use super::ls::{condition, print};
use super::problem::PluginError;
use super::reach::Reach;
use super::table::plain;
use crate::agora::material::{Account, Material, MaterialProblem, Secrets, secret_names};
use crate::api::conditions::{ConditionType, Reason};
use crate::api::{SnapshotJob, SnapshotJobSpec};
use crate::lifecycle::recorder;

/// One step of the walk.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Check {
    /// The Secrets that the job names.
    Secrets,
    /// Customer id, secret and App ID.
    Vendor,
    /// The bucket.
    Storage,
    /// The recorder's token.
    Token,
    /// The quota of concurrent sessions.
    Quota,
    /// The session in the channel.
    Channel,
    /// What arrives.
    Snapshots,
}

impl Check {
    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secrets => "Secrets",
            Self::Vendor => "vendor credentials",
            Self::Storage => "storage",
            Self::Token => "token",
            Self::Quota => "quota",
            Self::Channel => "channel",
            Self::Snapshots => "snapshots",
        }
    }
}

/// What a step came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Ok(Check, String),
    Found(Finding, String),
    /// It could not be looked at.
    Skipped(Check, String),
    /// There is nothing to look at.
    Needless(Check, String),
}

impl Verdict {
    fn is_wrong(&self) -> bool {
        matches!(self, Self::Found(finding, _) if finding.is_wrong())
    }

    /// Whether something may be wrong that could not be looked at.
    fn hides(&self) -> bool {
        match self {
            Self::Skipped(..) => true,
            Self::Found(finding, _) => finding.hides(),
            Self::Ok(..) | Self::Needless(..) => false,
        }
    }

    fn line(&self) -> String {
        let (mark, check, what, advice) = match self {
            Self::Ok(check, what) => ("ok", *check, what, None),
            Self::Skipped(check, what) | Self::Needless(check, what) => ("skip", *check, what, None),
            Self::Found(finding, what) => {
                let mark = if finding.is_wrong() { "FAIL" } else { "note" };
                (mark, finding.check(), what, Some((finding, finding.advice())))
            }
        };
        let mut text = format!("{mark:<6}{}: {}\n", check.name(), plain(what));
        if let Some((finding, advice)) = advice {
            // Writing to a text does not fail.
            let _written = writeln!(text, "      {finding:?}: {advice}");
        }
        text
    }
}

/// Walks through everything; whether all is well.
pub(super) async fn run(cluster: &Cluster, reach: &Reach, name: &str) -> Result<bool, PluginError> {
    let job = cluster.job(name).await?;
    let now = Timestamp::now();
    let (secrets, unseen) = read_secrets(cluster, &job.spec).await?;
    let mut verdicts = of_secrets(&job.spec, &secrets, &unseen, now);
    let account = Account::from_secret(&job.spec.credentials_ref.name, &secrets);
    verdicts.push(match &account {
        Ok(account) => vendor::ask(reach, &job, account, &cluster.namespace).await?,
        Err(_) => Verdict::Skipped(Check::Vendor, "its Secret is not usable or not seen".into()),
    });
    let (of_storage, inventory) = storage::look(cluster, reach, &job, now).await?;
    verdicts.push(of_storage);
    verdicts.extend(storage::of_operators_try(&job));
    verdicts.push(of_token(&job, &secrets, &unseen, now));
    verdicts.push(of_quota(&job));
    verdicts.push(of_channel(&job));
    verdicts.push(snapshots::judge(&job, inventory.as_ref(), now));
    for verdict in &verdicts {
        print(&verdict.line())?;
    }
    print(&format!("{} Nothing was changed and nothing was billed by looking.\n", sum(&verdicts)))?;
    Ok(!verdicts.iter().any(Verdict::is_wrong))
}

/// What all steps together came to.
fn sum(verdicts: &[Verdict]) -> String {
    let wrong = verdicts.iter().filter(|verdict| verdict.is_wrong()).count();
    match wrong {
        0 if verdicts.iter().any(Verdict::hides) => "Nothing is wrong in what could be looked at.".to_owned(),
        0 => "Nothing is wrong.".to_owned(),
        wrong => format!("{wrong} wrong."),
    }
}

/// The Secrets of the job, and the names of those that the user may not read.
async fn read_secrets(
    cluster: &Cluster,
    spec: &SnapshotJobSpec,
) -> Result<(Secrets, BTreeSet<String>), PluginError> {
    let mut names = secret_names(spec);
    names.extend(spec.storage.reader_credentials_ref.iter().map(|reference| reference.name.clone()));
    let (mut secrets, mut unseen) = (Secrets::new(), BTreeSet::new());
    for name in names {
        match cluster.secret(&name).await {
            Ok(data) => {
                secrets.insert(name, data);
            }
            Err(PluginError::Forbidden { .. }) => {
                unseen.insert(name);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((secrets, unseen))
}

fn recorder_uid(job: &SnapshotJob) -> i64 {
    let namespace = job.namespace().unwrap_or_default();
    let running =
        job.status.iter().flat_map(|status| &status.sessions).map(|session| session.recorder_uid).next();
    running
        .or_else(|| recorder::uids(&job.spec, &namespace, &job.name_any()).first().copied())
        .unwrap_or_default()
}

fn gather(
    job_spec: &SnapshotJobSpec,
    uid: i64,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<Material, MaterialProblem> {
    // The token is looked at and dropped; its salt does not matter.
    Material::gather(job_spec, uid, secrets, now, 1)
}

fn is_of_token(problem: &MaterialProblem) -> bool {
    match problem {
        MaterialProblem::TokenExpired { .. } | MaterialProblem::TokenForOther { .. } => true,
        MaterialProblem::SecretMissing { .. }
        | MaterialProblem::KeyMissing { .. }
        | MaterialProblem::Unusable { .. } => false,
    }
}

fn of_secrets(
    spec: &SnapshotJobSpec,
    secrets: &Secrets,
    unseen: &BTreeSet<String>,
    now: Timestamp,
) -> Vec<Verdict> {
    let mut verdicts: Vec<_> = unseen
        .iter()
        .map(|name| Verdict::Found(Finding::SecretUnseen, format!("you may not read Secret {name}")))
        .collect();
    for (name, data) in secrets {
        if data.is_none() {
            verdicts.push(Verdict::Found(Finding::SecretUnusable, format!("Secret {name} does not exist")));
        }
    }
    if verdicts.is_empty() {
        let uid = spec.channel.recorders.iter().flatten().map(|recorder| recorder.uid).next().unwrap_or(1);
        verdicts.push(match gather(spec, uid, secrets, now).err().filter(|problem| !is_of_token(problem)) {
            Some(problem) => Verdict::Found(Finding::SecretUnusable, problem.to_string()),
            None => {
                let names: Vec<&str> = secrets.keys().map(String::as_str).collect();
                Verdict::Ok(Check::Secrets, format!("{} have what is needed", names.join(", ")))
            }
        });
    }
    verdicts
}

fn condition_is(job: &SnapshotJob, kind: ConditionType, finding: Finding) -> Option<Verdict> {
    let found = condition(job, kind).filter(|condition| condition.status == "False")?;
    Some(Verdict::Found(finding, told(found)))
}

/// Reason and message; some messages begin with the reason.
fn told(condition: &Condition) -> String {
    let Condition { reason, message, .. } = condition;
    match message.strip_prefix(reason.as_str()) {
        Some(rest) if rest.starts_with(':') => message.clone(),
        Some(_) | None => format!("{reason}: {message}"),
    }
}

fn of_token(job: &SnapshotJob, secrets: &Secrets, unseen: &BTreeSet<String>, now: Timestamp) -> Verdict {
    if !unseen.is_empty() {
        return Verdict::Skipped(Check::Token, "a Secret is not seen".into());
    }
    match gather(&job.spec, recorder_uid(job), secrets, now) {
        Ok(Material { token_end: Some(end), .. }) => {
            Verdict::Ok(Check::Token, format!("the recorder's token is good until {end:.0}"))
        }
        Ok(_) => Verdict::Ok(
            Check::Token,
            "the recorder joins without a token; right unless the project's App Certificate is enabled"
                .into(),
        ),
        Err(problem) if is_of_token(&problem) => Verdict::Found(Finding::TokenUnusable, problem.to_string()),
        Err(_) => Verdict::Skipped(Check::Token, "a Secret is not usable".into()),
    }
}

fn of_quota(job: &SnapshotJob) -> Verdict {
    match condition(job, ConditionType::Ready) {
        Some(ready) if Reason::parse(&ready.reason) == Some(Reason::QuotaQueued) => {
            Verdict::Found(Finding::QuotaExhausted, ready.message.clone())
        }
        Some(_) | None => Verdict::Ok(Check::Quota, "the job does not wait for it".into()),
    }
}

fn of_channel(job: &SnapshotJob) -> Verdict {
    let Some(ready) = condition(job, ConditionType::Ready) else {
        return Verdict::Found(Finding::NotLookedAfter, "the job has no condition Ready".into());
    };
    let is = |kind, value: &str| condition(job, kind).is_some_and(|condition| condition.status == value);
    let finding = match () {
        () if is(ConditionType::Succeeded, "True") => Finding::Completed,
        () if is(ConditionType::Succeeded, "False") || is(ConditionType::Stalled, "True") => Finding::Failed,
        // Whatever becomes of the snapshots, which is the next check, a session is in the channel.
        () if matches!(
            Reason::parse(&ready.reason),
            Some(Reason::Capturing | Reason::NoVideo | Reason::UploadFailing)
        ) =>
        {
            return Verdict::Ok(Check::Channel, ready.message.clone());
        }
        () if job.spec.suspend => Finding::Suspended,
        () => Finding::NoSession,
    };
    Verdict::Found(finding, told(ready))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A job that says this: type, status and reason of each condition.
    pub(super) fn job(suspend: bool, conditions: &[[&str; 3]]) -> SnapshotJob {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|[kind, status, reason]| {
                json!({"type": kind, "status": status, "reason": reason, "message": "m",
                    "lastTransitionTime": "2026-07-01T09:00:00Z"})
            })
            .collect();
        serde_json::from_value(json!({"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
            "metadata": {"name": "lobby", "namespace": "live"},
            "spec": {"credentialsRef": {"name": "agora"}, "suspend": suspend,
                "channel": {"appId": "a", "name": "lobby", "profile": "Communication"},
                "storage": {"vendor": "AzureBlob", "bucket": "b", "credentialsRef": {"name": "bucket"}}},
            "status": {"conditions": conditions}}))
        .unwrap()
    }

    #[test]
    fn nothing_is_wrong_only_where_everything_was_looked_at() {
        let ok = || Verdict::Ok(Check::Vendor, "w".into());
        let found = |finding| Verdict::Found(finding, "w".into());
        let in_part = "Nothing is wrong in what could be looked at.";
        for (verdict, expected) in [
            (ok(), "Nothing is wrong."),
            (Verdict::Needless(Check::Snapshots, "w".into()), "Nothing is wrong."),
            (found(Finding::NotDueYet), "Nothing is wrong."),
            (found(Finding::NoVideo), "Nothing is wrong."),
            (Verdict::Skipped(Check::Token, "w".into()), in_part),
            (found(Finding::SecretUnseen), in_part),
            (found(Finding::ListingDenied), in_part),
            (found(Finding::UploadFailing), "1 wrong."),
        ] {
            let line = verdict.line();
            assert_eq!(sum(&[ok(), verdict, ok()]), expected, "{line}");
        }
        let both = [found(Finding::Failed), found(Finding::SecretUnseen), found(Finding::Unknown)];
        assert_eq!(sum(&both), "2 wrong.");
    }

    #[test]
    fn a_reason_is_said_once() {
        let told = |reason: &str, message: &str| {
            let job = job(true, &[["Ready", "True", reason]]);
            let ready = condition(&job, ConditionType::Ready).unwrap();
            told(&Condition { message: message.into(), ..ready.clone() })
        };
        assert_eq!(told("Suspended", "Suspended: no session runs."), "Suspended: no session runs.");
        assert_eq!(
            told("Stopping", "The session is being stopped."),
            "Stopping: The session is being stopped."
        );
        assert_eq!(told("Failed", "Failed starts: 3."), "Failed: Failed starts: 3.");
    }

    #[test]
    fn a_channel_in_which_a_session_is_and_the_others() {
        let found = |suspend, conditions: &[[&str; 3]]| match of_channel(&job(suspend, conditions)) {
            Verdict::Found(finding, _) => Some(finding),
            Verdict::Ok(..) | Verdict::Skipped(..) | Verdict::Needless(..) => None,
        };
        for (conditions, expected) in [
            (&[][..], Some(Finding::NotLookedAfter)),
            (&[["Ready", "True", "Capturing"]], None),
            (&[["Ready", "True", "NoVideo"]], None),
            (&[["Ready", "False", "UploadFailing"]], None),
            (&[["Ready", "False", "Starting"]], Some(Finding::NoSession)),
            (&[["Ready", "True", "Completed"], ["Succeeded", "True", "Completed"]], Some(Finding::Completed)),
            (
                &[["Ready", "False", "Unauthorized"], ["Stalled", "True", "Unauthorized"]],
                Some(Finding::Failed),
            ),
        ] {
            assert_eq!(found(false, conditions), expected, "{conditions:?}");
        }
        assert_eq!(found(true, &[["Ready", "True", "Suspended"]]), Some(Finding::Suspended));
    }
}
