//! What a client is made with, and the HTTP client that comes of it.
//!
//! Command line flags are the program's; here are their meanings, limits and defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::redirect::Policy;

use super::carrier::Carrier;
use super::endpoints::Region;
use super::observe::{Observer, Unobserved};

/// The vendor's front closes idle connections after about a minute; a request that meets the closing is lost after
/// it was sent, so the client closes first.
const IDLE_CONNECTION: Duration = Duration::from_secs(45);
/// With HTTP/2 all calls share a connection: a dead one must be noticed before they all time out on it.
const PING_EVERY: Duration = Duration::from_secs(15);
const PING_ANSWER: Duration = Duration::from_secs(5);

/// Time limits of one call, name resolution included, waiting for the request budget not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// A whole call.
    pub call: Duration,
    /// A stop that waits for the upload.
    pub stop: Duration,
}

impl Default for Limits {
    /// The vendor documents 20 s for a synchronous stop and reports of users go up to 15 s; 35 leaves room for both.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), call: Duration::from_secs(20), stop: Duration::from_secs(35) }
    }
}

/// What a client is made with.
#[derive(Clone)]
pub struct ClientSettings {
    /// Base URLs to ask instead of the vendor's own domains, as `http://127.0.0.1:8080`, in the order of preference.
    /// Empty: the vendor's domains and their documented failover.
    pub endpoints: Vec<String>,
    /// The vendor's region that the primary domains lead to from here: it fixes which primary domain goes first and
    /// which region is the adjacent one.
    pub home: Region,
    /// Time limits. Not divided by `scale`.
    pub limits: Limits,
    /// `User-Agent`.
    pub user_agent: String,
    /// More certificate authorities, in PEM, beside those of the system.
    pub ca_bundle: Option<Vec<u8>>,
    /// Divides the times of request budget and failover; 1 but in tests.
    pub scale: f64,
    /// Is told of every request.
    pub observer: Arc<dyn Observer>,
    /// What carries the requests instead of the network.
    pub carrier: Option<Arc<dyn Carrier>>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            home: Region::UsEast1,
            limits: Limits::default(),
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            ca_bundle: None,
            scale: 1.0,
            observer: Arc::new(Unobserved),
            carrier: None,
        }
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("endpoints", &self.endpoints)
            .field("home", &self.home)
            .field("limits", &self.limits)
            .field("user_agent", &self.user_agent)
            .field("ca_bundle", &self.ca_bundle.as_ref().map(Vec::len))
            .field("scale", &self.scale)
            .finish_non_exhaustive()
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientProblem {
    /// An endpoint is not a base URL.
    #[error("the Agora endpoint `{given}` {why}; it must be like https://api.agora.io")]
    Endpoint {
        /// What was given, without a password.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// The CA bundle is not one.
    #[error("the CA bundle must be certificates in PEM: {0}")]
    CaBundle(String),
    /// The scale is not a positive number.
    #[error("the time scale must be a number of at least 1, not {0}")]
    Scale(f64),
    /// The HTTP client cannot be made.
    #[error("the HTTP client for the vendor's API cannot be made: {0}")]
    Http(String),
}

impl ClientSettings {
    /// The given endpoints as URLs.
    pub(super) fn bases(&self) -> Result<Vec<Url>, ClientProblem> {
        self.endpoints.iter().map(|given| base(given)).collect()
    }

    /// One HTTP client for everything: it keeps connections, follows nothing, repeats nothing.
    pub(super) fn http_client(&self) -> Result<reqwest::Client, ClientProblem> {
        // Whoever came first has chosen; all of the program use ring.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let problem = |error: reqwest::Error| ClientProblem::Http(chain(&error));
        let mut builder = reqwest::Client::builder()
            .user_agent(&self.user_agent)
            .redirect(Policy::none())
            .connect_timeout(self.limits.connect)
            .pool_idle_timeout(IDLE_CONNECTION)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_ANSWER)
            .http2_keep_alive_while_idle(true);
        if let Some(bundle) = &self.ca_bundle {
            let certificates = reqwest::Certificate::from_pem_bundle(bundle)
                .map_err(|error| ClientProblem::CaBundle(chain(&error)))?;
            if certificates.is_empty() {
                return Err(ClientProblem::CaBundle("there is none in it".to_owned()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        builder.build().map_err(problem)
    }
}

fn base(given: &str) -> Result<Url, ClientProblem> {
    let problem =
        |given: &str, why: &str| ClientProblem::Endpoint { given: given.to_owned(), why: why.to_owned() };
    let mut url = Url::parse(given).map_err(|error| problem(given, &format!("is not a URL ({error})")))?;
    let has_password = url.password().is_some() || !url.username().is_empty();
    // Cannot fail where there is a host; where there is none nothing is shown.
    let _no_host = url.set_password(None).and_then(|()| url.set_username(""));
    match () {
        () if has_password => Err(problem(url.as_str(), "must not carry a user or a password")),
        () if !matches!(url.scheme(), "http" | "https") => {
            Err(problem(given, "must begin with http:// or https://"))
        }
        () if url.query().is_some() || url.fragment().is_some() => {
            Err(problem(given, "must not have a query or a fragment"))
        }
        () => Ok(url),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
