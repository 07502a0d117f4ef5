//! Answers as data. Owns the body shapes of the vendor's service and of its gateway [API §7]; sending them, and the
//! headers that every answer carries, belong to the HTTP layer.

use serde_json::{Map, Value, json};

/// An HTTP answer without its transport.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: Value,
}

/// Whom an answer of a session's call is about; the vendor repeats it in most bodies [API §3.6, §4, §5].
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Channel name.
    pub cname: &'a str,
    /// Recorder uid of the request.
    pub uid: u32,
    /// Resource id of the request.
    pub resource_id: &'a str,
    /// Session id.
    pub sid: &'a str,
}

impl Answer {
    /// Status 200 with a body.
    pub fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    /// A refusal by the service: `{"code", "reason"}`.
    pub fn service(status: u16, code: u16, reason: &str) -> Self {
        Self { status, body: json!({"code": code, "reason": reason}) }
    }

    /// A refusal by the gateway: `{"message"}`.
    pub fn gateway(status: u16, message: &str) -> Self {
        Self { status, body: json!({"message": message}) }
    }

    /// Status 200 that repeats the subject, with more fields beside it.
    pub fn about(subject: Subject<'_>, more: Value) -> Self {
        Self::ok(envelope(subject, more))
    }

    /// The fat refusal that real sessions give: the subject, the code and a server response, but no reason [API §5].
    pub fn fat(status: u16, code: u16, subject: Subject<'_>, server_response: Value) -> Self {
        Self { status, body: envelope(subject, json!({"code": code, "serverResponse": server_response})) }
    }

    /// The service's own code, where the body has one.
    pub fn code(&self) -> Option<u64> {
        self.body.get("code").and_then(Value::as_u64)
    }
}

fn envelope(subject: Subject<'_>, more: Value) -> Value {
    let mut body = Map::new();
    body.insert("cname".into(), subject.cname.into());
    body.insert("uid".into(), subject.uid.to_string().into());
    body.insert("resourceId".into(), subject.resource_id.into());
    body.insert("sid".into(), subject.sid.into());
    if let Value::Object(more) = more {
        body.extend(more);
    }
    Value::Object(body)
}
