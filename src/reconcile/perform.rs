//! The middle of a visit: does the planned step, with at most one exchange with the vendor but for a new session, which
//! is `begin`'s. Owns what happened as data, and the writes that have to come before a call.

use kube::ResourceExt;
use tracing::{error, info, warn};

use super::observe::with_channel_of;
use super::{Presence, Visit};
use crate::agora::bodies;
use crate::agora::budget::{JobKey, Priority};
use crate::agora::client::{SessionAddress, StopMode};
use crate::api::status::{Session, SessionState};
use crate::cluster::jobs::KubeError;
use crate::lifecycle::arriving::Sight;
use crate::lifecycle::bounds::OrphanCause;
use crate::lifecycle::claims;
use crate::lifecycle::notice::Notice;
use crate::lifecycle::observed::Observed;
use crate::lifecycle::outcome::{Outcome, Queried, Started, Stopped};
use crate::lifecycle::plan::{Step, StopCause};
use crate::lifecycle::preflight::{self, Mark, Probed};
use crate::lifecycle::recovery::{self, Found};
use crate::lifecycle::report::report;
use crate::lifecycle::{answers, hearing, spec_hash, words};

/// So long an event about what may go on being billed is waited for, before the object forgets it.
const TELL_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// What came of a step. Plain data, so that it can be worked into a newer object again.
#[derive(Clone, Debug)]
pub(super) enum Happened {
    /// Nothing that the status has to tell.
    Nothing,
    /// Somebody else wrote first: everything has to be looked at again.
    LookAgain,
    /// The same, and it was the claim that came second.
    ClaimLost,
    /// The object is let go of.
    Released,
    /// A probe object was written into the bucket of this mark, or refused.
    Preflighted(Mark, Probed),
    /// No resourceId was given.
    NotAcquired(Outcome<()>),
    /// A start was answered.
    Started {
        /// The claim it was sent for.
        claim: Box<Session>,
        /// Hash of the spec that was sent.
        hash: String,
        /// The answer.
        outcome: Outcome<Started>,
    },
    /// A query was answered.
    Queried(i64, Outcome<Queried>),
    /// An update was answered; with the hash of the spec that was sent.
    Updated(i64, String, Outcome<()>),
    /// A stop was answered; with what had arrived by then, where that could be seen.
    Stopped(i64, Outcome<Stopped>, Sight),
    /// A session was reported as an orphan.
    Orphaned(i64, OrphanCause, Option<jiff::Timestamp>),
    /// The bucket was looked into.
    Looked(i64, Sight),
    /// The bucket was searched for a lost sid.
    Searched(i64, Found),
    /// A query with a sid that was found was answered.
    Verified(i64, String, Outcome<Queried>),
}

/// Works what happened into an observation.
pub(super) fn learn(
    seen: &mut Observed,
    happened: &Happened,
    look_again: std::time::Duration,
) -> Vec<Notice> {
    match happened.clone() {
        Happened::Nothing | Happened::LookAgain | Happened::ClaimLost | Happened::Released => Vec::new(),
        Happened::Preflighted(of, probed) => preflight::probed(seen, of, probed),
        Happened::NotAcquired(outcome) => answers::not_acquired(seen, &outcome),
        Happened::Started { claim, hash, outcome } => {
            // Another's claim may have its number by now; the sid is none of that one's.
            let is_it = seen.session(claim.attempt).is_some_and(|session| session.nonce == claim.nonce);
            if is_it { answers::started(seen, claim.attempt, &hash, outcome) } else { Vec::new() }
        }
        Happened::Queried(attempt, outcome) => answers::queried(seen, attempt, outcome),
        Happened::Updated(attempt, hash, outcome) => answers::updated(seen, attempt, &hash, outcome),
        Happened::Stopped(attempt, outcome, sight) => {
            answers::looked(seen, attempt, sight, look_again);
            answers::stopped(seen, attempt, outcome)
        }
        Happened::Orphaned(attempt, cause, _) => answers::orphaned(seen, attempt, cause),
        Happened::Looked(attempt, sight) => {
            answers::looked(seen, attempt, sight, look_again);
            Vec::new()
        }
        Happened::Searched(attempt, found) => {
            recovery::searched(seen, attempt, found);
            Vec::new()
        }
        Happened::Verified(attempt, sid, outcome) => recovery::verified(seen, attempt, &sid, outcome),
    }
}

