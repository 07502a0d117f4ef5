//! What is written down before a call is made, so that a crash in the middle of it loses nothing.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::endings::{failed, not_up};
use super::observed::{Known, Observed};
use super::plan::StopCause;
use super::{report, spec_hash, timing, trouble};
use crate::api::status::{Session, SessionState};

/// A resourceId that the vendor gave, about to be written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Reserved {
    /// The vendor's resourceId.
    pub resource_id: String,
    /// The vendor's region that gave it, if not the one that its primary domains lead to.
    pub region: Option<String>,
    /// Random mark of this visit.
    pub nonce: String,
    /// App ID it was acquired for.
    pub app_id: String,
    /// Channel it was acquired for.
    pub channel: String,
    /// Recorder uid it was acquired for.
    pub recorder_uid: i64,
    /// Hash of the spec that will be sent.
    pub spec_hash: String,
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
        app_id: reserved.app_id,
        channel: reserved.channel,
        resource_id: reserved.resource_id,
        region: reserved.region,
        nonce: reserved.nonce,
        acquire_time: reserved.acquire_time,
        sid: None,
        start_time: None,
        confirm_time: None,
        control_end_time: Some(seen.now.after(Duration::from_secs(hours * 3600))),
        token_end_time: reserved.token_end.map(timing::stored),
        spec_hash: reserved.spec_hash,
        stop_reason: None,
    };
    seen.status.storage = Some(report::storage_summary(spec));
    let mut known = Known::claimed(session.clone(), &seen.now);
    known.look_gate = seen.now.mono;
    seen.memory.sessions.insert(attempt, known);
    seen.status.sessions.push(session);
    seen.status.last_handled_restart.clone_from(&seen.job.restart);
    seen.status.next_attempt_time = None;
    attempt
}

/// Writes into the status that the start of a claim is about to be repeated with a spec other than that of the starts
/// before it. From then on only an answer that this very start took effect tells which spec the session has. Whether
/// there was anything to write.
pub fn starting_again(seen: &mut Observed, attempt: i64, hash: &str, token_end: Option<Timestamp>) -> bool {
    let margin = seen.timing.token_end_margin / 2;
    let Some((session, _)) = seen.session_mut(attempt) else { return false };
    let same_spec = session.spec_hash == hash || session.spec_hash == spec_hash::UNCLEAR;
    if !same_spec {
        session.spec_hash = spec_hash::UNCLEAR.to_owned();
    }
    // Whichever start took effect: the session ends with the later token, and never by itself if one had none.
    let same_end = match (&session.token_end_time, token_end) {
        (Some(stored), Some(sent)) => sent <= stored.0.saturating_add(margin).unwrap_or(Timestamp::MAX),
        (None, _) => true,
        (Some(_), None) => false,
    };
    if !same_end {
        session.token_end_time = token_end.map(timing::stored);
    }
    !(same_spec && same_end)
}

/// Writes into the status that a session is being stopped; such a session is never believed to be running again.
pub fn stopping(seen: &mut Observed, attempt: i64, cause: StopCause) {
    let Some((session, known)) = seen.session_mut(attempt) else { return };
    if session.state == SessionState::Stopping {
        return;
    }
    let told_why = trouble::worst(&known.told);
    session.state = SessionState::Stopping;
    session.stop_reason = Some(cause.end_reason());
    match cause {
        StopCause::NotConfirmed => {
            failed(seen, not_up("The vendor took the session but it was not running 90 s later", told_why));
        }
        StopCause::StuckEnding if session.confirm_time.is_none() => {
            failed(seen, not_up("The session ended before it was running", told_why));
        }
        StopCause::Unwanted | StopCause::TimeOver | StopCause::Replaced | StopCause::StuckEnding => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::EndReason;
    use crate::lifecycle::fixtures::{seen, seen_in, spec};
    use crate::lifecycle::observed::Starts;
    use crate::lifecycle::plan::{Step, plan};

    fn reserved(seen: &Observed) -> Reserved {
        Reserved {
            resource_id: "r".repeat(340),
            region: Some("eu-west-1".into()),
            nonce: "n".into(),
            app_id: spec().channel.app_id,
            channel: spec().channel.name,
            recorder_uid: 4_000_000_001,
            spec_hash: spec_hash::of(&spec()),
            acquire_time: seen.now.stored(),
            token_end: None,
        }
    }

    #[test]
    fn a_claim_says_all_that_it_takes_to_find_the_session_again() {
        let mut job = seen();
        job.job.restart = Some("1".into());
        job.status.next_attempt_time = Some(job.now.stored());
        let reserved = Reserved { token_end: Some(job.now.wall), ..reserved(&job) };
        let attempt = claim(&mut job, reserved.clone());
        let written = &job.status.sessions[0];
        assert_eq!((attempt, written.state, &written.sid), (1, SessionState::Claimed, &None));
        assert_eq!((&written.resource_id, &written.nonce), (&reserved.resource_id, &reserved.nonce));
        assert_eq!(written.region.as_deref(), Some("eu-west-1"));
        assert_eq!(
            (written.app_id.as_str(), written.channel.as_str()),
            (spec().channel.app_id.as_str(), "lobby")
        );
        assert_eq!(written.spec_hash, spec_hash::of(&spec()));
        assert_eq!(written.token_end_time, Some(job.now.stored()));
        let control = written.control_end_time.as_ref().map(|end| job.now.until(end));
        assert_eq!(control, Some(Duration::from_secs(72 * 3600)));
        assert_eq!(job.status.last_handled_restart.as_deref(), Some("1"), "a new session answers a restart");
        assert_eq!(job.status.next_attempt_time, None);
        assert_eq!(job.memory.sessions[&1].starts, Starts::WithoutEffect);
        assert_eq!(plan(&job), Step::StartAgain { attempt: 1 });
    }

    #[test]
    fn a_claim_stands_beside_what_is_there_never_over_it() {
        let mut job = seen_in(SessionState::Uncontrollable);
        let reserved = reserved(&job);
        assert_eq!(claim(&mut job, reserved), 2);
        assert_eq!(job.status.sessions.len(), 2);
    }

    #[test]
    fn the_first_reason_of_a_stop_stays() {
        for (cause, reason, failures) in [
            (StopCause::Unwanted, EndReason::Stopped, None),
            (StopCause::TimeOver, EndReason::Deadline, None),
            (StopCause::Replaced, EndReason::Replaced, None),
            (StopCause::StuckEnding, EndReason::Lost, None),
            (StopCause::NotConfirmed, EndReason::Stopped, Some(1)),
        ] {
            let mut job = seen_in(SessionState::Running);
            stopping(&mut job, 1, cause);
            stopping(&mut job, 1, StopCause::Unwanted);
            stopping(&mut job, 1, StopCause::NotConfirmed);
            let session = &job.status.sessions[0];
            assert_eq!(
                (session.state, session.stop_reason),
                (SessionState::Stopping, Some(reason)),
                "{cause:?}"
            );
            assert_eq!(job.status.failures, failures, "{cause:?}: who did not come up counts, once");
        }
    }
}
