//! When a session counts as dead. A 404 alone proves nothing: the vendor answers it, too, while a session moves to
//! another server. Only a run of them does.

use std::time::Duration;

use super::timing::Timing;

/// Consecutive 404 answers for one session, on the monotonic clock. Lives in memory only: a restart begins anew,
/// which errs towards "alive".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeathRun {
    /// When the first answer came.
    pub first: Duration,
    /// When the newest answer came.
    pub last: Duration,
    /// How many there are.
    pub answers: u32,
}

impl DeathRun {
    /// The run after one more 404 at `now`.
    pub fn with_answer(run: Option<Self>, now: Duration, timing: &Timing) -> Self {
        match run {
            Some(run) if now.saturating_sub(run.last) <= timing.death_gap => {
                Self { first: run.first, last: now, answers: run.answers + 1 }
            }
            Some(_) | None => Self { first: now, last: now, answers: 1 },
        }
    }

    /// Whether the run proves the session dead, where that takes so long a run.
    pub fn is_dead(&self, after: Duration, timing: &Timing) -> bool {
        self.answers >= timing.death_answers && self.last.saturating_sub(self.first) >= after
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(gaps: &[u64]) -> DeathRun {
        let timing = Timing::default();
        let mut now = Duration::from_secs(1000);
        let mut run = DeathRun::with_answer(None, now, &timing);
        for gap in gaps {
            now += Duration::from_secs(*gap);
            run = DeathRun::with_answer(Some(run), now, &timing);
        }
        run
    }

    #[test]
    fn a_run_needs_length_and_answers_and_no_gap() {
        let timing = Timing::default();
        for (gaps, dead, reason) in [
            (&[40, 40, 40][..], true, "four answers over two minutes"),
            (&[30, 30, 30], false, "90 s is a failover"),
            (&[45, 45, 30], true, "the largest gap allowed"),
            (&[46, 40, 40], false, "a gap starts the run again"),
            (&[46, 40, 40, 40], true, "and it can end later"),
            (&[10; 11], false, "110 s are too short, however many answers"),
            (&[10; 12], true, "120 s and many answers"),
        ] {
            assert_eq!(run(gaps).is_dead(timing.death_after, &timing), dead, "{reason}");
        }
    }

    proptest! {
        #[test]
        fn no_run_shorter_than_a_failover_is_death(gaps in prop::collection::vec(0u64..60, 0..40)) {
            let timing = Timing::default();
            let run = run(&gaps);
            if run.is_dead(timing.death_after, &timing) {
                prop_assert!(gaps.iter().sum::<u64>() >= 120);
                prop_assert!(run.answers >= 4);
            }
        }
    }
}
