//! One answer of the vendor, read leniently: bodies come in several shapes, fat and lean, and some are not the
//! vendor's at all. What an answer proves is `classify`'s.

use std::time::Duration;

use serde_json::{Map, Value};

use super::client::SessionAddress;
use crate::lifecycle::outcome::Identity;

/// Longest answer that is read. Real ones have a few hundred bytes; a page of a proxy may have more.
pub const LONGEST_BODY: usize = 256 * 1024;
/// Longest id that is believed. The vendor's `resourceId` has up to 340 characters today.
const LONGEST_ID: usize = 4096;

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub http: u16,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `None`: not a JSON object, or longer than `LONGEST_BODY`.
    object: Option<Map<String, Value>>,
}

impl Reply {
    /// `body` is `None` when it was too long to be read.
    pub fn new(http: u16, retry_after: Option<Duration>, body: Option<&[u8]>) -> Self {
        let body = body.map(|body| body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body));
        Self { http, retry_after, object: body.and_then(|body| serde_json::from_slice(body).ok()) }
    }

    pub(super) fn is_readable(&self) -> bool {
        self.object.is_some()
    }

    /// The service's `code`: a number, or digits in a string.
    pub(super) fn code(&self) -> Option<i64> {
        integer(self.field("code")?)
    }

    /// Whether there is no `code`, readable or not.
    pub(super) fn is_without_code(&self) -> bool {
        matches!(self.field("code"), None | Some(Value::Null))
    }

    /// What it says: `reason` (service), else `message` (gateway), else the worker's own message.
    pub(super) fn text(&self) -> Option<&str> {
        let worker = || {
            let response = self.server_response()?;
            response.get("payload").or_else(|| response.get("playload"))?.get("message")
        };
        [self.field("reason"), self.field("message"), worker()]
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find(|text| !text.trim().is_empty())
    }

    /// Whether it has the shape of the service's own refusals, rather than the gateway's.
    pub(super) fn has_reason(&self) -> bool {
        self.field("reason").is_some_and(Value::is_string)
    }

    /// An id that can be used in a URL and stored.
    pub(super) fn id(&self, name: &str) -> Option<&str> {
        let id = self.field(name)?.as_str()?;
        let usable = (1..=LONGEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_graphic())
            && id.bytes().any(|byte| byte.is_ascii_alphanumeric());
        usable.then_some(id)
    }

    /// `serverResponse.status`.
    pub(super) fn status(&self) -> Option<i64> {
        integer(self.server_response()?.get("status")?)
    }

    /// `serverResponse.uploadingStatus`.
    pub(super) fn uploading_status(&self) -> Option<&str> {
        self.server_response()?.get("uploadingStatus")?.as_str()
    }

    pub(super) fn server_response(&self) -> Option<&Map<String, Value>> {
        self.field("serverResponse")?.as_object()
    }

    /// Whether a field, if it is there, has this value (a number or its decimal text).
    pub(super) fn agrees(&self, name: &str, wanted: &str) -> bool {
        match self.field(name) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text == wanted,
            Some(Value::Number(number)) => number.to_string() == wanted,
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => false,
        }
    }

    /// Whether all it says of the session's identity is that of `session`.
    pub(super) fn is_of(&self, session: &SessionAddress<'_>) -> bool {
        // After a failover the recorder has another uid; sid and resourceId never change.
        let named = self.id("sid").is_some() && self.id("resourceId").is_some();
        self.agrees("cname", session.channel)
            && self.agrees("resourceId", session.resource_id)
            && self.agrees("sid", session.sid)
            && (named || self.agrees("uid", &session.recorder_uid.to_string()))
    }

    /// How far it says that it is about `session`.
    pub(super) fn identity(&self, session: &SessionAddress<'_>) -> Identity {
        let names = |name: &str, wanted: &str| {
            self.field(name).is_some_and(|value| !value.is_null()) && self.agrees(name, wanted)
        };
        let proved = names("cname", session.channel)
            && names("uid", &session.recorder_uid.to_string())
            && names("resourceId", session.resource_id)
            && names("sid", session.sid);
        match proved {
            true => Identity::Proved,
            false if self.is_of(session) => Identity::Likely,
            false => Identity::Other,
        }
    }

    /// Whether it speaks of a session at all.
    pub(super) fn names_a_session(&self) -> bool {
        self.id("sid").is_some() || self.id("resourceId").is_some() || self.server_response().is_some()
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.object.as_ref()?.get(name)
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
