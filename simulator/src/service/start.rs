//! The start call: turns a resource id into a session [API §3]. A 200 only means that the request was accepted; bad
//! tokens, keys and uids show later.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::session::{EndReason, Phase, Session};
use super::{Outcome, Reply, Service, Target};
use crate::answer::Answer;
use crate::clock::{MINUTE, Millis, SECOND};
use crate::rtc_token::{self, Verdict};
use crate::settings::name;
use crate::validate::{self, Start};

/// How long a resource id can be used for start [API §2].
const RESOURCE_LIFE: Millis = 5 * MINUTE;

impl Service {
    /// Answers a start.
    pub fn start(&mut self, now: Millis, target: &Target, body: &Value) -> Outcome {
        self.advance_to(now);
        let answer = match self.judge_start(now, target, body) {
            Ok(start) => self.begin(now, target, start),
            Err(refusal) => refusal,
        };
        self.outcome(Reply::Now(answer))
    }

    fn judge_start(&mut self, now: Millis, target: &Target, body: &Value) -> Result<Start, Answer> {
        let Some(resource) = self.resources.get(&target.resource_id) else {
            return Err(Answer::service(400, 1001, "failed to parse resourceId"));
        };
        if resource.app_id != target.app_id {
            return Err(Answer::service(400, 1003, "appid does not match resourceId"));
        }
        if target.mode != "individual" {
            return Err(Answer::service(400, 2, "mode must be individual, the only one with snapshots!"));
        }
        let start = validate::start(body, &self.settings, &mut self.notes)
            .map_err(|refusal| Answer::service(400, 2, &refusal.0))?;
        if start.cname != resource.cname || start.uid != resource.uid {
            let code = if self.settings.is(name::START_MISMATCH, "2") { 2 } else { 432 };
            return Err(Answer::service(400, code, "cname or uid does not match resourceId"));
        }
        if resource.start_parameter.as_ref().is_some_and(|expected| *expected != body["clientRequest"]) {
            return Err(Answer::service(400, 2, "request_hash mismatch!"));
        }
        let is_old = now >= resource.acquired_at + RESOURCE_LIFE;
        if let Some(sid) = resource.sid.clone() {
            return Err(self.started_before(&sid, is_old));
        }
        if is_old {
            return Err(self.expired());
        }
        if now > resource.acquired_at + 2 * SECOND {
            self.notes.push("start later than 2 s after acquire".to_owned());
        }
        if self.sessions.iter().any(|session| self.conflicts(session, target, &start)) {
            self.note_duplicate_start(now, target, &start);
            return Err(Answer::service(400, 53, "task conflict"));
        }
        Ok(start)
    }

    fn expired(&self) -> Answer {
        match self.settings.number(name::EXPIRED_RESOURCE) {
            433 => Answer::service(400, 433, "resourceId is expired"),
            _ => Answer::service(400, 2, "resourceId is expired!"),
        }
    }

    /// A resource id carries one session: what a start with it is told afterwards.
    fn started_before(&self, sid: &str, is_old: bool) -> Answer {
        let live = self.sessions.iter().any(|session| session.sid == sid && session.phase != Phase::Ended);
        let refused = if live {
            is_old && self.settings.is(name::OLD_RUNNING_RESOURCE, "expired")
        } else {
            self.settings.is(name::SPENT_RESOURCE, "expired")
        };
        if refused {
            return self.expired();
        }
        let mut answer = Answer::service(201, 7, "already started");
        if self.settings.is(name::ALREADY_STARTED_SID, "present") {
            answer.body["sid"] = sid.into();
        }
        answer
    }

    /// Whether that session holds the app id, channel and uid that this start wants. The recorder of a failover runs
    /// under another uid, so the fence of the first one falls with its server.
    fn conflicts(&self, session: &Session, target: &Target, start: &Start) -> bool {
        let holds_uid = match session.phase {
            Phase::Ended => false,
            Phase::FailingOver { .. } => self.settings.is(name::UID_DURING_FAILOVER, "taken"),
            Phase::Starting { .. } | Phase::Running | Phase::Exiting { .. } => true,
        };
        holds_uid
            && session.app_id == target.app_id
            && session.cname == start.cname
            && session.current_uid == start.uid
    }

    fn begin(&mut self, now: Millis, target: &Target, start: Start) -> Answer {
        let sid = self.random.hex(32);
        // Seen in practice: the recorder is in the channel after about three seconds.
        let second = now + self.random.between(300, 700);
        let third = second + self.random.between(500, 1000);
        let fourth = third + self.random.between(1200, 2000);
        let Some(resource) = self.resources.get_mut(&target.resource_id) else {
            return Answer::service(500, 500, "internal_error");
        };
        resource.sid = Some(sid.clone());
        let control_window = resource.control_window;
        let (doom, token_end) = self.judge_token(now, fourth, target, &start);
        let sts_end = start.task.storage.sts_expiration.map(|end| self.after_wall(now, end * SECOND));
        let session = Session {
            sid,
            app_id: target.app_id.clone(),
            cname: start.cname,
            uid: start.uid,
            current_uid: start.uid,
            resource_id: target.resource_id.clone(),
            task: start.task,
            started_at: now,
            stopped_at: None,
            control_end: now + control_window,
            phase: Phase::Starting { steps: [second, third, fourth] },
            end_reason: None,
            doom,
            token_end,
            sts_end,
            idle_since: None,
            streams: BTreeMap::new(),
            audio: BTreeSet::new(),
            tracks: BTreeMap::new(),
            failovers: 0,
            pending: BTreeMap::new(),
            held_stop: None,
            last_stamp: 0,
            files: Vec::new(),
            backed_up: false,
            upload_refusal: None,
            next_progress: None,
            next_sequence: 0,
            events: Vec::new(),
        };
        let answer = Answer::about(session.subject(), json!({}));
        self.sessions.push(session);
        answer
    }

    /// With an App Certificate a bad token ends the session soon after start, and a good one when it expires.
    fn judge_token(
        &mut self,
        now: Millis,
        joined: Millis,
        target: &Target,
        start: &Start,
    ) -> (Option<(Millis, EndReason)>, Option<Millis>) {
        let Some(certificate) = &self.app_certificate else { return (None, None) };
        let claim = rtc_token::Claim { app_id: &target.app_id, cname: &start.cname, uid: start.uid };
        let token = start.task.token.as_deref().unwrap_or_default();
        let wall = self.clock.wall_at(now);
        let seen_at = joined + self.random.between(500, 2500);
        match rtc_token::verify(token, certificate, claim, wall / SECOND) {
            Verdict::Wrong(why) => {
                self.notes.push(format!("token: {why}"));
                (Some((seen_at, EndReason::TokenWrong)), None)
            }
            Verdict::Expired => (Some((seen_at, EndReason::TokenExpired)), None),
            Verdict::Good { until } => (None, Some(self.after_wall(now, until * SECOND))),
        }
    }

    /// The virtual time at which what is left until a wall time has passed: the rest of a token's life runs at the
    /// simulator's speed like everything else.
    pub(super) fn after_wall(&self, now: Millis, wall: Millis) -> Millis {
        now + wall.saturating_sub(self.clock.wall_at(now))
    }
}
