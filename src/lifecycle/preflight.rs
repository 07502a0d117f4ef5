//! Whether the bucket takes files, tried before anything is billed: a probe object is written, and deleted, with the keys
//! that the vendor gets. Owns when that is done, what follows from it, and condition `StorageWritable`; how it is done is
//! `snapshots`'.
//!
//! Only what the storage service refuses for certain holds a session back, and none that shall take the place of one that
//! ends: a session without a bucket is lost money, no session is lost snapshots.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::conditions::{self, Value};
use super::intent::{Intent, intent};
use super::notice::Notice;
use super::observed::Observed;
use super::replacement::wanted_difference;
use super::spec_hash::Difference;
use super::{backoff, timing};
use crate::api::spec::{Preflight, Storage};
use crate::api::status::Session;
use crate::api::{ConditionType, Reason, SnapshotJobSpec};

/// A bucket, as the spec names it, with the keys to it: alike only for alike ones. `Debug` shows nothing of it.
#[derive(Clone, Eq, PartialEq)]
pub struct Mark([u8; 32]);

/// What came of writing a probe object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Probed {
    /// The bucket took it.
    Taken {
        /// Its key, if it could not be deleted: keys that may only write are enough for the vendor.
        left: Option<String>,
    },
    /// The storage service refused it for certain, and would refuse the vendor.
    Refused {
        /// Why.
        why: Refused,
        /// The service's own number and code, as `403 AccessDenied`.
        said: String,
    },
    /// No answer from there that would hold for the vendor, too.
    Untold {
        /// Whether there was none at all.
        unreachable: bool,
        /// What was met, as a clause.
        why: String,
    },
}

/// Why a storage service refuses a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// It does not know the keys.
    WrongKeys,
    /// They may not write.
    AccessDenied,
    /// There is no such bucket.
    NoSuchBucket,
    /// The bucket is in another region.
    WrongRegion,
}

/// What became of a try, as it is remembered.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What was tried.
    pub of: Mark,
    /// Whether the bucket takes files.
    pub value: Value,
    /// Reason of the condition.
    pub reason: Reason,
    /// What was found, with values and what to do; no full stop.
    pub words: String,
    /// When, wall clock.
    pub time: Timestamp,
    /// When, monotonic.
    pub at: Duration,
    /// Since when it has been found so, monotonic.
    pub since: Duration,
    /// It holds until then, monotonic.
    pub until: Duration,
    /// So many times it was found again.
    pub repeats: u32,
}

/// What a bucket means for a start that is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Gate {
    /// Nothing stands in the way.
    Open,
    /// The bucket has to be tried first.
    Ask,
    /// It refuses files; to be looked at again after this long.
    Shut(Duration),
}

impl Mark {
    /// The mark of a declared storage with its access key, secret key and session token.
    pub fn of(storage: &Storage, keys: [&str; 3]) -> Self {
        let mut declared = serde_json::to_value(storage).unwrap_or_default();
        if let Some(fields) = declared.as_object_mut() {
            fields.remove("preflight");
            fields.remove("readerCredentialsRef");
        }
        let mut digest = Sha256::new();
        // As a list, so that nothing of one can be taken for the beginning of the next.
        digest.update(serde_json::json!([declared, keys]).to_string());
        Self(digest.finalize().into())
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Mark(..)")
    }
}

impl Refused {
    const fn reason(self) -> Reason {
        match self {
            Self::WrongKeys => Reason::WrongStorageKeys,
            Self::AccessDenied => Reason::StorageAccessDenied,
            Self::NoSuchBucket => Reason::NoSuchBucket,
            Self::WrongRegion => Reason::WrongStorageRegion,
        }
    }

