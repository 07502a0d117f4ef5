//! Which Secrets a body was signed with. A job hears only what was signed with the secret of its own Secret: else whoever has
//! one App ID's secret could end another's sessions.

use std::collections::{BTreeMap, BTreeSet};

use super::listeners::Listener;
use crate::agora::material::notification_secret;
use crate::agora::notification::Signatures;
use crate::cluster::secrets::SecretReader;

/// Who may hear a body.
#[derive(Debug, Default)]
pub(super) struct Verified<'a> {
    /// The jobs whose Secret it was signed with.
    pub(super) jobs: Vec<&'a Listener>,
    /// How many Secrets were found that sign anything.
    pub(super) secrets: usize,
    /// Why a Secret could not be read.
    pub(super) unread: Option<String>,
}

/// Those of the jobs whose Secret fits.
pub(super) async fn fitting<'a>(
    reader: &SecretReader,
    jobs: &[&'a Listener],
    signatures: &Signatures<'_>,
    body: &[u8],
) -> Verified<'a> {
    judge(reader, jobs, signatures, body, false).await
}

/// The same, and no more than one Secret's: enough to know that a body is the vendor's.
pub(super) async fn any_fitting<'a>(
    reader: &SecretReader,
    jobs: &[&'a Listener],
    signatures: &Signatures<'_>,
    body: &[u8],
) -> Verified<'a> {
    judge(reader, jobs, signatures, body, true).await
}

async fn judge<'a>(
    reader: &SecretReader,
    jobs: &[&'a Listener],
    signatures: &Signatures<'_>,
    body: &[u8],
    one_is_enough: bool,
) -> Verified<'a> {
    let mut by_secret: BTreeMap<(&str, &str), Vec<&'a Listener>> = BTreeMap::new();
    for job in jobs {
        by_secret.entry((&job.namespace, &job.secret)).or_default().push(job);
    }
    let mut verified = Verified::default();
    for ((namespace, name), jobs) in by_secret {
        let read = match reader.read(namespace, &BTreeSet::from([name.to_owned()])).await {
            Ok(read) => read,
            Err(error) => {
                verified.unread = Some(error.to_string());
                continue;
            }
        };
        // One that does not exist, or whose secret is no word, signs nothing.
        let Ok(Some(secret)) = notification_secret(name, &read) else { continue };
        verified.secrets += 1;
        if signatures.are_of(body, &secret) {
            verified.jobs.extend(jobs);
            if one_is_enough {
                break;
            }
        }
    }
    verified
}
