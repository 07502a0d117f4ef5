//! What is written down before a call is made, so that a crash in the middle of it loses nothing.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::endings::failed;
use super::observed::{Known, Observed, Refusal};
use super::plan::StopCause;
use super::{report, spec_hash, timing};
use crate::api::Reason;
use crate::api::status::{Session, SessionState};

/// A resourceId that the vendor gave, about to be written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Reserved {
    /// The vendor's resourceId.
    pub resource_id: String,
    /// Random mark of this visit.
    pub nonce: String,
    /// Recorder uid it was acquired for.
    pub recorder_uid: i64,
    /// When it was acquired, by the vendor's clock where it told.
    pub acquire_time: Time,
    /// When the token that will be sent ends.
    pub token_end: Option<Timestamp>,
}

/// Writes a claim into the status, beside whatever stands there.
pub fn claim(seen: &mut Observed, reserved: Reserved) -> i64 {
    let attempt = seen.next_attempt();
    let Ok(spec) = &seen.spec else { return attempt };
    let hours = u64::try_from(spec.session_limit_hours).unwrap_or(72);
    let session = Session {
        attempt,
        state: SessionState::Claimed,
        recorder_uid: reserved.recorder_uid,
        app_id: spec.channel.app_id.clone(),
        channel: spec.channel.name.clone(),
        resource_id: reserved.resource_id,
        nonce: reserved.nonce,
        acquire_time: reserved.acquire_time,
        sid: None,
        start_time: None,
        confirm_time: None,
        control_end_time: Some(seen.now.after(Duration::from_secs(hours * 3600))),
        token_end_time: reserved.token_end.map(timing::stored),
        spec_hash: spec_hash::of(spec),
        stop_reason: None,
    };
    seen.status.storage = Some(report::storage_summary(spec));
    let mut known = Known::claimed(session.clone(), &seen.now);
    known.look_gate = seen.now.mono;
    seen.memory.sessions.insert(attempt, known);
    seen.status.sessions.push(session);
    seen.status.start_time.get_or_insert_with(|| seen.now.stored());
    seen.status.last_handled_restart.clone_from(&seen.job.restart);
    seen.status.next_attempt_time = None;
    attempt
}

/// Writes into the status that the start of a claim is about to be repeated with a spec other than that of the starts
/// before it. From then on only an answer that this very start took effect tells which spec the session has. Whether
/// there was anything to write.
pub fn starting_again(seen: &mut Observed, attempt: i64, hash: &str) -> bool {
    let Some((session, _)) = seen.session_mut(attempt) else { return false };
    if session.spec_hash == hash || session.spec_hash == spec_hash::UNCLEAR {
        return false;
    }
    session.spec_hash = spec_hash::UNCLEAR.to_owned();
    true
}

/// Writes into the status that a session is being stopped; such a session is never believed to be running again.
pub fn stopping(seen: &mut Observed, attempt: i64, cause: StopCause) {
    let Some((session, _)) = seen.session_mut(attempt) else { return };
    if session.state == SessionState::Stopping {
        return;
    }
    session.state = SessionState::Stopping;
    session.stop_reason = Some(cause.end_reason());
    match cause {
        StopCause::NotConfirmed => {
            let words = "The vendor took the session but it was not running 90 s later".to_owned();
            failed(seen, Refusal { reason: Reason::StartNotConfirmed, words, needs_person: false });
        }
        StopCause::Unwanted | StopCause::TimeOver | StopCause::Replaced | StopCause::StuckEnding => {}
    }
}
