//! The part of the control interface that is about notifications: where they go, what shall happen to them on their
//! way, bodies on demand, and what became of each.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Patience, Shared, fits, long_poll, refuse, wait_for};
use crate::http::Simulator;
use crate::journal::masked;
use crate::notices::{Counts, Endpoint, Forgery, Kind, Notice, NoticeState, Rule, Verdict};
use crate::service::{Effect, Storm};

/// The routes.
pub(super) fn router() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/_sim/endpoints", get(endpoints))
        .route("/_sim/endpoints/{app_id}", put(put_endpoint).delete(remove_endpoint))
        .route("/_sim/endpoints/{app_id}/test", post(test))
        .route("/_sim/endpoints/{app_id}/raw", post(raw))
        .route("/_sim/endpoints/{app_id}/storm", post(storm))
        .route("/_sim/notices", get(notices))
        .route("/_sim/notices/counts", get(counts))
        .route("/_sim/notices/rules", post(add_rule).get(rules).delete(clear_rules))
}

/// Carries out the effects of something that may be refused.
fn with<T, E>(
    simulator: &Simulator,
    act: impl FnOnce(&mut crate::service::Service, u64) -> Result<(T, Vec<Effect>), E>,
) -> Result<T, E> {
    simulator.world.with(|service, now| match act(service, now) {
        Ok((done, effects)) => (Ok(done), effects),
        Err(error) => (Err(error), Vec::new()),
    })
}

fn done(result: Result<(), impl ToString>) -> Response {
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refuse(error),
    }
}

async fn endpoints(State(simulator): Shared) -> Response {
    let all: Map<String, Value> = simulator.world.with_quietly(|service, _| {
        let shown = |endpoint: &Endpoint| {
            masked(&json!({"url": endpoint.url, "secret": endpoint.secret, "events": endpoint.events}))
        };
        service.endpoints().iter().map(|(app_id, endpoint)| (app_id.clone(), shown(endpoint))).collect()
    });
    Json(all).into_response()
}

async fn put_endpoint(
    State(simulator): Shared,
    Path(app_id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let endpoint: Endpoint = match serde_json::from_value(body) {
        Ok(endpoint) => endpoint,
        Err(error) => return refuse(error),
    };
    done(with(&simulator, |service, now| service.set_endpoint(now, &app_id, endpoint).map(|it| ((), it))))
}

async fn remove_endpoint(State(simulator): Shared, Path(app_id): Path<String>) -> Response {
    simulator.world.with(|service, now| ((), service.remove_endpoint(now, &app_id)));
    StatusCode::NO_CONTENT.into_response()
}

async fn test(State(simulator): Shared, Path(app_id): Path<String>) -> Response {
    match with(&simulator, |service, now| service.test_endpoint(now, &app_id)) {
        Ok(numbers) => Json(json!({ "numbers": numbers })).into_response(),
        Err(error) => refuse(error),
    }
}

/// A body to be sent as it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    /// A string is sent as it is, anything else as JSON.
    #[serde(default)]
    body: Option<Value>,
    /// Bytes that are no text, in hexadecimal.
    #[serde(default)]
    body_hex: Option<String>,
    #[serde(default)]
    forge: Option<Forgery>,
}

async fn raw(State(simulator): Shared, Path(app_id): Path<String>, Json(body): Json<Value>) -> Response {
    let raw: Raw = match serde_json::from_value(body) {
        Ok(raw) => raw,
        Err(error) => return refuse(error),
    };
    let bytes = match (raw.body, raw.body_hex) {
        (Some(Value::String(text)), None) => text.into_bytes(),
        (Some(other), None) => other.to_string().into_bytes(),
        (None, Some(digits)) => match hex::decode(digits) {
            Ok(bytes) => bytes,
            Err(error) => return refuse(format!("bodyHex: {error}")),
        },
        _ => return refuse("one of body and bodyHex must be given"),
    };
    match with(&simulator, |service, now| service.send_raw(now, &app_id, bytes, raw.forge)) {
        Ok(number) => Json(json!({"numbers": [number]})).into_response(),
        Err(error) => refuse(error),
    }
}

