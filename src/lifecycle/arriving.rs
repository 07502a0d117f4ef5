//! Whether snapshots arrive, and why they do not: from the newest look into the bucket, from what the vendor answers and
//! tells of the session, and from the time that the spec's interval allows between two snapshots.
//!
//! Owns the thresholds and the words. That a user's snapshots pause with the user's video shows in
//! `status.snapshots.users`; where notifications tell whose video is received, a user who is missed is named.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::conditions::{self, Effort, Value, Verdict};
use super::observed::{Known, Observed};
use super::preflight;
use super::timing::{Moment, Timing, stored};
use super::told::Sender;
use super::trouble;
use crate::api::status::{Phase, Session, SnapshotsSummary};
use crate::api::{ConditionType, Reason, SnapshotJobSpec};

/// What a look came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// What was found or told of, over all sessions; absent where nothing can be said.
    pub found: Option<SnapshotsSummary>,
    /// What the bucket had to do with it.
    pub listing: Listing,
}

/// What listing the bucket came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Listing {
    /// It was not asked for.
    #[default]
    None,
    /// It shows what is there, or something new of it.
    Seen {
        /// Whether nothing is left for the next one.
        whole: bool,
    },
    /// It ended before it showed anything new; the next one goes on there.
    CutShort,
    /// It cannot be listed, for this reason.
    Obstacle(String),
}

/// The newest look that came to something, as it is remembered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Look {
    /// When, wall clock: names of snapshots carry it.
    pub time: Timestamp,
    /// Why nothing could be seen.
    pub obstacle: Option<String>,
    /// Whether everything was seen, so that what was not found is not there.
    pub whole: bool,
}

/// What is to be said of a session's snapshots.
struct Judgement {
    value: Value,
    reason: Reason,
    message: String,
}

/// Times are stored in whole seconds: a look so much later finds the patience over.
const LOOK_SLACK: Duration = Duration::from_secs(2);

/// So many users are named in a message.
const MOST_NAMED: usize = 3;

/// The vendor calls a session ready (4) until its first file is in the bucket (5).
const READY: i64 = 4;
const FIRST_FILE: i64 = 5;

/// Writes the condition; absent while no session is confirmed, and until it can be known.
pub(super) fn say(seen: &mut Observed) {
    let kind = ConditionType::SnapshotsArriving;
    let Some(session) = confirmed(seen) else {
        catch_up(seen);
        conditions::remove(&mut seen.status, kind);
        return;
    };
    let (now, generation) = (seen.now, seen.job.generation);
    match judge(seen, session) {
        Some(Judgement { value, reason, message }) => {
            if value == Value::True {
                catch_up(seen);
            }
            conditions::set(&mut seen.status, kind, value, reason, &message, &now, generation);
        }
        // A new process, or a new session, has not seen anything yet: what was said holds until it has.
        None => conditions::keep(&mut seen.status, kind, generation),
    }
}

/// When snapshots begin to arrive, or the session is over, the status has them at once; the numbers between go with the next
/// look.
fn catch_up(seen: &mut Observed) {
    let arrives = confirmed(seen).is_some()
        && conditions::get(&seen.status, ConditionType::SnapshotsArriving)
            .is_some_and(|condition| condition.status == Value::True.as_str());
    let known = seen.status.snapshots.as_ref().map_or(0, |snapshots| snapshots.count);
    if let Some(counted) = &seen.memory.counted
        && !arrives
        && counted.count > known
    {
        seen.status.snapshots = Some(counted.clone());
    }
}

/// What `Ready` says of a running session where no snapshots arrive and it is known why: a channel without video is no
/// fault of the job, a bucket that takes no files is.
pub(super) fn verdict(seen: &Observed) -> Option<Verdict> {
    let arriving = conditions::get(&seen.status, ConditionType::SnapshotsArriving)
        .filter(|condition| condition.status == Value::False.as_str())?;
    let reason = Reason::parse(&arriving.reason)?;
    let given_up = seen.now.is_past(&arriving.last_transition_time, seen.timing.upload_patience);
    let (ready, effort) = if reason == Reason::NoVideo {
        (true, Effort::None)
    } else if reason == Reason::UploadFailing {
        (false, if given_up { Effort::Stuck } else { Effort::Working })
    } else {
        return None;
    };
    Some(Verdict { phase: Phase::Running, ready, effort, reason, message: arriving.message.clone() })
}

