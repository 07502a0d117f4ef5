//! Events: what happened, for `kubectl describe` and the event log.
//!
//! Publishing never fails and never delays a visit: events go through a bounded queue to one task, and what cannot be
//! published is logged and counted. When to tell of something is decided in `lifecycle`.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::client::{CALL_LIMIT, within};
use crate::api::Reason;
use crate::metrics::Metrics;

/// Name under which events are reported.
pub const REPORTER: &str = "agora-snapshot-operator";

/// The API server refuses longer notes.
const MOST_NOTE_BYTES: usize = 1024;

/// Some minutes of events of a busy cluster while the API server is away; more are of no use to anybody.
const QUEUE: usize = 1024;

/// Whether an event is good news.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// It went as it should.
    Normal,
    /// Somebody may want to look.
    Warning,
}

/// What becomes of an event that is told again within some minutes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repeated {
    /// It is counted in the event of the first time, which takes the right to patch events.
    Counted,
    /// It is another event: for a program that ends soon.
    Anew,
}

/// One event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct News {
    /// Whether it is good news.
    pub kind: Kind,
    /// Why, in the words of the conditions.
    pub reason: Reason,
    /// What was being done: one CamelCase word of at most 128 characters.
    pub action: &'static str,
    /// What to tell. Kept stable: what is told again of the same object within six minutes becomes one series. Cut to
    /// 1 kB.
    pub note: String,
}

/// Publishes events. Cheap to clone; all clones share one queue and one memory of series.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<Item>,
    metrics: Metrics,
    pod: Option<String>,
}

#[derive(Debug)]
enum Item {
    Publish(Box<Told>),
    Flush(oneshot::Sender<()>),
}

/// An event, and whom it is about.
#[derive(Debug)]
struct Told {
    regarding: ObjectReference,
    /// The object itself, where the event cannot regard it.
    related: Option<ObjectReference>,
    news: News,
}

impl Events {
    /// Starts the task that publishes; it ends when the last clone is dropped. `pod` is the operator's own pod.
    pub fn start(client: Client, metrics: Metrics, pod: Option<String>, repeated: Repeated) -> Self {
        let (queue, items) = mpsc::channel(QUEUE);
        let reporter = Reporter { controller: REPORTER.into(), instance: pod.clone() };
        tokio::spawn(publish_all(Series::new(client, reporter, repeated), metrics.clone(), items));
        Self { queue, metrics, pod }
    }

    /// Tells of an object in the object's namespace.
    pub fn publish(&self, regarding: ObjectReference, news: News) {
        self.put(regarding, None, news);
    }

    /// Tells of an object in another namespace, because its own is going and takes no events any more. An event must
    /// regard something in its own namespace, so this one regards the operator's pod, with the object beside it. Never
    /// joined to a series: the right to create events there is enough.
    pub fn publish_in(&self, namespace: &str, about: ObjectReference, news: News) {
        let (kind, name) = match &self.pod {
            Some(pod) => ("Pod", pod.as_str()),
            None => ("Namespace", namespace),
        };
        let regarding = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some(kind.into()),
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectReference::default()
        };
        self.put(regarding, Some(about), news);
    }

    /// Waits until all that was put before is published or lost, no longer than `limit`.
    pub async fn flush(&self, limit: Duration) {
        let (done, published) = oneshot::channel();
        let flushed = async {
            if self.queue.send(Item::Flush(done)).await.is_ok() {
                // An error says that the task is gone, and with it all that it could have published.
                let _gone = published.await;
            }
        };
        if tokio::time::timeout(limit, flushed).await.is_err() {
            tracing::debug!("events were left unpublished at the end");
        }
    }

    fn put(&self, regarding: ObjectReference, related: Option<ObjectReference>, mut news: News) {
        cut(&mut news.note, MOST_NOTE_BYTES);
        let item = Item::Publish(Box::new(Told { regarding, related, news }));
        if let Err(error) = self.queue.try_send(item) {
            tracing::debug!(%error, "an event was not published");
            self.metrics.event_lost();
        }
    }
}

/// How long what is told again becomes part of a series: kube's `Recorder` forgets an event after this time.
const SERIES: Duration = Duration::from_secs(360);

/// The series that events may join. kube's `Recorder` takes two events of one object and reason for the same, whatever
/// their notes say, and keeps the first note; so there is one for each note.
struct Series {
    client: Client,
    reporter: Reporter,
    repeated: Repeated,
    known: HashMap<(ObjectKey, Reason, String), (Instant, Recorder)>,
}

