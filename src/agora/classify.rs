//! What an answer proves: a pure function of verb, HTTP status and body, or of how the transport failed.
//!
//! The question is always whether there may be an effect that we do not know of. `Rejected` takes the service's, or
//! its gateway's, own words; whatever else stands on the way proves nothing. When to try again is not decided here.

use super::client::SessionAddress;
use super::observe::Verb;
use super::reply::Reply;
use super::transport::Fault;
use super::words::Redactor;
use crate::lifecycle::outcome::{Answer, Kind, Outcome, Queried, Started, Stopped};

/// How sure it is that nothing was done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Proof {
    Refused,
    Doubtful,
}
use Proof::{Doubtful, Refused};

/// Acquire: a resourceId, for the channel and uid that were asked for.
pub fn acquired(reply: &Reply, cname: &str, uid: &str, redactor: &Redactor) -> Outcome<String> {
    let ours = reply.agrees("cname", cname) && reply.agrees("uid", uid);
    match reply.id("resourceId") {
        Some(id) if reply.http == 200 && ours && says_no_error(reply) => Outcome::Confirmed(id.to_owned()),
        Some(_) | None => refusal(Verb::Acquire, reply, redactor),
    }
}

/// Start: a sid that goes with the resourceId that was sent. The sid is given once, so nothing else is asked of the
/// answer that carries it.
pub fn started(reply: &Reply, resource_id: &str, redactor: &Redactor) -> Outcome<Started> {
    let sid = reply.id("sid").filter(|_| reply.agrees("resourceId", resource_id)).map(str::to_owned);
    let already =
        reply.code() == Some(7) || reply.code().is_none() && reply.text() == Some("already started");
    match (reply.http, sid) {
        (200..=299, sid) if already => Outcome::Confirmed(Started::Already { sid }),
        (200, Some(sid)) => Outcome::Confirmed(Started::New { sid }),
        _ => refusal(Verb::Start, reply, redactor),
    }
}

/// Query: needs only the status.
pub fn queried(reply: &Reply, session: &SessionAddress<'_>, redactor: &Redactor) -> Outcome<Queried> {
    match reply.status() {
        Some(status) if reply.http == 200 && says_no_error(reply) => {
            Outcome::Confirmed(Queried { status, identity: reply.identity(session) })
        }
        Some(_) | None => refusal(Verb::Query, reply, redactor),
    }
}

/// Update: the answer repeats the session.
pub fn updated(reply: &Reply, session: &SessionAddress<'_>, redactor: &Redactor) -> Outcome<()> {
    match reply.http == 200 && reply.names_a_session() && reply.is_of(session) && says_no_error(reply) {
        true => Outcome::Confirmed(()),
        false => refusal(Verb::Update, reply, redactor),
    }
}

/// Stop: there are many ways to say that it is, or will be, stopped.
pub fn stopped(reply: &Reply, session: &SessionAddress<'_>, redactor: &Redactor) -> Outcome<Stopped> {
    let ours = reply.is_of(session);
    let said_so = ours && reply.names_a_session();
    let stopped = match (reply.http, reply.code()) {
        // The snapshots are there all the same: the code is about recorded content, which snapshots are not.
        (200..=299 | 400, Some(435)) if ours => Some(Stopped::NoRecordedData),
        (200..=299, Some(50)) if ours => Some(Stopped::UploadUnfinished),
        (200..=299 | 400, Some(49)) if ours => Some(Stopped::AlreadyStopping),
        (200, _) if said_so && says_no_error(reply) => Some(match reply.uploading_status() {
            Some("uploaded") => Stopped::Uploaded,
            Some("backuped") => Stopped::BackedUp,
            Some(_) | None => Stopped::UploadUnknown,
        }),
        // Overrun of a synchronous stop, as the Chinese reference has it: 206 and no code.
        (206, _) if said_so && reply.is_without_code() => Some(Stopped::UploadUnfinished),
        _ => None,
    };
    stopped.map_or_else(|| refusal(Verb::Stop, reply, redactor), Outcome::Confirmed)
}

/// The transport failed.
pub(super) fn failed<T>(fault: &Fault, redactor: &Redactor) -> Outcome<T> {
    let kind = fault.kind();
    let answer = Answer {
        kind,
        http: fault.http(),
        code: None,
        words: redactor.words(&fault.to_string()),
        retry_after: None,
    };
    match fault.was_sent() {
        true => Outcome::Unknown(answer),
        false => Outcome::NotSent(answer),
    }
}

/// Whether all of the App ID should send less.
pub fn asks_to_slow_down(reply: &Reply) -> bool {
    reply.retry_after.is_some() || reply.http == 429 || reply.http == 400 && is_about_rate(reply)
}

/// A code that cannot be read is not the absence of one.
fn says_no_error(reply: &Reply) -> bool {
    reply.is_without_code() || matches!(reply.code(), Some(0 | 200))
}

