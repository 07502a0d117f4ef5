//! What became of notifications: every one that was posted, every attempt to deliver it, and the totals. Owns the shape
//! in which tests are told of them.

use serde::{Deserialize, Serialize};

use super::rule::Forgery;
use crate::clock::Millis;

/// Why there is a notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Something happened to a session.
    #[default]
    Event,
    /// A storm that a test asked for.
    Storm,
    /// The console's test of an endpoint.
    Test,
    /// A body that a test asked for.
    Raw,
}

/// Where a notification stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NoticeState {
    /// Waits for its time, for an answer, or to be sent again.
    Open,
    /// Answered as the vendor wants it.
    Delivered,
    /// Every attempt failed, or its endpoint was taken away.
    GivenUp,
    /// Never sent: a rule wanted that.
    Lost,
}

/// What came of an attempt, as the world tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// There was an answer in time.
    Answered {
        /// HTTP status.
        status: u16,
        /// Whether the body is JSON.
        json: bool,
    },
    /// There was none within [`super::ANSWER_LIMIT`].
    TimedOut,
    /// There was no connection, or it broke.
    Unreachable(String),
}

/// What an attempt is worth [API §9.1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// 200 with a JSON body.
    Delivered,
    /// Another status than 200.
    WrongStatus,
    /// 200 with a body that is no JSON.
    NotJson,
    /// No answer in time.
    TimedOut,
    /// No connection, or one that broke.
    Unreachable,
}

/// One attempt to deliver a notification.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// When it began, RFC 3339.
    pub time: String,
    /// `notifyMs`: the same time; a raw body carries what it carries.
    pub notify_ms: Millis,
    /// Where it was sent.
    pub url: String,
    /// What came of it; null while it is under way.
    pub verdict: Option<Verdict>,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub detail: Option<String>,
}

/// One notification.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Its number, from 1.
    pub number: u64,
    /// App ID whose endpoint it is for.
    pub app_id: String,
    /// `noticeId`.
    pub notice_id: String,
    /// Why there is one.
    pub kind: Kind,
    /// `eventType`; 0 in a raw body.
    pub event_type: u32,
    /// `payload.cname`.
    pub cname: String,
    /// `payload.sid`.
    pub sid: String,
    /// `payload.uid`.
    pub uid: String,
    /// `payload.sequence`.
    pub sequence: u64,
    /// Whether it repeats another one, because a rule wanted it twice.
    pub second: bool,
    /// How its signature is wrong.
    pub forged: Option<Forgery>,
    /// Where it stands.
    pub state: NoticeState,
    /// Attempts so far.
    pub attempts: Vec<Attempt>,
}

/// Totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All notifications so far.
    pub notices: u64,
    /// Those that storms still have to post.
    pub coming: u64,
    /// Those that wait for their time, for an answer, or to be sent again.
    pub open: u64,
    /// Those answered as the vendor wants it.
    pub delivered: u64,
    /// Those given up.
    pub given_up: u64,
    /// Those never sent.
    pub lost: u64,
    /// Attempts.
    pub attempts: u64,
}

impl Outcome {
    /// What it is worth: only 200 with JSON counts.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Answered { status: 200, json: true } => Verdict::Delivered,
            Self::Answered { status: 200, json: false } => Verdict::NotJson,
            Self::Answered { .. } => Verdict::WrongStatus,
            Self::TimedOut => Verdict::TimedOut,
            Self::Unreachable(_) => Verdict::Unreachable,
        }
    }
}
