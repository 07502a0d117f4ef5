//! What the vendor told of one session, in notifications that arrive late, doubled, out of order, or never.
//!
//! Every part is a maximum: of two that speak of the same the later by the vendor's own clock stays. So neither order nor
//! repetition makes a difference, and nothing has to be remembered to tell a copy. Nothing here proves anything alone:
//! what follows is decided with the answers to queries.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// Entries that are kept of each kind, those with the newest times. A session has at most four recorder uids, one for each
/// activation of the vendor's failover, and a handful of troubles.
const MOST_UIDS: usize = 8;
const MOST_TROUBLES: usize = 16;
/// The vendor records at most 17 users at once; those who left long ago are of no account.
const MOST_USERS: usize = 64;

/// A snapshot may be told of so much after the word that its user stopped sending, or that its recorder left: it was being
/// uploaded.
pub(super) const UPLOADING: SignedDuration = SignedDuration::from_secs(30);
/// After so long without a snapshot the next one is news.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// One notification about a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tiding {
    /// The vendor's sid.
    pub sid: String,
    /// Channel name.
    pub channel: String,
    /// Recorder uid that it speaks of: after a failover another than the session was started with.
    pub uid: i64,
    /// When it happened, by the vendor's clock.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What happened to a session, as far as a decision depends on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// 40: the recorder is in the channel.
    Joined,
    /// 1: an error.
    Error(Trouble),
    /// 2: a warning.
    Warning(Trouble),
    /// 11: the process that took the snapshots ended.
    Exited {
        /// Whether it ended as it should.
        normally: bool,
    },
    /// 12: another process takes the snapshots from now on.
    FailedOver {
        /// Its recorder uid.
        new_uid: i64,
    },
    /// 31: everything is in the user's bucket.
    Uploaded,
    /// 32: everything is uploaded, some of it into the vendor's backup, from where it is forwarded.
    BackedUp,
    /// 41: the recorder left the channel.
    Left {
        /// Bits of the vendor's `leaveCode`.
        code: i64,
    },
    /// 44: a user's video begins or ceases to be received.
    Video {
        /// RTC uid of the user.
        user: i64,
        /// Whether it is received.
        received: bool,
    },
    /// 45: a snapshot was taken and uploaded.
    Snapshot {
        /// Its object key.
        file: String,
    },
    /// Anything else: it tells that the session was there.
    Other,
}

/// A part of the vendor's service, and what it reports.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Trouble {
    /// 0 recorder, 1 uploader, 2 service, 6 web page.
    pub module: i64,
    /// The vendor's `errorCode` or `warnCode`.
    pub code: i64,
    /// The vendor's `errorLevel`: 1 debug to 5 fatal; 0 for a warning.
    pub level: i64,
}

/// How a process of the vendor's ended. Of two words from the same millisecond the worse one counts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Exit {
    /// As it should.
    Normal,
    /// It did not mean to.
    Abnormal,
}

/// The bit of `leaveCode` that says that nobody else was in the channel for the idle time.
const NO_USERS: i64 = 4;

/// All that was told of one session.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Told {
    heard: Option<Timestamp>,
    joined: Option<Timestamp>,
    failover: Option<(Timestamp, i64)>,
    uids: BTreeMap<i64, Timestamp>,
    exits: BTreeMap<i64, (Timestamp, Exit)>,
    leaves: BTreeMap<i64, (Timestamp, i64)>,
    errors: BTreeMap<Trouble, Timestamp>,
    warnings: BTreeMap<Trouble, Timestamp>,
    /// By recorder uid and user.
    videos: BTreeMap<(i64, i64), (Timestamp, bool)>,
    snapshot: Option<(Timestamp, String)>,
    /// By user: when the newest snapshot was taken, as its name says.
    taken: BTreeMap<i64, Timestamp>,
    uploaded: Option<Timestamp>,
    backed_up: Option<Timestamp>,
}

/// A user whose video the recorder receives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sender {
    /// RTC uid.
    pub user: i64,
    /// Since when.
    pub since: Timestamp,
    /// When the newest snapshot of this user was taken since then, of those that were told of.
    pub taken: Option<Timestamp>,
}

