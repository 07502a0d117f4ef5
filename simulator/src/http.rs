//! The vendor's API over HTTP: gateway, content type, body, service, in this order, with the faults that a test asked
//! for around them. Owns the listener and the closing of connections without an answer.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::answer::Answer;
use crate::clock::rfc3339;
use crate::control;
use crate::faults::{Drop, Fault, Faults};
use crate::gateway::{self, Gateway, Verb};
use crate::journal::{Arrival, Completion, Journal};
use crate::service::Target;
use crate::world::World;

/// Bytes that a body may have; a start body has about 2 KiB.
const BODY_LIMIT: usize = 1 << 20;

/// Everything that a request may touch.
#[derive(Debug)]
pub struct Simulator {
    /// The service.
    pub world: Arc<World>,
    /// The gateway before it.
    pub gateway: Mutex<Gateway>,
    /// What was called.
    pub journal: Journal,
    /// What shall go wrong.
    pub faults: Faults,
    /// Whether every call's connection is closed without an answer.
    pub down: AtomicBool,
    /// Number of the next request, for `X-Request-Id`.
    pub requests: AtomicU64,
}

/// Marks a response whose connection is to be closed instead.
#[derive(Clone, Copy, Debug)]
struct HangUp;

#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
struct HungUp;

impl Simulator {
    /// A simulator that nobody has called yet.
    pub fn new(world: Arc<World>, gateway: Gateway) -> Arc<Self> {
        Arc::new(Self {
            world,
            gateway: Mutex::new(gateway),
            journal: Journal::default(),
            faults: Faults::default(),
            down: AtomicBool::new(false),
            requests: AtomicU64::new(1),
        })
    }
}

/// Serves until the listener fails. HTTP/1.1, as the vendor's plain endpoints speak it at least.
pub async fn serve(simulator: Arc<Simulator>, listener: TcpListener) -> std::io::Result<Infallible> {
    let router = control::router().fallback(api).with_state(Arc::clone(&simulator));
    tokio::spawn(Arc::clone(&simulator.world).run());
    loop {
        let (stream, _) = listener.accept().await?;
        let router = router.clone();
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| answer_or_hang_up(router.clone(), request)),
            );
            // A connection that breaks, or is hung up on purpose, concerns nobody else.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
}

async fn answer_or_hang_up(
    router: Router,
    request: Request<hyper::body::Incoming>,
) -> Result<Response, HungUp> {
    let response = match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.extensions().get::<HangUp>().is_some() { Err(HungUp) } else { Ok(response) }
}

/// A call as read from the wire.
struct Call {
    method: String,
    path: String,
    authorization: Option<String>,
    content_type: Option<String>,
    body: Bytes,
}

async fn api(State(simulator): State<Arc<Simulator>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let text = |name: HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let body = match axum::body::to_bytes(body, BODY_LIMIT).await {
        Ok(body) => body,
        Err(_) => return (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB").into_response(),
    };
    let call = Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        authorization: text(header::AUTHORIZATION),
        content_type: text(header::CONTENT_TYPE),
        body,
    };
    // In a task of its own: the service goes on with a call whose caller has gone away.
    tokio::spawn(handle(simulator, call)).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a call could not be handled");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })
}

async fn handle(simulator: Arc<Simulator>, call: Call) -> Response {
    let route = gateway::route(&call.method, &call.path);
    let parsed: Option<Value> = serde_json::from_slice(&call.body).ok();
    let body = parsed.clone().unwrap_or(Value::Null);
    let cname = cname_of(&simulator, route.as_ref().map(|(_, target)| target), &body);
    let id = simulator.journal.arrive(Arrival {
        time: rfc3339(simulator.world.wall()),
        method: &call.method,
        path: &call.path,
        route: route.as_ref().map(|(verb, target)| (*verb, target)),
        cname: cname.clone(),
        body: &body,
    });
    simulator.world.changed();
    let fault = route.as_ref().and_then(|(verb, _)| simulator.faults.take(verb.word(), &cname));
    let (sent, notes) = suffer(&simulator, fault.unwrap_or_default(), route, &call, parsed).await;

    let time = rfc3339(simulator.world.wall());
    let answer = sent.as_ref().map(|sent| (sent.answer.status, sent.answer.body.clone()));
    simulator.journal.complete(id, Completion { time, answer, notes });
    simulator.world.changed();
    match sent {
        Some(sent) => respond(&simulator, sent),
        None => hang_up(),
    }
}

