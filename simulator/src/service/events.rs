//! What the vendor tells its user's server about a session [API §9.3]. Owns the events and their payloads, which are
//! kept with their session; what is sent of them, when and how often, is the outbox's.

use serde_json::{Value, json};

use super::advance::LEAVE_CLIENT;
use super::session::{EndReason, Event, PendingUpload, Session, TrackKind};
use super::{Content, Service, Target};
use crate::clock::{Millis, rfc3339};
use crate::notices::{Kind, Occasion};
use crate::settings::name;
use crate::validate::Start;

/// `serviceType` of the service itself, of the recorder and of the uploader.
const SERVICE: u32 = 0;
const RECORDER: u32 = 1;
const UPLOADER: u32 = 2;
/// `msgName` of event 45.
pub(super) const SNAPSHOT_MESSAGE: &str = "recorder_snapshot_file";

/// `payload` of a notification [API §9.2].
pub(super) struct Payload<'a> {
    pub(super) cname: &'a str,
    /// Of the recorder.
    pub(super) uid: u32,
    pub(super) sid: &'a str,
    pub(super) sequence: u64,
    /// Wall time of the event.
    pub(super) wall: Millis,
    pub(super) service: u32,
    pub(super) records: bool,
    pub(super) message: &'a str,
    pub(super) details: Value,
}

impl Payload<'_> {
    /// What there is to post to the endpoint of this App ID.
    pub(super) fn into_occasion(self, app_id: &str, event_type: u32, kind: Kind) -> Occasion {
        Occasion {
            app_id: app_id.to_owned(),
            cname: self.cname.to_owned(),
            sid: self.sid.to_owned(),
            uid: self.uid.to_string(),
            sequence: self.sequence,
            event_type,
            payload: self.into_json(),
            kind,
        }
    }

    fn into_json(self) -> Value {
        let mut all = json!({ "msgName": self.message });
        if let (Value::Object(all), Value::Object(details)) = (&mut all, self.details) {
            all.extend(details);
        }
        json!({
            "cname": self.cname,
            "uid": self.uid.to_string(),
            "sid": self.sid,
            "sequence": self.sequence,
            "sendts": self.wall,
            "serviceType": self.service,
            "serviceScene": if self.records { "rtc_record" } else { "rtc_snapshot" },
            "details": all,
        })
    }
}

impl Service {
    fn tell(
        &mut self,
        at: Millis,
        index: usize,
        (event, service): (u32, u32),
        message: &str,
        details: Value,
    ) {
        let payload = self.post(at, index, (event, service, Kind::Event), message, details);
        let time = rfc3339(self.clock.wall_at(at));
        self.sessions[index].events.push(Event { event_type: event, time, payload });
    }

    /// Posts an event of a session to its App ID's endpoint, and gives its payload.
    pub(super) fn post(
        &mut self,
        at: Millis,
        index: usize,
        (event_type, service, kind): (u32, u32, Kind),
        message: &str,
        details: Value,
    ) -> Value {
        let wall = self.clock.wall_at(at);
        let session = &mut self.sessions[index];
        let sequence = session.next_sequence;
        session.next_sequence += 1;
        let payload = Payload {
            cname: &session.cname,
            uid: session.current_uid,
            sid: &session.sid,
            sequence,
            wall,
            service,
            records: session.task.records,
            message,
            details,
        };
        let occasion = payload.into_occasion(&session.app_id, event_type, kind);
        self.outbox.post(at, &occasion, &self.settings);
        occasion.payload
    }

    /// `serviceType` of event 45.
    pub(super) fn snapshot_service(&self) -> u32 {
        if self.settings.number(name::EVENT_45_SERVICE_TYPE) == 2 { UPLOADER } else { RECORDER }
    }

    pub(super) fn tell_joined(&mut self, at: Millis, index: usize) {
        self.tell(at, index, (40, RECORDER), "recorder_started", json!({"status": 0}));
        if self.settings.is(name::EVENT_13, "sent") {
            self.tell(at, index, (13, SERVICE), "high_availability_register", json!({"status": 0}));
        }
    }

    pub(super) fn tell_failover(&mut self, at: Millis, index: usize) {
        let new_uid = self.sessions[index].current_uid;
        self.tell(at, index, (12, SERVICE), "session_failover", json!({"newUid": new_uid}));
    }

    /// What the process on a lost server says when it finds itself alone: that it leaves, under the uid that its
    /// replacement does not have.
    pub(super) fn tell_original_left(&mut self, at: Millis, index: usize) {
        if self.settings.is(name::LOST_SERVER_EVENTS, "sent") {
            self.tell_left(at, index, LEAVE_CLIENT);
            self.tell(at, index, (11, SERVICE), "session_exit", json!({"exitStatus": 1}));
        }
    }

    pub(super) fn tell_uploader_started(&mut self, at: Millis, index: usize) {
        self.tell(at, index, (30, UPLOADER), "uploader_started", json!({"status": 0}));
    }

    /// Event 33: the share of the files so far that are up, in ten thousandths. It is sent and not kept: one a minute
    /// says little, and a session can live for years.
    pub(super) fn tell_progress(&mut self, at: Millis, index: usize) {
        let session = &mut self.sessions[index];
        if !self.outbox.wants(&session.app_id, 33) {
            session.next_sequence += 1;
            return;
        }
        let (up, waiting) = (session.files.len(), session.pending.len());
        let progress = (10_000 * up).checked_div(up + waiting).unwrap_or(10_000);
        let details = json!({"progress": progress});
        self.post(at, index, (33, UPLOADER, Kind::Event), "uploading_progress", details);
    }

