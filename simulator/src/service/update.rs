//! The update call [API §6]: other subscription lists, other storage keys. Also refuses updateLayout, which belongs to
//! composite mode.

use serde_json::{Value, json};

use super::lookup::{Found, no_worker};
use super::{Outcome, Reply, Service, Target};
use crate::answer::Answer;
use crate::clock::{Millis, SECOND};
use crate::validate;

impl Service {
    /// Answers an update.
    pub fn update(&mut self, now: Millis, target: &Target, body: &Value) -> Outcome {
        self.advance_to(now);
        let answer = self.apply_update(now, target, body).unwrap_or_else(|refusal| refusal);
        self.outcome(Reply::Now(answer))
    }

    /// Answers an updateLayout, which never fits a session of individual mode.
    pub fn update_layout(&mut self, now: Millis, target: &Target) -> Outcome {
        self.advance_to(now);
        let answer = match self.find(now, target) {
            Err(refusal) => refusal,
            Ok(Found::NoWorker(_)) => no_worker(),
            Ok(Found::Live(_) | Found::Exiting(_)) => Answer::service(400, 2, "updateLayout needs mode mix!"),
        };
        self.outcome(Reply::Now(answer))
    }

    fn apply_update(&mut self, now: Millis, target: &Target, body: &Value) -> Result<Answer, Answer> {
        let index = match self.find(now, target)? {
            Found::Live(index) => index,
            Found::NoWorker(_) | Found::Exiting(_) => return Err(no_worker()),
        };
        let streams = self.sessions[index].task.recording.streams;
        let update = validate::update(body, streams, &self.settings, &mut self.notes)
            .map_err(|refusal| Answer::service(400, 2, &refusal.0))?;
        self.check_identity(index, &update.cname, update.uid)?;
        if let Some(storage) = update.storage {
            let sts_end = storage.sts_expiration.map(|end| self.after_wall(now, end * SECOND));
            let session = &mut self.sessions[index];
            session.sts_end = sts_end;
            session.task.storage = storage;
        }
        if let Some(subscription) = update.subscription {
            self.sessions[index].task.recording.subscription = subscription;
            self.watch_channel(now, index);
        }
        Ok(Answer::about(self.sessions[index].subject(), json!({})))
    }
}
