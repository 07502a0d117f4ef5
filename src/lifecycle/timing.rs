//! Every constant of time, each with its reason, and the moment that decisions are made at.
//!
//! Decisions are made in product time. `Moment` knows the time scale of tests, so nothing else has to.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// By so much the vendor's clock may be behind the one that a session was dated with, and the other way round. Real clocks:
/// no time scale changes it.
pub const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// The times and limits of the operator. One value for the whole process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// A claim of another visit is left alone this long: the visit that wrote it may still be starting it.
    pub claim_grace: Duration,
    /// A resourceId lives 5 minutes at the vendor; half a minute more covers the way there and back.
    pub resource_life: Duration,
    /// When a started session is asked for its status, counted from its start. The vendor: first after 5 s, then
    /// with growing intervals.
    pub confirm_at: [Duration; 4],
    /// Between two such questions after the last of those.
    pub confirm_every: Duration,
    /// The vendor: a session that is not running 90 s after its sid was given was not started.
    pub confirm_within: Duration,
    /// Between two queries of a running session. The vendor advises 1 to 2 minutes.
    pub query_every: Duration,
    /// The same where the vendor's notifications come, which tell sooner than a query what happened.
    pub query_every_with_notifications: Duration,
    /// The bucket is listed this often where notifications name the snapshots: some of them are lost. At the shortest
    /// interval, one second, the count remembers as many names.
    pub list_every_with_notifications: Duration,
    /// So long after the last one notifications are taken to come.
    pub notifications_trusted_for: Duration,
    /// No query more often than this, however short the idle timeout is.
    pub query_at_most_every: Duration,
    /// When the bucket is first looked into, counted from the confirmation: long enough for the first snapshots at the
    /// default interval, soon enough for a person who waits for them.
    pub look_first: Duration,
    /// So many intervals without a snapshot are no reason to worry: a user who leaves and joins again may miss one or two.
    pub missed_intervals: u32,
    /// How long a snapshot may take into the bucket: the vendor uploads within seconds, and tries again when it must.
    pub arrival: Duration,
    /// How long the vendor is left to repeat uploads that fail, before a person is called: it keeps what it could not upload
    /// in a backup of its own, and tries again.
    pub upload_patience: Duration,
    /// So long a bucket that took a file is taken for one that takes files: what may be done in it can change without a word.
    pub preflight_fresh: Duration,
    /// Share of an interval that jitter may add, never take away.
    pub jitter: f64,
    /// Between two questions of a death run; below `death_gap` with room for a slow answer.
    pub death_every: Duration,
    /// A failover takes the vendor up to 90 s, and 404 is answered meanwhile; half a minute more is kept.
    pub death_after: Duration,
    /// Between two questions about a session that was told to have ended as it should ...
    pub death_every_after_exit: Duration,
    /// ... which is no failover.
    pub death_after_exit: Duration,
    /// So many 404 make a death run.
    pub death_answers: u32,
    /// A run with a larger gap between two 404 is not one run.
    pub death_gap: Duration,
    /// A session that says it is ending, and does not, is stopped after this time.
    pub ending_limit: Duration,
    /// A recorder takes a few seconds to leave its channel after its stop was confirmed; until then a start under its
    /// uid is refused with code 53.
    pub leaving: Duration,
    /// Code 53 so long after the job's own session was stopped still speaks of that session. Its upload may keep it.
    pub leaving_at_most: Duration,
    /// First wait after a failure; doubles.
    pub backoff_first: Duration,
    /// As a Kubernetes Job.
    pub backoff_most: Duration,
    /// Waits before a call with code 65 is repeated, as the vendor documents.
    pub repeat_late: [Duration; 2],
    /// Waits before a start that got a 50x is repeated, as the vendor documents.
    pub repeat_server_fault: [Duration; 3],
    /// Waits between the steps of the vendor's failover ladder, as documented.
    pub repeat_network: [Duration; 3],
    /// How often a missing Secret is looked for.
    pub secret_every: Duration,
    /// Between the begins of two sessions of a job that overlap: a storm of edits must not become one of sessions.
    pub handover_every: Duration,
    /// A replacement that is lost so soon after its start was thrown out by a twin under its uid.
    pub evicted_within: Duration,
    /// A missing Secret is called stuck after this time: tools apply a Secret and its user together.
    pub secret_patience: Duration,
    /// How often another job's claim on the recorder uid is looked at again.
    pub uid_taken_every: Duration,
    /// A vendor refusal that never counts as failure (quota, account) is looked at again this often.
    pub refused_every: Duration,
    /// Failures are forgotten after so long in a confirmed session.
    pub failures_forgotten_after: Duration,
    /// The vendor counts as unreachable after so long without an answer ...
    pub unreachable_after: Duration,
    /// ... and so many failures in a row.
    pub unreachable_failures: u32,
    /// A session is renewed at least this long before its control window or token ends ...
    pub renewal_margin: Duration,
    /// ... or this share of its life, whichever is larger.
    pub renewal_share: f64,
    /// A session whose replacement cannot be started is stopped this long before its control window ends: afterwards
    /// nobody could stop it.
    pub control_last: Duration,
    /// After its token's end the vendor's server still needs a moment to leave the channel.
    pub token_end_margin: Duration,
    /// A token is valid at most this long; assumed where a static token cannot be read.
    pub token_life: Duration,
    /// An end this close to start + idle timeout is taken as idle. The vendor checks in steps.
    pub idle_slack: Duration,
    /// How long a deletion waits for credentials that are gone or refused.
    pub orphan_without_credentials: Duration,
    /// How long a deletion waits for a sid that is not known.
    pub orphan_without_sid: Duration,
    /// How long a deletion waits for the vendor to be reachable (`--orphan-after`).
    pub orphan_unreachable: Duration,
    /// So long another process is left its words of a job before this one, which learnt nothing, has its own again: as long
    /// as a query takes to come round.
    pub say_again: Duration,
    /// A visit that has nothing to do comes back after this time, lest a missed event go unseen.
    pub idle_visit: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            claim_grace: s(30),
            resource_life: s(330),
            confirm_at: [s(5), s(10), s(15), s(20)],
            confirm_every: s(10),
            confirm_within: s(90),
            query_every: s(60),
            query_every_with_notifications: s(120),
            list_every_with_notifications: s(900),
            notifications_trusted_for: s(600),
            query_at_most_every: s(10),
            look_first: s(20),
            missed_intervals: 3,
            arrival: s(60),
            upload_patience: s(1800),
            preflight_fresh: s(3600),
            jitter: 0.1,
            death_every: s(30),
            death_after: s(120),
            death_every_after_exit: s(10),
            death_after_exit: s(30),
            death_answers: 4,
            death_gap: s(45),
            ending_limit: s(300),
            leaving: s(5),
            leaving_at_most: s(120),
            backoff_first: s(10),
            backoff_most: s(360),
            repeat_late: [s(3), s(6)],
            repeat_server_fault: [s(3), s(6), s(9)],
            repeat_network: [s(1), s(3), s(6)],
            secret_every: s(15),
            handover_every: s(60),
            evicted_within: s(90),
            secret_patience: s(120),
            uid_taken_every: s(15),
            refused_every: s(360),
            failures_forgotten_after: s(600),
            unreachable_after: s(60),
            unreachable_failures: 3,
            renewal_margin: s(20 * 60),
            renewal_share: 0.02,
            control_last: s(300),
            token_end_margin: s(120),
            token_life: s(24 * 3600),
            idle_slack: s(60),
            orphan_without_credentials: s(15 * 60),
            orphan_without_sid: s(15 * 60),
            orphan_unreachable: s(24 * 3600),
            say_again: s(60),
            idle_visit: s(600),
        }
    }
}

