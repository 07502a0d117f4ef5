//! The count of a job's snapshots: what it has counted, and from which key on it wants to see more.
//!
//! Pure: it is shown keys in the order of a listing and answers where to go on, and told of others in any order. Keys of
//! one session sort by user first and time second, so there is no single last key to go on after; each user has an own
//! place, and one that is known is jumped over. A place stays a while behind the newest snapshot, because uploads may
//! arrive late and out of order.
//!
//! It begins from the status, whose times per user say what was counted before; so a restart neither loses count nor
//! lists a whole session again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::file_name::{FileName, time_from_name, time_in_name};
pub use super::ledger::Next;
use super::ledger::{Cuts, Ledger};
use crate::api::status::{SnapshotsSummary, UserSnapshots};

/// A snapshot that is uploaded later than this after a newer one of the same user is not counted. The vendor uploads
/// within seconds, and repeats a failed upload for some minutes.
pub(super) const LATE: SignedDuration = SignedDuration::from_mins(10);

/// `LATE` at the shortest interval of one second, and as much again for bursts.
const MOST_RECENT: usize = 1_200;

/// The status shows so many users, those with the newest snapshots.
pub const MOST_USERS: usize = 20;

/// Sequences that are remembered for one job. Beyond them those with the oldest snapshots are folded.
const MOST_SEQUENCES: usize = 2_000;

/// Ends of keys of one sequence: digits of the time, a dot, an extension.
const TIME: usize = 17;

/// Sorts after every key that begins with the same text and goes on with a digit or a dot.
pub(super) const AFTER: char = '~';

/// What is counted of one job. Kept in memory by the caller, one for each job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    before: Before,
    sequences: BTreeMap<String, Sequence>,
    cuts: Cuts,
}

/// What had been counted when this tally began, and what was folded into it since.
#[derive(Clone, Debug, Default, PartialEq)]
struct Before {
    count: i64,
    last_file: Option<(Timestamp, String)>,
    users: BTreeMap<i64, (i64, Option<Timestamp>)>,
    /// Users that the status had no room for had no snapshot after this.
    unlisted_until: Option<Timestamp>,
}

/// The snapshots of one user in one session, as one activation of the vendor wrote them.
#[derive(Clone, Debug, PartialEq)]
struct Sequence {
    user: i64,
    /// Everything up to here is counted, and not looked at again.
    settled_until: Timestamp,
    settled: i64,
    recent: BTreeSet<Timestamp>,
    newest: Option<Timestamp>,
}

impl Tally {
    /// Goes on from what the status of the job says.
    pub fn resume(status: Option<&SnapshotsSummary>) -> Self {
        let Some(status) = status else { return Self::default() };
        let users: BTreeMap<_, _> = status
            .users
            .iter()
            .map(|user| (user.uid, (user.count, user.last_time.as_ref().map(end_of_second))))
            .collect();
        let last_file = status.last_time.as_ref().map(end_of_second).zip(status.last_file.clone());
        let full = users.len() >= MOST_USERS;
        let unlisted_until = full.then(|| users.values().filter_map(|(_, last)| *last).min()).flatten();
        let before = Before { count: status.count, last_file, users, unlisted_until };
        Self { before, ..Self::default() }
    }

    /// The count so far, as the status shows it.
    pub fn summary(&self) -> SnapshotsSummary {
        let mut totals = self.before.clone();
        totals.add(&self.sequences);
        let mut users: Vec<_> = totals
            .users
            .into_iter()
            .map(|(uid, (count, last))| UserSnapshots { uid, count, last_time: last.map(whole_second) })
            .collect();
        users.sort_by(|a, b| b.last_time.cmp(&a.last_time).then(a.uid.cmp(&b.uid)));
        users.truncate(MOST_USERS);
        let (last_time, last_file) = totals.last_file.unzip();
        SnapshotsSummary { count: totals.count, last_time: last_time.map(whole_second), last_file, users }
    }

    /// How many snapshots are counted.
    pub fn count(&self) -> i64 {
        self.before.count + self.sequences.values().map(Sequence::count).sum::<i64>()
    }

    /// Forgets where it was in the sessions that are over, to free memory; their count stays. What is uploaded
    /// of them afterwards is not counted, so it is best called some minutes after their end.
    pub fn keep_only(&mut self, sids: &[&str]) {
        let over = |key: &str| !sids.iter().any(|sid| belongs_to(key, sid));
        let gone: BTreeMap<_, _> = self.sequences.extract_if(.., |stem, _| over(stem)).collect();
        self.before.add(&gone);
        self.cuts.forget(over);
    }

    /// Counts a snapshot that was told of, unless it was counted before. A listing does not pass over what lies between
    /// those that were told of.
    pub fn tell(&mut self, key: &str) {
        if let (Some((stem, _)), Some(name)) = (split(key), FileName::parse(key)) {
            self.sequence(stem, i64::from(name.user)).note(name.taken);
        }
    }

    /// Counts a key of a listing, unless it was counted before.
    pub fn see(&mut self, key: &str) -> Next {
        let Some((stem, extension)) = split(key) else { return Next::Key };
        let Some(name) = FileName::parse(key) else {
            // Segments of a recording stand between the snapshots of a user, or in sequences of their own.
            return match self.sequences.get(stem) {
                Some(sequence) => sequence.next(stem, &key[stem.len()..key.len() - extension.len()]),
                None if stem.ends_with("__uid_e_video_") => Next::Key,
                None => Next::After(format!("{stem}{AFTER}")),
            };
        };
        self.sequence(stem, i64::from(name.user)).see(stem, name.taken)
    }

