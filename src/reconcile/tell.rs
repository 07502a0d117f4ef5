//! The last part of a visit: events and numbers about what changed. Never fails the visit.

use std::time::Duration;

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use tracing::info;

use super::perform::Happened;
use super::save::sid;
use super::{Presence, Visit};
use crate::api::status::{EndReason, SessionState};
use crate::api::{ConditionType, Reason};
use crate::cluster::events::{Kind, News};
use crate::lifecycle::bounds::OrphanCause;
use crate::lifecycle::conditions;
use crate::lifecycle::handover::{self, Handover};
use crate::lifecycle::notice::{self, Notice};
use crate::lifecycle::outcome::{Kind as AnswerKind, Outcome, Started, Stopped};
use crate::lifecycle::told::Told;
use crate::metrics::{Fence, HandoverResult, JobView, SessionEnd, StartResult, Upload};

/// How long a snapshot may take into the bucket: the vendor repeats a failed upload for some minutes.
const ARRIVAL: Duration = Duration::from_secs(300);

impl Visit<'_> {
    /// Notes the event that goes with a changed verdict, at each point of the visit where one is written; not if the visit
    /// noticed more exactly what the verdict sums up.
    pub(super) fn note_transition(&mut self) {
        if self.presence == Presence::Present
            && let Some(transition) = notice::transition(&self.told, &self.seen.status)
            && self.notices.iter().all(|notice| notice.reason != transition.reason)
            && !self.seen.memory.orphaned
        {
            self.notices.push(transition);
        }
        self.count_ended();
        self.told = self.seen.status.clone();
    }

    /// Publishes what changed and what the visit noticed; not if it could not be saved, for then it will be worked out,
    /// and told, again.
    pub(super) fn tell(&mut self, saved: bool) {
        let deleting_since = self.stored.meta().deletion_timestamp.as_ref().map(|time| time.0);
        if !saved {
            // What was heard is not heard again.
            self.notices.truncate(self.heard);
            for notice in std::mem::take(&mut self.notices) {
                self.publish(notice);
            }
            if let (Some(uid), Some(since)) = (self.stored.uid(), deleting_since) {
                self.context.metrics.job_deleting(&uid, since);
            }
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
        let running = self.seen.running().is_some();
        self.context.metrics.job_seen(
            &uid,
            JobView {
                namespace: self.seen.job.namespace.clone(),
                name: self.seen.job.name.clone(),
                phase: status.phase,
                reason: conditions::get(status, ConditionType::Ready)
                    .and_then(|ready| Reason::parse(&ready.reason)),
                deleting_since,
                last_file: self.last_file().filter(|_| running),
                next_file_by: self.next_file_by(),
                orphan_risks: u32::try_from(uncontrollable).unwrap_or(u32::MAX),
            },
        );
    }

    /// When the newest snapshot was taken, found or told of.
    fn last_file(&self) -> Option<Timestamp> {
        let snapshots = self.seen.status.snapshots.as_ref();
        let found = snapshots.and_then(|snapshots| snapshots.last_time.as_ref()).map(|time| time.0);
        let told = self.told().and_then(Told::snapshot);
        found.max(told.map(|(time, _)| time))
    }

    /// What notifications told of the running session.
    fn told(&self) -> Option<&Told> {
        self.seen.running().map(|session| &self.seen.known(session).told)
    }

    /// When the next snapshot should have arrived and been seen in the bucket, if any is expected to: none is while the vendor
    /// told that nobody sends video. That it merely calls the session ready may as well be a wrong profile.
    fn next_file_by(&self) -> Option<Timestamp> {
        let first = self.seen.running().map(|session| session.recorder_uid).unwrap_or_default();
        let silent = self.told().is_some_and(|told| told.silent_since(first).is_some());
        if self.seen.job.deleting || silent || !self.bucket.can_be_seen() {
            return None;
        }
        let interval = self.seen.spec.as_ref().ok()?.interval_seconds;
        let confirmed = self.seen.running()?.confirm_time.as_ref()?.0;
        let missed = Duration::from_secs(interval.try_into().ok()?) * self.seen.timing.missed_intervals;
        overdue_after(missed, self.context.look_again, confirmed, self.last_file())
    }

    pub(super) fn publish(&self, notice: Notice) {
        let about = self.stored.object_ref(&());
        let news = News {
            kind: if notice.warning { Kind::Warning } else { Kind::Normal },
            reason: notice.reason,
            action: "Reconcile",
            note: notice.words,
        };
        // A namespace that is going takes no events, and what may go on being billed must not be told to nobody.
        if notice.outlives && self.seen.job.deleting {
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
            Happened::Stopped(_, Outcome::Confirmed(stopped), _) => metrics.session_stopped(upload(*stopped)),
            // One that was left on purpose is nothing to wake anybody for.
            Happened::Orphaned(_, OrphanCause::Policy, _) => {}
            Happened::Orphaned(
                _,
                OrphanCause::NoCredentials
                | OrphanCause::NoSid
                | OrphanCause::Unreachable
                | OrphanCause::ControlEnded,
                hard_end,
            ) => metrics.orphan_left(*hard_end),
            Happened::Nothing
            | Happened::LookAgain
            | Happened::Released
            | Happened::Preflighted(_, _)
            | Happened::NotAcquired(_)
            | Happened::Queried(_, _)
            | Happened::Updated(_, _, _)
            | Happened::Stopped(_, Outcome::Rejected(_) | Outcome::Unknown(_) | Outcome::NotSent(_), _)
            | Happened::Looked(_, _)
            | Happened::Searched(_, _)
            | Happened::Verified(_, _, _) => {}
        }
    }

    /// The sessions that ended since the last word: why, and what they were billed for, as far as their begin is known.
    fn count_ended(&self) {
        for past in &self.seen.status.history {
            if self.told.history.iter().any(|known| known.resource_id == past.resource_id) {
                continue;
            }
            self.context.metrics.session_ended(end(past.end_reason));
            if let Some(became) = handover::outcome(past, &self.seen.status.sessions) {
                self.context.metrics.handover(handover_result(became));
            }
            if let Some(start) = &past.start_time {
                let billed = past.end_time.0.duration_since(start.0);
                self.context.metrics.billed(billed.try_into().unwrap_or_default());
            }
        }
    }

    /// From the object's creation to its first sid.
    fn count_start_latency(&self) {
        if let Some(created) = self.stored.creation_timestamp() {
            let latency = self.context.clock.now().wall.duration_since(created.0);
            self.context.metrics.start_latency(latency.try_into().unwrap_or_default());
        }
    }
}

