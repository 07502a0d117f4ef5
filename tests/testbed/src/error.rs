//! What can go wrong with the testbed, said so that the reader of a failed test knows what to do.
//! It owns the texts alone; when each arises is with the module that returns it.

use std::path::PathBuf;
use std::time::Duration;

/// A result of the testbed.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a part of the testbed could not be started, joined or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the testbed could not be read or written.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was being done, as the beginning of a sentence.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A program is not where it was looked for.
    #[error("{program} is not there; looked for it at {looked}: {advice}")]
    ProgramMissing {
        /// Name of the program.
        program: String,
        /// The places that were tried.
        looked: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// A program could not be executed at all.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// Name of the program.
        program: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A program ended before it was ready.
    #[error("{program} ended with {status} before it was ready; the end of its log:\n{log}")]
    EndedEarly {
        /// Name of the program.
        program: String,
        /// Its exit status.
        status: String,
        /// The last lines it wrote.
        log: String,
    },
    /// A program did not get ready, or did not do what was awaited, in time.
    #[error("{program}: {awaited} did not happen within {within:?}; the end of its log:\n{log}")]
    NotInTime {
        /// Name of the program.
        program: String,
        /// What was awaited.
        awaited: String,
        /// For how long.
        within: Duration,
        /// The last lines it wrote.
        log: String,
    },
    /// A node could not be made of this machine.
    #[error("the node: {0}")]
    Node(String),
    /// A step of the demo did not happen.
    #[error("the demo stopped: {0}")]
    Demo(String),
    /// The servers could not be found or built.
    #[error("{script} failed with {status}; what it wrote above says why")]
    Build {
        /// The script that finds or builds them.
        script: String,
        /// Its exit status.
        status: String,
    },
    /// The environment names a testbed that cannot be joined.
    #[error(
        "{variable} is {state}; run the tests through `testbed exec -- COMMAND`, or unset every AGORA_TESTBED_* variable"
    )]
    Environment {
        /// The environment variable.
        variable: &'static str,
        /// What is wrong with it.
        state: String,
    },
    /// A user that the API server was not started with.
    #[error("the API server knows no user {user:?}; it was started with {known}")]
    UnknownUser {
        /// The user asked for.
        user: String,
        /// The users there are.
        known: String,
    },
    /// The API server refused or failed.
    #[error("{what}: {source}")]
    Kubernetes {
        /// What was being done.
        what: String,
        /// The client's error.
        source: Box<kube::Error>,
    },
    /// The S3 server refused or failed.
    #[error("{what}: {source}")]
    Storage {
        /// What was being done.
        what: String,
        /// The client's error.
        source: object_store::Error,
    },
    /// An HTTP interface answered something else than success.
    #[error("{what}: HTTP {status}: {body}")]
    Refused {
        /// What was being done.
        what: String,
        /// HTTP status.
        status: u16,
        /// The body of the answer.
        body: String,
    },
    /// An HTTP interface could not be asked, or its answer not be understood.
    #[error("{what}: {detail}")]
    Http {
        /// What was being done.
        what: String,
        /// The error with all its causes.
        detail: String,
    },
}

impl Error {
    /// An error for `what` was being done to `path`, to be given to `map_err`.
    pub(crate) fn file(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }

    /// An error of the Kubernetes client while `what` was being done, to be given to `map_err`.
    pub(crate) fn kubernetes(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Kubernetes { what, source: Box::new(source) }
    }

    /// An error of an HTTP client, with the causes that its own text leaves out.
    pub(crate) fn http<E: std::error::Error>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |error| Self::Http { what, detail: with_causes(&error) }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
