//! Everything that `doctor` can find, with what it means and what to do. docs/why-no-snapshots.md is this table.

use super::Check;

/// A reason why snapshots do not come, or may not come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finding {
    /// The user may not read a Secret.
    SecretUnseen,
    /// A Secret is missing, or a key in it, or its value cannot be used.
    SecretUnusable,
    /// The vendor refused customer id and secret.
    Unauthorized,
    /// The vendor refused the App ID.
    AppIdInvalid,
    /// The vendor suspended the account.
    AccountSuspended,
    /// The vendor could not be reached from here.
    VendorUnreachable,
    /// The vendor refused for another reason.
    VendorRefused,
    /// The storage service refused the keys.
    StorageKeysRefused,
    /// The keys may not list.
    ListingDenied,
    /// The bucket does not exist, or not in this region.
    BucketNotFound,
    /// The storage service could not be reached, or where it is cannot be told.
    StorageUnreachable,
    /// The operator found that the keys may not write into the bucket.
    StorageNotWritable,
    /// The recorder's token is over, or was made for something else.
    TokenUnusable,
    /// The vendor's quota of concurrent sessions is used up.
    QuotaExhausted,
    /// No operator has looked at the job.
    NotLookedAfter,
    /// The job is suspended.
    Suspended,
    /// The job is complete.
    Completed,
    /// The job failed, or a person is needed.
    Failed,
    /// No session is confirmed at the moment.
    NoSession,
    /// The first snapshot is not due yet.
    NotDueYet,
    /// Nobody in the channel sends video.
    NoVideo,
    /// What the vendor uploads does not get into the bucket.
    UploadFailing,
    /// The vendor may be moving the session to another server.
    Failover,
    /// The recorder leaves the channel, or has left it.
    RecorderGone,
    /// The token with which the recorder joined is over.
    TokenExpired,
    /// Single users are missed, while others' snapshots arrive.
    UserMissed,
    /// A session runs and nothing arrives, for none of these reasons.
    Unknown,
}

impl Finding {
    /// All of them, in the order of the checks.
    pub const ALL: [Self; 27] = [
        Self::SecretUnseen,
        Self::SecretUnusable,
        Self::Unauthorized,
        Self::AppIdInvalid,
        Self::AccountSuspended,
        Self::VendorUnreachable,
        Self::VendorRefused,
        Self::StorageKeysRefused,
        Self::ListingDenied,
        Self::BucketNotFound,
        Self::StorageUnreachable,
        Self::StorageNotWritable,
        Self::TokenUnusable,
        Self::QuotaExhausted,
        Self::NotLookedAfter,
        Self::Suspended,
        Self::Completed,
        Self::Failed,
        Self::NoSession,
        Self::NotDueYet,
        Self::NoVideo,
        Self::UploadFailing,
        Self::Failover,
        Self::RecorderGone,
        Self::TokenExpired,
        Self::UserMissed,
        Self::Unknown,
    ];

    /// Whether something is wrong, rather than only worth knowing. A channel without video is no fault of the job.
    pub const fn is_wrong(self) -> bool {
        !matches!(
            self,
            Self::SecretUnseen
                | Self::ListingDenied
                | Self::Suspended
                | Self::Completed
                | Self::NotDueYet
                | Self::NoVideo
        )
    }

    /// Whether something could not be looked at, so that more may be wrong.
    pub const fn hides(self) -> bool {
        matches!(self, Self::SecretUnseen | Self::ListingDenied)
    }

    /// The check that finds it.
    pub const fn check(self) -> Check {
        match self {
            Self::SecretUnseen | Self::SecretUnusable => Check::Secrets,
            Self::Unauthorized
            | Self::AppIdInvalid
            | Self::AccountSuspended
            | Self::VendorUnreachable
            | Self::VendorRefused => Check::Vendor,
            Self::StorageKeysRefused
            | Self::ListingDenied
            | Self::BucketNotFound
            | Self::StorageUnreachable
            | Self::StorageNotWritable => Check::Storage,
            Self::TokenUnusable => Check::Token,
            Self::QuotaExhausted => Check::Quota,
            Self::NotLookedAfter | Self::Suspended | Self::Completed | Self::Failed | Self::NoSession => {
                Check::Channel
            }
            Self::NotDueYet
            | Self::NoVideo
            | Self::UploadFailing
            | Self::Failover
            | Self::RecorderGone
            | Self::TokenExpired
            | Self::UserMissed
            | Self::Unknown => Check::Snapshots,
        }
    }