/// How long until the next look into the bucket.
pub(super) fn look_wait(seen: &Observed, session: &Session) -> Duration {
    let known = seen.known(session);
    let wait = known.look_gate.min(known.doubt_gate).saturating_sub(seen.now.mono);
    user_doubt(seen, session).map_or(wait, |doubt| doubt.min(wait))
}

/// Whether a look that is due can do with what was told: snapshots are, of everybody of whom some are expected, and the bucket
/// was listed to its end not long ago.
pub fn can_do_without_listing(seen: &Observed, session: &Session) -> bool {
    let known = seen.known(session);
    let recently =
        |listed: Duration| seen.now.mono.saturating_sub(listed) < seen.timing.list_every_with_notifications;
    // The doubt is of a steady clock, and the rest of one that may be set back: who is due to be sure, lists.
    let is_in_doubt = known.doubt_gate <= seen.now.mono;
    !is_in_doubt
        && known.look.as_ref().is_some_and(|look| look.whole)
        && is_told_of(seen, known)
        && known.listed.is_some_and(recently)
        && user_doubt(seen, session).is_none_or(|wait| !wait.is_zero())
}

/// When to look, at the latest, after a snapshot was told of at this time: if none is told of meanwhile, notifications are
/// lost or the snapshots cease.
pub(super) fn doubt_after(seen: &Observed, told: Timestamp) -> Option<Duration> {
    let age = seen.now.span(&stored(told), seen.now.wall);
    Some(seen.now.mono + (patience_of(seen)? + LOOK_SLACK).saturating_sub(age))
}

/// How long until a look can tell whether snapshots arrive, if none has told yet.
pub(super) fn undecided_for(seen: &Observed, session: &Session) -> Option<Duration> {
    let patience = patience_of(seen)?;
    let look = seen.known(session).look.as_ref()?;
    let since = since(seen, session)?;
    let quiet = seen.now.span(&since, look.time);
    (look.obstacle.is_none() && newest(seen, session).is_none() && quiet <= patience)
        .then(|| patience.saturating_sub(quiet).max(seen.timing.look_first))
}

/// The vendor reported this status: with the first file there is something to be seen.
pub(super) fn status_reported(known: &mut Known, status: i64, now: &Moment, timing: &Timing) {
    if known.last_status == Some(READY) && status == FIRST_FILE {
        known.look_gate = known.look_gate.min(now.mono + timing.look_first);
    }
    known.last_status = Some(status);
}

/// How long after a snapshot, or after the session was confirmed, the next one has arrived at the latest.
pub fn patience(spec: &SnapshotJobSpec, timing: &Timing) -> Duration {
    let interval = Duration::from_secs(u64::try_from(spec.interval_seconds).unwrap_or(0));
    interval * timing.missed_intervals + timing.arrival
}

fn patience_of(seen: &Observed) -> Option<Duration> {
    seen.spec.as_ref().ok().map(|spec| patience(spec, &seen.timing))
}

fn judge(seen: &Observed, session: &Session) -> Option<Judgement> {
    let known = seen.known(session);
    let told = known.told.snapshot().map(|(time, _)| stored(time));
    if is_told_of(seen, known) {
        return users(seen, session);
    }
    let look = known.look.as_ref()?;
    if let Some(obstacle) = &look.obstacle {
        // What was told, and what the vendor answers, tells why without the bucket.
        let since = told.as_ref().max(session.confirm_time.as_ref())?;
        let judgement = missing(seen, session, told.as_ref());
        if Some(seen.now.span(since, seen.now.wall)) > patience_of(seen)
            && judgement.reason != Reason::Unknown
        {
            return Some(judgement);
        }
        let message = format!(
            "Whether snapshots arrive cannot be seen: {obstacle}. Keys that may list the bucket \
             (storage.readerCredentialsRef) would tell."
        );
        return Some(Judgement { value: Value::Unknown, reason: Reason::Unknown, message });
    }
    let newest = newest(seen, session);
    let late = seen.now.span(&since(seen, session)?, look.time) > patience_of(seen)?;
    match newest {
        Some(_) if !late => Some(arriving(session, "")),
        None if !late => None,
        // Somebody has just begun to send: the snapshots follow, or are missed.
        _ if known
            .told
            .sending_since(session.recorder_uid)
            .is_some_and(|time| Some(seen.now.span(&stored(time), seen.now.wall)) <= patience_of(seen)) =>
        {
            None
        }
        // What the look has not come to yet may be newer.
        _ if !look.whole => None,
        newest => Some(missing(seen, session, newest.as_ref())),
    }
}

