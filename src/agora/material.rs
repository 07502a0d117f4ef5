//! What a call needs that is secret: assembled from Secrets that were read already, judged, and never printed.
//!
//! Pure: fetching Secrets is the cluster's, what goes where in a body is `bodies`'. Every problem names the Secret and
//! the key, for the user has to mend them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::token::{self, Token, TokenFor};
use crate::api::spec::{SecretKeyRef, SnapshotJobSpec, StorageVendor};

/// Secrets of one namespace by name: their data, or `None` for one that does not exist.
pub type Secrets = BTreeMap<String, Option<BTreeMap<String, Vec<u8>>>>;

/// Life of the tokens made here: the longest that the vendor takes (vendor guide, tokens: at most 24 hours).
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Length of a `...GCM2` salt once decoded (vendor reference, recordingConfig.salt).
const SALT_BYTES: usize = 32;

mod key {
    pub(super) const CUSTOMER_ID: &str = "customerId";
    pub(super) const CUSTOMER_SECRET: &str = "customerSecret";
    pub(super) const APP_CERTIFICATE: &str = "appCertificate";
    pub(super) const NOTIFICATION_SECRET: &str = "notificationSecret";
    pub(super) const ACCESS_KEY: &str = "accessKey";
    pub(super) const SECRET_KEY: &str = "secretKey";
    pub(super) const STS_TOKEN: &str = "stsToken";
    pub(super) const STS_EXPIRATION: &str = "stsExpiration";
}

/// Why a Secret cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MaterialProblem {
    /// There is no such Secret.
    #[error("Secret `{name}` does not exist in this namespace; create it")]
    SecretMissing {
        /// Name of the Secret.
        name: String,
    },
    /// The Secret has no such key.
    #[error("Secret `{name}` has no key `{key}`; add it")]
    KeyMissing {
        /// Name of the Secret.
        name: String,
        /// The key.
        key: String,
    },
    /// The value cannot be what the key is for.
    #[error("key `{key}` of Secret `{name}` {why}")]
    Unusable {
        /// Name of the Secret.
        name: String,
        /// The key.
        key: String,
        /// What is wrong and what it must be, without the value.
        why: String,
    },
    /// A static RTC token is over.
    #[error("the RTC token in key `{key}` of Secret `{name}` ended at {end}; put a new one there")]
    TokenExpired {
        /// Name of the Secret.
        name: String,
        /// The key.
        key: String,
        /// When it ended.
        end: Timestamp,
    },
    /// A static RTC token was made for something else.
    #[error(
        "the RTC token in key `{key}` of Secret `{name}` was made for another {what}; it must be for {wanted}"
    )]
    TokenForOther {
        /// Name of the Secret.
        name: String,
        /// The key.
        key: String,
        /// What differs: `App ID`, `channel` or `uid`.
        what: &'static str,
        /// The value it must be made for.
        wanted: String,
    },
}

/// Who calls: customer id and secret of the vendor's RESTful API. Enough to query and to stop.
#[derive(Clone, Debug)]
pub struct Account {
    pub(super) customer_id: SecretString,
    pub(super) customer_secret: SecretString,
}

/// Everything secret that `start` and `update` send.
#[derive(Clone, Debug)]
pub struct Material {
    /// Who calls.
    pub account: Account,
    /// When the recorder's token ends, and the session with it. `None`: it joins without a token.
    pub token_end: Option<Timestamp>,
    /// When the temporary storage keys end. `None`: they are permanent.
    pub sts_end: Option<Timestamp>,
    pub(super) token: Option<SecretString>,
    pub(super) access_key: SecretString,
    pub(super) secret_key: SecretString,
    pub(super) sts_token: Option<SecretString>,
    pub(super) encryption: Option<EncryptionKeys>,
}

#[derive(Clone, Debug)]
pub(super) struct EncryptionKeys {
    pub(super) secret: SecretString,
    pub(super) salt: Option<SecretString>,
}

/// Names of the Secrets that `Material::gather` looks into. The reader's credentials of the bucket are not among
/// them: no call to the vendor needs those.
pub fn secret_names(spec: &SnapshotJobSpec) -> BTreeSet<String> {
    let recorders = spec.channel.recorders.iter().flatten().filter_map(|r| r.token_secret_key_ref.as_ref());
    let encryption = spec
        .channel
        .encryption
        .iter()
        .flat_map(|encryption| [Some(&encryption.secret_key_ref), encryption.salt_secret_key_ref.as_ref()])
        .flatten();
    [&spec.credentials_ref.name, &spec.storage.credentials_ref.name]
        .into_iter()
        .chain(recorders.map(|reference| &reference.name))
        .chain(encryption.map(|reference| &reference.name))
        .cloned()
        .collect()
}

