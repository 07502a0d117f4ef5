//! What the API server holds: any JSON as spec and status of an object. It is read back without harm: sessions that cannot
//! be read are kept, those that can are decided upon, whatever their numbers and times, and nothing is started beside them.
//!
//! An input is the object.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use agora_snapshot_operator::agora::bodies;
use agora_snapshot_operator::agora::material::{self, Material, Secrets};
use agora_snapshot_operator::api::status::{EndReason, Session, SessionState};
use agora_snapshot_operator::api::{ConditionType, SnapshotJobSpec, SnapshotJobStatus};
use agora_snapshot_operator::cluster::stored::StoredJob;
use agora_snapshot_operator::lifecycle::arriving::Sight;
use agora_snapshot_operator::lifecycle::claims::{self, Reserved};
use agora_snapshot_operator::lifecycle::observed::{Memory, Observed, Problem};
use agora_snapshot_operator::lifecycle::outcome::{
    Answer, Identity, Kind, Outcome, Queried, Started, Stopped,
};
use agora_snapshot_operator::lifecycle::plan::{Step, plan};
use agora_snapshot_operator::lifecycle::preflight::{self, Mark, Probed, Refused};
use agora_snapshot_operator::lifecycle::recovery::{self, Found};
use agora_snapshot_operator::lifecycle::report::report;
use agora_snapshot_operator::lifecycle::timing::{Moment, Timing};
use agora_snapshot_operator::lifecycle::{aging, answers, conditions, recorder, spec_hash, words};
use agora_snapshot_operator::snapshots::{Location, Tally};
use serde_json::Value;

use super::Choices;

/// Steps of one job: enough for a session to be found, queried, stopped and followed by another.
const STEPS: usize = 12;

/// The promises, for one object. Whether there is one: the API server would store no other input.
pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(stored) = serde_json::from_slice::<StoredJob>(data) else { return false };
    // The schema's date-time has no years before 0, and a time of one is not written as it is read.
    if data.windows(2).any(|two| two[0] == b'"' && matches!(two[1], b'-' | b'+')) {
        return false;
    }
    assert_read_back(&stored);
    if let Ok(spec) = stored.spec() {
        use_spec(&stored, &spec);
    }
    let sum = data.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let (seed, tail) = (sum.to_be_bytes(), &data[data.len().saturating_sub(64)..]);
    let mut choices = [&seed[..], tail].concat();
    for _ in 0..3 {
        decide(&stored, &mut Choices(&choices));
        choices.rotate_left(5);
    }
    true
}

// === reading and writing ===

fn entries(status: &Value) -> Vec<Value> {
    status.get("sessions").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn is_readable(entry: &Value) -> bool {
    serde_json::from_value::<Session>(entry.clone()).is_ok()
}

fn assert_read_back(stored: &StoredJob) {
    let status = stored.status();
    let all = entries(&stored.status);
    let unreadable: Vec<&Value> = all.iter().filter(|entry| !is_readable(entry)).collect();
    assert_eq!(stored.unreadable_sessions().len(), unreadable.len());
    assert_eq!(status.sessions.len() + unreadable.len(), all.len(), "a session was overlooked");
    for written in [stored.with_status(&status), stored.with_sessions(&status.sessions)] {
        let kept = entries(&written.status);
        assert_eq!(kept.len(), all.len());
        for entry in &unreadable {
            assert!(kept.contains(entry), "{entry} was lost");
        }
        assert_eq!(written.status().sessions, status.sessions);
        assert_eq!(written.spec, stored.spec);
        assert_eq!(written.metadata.resource_version, stored.metadata.resource_version);
        assert_eq!(written.metadata.finalizers, stored.metadata.finalizers);
        for (field, value) in unknown_fields(&stored.status) {
            assert_eq!(written.status.get(field), Some(value), "{field} of a newer operator was lost");
        }
    }
    let written = stored.with_status(&status);
    assert_eq!(written.status(), status);
    assert_eq!(written.with_status(&status).status, written.status, "what was written is written again");
    // Nothing is left when there is nothing to say, but for what cannot be read.
    let emptied = stored.with_status(&SnapshotJobStatus::default());
    assert_eq!(entries(&emptied.status).len(), unreadable.len());
    let _ = (stored.full_name(), stored.job(), stored.credentials_name(), stored.refers_to("bucket"));
}

fn unknown_fields(status: &Value) -> impl Iterator<Item = (&String, &Value)> {
    static KNOWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let schema = serde_json::to_value(schemars::schema_for!(SnapshotJobStatus)).expect("a schema");
        schema["properties"].as_object().expect("properties").keys().cloned().collect()
    });
    status.as_object().into_iter().flatten().filter(|(field, _)| !KNOWN.contains(*field))
}

