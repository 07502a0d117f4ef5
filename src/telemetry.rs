//! What the process sets up once, before anything else: the log and the TLS provider.
//!
//! Secrets are kept out of the log by the types that hold them, not by a filter here.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::LogFormat;

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directives of `--log-level` are wrong.
    #[error("--log-level {directives:?} is wrong: {source}")]
    Directives {
        /// What was given.
        directives: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process has a log already.
    #[error("the log is set up already: {0}")]
    Already(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends the log to standard error from now on.
///
/// # Errors
/// Wrong directives, or a second call in one process.
pub fn install_log(format: LogFormat, directives: &str) -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = EnvFilter::builder()
        .parse(directives)
        .map_err(|source| TelemetryError::Directives { directives: directives.to_owned(), source })?
        // At a warning kube's client logs the whole of a body that it cannot read, which may be a Secret.
        .add_directive("kube_client::client=error".parse().expect("a directive"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .finish()
            .try_init()?,
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).finish().try_init()?,
    }
    Ok(())
}

/// Makes ring the provider of TLS for the whole process. A second call changes nothing.
pub fn install_tls_provider() {
    // The only error says that a provider is installed already, which is what is wanted.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
}
