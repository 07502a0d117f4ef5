//! What the client tells about itself while it works: for metrics, without any object's name.

use std::time::Duration;

use crate::lifecycle::outcome::Kind;

/// One of the vendor's calls.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verb {
    /// Reserves a session.
    Acquire,
    /// Starts it.
    Start,
    /// Asks for its status.
    Query,
    /// Changes its subscription or storage keys.
    Update,
    /// Ends it.
    Stop,
}

impl Verb {
    /// The vendor's name of the call, as in its URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Start => "start",
            Self::Query => "query",
            Self::Update => "update",
            Self::Stop => "stop",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Ending {
    /// An HTTP status came back.
    Http(u16),
    /// None did; the kind is one of `Unreachable`, `TimedOut` and `ConnectionLost`.
    Transport(Kind),
}

/// One request that was sent, or could not be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request<'a> {
    /// The call.
    pub verb: Verb,
    /// How it ended.
    pub ending: Ending,
    /// The service's own code, where the body had one.
    pub vendor_code: Option<i64>,
    /// Host name that was asked, without a port.
    pub domain: &'a str,
    /// From sending to the end of the answer, waiting for the budget not included.
    pub duration: Duration,
}

/// Is told of every request. Called in the middle of calls: it must neither block nor fail.
pub trait Observer: Send + Sync + 'static {
    /// A request ended.
    fn request(&self, request: &Request<'_>);
    /// A request waited for its turn in the budget (also when it did not have to).
    fn budget_wait(&self, verb: Verb, waited: Duration);
}

/// Observes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn request(&self, _: &Request<'_>) {}
    fn budget_wait(&self, _: Verb, _: Duration) {}
}