/// Whether a snapshot was told of so short a time ago that the next one is not missed.
fn is_told_of(seen: &Observed, known: &Known) -> bool {
    let age = known.told.snapshot().map(|(time, _)| seen.now.span(&stored(time), seen.now.wall));
    age.is_some_and(|age| Some(age) <= patience_of(seen))
}

// === single users, where notifications tell whose video is received ===

/// When the newest snapshot of a sender was taken, found or told of. Times in the status have whole seconds.
fn newest_of(seen: &Observed, sender: &Sender) -> Option<Timestamp> {
    let users = seen.status.snapshots.iter().flat_map(|snapshots| &snapshots.users);
    let found = users.filter(|user| user.uid == sender.user).filter_map(|user| user.last_time.as_ref());
    let found = found.map(|time| time.0).max().filter(|found| *found >= stored(sender.since).0);
    sender.taken.max(found)
}

/// How long until a look tells whether a user whose video is received is missed, if one is needed: of some nothing was told
/// since they began to send, and word of it may be lost.
fn user_doubt(seen: &Observed, session: &Session) -> Option<Duration> {
    let known = seen.known(session);
    let limit = patience_of(seen)? + LOOK_SLACK;
    let listed_for = known.listed.map(|listed| seen.now.mono.saturating_sub(listed));
    let wait = |sender: &Sender| {
        let sent_for = seen.now.span(&stored(sender.since), seen.now.wall);
        let is_decided = listed_for.is_some_and(|listed| sent_for.saturating_sub(listed) >= limit);
        (!is_decided).then(|| limit.saturating_sub(sent_for))
    };
    if known.look.as_ref().is_some_and(|look| look.obstacle.is_some()) || !is_told_of(seen, known) {
        return None;
    }
    let senders = known.told.senders(session.recorder_uid);
    senders.filter(|sender| newest_of(seen, sender).is_none()).filter_map(|sender| wait(&sender)).min()
}

/// What is to be said while snapshots are told of: whether they are of everybody whose video is received.
fn users(seen: &Observed, session: &Session) -> Option<Judgement> {
    let known = seen.known(session);
    let patience = patience_of(seen)?;
    // One who never had any is missed when the bucket has none either; who had some may have left without a word.
    let looked = known.look.as_ref().map(|look| match look.obstacle {
        Some(_) => seen.now.wall,
        None => look.time,
    });
    let is_cut_short = known.look.as_ref().is_some_and(|look| look.obstacle.is_none() && !look.whole);
    let (mut never, mut no_more) = (Vec::new(), Vec::new());
    for sender in known.told.senders(session.recorder_uid) {
        match newest_of(seen, &sender) {
            Some(newest) if seen.now.span(&stored(newest), seen.now.wall) > patience => {
                no_more.push(sender.user);
            }
            None if looked.is_some_and(|looked| seen.now.span(&stored(sender.since), looked) > patience) => {
                never.push(sender.user);
            }
            Some(_) | None => {}
        }
    }
    if never.is_empty() {
        let but = match no_more.as_slice() {
            [] => String::new(),
            users => format!(", but no more of {}, though no word came that that video ceased", named(users)),
        };
        return Some(arriving(session, &but));
    }
    if is_cut_short {
        // What it has not come to yet may be theirs: what was said holds, if anything was.
        let is_said = conditions::get(&seen.status, ConditionType::SnapshotsArriving).is_some();
        return (!is_said).then(|| arriving(session, ""));
    }
    let message = format!(
        "No snapshot of {}, whose video the recorder receives, while others' arrive: either the vendor cannot take one of \
         that video, or word that it ceased was lost.",
        named(&never)
    );
    Some(Judgement { value: Value::False, reason: Reason::Unknown, message })
}

/// Whether these words of ours are of single users who are missed, while others' snapshots arrive.
pub fn misses_users(message: &str) -> bool {
    message.starts_with("No snapshot of user")
}

fn arriving(session: &Session, but: &str) -> Judgement {
    let message = format!("Snapshots of session {} arrive in the bucket{but}.", name(session));
    Judgement { value: Value::True, reason: Reason::Arriving, message }
}

