//! Takes the vendor's notifications: `POST /ncs/{appId}` on a port of its own.
//!
//! Owns whether a body is the vendor's and which jobs it concerns. What it tells is kept in `reconcile::hearsay` until their
//! visits; nothing is decided here. The answer is quick whatever happens behind, for the vendor waits 10 s and tries four times.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::agora::notification::{self, Notification, SIGNATURE_HEADER, SIGNATURE_V2_HEADER, Signatures};
use crate::cluster::leadership::Gate;
use crate::lifecycle::told::Event;
use crate::metrics::NotificationResult;
use crate::probes::{Health, until};
use crate::reconcile::Context;

mod copies;
mod forward;
mod listeners;
mod secrets;

use copies::Copies;
use forward::{FORWARDED_HEADER, Forwarder, OURS_HEADER};
use listeners::{Listener, Listeners};
use secrets::Verified;

/// The largest body that is read, in bytes. The vendor gives no limit; the longest that is documented, a list of files, has
/// some kilobytes.
const MOST_BYTES: usize = 256 * 1024;

/// Notifications that are dealt with at once; each may hold a body of that size.
const MOST_AT_ONCE: usize = 256;

/// How long an answer may take: half of what the vendor waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The receiver of one process.
pub struct Receiver {
    context: Arc<Context>,
    health: Health,
    gate: Gate,
    forwarder: Option<Forwarder>,
    listeners: Listeners,
    copies: Mutex<Copies>,
    places: Semaphore,
}

impl Receiver {
    /// `leader`: where another process takes notifications while that one leads; absent without leader election.
    ///
    /// # Errors
    /// The HTTP client for the other process cannot be made.
    pub fn new(
        context: Arc<Context>,
        health: Health,
        gate: Gate,
        leader: Option<watch::Receiver<Option<String>>>,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            listeners: Listeners::new(context.neighbours.clone()),
            context,
            health,
            gate,
            forwarder: leader.map(Forwarder::new).transpose()?,
            copies: Mutex::default(),
            places: Semaphore::new(MOST_AT_ONCE),
        })
    }

    /// Serves until `ended` becomes true.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(self, listener: TcpListener, ended: watch::Receiver<bool>) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/ncs/{app_id}", post(receive))
            .layer(map_response(async |mut response: Response| {
                response.headers_mut().insert(OURS_HEADER, HeaderValue::from_static("1"));
                response
            }))
            .with_state(Arc::new(self));
        axum::serve(listener, routes).with_graceful_shutdown(until(ended)).await
    }

    async fn judge(&self, app_id: &str, headers: &HeaderMap, body: &Bytes) -> Verdict {
        if !self.gate.is_open() {
            return match &self.forwarder {
                // One that was forwarded already came from a process that took this one for the leader.
                Some(forwarder) if !headers.contains_key(FORWARDED_HEADER) => {
                    match forwarder.forward(app_id, headers, body).await {
                        Ok(answer) => Verdict::Forwarded(answer),
                        Err(why) => Verdict::Again(why),
                    }
                }
                Some(_) | None => Verdict::Again("another replica leads".to_owned()),
            };
        }
        if !self.health.has_listed() {
            return Verdict::Again("the first list of SnapshotJobs is not complete".to_owned());
        }
        let notification = notification::read(body);
        let event_type = notification.as_ref().map(|notification| notification.event_type);
        let concluded = |result| Verdict::Concluded(event_type, result);
        let listeners = self.listeners.of(app_id);
        let signatures = Signatures {
            sha1: headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok()),
            sha256: headers.get(SIGNATURE_V2_HEADER).and_then(|value| value.to_str().ok()),
        };
        if listeners.is_empty() {
            return concluded(NotificationResult::Unverifiable);
        }
        if !signatures.could_be_some() {
            return concluded(NotificationResult::Forged);
        }
        let concerned: Vec<&Listener> = match &notification {
            Some(notification) => {
                listeners.iter().filter(|listener| listener.is_concerned(&notification.tiding)).collect()
            }
            None => Vec::new(),
        };
        let secrets = &self.context.secrets;
        let verified = secrets::fitting(secrets, &concerned, &signatures, body).await;
        if let Some(why) = verified.unread {
            // One of those that it may concern cannot be told whether it does.
            return Verdict::Again(why);
        }
        if verified.jobs.is_empty() {
            // It may be of a session that is over, or a test: the vendor's all the same.
            let all: Vec<&Listener> = listeners.iter().collect();
            let Verified { jobs, secrets, unread } =
                secrets::any_fitting(secrets, &all, &signatures, body).await;
            match (jobs.is_empty(), unread, secrets) {
                (false, _, _) => {}
                (true, Some(why), _) => return Verdict::Again(why),
                (true, None, 0) => return concluded(NotificationResult::Unverifiable),
                (true, None, _) => return concluded(NotificationResult::Forged),
            }
        }
        let Some(notification) = notification else { return concluded(NotificationResult::NotUnderstood) };
        if verified.jobs.is_empty() {
            return concluded(NotificationResult::Unmatched);
        }
        // A copy tells nothing new, and hearing it again does no harm: it is only counted for what it is.
        let is_copy = self.is_copy(&notification);
        let Notification { mut tiding, .. } = notification;
        // Nothing has happened yet that is to happen: the later word of two counts, and this one would for ever.
        tiding.time = tiding.time.min(self.context.clock.now().wall);
        for listener in verified.jobs {
            self.context.hearsay.hear(&listener.uid, &listener.job, &tiding);
            if let Event::Snapshot { .. } = tiding.event {
                self.context.metrics.snapshot_told(&listener.uid, tiding.time);
            }
        }
        concluded(if is_copy { NotificationResult::Duplicate } else { NotificationResult::Accepted })
    }

    fn is_copy(&self, notification: &Notification) -> bool {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).is_copy(notification)
    }
}

