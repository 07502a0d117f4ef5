//! Who may lead: decided from what the Lease says and from how long it was seen to say so.
//!
//! Pure. Times are those of the candidate's own monotonic clock, since a moment of its own; what others wrote of the
//! time is never compared, for their clocks may differ by an hour. Whoever leads stops believing so `renew_deadline`
//! after it *sent* its last successful renewal; whoever waits takes over a whole lease duration after it *saw* that
//! renewal. The first is shorter than the second, so no two believe it at once while their clocks run at one speed.

use std::time::Duration;

/// A moment, as the time since one that the candidate chose.
pub(super) type Moment = Duration;

/// What decides of a Lease's spec. Two that are equal are the same renewal: `renewed` is the text of `renewTime`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Record {
    /// `holderIdentity`; `None` where it is absent or empty.
    pub(super) holder: Option<String>,
    /// `leaseDurationSeconds`, by which the holder has bound itself.
    pub(super) duration: Option<Duration>,
    /// `renewTime`, only to tell one renewal from the next.
    pub(super) renewed: Option<String>,
    /// `leaseTransitions`.
    pub(super) transitions: i32,
}

/// What to do about the Lease.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    /// It has to be read first.
    Look,
    /// There is none: create it with us as its holder.
    Create,
    /// Nobody holds it any more: write us as its holder.
    TakeOver,
    /// It is ours: write that we are still there.
    Renew,
    /// It is another's for at least so long.
    Wait(Duration),
    /// We led and must not go on.
    Lose(Loss),
}

/// Why leadership is over.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Loss {
    /// Another process holds the Lease.
    #[error("{0} holds the Lease")]
    Taken(String),
    /// It could not be renewed in time.
    #[error("the Lease could not be renewed within {} s", .0.as_secs_f64())]
    NotRenewed(Duration),
}

/// One process that would lead.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    identity: String,
    lease_duration: Duration,
    renew_deadline: Duration,
    /// What the Lease said when it was last read or written, and since when it says so; the inner `None`: there is
    /// no Lease. The outer: it has to be read.
    seen: Option<(Option<Record>, Moment)>,
    /// While leading: when the last successful renewal was sent.
    renewal_sent: Option<Moment>,
}

impl Candidate {
    /// One that knows nothing of the Lease yet.
    pub(super) fn new(identity: String, lease_duration: Duration, renew_deadline: Duration) -> Self {
        Self { identity, lease_duration, renew_deadline, seen: None, renewal_sent: None }
    }

    /// The Lease was read.
    pub(super) fn looked(&mut self, found: Option<Record>, now: Moment) {
        match &self.seen {
            Some((known, _)) if *known == found => {}
            Some(_) | None => self.seen = Some((found, now)),
        }
    }

    /// What is known of the Lease may be old: a write of ours was refused, or its outcome is not known.
    pub(super) fn doubted(&mut self) {
        if self.leads() {
            self.seen = None;
        }
    }

    /// We wrote ourselves as its holder in a request that was sent at `sent` and has succeeded.
    pub(super) fn written(&mut self, record: Record, sent: Moment) {
        self.seen = Some((Some(record), sent));
        self.renewal_sent = Some(sent);
    }

    /// Whether it has led since it was made. [`Candidate::leads_until`] says how long it may still believe so.
    pub(super) fn leads(&self) -> bool {
        self.renewal_sent.is_some()
    }

    /// Until when it may believe that it leads.
    pub(super) fn leads_until(&self) -> Option<Moment> {
        self.renewal_sent.map(|sent| sent.saturating_add(self.renew_deadline))
    }

    /// `leaseTransitions` to write: how often the Lease has passed from one holder to another.
    pub(super) fn transitions(&self) -> i32 {
        let Some((Some(record), _)) = &self.seen else { return 0 };
        let ours = record.holder.as_ref() == Some(&self.identity);
        if ours { record.transitions } else { record.transitions.saturating_add(1) }
    }

