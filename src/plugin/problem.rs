//! Why a command came to nothing, in words for whoever ran it: with his own rights, not with the operator's.

use std::path::PathBuf;

use kube::core::Status;

use crate::ca_bundle::CaBundleError;
use crate::cluster::client::CallError;
use crate::snapshots::keys::KeyMissing;
use crate::snapshots::{BucketProblem, ReadProblem};

/// The API server's code for who it does not know.
const UNAUTHORIZED: u16 = 401;

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// No cluster can be spoken to.
    #[error("no cluster: {0}. Set KUBECONFIG, or give --kubeconfig and --context")]
    NoCluster(String),
    /// There is no such job.
    #[error("there is no SnapshotJob {name} in namespace {namespace}; see `kubectl snapshotjob ls -A`")]
    NoJob {
        /// Namespace that was looked into.
        namespace: String,
        /// Name that was looked for.
        name: String,
    },
    /// The cluster does not know the resource.
    #[error("this cluster has no SnapshotJobs: install the operator, or choose another context")]
    NotInstalled,
    /// A right is missing.
    #[error("you may not {what}: ask for the role in docs/plugin.md")]
    Forbidden {
        /// What was tried: `get Secret bucket in namespace team`.
        what: String,
    },
    /// The credentials of the kubeconfig are not taken.
    #[error("could not {what}: the API server does not take your kubeconfig's credentials; log in again")]
    Unauthenticated {
        /// What was tried.
        what: String,
    },
    /// The API server refused for another reason, or did not answer.
    #[error("could not {what}: {why}")]
    Cluster {
        /// What was tried.
        what: String,
        /// Why it failed.
        why: String,
    },
    /// The Secret with the keys does not exist.
    #[error(
        "Secret {name}, which the job names for its bucket, does not exist in namespace {namespace}; create it"
    )]
    NoSecret {
        /// Namespace of the job.
        namespace: String,
        /// Name of the Secret.
        name: String,
    },
    /// The Secret has no keys.
    #[error("{0}; add it")]
    Keys(#[from] KeyMissing),
    /// The bucket could not be listed.
    #[error("{}", words(.0))]
    Bucket(#[from] BucketProblem),
    /// A snapshot could not be read.
    #[error("{}", match .0 { ReadProblem::Bucket(problem) => words(problem), other => other.to_string() })]
    Read(#[from] ReadProblem),
    /// There are none.
    #[error("there are no snapshots{0}; `kubectl snapshotjob doctor` looks for the reason")]
    NoSnapshots(String),
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The gallery's port.
    #[error("the gallery cannot listen on 127.0.0.1:{port}: {source}; give another --port, or none")]
    Listen {
        /// Which.
        port: u16,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// `--ca-bundle`.
    #[error(transparent)]
    CaBundle(#[from] CaBundleError),
    /// HTTP cannot be spoken.
    #[error("the HTTP client cannot be made: {0}")]
    Http(#[from] reqwest::Error),
}

impl PluginError {
    /// What a call to the API server came to; `what` is what was tried.
    pub(super) fn call(what: impl Into<String>, error: &CallError) -> Self {
        let what = what.into();
        match error.status() {
            Some(status) if status.is_forbidden() => Self::Forbidden { what },
            Some(status) if status.code == UNAUTHORIZED => Self::Unauthenticated { what },
            Some(Status { message, .. }) if !message.is_empty() => {
                Self::Cluster { what, why: message.clone() }
            }
            Some(_) | None => Self::Cluster { what, why: error.to_string() },
        }
    }

    /// Of a file.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }
}

/// The operator tries again by itself; a command does not.
pub(super) fn words(problem: &BucketProblem) -> String {
    let text = problem.to_string();
    text.strip_suffix("; it will be tried again")
        .map_or(text.clone(), |text| format!("{text}; try again later"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_promised_that_a_command_does_not_do() {
        assert_eq!(
            PluginError::from(BucketProblem::Unreachable).to_string(),
            "the storage service could not be reached; try again later"
        );
        assert!(PluginError::from(BucketProblem::WrongKeys("403 x".into())).to_string().contains("403 x"));
    }
}
