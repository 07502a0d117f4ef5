//! Uploads: from a file that is due to one that lies in its bucket. Owns retries, the vendor's own backup, and what a
//! refused bucket means for the session [API §10]. Sending the bytes is the world's.

use super::session::{EndReason, PendingUpload};
use super::{Content, Effect, Service};
use crate::clock::{MINUTE, Millis, SECOND};
use crate::validate::Storage;

/// Attempts before a file goes to the backup.
const ATTEMPTS: u32 = 3;
/// Time between those attempts.
const RETRY_AFTER: Millis = 5 * SECOND;
/// How often the backup tries to forward a file.
const FORWARD_AFTER: Millis = MINUTE;

/// A file to put into a bucket.
#[derive(Clone, Debug)]
pub struct Upload {
    /// To tell the outcome with.
    pub id: u64,
    /// Key of the object, prefix included.
    pub key: String,
    /// Where, and with which keys.
    pub storage: Storage,
    /// What.
    pub content: Content,
}

/// Why an upload failed.
#[derive(Clone, Debug, PartialEq)]
pub enum UploadFailure {
    /// The bucket is not there: uploader code 32, storage configuration wrong.
    WrongConfiguration(String),
    /// The keys were refused: uploader code 47, upload failed.
    Refused(String),
    /// The storage could not be reached or had a fault of its own; worth another try.
    Transient(String),
}

impl Service {
    pub(super) fn upload(&mut self, at: Millis, index: usize, name: &str, content: Content) {
        let id = self.next_upload;
        self.next_upload += 1;
        let session = &mut self.sessions[index];
        let key = format!("{}{name}", session.task.storage.prefix);
        // A playlist is written again and again: the newer one waits for the older, or they could land the wrong way
        // round. One that still waits is not needed any more.
        let superseded =
            |other: &PendingUpload| other.queued || (other.in_backup && other.retry_at.is_some());
        session.pending.retain(|_, other| other.key != key || !superseded(other));
        let queued = session.pending.values().any(|other| other.key == key);
        let pending = PendingUpload { key, content, attempts: 0, retry_at: None, in_backup: false, queued };
        session.pending.insert(id, pending);
        if !queued {
            self.attempt(at, index, id);
        }
    }

    fn attempt(&mut self, at: Millis, index: usize, id: u64) {
        let storage_down = self.storage_down;
        let session = &mut self.sessions[index];
        let Some(pending) = session.pending.get_mut(&id) else { return };
        pending.attempts += 1;
        pending.retry_at = None;
        if storage_down {
            let failure = UploadFailure::Transient("storage is down on demand".to_owned());
            self.fail(at, index, id, failure);
            return;
        }
        let upload = Upload {
            id,
            key: pending.key.clone(),
            storage: session.task.storage.clone(),
            content: pending.content.clone(),
        };
        self.effects.push(Effect::Upload(upload));
    }

    fn send_queued(&mut self, at: Millis, index: usize, key: &str) {
        let waiting =
            self.sessions[index].pending.iter_mut().find(|(_, upload)| upload.queued && upload.key == key);
        if let Some((id, upload)) = waiting {
            upload.queued = false;
            let id = *id;
            self.attempt(at, index, id);
        }
    }

    pub(super) fn retry_uploads(&mut self, at: Millis, index: usize) {
        let due: Vec<u64> = self.sessions[index]
            .pending
            .iter()
            .filter(|(_, upload)| upload.retry_at.is_some_and(|retry| retry <= at))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.attempt(at, index, id);
        }
    }

    /// Tells that a file lies in its bucket.
    pub fn uploaded(&mut self, now: Millis, id: u64) -> Vec<Effect> {
        self.advance_to(now);
        if let Some(index) = self.uploader_of(id)
            && let Some(upload) = self.sessions[index].pending.remove(&id)
        {
            let key = upload.key.clone();
            // A playlist is written again with each segment; it counts as one file.
            if !self.sessions[index].files.contains(&key)
                || !matches!(upload.content, Content::Playlist { .. })
            {
                self.sessions[index].files.push(key);
            }
            self.tell_uploaded(now, index, &upload);
            self.send_queued(now, index, &upload.key);
        }
        self.advance_to(now);
        std::mem::take(&mut self.effects)
    }

    /// Tells that a file could not be put into its bucket.
    pub fn upload_failed(&mut self, now: Millis, id: u64, failure: UploadFailure) -> Vec<Effect> {
        self.advance_to(now);
        if let Some(index) = self.uploader_of(id) {
            self.fail(now, index, id, failure);
        }
        self.advance_to(now);
        std::mem::take(&mut self.effects)
    }

    fn fail(&mut self, at: Millis, index: usize, id: u64, failure: UploadFailure) {
        let (code, message) = match failure {
            UploadFailure::Transient(_) => return self.fail_for_now(at, index, id),
            UploadFailure::WrongConfiguration(message) => (32, message),
            UploadFailure::Refused(message) => (47, message),
        };
        // Since 2019 a refused bucket gets no backup: the file is lost and the session ends.
        self.sessions[index].pending.remove(&id);
        self.sessions[index].upload_refusal = Some((code, message));
        if self.sessions[index].is_live() {
            self.leave(at, index, EndReason::StorageRefused);
            self.drop_uploads(index);
        }
    }

    /// What was queued behind a refused file would only be refused again.
    fn drop_uploads(&mut self, index: usize) {
        self.sessions[index].pending.clear();
        let sent_to = self.sessions[index].task.storage.clone();
        self.effects.retain(|effect| match effect {
            Effect::Upload(upload) => upload.storage != sent_to,
            Effect::Answer(..) | Effect::Notify(_) => true,
        });
    }

    fn fail_for_now(&mut self, at: Millis, index: usize, id: u64) {
        let Some(pending) = self.sessions[index].pending.get_mut(&id) else { return };
        let attempts_left = !pending.in_backup && pending.attempts < ATTEMPTS;
        let key = pending.key.clone();
        let waits = |other: &PendingUpload| other.queued && other.key == key;
        if !attempts_left && self.sessions[index].pending.values().any(waits) {
            // Forwarded later, the older version would overwrite the newer one.
            self.sessions[index].pending.remove(&id);
            self.send_queued(at, index, &key);
            return;
        }
        let Some(pending) = self.sessions[index].pending.get_mut(&id) else { return };
        if pending.in_backup {
            pending.retry_at = Some(at + FORWARD_AFTER);
            return;
        }
        if attempts_left {
            pending.retry_at = Some(at + RETRY_AFTER);
            self.tell_upload_warning(at, index, 31);
            return;
        }
        pending.in_backup = true;
        pending.retry_at = Some(at + FORWARD_AFTER);
        self.sessions[index].backed_up = true;
        self.tell_upload_warning(at, index, 32);
    }

    fn uploader_of(&self, id: u64) -> Option<usize> {
        self.sessions.iter().position(|session| session.pending.contains_key(&id))
    }

    /// Takes the storage of every session away, or gives it back.
    pub fn set_storage_down(&mut self, now: Millis, down: bool) -> Vec<Effect> {
        self.advance_to(now);
        self.storage_down = down;
        std::mem::take(&mut self.effects)
    }
}