impl Visit<'_> {
    /// Does the step.
    pub(super) async fn perform(&mut self, step: Step) -> Result<Happened, KubeError> {
        match step {
            Step::Wait(_) | Step::Refuse(_, _) => Ok(Happened::Nothing),
            Step::AddFinalizer => match self.context.jobs.set_finalizer(&self.stored, true).await {
                Ok(stored) => {
                    // Nothing to say yet: the claim, or what stands in its way, is written by the next visit.
                    self.stored = stored;
                    Ok(Happened::LookAgain)
                }
                Err(KubeError::Conflict) => self.look_anew(Happened::LookAgain).await,
                Err(error) => Err(error),
            },
            Step::RemoveFinalizer => self.release().await,
            Step::Delete => match self.context.jobs.delete(&self.stored).await {
                Ok(()) | Err(KubeError::Gone) => Ok(Happened::Nothing),
                Err(KubeError::Conflict) => self.look_anew(Happened::LookAgain).await,
                Err(error) => Err(error),
            },
            Step::Preflight => Ok(self.preflight().await),
            Step::Start(next) => self.start(next).await,
            Step::StartAgain { attempt } => self.start_again(attempt).await,
            Step::Query { attempt } => Ok(self.query(attempt).await),
            Step::Update { attempt } => Ok(self.update(attempt).await),
            Step::Look { attempt } => Ok(self.look(attempt).await),
            Step::FindSid { attempt } => Ok(self.find_sid(attempt).await),
            Step::Verify { attempt, sid } => Ok(self.verify(attempt, sid).await),
            Step::Stop { attempt, cause } => self.stop(attempt, cause).await,
            Step::Orphan { attempt, cause } => Ok(self.orphan(attempt, cause).await),
        }
    }

    async fn release(&mut self) -> Result<Happened, KubeError> {
        if self.seen.job.deleting && !self.seen.unreadable.is_empty() {
            self.tell_of_unreadable().await;
        }
        // An object that stays is not seen again: what it says has to be true until there is an operator once more.
        if self.context.withdrawing
            && !self.seen.job.deleting
            && let Some(happened) = self.store_first().await?
        {
            return Ok(happened);
        }
        match self.context.jobs.set_finalizer(&self.stored, false).await {
            Ok(_) | Err(KubeError::Gone) => Ok(Happened::Released),
            Err(KubeError::Conflict) => self.look_anew(Happened::LookAgain).await,
            Err(error) => Err(error),
        }
    }

    /// What we know is old: reads the object anew, lest the next visit, on a watch cache that lags behind, meets the
    /// same conflict.
    pub(super) async fn look_anew(&mut self, happened: Happened) -> Result<Happened, KubeError> {
        let newer = self.context.jobs.get(&self.seen.job.namespace, &self.seen.job.name).await?;
        if newer.uid() != self.stored.uid() {
            return Err(KubeError::Gone);
        }
        self.stored = newer;
        Ok(happened)
    }

    // === writes in mid-visit ===

    /// Writes what must not be lost before the call that follows. `Some` means that it must not be made.
    pub(super) async fn store_first(&mut self) -> Result<Option<Happened>, KubeError> {
        if self.presence != Presence::Present {
            return Ok(None);
        }
        report(&mut self.seen);
        if self.stored.with_status(&self.seen.status).status == self.stored.status {
            return Ok(None);
        }
        let written = match self.write_status().await {
            Err(KubeError::Invalid(words)) => self.save_sessions_alone(&words).await,
            written => written,
        };
        match written {
            Ok(()) => Ok(None),
            Err(KubeError::Conflict) => self.look_anew(Happened::LookAgain).await.map(Some),
            Err(error @ (KubeError::Gone | KubeError::Invalid(_) | KubeError::Other(_))) => Err(error),
        }
    }

    /// Writes the status as it is in mid-visit, on the resourceVersion that was observed.
    pub(super) async fn write_status(&mut self) -> Result<(), KubeError> {
        let wanted = self.stored.with_status(&self.seen.status);
        self.stored = self.context.jobs.replace_status(&wanted).await?;
        self.context.metrics.status_report(true);
        self.note_transition();
        Ok(())
    }

    // === control ===

    async fn query(&mut self, attempt: i64) -> Happened {
        let (Some(session), Some(account)) = (self.session(attempt), self.account.clone()) else {
            return Happened::Nothing;
        };
        let Some(address) = SessionAddress::of(&session) else { return Happened::Nothing };
        let late = self.seen.now.mono.saturating_sub(self.seen.known(&session).gate);
        self.context.metrics.poll_late(self.seen.now.real(late));
        let priority = if session.confirm_time.is_some() { Priority::Query } else { Priority::Recover };
        let outcome = self.context.agora.query(&account, &address, priority, &self.job_key()).await;
        self.seen.now = self.context.clock.now();
        Happened::Queried(attempt, outcome)
    }

    /// Asks for the session under a sid that was found; whether it is meant the answer tells.
    async fn verify(&mut self, attempt: i64, sid: String) -> Happened {
        let (Some(session), Some(account)) = (self.session(attempt), self.account.clone()) else {
            return Happened::Nothing;
        };
        let session = Session { sid: Some(sid.clone()), ..session };
        let Some(address) = SessionAddress::of(&session) else { return Happened::Nothing };
        let outcome = self.context.agora.query(&account, &address, Priority::Recover, &self.job_key()).await;
        self.seen.now = self.context.clock.now();
        Happened::Verified(attempt, sid, outcome)
    }

    async fn update(&mut self, attempt: i64) -> Happened {
        let (Some(session), Ok(spec), Some(material)) =
            (self.session(attempt), self.seen.spec.clone(), self.material.clone())
        else {
            return Happened::Nothing;
        };
        let sent = with_channel_of(&spec, &session);
        let Some(address) = SessionAddress::of(&session) else { return Happened::Nothing };
        let Ok(body) = bodies::update_body(&sent, session.recorder_uid, &material) else {
            return Happened::Nothing;
        };
        let outcome = self.context.agora.update(&material.account, &address, &body, &self.job_key()).await;
        self.seen.now = self.context.clock.now();
        Happened::Updated(attempt, spec_hash::of(&spec), outcome)
    }

    async fn stop(&mut self, attempt: i64, cause: StopCause) -> Result<Happened, KubeError> {
        let Some(account) = self.account.clone() else { return Ok(Happened::Nothing) };
        let marked_before =
            self.session(attempt).is_some_and(|session| session.state == SessionState::Stopping);
        claims::stopping(&mut self.seen, attempt, cause);
        // Stored before it is sent: such a session is never believed to be running again.
        if !marked_before {
            match self.store_first().await {
                Ok(None) => {}
                Ok(Some(happened)) => return Ok(happened),
                // What is to go must not go on because nobody may write that it shall.
                Err(KubeError::Invalid(_)) if self.seen.job.deleting => {}
                Err(error) => return Err(error),
            }
        }
        let Some(session) = self.session(attempt) else { return Ok(Happened::LookAgain) };
        let recorder_uid = hearing::stop_uid(&session, self.seen.known(&session));
        let session = Session { recorder_uid, ..session };
        let Some(address) = SessionAddress::of(&session) else { return Ok(Happened::Nothing) };
        let agora = &self.context.agora;
        let outcome = agora.stop(&account, &address, StopMode::AwaitUpload, &self.job_key()).await;
        self.seen.now = self.context.clock.now();
        // An object that goes has nobody left to read the count.
        let counts = matches!(outcome, Outcome::Confirmed(_)) && !self.seen.job.deleting;
        let sight = if counts { self.count_snapshots().await } else { Sight::default() };
        Ok(Happened::Stopped(attempt, outcome, sight))
    }

    /// Stops a session whose claim is no longer ours, with the sid that is in hand and will not be had again.
    pub(super) async fn stop_in_hand(&self, claim: &Session, sid: &str) {
        let Some(material) = &self.material else { return };
        let session = Session { sid: Some(sid.to_owned()), ..claim.clone() };
        let Some(address) = SessionAddress::of(&session) else { return };
        warn!(
            sid,
            resource_id = claim.resource_id,
            "the claim is no longer ours: its session is stopped at once"
        );
        let outcome =
            self.context.agora.stop(&material.account, &address, StopMode::Detached, &self.job_key()).await;
        match outcome {
            Outcome::Confirmed(_) => info!(sid, "stopped"),
            Outcome::Rejected(answer) | Outcome::Unknown(answer) | Outcome::NotSent(answer) => {
                self.context.metrics.orphan_left(claim.token_end_time.as_ref().map(|end| end.0));
                error!(
                    sid,
                    app_id = claim.app_id,
                    channel = claim.channel,
                    recorder_uid = claim.recorder_uid,
                    resource_id = claim.resource_id,
                    answer = words::said(&answer),
                    "a session may still run and be billed: its claim is no longer ours and it could not be stopped"
                );
            }
        }
    }

    /// Told before the status forgets it: a process that ends in between tells it again.
    async fn orphan(&mut self, attempt: i64, cause: OrphanCause) -> Happened {
        let Some(session) = self.session(attempt) else { return Happened::Nothing };
        let words = words::orphan(&session, cause);
        if cause != OrphanCause::Policy {
            error!(job = self.stored.full_name(), "{words}");
        }
        self.publish(Notice::orphan(words));
        self.context.events.flush(TELL_LIMIT).await;
        Happened::Orphaned(attempt, cause, session.token_end_time.map(|end| end.0))
    }

    /// Sessions of a newer operator that are let go of with their object: in the words that they were written in.
    async fn tell_of_unreadable(&mut self) {
        for session in self.stored.unreadable_words() {
            let words = format!(
                "A session may still run and be billed, not stopped: this operator does not understand it. {session}."
            );
            error!(job = self.stored.full_name(), "{words}");
            self.context.metrics.orphan_left(None);
            self.publish(Notice::orphan(words));
        }
        self.context.events.flush(TELL_LIMIT).await;
    }

    // === small ones ===

    pub(super) fn session(&self, attempt: i64) -> Option<Session> {
        self.seen.session(attempt).cloned()
    }

    pub(super) fn job_key(&self) -> JobKey {
        JobKey::new(&self.seen.job.uid)
    }
}
