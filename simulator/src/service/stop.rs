//! The stop call [API §5]. An asynchronous one is answered at once, a synchronous one when the files are up, at most
//! 20 s later.

use serde_json::{Value, json};

use super::lookup::{Found, no_worker};
use super::session::{EndReason, HeldStop};
use super::{Effect, Outcome, Reply, Service, Target};
use crate::answer::Answer;
use crate::clock::{Millis, SECOND};
use crate::settings::name;
use crate::validate;

/// When a synchronous stop answers that the upload is unfinished [API §5].
const SYNC_STOP_LIMIT: Millis = 20 * SECOND;

impl Service {
    /// Answers a stop, or holds the answer until the upload is done.
    pub fn stop(&mut self, now: Millis, target: &Target, body: &Value) -> Outcome {
        self.advance_to(now);
        let reply = self.begin_stop(now, target, body).unwrap_or_else(Reply::Now);
        self.outcome(reply)
    }

    fn begin_stop(&mut self, now: Millis, target: &Target, body: &Value) -> Result<Reply, Answer> {
        let stop =
            validate::stop(body, &mut self.notes).map_err(|refusal| Answer::service(400, 2, &refusal.0))?;
        let index = match self.find(now, target)? {
            Found::Live(index) => index,
            Found::Exiting(index) => {
                self.check_identity(index, &stop.cname, stop.uid)?;
                return Err(self.already_exiting(index));
            }
            Found::NoWorker(index) => return Err(self.gone(index)),
        };
        self.check_identity(index, &stop.cname, stop.uid)?;
        self.leave(now, index, EndReason::Stopped);
        if stop.asynchronous {
            return Ok(Reply::Now(self.stopped(index, true)));
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        // Real synchronous stops were never instant: leaving the channel and flushing takes a moment.
        let earliest = now + self.random.between(300, 2000);
        let held = HeldStop { ticket, earliest, overrun: now + SYNC_STOP_LIMIT };
        self.sessions[index].held_stop = Some(held);
        Ok(Reply::Held(ticket))
    }

    /// Answers a held stop whose time has come.
    pub(super) fn answer_held_stop(&mut self, now: Millis, index: usize) {
        let Some(held) = self.sessions[index].held_stop else { return };
        let done = self.sessions[index].uploads_done();
        let answer = if done && now >= held.earliest {
            self.stopped(index, false)
        } else if now >= held.overrun {
            self.overrun(index)
        } else {
            return;
        };
        self.sessions[index].held_stop = None;
        self.effects.push(Effect::Answer(held.ticket, answer));
    }

    fn stopped(&self, index: usize, asynchronous: bool) -> Answer {
        let session = &self.sessions[index];
        // The judgement "no recorded data" is about recorded files: snapshots do not count for it [API §5].
        let nothing_recorded = if session.is_snapshot_only() {
            self.settings.is(name::SNAPSHOT_ONLY_STOP, "noRecordedData")
        } else {
            session.tracks.is_empty()
        };
        if nothing_recorded {
            return Answer::service(206, 435, "no recorded data");
        }
        let state = if asynchronous && !session.uploads_done() {
            "unknown"
        } else if session.backed_up {
            "backuped"
        } else {
            "uploaded"
        };
        Answer::about(session.subject(), json!({"serverResponse": {"uploadingStatus": state}}))
    }

    fn overrun(&self, index: usize) -> Answer {
        if self.settings.is(name::STOP_OVERRUN, "206") {
            return Answer::service(206, 50, "upload is not finished");
        }
        let shown = json!({"serverResponse": {"uploadingStatus": "unknown"}});
        Answer::about(self.sessions[index].subject(), shown)
    }

    /// 400 code 49, in the shape seen in tickets: fat, and without a reason.
    fn already_exiting(&self, index: usize) -> Answer {
        if self.settings.is(name::STOP_REFUSALS, "plain") {
            return Answer::service(400, 49, "invalid operation");
        }
        let response = json!({
            "backuped": false, "fileListMode": "json", "fileListStr": "[]", "gwWorkerVersion": 0,
            "inProgressBitmask": 0, "output": "", "payload": {"message": "Failed"},
            "selectionBitmask": 0, "subscribeModeBitmask": 0,
        });
        Answer::fat(400, 49, self.sessions[index].subject(), response)
    }

    /// 404 code 404, likewise.
    fn gone(&self, index: usize) -> Answer {
        if self.settings.is(name::STOP_REFUSALS, "plain") {
            return no_worker();
        }
        let response = json!({
            "command": "StopCloudRecorder", "payload": {"message": "failed to find worker"},
            "subscribeModeBitmask": 1, "vid": "",
        });
        Answer::fat(404, 404, self.sessions[index].subject(), response)
    }
}
