//! The calls. Each sends one request and says what the answer proves.
//!
//! Owns the way from a body to an outcome: turn in the budget, path, time limit. Repeating a call and waiting before
//! that are the caller's; sending is `exchange`'s, and meaning is given in `classify`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::budget::{Budget, JobKey, Priority, Reservation};
use super::carrier::Network;
use super::classify;
use super::endpoints::{Endpoints, Route};
use super::exchange::{Call, Exchange, Sender};
use super::material::Account;
use super::observe::Verb;
use super::settings::{ClientProblem, ClientSettings, Limits};
use super::wire::{AcquireBody, StartBody, StopBody, StopRequest, UpdateBody};
use super::words::Redactor;
use crate::api::status::Session;
use crate::lifecycle::outcome::{Outcome, Queried, Started, Stopped};

/// Snapshots exist in individual mode only.
const MODE: &str = "individual";

/// Speaks to the vendor. Cheap to clone; all clones share connections, request budget and failover.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    sender: Sender,
    budget: Budget,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoints", &self.shared.sender.endpoints).finish_non_exhaustive()
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

impl<'a> SessionAddress<'a> {
    /// That of a session in a status; `None` while its sid is not known.
    pub fn of(session: &'a Session) -> Option<Self> {
        Some(Self {
            app_id: &session.app_id,
            channel: &session.channel,
            recorder_uid: session.recorder_uid,
            resource_id: &session.resource_id,
            sid: session.sid.as_deref()?,
        })
    }
}

/// How a stop is asked for (`async_stop`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StopMode {
    /// The answer comes when everything is uploaded.
    AwaitUpload,
    /// The answer comes at once, uploading goes on.
    Detached,
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
        let limits = settings.limits;
        let carrier = match &settings.carrier {
            Some(carrier) => carrier.clone(),
            None => Arc::new(Network { http: settings.http_client()?, connect: limits.connect }),
        };
        let sender = Sender { carrier, endpoints, limits, observer: settings.observer.clone() };
        Ok(Self { shared: Arc::new(Shared { sender, budget: Budget::new(scale) }) })
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
        self.waited(Verb::Acquire, waiting);
        let redactor = Redactor::new(account.exposed());
        let exchange = self
            .send(Call {
                verb: Verb::Acquire,
                account,
                app_id,
                path: &["acquire"],
                body: Some(json(body)),
                limit: self.limits().call,
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
        self.waited(Verb::Start, waiting);
        let redactor = Redactor::new(account.exposed().into_iter().chain(body.secrets()));
        let exchange = self
            .send(Call {
                verb: Verb::Start,
                account,
                app_id,
                path: &["resourceid", resource_id, "mode", MODE, "start"],
                body: Some(json(body)),
                limit: self.limits().call,
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
        let limit = self.limits().call;
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
        let limit = self.limits().call;
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
            StopMode::AwaitUpload => (false, self.limits().stop),
            StopMode::Detached => (true, self.limits().call),
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
        self.waited(verb, waiting);
        let path = ["resourceid", session.resource_id, "sid", session.sid, "mode", MODE, verb.as_str()];
        let app_id = session.app_id;
        self.send(Call { verb, account, app_id, path: &path, body, limit, bound_to: None }).await
    }

    /// Sends one request, once; everybody hears of a refusal for the rate.
    async fn send(&self, call: Call<'_>) -> Exchange {
        let exchange = self.shared.sender.send(&call).await;
        if let Ok(reply) = &exchange.reply
            && classify::asks_to_slow_down(reply)
        {
            self.shared.budget.slow_down(call.app_id, reply.retry_after);
        }
        exchange
    }

    fn waited(&self, verb: Verb, since: Instant) {
        self.shared.sender.observer.budget_wait(verb, since.elapsed());
    }

    fn limits(&self) -> Limits {
        self.shared.sender.limits
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("bodies are structs of texts, numbers and lists")
}
