//! The calls. Each sends one request and says what the answer proves.
//!
//! Owns the way from a body to an outcome: turn in the budget, endpoint, HTTP, time limit. Repeating a call and
//! waiting before that are the caller's; meaning is given in `classify`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use tokio::time::Instant;

use super::budget::{Budget, JobKey, Priority, Reservation};
use super::classify;
use super::endpoints::{Endpoint, Endpoints, Health, Route};
use super::material::Account;
use super::observe::{Ending, Observer, Request, Verb};
use super::reply::{LONGEST_BODY, Reply};
use super::settings::{ClientProblem, ClientSettings, Limits};
use super::transport::Fault;
use super::wire::{AcquireBody, StartBody, StopBody, StopRequest, UpdateBody};
use super::words::Redactor;
use crate::lifecycle::outcome::{Outcome, Queried, Started, Stopped};

/// Exactly as the vendor's guide writes it: its client's error table counts a space or another letter case in it
/// among the causes of a 401.
const JSON: &str = "application/json;charset=utf-8";
/// Snapshots exist in individual mode only.
const MODE: &str = "individual";
/// No header may send a job to sleep for longer.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// Speaks to the vendor. Cheap to clone; all clones share connections, request budget and failover.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    endpoints: Endpoints,
    budget: Budget,
    limits: Limits,
    observer: Arc<dyn Observer>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoints", &self.shared.endpoints).finish_non_exhaustive()
    }
}

/// A confirmed acquire.
#[derive(Debug)]
pub struct Acquired {
    /// The vendor's resourceId: lives 5 minutes, carries one session.
    pub resource_id: String,
    /// The vendor's clock (`Date`), where it sent one.
    pub server_date: Option<Timestamp>,
    /// How its start goes.
    pub via: StartVia,
}

/// How a start goes.
#[derive(Debug, Default)]
pub struct StartVia {
    /// Region that answered the acquire: no other is asked.
    pub route: Route,
    /// Room in the request budget, taken at the acquire; without it the start waits as `Priority::Recover`.
    pub reservation: Option<Reservation>,
}

impl From<Route> for StartVia {
    /// For a repeated start.
    fn from(route: Route) -> Self {
        Self { route, reservation: None }
    }
}

/// What it takes to control a session: all of it as it was started, from the status, never from the spec.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionAddress<'a> {
    /// App ID.
    pub app_id: &'a str,
    /// Channel name.
    pub channel: &'a str,
    /// Recorder uid.
    pub recorder_uid: i64,
    /// The vendor's resourceId.
    pub resource_id: &'a str,
    /// The vendor's sid.
    pub sid: &'a str,
}

/// How a stop is asked for (`async_stop`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StopMode {
    /// The answer comes when everything is uploaded.
    AwaitUpload,
    /// The answer comes at once, uploading goes on.
    Detached,
}

/// One request, ready to be sent to any endpoint.
struct Call<'a> {
    verb: Verb,
    account: &'a Account,
    app_id: &'a str,
    /// Behind `/v1/apps/{appid}/cloud_recording`.
    path: &'a [&'a str],
    body: Option<Vec<u8>>,
    limit: Duration,
    bound_to: Option<Route>,
}

/// What came back.
struct Exchange {
    reply: Result<Reply, Fault>,
    route: Route,
    server_date: Option<Timestamp>,
}