    /// What it means.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::SecretUnseen => {
                "you may not read a Secret of the job, so what depends on it is not checked"
            }
            Self::SecretUnusable => "a Secret, or a key in it, is missing or cannot be used",
            Self::Unauthorized => "Agora refuses customer id and secret for this App ID",
            Self::AppIdInvalid => "Agora does not know the App ID, or cloud recording is not enabled for it",
            Self::AccountSuspended => "Agora suspended the account",
            Self::VendorUnreachable => "Agora's API cannot be reached from here",
            Self::VendorRefused => {
                "Agora refuses a session with this spec, or answers with a fault of its own"
            }
            Self::StorageKeysRefused => "the storage service refuses the keys",
            Self::ListingDenied => "the keys may not list the bucket, so what has arrived is not known",
            Self::BucketNotFound => "the bucket does not exist, or not in this region",
            Self::StorageUnreachable => {
                "the storage service cannot be reached from here, or not be found by the spec"
            }
            Self::StorageNotWritable => "the operator found that the keys may not write into the bucket",
            Self::TokenUnusable => {
                "the recorder's token is over, or was made for another channel, uid or App ID"
            }
            Self::QuotaExhausted => "Agora's quota of concurrent sessions is used up",
            Self::NotLookedAfter => "no operator has looked at the job",
            Self::Suspended => "the job is suspended",
            Self::Completed => "the job is complete",
            Self::Failed => "the job failed, or waits for a person",
            Self::NoSession => "no confirmed session runs at the moment",
            Self::NotDueYet => "a session runs, and its first snapshot is not due yet",
            Self::NoVideo => "a session runs, and nobody in the channel sends video",
            Self::UploadFailing => "a session runs, and what Agora takes does not get into the bucket",
            Self::Failover => "Agora does not know the session at the moment, or moved it to another server",
            Self::RecorderGone => "the session is ending, or its recorder left the channel",
            Self::TokenExpired => "the token with which the recorder joined the channel is over",
            Self::UserMissed => {
                "Agora receives the video of these users, and no snapshot of them arrives, while others' do"
            }
            Self::Unknown => "a session runs, nothing arrives, and why is not known",
        }
    }

    /// What to do.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::SecretUnseen => "ask somebody who may to run doctor, or for the right `get` on this Secret",
            Self::SecretUnusable => "create or correct the Secret; the operator looks again by itself",
            Self::Unauthorized => "copy both anew from Agora's console (RESTful API) into the Secret",
            Self::AppIdInvalid => {
                "correct spec.channel.appId; enable cloud recording for it in Agora's console"
            }
            Self::AccountSuspended => "settle it with Agora, then restart the job by its annotation",
            Self::VendorUnreachable => {
                "check DNS, proxy and firewall here and for the operator, and --agora-endpoint"
            }
            Self::VendorRefused => "read Agora's words and correct what they name, or try again later",
            Self::StorageKeysRefused => "correct accessKey and secretKey in the Secret",
            Self::ListingDenied => "allow listing, or name keys that may in storage.readerCredentialsRef",
            Self::BucketNotFound => "correct storage.bucket and storage.region, or create the bucket",
            Self::StorageUnreachable => {
                "check network, storage.endpoint, storage.region and --storage-endpoint"
            }
            Self::StorageNotWritable => {
                "allow the keys of storage.credentialsRef to put objects below the prefix; storage.preflight: Warn starts all \
                 the same"
            }
            Self::TokenUnusable => {
                "put a new token into the Secret, or the project's appCertificate for the operator to make them"
            }
            Self::QuotaExhausted => "stop sessions that are not needed, or ask Agora for more",
            Self::NotLookedAfter => "see whether the operator runs and watches this namespace",
            Self::Suspended => "set spec.suspend to false",
            Self::Completed => {
                "to run it again, set the annotation agora-snapshot.dev/restart to a new value"
            }
            Self::Failed => {
                "mend what its message names; an edit of the spec or the restart annotation revives it"
            }
            Self::NoSession => "wait for what the message says; look at the events of the job",
            Self::NotDueYet => "wait one interval and some seconds for the upload",
            Self::NoVideo => {
                "nothing, if nobody sends video: snapshots follow by themselves; else see that spec.channel.profile and \
                 encryption are those of the clients, and that spec.subscription lets in who sends"
            }
            Self::UploadFailing => {
                "mend the bucket or its keys; condition StorageWritable may name the cause"
            }
            Self::Failover => "wait; after two minutes the operator replaces the session",
            Self::RecorderGone => "wait; the operator replaces the session",
            Self::TokenExpired => {
                "put a new token into the Secret, or the project's appCertificate for the operator to make them"
            }
            Self::UserMissed => {
                "see that their video uses a codec that Agora records; or word that it ceased was lost, and nothing is wrong"
            }
            Self::Unknown => {
                "see that somebody in the channel sends video, that spec.channel.profile, name and encryption are those \
                 of the clients, that spec.subscription lets them in, and that Agora may write to the bucket"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as the document has it.
    fn rows() -> String {
        let row = |finding: &Finding| {
            let weight = if finding.is_wrong() { "wrong" } else { "note" };
            format!(
                "| {} | `{finding:?}` | {weight} | {} | {} |\n",
                finding.check().name(),
                finding.meaning(),
                finding.advice()
            )
        };
        Finding::ALL.iter().map(row).collect()
    }

    #[test]
    fn the_document_has_every_finding_as_doctor_tells_it() {
        let document = include_str!("../../../docs/why-no-snapshots.md");
        let table: String =
            document.lines().filter(|line| line.contains(" | `")).map(|line| format!("{line}\n")).collect();
        assert_eq!(table, rows(), "docs/why-no-snapshots.md must have these rows:\n{}", rows());
    }

    #[test]
    fn findings_stand_in_the_order_of_their_checks() {
        let checks: Vec<_> = Finding::ALL.iter().map(|finding| finding.check()).collect();
        assert!(checks.is_sorted(), "{checks:?}");
    }
}
