//! Which sessions may be running, by what the objects say; and how that is told to the person who removes the operator.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::ConditionType;
use crate::api::status::{EndReason, PastSession, Session};
use crate::cluster::stored::StoredJob;
use crate::lifecycle::conditions;

/// Every job that may have a session running.
pub(super) struct Survey {
    jobs: Vec<Live>,
    now: Timestamp,
}

/// A job with sessions.
struct Live {
    name: String,
    sessions: Vec<Session>,
    unreadable: usize,
    /// What `Ready` says.
    message: String,
}

/// A line for whoever reads the standard output. A reader who went away is no reason to stop.
pub(super) fn say(line: &str) {
    let _unread = writeln!(std::io::stdout().lock(), "{line}");
}

impl Survey {
    /// Over these objects.
    pub(super) fn of(jobs: &[StoredJob]) -> Self {
        let mut jobs: Vec<Live> = jobs.iter().map(Live::of).filter(|live| live.count() > 0).collect();
        jobs.sort_by(|one, other| one.name.cmp(&other.name));
        Self { jobs, now: Timestamp::now() }
    }

    /// How many sessions may be running.
    pub(super) fn live(&self) -> usize {
        self.jobs.iter().map(Live::count).sum()
    }

    /// For `Leave`.
    pub(super) fn say_left(&self) {
        if self.jobs.is_empty() {
            say("No session runs. Nothing was changed.");
            return;
        }
        say(&format!(
            "{} left running: billed, and looked after by nobody until an operator is there again.",
            sessions(self.live())
        ));
        self.say_each();
        say("Nothing was changed: the finalizers stay, and only an operator can let these jobs be deleted.");
    }

    /// For `Refuse`.
    pub(super) fn say_refused(&self) {
        say(&format!("The operator must not be removed, for {} may be running:", sessions(self.live())));
        self.say_each();
        say("Nothing was changed. Choose one:");
        say("- end them yourself: delete these jobs, or set spec.suspend to true, and try again;");
        say(
            "- have them stopped: --sessions Stop (in the chart uninstall.sessions: Stop; as Helm upgrades no release \
             whose uninstall has failed, first `helm rollback` it to the newest revision of `helm history`, then \
             upgrade it); the jobs stay, and an operator that is installed again goes on with them;",
        );
        say("- leave them running, billed and looked after by nobody: --sessions Leave.");
    }

    /// For a drain that did not come to its end.
    pub(super) fn say_remaining(&self) {
        if self.jobs.is_empty() {
            say("No session remains.");
            return;
        }
        say(&format!("{} may still be running:", sessions(self.live())));
        self.say_each();
    }

    fn say_each(&self) {
        for job in &self.jobs {
            for session in &job.sessions {
                say(&format!("  {}: {}", job.name, name(session, self.now)));
            }
            if job.unreadable > 0 {
                say(&format!(
                    "  {}: {} that only a newer operator can read or stop, see status.sessions",
                    job.name,
                    sessions(job.unreadable)
                ));
            }
            if !job.message.is_empty() {
                say(&format!("    {}", job.message));
            }
        }
    }
}

impl Live {
    fn of(job: &StoredJob) -> Self {
        let status = job.status();
        let ready = conditions::get(&status, ConditionType::Ready);
        Self {
            name: job.full_name(),
            message: ready.map(|ready| ready.message.clone()).unwrap_or_default(),
            sessions: status.sessions,
            unreadable: job.unreadable_sessions().len(),
        }
    }

    fn count(&self) -> usize {
        self.sessions.len() + self.unreadable
    }
}

fn sessions(count: usize) -> String {
    if count == 1 { "1 session".into() } else { format!("{count} sessions") }
}

/// A session with all that it takes to look for it at the vendor's.
fn name(session: &Session, now: Timestamp) -> String {
    let since = session.start_time.as_ref().unwrap_or(&session.acquire_time);
    format!(
        "session {}, recorder uid {}, channel {}, {:?}, began {} ago, resourceId {}",
        session.sid.as_deref().unwrap_or("(sid not known)"),
        session.recorder_uid,
        session.channel,
        session.state,
        Length(now.duration_since(since.0)),
        session.resource_id,
    )
}

/// What became of the sessions that `before` had, for the line about a job that is done.
pub(super) fn outcome(before: &StoredJob, after: &StoredJob) -> String {
    let past = after.status().history;
    let ended: Vec<String> = before
        .status()
        .sessions
        .iter()
        .map(|session| match past.iter().find(|past| past.resource_id == session.resource_id) {
            Some(past) => past_session(past),
            None => format!("resourceId {} given up, nothing had come of it", session.resource_id),
        })
        .collect();
    let done = if after.metadata.deletion_timestamp.is_some() { "deleted" } else { "finalizer removed" };
    if ended.is_empty() { format!("no session; {done}") } else { format!("{}; {done}", ended.join("; ")) }
}

