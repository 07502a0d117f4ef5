//! How a request failed below HTTP, read from the HTTP client's errors: whether it can have left, and words that do
//! not change from call to call.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use crate::lifecycle::outcome::Kind;

/// Why there is no (whole) answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The host name did not resolve.
    Name,
    /// No connection, or no TLS on it; says why.
    Unreachable(String),
    /// Nothing, or not all, within the limit.
    TimedOut {
        /// The limit.
        limit: Duration,
        /// HTTP status, if that much came.
        http: Option<u16>,
    },
    /// The connection broke.
    Lost {
        /// HTTP status, if that much came.
        http: Option<u16>,
    },
}

impl Fault {
    /// `connect` and `call` are the limits that were set; `http` is the status if one came before it failed.
    pub(super) fn of(error: &reqwest::Error, connect: Duration, call: Duration, http: Option<u16>) -> Self {
        match () {
            () if error.is_dns() => Self::Name,
            () if error.is_connect() && error.is_timeout() => {
                Self::Unreachable(format!("no connection within {}", seconds(connect)))
            }
            () if error.is_connect() => Self::Unreachable(connect_words(error)),
            // What could not be put together was not sent.
            () if error.is_builder() => Self::Unreachable("the request could not be put together".to_owned()),
            () if error.is_timeout() => Self::TimedOut { limit: call, http },
            () => Self::Lost { http },
        }
    }

    /// Whether the request may have left.
    pub(super) fn was_sent(&self) -> bool {
        match self {
            Self::Name | Self::Unreachable(_) => false,
            Self::TimedOut { .. } | Self::Lost { .. } => true,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Name | Self::Unreachable(_) => Kind::Unreachable,
            Self::TimedOut { .. } => Kind::TimedOut,
            Self::Lost { .. } => Kind::ConnectionLost,
        }
    }

    /// HTTP status, if that much came.
    pub(super) fn http(&self) -> Option<u16> {
        match self {
            Self::Name | Self::Unreachable(_) => None,
            Self::TimedOut { http, .. } | Self::Lost { http } => *http,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("the host name of the vendor's API could not be resolved"),
            Self::Unreachable(why) => write!(f, "the vendor's API could not be reached: {why}"),
            Self::TimedOut { limit, http: None } => write!(f, "no answer within {}", seconds(*limit)),
            Self::TimedOut { limit, http: Some(http) } => {
                write!(f, "HTTP {http}, but its body did not come within {}", seconds(*limit))
            }
            Self::Lost { http: None } => f.write_str("the connection broke before an answer came"),
            Self::Lost { http: Some(http) } => write!(f, "HTTP {http}, but the connection broke in its body"),
        }
    }
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

/// The innermost cause that says something, without addresses and times.
fn connect_words(error: &reqwest::Error) -> String {
    let mut words = "the connection could not be set up".to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return tls_words(error);
        }
        cause = error.source();
        if let Some(error) = error.downcast_ref::<io::Error>() {
            words = error.kind().to_string();
            // An io::Error passes over what it wraps when it is asked for its source.
            cause = error.get_ref().map(|inner| inner as &(dyn Error + 'static)).or(cause);
        }
    }
    words
}

/// rustls puts the present time and the certificate's into some of its texts.
fn tls_words(error: &rustls::Error) -> String {
    let why = match error {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "its certificate has expired",
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "its certificate is not valid yet",
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is signed by an unknown authority (a proxy's? give its CA bundle)"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name",
        rustls::Error::InvalidCertificate(_) => "its certificate is not acceptable",
        rustls::Error::AlertReceived(_) => "the other side refused",
        _ => "what answers does not speak it as it should",
    };
    format!("TLS: {why}")
}
