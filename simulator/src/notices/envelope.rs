//! A notification on the wire: its body and its signatures [API §9.1, §9.2]. Owns what the receiver reads.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;

use crate::clock::Millis;

/// `productId` of cloud recording [API §9.2].
const PRODUCT: u32 = 3;

/// The two signatures of a body, lower-case hexadecimal [API §9.1].
#[derive(Clone, Debug, PartialEq)]
pub struct Signatures {
    /// HMAC-SHA1, for the header `Agora-Signature`.
    pub sha1: String,
    /// HMAC-SHA256, for the header `Agora-Signature-V2`.
    pub sha256: String,
}

/// Signs the bytes of a body with an endpoint's secret.
pub fn sign(secret: &str, body: &[u8]) -> Signatures {
    let mut sha1 = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    let mut sha256 =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    sha1.update(body);
    sha256.update(body);
    Signatures {
        sha1: hex::encode(sha1.finalize().into_bytes()),
        sha256: hex::encode(sha256.finalize().into_bytes()),
    }
}

/// What a notification says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// In the envelope.
    Enveloped {
        event_type: u32,
        payload: Value,
        /// `sid` beside the payload, where it is sent.
        sid: Option<String>,
    },
    /// Bytes that somebody asked for.
    Raw(Vec<u8>),
}

impl Content {
    /// The body as it goes out at `notify_ms` (wall clock): each resend of an enveloped one has another.
    pub(super) fn body(&self, notice_id: &str, notify_ms: Millis) -> Vec<u8> {
        let (event_type, payload, sid) = match self {
            Self::Raw(bytes) => return bytes.clone(),
            Self::Enveloped { event_type, payload, sid } => (event_type, payload, sid),
        };
        let mut envelope = json!({
            "noticeId": notice_id, "productId": PRODUCT, "eventType": event_type, "notifyMs": notify_ms,
            "payload": payload,
        });
        if let Some(sid) = sid {
            envelope["sid"] = sid.as_str().into();
        }
        envelope.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_vector_of_the_documents_holds() {
        let body = br#"{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f","notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}"#;
        let signatures = sign("secret", body);
        assert_eq!(signatures.sha1, "033c62f40f687675f17f0f41f91a40c71c0f134c");
        assert_eq!(signatures.sha256, "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99");
    }

    #[test]
    fn an_envelope_has_the_documented_fields_and_raw_bytes_stay_as_they_are() {
        let payload = json!({"cname": "lobby"});
        let with = Content::Enveloped { event_type: 45, payload: payload.clone(), sid: Some("s".into()) };
        let body: Value = serde_json::from_slice(&with.body("n", 5)).unwrap();
        let expected = json!({
            "noticeId": "n", "productId": 3, "eventType": 45, "notifyMs": 5, "payload": {"cname": "lobby"}, "sid": "s",
        });
        assert_eq!(body, expected);
        let without = Content::Enveloped { event_type: 45, payload, sid: None };
        assert!(!String::from_utf8(without.body("n", 5)).unwrap().contains("sid"));
        assert_eq!(Content::Raw(vec![0xFF, b' ']).body("n", 5), [0xFF, b' ']);
    }
}
