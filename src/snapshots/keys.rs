//! Keys to a bucket out of the Secret that holds them.

use std::collections::BTreeMap;

use super::location::Keys;

/// A Secret has no key of a name, or its value is not text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("Secret {secret} has no usable key {key}")]
pub struct KeyMissing {
    /// Name of the Secret.
    pub secret: String,
    /// Name of the key.
    pub key: &'static str,
}

impl Keys {
    /// The keys in the data of a Secret: `accessKey`, `secretKey`, and `stsToken` where the keys are temporary. White
    /// space around them is an accident of `kubectl create secret --from-file`.
    ///
    /// # Errors
    /// The first of the two keys that is missing or no text.
    pub fn from_secret(secret: &str, data: &BTreeMap<String, Vec<u8>>) -> Result<Self, KeyMissing> {
        let text = |key: &str| {
            let bytes = data.get(key)?;
            std::str::from_utf8(bytes).ok().map(|text| text.trim().to_owned())
        };
        let needed = |key| text(key).ok_or_else(|| KeyMissing { secret: secret.to_owned(), key });
        Ok(Self {
            access_key: needed("accessKey")?,
            secret_key: needed("secretKey")?,
            session_token: text("stsToken"),
        })
    }
}
