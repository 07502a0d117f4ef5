//! Whether a running session still is what is wanted, or has to make room for a new one. Only asks; `plan` acts.

use super::observed::Observed;
use super::spec_hash::{self, Difference};
use crate::api::status::Session;

/// Whether the session has to make room for a new one: it is not what is wanted, or ends before long.
pub(super) fn is_due(seen: &Observed, session: &Session) -> bool {
    seen.restart_wanted()
        || is_renewal_due(seen, session)
        || wanted_difference(seen, session) == Difference::Body
}

/// How the session's spec stands to the wanted one.
pub(super) fn wanted_difference(seen: &Observed, session: &Session) -> Difference {
    seen.spec
        .as_ref()
        .map_or(Difference::None, |spec| spec_hash::difference(&session.spec_hash, &spec_hash::of(spec)))
}

/// Whether the session has to make room for a new one because its control window or its token ends. The margin grows
/// by jitter that is stable per job, so that jobs started together are not renewed together.
pub(super) fn is_renewal_due(seen: &Observed, session: &Session) -> bool {
    let Some(start) = &session.start_time else { return false };
    // A new session with the same token would end with it, too.
    let token_end =
        session.token_end_time.as_ref().filter(|end| seen.token_end.is_none_or(|new| new > end.0));
    let end = session.control_end_time.as_ref().into_iter().chain(token_end).min();
    let Some(end) = end else { return false };
    let life = seen.now.span(start, end.0);
    let margin = seen.timing.renewal_margin.max(life.mul_f64(seen.timing.renewal_share));
    let spread = margin.mul_f64(job_share(&seen.job.uid));
    // A life shorter than four margins is renewed at three quarters of it, else it would be renewed all the time.
    seen.now.until(end) <= (margin + spread).min(life / 4)
}

/// Whether the session has to be stopped now, whatever stands in the way of a new one: soon nobody could.
pub(super) fn is_last_stop_due(seen: &Observed, session: &Session) -> bool {
    let (Some(start), Some(end)) = (&session.start_time, &session.control_end_time) else { return false };
    let life = seen.now.span(start, end.0);
    seen.now.until(end) <= seen.timing.control_last.min(life / 4)
}

/// 0 to 1, the same for the same job.
fn job_share(uid: &str) -> f64 {
    let sum = uid.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    f64::from(sum % 1000) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_started_together_are_not_renewed_together() {
        let shares: std::collections::BTreeSet<u64> =
            (0..50).map(|n| (job_share(&format!("3f0c-{n}")) * 1000.0) as u64).collect();
        assert!(shares.len() > 30, "{shares:?}");
        assert!(shares.iter().all(|share| *share < 1000));
    }
}
