//! Values that the tables of this room start from.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::conditions::{self, Effort};
use super::observed::{Job, Known, Memory, Observed};
use super::outcome::{Answer, Kind};
use super::plan::Step;
use super::start::NextStart;
use super::timing::{Moment, Timing, stored};
use super::{kstatus, recorder, report, spec_hash};
use crate::api::spec::{Channel, Profile, SecretRef, Storage, StorageVendor, Subscription};
use crate::api::status::{EndReason, Session, SessionState};
use crate::api::{ConditionType, Reason, SnapshotJobSpec, SnapshotJobStatus};

pub(crate) fn secret_ref(name: &str) -> SecretRef {
    SecretRef { name: name.into() }
}

pub(crate) fn everybody() -> Subscription {
    Subscription { max_users: 17, ..Subscription::default() }
}

pub(crate) fn spec() -> SnapshotJobSpec {
    SnapshotJobSpec {
        credentials_ref: secret_ref("agora"),
        channel: Channel {
            app_id: "970ca35de60c44645bbae8a215061b33".into(),
            name: "lobby".into(),
            profile: Profile::LiveBroadcasting,
            recorders: None,
            encryption: None,
        },
        interval_seconds: 10,
        recording: None,
        subscription: None,
        idle_timeout_seconds: 300,
        on_idle: Default::default(),
        storage: Storage {
            vendor: StorageVendor::S3Compatible,
            region: None,
            region_code: None,
            bucket: "snapshots".into(),
            prefix: Some("lobby".into()),
            endpoint: Some("s3.example.com".into()),
            credentials_ref: secret_ref("bucket"),
            reader_credentials_ref: None,
            server_side_encryption: None,
            object_tag: None,
            preflight: Default::default(),
        },
        suspend: false,
        duration_seconds: None,
        active_deadline_seconds: None,
        backoff_limit: 6,
        ttl_seconds_after_finished: None,
        deletion_policy: Default::default(),
        session_limit_hours: 72,
    }
}

/// 2026-01-01, an hour into the process.
pub(crate) fn now() -> Moment {
    let wall: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    Moment { wall, mono: Duration::from_secs(3600), scale: 1 }
}

/// A job that was just seen for the first time.
pub(crate) fn seen() -> Observed {
    Observed {
        now: now(),
        timing: Timing::default(),
        jitter: 0.0,
        job: Job {
            uid: "0b6f".into(),
            namespace: "live".into(),
            name: "lobby".into(),
            generation: 1,
            deleting: false,
            has_finalizer: true,
            restart: None,
        },
        withdrawing: false,
        spec: Ok(spec()),
        status: SnapshotJobStatus { observed_generation: Some(-1), ..SnapshotJobStatus::default() },
        memory: Memory::default(),
        control_problem: None,
        start_problem: None,
        keys_end: None,
        storage: None,
        token_end: None,
        unreadable: Vec::new(),
    }
}

/// A session in this state, acquired a minute ago, with everything that a session in it has.
pub(crate) fn session(state: SessionState) -> Session {
    let ago = |seconds| stored(now().wall - SignedDuration::from_secs(seconds));
    let has_sid = match state {
        SessionState::Claimed | SessionState::Recovering => false,
        SessionState::Running | SessionState::Stopping | SessionState::Uncontrollable => true,
    };
    Session {
        attempt: 1,
        state,
        recorder_uid: 4_000_000_001,
        app_id: spec().channel.app_id,
        channel: spec().channel.name,
        resource_id: "resource-1".into(),
        region: None,
        nonce: "nonce-1".into(),
        acquire_time: ago(60),
        sid: has_sid.then(|| "5d3f".into()),
        start_time: has_sid.then(|| ago(58)),
        confirm_time: has_sid.then(|| ago(50)),
        control_end_time: Some(now().after(Duration::from_secs(72 * 3600 - 60))),
        token_end_time: None,
        spec_hash: spec_hash::of(&spec()),
        stop_reason: (state == SessionState::Stopping).then_some(EndReason::Stopped),
    }
}

/// A job with one session, which this process started and knows since its acquire.
pub(crate) fn seen_with(session: Session) -> Observed {
    let mut seen = seen();
    let since = seen.now.since(&session.acquire_time);
    let mut known = Known::claimed(session.clone(), &seen.now);
    known.seen = seen.now.mono.saturating_sub(Duration::try_from(since).unwrap_or_default());
    if session.sid.is_some() {
        known.last_answer = Some(seen.now.mono);
        known.highest_status = Some(5);
    }
    known.look_gate = seen.now.mono + Duration::from_secs(300);
    seen.status.start_time = Some(session.acquire_time.clone());
    seen.memory.sessions.insert(session.attempt, known);
    seen.status.sessions.push(session);
    seen
}

/// A job with a session in this state.
pub(crate) fn seen_in(state: SessionState) -> Observed {
    seen_with(session(state))
}