/// Everything that is made of a spec before anything is sent.
fn use_spec(stored: &StoredJob, spec: &SnapshotJobSpec) {
    let hash = spec_hash::of(spec);
    assert_eq!(hash, spec_hash::of(&spec.clone()));
    let _ = (
        spec_hash::difference(&hash, "v1:a-b"),
        spec_hash::difference("", &hash),
        words::short_interval(spec),
    );
    let uids = recorder::uids(spec, "live", "lobby");
    assert!(!uids.is_empty());
    let _ = (bodies::acquire_body(spec, uids[0]), Location::of(&spec.storage, None));
    let mut secrets = Secrets::new();
    for name in material::secret_names(spec) {
        // Serde takes a list for an object, too; the schema does not.
        let plain = StoredJob { spec: serde_json::to_value(spec).expect("JSON"), ..stored.clone() };
        assert!(plain.refers_to(&name), "{name}");
        let keys = ["customerId", "customerSecret", "accessKey", "secretKey"];
        secrets.insert(name, Some(keys.into_iter().map(|key| (key.to_owned(), b"value".to_vec())).collect()));
    }
    if let Ok(material) = Material::gather(spec, uids[0], &secrets, moment(1).wall, 1) {
        let _ =
            bodies::start_body(spec, uids[0], &material).map(|body| serde_json::to_vec(&body).expect("JSON"));
        let _ = bodies::update_body(spec, uids[0], &material)
            .map(|body| serde_json::to_vec(&body).expect("JSON"));
    }
    let mut tally = Tally::resume(stored.status().snapshots.as_ref());
    for user in [1, 2] {
        let sid = "38f8e3cfdc474cd56fc1ceba380d7e1a";
        tally.see(&format!("a/{sid}_lobby__uid_s_{user}__uid_e_video_20260101000000000.jpg"));
    }
    let _ = (tally.count(), tally.summary());
}

// === deciding ===

fn moment(scale: u32) -> Moment {
    let wall = jiff::Timestamp::from_second(1_767_225_600).expect("2026");
    Moment { wall, mono: Duration::from_secs(90_000), scale }
}

fn observed(stored: &StoredJob, choices: &mut Choices<'_>) -> Observed {
    let problem = |choices: &mut Choices<'_>| {
        let secret = || Some(Problem::Secret("Secret `agora` does not exist".into()));
        choices.one_of(&[None, None, None, secret()])
    };
    let mut job = stored.job();
    job.deleting |= choices.byte().is_multiple_of(3);
    job.has_finalizer |= choices.flag();
    Observed {
        now: moment(choices.one_of(&[1, 1, 60])),
        timing: Timing::default(),
        jitter: choices.one_of(&[0.0, 0.5, 1.0]),
        job,
        withdrawing: choices.byte().is_multiple_of(5),
        spec: stored.spec(),
        status: stored.status(),
        memory: Memory::default(),
        control_problem: problem(choices),
        start_problem: problem(choices),
        keys_end: None,
        unreadable: stored.unreadable_sessions(),
        token_end: choices.one_of(&[None, Some(moment(1).wall)]),
        storage: stored.spec().ok().filter(|_| choices.flag()).map(|spec| Mark::of(&spec.storage, [""; 3])),
    }
}

/// Whether the API server could hold these sessions: it refuses two of one number.
fn are_numbered_apart(stored: &StoredJob) -> bool {
    let numbers: Vec<Value> = entries(&stored.status).iter().map(|entry| entry["attempt"].clone()).collect();
    numbers.iter().enumerate().all(|(at, number)| !numbers[..at].contains(number))
}

