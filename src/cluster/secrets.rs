//! Secrets, read by name and remembered for a short while.
//!
//! `get` is the only permission this takes: RBAC cannot limit a watch to some Secrets or to metadata. What the keys
//! of a Secret mean is not known here. Values are never logged, shown by `Debug`, or part of an error.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::time::Instant;

use super::client::{CALL_LIMIT, CallError, within};

/// A rotated Secret is in use after this long.
const PRESENT_FOR: Duration = Duration::from_secs(30);

/// A job without its Secret looks every 15 s and must heal within 15 s of its appearing, so its absence is only
/// remembered for the jobs that look at about the same time.
const ABSENT_FOR: Duration = Duration::from_secs(5);

/// Those who waited for the same answer share a failure; the next visit asks again.
const FAILED_FOR: Duration = Duration::from_secs(2);

/// No more Secrets than this are remembered; the rest is asked for each time.
const MOST_SECRETS: usize = 1024;

/// Secrets larger than this are not remembered. Credentials and certificates are a few kB; a Secret may have 1 MiB.
const MOST_BYTES: usize = 64 * 1024;

/// Keys of one Secret with their values.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// Why Secrets could not be read. That one does not exist is no error.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SecretError {
    /// The operator's role is too small.
    #[error(
        "the operator may not read Secret {namespace}/{name}: its role needs the verb get on secrets in namespace \
         {namespace}"
    )]
    Forbidden {
        /// Namespace of the Secret.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server refused for another reason, or did not answer.
    #[error("Secret {namespace}/{name} could not be read, it will be tried again: {why}")]
    Unavailable {
        /// Namespace of the Secret.
        namespace: String,
        /// Its name.
        name: String,
        /// In words that are the same each time.
        why: String,
    },
}

/// Reads Secrets. Cheap to clone; all clones remember together.
#[derive(Clone)]
pub struct SecretReader {
    client: Client,
    scale: u32,
    slots: Arc<Mutex<Slots>>,
}

#[derive(Default)]
struct Slots {
    by_name: HashMap<Key, Arc<Slot>>,
    swept: Option<Instant>,
}

type Key = (String, String);

/// Locked while it is asked for, so that fifty jobs with the same Secret ask once.
type Slot = tokio::sync::Mutex<Option<Known>>;

struct Known {
    until: Instant,
    answer: Answer,
}

type Answer = Result<Option<Arc<SecretData>>, SecretError>;

impl SecretReader {
    /// `scale` divides how long answers are remembered (1 outside tests).
    pub fn new(client: Client, scale: u32) -> Self {
        Self { client, scale: scale.max(1), slots: Arc::default() }
    }

    /// The Secrets of these names in one namespace; `None` for one that does not exist.
    ///
    /// # Errors
    /// [`SecretError`] for the first one that could not be read.
    pub async fn read(
        &self,
        namespace: &str,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Option<SecretData>>, SecretError> {
        let all = names.iter().map(async |name| {
            let data = self.read_one(namespace, name).await?;
            Ok((name.clone(), data.map(|data| SecretData::clone(&data))))
        });
        futures::future::try_join_all(all).await.map(|found| found.into_iter().collect())
    }

    /// Drops what is remembered of a Secret, because what it held was found wanting: the next read asks again.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.slots().by_name.remove(&(namespace.to_owned(), name.to_owned()));
    }

    async fn read_one(&self, namespace: &str, name: &str) -> Answer {
        let slot = self.slot(namespace, name);
        let mut known = slot.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.until > Instant::now()) {
            return known.answer.clone();
        }
        let answer = self.get(namespace, name).await;
        let keep_for = match &answer {
            Ok(Some(data)) if size(data) > MOST_BYTES => Duration::ZERO,
            Ok(Some(_)) => PRESENT_FOR,
            Ok(None) => ABSENT_FOR,
            Err(_) => FAILED_FOR,
        } / self.scale;
        *known =
            (!keep_for.is_zero()).then(|| Known { until: Instant::now() + keep_for, answer: answer.clone() });
        answer
    }

    async fn get(&self, namespace: &str, name: &str) -> Answer {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        match within(CALL_LIMIT, secrets.get_opt(name)).await {
            Ok(found) => Ok(found.map(|secret| {
                let data = secret.data.unwrap_or_default();
                Arc::new(data.into_iter().map(|(key, value)| (key, value.0)).collect())
            })),
            Err(error) => {
                let (namespace, name) = (namespace.to_owned(), name.to_owned());
                tracing::debug!(namespace, name, %error, "a Secret could not be read");
                if error.is_forbidden() {
                    Err(SecretError::Forbidden { namespace, name })
                } else {
                    Err(SecretError::Unavailable { namespace, name, why: stable_words(&error) })
                }
            }
        }
    }

    fn slot(&self, namespace: &str, name: &str) -> Arc<Slot> {
        let mut slots = self.slots();
        let now = Instant::now();
        if slots.swept.is_none_or(|swept| now.duration_since(swept) >= PRESENT_FOR / self.scale) {
            // A slot that is locked is being asked for, and one that is fresh may be asked again.
            slots.by_name.retain(|_, slot| {
                slot.try_lock().map_or(true, |known| known.as_ref().is_some_and(|known| known.until > now))
            });
            slots.swept = Some(now);
        }
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(slot) = slots.by_name.get(&key) {
            return slot.clone();
        }
        let slot = Arc::<Slot>::default();
        if slots.by_name.len() < MOST_SECRETS {
            slots.by_name.insert(key, slot.clone());
        }
        slot
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many Secrets are remembered, and nothing of them.
impl fmt::Debug for SecretReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SecretReader")
            .field("remembered", &self.slots().by_name.len())
            .finish_non_exhaustive()
    }
}

fn size(data: &SecretData) -> usize {
    data.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// Words for a status message: without addresses, times and request ids, which would wake the job by its own status.
fn stable_words(error: &CallError) -> String {
    match error {
        CallError::TimedOut(_) => error.to_string(),
        CallError::Failed(kube::Error::Api(status)) => format!("the API server answered {}", status.code),
        CallError::Failed(_) => "the API server could not be reached".into(),
    }
}

#[cfg(test)]
mod tests;
