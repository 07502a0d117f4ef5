//! The end of a visit: writes what was learnt. Not a claim: a write that meets somebody else's is repeated on top of it,
//! with the same result worked in again, until it is saved. A sid that is lost cannot be had again.

use std::time::Duration;

use kube::ResourceExt;
use tracing::{error, warn};

use super::perform::{Happened, learn};
use super::{Presence, Visit};
use crate::api::status::Session;
use crate::cluster::jobs::KubeError;
use crate::lifecycle::observed::Observed;
use crate::lifecycle::outcome::{Outcome, Started};
use crate::lifecycle::report::report;

/// Waits between writes that were not answered as they should. After the last the result stays in memory and is saved
/// by the next visit.
const SAVE_AGAIN: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Conflicts in a row after which something is wrong with the writer beside us.
const CONFLICTS: usize = 20;

impl Visit<'_> {
    /// Works what happened into the status and writes it. True: what only this process knows is saved.
    pub(super) async fn save(&mut self, happened: &Happened) -> Result<(), KubeError> {
        let unlearnt = self.seen.clone();
        let mut waits = SAVE_AGAIN.iter();
        let mut conflicts = 0;
        self.work_in(happened);
        if self.presence != Presence::Present {
            return Ok(());
        }
        loop {
            self.leave_others_words(happened);
            let wanted = self.stored.with_status(&self.seen.status);
            if wanted.status == self.stored.status {
                self.context.metrics.status_report(false);
                self.remember_what_is_said();
                return Ok(());
            }
            let error = match self.context.jobs.replace_status(&wanted).await {
                Ok(stored) => {
                    self.context.metrics.status_report(true);
                    self.stored = stored;
                    self.remember_what_is_said();
                    return Ok(());
                }
                Err(KubeError::Gone) => return Err(KubeError::Gone),
                Err(KubeError::Invalid(words)) => {
                    self.save_sessions_alone(&words).await?;
                    return Err(KubeError::Invalid(words));
                }
                Err(KubeError::Conflict) if conflicts < CONFLICTS => {
                    conflicts += 1;
                    match self.take_newer(&unlearnt, happened).await {
                        Ok(()) => continue,
                        Err(error @ KubeError::Other(_)) => error,
                        Err(error) => return Err(error),
                    }
                }
                Err(error @ (KubeError::Conflict | KubeError::Other(_))) => error,
            };
            let Some(wait) = waits.next() else { return Err(error) };
            warn!(job = self.stored.full_name(), %error, "the status was not saved; it is tried again");
            tokio::time::sleep(*wait).await;
            // The write may have landed although its answer was lost. What cannot be read is tried again with the write.
            match self.take_newer(&unlearnt, happened).await {
                Ok(()) | Err(KubeError::Other(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Says what another process says, if this one learnt nothing that it had not said before.
    fn leave_others_words(&mut self, happened: &Happened) {
        let stored = self.stored.status();
        let (now, timing) = (self.seen.now.mono, self.seen.timing);
        self.left = matches!(happened, Happened::Nothing)
            .then(|| self.said.leaves(&stored, &self.seen.status, now, &timing))
            .flatten();
        if self.left.is_some() {
            self.seen.status = stored;
        }
    }

    fn remember_what_is_said(&mut self) {
        if self.left.is_none() {
            self.said.say(&self.seen.status);
        }
    }

    fn work_in(&mut self, happened: &Happened) {
        self.notices.extend(learn(&mut self.seen, happened, self.context.look_again));
        report(&mut self.seen);
    }

    /// Reads the object anew and works the result into it. The generation stays that of the visit: the status never
    /// claims a newer one than was acted upon.
    async fn take_newer(&mut self, unlearnt: &Observed, happened: &Happened) -> Result<(), KubeError> {
        let newer = self.context.jobs.get(&self.seen.job.namespace, &self.seen.job.name).await?;
        if newer.uid() != self.stored.uid() {
            return Err(KubeError::Gone);
        }
        self.seen = Observed { status: newer.status(), ..unlearnt.clone() };
        self.stored = newer;
        self.seen.join();
        let notices = learn(&mut self.seen, happened, self.context.look_again);
        report(&mut self.seen);
        drop(notices);
        if let Happened::Started { claim, outcome, .. } = happened
            && let Some(sid) = sid(outcome)
            && !self.still_claims(claim)
        {
            self.stop_in_hand(claim, sid).await;
        }
        Ok(())
    }

    fn still_claims(&self, claim: &Session) -> bool {
        self.seen.status.sessions.iter().any(|session| session.nonce == claim.nonce)
    }

    /// The API server refuses the status as a whole: the sessions matter, the rest is words.
    pub(super) async fn save_sessions_alone(&mut self, words: &str) -> Result<(), KubeError> {
        error!(
            job = self.stored.full_name(),
            words, "the API server refused the status; its sessions are saved alone"
        );
        let alone = self.stored.with_sessions(&self.seen.status.sessions);
        self.stored = self.context.jobs.replace_status(&alone).await?;
        Ok(())
    }
}

/// The sid that a start gave, if it gave one.
pub(super) fn sid(outcome: &Outcome<Started>) -> Option<&str> {
    match outcome {
        Outcome::Confirmed(Started::New { sid } | Started::Already { sid: Some(sid) }) => Some(sid),
        Outcome::Confirmed(Started::Already { sid: None })
        | Outcome::Rejected(_)
        | Outcome::Unknown(_)
        | Outcome::NotSent(_) => None,
    }
}
