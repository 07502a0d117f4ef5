//! The body of stop [API §5].

use serde_json::Value;

use super::{Fields, Refusal, identity};

/// A stop that keeps the rules.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Channel name.
    pub cname: String,
    /// Recorder uid.
    pub uid: u32,
    /// Whether the answer may come before the upload is done.
    pub asynchronous: bool,
}

/// Judges the body of stop.
pub fn stop(body: &Value, notes: &mut Vec<String>) -> Result<Stop, Refusal> {
    let mut fields = Fields::of("body", body)?;
    let (cname, uid) = identity(&mut fields)?;
    let mut request = fields.required_object("clientRequest")?;
    let asynchronous = match request.raw("async_stop") {
        None => false,
        Some(Value::Bool(asynchronous)) => *asynchronous,
        Some(_) => return Err(request.refuse("async_stop", "must be true or false")),
    };
    request.note_unknown(notes);
    fields.note_unknown(notes);
    Ok(Stop { cname, uid, asynchronous })
}
