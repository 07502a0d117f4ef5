//! `pictures`: the snapshots that are in the bucket, listed or saved.

use std::time::Duration;

use jiff::Timestamp;

use super::age::age;
use super::bucket::JobBucket;
use super::cluster::Cluster;
use super::download;
use super::ls::print;
use super::problem::PluginError;
use super::reach::Reach;
use super::settings::Wanted;
use super::table::table;
use crate::snapshots::{Inventory, Limits, Stored};

/// Two million keys; whoever wants more narrows it by `--since` and `--user`.
pub(super) const LIMITS: Limits = Limits { time: Duration::from_secs(120), requests: 2_000 };

pub(super) async fn run(cluster: &Cluster, reach: &Reach, wanted: &Wanted) -> Result<(), PluginError> {
    let job = cluster.job(&wanted.job).await?;
    let bucket = JobBucket::open(cluster, reach, &job).await?;
    let mut inventory = Inventory::new(crate::snapshots::Wanted { user: wanted.user, since: wanted.since });
    let look = bucket.look(&job, &mut inventory, LIMITS).await?;
    let snapshots = inventory.snapshots();
    if !look.complete {
        eprintln!(
            "There are more snapshots than are looked through at once; narrow them with --since and --user."
        );
    }
    if snapshots.is_empty() {
        return Err(PluginError::NoSnapshots(narrowed(wanted)));
    }
    match &wanted.download {
        None => print(&as_table(&snapshots, Timestamp::now())),
        Some(folder) => {
            let saved = download::save_all(&bucket.content, &snapshots, folder).await?;
            print(&format!(
                "{} snapshots saved in {}, {} were there already\n",
                saved.written,
                folder.display(),
                saved.there
            ))
        }
    }
}

fn narrowed(wanted: &Wanted) -> String {
    let user = wanted.user.map(|user| format!(" of user {user}")).unwrap_or_default();
    let since = wanted.since.map(|since| format!(" since {since:.0}")).unwrap_or_default();
    format!(" of job {}{user}{since}", wanted.job)
}

fn as_table(snapshots: &[Stored], now: Timestamp) -> String {
    let row = |snapshot: &Stored| {
        vec![
            format!("{:.3}", snapshot.taken),
            age(snapshot.taken, now),
            snapshot.user.to_string(),
            snapshot.key.clone(),
        ]
    };
    table(&["TAKEN", "AGE", "USER", "KEY"], &snapshots.iter().map(row).collect::<Vec<_>>())
}