impl Told {
    /// Takes a tiding in.
    pub fn hear(&mut self, tiding: &Tiding) {
        let Tiding { uid, time, event, sid: _, channel: _ } = tiding;
        let (uid, time) = (*uid, *time);
        later(&mut self.heard, time);
        newest(&mut self.uids, uid, time, MOST_UIDS);
        match event {
            Event::Joined => later(&mut self.joined, time),
            Event::Error(trouble) => newest(&mut self.errors, *trouble, time, MOST_TROUBLES),
            Event::Warning(trouble) => newest(&mut self.warnings, *trouble, time, MOST_TROUBLES),
            Event::Exited { normally } => {
                let exit = if *normally { Exit::Normal } else { Exit::Abnormal };
                newest(&mut self.exits, uid, (time, exit), MOST_UIDS);
            }
            Event::FailedOver { new_uid } => later(&mut self.failover, (time, *new_uid)),
            Event::Uploaded => later(&mut self.uploaded, time),
            Event::BackedUp => later(&mut self.backed_up, time),
            Event::Left { code } => newest(&mut self.leaves, uid, (time, *code), MOST_UIDS),
            Event::Video { user, received } => {
                newest(&mut self.videos, (uid, *user), (time, *received), MOST_USERS);
            }
            Event::Snapshot { file } => later(&mut self.snapshot, (time, file.clone())),
            Event::Other => {}
        }
    }

    /// Takes in whose snapshot was told of, and when it was taken.
    pub fn took(&mut self, user: i64, taken: Timestamp) {
        newest(&mut self.taken, user, taken, MOST_USERS);
    }

    /// Whether more is known than before that a decision may depend on. A snapshot more is not, nor a user more: the next
    /// visit sees it soon enough.
    pub fn is_worth_a_visit(&self, before: &Self) -> bool {
        let sends = |told: &Self| told.videos.values().any(|(_, received)| *received);
        let whole = |told: &Self| {
            let uids: Vec<i64> = told.uids.keys().copied().collect();
            (uids, told.joined, told.failover, told.exits.clone(), told.leaves.clone())
        };
        let trouble = |told: &Self| {
            let errors: Vec<Trouble> = told.errors.keys().copied().collect();
            (errors, told.warnings.keys().copied().collect::<Vec<Trouble>>())
        };
        whole(self) != whole(before)
            || trouble(self) != trouble(before)
            || sends(self) != sends(before)
            || self.videos.is_empty() != before.videos.is_empty()
            || self.snapshots_begin_again(before)
    }

    /// Whether there is a snapshot after a while without any.
    fn snapshots_begin_again(&self, before: &Self) -> bool {
        let time = |told: &Self| told.snapshot().map(|(time, _)| time);
        match (time(self), time(before)) {
            (Some(now), Some(before)) => now.duration_since(before) > PAUSE,
            (now, None) => now.is_some(),
            (None, Some(_)) => false,
        }
    }

    /// When anything was last told, by the vendor's clock.
    pub fn heard(&self) -> Option<Timestamp> {
        self.heard
    }

    /// When the recorder came into the channel.
    pub fn joined(&self) -> Option<Timestamp> {
        self.joined
    }

    /// Whether the vendor moved the session, started with recorder uid `first`, to another server. The notification that
    /// says so may be lost; one under another uid says it, too.
    pub fn failed_over(&self, first: i64) -> bool {
        self.failover.is_some() || self.uids.keys().any(|uid| *uid != first)
    }

    /// Whether anything was told under this recorder uid.
    pub fn speaks_of(&self, uid: i64) -> bool {
        self.uids.contains_key(&uid)
    }

    /// When the vendor last said that it moved the session to another server.
    pub fn moved(&self) -> Option<Timestamp> {
        self.failover.map(|(time, _)| time)
    }

    /// The recorder uid that the session has now, started with `first`: the one that a failover named last, or, if that was
    /// lost, another one under which something was told later.
    pub fn uid(&self, first: i64) -> i64 {
        let others = self.uids.iter().filter(|(uid, _)| **uid != first).map(|(uid, time)| (*time, *uid));
        others.chain(self.failover).max().map_or(first, |(_, uid)| uid)
    }

