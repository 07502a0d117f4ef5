//! What the operator would know in each situation: the arguments of its own `report`.

use std::time::Duration;

use agora_snapshot_operator::api::status::{EndReason, Session, SessionState};
use agora_snapshot_operator::api::{ConditionType, Reason, SnapshotJobSpec, SnapshotJobStatus};
use agora_snapshot_operator::lifecycle::answers;
use agora_snapshot_operator::lifecycle::arriving::Look;
use agora_snapshot_operator::lifecycle::bounds::OrphanCause;
use agora_snapshot_operator::lifecycle::conditions;
use agora_snapshot_operator::lifecycle::death::DeathRun;
use agora_snapshot_operator::lifecycle::observed::{Job, Known, Memory, Observed, Problem};
use agora_snapshot_operator::lifecycle::outcome::{Answer, Kind};
use agora_snapshot_operator::lifecycle::preflight::{self, Mark, Probed, Refused};
use agora_snapshot_operator::lifecycle::report::finish;
use agora_snapshot_operator::lifecycle::spec_hash;
use agora_snapshot_operator::lifecycle::timing::{Moment, Timing, stored};
use jiff::SignedDuration;
use serde_json::json;

/// The smallest spec.
pub fn spec_of_a_job() -> SnapshotJobSpec {
    serde_json::from_value(json!({
        "credentialsRef": {"name": "agora"},
        "channel": {"appId": "0123456789abcdef0123456789abcdef", "name": "lobby", "profile": "LiveBroadcasting"},
        "storage": {"vendor": "AmazonS3", "region": "us-east-1", "bucket": "snapshots", "prefix": "lobby",
            "credentialsRef": {"name": "bucket"}},
    }))
    .expect("a spec")
}

fn now() -> Moment {
    let wall = "2026-01-01T00:00:00Z".parse().expect("a time");
    Moment { wall, mono: Duration::from_secs(3600), scale: 1 }
}

/// A job that was just seen for the first time.
pub fn seen() -> Observed {
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
        spec: Ok(spec_of_a_job()),
        status: SnapshotJobStatus { observed_generation: Some(-1), ..SnapshotJobStatus::default() },
        memory: Memory::default(),
        control_problem: None,
        start_problem: None,
        keys_end: None,
        storage: None,
        token_end: None,
        unreadable: Vec::new(),
        withdrawing: false,
    }
}

fn session(state: SessionState) -> Session {
    let ago = |seconds| stored(now().wall - SignedDuration::from_secs(seconds));
    let has_sid = !matches!(state, SessionState::Claimed | SessionState::Recovering);
    Session {
        attempt: 1,
        state,
        recorder_uid: 4_000_000_001,
        app_id: spec_of_a_job().channel.app_id,
        channel: spec_of_a_job().channel.name,
        resource_id: "resource-1".into(),
        region: None,
        nonce: "nonce-1".into(),
        acquire_time: ago(60),
        sid: has_sid.then(|| "5d3f".into()),
        start_time: has_sid.then(|| ago(58)),
        confirm_time: has_sid.then(|| ago(50)),
        control_end_time: Some(now().after(Duration::from_secs(72 * 3600))),
        token_end_time: None,
        spec_hash: spec_hash::of(&spec_of_a_job()),
        stop_reason: (state == SessionState::Stopping).then_some(EndReason::Stopped),
    }
}

/// A job with a session in this state.
pub fn seen_in(state: SessionState) -> Observed {
    with(seen(), |seen| {
        let session = session(state);
        let mut known = Known::claimed(session.clone(), &seen.now);
        known.last_answer = Some(seen.now.mono);
        seen.status.start_time = Some(session.acquire_time.clone());
        seen.memory.sessions.insert(session.attempt, known);
        seen.status.sessions.push(session);
    })
}

/// A job that waits so many seconds for a Secret.
pub fn without_secret(seconds: u64) -> Observed {
    with(seen(), |seen| {
        let words = "Secret `agora` does not exist in this namespace; create it";
        seen.start_problem = Some(Problem::Secret(words.into()));
        let since = seen.now.mono.saturating_sub(Duration::from_secs(seconds));
        seen.memory.problem_since = Some((Reason::WaitingForSecret, since));
    })
}

