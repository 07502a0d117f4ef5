//! The operator's way to the API server: a `kube::Client` whose requests end in the model.

use std::sync::Arc;
use std::time::Duration;

use agora_snapshot_operator::cluster::client::CALL_LIMIT;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Loss, Process, World};
use crate::api_server::{Answer, Watch};

/// What a request takes.
const TAKES: Duration = Duration::from_millis(5);

/// The API server closes a watch after the time that the client names; this is what kube names.
const WATCH: Duration = Duration::from_secs(290);

/// A client for a process.
pub(crate) fn client(world: &Arc<World>, process: Process) -> kube::Client {
    let world = world.clone();
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let world = world.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(Body::new(body), usize::MAX).await.expect("bodies are whole");
            world.to_api_server(process, Request::from_parts(head, body)).await
        }
    });
    kube::Client::new(service, "agora-system")
}

impl World {
    async fn to_api_server(
        self: Arc<Self>,
        process: Process,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Loss> {
        if request.method() == Method::GET {
            let answer = self
                .ask(process, TAKES, |world| {
                    let now = world.now();
                    world.api.answer(now, &request)
                })
                .await;
            return Ok(match answer {
                Answer::Now(response) => response.map(Body::from),
                Answer::Watch(watch) => Response::new(Body::from_stream(stream::unfold(
                    Watching::new(self, watch),
                    Watching::next,
                ))),
            });
        }
        let what = format!("{} {}", request.method(), short(request.uri().path()));
        let write = move |world: &mut super::Inner| {
            let (now, before) = (world.now(), world.api.resource_version());
            let Answer::Now(response) = world.api.answer(now, &request) else {
                unreachable!("only a GET is a watch")
            };
            let (status, written) =
                (response.status(), serde_json::from_slice(response.body()).unwrap_or_default());
            let at = world.millis();
            world.witness.saw_write(at, &request, status, &written, &world.vendor);
            let of_status = request.uri().path().ends_with("/status");
            if of_status && status.is_success() && world.api.resource_version() == before {
                world.witness.saw_no_change(&written);
            }
            world.tell(format!("    {} {}", status.as_u16(), summary(&written)));
            response
        };
        let response = self.affect(process, what, (TAKES, CALL_LIMIT), write).await?;
        Ok(response.map(Body::from))
    }
}

/// The path without what all have.
fn short(path: &str) -> &str {
    path.split_once("/namespaces/").map_or(path, |(_, rest)| rest)
}

/// What an answer shows of a job, for the story.
fn summary(object: &Value) -> String {
    if object["kind"] == "Status" {
        return object["reason"].as_str().unwrap_or_default().to_owned();
    }
    if object["kind"] != "SnapshotJob" {
        return format!(
            "{} {}",
            object["reason"].as_str().unwrap_or_default(),
            object["note"].as_str().unwrap_or_default()
        );
    }
    let status = &object["status"];
    let sessions: Vec<String> = status["sessions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            let sid = one["sid"].as_str().unwrap_or("-");
            format!(
                "#{} {} {}",
                one["attempt"],
                one["state"].as_str().unwrap_or("?"),
                &sid[..sid.len().min(6)]
            )
        })
        .collect();
    let ready = status["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Ready");
    let reason = ready.and_then(|ready| ready["reason"].as_str()).unwrap_or("?");
    format!(
        "generation {}/{} {reason} [{}]",
        status["observedGeneration"],
        object["metadata"]["generation"],
        sessions.join(", ")
    )
}

/// A watch under way.
struct Watching {
    world: Arc<World>,
    watch: Watch,
    version: u64,
    ends: Instant,
    /// When it began.
    began: Timestamp,
    /// Nothing more comes.
    over: bool,
}

impl Watching {
    fn new(world: Arc<World>, watch: Watch) -> Self {
        let version = watch.resource_version();
        let began = world.now();
        Self { world, watch, version, ends: Instant::now() + WATCH, began, over: false }
    }

    async fn next(mut self) -> Option<(Result<Bytes, Loss>, Self)> {
        let mut changes = self.world.changes();
        loop {
            if self.over {
                return None;
            }
            changes.mark_unchanged();
            let (began, version) = (self.began, self.version);
            let delivery = self.world.read(|world| {
                let events = world.api.events_after(&self.watch, version);
                events.map(|events| world.deliver(began, version, events))
            });
            let (lines, again) = match delivery {
                Ok(delivery) => {
                    (self.version, self.over) = (delivery.version, delivery.ends);
                    (delivery.lines, delivery.again)
                }
                Err(expired) => {
                    self.over = true;
                    (vec![expired], None)
                }
            };
            if !lines.is_empty() {
                let mut text = lines.join(&b'\n');
                text.push(b'\n');
                return Some((Ok(text.into()), self));
            }
            if self.over {
                return None;
            }
            let again = again.map_or(WATCH, |time| self.world.until(time));
            tokio::select! {
                biased;
                changed = changes.changed() => changed.expect("the world lasts"),
                () = sleep_until(self.ends) => return None,
                () = sleep(again) => {}
            }
        }
    }
}