fn decide(stored: &StoredJob, choices: &mut Choices<'_>) {
    let mut seen = observed(stored, choices);
    let before = seen.status.sessions.clone();
    seen.join();
    if are_numbered_apart(stored) {
        let lost = before.iter().find(|session| seen.session(session.attempt) != Some(session));
        assert_eq!(lost, None, "a session was lost by looking at it");
    }
    for _ in 0..STEPS {
        aging::time_passed(&mut seen);
        let step = plan(&seen);
        assert_eq!(step, plan(&seen), "one situation, one step");
        assert_allowed(&seen, &step);
        if matches!(step, Step::RemoveFinalizer | Step::Delete) {
            break;
        }
        perform(&mut seen, &step, choices);
        report(&mut seen);
        let said = seen.status.clone();
        report(&mut seen);
        assert_eq!(seen.status, said, "a report is not written twice");
        assert_shown(&seen);
        seen.memory = seen.remembered();
        seen.join();
    }
    let written = stored.with_status(&seen.status);
    let unreadable = entries(&stored.status).iter().filter(|entry| !is_readable(entry)).count();
    assert_eq!(written.unreadable_sessions().len(), unreadable, "a session of a newer operator was lost");
}

fn assert_allowed(seen: &Observed, step: &Step) {
    let alone = seen.status.sessions.is_empty();
    match step {
        Step::Start(next) => {
            assert!(seen.unreadable.is_empty() && seen.start_problem.is_none());
            assert!(seen.job.has_finalizer && !seen.job.deleting && !seen.withdrawing);
            assert_beside(seen, next.recorder_uid);
        }
        Step::Preflight => assert!(seen.storage.is_some() && !seen.job.deleting && !seen.withdrawing),
        Step::RemoveFinalizer => {
            let patient = seen
                .memory
                .deleting_since
                .is_some_and(|since| seen.now.mono.saturating_sub(since) >= seen.timing.orphan_without_sid);
            assert!(alone && (seen.unreadable.is_empty() || seen.job.deleting && patient));
        }
        Step::Delete => assert!(alone && !seen.job.deleting),
        Step::StartAgain { attempt }
        | Step::Query { attempt }
        | Step::Look { attempt }
        | Step::FindSid { attempt }
        | Step::Verify { attempt, .. }
        | Step::Update { attempt } => {
            assert!(seen.session(*attempt).is_some());
        }
        Step::Stop { attempt, .. } | Step::Orphan { attempt, .. } => {
            assert!(seen.session(*attempt).is_some())
        }
        Step::AddFinalizer => assert!(!seen.job.has_finalizer && !seen.job.deleting),
        Step::Wait(wait) | Step::Refuse(_, wait) => {
            assert!(!wait.is_zero(), "a wait of no time turns in a loop: {step:?}");
            assert!(*wait <= Duration::from_secs(24 * 3600), "{wait:?} is longer than anybody waits");
        }
    }
}

/// A start is beside nothing; beside one that runs, for a handover, with the other uid; or beside sessions of which nobody
/// knows, with the uid of one of them, and not with that of one that runs.
fn assert_beside(seen: &Observed, recorder_uid: i64) {
    let sessions = &seen.status.sessions;
    let in_doubt =
        |session: &&Session| matches!(session.state, SessionState::Recovering | SessionState::Uncontrollable);
    let (doubted, known): (Vec<_>, Vec<_>) = sessions.iter().partition(in_doubt);
    let is_handover = known.len() <= 1
        && known.iter().all(|one| one.state == SessionState::Running && one.recorder_uid != recorder_uid);
    let asks = doubted.iter().any(|session| session.recorder_uid == recorder_uid);
    assert!(
        sessions.len() < 4 && is_handover && (doubted.is_empty() || asks),
        "a start under {recorder_uid} beside {sessions:#?}"
    );
}

