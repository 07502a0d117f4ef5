//! The vendor in virtual time: the simulator as a library, woken whenever somebody looks at it.
//!
//! Nothing of it runs by itself: whoever looks first lets everything happen that was due until then, each thing at its
//! own time. So it needs no task, and outlives every process of the operator.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use agora_simulator::answer::Answer;
use agora_simulator::clock::{Clock, Millis};
use agora_simulator::gateway::{self, Credentials, Gateway, Verb};
use agora_simulator::notices::Outcome;
use agora_simulator::service::{Config, Effect, Reply, Service, SessionReport, State, Ticket};
use agora_simulator::settings::Settings;
use serde_json::{Value, json};

use super::buckets::Buckets;

/// What a call carries.
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Option<Vec<u8>>,
}

/// The vendor, and what is in its hands.
pub(crate) struct Vendor {
    service: Service,
    gateway: Gateway,
    app_id: String,
    /// Answers of held calls that are ready.
    ready: BTreeMap<Ticket, Answer>,
    /// What each session was last told to do, by resourceId: the body of its start, with the lists of its updates.
    tasks: BTreeMap<String, Value>,
    /// Calls that were refused for their rate.
    pub(crate) refused_for_rate: usize,
    /// Bodies of the notifications that were sent.
    pub(crate) notifications: Vec<Vec<u8>>,
}

/// Those that the simulator has, but that a server which was lost tells of its end when it can again.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.set("lostServerEvents", "sent").expect("a setting");
    settings.set("endpointAddresses", "loopbackHttp").expect("a setting");
    settings
}

impl Vendor {
    pub(crate) fn new(origin: Millis, app_id: &str, account: (&str, &str), settings: Settings) -> Self {
        let clock = Clock::new(origin, NonZeroU32::MIN);
        let service = Service::new(Config { clock, seed: 1, app_certificate: None, settings });
        let gateway = Gateway::new(Credentials {
            app_ids: vec![app_id.to_owned()],
            customer_id: account.0.to_owned(),
            customer_secret: account.1.to_owned(),
        });
        Self {
            service,
            gateway,
            app_id: app_id.to_owned(),
            ready: BTreeMap::new(),
            tasks: BTreeMap::new(),
            refused_for_rate: 0,
            notifications: Vec::new(),
        }
    }

    /// Sends notifications from now on: a fifth is lost, but for word of a failover, and the rest is doubled and out of
    /// order.
    pub(crate) fn send_notifications(&mut self, now: Millis) {
        let endpoint = serde_json::from_value(json!({"url": "http://127.0.0.1/ncs", "secret": "secret"}));
        self.service.set_endpoint(now, &self.app_id, endpoint.expect("an endpoint")).expect("it is taken");
        for rule in [
            json!({"eventTypes": [1, 2, 11, 31, 32, 40, 41, 44, 45], "percent": 20, "lose": true}),
            json!({"double": "ownId", "doubleAfterSeconds": 40}),
            json!({"shuffleSeconds": 30}),
        ] {
            let rule = serde_json::from_value(rule).expect("a rule");
            self.service.add_notice_rule(now, rule).expect("it is taken");
        }
    }

    /// Lets everything happen that is due.
    pub(crate) fn settle(&mut self, now: Millis, buckets: &mut Buckets) {
        while let Some(at) = self.service.next_wakeup().filter(|at| *at <= now) {
            let effects = self.service.tick(at);
            self.perform(at, effects, buckets);
        }
    }

    /// When something happens by itself next.
    pub(crate) fn next_wakeup(&self) -> Option<Millis> {
        self.service.next_wakeup()
    }

