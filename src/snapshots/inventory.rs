//! Which snapshots there are: every one of the sessions that were looked for, by user and time.
//!
//! Pure: a ledger that keeps what it is shown. A user's snapshots of one session are a sequence of keys that differ in
//! their time alone, so a time is all that is kept of each. What is known is jumped over by the next look, but for the
//! last minutes, because uploads may arrive late and out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::{SignedDuration, Timestamp};

use super::file_name::{FileName, time_in_name};
use super::ledger::{Cuts, Ledger, Next};
use super::tally::{AFTER, LATE, split, time_of};

/// Which snapshots are wanted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// Of this user alone.
    pub user: Option<u32>,
    /// Taken then or later.
    pub since: Option<Timestamp>,
}

/// A snapshot in the bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// Key of the object.
    pub key: String,
    /// RTC uid of the user.
    pub user: u32,
    /// Capture time.
    pub taken: Timestamp,
}

/// The snapshots that were seen.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    wanted: Wanted,
    /// By the part of the key before the time.
    sequences: BTreeMap<String, Sequence>,
    cuts: Cuts,
}

#[derive(Clone, Debug)]
struct Sequence {
    user: u32,
    times: BTreeSet<Timestamp>,
}

impl Inventory {
    /// Nothing seen yet.
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// All snapshots, by time and user.
    pub fn snapshots(&self) -> Vec<Stored> {
        let all = self.sequences.iter().flat_map(|(stem, sequence)| {
            sequence.times.iter().map(|taken| stored(stem, sequence.user, *taken))
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|snapshot| (snapshot.taken, snapshot.user));
        all
    }

    /// The newest snapshot of each user with how many there are of him, by uid.
    pub fn users(&self) -> Vec<(Stored, usize)> {
        let mut users: BTreeMap<u32, (Stored, usize)> = BTreeMap::new();
        for (stem, sequence) in &self.sequences {
            let Some(taken) = sequence.times.last() else { continue };
            let newest = stored(stem, sequence.user, *taken);
            let user = users.entry(sequence.user).or_insert_with(|| (newest.clone(), 0));
            user.1 += sequence.times.len();
            if newest.taken > user.0.taken {
                user.0 = newest;
            }
        }
        users.into_values().collect()
    }

    /// The newest snapshot of all.
    pub fn newest(&self) -> Option<Stored> {
        self.users().into_iter().map(|(newest, _count)| newest).max_by_key(|snapshot| snapshot.taken)
    }

    /// Capture times of a user's snapshots before `before`, newest first, at most `most`.
    pub fn times(&self, user: u32, before: Timestamp, most: usize) -> Vec<Timestamp> {
        let of_user = self.sequences.values().filter(|sequence| sequence.user == user);
        let newest = of_user.flat_map(|sequence| sequence.times.range(..before).rev().take(most));
        let mut times: Vec<_> = newest.copied().collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.dedup();
        times.truncate(most);
        times
    }

    /// Capture times of a user's snapshots after `after`, oldest first, at most `most`.
    pub fn times_after(&self, user: u32, after: Timestamp, most: usize) -> Vec<Timestamp> {
        let later = (Bound::Excluded(after), Bound::Unbounded);
        let of_user = self.sequences.values().filter(|sequence| sequence.user == user);
        let mut times: Vec<_> =
            of_user.flat_map(|sequence| sequence.times.range(later).take(most)).copied().collect();
        times.sort_unstable();
        times.dedup();
        times.truncate(most);
        times
    }

    /// Capture time of a user's oldest snapshot.
    pub fn oldest(&self, user: u32) -> Option<Timestamp> {
        let of_user = self.sequences.values().filter(|sequence| sequence.user == user);
        of_user.filter_map(|sequence| sequence.times.first()).min().copied()
    }

    /// The snapshot of a user at a time, if there is one.
    pub fn find(&self, user: u32, taken: Timestamp) -> Option<Stored> {
        let mut sequences = self.sequences.iter();
        let (stem, _) =
            sequences.find(|(_, sequence)| sequence.user == user && sequence.times.contains(&taken))?;
        Some(stored(stem, user, taken))
    }

    /// Nothing of a sequence up to this time is of interest.
    fn passed(&self, stem: &str) -> Option<Timestamp> {
        let since = self.wanted.since.map(|since| before(since, SignedDuration::from_millis(1)));
        let newest = self.sequences.get(stem).and_then(|sequence| sequence.times.last());
        since.max(newest.map(|newest| before(*newest, LATE)))
    }
}

impl Ledger for Inventory {
    fn count(&self) -> i64 {
        let count: usize = self.sequences.values().map(|sequence| sequence.times.len()).sum();
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    fn cuts(&mut self) -> &mut Cuts {
        &mut self.cuts
    }

    fn see(&mut self, key: &str) -> Next {
        let Some((stem, _extension)) = split(key) else { return Next::Key };
        let end = || Next::After(format!("{stem}{AFTER}"));
        let name = FileName::parse(key);
        match &name {
            // Segments of a recording stand between the snapshots of a user, or in sequences of their own.
            None if !stem.ends_with("__uid_e_video_") => return end(),
            Some(name) if self.wanted.user.is_some_and(|user| user != name.user) => {
                // An empty sequence says that the session has somebody.
                self.sequence(stem, name.user);
                return end();
            }
            None | Some(_) => {}
        }
        if let (Some(passed), Some(taken)) = (self.passed(stem), time_of(key))
            && taken <= passed
        {
            if let Some(name) = name {
                self.sequence(stem, name.user);
            }
            return Next::After(format!("{stem}{}{AFTER}", time_in_name(passed)));
        }
        if let Some(name) = name {
            self.sequence(stem, name.user).times.insert(name.taken);
        }
        Next::Key
    }
}

impl Inventory {
    fn sequence(&mut self, stem: &str, user: u32) -> &mut Sequence {
        let empty = || Sequence { user, times: BTreeSet::new() };
        self.sequences.entry(stem.to_owned()).or_insert_with(empty)
    }
}

fn stored(stem: &str, user: u32, taken: Timestamp) -> Stored {
    Stored { key: format!("{stem}{}.jpg", time_in_name(taken)), user, taken }
}

fn before(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fixtures::{FOLDER, Service};
    use super::super::listing::Limits;
    use super::*;

    const SID: &str = "1cd3d60b784382f12ce30fa615421852";

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time")
    }