/// A job with these two sessions, the second acquired 40 s after the first under the other recorder uid.
pub(crate) fn seen_two(older: Session, newer: Session) -> Observed {
    let mut seen = seen_with(older);
    let acquire_time = stored(now().wall - SignedDuration::from_secs(20));
    let newer = Session {
        attempt: 2,
        nonce: "nonce-2".into(),
        resource_id: "resource-2".into(),
        sid: newer.sid.map(|_| "7e4a".into()),
        recorder_uid: uids()[0],
        start_time: newer.start_time.map(|_| acquire_time.clone()),
        acquire_time,
        ..newer
    };
    let mut known = seen.known(&seen.status.sessions[0]).clone();
    known.session = newer.clone();
    known.seen = seen.now.mono - Duration::from_secs(20);
    seen.memory.sessions.insert(2, known);
    seen.status.sessions.push(newer);
    seen
}

/// A claim that this process has just written.
pub(crate) fn just_claimed() -> Observed {
    with(seen_in(SessionState::Claimed), |seen| {
        seen.status.sessions[0].acquire_time = seen.now.stored();
        let now = seen.now.mono;
        let (session, known) = seen.session_mut(1).expect("the fixture's session");
        (known.seen, known.gate) = (now, now);
        known.session = session.clone();
    })
}

/// The same job, so much later by both clocks.
pub(crate) fn later(mut seen: Observed, seconds: u64) -> Observed {
    pass(&mut seen, seconds);
    seen
}

/// Time passes by both clocks.
pub(crate) fn pass(seen: &mut Observed, seconds: u64) {
    seen.now.mono += Duration::from_secs(seconds);
    seen.now.wall += Duration::from_secs(seconds);
}

/// A job that is finished, for its present generation.
pub(crate) fn finished(reason: Reason) -> Observed {
    let mut seen = seen();
    report::finish(&mut seen, reason, "It is over.");
    seen
}

/// An answer that means this.
pub(crate) fn answer(kind: Kind) -> Answer {
    Answer { kind, http: Some(400), code: Some(2), words: "vendor's words".into(), retry_after: None }
}

/// Everything that an answer can mean.
pub(crate) const KINDS: [Kind; 18] = [
    Kind::Unauthorized,
    Kind::AppIdInvalid,
    Kind::NoRoute,
    Kind::RateLimited,
    Kind::InvalidParameter,
    Kind::AccountSuspended,
    Kind::QuotaExceeded,
    Kind::Conflict,
    Kind::ResourceInvalid,
    Kind::NoWorker,
    Kind::NotFound,
    Kind::Late,
    Kind::BackendTimeout,
    Kind::ServerFault,
    Kind::TimedOut,
    Kind::ConnectionLost,
    Kind::Unreadable,
    Kind::Unreachable,
];

/// What is wrong with what a visit would write, by the contract with the tools that read it.
pub(crate) fn violations(seen: &Observed) -> Vec<String> {
    let status = serde_json::to_value(&seen.status).expect("a status");
    kstatus::violations(
        &serde_json::json!({"metadata": {"generation": seen.job.generation}, "status": status}),
    )
}

/// Asserts that a condition stands there with this status and reason, and returns its message.
pub(crate) fn assert_says(
    seen: &Observed,
    kind: ConditionType,
    status: &str,
    reason: Reason,
    why: &str,
) -> String {
    let condition = conditions::get(&seen.status, kind);
    let condition =
        condition.unwrap_or_else(|| panic!("{why}: {kind:?} is absent: {:#?}", seen.status.conditions));
    assert_eq!(
        (condition.status.as_str(), &condition.reason),
        (status, &reason.as_str()),
        "{why}: {condition:?}"
    );
    condition.message.clone()
}

/// Asserts what is present of the three conditions that tools read, and that it obeys their rules.
pub(crate) fn assert_verdict(
    seen: &Observed,
    ready: &str,
    effort: Effort,
    reason: Reason,
    why: &str,
) -> String {
    let message = assert_says(seen, ConditionType::Ready, ready, reason, why);
    for (kind, of) in [(ConditionType::Reconciling, Effort::Working), (ConditionType::Stalled, Effort::Stuck)]
    {
        assert_eq!(conditions::get(&seen.status, kind).is_some(), effort == of, "{why}: {kind:?}");
    }
    assert_eq!(violations(seen), Vec::<String>::new(), "{why}");
    message
}

/// The start of a session of which nothing is in doubt.
pub(crate) fn start(recorder_uid: i64) -> Step {
    Step::Start(NextStart { recorder_uid, in_doubt: None })
}

/// The recorder uids of the fixture's job, which declares none.
pub(crate) fn uids() -> Vec<i64> {
    recorder::uids(&spec(), "live", "lobby")
}

/// The observation, changed.
pub(crate) fn with(mut seen: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut seen);
    seen
}

/// The observation with its spec changed.
pub(crate) fn with_spec(seen: Observed, change: impl FnOnce(&mut SnapshotJobSpec)) -> Observed {
    with(seen, |seen| change(seen.spec.as_mut().expect("the fixture's spec is understood")))
}

/// The observation with what is known of its session changed.
pub(crate) fn with_known(seen: Observed, change: impl FnOnce(&mut Known)) -> Observed {
    with(seen, |seen| change(seen.memory.sessions.get_mut(&1).expect("the fixture's session is known")))
}