fn assert_shown(seen: &Observed) {
    for kind in [ConditionType::Ready, ConditionType::Reconciling, ConditionType::Stalled] {
        if let Some(condition) = conditions::get(&seen.status, kind)
            && condition.observed_generation == Some(seen.job.generation)
        {
            assert!(condition.message.len() <= 1024, "{} bytes", condition.message.len());
        }
    }
    assert!(seen.status.history.len() <= 32, "the schema takes no more");
    assert!(
        seen.status.history.iter().all(|past| past.end_reason != EndReason::Orphaned
            || seen.job.deleting
            || past.end_time.0 != seen.now.stored().0),
        "nothing is given up but in a deletion"
    );
}

fn perform(seen: &mut Observed, step: &Step, choices: &mut Choices<'_>) {
    fn outcome<T>(value: T, choices: &mut Choices<'_>) -> Outcome<T> {
        let kind = choices.one_of(&[
            Kind::NotFound,
            Kind::InvalidParameter,
            Kind::Unauthorized,
            Kind::Conflict,
            Kind::Late,
        ]);
        let answer =
            Answer { kind, http: Some(404), code: Some(404), words: "words".into(), retry_after: None };
        match choices.byte() % 8 {
            0 => Outcome::Rejected(answer),
            1 => Outcome::Unknown(answer),
            2 => Outcome::NotSent(answer),
            _ => Outcome::Confirmed(value),
        }
    }
    let queried = |choices: &mut Choices<'_>| Queried {
        status: i64::from(choices.byte() % 21),
        identity: choices.one_of(&[Identity::Proved, Identity::Likely, Identity::Other]),
    };
    let sid = || "38f8e3cfdc474cd56fc1ceba380d7e1a".to_owned();
    match step {
        Step::AddFinalizer => seen.job.has_finalizer = true,
        Step::Preflight => {
            let refused = Probed::Refused { why: Refused::WrongKeys, said: "403 InvalidAccessKeyId".into() };
            let untold = Probed::Untold { unreachable: true, why: "no answer".into() };
            let probed = choices.one_of(&[Probed::Taken { left: None }, refused, untold]);
            let mark = seen.storage.clone().expect("else it is not tried");
            drop(preflight::probed(seen, mark, probed));
        }
        Step::Start(next) => {
            let reserved = Reserved {
                resource_id: format!("resource-{}", seen.next_attempt()),
                region: None,
                nonce: format!("nonce-{}", seen.next_attempt()),
                app_id: "970ca35de60c44645bbae8a215061b33".into(),
                channel: "lobby".into(),
                recorder_uid: next.recorder_uid,
                spec_hash: "v1:a-b".into(),
                acquire_time: seen.now.stored(),
                token_end: seen.token_end,
            };
            claims::claim(seen, reserved);
        }
        Step::StartAgain { attempt } => {
            let started = outcome(Started::New { sid: sid() }, choices);
            answers::started(seen, *attempt, "v1:a-b", started);
        }
        Step::Query { attempt } => {
            answers::queried(seen, *attempt, outcome(queried(choices), choices));
        }
        Step::FindSid { attempt } => {
            let found = choices.one_of(&[vec![], vec![sid()], vec!["a".into(), "b".into()]]);
            let obstacle = choices.one_of(&[None, Some("the bucket may not be listed".to_owned())]);
            recovery::searched(seen, *attempt, Found { sids: found, complete: choices.flag(), obstacle });
        }
        Step::Verify { attempt, sid } => {
            recovery::verified(seen, *attempt, sid, outcome(queried(choices), choices));
        }
        Step::Look { attempt } => answers::looked(seen, *attempt, Sight::default(), Duration::from_secs(300)),
        Step::Update { attempt } => {
            answers::updated(seen, *attempt, "v1:a-b", outcome((), choices));
        }
        Step::Stop { attempt, cause } => {
            claims::stopping(seen, *attempt, *cause);
            answers::stopped(seen, *attempt, outcome(Stopped::NoRecordedData, choices));
        }
        Step::Orphan { attempt, cause } => {
            answers::orphaned(seen, *attempt, *cause);
        }
        Step::RemoveFinalizer | Step::Delete => {}
        Step::Wait(wait) | Step::Refuse(_, wait) => {
            seen.now.mono += *wait;
            seen.now.wall += seen.now.real(*wait);
        }
    }
}