    pub(super) fn tell_stream_state(
        &mut self,
        at: Millis,
        index: usize,
        (uid, kind): (u32, TrackKind),
        receiving: bool,
    ) {
        let details = json!({
            "streamUid": uid.to_string(),
            "state": if receiving { 0 } else { 1 },
            "UtcMs": self.clock.wall_at(at),
        });
        let (event, message) = match kind {
            TrackKind::Audio => (43, "recorder_audio_stream_state_changed"),
            TrackKind::Video => (44, "recorder_video_stream_state_changed"),
        };
        self.tell(at, index, (event, RECORDER), message, details);
    }

    pub(super) fn tell_slice(&mut self, at: Millis, index: usize, (uid, kind): (u32, TrackKind)) {
        let details = json!({
            "startUtcMs": self.clock.wall_at(at), "discontinueUtcMs": self.clock.wall_at(at),
            "mixedAllUser": false, "streamUid": uid.to_string(), "trackType": kind.word(),
        });
        self.tell(at, index, (42, RECORDER), "recorder_slice_start", details);
    }

    pub(super) fn tell_uploaded(&mut self, at: Millis, index: usize, upload: &PendingUpload) {
        if upload.in_backup {
            let details = json!({"status": 0, "fileList": [{"fileName": upload.key}]});
            self.tell(at, index, (32, UPLOADER), "backuped", details);
        }
        match &upload.content {
            Content::Snapshot { .. } => {
                let details = json!({"fileName": upload.key});
                self.tell(at, index, (45, self.snapshot_service()), SNAPSHOT_MESSAGE, details);
            }
            Content::Playlist { segments, ended: false } if segments.len() == 1 => {
                let details = json!({ "fileList": upload.key });
                self.tell(at, index, (4, SERVICE), "cloud_recording_file_infos", details);
            }
            Content::Playlist { .. } | Content::VideoSegment { .. } | Content::AudioSegment { .. } => {}
        }
    }

    /// Event 2: 31 a file is sent again, 32 it goes to the backup.
    pub(super) fn tell_upload_warning(&mut self, at: Millis, index: usize, code: u32) {
        let details = json!({"module": 1, "warnCode": code});
        self.tell(at, index, (2, SERVICE), "cloud_recording_warning", details);
    }

    /// Event 1 where the end has a cause that the user can mend.
    pub(super) fn tell_cause(&mut self, at: Millis, index: usize, reason: EndReason) {
        let (module, code, message) = match reason {
            EndReason::TokenWrong => (0, 110, "invalid token".to_owned()),
            EndReason::TokenExpired => (0, 109, "token expired".to_owned()),
            EndReason::StorageRefused => match self.sessions[index].upload_refusal.clone() {
                Some((code, message)) => (1, code, message),
                None => (1, 47, "upload failed".to_owned()),
            },
            EndReason::Stopped
            | EndReason::Idle
            | EndReason::UidCollision
            | EndReason::Killed
            | EndReason::FailoverExhausted => return,
        };
        let details =
            json!({"module": module, "errorLevel": 5, "errorCode": code, "stat": 0, "errorMsg": message});
        self.tell(at, index, (1, SERVICE), "cloud_recording_error", details);
    }

    pub(super) fn tell_left(&mut self, at: Millis, index: usize, leave_code: u32) {
        self.tell(at, index, (41, RECORDER), "recorder_leave", json!({"leaveCode": leave_code}));
    }

    pub(super) fn tell_uploads_done(&mut self, at: Millis, index: usize) {
        let session = &self.sessions[index];
        let files = if session.is_snapshot_only() {
            if self.settings.is(name::SNAPSHOT_UPLOADED_EVENT, "absent") {
                return;
            }
            json!([])
        } else {
            self.file_list(index)
        };
        let (event, message) = if session.backed_up { (32, "backuped") } else { (31, "uploaded") };
        self.tell(at, index, (event, UPLOADER), message, json!({"status": 0, "fileList": files}));
    }

    pub(super) fn tell_exit(&mut self, at: Millis, index: usize) {
        let abnormal = u32::from(self.sessions[index].ended_abnormally());
        self.tell(at, index, (11, SERVICE), "session_exit", json!({"exitStatus": abnormal}));
    }

    pub(super) fn tell_sts_expired(&mut self, at: Millis, index: usize) {
        if self.settings.is(name::EVENT_34, "sent") {
            self.tell(at, index, (34, UPLOADER), "STSExpired", json!({}));
        }
    }

    /// Event 3 goes to the session that is in the way of a duplicate start.
    pub(super) fn note_duplicate_start(&mut self, at: Millis, target: &Target, start: &Start) {
        let in_the_way = |session: &Session| {
            session.is_live() && session.app_id == target.app_id && session.current_uid == start.uid
        };
        if let Some(index) = self.sessions.iter().position(|s| in_the_way(s) && s.cname == start.cname) {
            let details = json!({
                "status": self.sessions[index].status(at),
                "recordingMode": self.settings.number(name::EVENT_3_RECORDING_MODE),
                "fileList": "",
            });
            self.tell(at, index, (3, SERVICE), "cloud_recording_status_update", details);
        }
    }
}
