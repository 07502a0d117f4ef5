//! The query call [API §4].

use serde_json::{Value, json};

use super::lookup::{Found, no_worker};
use super::session::TrackKind;
use super::{Outcome, Reply, Service, Target};
use crate::answer::Answer;
use crate::clock::{Millis, SECOND};
use crate::settings::name;

impl Service {
    /// Answers a query.
    pub fn query(&mut self, now: Millis, target: &Target) -> Outcome {
        self.advance_to(now);
        let answer = match self.find(now, target) {
            Err(refusal) => refusal,
            Ok(Found::NoWorker(_)) => no_worker(),
            Ok(Found::Live(index)) => self.describe(now, index),
            Ok(Found::Exiting(index)) => match self.settings.text(name::QUERY_WHILE_EXITING).as_str() {
                "404" => no_worker(),
                "501" => Answer::service(400, 501, "service is exiting"),
                _ => self.describe(now, index),
            },
        };
        self.outcome(Reply::Now(answer))
    }

    fn describe(&self, now: Millis, index: usize) -> Answer {
        let session = &self.sessions[index];
        let mut shown = json!({
            "status": session.status(now),
            "sliceStartTime": self.slice_start(index),
        });
        let with_snapshots = session.task.capture_interval.is_some();
        let as_recording =
            session.task.records && (!with_snapshots || self.settings.is(name::QUERY_SHAPE, "fileList"));
        if as_recording {
            shown["fileListMode"] = "json".into();
            shown["fileList"] = self.file_list(index);
        }
        Answer::about(session.subject(), json!({ "serverResponse": shown }))
    }

    fn slice_start(&self, index: usize) -> u64 {
        let wall = self.clock.wall_at(self.sessions[index].started_at);
        if self.settings.is(name::SLICE_START_TIME, "ms") { wall } else { wall / SECOND }
    }

    /// The playlists of a recording, as query and event 31 list them.
    pub(super) fn file_list(&self, index: usize) -> Value {
        let session = &self.sessions[index];
        let items = session.tracks.keys().map(|(uid, kind)| {
            let name = format!("{}{}", session.task.storage.prefix, self.playlist_name(index, *uid, *kind));
            json!({
                "fileName": name,
                "trackType": match kind { TrackKind::Audio => "audio", TrackKind::Video => "video" },
                "uid": uid.to_string(),
                "mixedAllUser": false,
                "isPlayable": true,
                "sliceStartTime": self.slice_start(index),
            })
        });
        Value::Array(items.collect())
    }
}
