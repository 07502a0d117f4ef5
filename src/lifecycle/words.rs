//! The sentences about sessions and answers that conditions and events share.

use jiff::Timestamp;

use super::bounds::OrphanCause;
use super::intent::Intent;
use super::observed::Refusal;
use super::outcome::{Answer, Kind};
use crate::api::status::Session;
use crate::api::{Reason, SnapshotJobSpec};

/// What an answer means for a job that has no session.
pub fn refusal(answer: &Answer) -> Refusal {
    let said = said(answer);
    let (reason, words, needs_person) = match answer.kind {
        Kind::Unauthorized => (
            Reason::Unauthorized,
            format!("The vendor refused customerId and customerSecret for this App ID: {said}"),
            false,
        ),
        Kind::AppIdInvalid => (
            Reason::AppIdInvalid,
            format!("The vendor refused the App ID, or cloud recording is not enabled for it: {said}"),
            false,
        ),
        Kind::AccountSuspended => {
            (Reason::AccountSuspended, format!("The vendor suspended the account (arrears?): {said}"), true)
        }
        Kind::QuotaExceeded => (
            Reason::QuotaQueued,
            format!(
                "The vendor's quota of concurrent sessions is used up: {said}. Look for sessions that were never stopped, or ask for more quota"
            ),
            false,
        ),
        Kind::RateLimited => {
            (Reason::RateLimited, format!("The vendor's request rate was exceeded: {said}"), false)
        }
        Kind::Conflict => (
            Reason::RecorderUidInUse,
            format!(
                "Somebody else's session has the recorder uid in this channel: {said}. It is neither adopted nor stopped"
            ),
            false,
        ),
        Kind::InvalidParameter => {
            (Reason::InvalidParameter, format!("The vendor refused a parameter: {said}"), false)
        }
        Kind::ResourceInvalid => {
            (Reason::VendorUnavailable, format!("The vendor refused its own resourceId: {said}"), false)
        }
        Kind::NoRoute => (
            Reason::VendorUnavailable,
            format!(
                "The address that answered is not the vendor's API: {said}. Check --agora-endpoint and proxies"
            ),
            false,
        ),
        Kind::NoWorker => {
            (Reason::VendorUnavailable, format!("The vendor has no server free: {said}"), false)
        }
        Kind::NotFound => {
            (Reason::VendorUnavailable, format!("The vendor does not know the session: {said}"), false)
        }
        Kind::Late | Kind::BackendTimeout | Kind::ServerFault | Kind::Unreadable => (
            Reason::VendorUnavailable,
            format!("The vendor's service answered with a fault of its own: {said}"),
            false,
        ),
        Kind::TimedOut | Kind::ConnectionLost | Kind::Unreachable => {
            (Reason::VendorUnavailable, format!("The vendor could not be reached: {said}"), false)
        }
    };
    Refusal { reason, words, needs_person }
}

/// Why nothing runs right after the job's own session was stopped.
pub fn leaving() -> Refusal {
    let words = "The job's former session is leaving the channel".to_owned();
    Refusal { reason: Reason::Replacing, words, needs_person: false }
}

/// The vendor's own words, with its numbers: `400/2 "reason"`.
pub fn said(answer: &Answer) -> String {
    let text = answer.words.trim();
    match (answer.http, answer.code) {
        (Some(http), Some(code)) => format!("{http}/{code} \"{text}\""),
        (Some(http), None) => format!("{http} \"{text}\""),
        (None, _) => text.to_owned(),
    }
}

/// Lowest `captureInterval` of the vendor's newer references; its guide and older ones say 1.
const DOCUMENTED_MINIMUM: i32 = 5;

/// What is to be said of an interval below the documented minimum.
pub fn short_interval(spec: &SnapshotJobSpec) -> Option<String> {
    (spec.interval_seconds < DOCUMENTED_MINIMUM).then(|| {
        format!(
            "intervalSeconds is {}; newer references of the vendor give {DOCUMENTED_MINIMUM} as the minimum, and may \
             refuse less.",
            spec.interval_seconds
        )
    })
}

/// A session that takes snapshots.
pub fn capturing(session: &Session) -> String {
    format!(
        "Session {} takes snapshots of channel {} with recorder uid {}.",
        session.sid.as_deref().unwrap_or("unknown"),
        session.channel,
        session.recorder_uid
    )
}

/// A session that may run and whose sid is not known: what is done about it, and until when.
pub fn recovering(session: &Session, obstacle: Option<&str>, intent: Intent, fence: Timestamp) -> String {
    let searching = match obstacle {
        None => "It is looked for in the names of the snapshots in the bucket".to_owned(),
        Some(why) => format!("It cannot be looked for in the bucket: {why}"),
    };
    let next = match intent {
        Intent::Capture => format!(
            "If it is not found, a start with the same recorder uid shows after {fence} whether the session still \
             runs; nothing else is started until then, lest two be billed."
        ),
        Intent::Suspend | Intent::Finish(_) | Intent::Rest => format!(
            "It is stopped as soon as it is found. If it is not, a start with the same recorder uid, which is stopped at \
             once, shows after {fence} whether the session still runs."
        ),
        Intent::Delete => format!(
            "It is stopped as soon as it is found. If it is not until 15 minutes after {fence}, it is reported and let go."
        ),
        Intent::Hold | Intent::Withdraw => {
            "It is stopped as soon as it is found; until then it may be billed.".to_owned()
        }
    };
    format!(
        "A session of channel {} may run with recorder uid {} whose sid is not known (resourceId {}). {searching}. {next} \
         Its hard end: {}.",
        session.channel,
        session.recorder_uid,
        session.resource_id,
        hard_end(session)
    )
}

/// A session that the vendor no longer lets us control.
pub fn uncontrollable(session: &Session) -> String {
    format!(
        "Session {} of channel {} (recorder uid {}, resourceId {}) is past the vendor's control window: it may run and be \
         billed, and cannot be queried or stopped. Its hard end: {}.",
        session.sid.as_deref().unwrap_or("unknown"),
        session.channel,
        session.recorder_uid,
        session.resource_id,
        hard_end(session)
    )
}

/// A session that is let go of, with everything that a person needs to look for it.
pub fn orphan(session: &Session, cause: OrphanCause) -> String {
    let why = match cause {
        OrphanCause::Policy => "left running by deletionPolicy Orphan",
        OrphanCause::NoCredentials => "not stopped: its credentials are gone or refused",
        OrphanCause::NoSid => "not stopped: its sid is not known",
        OrphanCause::Unreachable => "not stopped: the vendor could not be reached",
        OrphanCause::ControlEnded => "not stopped: the vendor's control window is over",
    };
    format!(
        "A session may still run and be billed, {why}. appId {}, cname {}, uid {}, resourceId {}, sid {}, hard end {}.",
        session.app_id,
        session.channel,
        session.recorder_uid,
        session.resource_id,
        session.sid.as_deref().unwrap_or("unknown"),
        hard_end(session)
    )
}

/// When a session ends whatever happens: when its token does.
fn hard_end(session: &Session) -> String {
    session.token_end_time.as_ref().map_or_else(|| "none".to_owned(), |end| end.0.to_string())
}

/// How a session is called in sentences.
pub fn session_name(session: &Session) -> String {
    session.sid.as_ref().map_or_else(
        || format!("Session with resourceId {}", session.resource_id),
        |sid| format!("Session {sid}"),
    )
}