    fn words(self, storage: &Storage, said: &str) -> String {
        let Storage { bucket, credentials_ref, .. } = storage;
        let secret = &credentials_ref.name;
        match self {
            Self::WrongKeys => format!(
                "The storage service refused the keys to bucket {bucket} ({said}): correct accessKey and secretKey in Secret \
                 {secret}"
            ),
            Self::AccessDenied => {
                let place = match &storage.prefix {
                    Some(prefix) => format!("below {prefix}/ in bucket {bucket}"),
                    None => format!("into bucket {bucket}"),
                };
                format!(
                    "The keys in Secret {secret} may not write {place} ({said}): allow them to put objects there, and see \
                     that bucket and region are meant; if only the vendor's addresses may write, set storage.preflight to \
                     Warn"
                )
            }
            Self::NoSuchBucket => {
                format!("Bucket {bucket} does not exist ({said}): correct storage.bucket or create it")
            }
            Self::WrongRegion => {
                let region = storage.region.as_deref().unwrap_or("of storage.regionCode");
                format!("Bucket {bucket} is not in region {region} ({said}): correct storage.region")
            }
        }
    }
}

// === when it is tried, and what follows ===

/// Whether a session may be started, for all that is known of the bucket.
pub(super) fn gate(seen: &Observed) -> Gate {
    if mode(seen) == Some(Preflight::Skip) || seen.storage.is_none() {
        return Gate::Open;
    }
    match known(seen).map(|tried| (tried, tried.until.saturating_sub(seen.now.mono))) {
        None | Some((_, Duration::ZERO)) => Gate::Ask,
        // Looked at like a Secret that is missing: it may be the Secret that is mended.
        Some((_, wait)) if obstacle(seen).is_some() => Gate::Shut(wait.min(seen.timing.secret_every)),
        Some(_) => Gate::Open,
    }
}

/// Why no session is started, if the bucket is why.
pub(super) fn obstacle(seen: &Observed) -> Option<&Tried> {
    let holds = mode(seen) == Some(Preflight::Enforce) && may_wait(seen);
    known(seen).filter(|tried| holds && tried.value == Value::False)
}

/// Whether a start can wait for the bucket. One that renews a session which is about to end cannot: the bucket is that
/// session's, too.
fn may_wait(seen: &Observed) -> bool {
    seen.running()
        .is_none_or(|session| seen.restart_wanted() || wanted_difference(seen, session) == Difference::Body)
}

/// Whether the bucket has to be tried while a session runs: snapshots are missing and nobody knows why, or the bucket is
/// said to refuse files, which may be over.
pub(super) fn is_due_beside(seen: &Observed, session: &Session) -> bool {
    let refuses = says(seen, ConditionType::StorageWritable, &[]);
    let missing = says(seen, ConditionType::SnapshotsArriving, &[Reason::Unknown, Reason::UploadFailing]);
    let asks = matches!(mode(seen), Some(Preflight::Enforce | Preflight::Warn)) && seen.storage.is_some();
    let is_due = |tried: &Tried| seen.now.mono >= tried.until.min(tried.at + seen.timing.refused_every);
    asks && session.confirm_time.is_some() && (refuses || missing) && known(seen).is_none_or(is_due)
}

/// Whether the bucket of this session is known to refuse files: found since it was started, and of the bucket that it
/// writes to, not of one that an edit names.
pub(super) fn refuses(seen: &Observed, session: &Session) -> bool {
    let Some(start) = &session.start_time else { return false };
    let Some(condition) = conditions::get(&seen.status, ConditionType::StorageWritable) else { return false };
    let found_since = condition.last_transition_time >= *start
        || known(seen).is_some_and(|tried| timing::stored(tried.time) >= *start);
    condition.status == Value::False.as_str()
        && found_since
        && wanted_difference(seen, session) != Difference::Body
}

/// Whether the bucket that the spec names was found to refuse files, so that its Secret is worth another look.
pub fn is_refused(seen: &Observed) -> bool {
    known(seen).is_some_and(|tried| tried.value == Value::False)
}

fn says(seen: &Observed, kind: ConditionType, reasons: &[Reason]) -> bool {
    conditions::get(&seen.status, kind).is_some_and(|condition| {
        condition.status == Value::False.as_str()
            && (reasons.is_empty() || reasons.iter().any(|reason| reason.as_str() == condition.reason))
    })
}

/// Nothing while the spec is not understood.
fn mode(seen: &Observed) -> Option<Preflight> {
    seen.spec.as_ref().ok().map(|spec| spec.storage.preflight)
}