    /// Does a call, as of now; everything due before has happened.
    pub(crate) fn call(&mut self, now: Millis, call: &Call, buckets: &mut Buckets) -> Reply {
        let Some((verb, target)) = gateway::route(&call.method, &call.path) else {
            return Reply::Now(gateway::no_route());
        };
        let running = self.service.live_sessions(&target.app_id) > 0;
        let (authorization, settings) = (call.authorization.as_deref(), &self.service.settings);
        let admitted = self.gateway.admit(now, &target.app_id, authorization, running, settings);
        let checked = admitted.and_then(|()| match verb {
            Verb::Query => Ok(()),
            _ => gateway::check_content_type(call.content_type.as_deref(), settings),
        });
        if let Err(refusal) = checked {
            self.refused_for_rate += usize::from(refusal.status == 429);
            return Reply::Now(refusal);
        }
        let body = call.body.as_deref().map(serde_json::from_slice::<Value>);
        let body = match (verb, body) {
            (Verb::Query, _) => Value::Null,
            (_, Some(Ok(body))) => body,
            (_, Some(Err(_)) | None) => return Reply::Now(Answer::service(400, 8, "the body is not JSON")),
        };
        let outcome = match verb {
            Verb::Acquire => self.service.acquire(now, &target.app_id, &body),
            Verb::Start => self.service.start(now, &target, &body),
            Verb::Query => self.service.query(now, &target),
            Verb::Update => self.service.update(now, &target, &body),
            Verb::UpdateLayout => self.service.update_layout(now, &target),
            Verb::Stop => self.service.stop(now, &target, &body),
        };
        let taken = matches!(&outcome.reply, Reply::Now(answer) if answer.status == 200);
        match verb {
            Verb::Start if taken => {
                self.tasks.insert(target.resource_id, body["clientRequest"].clone());
            }
            Verb::Update if taken => {
                if let Some(task) = self.tasks.get_mut(&target.resource_id) {
                    task["recordingConfig"]["updated"] = body["clientRequest"].clone();
                }
            }
            _ => {}
        }
        self.perform(now, outcome.effects, buckets);
        outcome.reply
    }

    /// The answer of a held call, once it is there.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<Answer> {
        self.ready.remove(&ticket)
    }

    /// Sessions that cost money.
    pub(crate) fn live(&mut self, now: Millis) -> Vec<SessionReport> {
        match self.service.live_sessions(&self.app_id) {
            0 => Vec::new(),
            _ => self.sessions(now).into_iter().filter(|session| session.state == State::Live).collect(),
        }
    }

    /// How many of them there are.
    pub(crate) fn live_count(&self) -> usize {
        self.service.live_sessions(&self.app_id)
    }

    /// All sessions that ever ran.
    pub(crate) fn sessions(&mut self, now: Millis) -> Vec<SessionReport> {
        self.service.sessions(now)
    }

    /// What a session was last told to do.
    pub(crate) fn task(&self, resource_id: &str) -> Option<&Value> {
        self.tasks.get(resource_id)
    }

    /// A user joins a channel.
    pub(crate) fn join(&mut self, now: Millis, channel: &str, uid: u32, buckets: &mut Buckets) {
        let effects = self.service.put_user(now, channel, uid, Default::default());
        self.perform(now, effects, buckets);
    }

    /// A session loses its server.
    pub(crate) fn fail_over(&mut self, now: Millis, sid: &str, buckets: &mut Buckets) {
        let effects = self.service.fail_over(now, sid).expect("the session runs");
        self.perform(now, effects, buckets);
    }

    fn perform(&mut self, at: Millis, effects: Vec<Effect>, buckets: &mut Buckets) {
        for effect in effects {
            match effect {
                Effect::Answer(ticket, answer) => {
                    self.ready.insert(ticket, answer);
                }
                Effect::Notify(delivery) => {
                    self.notifications.push(delivery.body);
                    let answered = Outcome::Answered { status: 200, json: true };
                    let more = self.service.notified(at, delivery.number, answered);
                    self.perform(at, more, buckets);
                }
                Effect::Upload(upload) => {
                    buckets.put(&upload.storage.bucket, &upload.key, at);
                    let more = self.service.uploaded(at, upload.id);
                    self.perform(at, more, buckets);
                }
            }
        }
    }
}