/// `user 7`, `users 7 and 9`, `users 7, 9, 11 and 4 more`.
fn named(users: &[i64]) -> String {
    let shown: Vec<String> = users.iter().take(MOST_NAMED).map(i64::to_string).collect();
    let more = users.len() - shown.len();
    match (shown.as_slice(), more) {
        ([user], 0) => format!("user {user}"),
        ([before @ .., last], 0) => format!("users {} and {last}", before.join(", ")),
        (all, more) => format!("users {} and {more} more", all.join(", ")),
    }
}

// === why there are none ===

/// Why no snapshots arrive, as far as it can be known.
fn missing(seen: &Observed, session: &Session, newest: Option<&Time>) -> Judgement {
    let known = seen.known(session);
    let since = match newest {
        Some(newest) => format!("since {}", newest.0),
        None => format!("of session {}", name(session)),
    };
    // What was told before the newest snapshot is not what keeps the next one.
    let is_later = |time: &Timestamp| newest.is_none_or(|newest| *time > newest.0);
    let first = session.recorder_uid;
    let told = &known.told;
    let trouble = trouble::weightiest(told, is_later);
    let (reason, why) = if known.death.is_some() {
        (
            Reason::Failover,
            "the vendor does not know the session at the moment; it may be moving to another server",
        )
    } else if known.ending_since.is_some() {
        (Reason::RecorderGone, "the vendor says that the session is ending")
    } else if let Some(trouble) = trouble.as_ref().filter(|trouble| trouble.reason == Reason::TokenExpired) {
        (Reason::TokenExpired, trouble.words.as_str())
    } else if told.exit(first).map(|(time, _)| time).max(told.left(first)).is_some_and(|time| is_later(&time))
    {
        (Reason::RecorderGone, "the vendor says that the recorder left the channel")
    } else if told.moved().is_some_and(|time| is_later(&time)) {
        (Reason::Failover, "the vendor moved the session to another server, which has brought none yet")
    } else if session.token_end_time.as_ref().is_some_and(|end| seen.now.is_past(end, Duration::ZERO)) {
        (Reason::TokenExpired, "the recorder's token is over, and with it its stay in the channel")
    } else if preflight::refuses(seen, session) {
        (Reason::UploadFailing, "the bucket does not take files: see condition StorageWritable")
    } else if let Some(trouble) = trouble.as_ref().filter(|trouble| trouble.reason == Reason::UploadFailing) {
        (Reason::UploadFailing, trouble.words.as_str())
    } else if told.silent_since(first).is_some_and(|time| is_later(&time)) {
        (Reason::NoVideo, "nobody in the channel sends video. Snapshots follow as soon as somebody does")
    } else if known.last_status == Some(READY) {
        (
            Reason::NoVideo,
            "the recorder is in the channel and has nothing to take a snapshot of, for nobody sends it video. Snapshots \
             follow as soon as somebody does",
        )
    } else if let Some(trouble) = &trouble {
        (Reason::Unknown, trouble.words.as_str())
    } else {
        (
            Reason::Unknown,
            "the vendor says that the session records. Either nobody sends video any more, or what is taken does not \
             get into the bucket",
        )
    };
    Judgement { value: Value::False, reason, message: format!("No snapshot {since}: {why}.") }
}

fn confirmed(seen: &Observed) -> Option<&Session> {
    seen.running().filter(|session| session.confirm_time.is_some())
}

/// The newest snapshot since the session was started, found or told of. In a handover it may be the other session's: the
/// job's all the same.
fn newest(seen: &Observed, session: &Session) -> Option<Time> {
    let found = seen.status.snapshots.as_ref().and_then(|snapshots| snapshots.last_time.clone());
    let told = seen.known(session).told.snapshot().map(|(time, _)| stored(time));
    let started = session.start_time.as_ref()?;
    found.max(told).filter(|newest| newest >= started)
}

/// From when on the next snapshot is waited for: the first one from when the vendor confirmed the session.
fn since(seen: &Observed, session: &Session) -> Option<Time> {
    newest(seen, session).max(session.confirm_time.clone())
}

fn name(session: &Session) -> &str {
    session.sid.as_deref().unwrap_or("unknown")
}

#[cfg(test)]
mod tests;