fn refusal<T>(verb: Verb, reply: &Reply, redactor: &Redactor) -> Outcome<T> {
    let (proof, kind) = judge(verb, reply);
    let words = reply.text().map(|text| redactor.words(text)).filter(|words| !words.is_empty());
    let words = words.unwrap_or_else(|| redactor.words(&unsaid(reply)));
    let answer =
        Answer { kind, http: Some(reply.http), code: reply.code(), words, retry_after: reply.retry_after };
    match proof {
        Refused => Outcome::Rejected(answer),
        Doubtful => Outcome::Unknown(answer),
    }
}

/// For an answer without words of its own.
fn unsaid(reply: &Reply) -> String {
    let http = reply.http;
    match (http, reply.is_readable()) {
        (300..=399, _) => format!("HTTP {http}, a redirect; it is not followed"),
        (_, false) => format!("HTTP {http} and a body that is not the vendor's JSON"),
        (200..=299, true) => format!("HTTP {http} and a body without what was asked for"),
        (_, true) => format!("HTTP {http} without a reason"),
    }
}

/// The vendor's tables, current and old.
fn judge(verb: Verb, reply: &Reply) -> (Proof, Kind) {
    let own_words = if reply.is_readable() { Refused } else { Doubtful };
    match (reply.http, reply.code()) {
        (401, _) => (own_words, Kind::Unauthorized),
        (429, _) => (own_words, Kind::RateLimited),
        (_, Some(code)) => by_code(verb, reply, code),
        (_, None) => by_message(reply),
    }
}

/// A service answer.
fn by_code(verb: Verb, reply: &Reply, code: i64) -> (Proof, Kind) {
    let client_error = (400..=499).contains(&reply.http);
    match (reply.http, code) {
        (_, 65) => (Doubtful, Kind::Late),
        // Older pages: the service is not enabled.
        (400, 62) if verb == Verb::Acquire => (Refused, Kind::AppIdInvalid),
        (_, 62) => (Doubtful, Kind::BackendTimeout),
        // With 500: "post method api body check failed!".
        (400 | 500, 2) => (Refused, Kind::InvalidParameter),
        (400, 400) => (Refused, Kind::AppIdInvalid),
        (400, 401) => (Refused, Kind::InvalidParameter),
        (400, 405) => (Refused, Kind::AccountSuspended),
        (400, 406) => (Refused, Kind::QuotaExceeded),
        (_, 53) if client_error => (Refused, Kind::Conflict),
        (_, 8 | 432 | 1013 | 1028) if client_error => (Refused, Kind::InvalidParameter),
        (_, 433 | 1001 | 1003) if client_error => (Refused, Kind::ResourceInvalid),
        (404, 404) => match verb {
            Verb::Query | Verb::Update | Verb::Stop => (Refused, Kind::NotFound),
            // There is nothing yet that they could not find.
            Verb::Acquire | Verb::Start => (Doubtful, Kind::ServerFault),
        },
        (500, 500) if verb == Verb::Acquire => (Refused, Kind::ServerFault),
        (500, 501 | 504) if verb == Verb::Acquire => (Refused, Kind::NoWorker),
        (500, 502) if makes_a_worker(verb) => (Refused, Kind::NoWorker),
        // A gateway's own page repeats its status as a code; only the service gives a reason.
        (502, 502) if makes_a_worker(verb) && reply.has_reason() => (Refused, Kind::NoWorker),
        (400, _) if is_about_rate(reply) => (Refused, Kind::RateLimited),
        (400, _) => (Refused, Kind::InvalidParameter),
        _ => (Doubtful, Kind::ServerFault),
    }
}

fn makes_a_worker(verb: Verb) -> bool {
    match verb {
        Verb::Acquire | Verb::Start => true,
        Verb::Query | Verb::Update | Verb::Stop => false,
    }
}

/// A gateway answer, or none of the vendor's.
fn by_message(reply: &Reply) -> (Proof, Kind) {
    let says = |words: &str| says(reply, words);
    match reply.http {
        400 if says("appid is invalid") => (Refused, Kind::AppIdInvalid),
        // Too many requests for the quota of concurrent sessions: documented as a 400, without its body.
        400 if is_about_rate(reply) => (Refused, Kind::RateLimited),
        400 if reply.text().is_some() => (Refused, Kind::InvalidParameter),
        404 if says("no route matched") => (Refused, Kind::NoRoute),
        300..=399 | 500..=599 => (Doubtful, Kind::ServerFault),
        _ if reply.is_readable() => (Doubtful, Kind::ServerFault),
        _ => (Doubtful, Kind::Unreadable),
    }
}

fn is_about_rate(reply: &Reply) -> bool {
    says(reply, "rate limit") || says(reply, "too many requests")
}

fn says(reply: &Reply, words: &str) -> bool {
    reply.text().is_some_and(|text| text.to_ascii_lowercase().contains(words))
}

#[cfg(test)]
mod tests;
