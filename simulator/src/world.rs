//! The service in the world: gives it the wall clock, wakes it when something is due, carries out its effects and
//! brings back what came of them. Decides nothing that the vendor would decide.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::answer::Answer;
use crate::clock::{Clock, Millis};
use crate::hls;
use crate::notices::Delivery;
use crate::notices::sender::Sender;
use crate::service::{Content, Effect, Outcome, Reply, Service, Ticket, Upload, UploadFailure};
use crate::snapshot_image::{self, Scene};
use crate::storage::Buckets;

/// Files that go up at the same time.
const UPLOADS_AT_ONCE: usize = 32;

/// Wall clock in milliseconds since the Unix epoch.
pub fn wall_clock() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// The service with its surroundings.
#[derive(Debug)]
pub struct World {
    service: Mutex<Service>,
    clock: Clock,
    /// One instant on both clocks: between restarts the wall clock is read once, so that its jumps do no harm.
    began: (Instant, Millis),
    buckets: Buckets,
    slots: Semaphore,
    sender: Sender,
    held: Mutex<BTreeMap<Ticket, oneshot::Sender<Answer>>>,
    wake: Notify,
    /// Counts up whenever anything may have changed; what waits for an event looks again then.
    changes: watch::Sender<u64>,
}

impl World {
    /// Puts a service whose virtual time follows `clock` into the world, as of now (`wall`, milliseconds).
    pub fn new(service: Service, clock: Clock, wall: Millis, buckets: Buckets, sender: Sender) -> Arc<Self> {
        Arc::new(Self {
            service: Mutex::new(service),
            clock,
            began: (Instant::now(), wall),
            buckets,
            slots: Semaphore::new(UPLOADS_AT_ONCE),
            sender,
            held: Mutex::default(),
            wake: Notify::new(),
            changes: watch::Sender::new(0),
        })
    }

    /// Wall time, milliseconds since the Unix epoch.
    pub fn wall(&self) -> Millis {
        self.began.1 + Millis::try_from(self.began.0.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// Virtual time.
    pub fn now(&self) -> Millis {
        self.clock.virtual_at(self.wall())
    }

    /// Where files go.
    pub fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// To be told of changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Tells that something changed which the service does not know of.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Does something with the service and carries out the effects.
    pub fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut Service, Millis) -> (T, Vec<Effect>)) -> T {
        let (result, effects) = {
            let mut service = self.lock();
            // The time is read under the lock, so that it never runs backwards for the service.
            let now = self.now();
            act(&mut service, now)
        };
        self.perform(effects);
        self.wake.notify_one();
        result
    }

    /// Reads or sets something that has no effect on the world, and tells nobody of a change: those who wait for one
    /// would wake each other for ever.
    pub fn with_quietly<T>(&self, act: impl FnOnce(&mut Service, Millis) -> T) -> T {
        let mut service = self.lock();
        let now = self.now();
        act(&mut service, now)
    }

    /// Makes a call and waits for its answer.
    pub async fn call(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Service, Millis) -> Outcome,
    ) -> (Answer, Vec<String>) {
        let (pending, effects, notes) = {
            let mut service = self.lock();
            let now = self.now();
            let Outcome { reply, effects, notes } = act(&mut service, now);
            let pending = match reply {
                Reply::Now(answer) => Ok(answer),
                Reply::Held(ticket) => {
                    let (sender, receiver) = oneshot::channel();
                    self.held
                        .lock()
                        .expect("no panic happens while the tickets are locked")
                        .insert(ticket, sender);
                    Err(receiver)
                }
            };
            (pending, effects, notes)
        };
        self.perform(effects);
        self.wake.notify_one();
        let answer = match pending {
            Ok(answer) => answer,
            Err(receiver) => receiver.await.unwrap_or_else(|_| Answer::service(504, 62, "request timeout")),
        };
        (answer, notes)
    }

    /// Wakes the service whenever something is due. Never returns.
    pub async fn run(self: Arc<Self>) {
        loop {
            let (next, effects) = self.with_quietly(|service, now| {
                let effects = service.tick(now);
                (service.next_wakeup(), effects)
            });
            self.perform(effects);
            let Some(next) = next else {
                self.wake.notified().await;
                continue;
            };
            let wait = Duration::from_millis(self.clock.wall_at(next).saturating_sub(self.wall()));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Service> {
        self.service.lock().expect("no panic happens while the service is locked")
    }

    fn perform(self: &Arc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Answer(ticket, answer) => {
                    let mut held = self.held.lock().expect("no panic happens while the tickets are locked");
                    if let Some(sender) = held.remove(&ticket) {
                        // A caller that went away needs no answer.
                        let _ = sender.send(answer);
                    }
                }
                Effect::Upload(upload) => {
                    let world = Arc::clone(self);
                    tokio::spawn(async move { world.upload(upload).await });
                }
                Effect::Notify(delivery) => {
                    let world = Arc::clone(self);
                    tokio::spawn(async move { world.notify(delivery).await });
                }
            }
        }
        self.changed();
    }

    async fn upload(self: Arc<Self>, upload: Upload) {
        let id = upload.id;
        let outcome = match self.slots.acquire().await {
            Ok(_slot) => self.send(upload).await,
            Err(closed) => Err(UploadFailure::Transient(closed.to_string())),
        };
        self.with(|service, now| match outcome {
            Ok(()) => ((), service.uploaded(now, id)),
            Err(failure) => {
                tracing::warn!(id, ?failure, "upload failed");
                ((), service.upload_failed(now, id, failure))
            }
        });
    }

    async fn notify(self: Arc<Self>, delivery: Delivery) {
        let number = delivery.number;
        let outcome = self.sender.send(delivery).await;
        self.with(|service, now| ((), service.notified(now, number, outcome)));
    }

    async fn send(&self, upload: Upload) -> Result<(), UploadFailure> {
        let content = upload.content;
        // Drawing takes milliseconds of pure computing: not on the threads that answer calls.
        let drawn = tokio::task::spawn_blocking(move || render(&content)).await;
        let bytes = drawn
            .map_err(|error| UploadFailure::Transient(error.to_string()))?
            .map_err(|error| UploadFailure::Transient(error.to_string()))?;
        self.buckets.put(&upload.storage, &upload.key, bytes).await
    }
}

fn render(content: &Content) -> Result<Vec<u8>, jpeg_encoder::EncodingError> {
    match content {
        Content::Snapshot { cname, uid, wall, sequence, width, height } => {
            let (wall, sequence, width, height) = (*wall, *sequence, *width, *height);
            snapshot_image::draw(Scene { cname, uid: *uid, wall, sequence, width, height })
        }
        Content::VideoSegment { uid, start, length } => Ok(hls::video_segment(*uid, *start, *length)),
        Content::AudioSegment { start, length } => Ok(hls::audio_segment(*start, *length)),
        Content::Playlist { segments, ended } => Ok(hls::playlist(segments, *ended).into_bytes()),
    }
}
