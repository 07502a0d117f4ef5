//! How long to wait before the next try.

use std::time::Duration;

use super::outcome::{Answer, Kind};
use super::timing::Timing;

/// The wait after the `failures`-th failure in a row (from 1): doubling, bounded.
pub fn after_failure(failures: u32, timing: &Timing) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    timing.backoff_first.saturating_mul(1 << doublings).min(timing.backoff_most)
}

/// The wait before a call is repeated that was answered by `answer`, after `repeats` repeats (from 0). The vendor
/// documents the first waits of each kind; beyond them it is a failure like any other.
pub fn before_repeat(answer: &Answer, repeats: u32, timing: &Timing) -> Duration {
    let documented: &[Duration] = match answer.kind {
        Kind::Late => &timing.repeat_late,
        Kind::BackendTimeout | Kind::ServerFault | Kind::NoWorker => &timing.repeat_server_fault,
        Kind::TimedOut | Kind::ConnectionLost | Kind::Unreachable | Kind::Unreadable => {
            &timing.repeat_network
        }
        Kind::Unauthorized
        | Kind::AppIdInvalid
        | Kind::NoRoute
        | Kind::RateLimited
        | Kind::InvalidParameter
        | Kind::AccountSuspended
        | Kind::QuotaExceeded
        | Kind::Conflict
        | Kind::ResourceInvalid
        | Kind::NotFound => &[],
    };
    let nth = usize::try_from(repeats).unwrap_or(usize::MAX);
    let beyond = repeats.saturating_sub(u32::try_from(documented.len()).unwrap_or(0));
    let wait = documented.get(nth).copied().unwrap_or_else(|| after_failure(beyond + 1, timing));
    answer.retry_after.map_or(wait, |asked| wait.max(asked))
}

/// An interval with its share of jitter, which is only ever added.
pub fn with_jitter(interval: Duration, jitter: f64, timing: &Timing) -> Duration {
    interval + interval.mul_f64(timing.jitter * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: Kind, retry_after: Option<u64>) -> Answer {
        let retry_after = retry_after.map(Duration::from_secs);
        Answer { kind, http: None, code: None, words: String::new(), retry_after }
    }

    #[test]
    fn waits_are_the_documented_ones_and_then_double() {
        let timing = Timing::default();
        for (kind, waits) in [
            (Kind::Late, &[3u64, 6, 10, 20, 40][..]),
            (Kind::ServerFault, &[3, 6, 9, 10, 20]),
            (Kind::Unreachable, &[1, 3, 6, 10, 20, 40, 80, 160, 320, 360, 360]),
            (Kind::QuotaExceeded, &[10, 20, 40]),
        ] {
            for (n, seconds) in (0u32..).zip(waits) {
                let wait = before_repeat(&answer(kind, None), n, &timing);
                assert_eq!(wait, Duration::from_secs(*seconds), "{kind:?} repeat {n}");
            }
        }
    }

    #[test]
    fn the_vendor_may_ask_for_more_never_for_less() {
        let timing = Timing::default();
        let wait = |retry_after| before_repeat(&answer(Kind::RateLimited, Some(retry_after)), 0, &timing);
        assert_eq!(wait(60), Duration::from_secs(60));
        assert_eq!(wait(1), Duration::from_secs(10));
        assert_eq!(after_failure(u32::MAX, &timing), timing.backoff_most);
    }

    #[test]
    fn jitter_is_only_added() {
        let timing = Timing::default();
        let minute = Duration::from_secs(60);
        assert_eq!(with_jitter(minute, 0.0, &timing), minute);
        assert_eq!(with_jitter(minute, 1.0, &timing), Duration::from_secs(66));
        assert_eq!(with_jitter(minute, -5.0, &timing), minute);
    }
}