/// The time a decision is made at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Wall clock; may jump. Compared only with times that were stored.
    pub wall: Timestamp,
    /// Monotonic clock of the process, in product time.
    pub mono: Duration,
    /// Product seconds in a second; 1 but in tests.
    pub scale: u32,
}

impl Moment {
    /// Product time since a stored time; negative if that lies ahead.
    pub fn since(&self, stored: &Time) -> SignedDuration {
        self.wall.duration_since(stored.0) * i32::try_from(self.scale).unwrap_or(i32::MAX)
    }

    /// Product time from a stored time to another; zero if that lies before it.
    pub fn span(&self, from: &Time, to: Timestamp) -> Duration {
        Duration::try_from(to.duration_since(from.0)).unwrap_or_default() * self.scale
    }

    /// Product time until a stored time; zero if it is past.
    pub fn until(&self, stored: &Time) -> Duration {
        Duration::try_from(-self.since(stored)).unwrap_or_default()
    }

    /// Whether at least so much product time is past since a stored time.
    pub fn is_past(&self, stored: &Time, by: Duration) -> bool {
        SignedDuration::try_from(by).is_ok_and(|by| self.since(stored) >= by)
    }

    /// The time, to be stored, that lies so much product time ahead.
    pub fn after(&self, ahead: Duration) -> Time {
        let ahead = SignedDuration::try_from(ahead / self.scale).unwrap_or(SignedDuration::MAX);
        stored(self.wall.checked_add(ahead).unwrap_or(Timestamp::MAX))
    }

