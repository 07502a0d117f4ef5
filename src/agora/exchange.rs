//! One request to the vendor, once: endpoint, headers, time limit, and what came back.
//!
//! Whose turn it is was settled before, in `client`; what carries it is `carrier`', what an answer proves `classify`'s.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::carrier::{Carrier, Inbound, Outbound};
use super::endpoints::{Endpoint, Endpoints, Health, Route};
use super::material::Account;
use super::observe::{Ending, Observer, Request, Verb};
use super::reply::Reply;
use super::settings::Limits;
use super::transport::Fault;

/// Exactly as the vendor's guide writes it: an error table of the vendor's counts a space or another letter case in
/// it among the causes of a 401.
const JSON: &str = "application/json;charset=utf-8";
/// No header may send a job to sleep for longer.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// One request, ready to be sent to any endpoint.
pub(super) struct Call<'a> {
    pub(super) verb: Verb,
    pub(super) account: &'a Account,
    pub(super) app_id: &'a str,
    /// Behind `/v1/apps/{appid}/cloud_recording`.
    pub(super) path: &'a [&'a str],
    /// Absent: a GET.
    pub(super) body: Option<Vec<u8>>,
    pub(super) limit: Duration,
    pub(super) bound_to: Option<Route>,
}

/// What came back.
pub(super) struct Exchange {
    pub(super) reply: Result<Reply, Fault>,
    pub(super) route: Route,
    pub(super) server_date: Option<Timestamp>,
}

/// Sends requests.
pub(super) struct Sender {
    pub(super) carrier: Arc<dyn Carrier>,
    pub(super) endpoints: Endpoints,
    pub(super) limits: Limits,
    pub(super) observer: Arc<dyn Observer>,
}

impl Sender {
    pub(super) async fn send(&self, call: &Call<'_>) -> Exchange {
        let begun = Instant::now();
        let endpoint = self.endpoints.choose(call.bound_to, begun);
        let (reply, server_date) = self.exchange(call, &endpoint).await;
        let duration = begun.elapsed();
        self.endpoints.report(&endpoint, health(&reply), Instant::now());
        let (ending, vendor_code) = match &reply {
            Ok(reply) => (Ending::Http(reply.http), reply.code()),
            Err(fault) => (Ending::Transport(fault.kind()), None),
        };
        let domain = endpoint.domain();
        self.observer.request(&Request { verb: call.verb, ending, vendor_code, domain, duration });
        Exchange { reply, route: endpoint.route, server_date }
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        endpoint: &Endpoint,
    ) -> (Result<Reply, Fault>, Option<Timestamp>) {
        let (verb, domain) = (call.verb.as_str(), endpoint.domain());
        let Inbound { http, headers, body } = match self.carrier.carry(outbound(call, endpoint)).await {
            Ok(returned) => returned,
            Err(fault) => {
                tracing::debug!(verb, domain, %fault, "request failed");
                return (Err(fault), None);
            }
        };
        // For the vendor's support; it never goes into words, which must be stable.
        let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("");
        tracing::debug!(verb, domain, http, request_id, "answered");
        let server_date = date(&headers);
        let retry_after = retry_after(&headers, server_date);
        (Ok(Reply::new(http, retry_after, body.as_deref())), server_date)
    }
}

fn outbound(call: &Call<'_>, endpoint: &Endpoint) -> Outbound {
    let mut url = endpoint.base.clone();
    url.path_segments_mut()
        .expect("endpoints are http or https, whose URLs have a path")
        .pop_if_empty()
        .extend(["v1", "apps", call.app_id, "cloud_recording"])
        .extend(call.path);
    let method = if call.body.is_some() { Method::POST } else { Method::GET };
    let headers = HeaderMap::from_iter([
        (AUTHORIZATION, authorization(call.account)),
        (CONTENT_TYPE, HeaderValue::from_static(JSON)),
    ]);
    Outbound { method, url, headers, body: call.body.clone(), limit: call.limit }
}

fn authorization(account: &Account) -> HeaderValue {
    let (id, secret) = (&account.customer_id, &account.customer_secret);
    let pair = STANDARD.encode(format!("{}:{}", id.expose_secret(), secret.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {pair}"))
        .expect("base64 is made of letters that a header takes");
    value.set_sensitive(true);
    value
}

/// Whether the endpoint did its part. A gateway that has lost the service behind it did not, nor did a page of
/// somebody else's.
fn health(reply: &Result<Reply, Fault>) -> Health {
    match reply {
        Err(Fault::Name) => Health::NameFailed,
        Err(Fault::Unreachable(_) | Fault::TimedOut { .. } | Fault::Lost { .. }) => Health::NetworkFailed,
        Ok(reply) => match (reply.http, reply.code()) {
            (502..=504, None) => Health::NetworkFailed,
            (_, _) if !reply.is_readable() => Health::NetworkFailed,
            (_, _) => Health::Answered,
        },
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp())
}

/// Seconds, or a date by the server's own clock.
fn retry_after(headers: &HeaderMap, server_date: Option<Timestamp>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => Duration::try_from(http_date(text)?.duration_since(server_date?)).ok()?,
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}