    /// The sequence of this stem, begun if there is none.
    fn sequence(&mut self, stem: &str, user: i64) -> &mut Sequence {
        if self.sequences.len() >= MOST_SEQUENCES && !self.sequences.contains_key(stem) {
            self.fold_oldest();
        }
        let before = &self.before;
        self.sequences
            .entry(stem.to_owned())
            .or_insert_with(|| Sequence::begin(user, before.counted_until(user)))
    }

    /// Folds the sequence whose newest snapshot is the oldest one: most likely of somebody who left.
    fn fold_oldest(&mut self) {
        let oldest = self.sequences.iter().min_by_key(|(_, sequence)| sequence.newest);
        if let Some(stem) = oldest.map(|(stem, _)| stem.clone())
            && let Some(sequence) = self.sequences.remove(&stem)
        {
            self.before.add([(&stem, &sequence)]);
        }
    }
}

impl Ledger for Tally {
    fn count(&self) -> i64 {
        Self::count(self)
    }

    fn cuts(&mut self) -> &mut Cuts {
        &mut self.cuts
    }

    fn see(&mut self, key: &str) -> Next {
        Self::see(self, key)
    }
}

impl Before {
    fn counted_until(&self, user: i64) -> Timestamp {
        let known = self.users.get(&user).and_then(|(_, last)| *last);
        known.or(self.unlisted_until).unwrap_or(Timestamp::MIN)
    }

    fn add<'a>(&mut self, sequences: impl IntoIterator<Item = (&'a String, &'a Sequence)>) {
        for (stem, sequence) in sequences {
            let count = sequence.count();
            if count == 0 {
                continue;
            }
            self.count += count;
            let user = self.users.entry(sequence.user).or_insert((0, None));
            user.0 += count;
            user.1 = user.1.max(sequence.newest);
            if let Some(newest) = sequence.newest
                && self.last_file.as_ref().is_none_or(|(last, _)| newest > *last)
            {
                self.last_file = Some((newest, format!("{stem}{}.jpg", time_in_name(newest))));
            }
        }
        // Who is dropped here is counted again from the newest time that was dropped, if he ever comes back.
        while self.users.len() > MOST_SEQUENCES {
            let Some((user, last)) =
                self.users.iter().map(|(user, (_, last))| (*user, *last)).min_by_key(|it| it.1)
            else {
                break;
            };
            self.users.remove(&user);
            self.unlisted_until = self.unlisted_until.max(last);
        }
    }
}

impl Sequence {
    fn begin(user: i64, settled_until: Timestamp) -> Self {
        Self { user, settled_until, settled: 0, recent: BTreeSet::new(), newest: None }
    }

    fn count(&self) -> i64 {
        self.settled + i64::try_from(self.recent.len()).unwrap_or(i64::MAX)
    }

    fn see(&mut self, stem: &str, taken: Timestamp) -> Next {
        if taken <= self.settled_until {
            return self.go_on(stem);
        }
        self.note(taken);
        let late = self.newest.and_then(|newest| newest.checked_sub(LATE).ok()).unwrap_or(Timestamp::MIN);
        // No further than the listing has come: of what lies behind only that is known which was told of.
        while self.recent.first().is_some_and(|oldest| *oldest <= late.min(taken)) {
            self.settle_oldest();
        }
        Next::Key
    }

    fn note(&mut self, taken: Timestamp) {
        if taken <= self.settled_until {
            return;
        }
        self.recent.insert(taken);
        self.newest = self.newest.max(Some(taken));
        while self.recent.len() > MOST_RECENT {
            self.settle_oldest();
        }
    }

    fn settle_oldest(&mut self) {
        if let Some(oldest) = self.recent.pop_first() {
            self.settled += 1;
            self.settled_until = oldest;
        }
    }

    /// After a key of the sequence that is no snapshot, with these digits.
    fn next(&self, stem: &str, digits: &str) -> Next {
        let settled = time_from_name(digits).is_some_and(|time| time <= self.settled_until);
        if settled { self.go_on(stem) } else { Next::Key }
    }

    fn go_on(&self, stem: &str) -> Next {
        Next::After(format!("{stem}{}{AFTER}", time_in_name(self.settled_until)))
    }
}

/// A key as its sequence and its extension, with the digits of a time between them.
pub(super) fn split(key: &str) -> Option<(&str, &str)> {
    let dot = key.rfind('.')?;
    let (stem, digits) = key[..dot].split_at_checked(dot.checked_sub(TIME)?)?;
    (stem.ends_with('_') && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some((stem, &key[dot..]))
}

/// The time in the name of a snapshot or of a recording's segment.
pub(super) fn time_of(key: &str) -> Option<Timestamp> {
    let (stem, extension) = split(key)?;
    time_from_name(&key[stem.len()..key.len() - extension.len()])
}

/// Whether a key, or the beginning of one, is of this session.
fn belongs_to(key: &str, sid: &str) -> bool {
    let name = key.rsplit_once('/').map_or(key, |(_folder, name)| name);
    let session =
        name.strip_prefix("bak").and_then(|rest| rest.split_once('_')).map_or(name, |(_number, rest)| rest);
    name.starts_with(sid) || session.starts_with(sid)
}

/// Times in the status have whole seconds; the snapshot they stand for was taken within that second.
fn end_of_second(time: &Time) -> Timestamp {
    let second = whole_second(time.0).0;
    second.checked_add(SignedDuration::from_millis(999)).unwrap_or(second)
}

fn whole_second(time: Timestamp) -> Time {
    let floor = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor);
    Time(time.round(floor).unwrap_or(time))
}

#[cfg(test)]
mod tests;