impl Client {
    /// A client. Reads proxies from the environment, and installs ring as the process's crypto provider if none is
    /// installed.
    ///
    /// # Errors
    /// An endpoint, the CA bundle or the scale is wrong.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientProblem> {
        let scale = settings.scale;
        if !(scale.is_finite() && scale >= 1.0) {
            return Err(ClientProblem::Scale(scale));
        }
        let bases = settings.bases()?;
        let endpoints = match bases.is_empty() {
            true => Endpoints::of_vendor(settings.home, scale),
            false => Endpoints::given(bases, scale),
        };
        let shared = Shared {
            http: settings.http_client()?,
            endpoints,
            budget: Budget::new(scale),
            limits: settings.limits,
            observer: settings.observer.clone(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reserves a session. Bills nothing. Its start should follow within 2 s, with what `Acquired::via` holds.
    pub async fn acquire(
        &self,
        account: &Account,
        app_id: &str,
        body: &AcquireBody,
        job: &JobKey,
    ) -> Outcome<Acquired> {
        let waiting = Instant::now();
        let reservation = self.shared.budget.turn_and_reserve(app_id, job).await;
        self.shared.observer.budget_wait(Verb::Acquire, waiting.elapsed());
        let redactor = Redactor::new(account.exposed());
        let exchange = self
            .send(Call {
                verb: Verb::Acquire,
                account,
                app_id,
                path: &["acquire"],
                body: Some(json(body)),
                limit: self.shared.limits.call,
                bound_to: None,
            })
            .await;
        let outcome = match &exchange.reply {
            Ok(reply) => classify::acquired(reply, &body.cname, &body.uid, &redactor),
            Err(fault) => classify::failed(fault, &redactor),
        };
        outcome.map(|resource_id| Acquired {
            resource_id,
            server_date: exchange.server_date,
            via: StartVia { route: exchange.route, reservation: Some(reservation) },
        })
    }

    /// Starts the session that `resource_id` was given for. Repeating it with the same arguments is safe: it answers
    /// `Started::Already` while the session runs.
    pub async fn start(
        &self,
        account: &Account,
        app_id: &str,
        resource_id: &str,
        body: &StartBody,
        via: StartVia,
        job: &JobKey,
    ) -> Outcome<Started> {
        let waiting = Instant::now();
        match via.reservation {
            Some(reservation) => reservation.redeem(job).await,
            None => self.shared.budget.turn(app_id, job, Priority::Recover).await,
        }
        self.shared.observer.budget_wait(Verb::Start, waiting.elapsed());
        let redactor = Redactor::new(account.exposed().into_iter().chain(body.secrets()));
        let exchange = self
            .send(Call {
                verb: Verb::Start,
                account,
                app_id,
                path: &["resourceid", resource_id, "mode", MODE, "start"],
                body: Some(json(body)),
                limit: self.shared.limits.call,
                bound_to: Some(via.route),
            })
            .await;
        match &exchange.reply {
            Ok(reply) => classify::started(reply, resource_id, &redactor),
            Err(fault) => classify::failed(fault, &redactor),
        }
    }

    /// Asks for the session's status.
    pub async fn query(
        &self,
        account: &Account,
        session: &SessionAddress<'_>,
        priority: Priority,
        job: &JobKey,
    ) -> Outcome<Queried> {
        let limit = self.shared.limits.call;
        let exchange = self.control(Verb::Query, account, session, None, limit, priority, job).await;
        let redactor = Redactor::new(account.exposed());
        match &exchange.reply {
            Ok(reply) => classify::queried(reply, session, &redactor),
            Err(fault) => classify::failed(fault, &redactor),
        }
    }

    /// Replaces the subscription lists, and the storage keys where they are temporary. Repeating it is safe.
    pub async fn update(
        &self,
        account: &Account,
        session: &SessionAddress<'_>,
        body: &UpdateBody,
        job: &JobKey,
    ) -> Outcome<()> {
        let limit = self.shared.limits.call;
        let json = Some(json(body));
        let exchange =
            self.control(Verb::Update, account, session, json, limit, Priority::Recover, job).await;
        let redactor = Redactor::new(account.exposed().into_iter().chain(body.secrets()));
        match &exchange.reply {
            Ok(reply) => classify::updated(reply, session, &redactor),
            Err(fault) => classify::failed(fault, &redactor),
        }
    }

    /// Ends the session. Repeating it is safe.
    pub async fn stop(
        &self,
        account: &Account,
        session: &SessionAddress<'_>,
        mode: StopMode,
        job: &JobKey,
    ) -> Outcome<Stopped> {
        let (async_stop, limit) = match mode {
            StopMode::AwaitUpload => (false, self.shared.limits.stop),
            StopMode::Detached => (true, self.shared.limits.call),
        };
        let body = StopBody {
            cname: session.channel,
            uid: session.recorder_uid.to_string(),
            client_request: StopRequest { async_stop },
        };
        let json = Some(json(&body));
        let exchange = self.control(Verb::Stop, account, session, json, limit, Priority::Stop, job).await;
        let redactor = Redactor::new(account.exposed());
        match &exchange.reply {
            Ok(reply) => classify::stopped(reply, session, &redactor),
            Err(fault) => classify::failed(fault, &redactor),
        }
    }

    /// A call about a session whose sid is known.
    #[expect(clippy::too_many_arguments, reason = "three calls share it, and all of it differs between them")]
    async fn control(
        &self,
        verb: Verb,
        account: &Account,
        session: &SessionAddress<'_>,
        body: Option<Vec<u8>>,
        limit: Duration,
        priority: Priority,
        job: &JobKey,
    ) -> Exchange {
        let waiting = Instant::now();
        self.shared.budget.turn(session.app_id, job, priority).await;
        self.shared.observer.budget_wait(verb, waiting.elapsed());
        let path = ["resourceid", session.resource_id, "sid", session.sid, "mode", MODE, verb.as_str()];
        let app_id = session.app_id;
        self.send(Call { verb, account, app_id, path: &path, body, limit, bound_to: None }).await
    }

    /// Sends one request, once.
    async fn send(&self, call: Call<'_>) -> Exchange {
        let Shared { endpoints, observer, budget, .. } = &*self.shared;
        let begun = Instant::now();
        let endpoint = endpoints.choose(call.bound_to, begun);
        let (reply, server_date) = self.exchange(&call, &endpoint).await;
        let duration = begun.elapsed();
        endpoints.report(&endpoint, health(&reply), Instant::now());
        let (ending, vendor_code) = match &reply {
            Ok(reply) => (Ending::Http(reply.http), reply.code()),
            Err(fault) => (Ending::Transport(fault.kind()), None),
        };
        if let Ok(reply) = &reply
            && (reply.http == 429 || reply.retry_after.is_some())
        {
            budget.slow_down(call.app_id, reply.retry_after);
        }
        let domain = endpoint.domain();
        observer.request(&Request { verb: call.verb, ending, vendor_code, domain, duration });
        Exchange { reply, route: endpoint.route, server_date }
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        endpoint: &Endpoint,
    ) -> (Result<Reply, Fault>, Option<Timestamp>) {
        let Limits { connect, .. } = self.shared.limits;
        let response = self.request(call, endpoint).send().await;
        let mut response = match response {
            Ok(response) => response,
            Err(error) => {
                let fault = Fault::of(&error, connect, call.limit, None);
                tracing::debug!(verb = call.verb.as_str(), domain = endpoint.domain(), %fault, "request failed");
                return (Err(fault), None);
            }
        };
        let http = response.status().as_u16();
        let headers = response.headers();
        // For the vendor's support; it never goes into words, which must be stable.
        let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("");
        let domain = endpoint.domain();
        tracing::debug!(verb = call.verb.as_str(), domain, http, request_id, "answered");
        let server_date = date(headers);
        let retry_after = retry_after(headers, server_date);
        let body = match read(&mut response).await {
            Ok(body) => body,
            Err(error) => return (Err(Fault::of(&error, connect, call.limit, Some(http))), server_date),
        };
        (Ok(Reply::new(http, retry_after, body.as_deref())), server_date)
    }

    fn request(&self, call: &Call<'_>, endpoint: &Endpoint) -> reqwest::RequestBuilder {
        let mut url = endpoint.base.clone();
        url.path_segments_mut()
            .expect("endpoints are http or https, whose URLs have a path")
            .pop_if_empty()
            .extend(["v1", "apps", call.app_id, "cloud_recording"])
            .extend(call.path);
        let (id, secret) = (&call.account.customer_id, &call.account.customer_secret);
        let method = if call.body.is_some() { Method::POST } else { Method::GET };
        let request = self
            .shared
            .http
            .request(method, url)
            .basic_auth(id.expose_secret(), Some(secret.expose_secret()))
            .header(CONTENT_TYPE, JSON)
            .timeout(call.limit);
        match &call.body {
            Some(body) => request.body(body.clone()),
            None => request,
        }
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("bodies are structs of texts, numbers and lists")
}

/// The body, or `None` if it is longer than any of the vendor's.
async fn read(response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
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
