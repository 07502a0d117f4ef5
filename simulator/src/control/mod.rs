//! The control interface under `/_sim/`: who is in which channel, what ran, what was called, what shall go wrong, what
//! is open, what is notified. It is no part of the vendor's API and needs no credentials. Long polls wait for an event with a deadline.

mod notices;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use crate::faults::Fault;
use crate::http::Simulator;
use crate::service::{Effect, HarmError, Service, SessionReport, State as SessionState, User};

type Shared = State<Arc<Simulator>>;

/// Longest wait of a long poll.
const WAIT_LIMIT: Duration = Duration::from_secs(120);
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// The routes.
pub fn router() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/_sim/health", get(async || Json(json!({"ok": true}))))
        .route("/_sim/channels", get(channels))
        .route("/_sim/channels/{cname}/users/{uid}", put(put_user).delete(remove_user))
        .route("/_sim/sessions", get(sessions))
        .route("/_sim/requests", get(requests))
        .route("/_sim/faults", post(add_fault).get(faults).delete(clear_faults))
        .route("/_sim/settings", get(settings).put(set))
        .route("/_sim/files/{bucket}/{*key}", get(file))
        .merge(notices::router())
}

fn refuse(message: impl ToString) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": message.to_string()}))).into_response()
}

async fn channels(State(simulator): Shared) -> Response {
    let all = simulator.world.with(|service, _| {
        let all: Map<String, Value> = service
            .channels()
            .map(|(cname, users)| {
                let users: Map<String, Value> =
                    users.iter().map(|(uid, user)| (uid.to_string(), json!(user))).collect();
                (cname.to_owned(), Value::Object(users))
            })
            .collect();
        (all, Vec::new())
    });
    Json(all).into_response()
}

async fn put_user(
    State(simulator): Shared,
    Path((cname, uid)): Path<(String, u32)>,
    body: Bytes,
) -> Response {
    let user = match body.is_empty() {
        true => User::default(),
        false => match serde_json::from_slice(&body) {
            Ok(user) => user,
            Err(error) => return refuse(error),
        },
    };
    simulator.world.with(|service, now| ((), service.put_user(now, &cname, uid, user)));
    Json(user).into_response()
}

async fn remove_user(State(simulator): Shared, Path((cname, uid)): Path<(String, u32)>) -> Response {
    simulator.world.with(|service, now| ((), service.remove_user(now, &cname, uid)));
    StatusCode::NO_CONTENT.into_response()
}

/// What a list of sessions or requests is narrowed to, and how many there must be before the answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Narrow {
    verb: Option<String>,
    cname: Option<String>,
    app_id: Option<String>,
    sid: Option<String>,
    uid: Option<String>,
    state: Option<String>,
    /// Only answered (true) or only held requests (false).
    answered: Option<bool>,
    /// Only requests after this number.
    after: Option<u64>,
    /// Only sessions with at least that many files.
    min_files: Option<usize>,
    wait: Option<usize>,
    /// Wait until at most that many are left.
    wait_at_most: Option<usize>,
    timeout_ms: Option<u64>,
}

/// How many there must be before the answer, and how long that may take.
#[derive(Clone, Copy, Debug)]
struct Patience {
    wait: Option<usize>,
    wait_at_most: Option<usize>,
    timeout_ms: Option<u64>,
}

impl Patience {
    fn is_content_with(self, count: usize) -> bool {
        count >= self.wait.unwrap_or(0) && self.wait_at_most.is_none_or(|most| count <= most)
    }
}

impl Narrow {
    fn patience(&self) -> Patience {
        Patience { wait: self.wait, wait_at_most: self.wait_at_most, timeout_ms: self.timeout_ms }
    }
}

fn fits(wanted: &Option<String>, value: &str) -> bool {
    wanted.as_deref().is_none_or(|wanted| wanted == value)
}

async fn sessions(State(simulator): Shared, Query(narrow): Query<Narrow>) -> Response {
    if let Some(state) = narrow.state.as_deref().filter(|state| !["live", "ended"].contains(state)) {
        return refuse(format!("`{state}` is no state; it must be live or ended"));
    }
    let fitting = |report: &SessionReport| {
        let state = match report.state {
            SessionState::Live => "live",
            SessionState::Ended => "ended",
        };
        fits(&narrow.state, state)
            && fits(&narrow.cname, &report.cname)
            && fits(&narrow.app_id, &report.app_id)
            && fits(&narrow.sid, &report.sid)
            && fits(&narrow.uid, &report.uid)
            && narrow.min_files.is_none_or(|least| report.file_count >= least)
    };
    let look = || {
        let mut all = simulator.world.with_quietly(|service: &mut Service, now| service.sessions(now));
        all.retain(|report| fitting(report));
        all
    };
    wait_for(&simulator, narrow.patience(), "sessions", look).await
}

