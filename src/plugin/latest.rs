//! `latest`: the newest snapshot of a job, as a file or on standard output.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::bucket::JobBucket;
use super::cluster::Cluster;
use super::download::write_whole;
use super::ls::last_snapshot;
use super::problem::PluginError;
use super::reach::Reach;
use super::snapshots::LIMITS;
use crate::snapshots::{Inventory, Wanted};

/// What the status calls the newest was looked up some minutes ago, and clocks differ.
const BEFORE: SignedDuration = SignedDuration::from_mins(1);

pub(super) async fn run(
    cluster: &Cluster,
    reach: &Reach,
    name: &str,
    output: &Path,
) -> Result<(), PluginError> {
    let to_stdout = output == Path::new("-");
    if to_stdout && std::io::stdout().is_terminal() {
        let source = std::io::Error::other("a JPG is not for a terminal; redirect it, or give a file");
        return Err(PluginError::file("standard output")(source));
    }
    let job = cluster.job(name).await?;
    let bucket = JobBucket::open(cluster, reach, &job).await?;
    // What the status knows of spares the listing of whole sessions; if it is gone from the bucket, all is listed.
    let since: Option<Timestamp> = last_snapshot(&job).and_then(|last| last.checked_sub(BEFORE).ok());
    let mut newest = None;
    for since in since.map(Some).into_iter().chain([None]) {
        let mut inventory = Inventory::new(Wanted { user: None, since });
        bucket.look(&job, &mut inventory, LIMITS).await?;
        newest = inventory.newest();
        if newest.is_some() {
            break;
        }
    }
    let newest = newest.ok_or_else(|| PluginError::NoSnapshots(format!(" of job {name}")))?;
    let bytes = bucket.content.read(&newest.key).await?;
    if to_stdout {
        return std::io::stdout().lock().write_all(&bytes).map_err(PluginError::file("standard output"));
    }
    write_whole(output, &bytes)?;
    eprintln!("{}: user {} at {:.3}", output.display(), newest.user, newest.taken);
    Ok(())
}
