//! What a job has cost so far, as far as its status tells: the time that its sessions ran.
//!
//! The vendor bills a session from its start to its end, whatever the interval and the number of users; with recording
//! the price of a minute depends on the resolution. Sessions before the last ten are not in the status.

use jiff::Timestamp;

use super::age::span;
use crate::api::status::SnapshotJobStatus;

/// Sum over the sessions of a status.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct SessionTime {
    /// Sessions that are summed up.
    pub(super) sessions: usize,
    /// Sessions that the vendor may be running now.
    pub(super) running: usize,
    /// Seconds from start to end, or to now.
    pub(super) seconds: i64,
}

impl SessionTime {
    pub(super) fn of(status: &SnapshotJobStatus, now: Timestamp) -> Self {
        let running = status.sessions.iter().filter_map(|session| {
            // A claim whose start may have been lost is billed from then on, if it is.
            let start = session.start_time.as_ref().or(Some(&session.acquire_time));
            start.map(|start| (start.0, now))
        });
        let past = status
            .history
            .iter()
            .filter_map(|past| past.start_time.as_ref().map(|start| (start.0, past.end_time.0)));
        let mut sum = Self { running: status.sessions.len(), ..Self::default() };
        for (start, end) in running.chain(past) {
            sum.sessions += 1;
            sum.seconds += end.duration_since(start).as_secs().max(0);
        }
        sum
    }

    /// Minutes, the last one begun counted whole.
    pub(super) fn minutes(&self) -> i64 {
        (self.seconds + 59) / 60
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        let (sessions, plural) = (self.sessions, if self.sessions == 1 { "" } else { "s" });
        let growing = if self.running > 0 { ", and growing" } else { "" };
        format!(
            "{} billed minutes in {sessions} session{plural} ({}){growing}; the interval and the number of users make no \
             difference, with recording the resolution does",
            self.minutes(),
            span(self.seconds)
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn running_and_past_sessions_are_summed_up() {
        let session = |state: &str, start: Option<&str>| {
            json!({"attempt": 3, "state": state, "recorderUid": 1, "appId": "a", "channel": "c", "resourceId": "r",
                "nonce": "n", "acquireTime": "2026-07-01T09:59:00Z", "startTime": start, "specHash": "h"})
        };
        let past = |attempt: i64, start: Option<&str>, end: &str| {
            json!({"attempt": attempt, "resourceId": "r", "recorderUid": 1, "startTime": start, "endTime": end,
                "endReason": "Stopped"})
        };
        let now = "2026-07-01T10:00:00Z".parse::<Timestamp>().unwrap();
        for (sessions, history, expected, minutes) in [
            (json!([]), json!([]), (0, 0, 0), 0),
            (json!([session("Running", Some("2026-07-01T09:58:59Z"))]), json!([]), (1, 1, 61), 2),
            (json!([session("Claimed", None)]), json!([]), (1, 1, 60), 1),
            (
                json!([]),
                json!([
                    past(2, Some("2026-07-01T08:00:00Z"), "2026-07-01T09:00:00Z"),
                    past(1, None, "2026-07-01T07:00:00Z"),
                    past(1, Some("2026-07-01T07:00:01Z"), "2026-07-01T07:00:00Z")
                ]),
                (2, 0, 3_600),
                60,
            ),
        ] {
            let status = serde_json::from_value(json!({"sessions": sessions, "history": history})).unwrap();
            let sum = SessionTime::of(&status, now);
            assert_eq!((sum.sessions, sum.running, sum.seconds), expected);
            assert_eq!(sum.minutes(), minutes);
            assert_eq!(sum.words().contains("growing"), sum.running > 0);
        }
    }
}