async fn storm(State(simulator): Shared, Path(app_id): Path<String>, Json(body): Json<Value>) -> Response {
    match serde_json::from_value::<Storm>(body) {
        Ok(storm) => done(with(&simulator, |service, now| {
            service.storm(now, &app_id, &storm).map(|effects| ((), effects))
        })),
        Err(error) => refuse(error),
    }
}

/// What the list of notifications is narrowed to, and how many there must be before the answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Narrow {
    number: Option<u64>,
    app_id: Option<String>,
    cname: Option<String>,
    sid: Option<String>,
    notice_id: Option<String>,
    kind: Option<Kind>,
    event_type: Option<u32>,
    state: Option<NoticeState>,
    /// Only those with an attempt that came to this.
    verdict: Option<Verdict>,
    /// Only those after this number.
    after: Option<u64>,
    wait: Option<usize>,
    wait_at_most: Option<usize>,
    timeout_ms: Option<u64>,
}

impl Narrow {
    fn patience(&self) -> Patience {
        Patience { wait: self.wait, wait_at_most: self.wait_at_most, timeout_ms: self.timeout_ms }
    }

    fn fits(&self, notice: &Notice) -> bool {
        self.number.is_none_or(|number| number == notice.number)
            && fits(&self.app_id, &notice.app_id)
            && fits(&self.cname, &notice.cname)
            && fits(&self.sid, &notice.sid)
            && fits(&self.notice_id, &notice.notice_id)
            && self.kind.is_none_or(|kind| kind == notice.kind)
            && self.event_type.is_none_or(|event| event == notice.event_type)
            && self.state.is_none_or(|state| state == notice.state)
            && self.after.is_none_or(|after| notice.number > after)
            && self.verdict.is_none_or(|verdict| notice.attempts.iter().any(|it| it.verdict == Some(verdict)))
    }
}

async fn notices(State(simulator): Shared, Query(narrow): Query<Narrow>) -> Response {
    let look = || -> Vec<Notice> {
        simulator.world.with_quietly(|service, _| {
            service.notices().iter().filter(|notice| narrow.fits(notice)).cloned().collect()
        })
    };
    wait_for(&simulator, narrow.patience(), "notices", look).await
}

/// When the totals are told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct When {
    /// As soon as so many have been posted...
    wait: Option<u64>,
    /// ...and at most so many are open or still to come of a storm.
    wait_open_at_most: Option<u64>,
    timeout_ms: Option<u64>,
}

/// The totals, without a look at each: for storms.
async fn counts(State(simulator): Shared, Query(when): Query<When>) -> Response {
    let look = || {
        let counts: Counts = simulator.world.with_quietly(|service, _| service.notice_counts());
        let enough = when.wait.is_none_or(|least| counts.notices >= least)
            && when.wait_open_at_most.is_none_or(|most| counts.open + counts.coming <= most);
        (counts, enough)
    };
    let (status, counts) = long_poll(&simulator, when.timeout_ms, look).await;
    (status, Json(counts)).into_response()
}

async fn add_rule(State(simulator): Shared, Json(body): Json<Value>) -> Response {
    let rule: Rule = match serde_json::from_value(body) {
        Ok(rule) => rule,
        Err(error) => return refuse(error),
    };
    done(with(&simulator, |service, now| service.add_notice_rule(now, rule).map(|effects| ((), effects))))
}

async fn rules(State(simulator): Shared) -> Response {
    let rules = simulator.world.with_quietly(|service, _| service.notice_rules().to_vec());
    Json(json!({ "rules": rules })).into_response()
}

async fn clear_rules(State(simulator): Shared) -> Response {
    simulator.world.with(|service, now| ((), service.clear_notice_rules(now)));
    StatusCode::NO_CONTENT.into_response()
}