async fn requests(State(simulator): Shared, Query(narrow): Query<Narrow>) -> Response {
    let look = || {
        simulator.journal.entries(|entry| {
            fits(&narrow.verb, &entry.verb)
                && fits(&narrow.cname, &entry.cname)
                && fits(&narrow.app_id, &entry.app_id)
                && fits(&narrow.sid, &entry.sid)
                && fits(&narrow.uid, &entry.uid)
                && narrow.answered.is_none_or(|answered| answered == entry.answered.is_some())
                && narrow.after.is_none_or(|after| entry.id > after)
        })
    };
    wait_for(&simulator, narrow.patience(), "requests", look).await
}

/// Answers with the list as soon as it has the wanted length; at the deadline with what there is, and status 408.
async fn wait_for<T: serde::Serialize>(
    simulator: &Simulator,
    patience: Patience,
    name: &str,
    look: impl Fn() -> Vec<T>,
) -> Response {
    let list = || {
        let list = look();
        let enough = patience.is_content_with(list.len());
        (list, enough)
    };
    let (status, list) = long_poll(simulator, patience.timeout_ms, list).await;
    (status, Json(json!({ name: list }))).into_response()
}

/// What was seen as soon as it is enough; at the deadline what there is, and status 408.
async fn long_poll<T>(
    simulator: &Simulator,
    timeout_ms: Option<u64>,
    look: impl Fn() -> (T, bool),
) -> (StatusCode, T) {
    let deadline = Instant::now() + timeout_ms.map_or(DEFAULT_WAIT, Duration::from_millis).min(WAIT_LIMIT);
    let mut changes = simulator.world.changes();
    loop {
        changes.mark_unchanged();
        let (seen, enough) = look();
        if enough {
            return (StatusCode::OK, seen);
        }
        if timeout_at(deadline, changes.changed()).await.is_err() {
            return (StatusCode::REQUEST_TIMEOUT, seen);
        }
    }
}

async fn faults(State(simulator): Shared) -> Response {
    let pending = simulator.faults.pending();
    Json(json!({"faults": pending, "down": simulator.down.load(Ordering::SeqCst)})).into_response()
}

async fn clear_faults(State(simulator): Shared) -> Response {
    simulator.faults.clear();
    simulator.down.store(false, Ordering::SeqCst);
    simulator.world.with(|service, now| ((), service.set_storage_down(now, false)));
    StatusCode::NO_CONTENT.into_response()
}

/// The five things that can be asked for: harm to one session, an outage, or a fault of coming calls.
async fn add_fault(State(simulator): Shared, Json(body): Json<Value>) -> Response {
    let Value::Object(map) = &body else { return refuse("a fault must be an object") };
    let only = |key: &str| map.len() == 1 && map.contains_key(key);
    let harm = |act: fn(&mut Service, u64, &str) -> Result<Vec<Effect>, HarmError>, sid: &Value| {
        let Some(sid) = sid.as_str() else { return refuse("the sid must be a string") };
        let done = simulator.world.with(|service, now| match act(service, now, sid) {
            Ok(effects) => (Ok(()), effects),
            Err(error) => (Err(error), Vec::new()),
        });
        match done {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(error) => refuse(error),
        }
    };
    if only("kill") {
        return harm(Service::kill, &body["kill"]);
    }
    if only("failover") {
        return harm(Service::fail_over, &body["failover"]);
    }
    if only("down") || only("storageDown") {
        let Some(down) = map.values().next().and_then(Value::as_bool) else {
            return refuse("down and storageDown must be true or false");
        };
        if only("down") {
            simulator.down.store(down, Ordering::SeqCst);
        } else {
            simulator.world.with(|service, now| ((), service.set_storage_down(now, down)));
        }
        return StatusCode::NO_CONTENT.into_response();
    }
    let fault: Fault = match serde_json::from_value(body.clone()) {
        Ok(fault) => fault,
        Err(error) => return refuse(error),
    };
    match simulator.faults.add(fault) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refuse(error),
    }
}

async fn settings(State(simulator): Shared) -> Response {
    Json(simulator.world.with_quietly(|service, _| service.settings.to_json())).into_response()
}

/// Sets what the body names. All of it or, if one is wrong, nothing.
async fn set(State(simulator): Shared, Json(wanted): Json<Map<String, Value>>) -> Response {
    let result = simulator.world.with_quietly(|service, _| {
        let mut settings = service.settings.clone();
        for (name, value) in &wanted {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            settings.set(name, &text)?;
        }
        service.settings = settings;
        Ok::<Value, crate::settings::SettingError>(service.settings.to_json())
    });
    match result {
        Ok(all) => Json(all).into_response(),
        Err(error) => refuse(error),
    }
}

/// A file of a bucket in memory.
async fn file(State(simulator): Shared, Path((bucket, key)): Path<(String, String)>) -> Response {
    let kind = match key.rsplit('.').next() {
        Some("jpg") => "image/jpeg",
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("ts") => "video/mp2t",
        _ => "application/octet-stream",
    };
    match simulator.world.buckets().read(&bucket, &key).await {
        Some(bytes) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
