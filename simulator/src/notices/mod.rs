//! Notifications on their way [API §9.1]: which are sent, when, how often, and what became of them. Owns the outbox, a
//! pure part: it is told the time and the outcome of each attempt, and says what to send. Sending is `sender`'s.

mod endpoint;
mod envelope;
mod record;
mod rule;
pub mod sender;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub use endpoint::{Endpoint, EndpointError};
pub use envelope::{Signatures, sign};
pub use record::{Attempt, Counts, Kind, Notice, NoticeState, Outcome, Verdict};
pub use rule::{Double, Forgery, Rule, RuleError};

use crate::clock::{Clock, Millis, SECOND, rfc3339};
use crate::random::Random;
use crate::settings::{Settings, name};
use envelope::Content;
use rule::Rules;

/// How long a receiver may take to answer [API §9.1]: wall clock, as the receiver is real at any speed.
pub const ANSWER_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);
/// How often a notification is sent again before it is given up [API §9.1].
const RESENDS: u32 = 3;
/// The channel and the user of the console's test [API §9.1].
const TEST_CHANNEL: &str = "test_webhook";
const TEST_UID: u32 = 12_121_212;
/// Events that an endpoint without a list of its own is tested with: those of this service's sessions [API §9.3].
const TESTED_EVENTS: [u32; 15] = [1, 2, 3, 4, 11, 12, 30, 31, 32, 33, 40, 41, 43, 44, 45];

/// Something to tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Occasion {
    pub(crate) app_id: String,
    pub(crate) cname: String,
    pub(crate) sid: String,
    pub(crate) uid: String,
    pub(crate) sequence: u64,
    pub(crate) event_type: u32,
    pub(crate) payload: Value,
    pub(crate) kind: Kind,
}

/// One attempt to be made: a POST of these bytes with these headers to this address.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Number of the notification, to tell the outcome with.
    pub number: u64,
    /// Address.
    pub url: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// What an open notification still needs.
#[derive(Clone, Debug)]
struct Open {
    content: Content,
    resends_left: u32,
    under_way: bool,
}

/// Endpoints, rules, and all notifications since the start.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Apart from the service's, so that what is sent does not change what happens.
    random: Random,
    endpoints: BTreeMap<String, Endpoint>,
    rules: Rules,
    notices: Vec<Notice>,
    open: BTreeMap<u64, Open>,
    due: BTreeSet<(Millis, u64)>,
    counts: Counts,
}