/// What goes back, with the headers that a fault added.
struct Sent {
    answer: Answer,
    headers: Vec<(String, String)>,
}

/// Handles a call under a fault; an empty one changes nothing. No answer means that the connection is closed.
async fn suffer(
    simulator: &Arc<Simulator>,
    fault: Fault,
    route: Option<(Verb, Target)>,
    call: &Call,
    body: Option<Value>,
) -> (Option<Sent>, Vec<String>) {
    pause(fault.delay_before_ms).await;
    if simulator.down.load(Ordering::SeqCst) || fault.drop == Some(Drop::Before) {
        return (None, Vec::new());
    }
    let effect = fault.answer.as_ref().is_none_or(|substitute| substitute.effect);
    let (answer, notes) = if effect {
        dispatch(simulator, route, call, body).await
    } else {
        (Answer::ok(Value::Null), Vec::new())
    };
    pause(fault.delay_after_ms).await;
    if fault.drop == Some(Drop::After) {
        return (None, notes);
    }
    let sent = match fault.answer {
        None => Sent { answer, headers: Vec::new() },
        Some(substitute) => Sent {
            answer: Answer { status: substitute.status, body: substitute.body },
            headers: substitute.headers.into_iter().collect(),
        },
    };
    (Some(sent), notes)
}

async fn pause(milliseconds: Option<u64>) {
    if let Some(milliseconds) = milliseconds {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

async fn dispatch(
    simulator: &Arc<Simulator>,
    route: Option<(Verb, Target)>,
    call: &Call,
    body: Option<Value>,
) -> (Answer, Vec<String>) {
    let Some((verb, target)) = route else { return (gateway::no_route(), Vec::new()) };
    let admitted = simulator.world.with(|service, now| {
        let mut gateway = simulator.gateway.lock().expect("no panic happens while the gateway is locked");
        let running = service.live_sessions(&target.app_id) > 0;
        let authorization = call.authorization.as_deref();
        let passed = gateway.admit(now, &target.app_id, authorization, running, &service.settings);
        let checked = passed.and_then(|()| match verb {
            Verb::Query => Ok(()),
            _ => gateway::check_content_type(call.content_type.as_deref(), &service.settings),
        });
        (checked, Vec::new())
    });
    if let Err(refusal) = admitted {
        return (refusal, Vec::new());
    }
    let body = match (verb, body) {
        (Verb::Query, _) => Value::Null,
        (_, Some(body)) => body,
        (_, None) => return (Answer::service(400, 8, "the body is not JSON"), Vec::new()),
    };
    simulator
        .world
        .call(|service, now| match verb {
            Verb::Acquire => service.acquire(now, &target.app_id, &body),
            Verb::Start => service.start(now, &target, &body),
            Verb::Query => service.query(now, &target),
            Verb::Update => service.update(now, &target, &body),
            Verb::UpdateLayout => service.update_layout(now, &target),
            Verb::Stop => service.stop(now, &target, &body),
        })
        .await
}

/// The channel that a call is about: from its body, else from what its resource id was acquired for.
fn cname_of(simulator: &Arc<Simulator>, target: Option<&Target>, body: &Value) -> String {
    if let Some(cname) = body["cname"].as_str() {
        return cname.to_owned();
    }
    let Some(target) = target else { return String::new() };
    simulator
        .world
        .with(|service, _| (service.cname_of(&target.resource_id).unwrap_or_default().to_owned(), Vec::new()))
}

fn respond(simulator: &Simulator, sent: Sent) -> Response {
    let status = StatusCode::from_u16(sent.answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = match sent.answer.body {
        // A substitute body can be text that is no JSON, as a broken proxy would send it.
        Value::String(text) => text,
        other => other.to_string(),
    };
    let number = simulator.requests.fetch_add(1, Ordering::Relaxed);
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Ok(id) = HeaderValue::from_str(&format!("{number:032x}")) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    for (name, value) in sent.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    response
}

fn hang_up() -> Response {
    let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
    response.extensions_mut().insert(HangUp);
    response
}