/// From the newest snapshot, or from when the session was confirmed if that is later.
fn overdue_after(
    missed: Duration,
    look_again: Duration,
    confirmed: Timestamp,
    newest: Option<Timestamp>,
) -> Option<Timestamp> {
    newest.map_or(confirmed, |newest| newest.max(confirmed)).checked_add(missed + look_again + ARRIVAL).ok()
}

fn upload(stopped: Stopped) -> Upload {
    match stopped {
        Stopped::Uploaded => Upload::Uploaded,
        Stopped::BackedUp => Upload::BackedUp,
        Stopped::UploadUnknown => Upload::Unknown,
        Stopped::UploadUnfinished => Upload::Unfinished,
        Stopped::NoRecordedData => Upload::NoRecordedData,
        Stopped::AlreadyStopping => Upload::AlreadyStopping,
    }
}

fn handover_result(became: Handover) -> HandoverResult {
    match became {
        Handover::Completed => HandoverResult::Completed,
        Handover::StoppedFirst => HandoverResult::StoppedFirst,
        Handover::Cancelled => HandoverResult::Cancelled,
        Handover::Failed => HandoverResult::Failed,
    }
}

fn end(reason: EndReason) -> SessionEnd {
    match reason {
        EndReason::Idle => SessionEnd::Idle,
        EndReason::Lost => SessionEnd::Lost,
        EndReason::Stopped => SessionEnd::Stopped,
        EndReason::Replaced => SessionEnd::Replaced,
        EndReason::Deadline => SessionEnd::Deadline,
        EndReason::Orphaned => SessionEnd::Orphaned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_overdue_after_the_intervals_a_look_and_the_time_to_arrive() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (confirmed, look) = (time("2026-07-01T12:00:00Z"), Duration::from_secs(60));
        for (missed, newest, due) in [
            (30, None, "2026-07-01T12:06:30Z"),
            (30, Some("2026-07-01T12:30:00Z"), "2026-07-01T12:36:30Z"),
            (30, Some("2026-07-01T08:00:00Z"), "2026-07-01T12:06:30Z"),
            (10_800, None, "2026-07-01T15:06:00Z"),
        ] {
            let newest = newest.map(time);
            let overdue = overdue_after(Duration::from_secs(missed), look, confirmed, newest);
            assert_eq!(overdue, Some(time(due)), "{missed} {newest:?}");
        }
    }
}