/// What is known of the bucket and the keys as they are now.
fn known(seen: &Observed) -> Option<&Tried> {
    seen.memory.preflight.as_ref().filter(|tried| Some(&tried.of) == seen.storage.as_ref())
}

// === what came of it ===

/// A probe object was written into the bucket of this mark, or not.
pub fn probed(seen: &mut Observed, of: Mark, probed: Probed) -> Vec<Notice> {
    let Ok(spec) = &seen.spec else { return Vec::new() };
    let (value, reason, words) = meaning(spec, probed);
    let before = seen.memory.preflight.take().filter(|tried| tried.reason == reason);
    let repeats = before.as_ref().filter(|tried| tried.of == of).map_or(0, |tried| tried.repeats + 1);
    let now = seen.now;
    let wait = match value {
        Value::True => seen.timing.preflight_fresh,
        Value::False => backoff::after_failure(repeats.saturating_add(1), &seen.timing),
        Value::Unknown => seen.timing.refused_every,
    };
    let until = now.mono + backoff::with_jitter(wait, seen.jitter, &seen.timing);
    let since = before.map_or(now.mono, |tried| tried.since);
    let notice = notice(seen, value, reason, &words);
    let (time, at) = (now.wall, now.mono);
    seen.memory.preflight = Some(Tried { of, value, reason, words, time, at, since, until, repeats });
    notice.into_iter().collect()
}

fn meaning(spec: &SnapshotJobSpec, probed: Probed) -> (Value, Reason, String) {
    let storage = &spec.storage;
    match probed {
        Probed::Taken { left } => {
            let stays = left.map(|key| {
                format!(
                    ". Its keys may not delete, which they need not: the probe object {key} stays, and is written over"
                )
            });
            let words = format!("Bucket {} takes files{}", storage.bucket, stays.unwrap_or_default());
            (Value::True, Reason::Writable, words)
        }
        Probed::Refused { why, said } => (Value::False, why.reason(), why.words(storage, &said)),
        Probed::Untold { unreachable, why } => {
            let reason = if unreachable { Reason::StorageUnreachable } else { Reason::Unknown };
            let words = format!(
                "Whether bucket {} takes files cannot be told from here: {why}. That keeps no session from being started",
                storage.bucket
            );
            (Value::Unknown, reason, words)
        }
    }
}

/// The event that goes with it, once: it refuses, for another reason than before, or takes files again.
fn notice(seen: &Observed, value: Value, reason: Reason, words: &str) -> Option<Notice> {
    let before = conditions::get(&seen.status, ConditionType::StorageWritable)
        .filter(|condition| condition.status == Value::False.as_str());
    let words = || format!("{words}.");
    match (value, before) {
        (Value::False, Some(before)) if before.reason == reason.as_str() => None,
        (Value::False, _) => Some(Notice::warning(reason, words())),
        (Value::True, Some(_)) => Some(Notice::normal(reason, words())),
        (Value::True, None) | (Value::Unknown, _) => None,
    }
}

/// Writes the condition: there as long as the bucket is of interest to the job and has been tried.
pub(super) fn say(seen: &mut Observed) {
    let kind = ConditionType::StorageWritable;
    let wanted = match intent(seen) {
        Intent::Capture | Intent::Hold => true,
        Intent::Suspend | Intent::Finish(_) | Intent::Rest | Intent::Withdraw | Intent::Delete => {
            !seen.status.sessions.is_empty()
        }
    };
    if !wanted || mode(seen) == Some(Preflight::Skip) {
        conditions::remove(&mut seen.status, kind);
        return;
    }
    let (now, generation) = (seen.now, seen.job.generation);
    match known(seen).map(|tried| (tried.value, tried.reason, format!("{}.", tried.words))) {
        Some((value, reason, message)) => {
            conditions::set(&mut seen.status, kind, value, reason, &message, &now, generation);
        }
        // A new process, or new keys: what was said holds until they are tried.
        None => conditions::keep(&mut seen.status, kind, generation),
    }
}

#[cfg(test)]
mod tests;
