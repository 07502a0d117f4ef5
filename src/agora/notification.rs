//! A notification of the vendor's (NCS): whether it is the vendor's own, and what it tells.
//!
//! Owns header names, signatures and the envelope. What is not understood is no error: the vendor tests an endpoint with
//! bodies of other products, and adds events and fields.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha1::Sha1;
use sha2::Sha256;

use crate::lifecycle::told::{Event, Tiding, Trouble};

/// Header with the HMAC-SHA1 of the body, in hexadecimal.
pub const SIGNATURE_HEADER: &str = "Agora-Signature";
/// Header with the HMAC-SHA256 of the body, in hexadecimal.
pub const SIGNATURE_V2_HEADER: &str = "Agora-Signature-V2";

/// `productId` of cloud recording.
const PRODUCT: i64 = 3;

/// The signatures that a body came with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signatures<'a> {
    /// Value of [`SIGNATURE_HEADER`].
    pub sha1: Option<&'a str>,
    /// Value of [`SIGNATURE_V2_HEADER`].
    pub sha256: Option<&'a str>,
}

impl Signatures<'_> {
    /// Whether there is anything that has the form of a signature.
    pub fn could_be_some(&self) -> bool {
        let has_form = |signature: &str, bytes: usize| {
            signature.trim().len() == 2 * bytes
                && signature.trim().bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        match (self.sha256, self.sha1) {
            (Some(signature), _) => has_form(signature, 32),
            (None, Some(signature)) => has_form(signature, 20),
            (None, None) => false,
        }
    }

    /// Whether these bytes were signed with this secret, compared in constant time. Where there are two signatures the
    /// stronger one counts alone. An empty secret signs nothing.
    pub fn are_of(&self, body: &[u8], secret: &SecretString) -> bool {
        let secret = secret.expose_secret().as_bytes();
        if secret.is_empty() {
            return false;
        }
        match (self.sha256, self.sha1) {
            (Some(signature), _) => is_of::<Hmac<Sha256>>(signature, body, secret),
            (None, Some(signature)) => is_of::<Hmac<Sha1>>(signature, body, secret),
            (None, None) => false,
        }
    }
}

fn is_of<M: Mac + KeyInit>(signature: &str, body: &[u8], secret: &[u8]) -> bool {
    let Ok(signature) = hex::decode(signature.trim()) else { return false };
    let mut mac = <M as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

/// One notification of a session of cloud recording.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notification {
    /// The vendor's `noticeId`: the same in each attempt to deliver it.
    pub id: Option<String>,
    /// The vendor's `eventType`.
    pub event_type: i64,
    /// Its number among those of a process of the session, from 0. With sid, uid and event type it is the same in the copies
    /// that two servers send, whose ids differ.
    pub sequence: Option<i64>,
    /// What it tells.
    pub tiding: Tiding,
}

/// What a body tells of a session of cloud recording. `None`: it is not understood, or tells of no session.
pub fn read(body: &[u8]) -> Option<Notification> {
    let Envelope { notice_id, product_id, event_type, payload, sid } = serde_json::from_slice(body).ok()?;
    if product_id != PRODUCT {
        return None;
    }
    let tiding = Tiding {
        sid: [payload.sid, sid]
            .into_iter()
            .flatten()
            .find(|sid| !sid.is_empty())
            .filter(|sid| is_sid(sid))?,
        channel: payload.cname.unwrap_or_default(),
        uid: uid(&payload.uid)?,
        time: Timestamp::from_millisecond(payload.sendts).ok()?,
        event: event(event_type, &payload.details),
    };
    Some(Notification { id: notice_id, event_type, sequence: payload.sequence, tiding })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    #[serde(default)]
    notice_id: Option<String>,
    product_id: i64,
    event_type: i64,
    payload: Payload,
    /// Undocumented, and seen.
    #[serde(default)]
    sid: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    sid: Option<String>,
    #[serde(default)]
    cname: Option<String>,
    #[serde(default)]
    sequence: Option<i64>,
    /// Documented as a string.
    uid: Value,
    /// When it happened, in milliseconds since the Unix epoch.
    sendts: i64,
    #[serde(default)]
    details: Value,
}

/// What an event says. One whose details are not as documented tells that the session was there, and no more.
fn event(event_type: i64, details: &Value) -> Event {
    let field = |name: &str| number(&details[name]);
    let trouble = |code: Option<i64>| {
        Some(Trouble { module: field("module")?, code: code?, level: field("errorLevel").unwrap_or(0) })
    };
    let understood = match event_type {
        1 => trouble(field("errorCode")).map(Event::Error),
        2 => trouble(field("warnCode")).map(Event::Warning),
        11 => field("exitStatus").map(|status| Event::Exited { normally: status == 0 }),
        12 => uid(&details["newUid"]).map(|new_uid| Event::FailedOver { new_uid }),
        31 => (field("status") == Some(0)).then_some(Event::Uploaded),
        32 => (field("status") == Some(0)).then_some(Event::BackedUp),
        40 => (field("status") == Some(0)).then_some(Event::Joined),
        41 => field("leaveCode").map(|code| Event::Left { code }),
        44 => uid(&details["streamUid"])
            .zip(field("state"))
            .map(|(user, state)| Event::Video { user, received: state == 0 }),
        45 => details["fileName"]
            .as_str()
            .filter(|file| file.len() <= MOST_KEY)
            .map(|file| Event::Snapshot { file: file.to_owned() }),
        _ => None,
    };
    understood.unwrap_or(Event::Other)
}

/// The longest key of an object that storage services take, in bytes.
const MOST_KEY: usize = 1024;

/// A sid has 32 hexadecimal digits; one of another form is taken as long as it is a short word.
fn is_sid(sid: &str) -> bool {
    sid.len() <= 64 && sid.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A uid: 1 to 4,294,967,295. It may go into a call, where another number would be refused.
fn uid(value: &Value) -> Option<i64> {
    number(value).filter(|uid| (1..=i64::from(u32::MAX)).contains(uid))
}

/// A number, or one in a string: the vendor writes uids both ways.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests;
