//! The bucket: whether it can be listed, and what the operator found when it tried to write.

use jiff::Timestamp;

use super::snapshots::patience;
use super::{Check, Finding, Verdict, condition_is};
use crate::api::SnapshotJob;
use crate::api::conditions::{ConditionType, Reason};
use crate::plugin::bucket::{JobBucket, sids};
use crate::plugin::cluster::Cluster;
use crate::plugin::ls::condition;
use crate::plugin::problem::{PluginError, words};
use crate::plugin::reach::Reach;
use crate::plugin::snapshots::LIMITS;
use crate::snapshots::{BucketProblem, Inventory, Limits, Wanted};

/// A session that there is not: the vendor's sids are hexadecimal. Where no session was yet, its snapshots are looked for,
/// as those of one that was would be: below the job's prefix, with the same rights.
const NO_SESSION: &str = "doctor";

/// Whether the bucket can be listed, and what has arrived lately.
pub(super) async fn look(
    cluster: &Cluster,
    reach: &Reach,
    job: &SnapshotJob,
    now: Timestamp,
) -> Result<(Verdict, Option<Inventory>), PluginError> {
    let mut inventory = Inventory::new(Wanted { user: None, since: now.checked_sub(patience(job)).ok() });
    let (sids, limits, but) = match sids(job) {
        sids if sids.is_empty() => {
            (vec![NO_SESSION.to_owned()], Limits { requests: 1, ..LIMITS }, "; there was no session yet")
        }
        sids => (sids, LIMITS, ""),
    };
    let looked = match JobBucket::open(cluster, reach, job).await {
        Ok(bucket) => bucket.look_for(&sids, &mut inventory, limits).await.map(|_| ()),
        Err(error) => Err(error),
    };
    Ok(match looked {
        Ok(()) => {
            let what = format!("bucket {} can be listed{but}", job.spec.storage.bucket);
            (Verdict::Ok(Check::Storage, what), Some(inventory))
        }
        Err(PluginError::Bucket(problem)) => (Verdict::Found(of_bucket(&problem), words(&problem)), None),
        // Told among the Secrets.
        Err(
            error @ (PluginError::Forbidden { .. } | PluginError::NoSecret { .. } | PluginError::Keys(_)),
        ) => (Verdict::Skipped(Check::Storage, error.to_string()), None),
        Err(error) => return Err(error),
    })
}

fn of_bucket(problem: &BucketProblem) -> Finding {
    match problem {
        BucketProblem::AccessDenied(_) | BucketProblem::NoStartAfter => Finding::ListingDenied,
        BucketProblem::WrongKeys(_) => Finding::StorageKeysRefused,
        BucketProblem::NoSuchBucket(_) | BucketProblem::WrongRegion(_) => Finding::BucketNotFound,
        BucketProblem::Throttled(_)
        | BucketProblem::Unreachable
        | BucketProblem::TimedOut
        | BucketProblem::Fault(_)
        | BucketProblem::Unsupported(_) => Finding::StorageUnreachable,
    }
}

/// What the operator found when it tried the bucket with the keys that write; here it was listed with those that read.
pub(super) fn of_operators_try(job: &SnapshotJob) -> Option<Verdict> {
    let reason = condition(job, ConditionType::StorageWritable).map(|found| Reason::parse(&found.reason))?;
    let finding = match reason {
        Some(Reason::WrongStorageKeys) => Finding::StorageKeysRefused,
        Some(Reason::NoSuchBucket | Reason::WrongStorageRegion) => Finding::BucketNotFound,
        Some(_) | None => Finding::StorageNotWritable,
    };
    condition_is(job, ConditionType::StorageWritable, finding)
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;
    use super::*;

    #[test]
    fn what_the_operator_found_of_the_bucket_is_told_by_its_cause() {
        for (status, reason, expected) in [
            ("False", "WrongStorageKeys", Some(Finding::StorageKeysRefused)),
            ("False", "StorageAccessDenied", Some(Finding::StorageNotWritable)),
            ("False", "NoSuchBucket", Some(Finding::BucketNotFound)),
            ("False", "WrongStorageRegion", Some(Finding::BucketNotFound)),
            ("False", "OfANewerOperator", Some(Finding::StorageNotWritable)),
            ("True", "Writable", None),
            ("Unknown", "StorageUnreachable", None),
        ] {
            let found = of_operators_try(&job(false, &[["StorageWritable", status, reason]]));
            let finding = found.map(|found| match found {
                Verdict::Found(finding, words) if words == format!("{reason}: m") => finding,
                other => panic!("{}", other.line()),
            });
            assert_eq!(finding, expected, "{reason}");
        }
    }
}