    fn put(service: &Service, activation: &str, user: u32, second: i64) {
        let time = time_in_name(time(second));
        service.put(&format!("{FOLDER}/{activation}{SID}_lobby__uid_s_{user}__uid_e_video_{time}.jpg"));
    }

    async fn look(service: &Arc<Service>, inventory: &mut Inventory) -> u64 {
        let look = service.bucket().look(inventory, &[SID], Limits::default()).await;
        assert!(look.complete && look.problem.is_none(), "{look:?}");
        look.arrived
    }

    #[tokio::test]
    async fn what_is_there_is_found_by_user_and_time_across_activations() {
        let service = Arc::new(Service::default());
        for (activation, user, second) in
            [("", 7, 0), ("", 7, 10), ("bak0_", 7, 20), ("", 8, 5), ("bak1_", 8, 30)]
        {
            put(&service, activation, user, second);
        }
        let time_of_segment = time_in_name(time(3));
        service.put(&format!("{FOLDER}/{SID}_lobby__uid_s_7__uid_e_video_{time_of_segment}.ts"));
        service.put(&format!("{FOLDER}/{SID}_lobby.m3u8"));
        let mut inventory = Inventory::default();
        assert_eq!(look(&service, &mut inventory).await, 5);
        let users: Vec<_> =
            inventory.users().iter().map(|(newest, count)| (newest.user, newest.taken, *count)).collect();
        assert_eq!(users, [(7, time(20), 3), (8, time(30), 2)]);
        assert_eq!(inventory.newest().map(|newest| newest.taken), Some(time(30)));
        assert_eq!(inventory.times(7, time(20), 9), [time(10), time(0)]);
        assert_eq!(inventory.times(7, Timestamp::MAX, 1), [time(20)]);
        assert_eq!(inventory.times_after(7, time(0), 9), [time(10), time(20)]);
        assert_eq!(inventory.times_after(7, Timestamp::MIN, 2), [time(0), time(10)]);
        assert_eq!(inventory.times_after(7, time(20), 9), []);
        assert_eq!((inventory.oldest(8), inventory.oldest(9)), (Some(time(5)), None));
        let found = inventory.find(8, time(30)).expect("it is there");
        assert!(service.objects.lock().unwrap().contains_key(&found.key), "{found:?}");
        assert_eq!(inventory.find(8, time(20)), None);
        let seconds: Vec<_> =
            inventory.snapshots().iter().map(|it| it.taken.as_second() - 1_800_000_000).collect();
        assert_eq!(seconds, [0, 5, 10, 20, 30]);
    }

    #[tokio::test]
    async fn only_what_is_wanted_is_kept_and_what_is_known_is_not_listed_again() {
        let service = Arc::new(Service::default());
        for second in 0..3_000 {
            put(&service, "", 7, second);
            put(&service, "", 8, second);
        }
        let mut wanted = Inventory::new(Wanted { user: Some(8), since: Some(time(2_990)) });
        assert_eq!(look(&service, &mut wanted).await, 10);
        assert_eq!(wanted.newest().map(|newest| newest.user), Some(8));

        let mut all = Inventory::default();
        assert_eq!(look(&service, &mut all).await, 6_000);
        let before = service.requests();
        put(&service, "", 7, 3_000);
        put(&service, "", 7, 2_500);
        put(&service, "", 9, 10);
        assert_eq!(look(&service, &mut all).await, 2, "and one that was there already under its time");
        assert!(service.requests() - before < 9, "{} requests", service.requests() - before);
    }
}
