//! The try of the bucket in a visit, before anything is billed: binds `lifecycle`, which says when and what follows, to
//! `snapshots`, which writes the probe object.

use std::time::Duration;

use tracing::debug;

use super::Visit;
use super::perform::{Happened, learn};
use crate::agora::material::Secrets;
use crate::lifecycle::plan::{Step, plan};
use crate::lifecycle::preflight::{Mark, Probed, Refused};
use crate::snapshots::{self, BucketProblem, Keys, Location, Preflight};

/// A start waits no longer than this for what a storage service says: as long as for one request to it.
const LIMIT: Duration = Duration::from_secs(10);

impl Visit<'_> {
    /// Which bucket, with which keys, a session that is started now would write to.
    pub(super) fn know_storage(&mut self, secrets: &Secrets) {
        self.seen.storage = None;
        self.writer = None;
        let (Some(_), Ok(spec)) = (&self.material, &self.seen.spec) else { return };
        let name = &spec.storage.credentials_ref.name;
        let Some(data) = secrets.get(name).and_then(Option::as_ref) else { return };
        let Ok(keys) = Keys::from_secret(name, data) else { return };
        let token = keys.session_token.as_deref().unwrap_or_default();
        self.seen.storage = Some(Mark::of(&spec.storage, [&keys.access_key, &keys.secret_key, token]));
        self.writer = Some(keys);
    }

    /// Writes and deletes a probe object.
    pub(super) async fn preflight(&mut self) -> Happened {
        let (Some(of), Some(keys), Ok(spec)) = (&self.seen.storage, &self.writer, &self.seen.spec) else {
            return Happened::Nothing;
        };
        let (namespace, name) = (&self.seen.job.namespace, &self.seen.job.name);
        let key = snapshots::preflight::key(spec.storage.prefix.as_deref(), namespace, name);
        let text = format!(
            "agora-snapshot-operator wrote this to see whether snapshots of SnapshotJob {name} in namespace {namespace} \
             can be written here. It may be deleted.\n"
        );
        let endpoint = self.context.storage_endpoint.as_ref();
        let tried = match Location::of(&spec.storage, endpoint) {
            Ok(location) => {
                let own_place = endpoint.is_none();
                let connections = &self.context.connections;
                let try_it =
                    snapshots::preflight(&location, &spec.storage, own_place, keys, connections, &key, text);
                tokio::time::timeout(LIMIT, try_it)
                    .await
                    .unwrap_or(Preflight::Untold(BucketProblem::TimedOut))
            }
            Err(problem) => Preflight::Untold(problem),
        };
        debug!(job = self.stored.full_name(), ?tried, "tried the bucket");
        let of = of.clone();
        self.seen.now = self.context.clock.now();
        Happened::Preflighted(of, probed(tried, key))
    }

    /// Works in what came of it, if a start or a stop follows at once: the write that comes before that tells it.
    pub(super) fn goes_on_after(&mut self, happened: &Happened) -> bool {
        let mut seen = self.seen.clone();
        let notices = learn(&mut seen, happened, self.context.look_again);
        let goes_on = matches!(plan(&seen), Step::Start(_) | Step::Stop { .. });
        if goes_on {
            self.seen = seen;
            self.notices.extend(notices);
        }
        goes_on
    }
}

fn probed(tried: Preflight, key: String) -> Probed {
    match tried {
        Preflight::Writable { deleted } => Probed::Taken { left: (!deleted).then_some(key) },
        Preflight::Refused(problem) => match problem {
            BucketProblem::WrongKeys(said) => Probed::Refused { why: Refused::WrongKeys, said },
            BucketProblem::AccessDenied(said) => Probed::Refused { why: Refused::AccessDenied, said },
            BucketProblem::NoSuchBucket(said) => Probed::Refused { why: Refused::NoSuchBucket, said },
            BucketProblem::WrongRegion(said) => Probed::Refused { why: Refused::WrongRegion, said },
            problem => untold(problem),
        },
        Preflight::Untold(problem) => untold(problem),
    }
}

/// In words about writing; those of the problem are about listing.
fn untold(problem: BucketProblem) -> Probed {
    let (unreachable, why) = match problem {
        BucketProblem::Unreachable => (true, "the storage service could not be reached".to_owned()),
        BucketProblem::TimedOut => (true, "the storage service did not answer in time".to_owned()),
        BucketProblem::Unsupported(why) => (false, why),
        BucketProblem::Throttled(said) => {
            (false, format!("the storage service asks for fewer requests ({said})"))
        }
        BucketProblem::AccessDenied(said)
        | BucketProblem::WrongKeys(said)
        | BucketProblem::NoSuchBucket(said)
        | BucketProblem::WrongRegion(said)
        | BucketProblem::Fault(said) => (
            false,
            format!("the answer ({said}) need not be what the storage service would answer the vendor"),
        ),
        BucketProblem::NoStartAfter => (false, "the storage service did not do as asked".to_owned()),
    };
    Probed::Untold { unreachable, why }
}