    /// What to do now.
    pub(super) fn decide(&self, now: Moment) -> Decision {
        if self.leads_until().is_some_and(|until| now >= until) {
            return Decision::Lose(Loss::NotRenewed(self.renew_deadline));
        }
        let Some((found, since)) = &self.seen else { return Decision::Look };
        let Some(record) = found else { return Decision::Create };
        match &record.holder {
            Some(holder) if *holder == self.identity => Decision::Renew,
            Some(holder) if self.leads() => Decision::Lose(Loss::Taken(holder.clone())),
            Some(_) => {
                let duration = record.duration.unwrap_or(self.lease_duration);
                match since.saturating_add(duration).saturating_sub(now) {
                    Duration::ZERO => Decision::TakeOver,
                    left => Decision::Wait(left),
                }
            }
            None => Decision::TakeOver,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);
    const DEADLINE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn record(holder: &str, renewed: u64) -> Record {
        Record {
            holder: (!holder.is_empty()).then(|| holder.to_owned()),
            duration: Some(LEASE),
            renewed: Some(renewed.to_string()),
            transitions: 3,
        }
    }

    fn standby(seen: Option<Record>) -> Candidate {
        let mut candidate = Candidate::new("me".into(), LEASE, DEADLINE);
        candidate.looked(seen, at(100));
        candidate
    }

    fn leader() -> Candidate {
        let mut candidate = standby(None);
        candidate.written(record("me", 1), at(100));
        candidate
    }

    #[test]
    fn what_the_lease_says_decides() {
        let other = || standby(Some(record("other", 1)));
        let with = |mut candidate: Candidate, seen: Option<Record>, now| {
            candidate.looked(seen, at(now));
            candidate
        };
        let short = Record { duration: Some(at(2)), ..record("other", 1) };
        let unbound = Record { duration: None, ..record("other", 1) };
        let doubtful = {
            let mut candidate = leader();
            candidate.doubted();
            candidate
        };
        let deadline_passed = Decision::Lose(Loss::NotRenewed(DEADLINE));
        let taken = Decision::Lose(Loss::Taken("other".into()));
        for (what, candidate, now, expected) in [
            ("nothing was read yet", Candidate::new("me".into(), LEASE, DEADLINE), 0, Decision::Look),
            ("there is none", standby(None), 100, Decision::Create),
            ("it was released", standby(Some(record("", 1))), 100, Decision::TakeOver),
            ("it is new to us, whatever its times say", other(), 100, Decision::Wait(LEASE)),
            ("it is another's", other(), 114, Decision::Wait(at(1))),
            ("the other was silent for the whole of it", other(), 115, Decision::TakeOver),
            ("the other lives", with(other(), Some(record("other", 2)), 114), 120, Decision::Wait(at(9))),
            (
                "seeing the same again is no sign of life",
                with(other(), Some(record("other", 1)), 114),
                115,
                Decision::TakeOver,
            ),
            ("its holder bound itself for less", standby(Some(short)), 102, Decision::TakeOver),
            ("its holder did not say how long", standby(Some(unbound)), 114, Decision::Wait(at(1))),
            ("a write of ours had its effect unheard", standby(Some(record("me", 1))), 100, Decision::Renew),
            ("we lead", leader(), 102, Decision::Renew),
            ("we lead and somebody deleted it", with(leader(), None, 101), 102, Decision::Create),
            (
                "we lead and somebody emptied it",
                with(leader(), Some(record("", 9)), 101),
                102,
                Decision::TakeOver,
            ),
            ("we lead and do not know what became of a write", doubtful, 102, Decision::Look),
            ("we led and another has it", with(leader(), Some(record("other", 9)), 101), 102, taken),
            ("we led until the deadline", leader(), 109, Decision::Renew),
            ("the deadline has passed", leader(), 110, deadline_passed.clone()),
            (
                "nor is it ours after standing still",
                with(leader(), Some(record("me", 9)), 200),
                200,
                deadline_passed,
            ),
        ] {
            assert_eq!(candidate.decide(at(now)), expected, "{what}");
        }
    }

    #[test]
    fn transitions_count_the_holders() {
        assert_eq!(standby(None).transitions(), 0);
        assert_eq!(standby(Some(record("other", 1))).transitions(), 4);
        assert_eq!(standby(Some(record("", 1))).transitions(), 4);
        assert_eq!(leader().transitions(), 3);
    }

    #[test]
    fn losses_are_told_in_words() {
        assert_eq!(Loss::Taken("pod_1".into()).to_string(), "pod_1 holds the Lease");
        let late = Loss::NotRenewed(Duration::from_millis(1500)).to_string();
        assert_eq!(late, "the Lease could not be renewed within 1.5 s");
    }
}