/// Namespace, name and uid of an object.
type ObjectKey = [Option<String>; 3];

impl Series {
    fn new(client: Client, reporter: Reporter, repeated: Repeated) -> Self {
        Self { client, reporter, repeated, known: HashMap::new() }
    }

    fn recorder(&mut self, told: &Told) -> Recorder {
        let new = || Recorder::new(self.client.clone(), self.reporter.clone());
        if told.related.is_some() || self.repeated == Repeated::Anew {
            return new();
        }
        let now = Instant::now();
        self.known.retain(|_, (last, _)| now.duration_since(*last) < SERIES);
        let object = &told.regarding;
        let object = [object.namespace.clone(), object.name.clone(), object.uid.clone()];
        let known = self.known.entry((object, told.news.reason, told.news.note.clone()));
        let (last, recorder) = known.or_insert_with(|| (now, new()));
        *last = now;
        recorder.clone()
    }
}

async fn publish_all(mut series: Series, metrics: Metrics, mut items: mpsc::Receiver<Item>) {
    while let Some(item) = items.recv().await {
        match item {
            Item::Publish(told) => {
                let recorder = series.recorder(&told);
                let Told { regarding, related, news } = *told;
                let event = Event {
                    type_: match news.kind {
                        Kind::Normal => EventType::Normal,
                        Kind::Warning => EventType::Warning,
                    },
                    reason: news.reason.as_str(),
                    note: Some(news.note),
                    action: news.action.to_owned(),
                    secondary: related,
                };
                if let Err(error) = within(CALL_LIMIT, recorder.publish(&event, &regarding)).await {
                    tracing::debug!(%error, reason = event.reason, "an event was not published");
                    metrics.event_lost();
                }
            }
            Item::Flush(done) => {
                // Whoever waited may have stopped waiting.
                let _gave_up = done.send(());
            }
        }
    }
}