    /// The time as it can be stored: whole seconds, as Kubernetes has them.
    pub fn stored(&self) -> Time {
        stored(self.wall)
    }

    /// So much product time as the process has to sleep for.
    pub fn real(&self, product: Duration) -> Duration {
        product / self.scale
    }
}

/// A time in whole seconds, as Kubernetes stores it, so that what is compared later is what was written.
pub fn stored(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_those_of_the_design() {
        let timing = Timing::default();
        let s = Duration::from_secs;
        assert_eq!(timing.claim_grace, s(30));
        assert_eq!(timing.resource_life, s(330));
        assert_eq!(timing.confirm_at, [s(5), s(10), s(15), s(20)]);
        assert_eq!(timing.confirm_within, s(90));
        assert_eq!(timing.query_every, s(60));
        assert_eq!(timing.query_at_most_every, s(10));
        assert_eq!((timing.look_first, timing.arrival, timing.missed_intervals), (s(20), s(60), 3));
        assert_eq!((timing.upload_patience, timing.preflight_fresh), (s(1800), s(3600)));
        assert_eq!((timing.death_after, timing.death_answers, timing.death_gap), (s(120), 4, s(45)));
        assert!(timing.death_every < timing.death_gap);
        assert_eq!((timing.death_after_exit, timing.death_every_after_exit), (s(30), s(10)));
        assert_eq!(
            (timing.query_every_with_notifications, timing.notifications_trusted_for),
            (s(120), s(600))
        );
        assert_eq!((timing.leaving, timing.leaving_at_most), (s(5), s(120)));
        assert_eq!((timing.backoff_first, timing.backoff_most), (s(10), s(360)));
        assert_eq!(timing.repeat_late, [s(3), s(6)]);
        assert_eq!(timing.repeat_server_fault, [s(3), s(6), s(9)]);
        assert_eq!(timing.repeat_network, [s(1), s(3), s(6)]);
        assert_eq!((timing.handover_every, timing.evicted_within), (s(60), s(90)));
        assert_eq!(timing.secret_every, s(15));
        assert_eq!(timing.failures_forgotten_after, s(600));
        assert_eq!(timing.control_last, s(300));
        assert_eq!((timing.renewal_margin, timing.token_end_margin), (s(1200), s(120)));
        assert_eq!(timing.orphan_without_credentials, s(900));
        assert_eq!(timing.orphan_without_sid, s(900));
        assert_eq!(timing.orphan_unreachable, s(86_400));
        assert_eq!(timing.say_again, s(60));
    }

    #[test]
    fn the_scale_stretches_elapsed_time_and_shrinks_waits() {
        let wall: Timestamp = "2026-01-01T00:01:00Z".parse().expect("a time");
        let start = Time("2026-01-01T00:00:00Z".parse().expect("a time"));
        let now = Moment { wall, mono: Duration::ZERO, scale: 60 };
        assert_eq!(now.since(&start), SignedDuration::from_hours(1));
        assert!(now.is_past(&start, Duration::from_secs(3600)));
        assert!(!now.is_past(&start, Duration::from_secs(3601)));
        assert_eq!(now.after(Duration::from_secs(600)).0, "2026-01-01T00:01:10Z".parse().expect("a time"));
        assert_eq!(now.real(Duration::from_secs(60)), Duration::from_secs(1));
        assert_eq!(now.until(&now.after(Duration::from_secs(600))), Duration::from_secs(600));
    }
}