impl Account {
    /// The account in the Secret `name` (`credentialsRef`).
    ///
    /// # Errors
    /// The Secret or one of its keys `customerId` and `customerSecret` is missing or unusable.
    pub fn from_secret(name: &str, secrets: &Secrets) -> Result<Self, MaterialProblem> {
        let secret = Secret::of(name, secrets)?;
        let customer_id = secret.word(key::CUSTOMER_ID)?;
        if customer_id.contains(':') {
            return Err(
                secret.unusable(key::CUSTOMER_ID, "must not contain a colon (HTTP Basic cannot carry it)")
            );
        }
        Ok(Self {
            customer_id: customer_id.into(),
            customer_secret: secret.word(key::CUSTOMER_SECRET)?.into(),
        })
    }
}

/// What the vendor signs its notifications with, if the Secret `name` (`credentialsRef`) has it.
///
/// # Errors
/// The Secret does not exist, or its key `notificationSecret` is unusable.
pub fn notification_secret(name: &str, secrets: &Secrets) -> Result<Option<SecretString>, MaterialProblem> {
    let word = Secret::of(name, secrets)?.optional_word(key::NOTIFICATION_SECRET)?;
    Ok(word.map(SecretString::from))
}

impl Material {
    /// Everything secret for a session of `spec` whose recorder joins as `recorder_uid`.
    ///
    /// `now` is the time that tokens are judged by and made at; `random` makes the salt of a token made here.
    /// A recorder's own `tokenSecretKeyRef` goes before `appCertificate`; with neither it joins without a token.
    ///
    /// # Errors
    /// The first Secret or key that is missing or unusable, in the order: account, recorder's token, encryption,
    /// storage.
    pub fn gather(
        spec: &SnapshotJobSpec,
        recorder_uid: i64,
        secrets: &Secrets,
        now: Timestamp,
        random: u32,
    ) -> Result<Self, MaterialProblem> {
        let account = Account::from_secret(&spec.credentials_ref.name, secrets)?;
        let token = recorder_token(spec, recorder_uid, secrets, now, random)?;
        let encryption = encryption_keys(spec, secrets)?;
        let storage = Secret::of(&spec.storage.credentials_ref.name, secrets)?;
        let (sts_token, sts_end) = temporary_keys(&storage, spec.storage.vendor, now)?.unzip();
        Ok(Self {
            account,
            token_end: token.as_ref().map(|(_, end)| *end),
            sts_end,
            token: token.map(|(token, _)| token),
            access_key: storage.word(key::ACCESS_KEY)?.into(),
            secret_key: storage.word(key::SECRET_KEY)?.into(),
            sts_token,
            encryption,
        })
    }
}

fn recorder_token(
    spec: &SnapshotJobSpec,
    uid: i64,
    secrets: &Secrets,
    now: Timestamp,
    random: u32,
) -> Result<Option<(SecretString, Timestamp)>, MaterialProblem> {
    let wanted = TokenFor { app_id: &spec.channel.app_id, channel: &spec.channel.name, uid };
    let own = spec.channel.recorders.iter().flatten().find(|recorder| recorder.uid == uid);
    if let Some(reference) = own.and_then(|recorder| recorder.token_secret_key_ref.as_ref()) {
        return static_token(reference, &wanted, secrets, now).map(Some);
    }
    let credentials = Secret::of(&spec.credentials_ref.name, secrets)?;
    let Some(certificate) = credentials.optional_word(key::APP_CERTIFICATE)? else { return Ok(None) };
    // The service counts in whole seconds.
    let issued = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let end = issued.saturating_add(TOKEN_LIFE).unwrap_or(Timestamp::MAX);
    token::build(&wanted, &certificate, issued, TOKEN_LIFE, random)
        .map(|token| Some((token.into(), end)))
        .map_err(|problem| credentials.unusable(key::APP_CERTIFICATE, &problem.to_string()))
}

fn static_token(
    reference: &SecretKeyRef,
    wanted: &TokenFor<'_>,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<(SecretString, Timestamp), MaterialProblem> {
    let secret = Secret::of(&reference.name, secrets)?;
    let text = secret.word(&reference.key)?;
    let token =
        Token::parse(&text).map_err(|problem| secret.unusable(&reference.key, &problem.to_string()))?;
    let (name, key) = (reference.name.clone(), reference.key.clone());
    if let Some((what, wanted)) = token.differs(wanted) {
        return Err(MaterialProblem::TokenForOther { name, key, what, wanted });
    }
    let end = token.end();
    match end <= now {
        true => Err(MaterialProblem::TokenExpired { name, key, end }),
        false => Ok((text.into(), end)),
    }
}

