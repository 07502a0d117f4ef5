//! The body of acquire [API §2].

use serde_json::Value;

use super::{Fields, Refusal, identity};

/// Hours for which calls are possible when acquire does not say [API §2].
const DEFAULT_EXPIRED_HOUR: u64 = 72;

/// An acquire that keeps the rules. The channel name is not judged here: its refusal has a code of its own.
#[derive(Clone, Debug)]
pub struct Acquire {
    /// Channel name.
    pub cname: String,
    /// Recorder uid.
    pub uid: u32,
    /// Hours from the sid on in which the session can be controlled.
    pub resource_expired_hour: u64,
    /// What start's `clientRequest` must equal, if given.
    pub start_parameter: Option<Value>,
}

/// Judges the body of acquire.
pub fn acquire(body: &Value, notes: &mut Vec<String>) -> Result<Acquire, Refusal> {
    let mut fields = Fields::of("body", body)?;
    let (cname, uid) = identity(&mut fields)?;
    let mut request = fields.required_object("clientRequest")?;
    if request.integer("scene", 0..=2)?.is_some_and(|scene| scene != 0) {
        notes.push("clientRequest.scene is not 0: snapshots need scene 0".to_owned());
    }
    let resource_expired_hour = request
        .integer("resourceExpiredHour", 1..=720)
        .map_err(|_| Refusal("Acquire: invalid resourceExpiredHour value!".to_owned()))?
        .unwrap_or(DEFAULT_EXPIRED_HOUR);
    // An invalid startParameter still gives 200 here; start then fails.
    let start_parameter = request.raw("startParameter").cloned();
    request.list("excludeResourceIds", 64)?;
    if let Some(region) = request.text("region")?
        && !["CN", "AP", "EU", "NA"].contains(&region)
    {
        return Err(request.refuse("region", "must be CN, AP, EU or NA"));
    }
    request.integer("regionAffinity", 0..=4)?;
    request.note_unknown(notes);
    fields.note_unknown(notes);
    Ok(Acquire { cname, uid, resource_expired_hour, start_parameter })
}

/// Whether a channel name keeps the rule of RTC channels: 1 to 63 bytes of the listed characters [API §2].
pub(crate) fn channel_name_is_valid(cname: &str) -> bool {
    let listed = |c: char| c.is_ascii_alphanumeric() || " !#$%&()+-:;<=.>?@[]^_{}|~,".contains(c);
    !cname.is_empty() && cname.len() < 64 && cname.chars().all(listed)
}