    /// How the newest process of the session ended, if that was told, and when. The former one of a failover ends, too, and
    /// says nothing about the session.
    pub fn exit(&self, first: i64) -> Option<(Timestamp, Exit)> {
        self.exits.get(&self.uid(first)).copied()
    }

    /// When the newest process left the channel, if that was told.
    pub fn left(&self, first: i64) -> Option<Timestamp> {
        self.leaves.get(&self.uid(first)).map(|(time, _)| *time)
    }

    /// Whether the newest process left because nobody was in the channel.
    pub fn left_for_nobody(&self, first: i64) -> bool {
        self.leaves.get(&self.uid(first)).is_some_and(|(_, code)| code & NO_USERS != 0)
    }

    /// Whether this error was told of.
    pub fn has_error(&self, error: Trouble) -> bool {
        self.errors.contains_key(&error)
    }

    /// Errors with the time of the newest of each kind.
    pub fn errors(&self) -> impl Iterator<Item = (Trouble, Timestamp)> {
        self.errors.iter().map(|(trouble, time)| (*trouble, *time))
    }

    /// Warnings with the time of the newest of each kind.
    pub fn warnings(&self) -> impl Iterator<Item = (Trouble, Timestamp)> {
        self.warnings.iter().map(|(trouble, time)| (*trouble, *time))
    }

    /// Since when the newest process receives nobody's video, if that is known: what it was told before it was heard of, or
    /// beside a snapshot that came later, nobody knows.
    pub fn silent_since(&self, first: i64) -> Option<Timestamp> {
        self.joined?;
        let last = self.videos_of(first).map(|(time, _)| time).max()?;
        let silent = self.videos_of(first).all(|(_, received)| !received);
        let taken = self.snapshot().map(|(time, _)| time);
        (silent && taken.is_none_or(|taken| taken.duration_since(last) <= UPLOADING)).then_some(last)
    }

    /// When the newest process last began to receive a user's video that it still receives.
    pub fn sending_since(&self, first: i64) -> Option<Timestamp> {
        self.videos_of(first).filter(|(_, received)| *received).map(|(time, _)| time).max()
    }

    /// The users whose video the newest process receives, by uid.
    pub fn senders(&self, first: i64) -> impl Iterator<Item = Sender> {
        let uid = self.uid(first);
        let receives = move |((recorder, _), (_, received)): &(&(i64, i64), &(Timestamp, bool))| {
            *recorder == uid && *received
        };
        self.videos.iter().filter(receives).map(|((_, user), (since, _))| {
            let taken = self.taken.get(user).copied().filter(|taken| taken >= since);
            Sender { user: *user, since: *since, taken }
        })
    }

    fn videos_of(&self, first: i64) -> impl Iterator<Item = (Timestamp, bool)> {
        let uid = self.uid(first);
        self.videos.iter().filter(move |((recorder, _), _)| *recorder == uid).map(|(_, word)| *word)
    }

    /// The newest snapshot: when it was told of, and its object key.
    pub fn snapshot(&self) -> Option<(Timestamp, &str)> {
        self.snapshot.as_ref().map(|(time, file)| (*time, file.as_str()))
    }

    /// When everything was last called uploaded into the user's bucket, and when into the vendor's backup.
    pub fn uploads(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.uploaded, self.backed_up)
    }
}

/// Keeps the greater one.
fn later<T: Ord>(kept: &mut Option<T>, new: T) {
    if kept.as_ref().is_none_or(|kept| *kept < new) {
        *kept = Some(new);
    }
}

/// Keeps the greater value of each key, and of the keys those with the greatest values. What is dropped once would be
/// dropped in any order, for values only grow.
fn newest<K: Copy + Ord, V: Copy + Ord>(kept: &mut BTreeMap<K, V>, key: K, value: V, most: usize) {
    let entry = kept.entry(key).or_insert(value);
    *entry = (*entry).max(value);
    while kept.len() > most {
        let Some(least) = kept.iter().min_by_key(|(key, value)| (**value, **key)).map(|(key, _)| *key) else {
            return;
        };
        kept.remove(&least);
    }
}

#[cfg(test)]
mod tests;
