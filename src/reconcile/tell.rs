//! The last part of a visit: events and numbers about what changed. Never fails the visit.

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use tracing::info;

use super::perform::Happened;
use super::save::sid;
use super::{Presence, Visit};
use crate::api::Reason;
use crate::api::status::SessionState;
use crate::cluster::events::{Kind, News};
use crate::lifecycle::notice::{self, Notice};
use crate::lifecycle::outcome::{Kind as AnswerKind, Outcome, Started};
use crate::metrics::{Fence, JobView, StartResult};

impl Visit<'_> {
    /// Notes the event that goes with a changed verdict, at each point of the visit where one is written.
    pub(super) fn note_transition(&mut self) {
        if self.presence == Presence::Present {
            self.notices.extend(notice::transition(&self.told, &self.seen.status));
        }
        self.count_billed();
        self.told = self.seen.status.clone();
    }

    /// Publishes what changed and what the visit noticed; not if it could not be saved, for then it will be worked out,
    /// and told, again.
    pub(super) fn tell(&mut self, saved: bool) {
        if !saved {
            self.notices.clear();
            return;
        }
        self.note_transition();
        for notice in std::mem::take(&mut self.notices) {
            self.publish(notice);
        }
        let Some(uid) = self.stored.uid() else { return };
        let status = &self.seen.status;
        let uncontrollable =
            status.sessions.iter().filter(|one| one.state == SessionState::Uncontrollable).count();
        let last_file = status.snapshots.as_ref().and_then(|snapshots| snapshots.last_time.as_ref());
        let running = self.seen.running().is_some();
        self.context.metrics.job_seen(
            &uid,
            JobView {
                namespace: self.seen.job.namespace.clone(),
                name: self.seen.job.name.clone(),
                phase: status.phase,
                last_file: last_file.filter(|_| running).map(|time| time.0),
                orphan_risks: u32::try_from(uncontrollable).unwrap_or(u32::MAX),
            },
        );
    }

    fn publish(&self, notice: Notice) {
        let about = self.stored.object_ref(&());
        let news = News {
            kind: if notice.warning { Kind::Warning } else { Kind::Normal },
            reason: notice.reason,
            action: "Reconcile",
            note: notice.words,
        };
        // A namespace that is going takes no events, and what may go on being billed must not be told to nobody.
        if news.reason == Reason::OrphanRisk && self.seen.job.deleting {
            self.context.events.publish_in(&self.context.operator_namespace, about.clone(), news.clone());
        }
        if self.presence == Presence::Present {
            self.context.events.publish(about, news);
        }
    }

    /// Counts what a step came to.
    pub(super) fn count(&self, happened: &Happened) {
        let metrics = &self.context.metrics;
        match happened {
            Happened::Started { claim, outcome, .. } => {
                if let Some(sid) = sid(outcome) {
                    // The log has it before the status does, should the write fail.
                    info!(
                        job = self.stored.full_name(),
                        sid,
                        resource_id = claim.resource_id,
                        "session started"
                    );
                }
                let result = match outcome {
                    Outcome::Confirmed(Started::New { .. }) => StartResult::Started,
                    Outcome::Confirmed(Started::Already { .. }) => StartResult::Already,
                    Outcome::Rejected(_) => StartResult::Rejected,
                    Outcome::Unknown(_) => StartResult::Unknown,
                    Outcome::NotSent(_) => StartResult::NotSent,
                };
                metrics.session_start(result);
                if result == StartResult::Already {
                    metrics.duplicate_prevented(Fence::ResourceId);
                }
                if outcome.answer().is_some_and(|answer| answer.kind == AnswerKind::Conflict) {
                    metrics.duplicate_prevented(Fence::RecorderUid);
                }
                if result == StartResult::Started && claim.attempt == 1 {
                    self.count_start_latency();
                }
            }
            Happened::ClaimLost => metrics.duplicate_prevented(Fence::Claim),
            Happened::Orphaned(_, _, hard_end) => metrics.orphan_left(*hard_end),
            Happened::Nothing
            | Happened::LookAgain
            | Happened::Released
            | Happened::NotAcquired(_)
            | Happened::Queried(_, _)
            | Happened::Updated(_, _, _)
            | Happened::Stopped(_, _, _)
            | Happened::Looked(_, _) => {}
        }
    }

    /// What the sessions that ended since the last word were billed for, as far as their begin is known.
    fn count_billed(&self) {
        for past in &self.seen.status.history {
            let told = self.told.history.iter().any(|known| known.resource_id == past.resource_id);
            if let (Some(start), false) = (&past.start_time, told) {
                let billed = past.end_time.0.duration_since(start.0);
                self.context.metrics.billed(billed.try_into().unwrap_or_default());
            }
        }
    }

    /// From the object's creation to its first sid.
    fn count_start_latency(&self) {
        if let Some(created) = self.stored.creation_timestamp() {
            let latency = Timestamp::now().duration_since(created.0);
            self.context.metrics.start_latency(latency.try_into().unwrap_or_default());
        }
    }
}
