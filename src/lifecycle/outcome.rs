//! What one call to the vendor proves. The vendor's client (`agora`) makes these values; `plan` and `report` read them.
//!
//! The question behind the four outcomes is always "may there be an effect that we do not know of?".

use std::time::Duration;

/// What one call proves.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// The service did it and said so.
    Confirmed(T),
    /// The service itself refused: nothing was done.
    Rejected(Answer),
    /// It may have been done.
    Unknown(Answer),
    /// The request never left (name resolution, connection, TLS): nothing was done.
    NotSent(Answer),
}

/// Why a call was not confirmed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// What it means.
    pub kind: Kind,
    /// HTTP status, where there was an answer.
    pub http: Option<u16>,
    /// The service's own `code`, where the body had one.
    pub code: Option<i64>,
    /// The vendor's words, or the transport's: stable from call to call (no request id, no time, no address that
    /// changes), without secrets, at most 300 bytes.
    pub words: String,
    /// How long the vendor asks to wait (`Retry-After`).
    pub retry_after: Option<Duration>,
}

/// What an answer means, over all verbs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// 401: customer id or secret missing, wrong, or not the owner of the App ID.
    Unauthorized,
    /// 400 message `appid is invalid`, 400/400 `invalid_appid`, or 400/62 at acquire: unknown, or not enabled.
    AppIdInvalid,
    /// 404 without a service code, `no Route matched`: our URL is wrong.
    NoRoute,
    /// 429, or a 400 that speaks of the rate.
    RateLimited,
    /// 400/2, 400/401, 400/8, 400/432, 400/1013 and other refusals of what was sent.
    InvalidParameter,
    /// 400/405: the account is suspended or in arrears.
    AccountSuspended,
    /// 400/406: quota of concurrent sessions.
    QuotaExceeded,
    /// 400/53: a session with the same App ID, channel and uid is running under another resourceId.
    Conflict,
    /// 400/433, 400/1001, 400/1003: the resourceId is too old, unreadable or another's.
    ResourceInvalid,
    /// 500 code 502, at acquire also 501 and 504: no worker could be allocated.
    NoWorker,
    /// 404 with body `code: 404`: no such session, or it is moving to another server.
    NotFound,
    /// 206/65: answered too late, effect unknown.
    Late,
    /// 500/62 or 504/62: timed out behind the gateway.
    BackendTimeout,
    /// Any other 5xx, and any other answer that proves nothing.
    ServerFault,
    /// No answer within our own limit.
    TimedOut,
    /// The connection broke after the request may have left.
    ConnectionLost,
    /// An answer that cannot be read.
    Unreadable,
    /// The name did not resolve, or the connection or TLS could not be set up.
    Unreachable,
}

/// A confirmed start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Started {
    /// 200: started by this call.
    New {
        /// The session's id, given this once.
        sid: String,
    },
    /// 201/7: an earlier start with this resourceId is running.
    Already {
        /// The vendor may or may not repeat the sid here.
        sid: Option<String>,
    },
}

/// A confirmed query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Queried {
    /// The vendor's status: 4 and 5 run, 6, 7, 8 and 20 end.
    pub status: i64,
    /// Whether the answer speaks of the session that was asked for.
    pub identity: Identity,
}

/// Whether an answer speaks of the session that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Identity {
    /// It names cname, uid, resourceId and sid, all as they were asked for.
    Proved,
    /// What it names is as it was asked for.
    Likely,
    /// It names another session.
    Other,
}

/// A confirmed stop. All of these mean "it is, or will be, stopped".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stopped {
    /// 200 `uploaded`: everything is in the bucket.
    Uploaded,
    /// 200 `backuped`: something went to the vendor's backup and will be forwarded.
    BackedUp,
    /// 200 without a known word about the upload.
    UploadUnknown,
    /// 206/50 or a bare slow upload: stop accepted, upload unfinished.
    UploadUnfinished,
    /// 206/435: nothing recorded, the normal answer for a snapshot-only session.
    NoRecordedData,
    /// 400/49: it was stopping already.
    AlreadyStopping,
}

impl<T> Outcome<T> {
    /// The same proof of something else.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Confirmed(value) => Outcome::Confirmed(convert(value)),
            Self::Rejected(answer) => Outcome::Rejected(answer),
            Self::Unknown(answer) => Outcome::Unknown(answer),
            Self::NotSent(answer) => Outcome::NotSent(answer),
        }
    }

    /// The answer, unless it was confirmed.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Confirmed(_) => None,
            Self::Rejected(answer) | Self::Unknown(answer) | Self::NotSent(answer) => Some(answer),
        }
    }
}
