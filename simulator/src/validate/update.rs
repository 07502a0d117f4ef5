//! The body of update [API §6].

use serde_json::Value;

use super::storage::{Storage, storage};
use super::subscription::{self, Subscription};
use super::{Fields, Refusal, StreamTypes, identity};
use crate::settings::Settings;

/// An update that keeps the rules.
#[derive(Clone, Debug)]
pub struct Update {
    /// Channel name.
    pub cname: String,
    /// Recorder uid.
    pub uid: u32,
    /// New lists, which replace the old ones.
    pub subscription: Option<Subscription>,
    /// New storage, of which a refreshed temporary token is the usual reason.
    pub storage: Option<Storage>,
}

/// Judges the body of update for a session that receives `streams`.
pub fn update(
    body: &Value,
    streams: StreamTypes,
    settings: &Settings,
    notes: &mut Vec<String>,
) -> Result<Update, Refusal> {
    let mut fields = Fields::of("body", body)?;
    let (cname, uid) = identity(&mut fields)?;
    let mut request = fields.required_object("clientRequest")?;
    let subscription = match request.object("streamSubscribe")? {
        None => None,
        Some(mut lists) => {
            let subscription = subscription::of_update(&mut lists, streams, settings, notes)?;
            lists.note_unknown(notes);
            Some(subscription)
        }
    };
    let storage = request.object("storageConfig")?.map(|fields| storage(fields, notes)).transpose()?;
    for key in ["webRecordingConfig", "rtmpPublishConfig"] {
        if request.raw(key).is_some() {
            return Err(request.refuse(key, "is only for web mode"));
        }
    }
    request.note_unknown(notes);
    fields.note_unknown(notes);
    Ok(Update { cname, uid, subscription, storage })
}