/// Cuts to at most `most` bytes, between characters.
fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::Value;

    use super::*;

    type Written = Arc<Mutex<Vec<(String, Value)>>>;

    /// An API server that answers every write with `code` and keeps what was written.
    fn server(code: u16) -> (Client, Written) {
        let written = Written::default();
        let keep = written.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let keep = keep.clone();
            async move {
                let head = format!("{} {}", request.method(), request.uri().path());
                let body = request.into_body().collect_bytes().await.unwrap();
                let body: Value = serde_json::from_slice(&body).unwrap();
                keep.lock().unwrap().push((head, body.clone()));
                let answer =
                    if code == 200 { body } else { serde_json::json!({"status": "Failure", "code": code}) };
                let answer = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, Infallible>(Response::builder().status(code).body(answer).unwrap())
            }
        });
        (Client::new(service, "default"), written)
    }

    fn job() -> ObjectReference {
        ObjectReference {
            api_version: Some("agora-snapshot.dev/v1alpha1".into()),
            kind: Some("SnapshotJob".into()),
            name: Some("lobby".into()),
            namespace: Some("team".into()),
            uid: Some("1".into()),
            ..ObjectReference::default()
        }
    }

    fn news(note: &str) -> News {
        News { kind: Kind::Warning, reason: Reason::OrphanRisk, action: "Stop", note: note.into() }
    }

    #[tokio::test]
    async fn an_event_is_written_once_and_its_repetition_patched() {
        let (client, written) = server(200);
        let events = Events::start(client, Metrics::new(false), Some("operator-0".into()), Repeated::Counted);
        events.publish(job(), news("told"));
        events.publish(job(), news("told"));
        events.flush(Duration::from_secs(5)).await;
        let written = written.lock().unwrap();
        assert_eq!(written.len(), 2);
        assert_eq!(written[0].0, "POST /apis/events.k8s.io/v1/namespaces/team/events");
        assert_eq!(written[0].1["reason"], "OrphanRisk");
        assert_eq!(written[0].1["type"], "Warning");
        assert_eq!(written[0].1["action"], "Stop");
        assert_eq!(written[0].1["note"], "told");
        assert_eq!(written[0].1["reportingController"], REPORTER);
        assert_eq!(written[0].1["reportingInstance"], "operator-0");
        assert!(written[1].0.starts_with("PATCH /apis/events.k8s.io/v1/namespaces/team/events/lobby."));
        assert_eq!(written[1].1["series"]["count"], 2);
    }

    #[tokio::test]
    async fn other_words_are_another_event() {
        let (client, written) = server(200);
        let events = Events::start(client, Metrics::new(false), None, Repeated::Counted);
        let other = ObjectReference { uid: Some("2".into()), ..job() };
        for (about, note) in [(job(), "one"), (job(), "two"), (other, "one"), (job(), "one")] {
            events.publish(about, news(note));
        }
        events.flush(Duration::from_secs(5)).await;
        let written = written.lock().unwrap();
        let told: Vec<_> = written
            .iter()
            .map(|(head, body)| {
                (head.starts_with("POST"), body["note"].clone(), body["regarding"]["uid"].clone())
            })
            .collect();
        let (one, two) = (Value::from("one"), Value::from("two"));
        let (first, second) = (Value::from("1"), Value::from("2"));
        let expected = [
            (true, one.clone(), first.clone()),
            (true, two, first.clone()),
            (true, one.clone(), second),
            (false, one, first),
        ];
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn what_is_told_elsewhere_never_joins_a_series() {
        let (client, written) = server(200);
        let events = Events::start(client, Metrics::new(false), None, Repeated::Counted);
        events.publish_in("agora", job(), news("resourceId abc"));
        events.publish_in("agora", job(), news("resourceId abc"));
        events.flush(Duration::from_secs(5)).await;
        let written = written.lock().unwrap();
        assert_eq!(written.len(), 2);
        assert!(written.iter().all(|(head, _)| head.starts_with("POST")), "{written:?}");
    }

    #[tokio::test]
    async fn who_ends_soon_needs_no_right_to_patch() {
        let (client, written) = server(200);
        let events = Events::start(client, Metrics::new(false), None, Repeated::Anew);
        events.publish(job(), news("told"));
        events.publish(job(), news("told"));
        events.flush(Duration::from_secs(5)).await;
        let written = written.lock().unwrap();
        assert_eq!(written.len(), 2);
        assert!(written.iter().all(|(head, _)| head.starts_with("POST")), "{written:?}");
    }

    #[tokio::test]
    async fn news_of_a_namespace_that_goes_regards_the_pod_of_the_operator() {
        let (client, written) = server(200);
        let events = Events::start(client, Metrics::new(false), Some("operator-0".into()), Repeated::Counted);
        events.publish_in("agora", job(), news("resourceId abc"));
        events.flush(Duration::from_secs(5)).await;
        let written = written.lock().unwrap();
        assert_eq!(written[0].0, "POST /apis/events.k8s.io/v1/namespaces/agora/events");
        assert_eq!(written[0].1["regarding"]["kind"], "Pod");
        assert_eq!(written[0].1["regarding"]["namespace"], "agora");
        assert_eq!(written[0].1["related"]["namespace"], "team");
        assert_eq!(written[0].1["related"]["name"], "lobby");
    }

    #[tokio::test]
    async fn a_refused_event_is_counted_and_nothing_else() {
        let (client, written) = server(403);
        let metrics = Metrics::new(false);
        let events = Events::start(client, metrics.clone(), None, Repeated::Counted);
        events.publish(job(), news("told"));
        events.flush(Duration::from_secs(5)).await;
        assert_eq!(written.lock().unwrap().len(), 1);
        assert!(metrics.exposition().contains("agora_snapshot_events_lost_total 1"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_api_server_delays_nobody_and_the_overflow_is_counted() {
        let service = tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let metrics = Metrics::new(false);
        let events = Events::start(Client::new(service, "default"), metrics.clone(), None, Repeated::Counted);
        let before = tokio::time::Instant::now();
        for _ in 0..QUEUE + 3 {
            events.publish(job(), news("told"));
        }
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert!(metrics.exposition().contains("agora_snapshot_events_lost_total 3"));
        events.flush(Duration::from_secs(1)).await;
        assert_eq!(before.elapsed(), Duration::from_secs(1));
    }

    #[test]
    fn notes_are_cut_between_characters() {
        for (text, most, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "abc"),
            ("日本語", 7, "日本"),
            ("日本語", 9, "日本語"),
            ("é", 1, ""),
        ] {
            let mut text = text.to_owned();
            cut(&mut text, most);
            assert_eq!(text, expected);
        }
    }
}
