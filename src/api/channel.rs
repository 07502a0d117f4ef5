//! The declared channel: which one, who joins it to take the snapshots, and how its media is encrypted.
#![allow(unreachable_pub, reason = "KubeSchema copies the type into a function to derive its schema")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::spec::{MAX_UID, SecretKeyRef};

/// The channel.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// App ID of the project the channel belongs to, 32 hexadecimal characters. Not a secret.
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(APP_ID).message("appId must be 32 hexadecimal characters"))]
    pub app_id: String,
    /// Channel name (`cname`), in the vendor's character set (letters, digits, space and
    /// `! # $ % & ( ) + - : ; < = . > ? @ [ ] ^ _ { } | ~ ,`), shorter than 64 bytes.
    #[schemars(length(max = 63))]
    #[x_kube(validation = Rule::new(CHANNEL_NAME).message(
        "name must be 1 to 63 characters, each a letter a-z or A-Z, a digit, a space \
         or one of ! # $ % & ( ) + - : ; < = . > ? @ [ ] ^ _ { } | ~ ,"
    ))]
    pub name: String,
    /// Channel profile that the client SDKs use. A wrong one silently records nothing, hence no default.
    pub profile: Profile,
    /// Recorder identities, one or two with distinct uids. Absent or empty: two uids are derived from the object.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "absent_if_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["uid".into()]))]
    pub recorders: Option<Vec<Recorder>>,
    /// Media encryption of the channel. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

/// The vendor's form of an App ID.
const APP_ID: &str = "self.matches('^[0-9a-fA-F]{32}$')";

/// Vendor reference, acquire, `cname`: its character set is ASCII, so characters are bytes.
const CHANNEL_NAME: &str = r"self.matches(r'^[a-zA-Z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,]{1,63}$')";

/// An empty list says what an absent one says, so that nobody after the decoder needs to know of both.
fn absent_if_empty<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.filter(|list| !list.is_empty()))
}

/// Channel profile (`channelType`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum Profile {
    /// `channelType` 1.
    LiveBroadcasting,
    /// `channelType` 0.
    Communication,
}

/// Who joins the channel to take the snapshots.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recorder {
    /// RTC uid, 1 to 4294967295; no user of the channel may have it.
    #[schemars(range(min = 1, max = MAX_UID))]
    pub uid: i64,
    /// RTC token made for this uid and channel; needed when the project's App Certificate is on and the
    /// credentials Secret has no `appCertificate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_key_ref: Option<SecretKeyRef>,
}

/// Media encryption of the channel.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(self.mode in ['AES128GCM2', 'AES256GCM2']) || has(self.saltSecretKeyRef)")
        .message("saltSecretKeyRef must be set with mode AES128GCM2 and AES256GCM2")
        .field_path(".saltSecretKeyRef")
        .reason(Reason::FieldValueRequired),
    validation = Rule::new("self.mode in ['AES128GCM2', 'AES256GCM2'] || !has(self.saltSecretKeyRef)")
        .message("saltSecretKeyRef must be set only with mode AES128GCM2 and AES256GCM2")
        .field_path(".saltSecretKeyRef")
        .reason(Reason::FieldValueForbidden)
)]
pub struct Encryption {
    /// Cipher that the client SDKs use.
    pub mode: EncryptionMode,
    /// Key of the Secret with the encryption secret.
    pub secret_key_ref: SecretKeyRef,
    /// Key of the Secret with the salt, base64 of 32 bytes; exactly with the `...GCM2` modes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt_secret_key_ref: Option<SecretKeyRef>,
}

/// Cipher (`decryptionMode` 1 to 8).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum EncryptionMode {
    /// `decryptionMode` 1.
    AES128XTS,
    /// `decryptionMode` 2.
    AES128ECB,
    /// `decryptionMode` 3.
    AES256XTS,
    /// `decryptionMode` 4.
    SM4128ECB,
    /// `decryptionMode` 5.
    AES128GCM,
    /// `decryptionMode` 6.
    AES256GCM,
    /// `decryptionMode` 7, with salt.
    AES128GCM2,
    /// `decryptionMode` 8, with salt.
    AES256GCM2,
}