impl Outbox {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(!seed),
            endpoints: BTreeMap::new(),
            rules: Rules::default(),
            notices: Vec::new(),
            open: BTreeMap::new(),
            due: BTreeSet::new(),
            counts: Counts::default(),
        }
    }

    /// Sets the endpoint of an App ID. What waits for its time goes there too.
    pub(crate) fn set_endpoint(
        &mut self,
        app_id: &str,
        endpoint: Endpoint,
        settings: &Settings,
    ) -> Result<(), EndpointError> {
        endpoint.check(settings)?;
        self.endpoints.insert(app_id.to_owned(), endpoint);
        Ok(())
    }

    /// Takes the endpoint of an App ID away; what still waits is given up when its time comes.
    pub(crate) fn remove_endpoint(&mut self, app_id: &str) {
        self.endpoints.remove(app_id);
    }

    pub(crate) fn endpoints(&self) -> &BTreeMap<String, Endpoint> {
        &self.endpoints
    }

    pub(crate) fn add_rule(&mut self, rule: Rule) -> Result<(), RuleError> {
        self.rules.add(rule)
    }

    pub(crate) fn clear_rules(&mut self) {
        self.rules.0.clear();
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules.0
    }

    pub(crate) fn notices(&self) -> &[Notice] {
        &self.notices
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// When something is to be sent next.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether an event of this type has somewhere to go.
    pub(crate) fn wants(&self, app_id: &str, event_type: u32) -> bool {
        self.endpoints.get(app_id).is_some_and(|endpoint| endpoint.wants(event_type))
    }

    /// Posts what happened, if the App ID has an endpoint that wants it. The rules act here.
    pub(crate) fn post(&mut self, at: Millis, occasion: &Occasion, settings: &Settings) {
        if !self.wants(&occasion.app_id, occasion.event_type) {
            return;
        }
        let fate = self.rules.fate(occasion, &mut self.random);
        let beside = settings.is(name::ENVELOPE_SID, "present").then(|| occasion.sid.clone());
        let content = Content::Enveloped {
            event_type: occasion.event_type,
            payload: occasion.payload.clone(),
            sid: beside,
        };
        let notice_id = self.notice_id(settings);
        if fate.lost {
            self.record(occasion, notice_id, fate.forged, NoticeState::Lost);
            return;
        }
        let number = self.record(occasion, notice_id.clone(), fate.forged, NoticeState::Open);
        self.queue(number, at + fate.delay, content.clone(), RESENDS);
        if let Some((double, delay)) = fate.copy {
            let id = match double {
                Double::SameId => notice_id,
                Double::OwnId => self.notice_id(settings),
            };
            let number = self.record(occasion, id, fate.forged, NoticeState::Open);
            self.notices[number as usize - 1].second = true;
            self.queue(number, at + delay, content, RESENDS);
        }
    }

    /// The console's test: one call for each subscribed event, with the fields of another product and without those of
    /// this one [API §9.1]. Sent once. Gives their numbers.
    pub(crate) fn test(&mut self, at: Millis, app_id: &str, settings: &Settings) -> Vec<u64> {
        let Some(endpoint) = self.endpoints.get(app_id) else { return Vec::new() };
        let events = endpoint.events.clone().unwrap_or_else(|| TESTED_EVENTS.into());
        let payload = json!({"channelName": TEST_CHANNEL, "uid": TEST_UID});
        let post = |event_type: u32| {
            let occasion =
                Occasion { app_id: app_id.into(), event_type, kind: Kind::Test, ..Occasion::default() };
            let notice_id = self.notice_id(settings);
            let number = self.record(&occasion, notice_id, None, NoticeState::Open);
            let content = Content::Enveloped { event_type, payload: payload.clone(), sid: None };
            self.queue(number, at, content, 0);
            number
        };
        events.into_iter().map(post).collect()
    }

    /// Sends these bytes as they are, signed as any body unless `forged`. Gives its number.
    pub(crate) fn raw(&mut self, at: Millis, app_id: &str, body: Vec<u8>, forged: Option<Forgery>) -> u64 {
        let occasion = Occasion { app_id: app_id.into(), kind: Kind::Raw, ..Occasion::default() };
        let number = self.record(&occasion, String::new(), forged, NoticeState::Open);
        self.queue(number, at, Content::Raw(body), RESENDS);
        number
    }

    /// What is to be sent until `now`, each as of its own time.
    pub(crate) fn take_due(&mut self, now: Millis, clock: &Clock) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while let Some((at, number)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, number));
            deliveries.extend(self.attempt(number, clock.wall_at(at)));
        }
        deliveries
    }

    fn attempt(&mut self, number: u64, wall: Millis) -> Option<Delivery> {
        let notice = &mut self.notices[number as usize - 1];
        let Some(endpoint) = self.endpoints.get(&notice.app_id) else {
            self.close(number, NoticeState::GivenUp);
            return None;
        };
        let open = self.open.get_mut(&number)?;
        open.under_way = true;
        let mut body = open.content.body(&notice.notice_id, wall);
        let signatures = match notice.forged {
            None | Some(Forgery::AlteredBody) => Some(sign(&endpoint.secret, &body)),
            Some(Forgery::WrongSecret) => Some(sign(&self.random.hex(32), &body)),
            Some(Forgery::Absent) => None,
        };
        if notice.forged == Some(Forgery::AlteredBody) {
            body.push(b' ');
        }
        let mut headers = vec![("Content-Type", "application/json".to_owned())];
        if let Some(Signatures { sha1, sha256 }) = signatures {
            headers.extend([("Agora-Signature", sha1), ("Agora-Signature-V2", sha256)]);
        }
        let url = endpoint.url.clone();
        notice.attempts.push(Attempt {
            time: rfc3339(wall),
            notify_ms: wall,
            url: url.clone(),
            verdict: None,
            status: None,
            detail: None,
        });
        self.counts.attempts += 1;
        Some(Delivery { number, url, headers, body })
    }

    /// Takes the outcome of the attempt that is under way: delivered, due again, or given up.
    pub(crate) fn settle(&mut self, now: Millis, number: u64, outcome: Outcome, settings: &Settings) {
        let Some(open) = self.open.get_mut(&number).filter(|open| open.under_way) else { return };
        open.under_way = false;
        let verdict = outcome.verdict();
        if let Some(attempt) = self.notices[number as usize - 1].attempts.last_mut() {
            attempt.verdict = Some(verdict);
            match outcome {
                Outcome::Answered { status, .. } => attempt.status = Some(status),
                Outcome::TimedOut => {}
                Outcome::Unreachable(why) => attempt.detail = Some(why),
            }
        }
        if verdict == Verdict::Delivered {
            self.close(number, NoticeState::Delivered);
        } else if open.resends_left == 0 {
            self.close(number, NoticeState::GivenUp);
        } else {
            // The first resend at once, then at growing intervals.
            let step = settings.number(name::RESEND_SECONDS) * SECOND;
            let wait = step * Millis::from(RESENDS - open.resends_left);
            open.resends_left -= 1;
            self.due.insert((now + wait, number));
        }
    }

    fn record(
        &mut self,
        occasion: &Occasion,
        notice_id: String,
        forged: Option<Forgery>,
        state: NoticeState,
    ) -> u64 {
        let number = self.notices.len() as u64 + 1;
        self.notices.push(Notice {
            number,
            app_id: occasion.app_id.clone(),
            notice_id,
            kind: occasion.kind,
            event_type: occasion.event_type,
            cname: occasion.cname.clone(),
            sid: occasion.sid.clone(),
            uid: occasion.uid.clone(),
            sequence: occasion.sequence,
            second: false,
            forged,
            state,
            attempts: Vec::new(),
        });
        self.counts.notices += 1;
        self.counts.lost += u64::from(state == NoticeState::Lost);
        number
    }

    fn queue(&mut self, number: u64, at: Millis, content: Content, resends_left: u32) {
        self.open.insert(number, Open { content, resends_left, under_way: false });
        self.due.insert((at, number));
        self.counts.open += 1;
    }

    fn close(&mut self, number: u64, state: NoticeState) {
        self.open.remove(&number);
        self.notices[number as usize - 1].state = state;
        self.counts.open -= 1;
        match state {
            NoticeState::Delivered => self.counts.delivered += 1,
            _ => self.counts.given_up += 1,
        }
    }

    fn notice_id(&mut self, settings: &Settings) -> String {
        let hex = self.random.hex(32);
        match settings.text(name::NOTICE_ID).as_str() {
            "uuid" => [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"),
            "parts" => {
                let mut part = |most| self.random.between(1, most);
                format!("{}:{}:{}", part(u64::from(u32::MAX)), part(99_999), part(999))
            }
            _ => hex,
        }
    }
}
