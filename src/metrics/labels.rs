//! The values that labels may take: small closed sets, so that no error text or object name becomes a time series.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

use super::CONTROLLER;
use crate::lifecycle::outcome::Kind;

/// An enum whose variants are the values of a label.
macro_rules! label_values {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident => $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $name { $($(#[$value_doc])* $value,)+ }

        impl $name {
            /// Every value.
            pub(super) const ALL: &'static [Self] = &[$(Self::$value,)+];
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
                let word = match self { $(Self::$value => $word,)+ };
                EncodeLabelValue::encode(&word, encoder)
            }
        }
    };
}

label_values!(
    /// How a visit ended; controller-runtime's words.
    ReconcileResult {
        /// Nothing more to do until something changes.
        Success => "success",
        /// Comes again at once.
        Requeue => "requeue",
        /// Comes again at a known time.
        RequeueAfter => "requeue_after",
        /// Failed, or was cut off.
        Error => "error",
    }
);

label_values!(
    /// What a start proved.
    StartResult {
        /// 200 with a sid.
        Started => "started",
        /// 201/7: an earlier start is running.
        Already => "already_started",
        /// The service refused.
        Rejected => "rejected",
        /// It may have been done.
        Unknown => "unknown",
        /// It never left.
        NotSent => "not_sent",
    }
);

label_values!(
    /// What became of a notification.
    NotificationResult {
        /// It told of a job's session.
        Accepted => "accepted",
        /// It had been heard before.
        Duplicate => "duplicate",
        /// It is the vendor's, and of no session here.
        Unmatched => "unmatched",
        /// It is the vendor's, and not understood.
        NotUnderstood => "not_understood",
        /// Its signature fits no secret.
        Forged => "forged",
        /// No Secret of the App ID has a `notificationSecret`.
        Unverifiable => "unverifiable",
        /// The process that leads has it.
        Forwarded => "forwarded",
        /// It could not be dealt with, and the vendor was asked to send it again.
        Refused => "refused",
    }
);

label_values!(
    /// What kept a second session from starting.
    Fence {
        /// The claim could not be written because another had been.
        Claim => "claim",
        /// The resourceId had been started already (201/7).
        ResourceId => "resource_id",
        /// The recorder uid was taken (400/53).
        RecorderUid => "recorder_uid",
    }
);

label_values!(
    /// What the vendor said of a session's files when it was stopped.
    Upload {
        /// Everything is in the bucket.
        Uploaded => "uploaded",
        /// Something went to the vendor's backup and is to be forwarded.
        BackedUp => "backed_up",
        /// Not everything was uploaded in time.
        Unfinished => "unfinished",
        /// Nothing was recorded; the normal answer for a session that only takes snapshots.
        NoRecordedData => "no_recorded_data",
        /// It was stopping already.
        AlreadyStopping => "already_stopping",
        /// No word about it, or one that is not known.
        Unknown => "unknown",
    }
);

label_values!(
    /// Why a session is over; the words of `status.history`.
    SessionEnd {
        /// Nobody was in the channel.
        Idle => "Idle",
        /// It ended without our doing.
        Lost => "Lost",
        /// Stopped.
        Stopped => "Stopped",
        /// Stopped for a new one.
        Replaced => "Replaced",
        /// Stopped because the job's time was over.
        Deadline => "Deadline",
        /// Given up while it may still run.
        Orphaned => "Orphaned",
    }
);

label_values!(
    /// What became of the replacement of a session.
    HandoverResult {
        /// The new session ran when the old one was stopped.
        Completed => "completed",
        /// The old session had to be stopped before the new one was started.
        StoppedFirst => "stopped_first",
        /// The new session was not wanted any more, and stopped.
        Cancelled => "cancelled",
        /// The new session did not come up; the old one goes on.
        Failed => "failed",
    }
);

label_values!(
    /// A call of the vendor's API.
    AgoraVerb {
        /// Reserves a resourceId.
        Acquire => "acquire",
        /// Starts a session.
        Start => "start",
        /// Asks for a session's status.
        Query => "query",
        /// Changes a running session.
        Update => "update",
        /// Ends a session.
        Stop => "stop",
    }
);

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct HandoverLabels {
    pub(super) result: HandoverResult,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ReconcileLabels {
    controller: &'static str,
    result: ReconcileResult,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct RestLabels {
    code: String,
    method: &'static str,
}

/// The Lease is named by the administrator, one for the process.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct LeaseLabels {
    pub(super) name: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct StartLabels {
    pub(super) result: StartResult,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct FenceLabels {
    pub(super) fence: Fence,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct NotificationLabels {
    r#type: String,
    result: NotificationResult,
}

impl NotificationLabels {
    /// `event_type` is absent where the body was not read. A sender gone mad must not fill the memory of Prometheus.
    pub(super) fn new(event_type: Option<i64>, result: NotificationResult) -> Self {
        let word = match event_type {
            None => String::new(),
            Some(known @ (1..=4 | 11..=13 | 30..=34 | 40..=47)) => known.to_string(),
            Some(_) => "other".to_owned(),
        };
        Self { r#type: word, result }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct UploadLabels {
    pub(super) upload: Upload,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct EndLabels {
    pub(super) reason: SessionEnd,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct VerbLabels {
    pub(super) verb: AgoraVerb,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct WriteLabels {
    changed: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ApiLabels {
    verb: AgoraVerb,
    code: String,
    vendor_code: String,
    domain: String,
}

impl ControllerLabels {
    pub(super) fn ours() -> Self {
        Self { controller: CONTROLLER }
    }
}

impl ReconcileLabels {
    pub(super) fn new(result: ReconcileResult) -> Self {
        Self { controller: CONTROLLER, result }
    }
}

impl WriteLabels {
    pub(super) fn new(changed: bool) -> Self {
        Self { changed: if changed { "true" } else { "false" } }
    }
}

impl RestLabels {
    pub(super) fn new(method: &http::Method, code: Option<u16>) -> Self {
        let method = match *method {
            http::Method::GET => "GET",
            http::Method::POST => "POST",
            http::Method::PUT => "PUT",
            http::Method::PATCH => "PATCH",
            http::Method::DELETE => "DELETE",
            _ => "other",
        };
        // client-go's word for "no answer".
        Self { code: code.map_or_else(|| "<error>".into(), |code| code.to_string()), method }
    }
}

impl ApiLabels {
    pub(super) fn new(
        verb: AgoraVerb,
        http: Option<u16>,
        kind: Option<Kind>,
        vendor_code: Option<i64>,
        domain: &str,
    ) -> Self {
        let code = match (http, kind) {
            (Some(status), _) => status.to_string(),
            (None, Some(Kind::Unreachable)) => "unreachable".into(),
            (None, Some(Kind::TimedOut)) => "timed_out".into(),
            (None, Some(Kind::ConnectionLost)) => "connection_lost".into(),
            (None, _) => "none".into(),
        };
        // Every documented code is below 1100; a service gone mad must not fill the memory of Prometheus.
        let vendor_code = match vendor_code {
            None => String::new(),
            Some(known @ 0..1100) => known.to_string(),
            Some(_) => "other".into(),
        };
        Self { verb, code, vendor_code, domain: domain.to_owned() }
    }
}
