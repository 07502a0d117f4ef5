//! Hands what the vendor's client tells of itself to the metrics, which know nothing of the client.

use std::time::Duration;

use crate::agora::observe::{Ending, Observer, Request, Verb};
use crate::metrics::{AgoraVerb, Metrics};

/// Counts the vendor's calls.
pub struct Meter(Metrics);

impl Meter {
    /// Into these metrics.
    pub fn new(metrics: Metrics) -> Self {
        Self(metrics)
    }
}

impl Observer for Meter {
    fn request(&self, request: &Request<'_>) {
        let (http, kind) = match request.ending {
            Ending::Http(status) => (Some(status), None),
            Ending::Transport(kind) => (None, Some(kind)),
        };
        let verb = verb(request.verb);
        self.0.agora_request(verb, http, kind, request.vendor_code, request.domain, request.duration);
    }

    fn budget_wait(&self, _: Verb, waited: Duration) {
        self.0.budget_wait(waited);
    }
}

fn verb(verb: Verb) -> AgoraVerb {
    match verb {
        Verb::Acquire => AgoraVerb::Acquire,
        Verb::Start => AgoraVerb::Start,
        Verb::Query => AgoraVerb::Query,
        Verb::Update => AgoraVerb::Update,
        Verb::Stop => AgoraVerb::Stop,
    }
}
