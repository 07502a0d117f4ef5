//! What is known after a status and a memory are joined, in tables.

use super::*;
use crate::api::status::EndReason;
use crate::lifecycle::fixtures::{seen, seen_in, session};

fn joined(mut seen: Observed) -> Observed {
    seen.join();
    seen
}

#[test]
fn a_wiped_status_loses_no_session() {
    let mut wiped = seen_in(SessionState::Running);
    wiped.status.sessions.clear();
    let joined = joined(wiped);
    assert_eq!(joined.status.sessions, [session(SessionState::Running)]);
    assert!(joined.memory.sessions[&1].ours, "and what is known of it stays");
}

#[test]
fn a_new_process_learns_of_a_session_and_doubts_its_start() {
    let mut found = seen();
    found.status.sessions.push(session(SessionState::Claimed));
    let found = joined(found);
    let known = found.known(&found.status.sessions[0]);
    assert_eq!((known.ours, known.starts, known.seen), (false, Starts::Doubtful, found.now.mono));
}

#[test]
fn another_claim_under_the_same_number_is_another_session() {
    let mut other = seen_in(SessionState::Running);
    other.status.sessions[0].nonce = "of-another-process".into();
    other.status.sessions[0].resource_id = "resource-2".into();
    let other = joined(other);
    assert_eq!(other.status.sessions.len(), 1);
    let known = other.known(&other.status.sessions[0]);
    assert_eq!((known.session.resource_id.as_str(), known.ours), ("resource-2", false));
}

#[test]
fn a_sid_that_could_not_be_saved_is_known_to_the_process() {
    let mut unsaved = seen_in(SessionState::Running);
    unsaved.status.sessions[0] = session(SessionState::Claimed);
    assert_eq!(joined(unsaved).status.sessions[0].sid.as_deref(), Some("5d3f"));
}

#[test]
fn what_is_stored_goes_before_what_is_remembered() {
    let mut newer = seen_in(SessionState::Running);
    newer.status.sessions[0].state = SessionState::Stopping;
    assert_eq!(joined(newer).status.sessions[0].state, SessionState::Stopping);
}

#[test]
fn what_history_calls_over_does_not_come_back() {
    let mut over = seen_in(SessionState::Running);
    let session = over.status.sessions.remove(0);
    over.status.history.push(PastSession {
        attempt: 1,
        sid: session.sid,
        resource_id: session.resource_id,
        recorder_uid: session.recorder_uid,
        start_time: session.start_time,
        end_time: over.now.stored(),
        end_reason: EndReason::Stopped,
    });
    let over = joined(over);
    assert!(over.status.sessions.is_empty() && over.memory.sessions.is_empty());
}

#[test]
fn the_memory_keeps_sessions_as_the_visit_leaves_them() {
    let mut visit = seen_in(SessionState::Running);
    visit.status.sessions[0].state = SessionState::Stopping;
    assert_eq!(visit.remembered().sessions[&1].session.state, SessionState::Stopping);
}

#[test]
fn a_restart_is_wanted_until_it_is_answered() {
    let mut job = seen();
    assert!(!job.restart_wanted());
    job.job.restart = Some("1".into());
    assert!(job.restart_wanted());
    job.status.last_handled_restart = Some("1".into());
    assert!(!job.restart_wanted());
    job.job.restart = None;
    assert!(!job.restart_wanted(), "an annotation taken away asks for nothing");
}

#[test]
fn a_wiped_status_knows_again_when_the_run_began() {
    let begun = seen().now.stored();
    for (state, known, reason) in [
        (SessionState::Running, true, "the run goes on"),
        (SessionState::Stopping, false, "the run of a session that ends may be over, and another begin"),
    ] {
        let mut wiped = seen_in(state);
        let session =
            Session { acquire_time: begun.clone(), confirm_time: Some(begun.clone()), ..session(state) };
        wiped.memory.sessions.get_mut(&1).expect("it is known").session = session;
        wiped.status = SnapshotJobStatus::default();
        let joined = joined(wiped);
        let beginning = known.then(|| begun.clone());
        assert_eq!(joined.status.start_time, beginning, "{reason}");
        assert_eq!(joined.status.capture_start_time, beginning, "{reason}");
    }
}