/// What becomes of a notification.
enum Verdict {
    /// It was dealt with, or is none.
    Concluded(Option<i64>, NotificationResult),
    /// The process that leads answered so.
    Forwarded(Response),
    /// It cannot be dealt with now, for this reason.
    Again(String),
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    Path(app_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // Whoever sends a body byte by byte waits no longer than the vendor would.
    let judged = tokio::time::timeout(ANSWER_WITHIN, async {
        let Ok(_place) = receiver.places.try_acquire() else {
            return Ok::<_, StatusCode>(Verdict::Again("too many come at once".to_owned()));
        };
        let body = to_bytes(body, MOST_BYTES).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        Ok(receiver.judge(&app_id, &headers, &body).await)
    });
    let verdict = match judged.await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(refused)) => return refused.into_response(),
        Err(_elapsed) => Verdict::Again("it took too long".to_owned()),
    };
    let (event_type, result) = match &verdict {
        Verdict::Concluded(event_type, result) => (*event_type, *result),
        Verdict::Forwarded(_) => (None, NotificationResult::Forwarded),
        Verdict::Again(_) => (None, NotificationResult::Refused),
    };
    receiver.context.metrics.notification(event_type, result);
    match verdict {
        Verdict::Concluded(_, result) => answer(result),
        Verdict::Forwarded(response) => response,
        Verdict::Again(why) => {
            // What is in the way is nothing to whoever asks.
            tracing::debug!(app_id, why, "a notification is to be sent again");
            let seconds = [(header::RETRY_AFTER, "1")];
            let words = json!({"error": "it cannot be taken now; send it again"});
            (StatusCode::SERVICE_UNAVAILABLE, seconds, Json(words)).into_response()
        }
    }
}

/// The vendor takes 200 with JSON alone as an answer, and sends anything else again: which would not make a body understood.
fn answer(result: NotificationResult) -> Response {
    let words = match result {
        NotificationResult::Accepted => "accepted",
        NotificationResult::Duplicate => "heard before",
        NotificationResult::Unmatched => "of no session here",
        NotificationResult::NotUnderstood => "not understood",
        NotificationResult::Unverifiable => "no Secret of this App ID has a notificationSecret",
        NotificationResult::Forged | NotificationResult::Forwarded | NotificationResult::Refused => {
            let words = "the signature fits no notificationSecret of this App ID";
            return (StatusCode::UNAUTHORIZED, Json(json!({ "error": words }))).into_response();
        }
    };
    Json(json!({ "result": words })).into_response()
}

/// Where the other replicas reach the receiver: as the setting says, or else at the pod's address.
pub fn advertised(setting: Option<SocketAddr>, pod_ip: Option<&str>, bound: SocketAddr) -> SocketAddr {
    let pod = || Some(SocketAddr::new(pod_ip?.parse().ok()?, bound.port()));
    setting.or_else(pod).unwrap_or(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_advertised_is_the_setting_or_the_pod_or_what_is_listened_on() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let bound = address("0.0.0.0:8082");
        for (setting, pod, expected) in [
            (Some("10.0.0.1:9"), Some("10.0.0.2"), "10.0.0.1:9"),
            (None, Some("10.0.0.2"), "10.0.0.2:8082"),
            (None, Some("fd00::2"), "[fd00::2]:8082"),
            (None, Some(""), "0.0.0.0:8082"),
            (None, None, "0.0.0.0:8082"),
        ] {
            assert_eq!(
                advertised(setting.map(address), pod, bound),
                address(expected),
                "{setting:?} {pod:?}"
            );
        }
    }
}
