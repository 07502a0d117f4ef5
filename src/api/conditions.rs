//! The words of the conditions: their types and their reasons, each in one enum, so that no logic holds a string.

use serde::{Deserialize, Serialize};

/// Type of a condition.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, PartialOrd, Ord, Serialize)]
pub enum ConditionType {
    /// The job does what its spec says. Always present after the first visit.
    Ready,
    /// The operator is working towards the spec. Present only while True.
    Reconciling,
    /// The operator is stuck and a person is needed. Present only while True.
    Stalled,
    /// The job finished: True completed, False failed.
    Succeeded,
    /// Snapshots arrive in the bucket as expected.
    SnapshotsArriving,
    /// The vendor answers queries of the running session.
    ControlReachable,
    /// The bucket takes files.
    StorageWritable,
}

/// Reason of a condition, and of the event that goes with it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, PartialOrd, Ord, Serialize)]
pub enum Reason {
    // --- on the way
    /// A Secret, or a key in it, is missing or unusable.
    WaitingForSecret,
    /// A resourceId is being asked for.
    Acquiring,
    /// The session was asked for and is not yet confirmed.
    Starting,
    /// A session may be running whose sid is not known.
    RecoveringSid,
    /// The vendor's quota of concurrent sessions is used up.
    QuotaQueued,
    /// The vendor's request rate was exceeded.
    RateLimited,
    /// The vendor cannot be reached, or answers with its own faults.
    VendorUnavailable,
    /// A running session is being replaced.
    Replacing,
    /// The session is being stopped because the job is suspended.
    Suspending,
    /// The session is being stopped.
    Stopping,
    /// Another session, or another job, has the recorder uid.
    RecorderUidInUse,
    // --- good
    /// Snapshots are being taken.
    Capturing,
    /// The job is suspended and nothing runs.
    Suspended,
    /// The operator was removed; nothing runs until one is there again.
    OperatorRemoved,
    /// The job is complete.
    Completed,
    /// The vendor answers.
    Reachable,
    /// New snapshots are found in the bucket.
    Arriving,
    /// The bucket takes files.
    Writable,
    /// Nobody in the channel sends video, so there is nothing to take a snapshot of.
    NoVideo,
    // --- bad
    /// A session may be running that can no longer be stopped.
    OrphanRisk,
    /// The vendor refused the customer id or secret.
    Unauthorized,
    /// The vendor refused the App ID.
    AppIdInvalid,
    /// The vendor suspended the account.
    AccountSuspended,
    /// The vendor refused a parameter.
    InvalidParameter,
    /// The storage region is not known.
    UnknownRegion,
    /// The recorder's token is unusable or ended.
    TokenExpired,
    /// The session did not come up.
    StartNotConfirmed,
    /// The session ended without our doing.
    SessionLost,
    /// `activeDeadlineSeconds` was over.
    DeadlineExceeded,
    /// Too many consecutive failures.
    BackoffLimitExceeded,
    /// This operator does not understand the spec; a newer one may.
    SpecNotUnderstood,
    /// The vendor stopped answering for the session; it may be moving to another server.
    PossibleFailover,
    /// No snapshots arrive while the session moves to another server.
    Failover,
    /// No snapshots arrive because the recorder is leaving the channel.
    RecorderGone,
    /// No snapshots arrive because the bucket does not take them.
    UploadFailing,
    /// The storage service refused the keys that the vendor would write with.
    WrongStorageKeys,
    /// Those keys may not write into the bucket.
    StorageAccessDenied,
    /// The bucket does not exist.
    NoSuchBucket,
    /// The bucket is in another region.
    WrongStorageRegion,
    /// The storage service cannot be reached by the operator, which says nothing of the vendor.
    StorageUnreachable,
    /// Whether the bucket takes files, whether snapshots arrive, or why they do not, cannot be known.
    Unknown,
    /// A component of the vendor's reports an error.
    VendorError,
    // --- events only
    /// The vendor gave the sid.
    SessionStarted,
    /// A sid that was lost is known again.
    SidRecovered,
    /// The session is over.
    SessionStopped,
    /// `intervalSeconds` is below what newer vendor references give as the minimum.
    IntervalBelowDocumentedMinimum,
    /// The job was revived by a new spec or the restart annotation.
    Revived,
}

impl ConditionType {
    /// The word as it stands in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Succeeded => "Succeeded",
            Self::SnapshotsArriving => "SnapshotsArriving",
            Self::ControlReachable => "ControlReachable",
            Self::StorageWritable => "StorageWritable",
        }
    }
}

impl Reason {
    /// The word as it stands in a condition or an event. The variants are named by it.
    pub fn as_str(self) -> String {
        format!("{self:?}")
    }

    /// The reason of a stored condition; `None` if this operator does not know it.
    pub fn parse(word: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::from(word)).ok()
    }

    /// Whether a person should hear of it even while the operator still works on it.
    pub const fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::WaitingForSecret
                | Self::RecoveringSid
                | Self::QuotaQueued
                | Self::RateLimited
                | Self::VendorUnavailable
                | Self::RecorderUidInUse
                | Self::OrphanRisk
                | Self::Unauthorized
                | Self::AppIdInvalid
                | Self::AccountSuspended
                | Self::InvalidParameter
                | Self::UnknownRegion
                | Self::TokenExpired
                | Self::StartNotConfirmed
                | Self::SessionLost
                | Self::UploadFailing
                | Self::WrongStorageKeys
                | Self::StorageAccessDenied
                | Self::NoSuchBucket
                | Self::WrongStorageRegion
                | Self::DeadlineExceeded
                | Self::SpecNotUnderstood
        )
    }
}