fn past_session(past: &PastSession) -> String {
    let name = match &past.sid {
        Some(sid) => format!("session {sid}"),
        None => format!("session of resourceId {} (sid not known)", past.resource_id),
    };
    let length = past.start_time.as_ref().map(|start| Length(past.end_time.0.duration_since(start.0)));
    let after = length.map(|length| format!(" after {length}")).unwrap_or_default();
    match past.end_reason {
        EndReason::Orphaned => {
            format!("{name} LEFT RUNNING{after}: see the events in the operator's namespace")
        }
        EndReason::Stopped | EndReason::Replaced | EndReason::Deadline => format!("{name} stopped{after}"),
        EndReason::Idle | EndReason::Lost => format!("{name} was over{after}"),
    }
}

/// The words of `Ready` while a session is not yet proved over.
pub(super) fn obstacle(job: &StoredJob) -> Option<String> {
    let live = Live::of(job);
    (live.count() > 0 && !live.message.is_empty()).then_some(live.message)
}

/// A duration in its two largest units.
struct Length(SignedDuration);

impl fmt::Display for Length {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::try_from(self.0).unwrap_or_default().as_secs();
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(out, "{seconds}s"),
            (0, 0, _) => write!(out, "{minutes}m{}s", seconds % 60),
            (0, _, _) => write!(out, "{hours}h{minutes}m"),
            (_, _, _) => write!(out, "{days}d{hours}h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::lifecycle::fixtures;

    fn stored(metadata: Value, status: Value) -> StoredJob {
        let mut object = json!({
            "apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
            "metadata": {"name": "lobby", "namespace": "live", "uid": "u"},
            "spec": serde_json::to_value(fixtures::spec()).unwrap(), "status": status,
        });
        for (field, value) in metadata.as_object().unwrap() {
            object["metadata"][field] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn running() -> Value {
        json!({"sessions": [{"attempt": 1, "state": "Running", "recorderUid": 4_000_000_001_i64, "appId": "a",
            "channel": "lobby", "resourceId": "res", "nonce": "n", "acquireTime": "2026-01-01T00:00:00Z", "sid": "s1",
            "startTime": "2026-01-01T00:00:01Z", "specHash": "h"}]})
    }

    #[test]
    fn a_session_is_told_with_all_it_takes_to_find_it() {
        let survey = Survey::of(&[stored(json!({}), running()), stored(json!({}), json!({}))]);
        assert_eq!(survey.live(), 1);
        let now = "2026-01-01T00:12:01Z".parse().unwrap();
        assert_eq!(
            name(&survey.jobs[0].sessions[0], now),
            "session s1, recorder uid 4000000001, channel lobby, Running, began 12m0s ago, resourceId res"
        );
    }

    #[test]
    fn a_session_that_only_a_newer_operator_can_read_counts() {
        let unreadable = json!({"sessions": [{"attempt": 9, "state": "Hibernating"}]});
        assert_eq!(Survey::of(&[stored(json!({}), unreadable)]).live(), 1);
    }

    #[test]
    fn what_became_of_a_session() {
        let over = |reason: &str| {
            json!({"history": [{"attempt": 1, "sid": "s1", "resourceId": "res", "recorderUid": 1,
                "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-01T01:05:09Z", "endReason": reason}]})
        };
        let deleting = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let before = stored(json!({}), running());
        for (before, after, expected) in [
            (&before, stored(json!({}), over("Stopped")), "session s1 stopped after 1h5m; finalizer removed"),
            (&before, stored(json!({}), over("Lost")), "session s1 was over after 1h5m; finalizer removed"),
            (&before, stored(deleting.clone(), over("Stopped")), "session s1 stopped after 1h5m; deleted"),
            (
                &before,
                stored(deleting, over("Orphaned")),
                "session s1 LEFT RUNNING after 1h5m: see the events in the operator's namespace; deleted",
            ),
            (
                &before,
                stored(json!({}), json!({})),
                "resourceId res given up, nothing had come of it; finalizer removed",
            ),
            (
                &stored(json!({}), json!({})),
                stored(json!({}), over("Stopped")),
                "no session; finalizer removed",
            ),
        ] {
            assert_eq!(outcome(before, &after), expected);
        }
    }

    #[test]
    fn lengths_are_for_people() {
        for (seconds, expected) in
            [(-3, "0s"), (59, "59s"), (60, "1m0s"), (3599, "59m59s"), (3660, "1h1m"), (90_000, "1d1h")]
        {
            assert_eq!(Length(SignedDuration::from_secs(seconds)).to_string(), expected);
        }
    }
}