/// Capturing; the vendor has not answered for a minute.
pub fn unanswered() -> Observed {
    with_known(seen_in(SessionState::Running), |known, now| {
        let answer = Answer {
            kind: Kind::TimedOut,
            http: None,
            code: None,
            words: "no answer".into(),
            retry_after: None,
        };
        known.repeats = 3;
        known.unanswered = Some((now.mono.saturating_sub(Duration::from_secs(60)), answer));
    })
}

/// Capturing; the vendor answered 404 for its session.
pub fn not_found() -> Observed {
    with_known(seen_in(SessionState::Running), |known, now| {
        known.death = Some(DeathRun::with_answer(None, now.mono, &Timing::default()))
    })
}

/// Capturing, without a snapshot for ten minutes: the vendor calls the session ready, and no more.
pub fn without_video() -> Observed {
    with_known(confirmed_for(600), |known, now| {
        known.look = Some(Look { time: now.wall, obstacle: None, whole: true });
        known.last_status = Some(4);
    })
}

/// The same, and for so many seconds it has been known that the bucket takes no files.
pub fn refused_by_the_bucket(seconds: i64) -> Observed {
    with(without_video(), |seen| {
        // The session has been running all the while.
        let ago = stored(seen.now.wall - SignedDuration::from_secs(seconds + 600));
        let session = &mut seen.status.sessions[0];
        (session.start_time, session.confirm_time) = (Some(ago.clone()), Some(ago));
        let since = Moment { wall: seen.now.wall - SignedDuration::from_secs(seconds), ..seen.now };
        for kind in [ConditionType::StorageWritable, ConditionType::SnapshotsArriving] {
            let words = "The bucket takes no files.";
            conditions::set(&mut seen.status, kind, false, Reason::UploadFailing, words, &since, 1);
        }
    })
}

/// Nothing runs, because for so many seconds the bucket has been known to refuse files.
pub fn held_back_by_the_bucket(seconds: u64) -> Observed {
    with(seen(), |seen| {
        let mark = Mark::of(&spec_of_a_job().storage, ["AKIA", "hunter2", ""]);
        seen.storage = Some(mark.clone());
        let why = Probed::Refused { why: Refused::NoSuchBucket, said: "404 NoSuchBucket".into() };
        drop(preflight::probed(seen, mark, why));
        seen.now.mono += Duration::from_secs(seconds);
        seen.now.wall += SignedDuration::from_secs(i64::try_from(seconds).expect("minutes"));
    })
}

fn confirmed_for(seconds: i64) -> Observed {
    with(seen_in(SessionState::Running), |seen| {
        let ago = stored(seen.now.wall - SignedDuration::from_secs(seconds));
        let session = &mut seen.status.sessions[0];
        (session.start_time, session.confirm_time) = (Some(ago.clone()), Some(ago));
    })
}

/// The next session is claimed while the first still runs.
pub fn handover() -> Observed {
    with(seen_in(SessionState::Running), |seen| {
        let next = Session {
            attempt: 2,
            resource_id: "resource-2".into(),
            nonce: "nonce-2".into(),
            recorder_uid: 4_000_000_002,
            ..session(SessionState::Claimed)
        };
        seen.memory.sessions.insert(2, Known::claimed(next.clone(), &seen.now));
        seen.status.sessions.push(next);
    })
}

/// Let go by a deletion that could not stop it.
pub fn orphaned() -> Observed {
    with(seen_in(SessionState::Running), |seen| {
        seen.job.deleting = true;
        answers::orphaned(seen, 1, OrphanCause::NoCredentials);
    })
}

/// A job that is over.
pub fn finished(reason: Reason) -> Observed {
    with(seen(), |seen| finish(seen, reason, "It is over."))
}

/// The same, changed.
pub fn with(mut seen: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut seen);
    seen
}

/// The same, with another spec.
pub fn with_spec(seen: Observed, change: impl FnOnce(&mut SnapshotJobSpec)) -> Observed {
    with(seen, |seen| change(seen.spec.as_mut().expect("an understood spec")))
}

fn with_known(seen: Observed, change: impl FnOnce(&mut Known, &Moment)) -> Observed {
    with(seen, |seen| change(seen.memory.sessions.get_mut(&1).expect("a session"), &seen.now))
}