fn encryption_keys(
    spec: &SnapshotJobSpec,
    secrets: &Secrets,
) -> Result<Option<EncryptionKeys>, MaterialProblem> {
    let Some(encryption) = &spec.channel.encryption else { return Ok(None) };
    let reference = &encryption.secret_key_ref;
    let secret = Secret::of(&reference.name, secrets)?.phrase(&reference.key)?.into();
    let salt = match &encryption.salt_secret_key_ref {
        None => None,
        Some(reference) => {
            let secret = Secret::of(&reference.name, secrets)?;
            let salt = secret.word(&reference.key)?;
            match STANDARD.decode(&salt) {
                Ok(bytes) if bytes.len() == SALT_BYTES => Some(salt.into()),
                Ok(_) | Err(_) => {
                    return Err(
                        secret.unusable(&reference.key, "must be the base64 form of exactly 32 bytes")
                    );
                }
            }
        }
    };
    Ok(Some(EncryptionKeys { secret, salt }))
}

/// `stsToken` and the end of the keys. Temporary keys are known to three storage vendors only.
fn temporary_keys(
    secret: &Secret<'_>,
    vendor: StorageVendor,
    now: Timestamp,
) -> Result<Option<(SecretString, Timestamp)>, MaterialProblem> {
    let Some(sts_token) = secret.optional_word(key::STS_TOKEN)? else { return Ok(None) };
    match vendor {
        StorageVendor::AmazonS3 | StorageVendor::AliyunOSS | StorageVendor::TencentCOS => {}
        StorageVendor::AzureBlob
        | StorageVendor::GoogleCloudStorage
        | StorageVendor::HuaweiOBS
        | StorageVendor::BaiduBOS
        | StorageVendor::S3Compatible => {
            return Err(secret.unusable(
                key::STS_TOKEN,
                "is set, but Agora takes temporary keys for AmazonS3, AliyunOSS and TencentCOS only; remove it and \
                 give permanent keys",
            ));
        }
    }
    let end = secret
        .word(key::STS_EXPIRATION)?
        .parse::<i64>()
        .ok()
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        // Milliseconds would lie in the far future.
        .filter(|end| {
            *end < now.saturating_add(SignedDuration::from_hours(24 * 3660)).unwrap_or(Timestamp::MAX)
        })
        .ok_or_else(|| secret.unusable(key::STS_EXPIRATION, "must be the end of the keys in Unix seconds"))?;
    match end <= now {
        true => {
            Err(secret
                .unusable(key::STS_EXPIRATION, &format!("says that the keys ended at {end}; renew them")))
        }
        false => Ok(Some((sts_token.into(), end))),
    }
}

/// One Secret that exists.
struct Secret<'a> {
    name: &'a str,
    data: &'a BTreeMap<String, Vec<u8>>,
}

impl<'a> Secret<'a> {
    fn of(name: &'a str, secrets: &'a Secrets) -> Result<Self, MaterialProblem> {
        match secrets.get(name) {
            Some(Some(data)) => Ok(Self { name, data }),
            Some(None) | None => Err(MaterialProblem::SecretMissing { name: name.to_owned() }),
        }
    }

    fn unusable(&self, key: &str, why: &str) -> MaterialProblem {
        MaterialProblem::Unusable { name: self.name.to_owned(), key: key.to_owned(), why: why.to_owned() }
    }

    fn missing(&self, key: &str) -> MaterialProblem {
        MaterialProblem::KeyMissing { name: self.name.to_owned(), key: key.to_owned() }
    }

    /// A key, token or number: white space around it is an accident of `kubectl create secret --from-file`.
    fn word(&self, key: &str) -> Result<String, MaterialProblem> {
        self.optional_word(key)?.ok_or_else(|| self.missing(key))
    }

    fn optional_word(&self, key: &str) -> Result<Option<String>, MaterialProblem> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let word = text.trim_matches(|c: char| c.is_ascii_whitespace());
        match () {
            () if word.is_empty() => Err(self.unusable(key, "is empty")),
            () if word.chars().any(|c| c.is_control() || c.is_whitespace()) => {
                Err(self.unusable(key, "must be one word; it contains white space or a control character"))
            }
            () => Ok(Some(word.to_owned())),
        }
    }

    /// Free text, in which spaces may be meant: only one line end at its end is an accident.
    fn phrase(&self, key: &str) -> Result<String, MaterialProblem> {
        let text = self.text(key)?.ok_or_else(|| self.missing(key))?;
        let phrase = text.strip_suffix('\n').unwrap_or(text);
        let phrase = phrase.strip_suffix('\r').unwrap_or(phrase);
        match phrase.is_empty() {
            true => Err(self.unusable(key, "is empty")),
            false => Ok(phrase.to_owned()),
        }
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>, MaterialProblem> {
        let Some(bytes) = self.data.get(key) else { return Ok(None) };
        std::str::from_utf8(bytes).map(Some).map_err(|_| self.unusable(key, "is not text in UTF-8"))
    }
}

impl Account {
    /// Every secret text of the account, for masking what the vendor says.
    pub(super) fn exposed(&self) -> [&str; 2] {
        [self.customer_id.expose_secret(), self.customer_secret.expose_secret()]
    }
}

#[cfg(test)]
mod tests;
