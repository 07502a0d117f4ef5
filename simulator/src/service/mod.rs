//! The vendor's service as a state machine. Owns resource ids, sessions and channels, and moves them through time.
//! Every entry point takes the (virtual) time and returns what to answer and what to do as data: no clock, no network,
//! no runtime. The gateway in front of it is `gateway`, the world behind it `driver`.

mod acquire;
mod advance;
mod channel;
mod events;
mod failover;
mod files;
mod lookup;
mod notify;
mod query;
mod report;
mod session;
mod start;
mod stop;
mod storm;
mod update;
mod uploads;

use std::collections::BTreeMap;

pub use channel::User;
pub use failover::HarmError;
pub use files::Content;
pub use notify::NoEndpoint;
pub use report::{SessionReport, State};
pub use session::{EndReason, Event};
pub use storm::{Storm, StormError};
pub use uploads::{Upload, UploadFailure};

use crate::answer::Answer;
use crate::clock::{Clock, Millis};
use crate::notices::{Delivery, Outbox};
use crate::random::Random;
use crate::settings::Settings;
use channel::Channel;
use session::Session;

/// What a service is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// How virtual time relates to the wall clock, whose times stand in file names and answers.
    pub clock: Clock,
    /// Where all randomness comes from.
    pub seed: u64,
    /// Certificate of the App IDs: if there is one, start needs a good token.
    pub app_certificate: Option<String>,
    /// Open facts.
    pub settings: Settings,
}

/// The number under which an answer that is not ready yet will come as an effect.
pub type Ticket = u64;

/// What a call is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// At once.
    Now(Answer),
    /// Later, by [`Effect::Answer`] with this ticket: a synchronous stop waits for its uploads.
    Held(Ticket),
}

/// What the world has to do for the service.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Put a file into a bucket, and tell the outcome by [`Service::uploaded`] or [`Service::upload_failed`].
    Upload(Upload),
    /// Send the answer that was held.
    Answer(Ticket, Answer),
    /// Send a notification, and tell the outcome by [`Service::notified`].
    Notify(Delivery),
}

/// What comes of a call.
#[derive(Debug)]
pub struct Outcome {
    /// The answer, or when to expect it.
    pub reply: Reply,
    /// What to do.
    pub effects: Vec<Effect>,
    /// What a strict reader found odd in the request.
    pub notes: Vec<String>,
}

/// Which session a call names, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// App ID of the path.
    pub app_id: String,
    /// Resource id of the path.
    pub resource_id: String,
    /// Session id of the path; empty for start.
    pub sid: String,
    /// Mode of the path.
    pub mode: String,
}

/// A resource id that acquire gave out.
#[derive(Clone, Debug)]
struct Resource {
    app_id: String,
    cname: String,
    uid: u32,
    acquired_at: Millis,
    control_window: Millis,
    start_parameter: Option<serde_json::Value>,
    sid: Option<String>,
}

/// The service.
#[derive(Debug)]
pub struct Service {
    clock: Clock,
    random: Random,
    app_certificate: Option<String>,
    /// Open facts; they may be changed while it runs.
    pub settings: Settings,
    resources: BTreeMap<String, Resource>,
    /// In the order in which they began.
    sessions: Vec<Session>,
    channels: BTreeMap<String, Channel>,
    storage_down: bool,
    outbox: Outbox,
    storms: Vec<storm::Blowing>,
    next_ticket: Ticket,
    next_upload: u64,
    effects: Vec<Effect>,
    notes: Vec<String>,
}

impl Service {
    /// A service without sessions, in which nobody is in any channel.
    pub fn new(config: Config) -> Self {
        Self {
            clock: config.clock,
            random: Random::new(config.seed),
            app_certificate: config.app_certificate,
            settings: config.settings,
            resources: BTreeMap::new(),
            sessions: Vec::new(),
            channels: BTreeMap::new(),
            storage_down: false,
            outbox: Outbox::new(config.seed),
            storms: Vec::new(),
            next_ticket: 1,
            next_upload: 1,
            effects: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn outcome(&mut self, reply: Reply) -> Outcome {
        Outcome { reply, effects: std::mem::take(&mut self.effects), notes: std::mem::take(&mut self.notes) }
    }
}
