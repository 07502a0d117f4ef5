//! A storm of notifications, for load: event 45 of many users at a fixed rate, as N senders at interval I give N/I a
//! second [API §9.3]. The snapshots they tell of are not there, and the events are not kept with their sessions.

use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use super::events::{Payload, SNAPSHOT_MESSAGE};
use super::{Effect, NoEndpoint, Service};
use crate::clock::{Millis, SECOND, file_stamp};
use crate::notices::Kind;

/// Event 45.
const SNAPSHOT_EVENT: u32 = 45;
/// Users that one session receives at most.
const USERS: u32 = 17;
/// Channel of a session that never was.
const NO_CHANNEL: &str = "storm";
/// Recorder uid of such a session.
const NO_RECORDER: u32 = 4_000_000_000;

/// A storm as it is asked for.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Storm {
    /// Notifications for each (virtual) second.
    pub per_second: u64,
    /// Notifications in all.
    pub count: u64,
    /// Of which session; of all live ones of the App ID in turn if absent.
    #[serde(default)]
    pub sid: Option<String>,
    /// Of a session that never was.
    #[serde(default)]
    pub unknown_sid: bool,
    /// Of how many users of each session, with uids from 1; 17 if absent.
    #[serde(default)]
    pub users: Option<u32>,
}

/// Why there is no storm.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum StormError {
    /// Nowhere to send to.
    #[error(transparent)]
    NoEndpoint(#[from] NoEndpoint),
    /// No such session.
    #[error("no session of App ID `{app_id}` {what}; unknownSid lets one storm that never was")]
    NoSession {
        /// App ID.
        app_id: String,
        /// What was looked for.
        what: String,
    },
    /// A number that makes no storm.
    #[error("perSecond must be from 1 to 100000, count from 1 to 10000000, users from 1 on")]
    BadNumbers,
}

/// What a storm tells of.
#[derive(Clone, Debug)]
enum Subject {
    /// These sessions, in turn.
    Sessions(Vec<usize>),
    /// A session that never was.
    Unknown { sid: String },
}

/// A storm that blows.
#[derive(Clone, Debug)]
pub(super) struct Blowing {
    app_id: String,
    began: Millis,
    per_second: u64,
    count: u64,
    users: u64,
    sent: u64,
    subject: Subject,
}

impl Blowing {
    fn next(&self) -> Millis {
        self.began + self.sent * SECOND / self.per_second
    }
}

impl Service {
    /// Begins a storm.
    pub fn storm(&mut self, now: Millis, app_id: &str, storm: &Storm) -> Result<Vec<Effect>, StormError> {
        self.advance_to(now);
        self.check_endpoint(app_id)?;
        let users = storm.users.unwrap_or(USERS);
        if !(1..=100_000).contains(&storm.per_second)
            || !(1..=10_000_000).contains(&storm.count)
            || users == 0
        {
            return Err(StormError::BadNumbers);
        }
        let subject = self.storm_subject(app_id, storm)?;
        self.storms.push(Blowing {
            app_id: app_id.to_owned(),
            began: now,
            per_second: storm.per_second,
            count: storm.count,
            users: u64::from(users),
            sent: 0,
            subject,
        });
        self.advance_to(now);
        Ok(std::mem::take(&mut self.effects))
    }

    fn storm_subject(&mut self, app_id: &str, storm: &Storm) -> Result<Subject, StormError> {
        if storm.unknown_sid {
            return Ok(Subject::Unknown { sid: self.random.hex(32) });
        }
        let of_app = self.sessions.iter().enumerate().filter(|(_, session)| session.app_id == app_id);
        let chosen: Vec<usize> = match &storm.sid {
            Some(sid) => of_app.filter(|(_, session)| session.sid == *sid).map(|(index, _)| index).collect(),
            None => of_app.filter(|(_, session)| session.is_live()).map(|(index, _)| index).collect(),
        };
        if chosen.is_empty() {
            let what = storm.sid.as_ref().map_or("is live".to_owned(), |sid| format!("has the sid `{sid}`"));
            return Err(StormError::NoSession { app_id: app_id.to_owned(), what });
        }
        Ok(Subject::Sessions(chosen))
    }

    /// When the next notification of any storm is due.
    pub(super) fn next_gust(&self) -> Option<Millis> {
        self.storms.iter().map(Blowing::next).min()
    }

    /// Notifications that the storms still have to post.
    pub(super) fn storm_to_come(&self) -> u64 {
        self.storms.iter().map(|storm| storm.count - storm.sent).sum()
    }

    /// Posts what the storms have until a time.
    pub(super) fn blow(&mut self, until: Millis) {
        for index in 0..self.storms.len() {
            while self.storms[index].sent < self.storms[index].count && self.storms[index].next() <= until {
                self.gust(index);
                self.storms[index].sent += 1;
            }
        }
        self.storms.retain(|storm| storm.sent < storm.count);
    }

    fn gust(&mut self, index: usize) {
        let storm = &self.storms[index];
        let (at, sent) = (storm.next(), storm.sent);
        match &storm.subject {
            Subject::Sessions(sessions) => {
                // One of each session, then the next user of each.
                let session = sessions[(sent % sessions.len() as u64) as usize];
                let uid = (sent / sessions.len() as u64 % storm.users) as u32 + 1;
                let key = self.imaginary_snapshot(at, session, uid);
                let kind = (SNAPSHOT_EVENT, self.snapshot_service(), Kind::Storm);
                self.post(at, session, kind, SNAPSHOT_MESSAGE, json!({"fileName": key}));
            }
            Subject::Unknown { sid } => {
                let uid = sent % storm.users + 1;
                let wall = self.clock.wall_at(at);
                let stamp = file_stamp(wall + sent);
                let key = format!("{sid}_{NO_CHANNEL}__uid_s_{uid}__uid_e_video_{stamp}.jpg");
                let payload = Payload {
                    cname: NO_CHANNEL,
                    uid: NO_RECORDER,
                    sid,
                    sequence: sent,
                    wall,
                    service: self.snapshot_service(),
                    records: false,
                    message: SNAPSHOT_MESSAGE,
                    details: json!({"fileName": key}),
                };
                let occasion = payload.into_occasion(&storm.app_id, SNAPSHOT_EVENT, Kind::Storm);
                self.outbox.post(at, &occasion, &self.settings);
            }
        }
    }
}
