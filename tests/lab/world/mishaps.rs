//! How the watch between API server and operator misbehaves, from a point of the plan on: it lags, loses, doubles and
//! reorders events, breaks, and is told that what it wants is forgotten.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::Inner;

/// What goes wrong with the watch.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Mishap {
    /// The operator's cache is one version behind, for up to a minute.
    OneBehind,
    /// The same by two versions, for up to two minutes.
    TwoBehind,
    /// The same by three.
    ThreeBehind,
    /// Nothing arrives for longer than a resourceId lives.
    Held,
    /// The next event never arrives. What it would have told comes with a new list ten minutes later.
    Lost,
    /// Every event arrives twice.
    Doubled,
    /// The next event arrives after the one that follows it.
    Swapped,
    /// The connection ends; the watch goes on where it was.
    Broken,
    /// 410: everything has to be listed again, in the midst of what is under way.
    Expired,
}

/// A version of delay for a cache that lags.
const BEHIND: Duration = Duration::from_secs(60);

/// How long nothing arrives; a resourceId lives five minutes.
const HELD: Duration = Duration::from_secs(400);

/// When a lost event is made good by a new list.
const RELIST: Duration = Duration::from_secs(600);

/// How long an event waits for another one to overtake it.
const OVERTAKEN: Duration = Duration::from_secs(30);

/// What has gone wrong.
pub(super) struct Misdelivery {
    mishap: Mishap,
    since: Timestamp,
    /// Newer events than this one are met.
    version: u64,
    /// When they were there to be delivered.
    arrived: std::collections::BTreeMap<u64, Timestamp>,
}

/// What a watch delivers now.
pub(super) struct Delivery {
    pub(super) lines: Vec<Bytes>,
    /// It goes on after this one.
    pub(super) version: u64,
    /// Nothing comes after it.
    pub(super) ends: bool,
    /// Something is withheld until then.
    pub(super) again: Option<Timestamp>,
}

/// After the last news the operator may have to find out that there is nothing to be done: a session that an old status
/// named is dead after some answers, two minutes at least.
const SETTLED: Duration = Duration::from_secs(300);

impl Mishap {
    /// So long may the news of an event take, or the way back to what is.
    fn delay(self) -> Duration {
        match self {
            Self::OneBehind => BEHIND,
            Self::TwoBehind => BEHIND * 2,
            Self::ThreeBehind => BEHIND * 3,
            Self::Held => HELD,
            Self::Lost => RELIST,
            Self::Swapped => OVERTAKEN,
            Self::Doubled | Self::Broken | Self::Expired => Duration::ZERO,
        }
    }
}

impl Inner {
    /// Whether the operator may still learn, or have just learnt, of something that is over.
    pub(crate) fn news_on_its_way(&self) -> bool {
        self.misdelivery.as_ref().is_some_and(|mis| {
            let last = mis.arrived.values().max().copied().unwrap_or(mis.since).max(mis.since);
            self.now() < last + mis.mishap.delay() + SETTLED
        })
    }

    /// From now on the watch misbehaves so.
    pub(super) fn misdeliver(&mut self, mishap: Mishap, version: u64) {
        let since = self.now();
        self.script.disturbed(since);
        self.misdelivery = Some(Misdelivery { mishap, since, version, arrived: Default::default() });
    }

    /// What a watch that began then delivers of these events, all after `version`.
    pub(super) fn deliver(&mut self, began: Timestamp, version: u64, events: Vec<(u64, Bytes)>) -> Delivery {
        let now = self.now();
        let expired = self.api.expired(version);
        let Some(mis) = &mut self.misdelivery else { return Delivery::of(events, version) };
        for (version, _) in events.iter().filter(|(version, _)| *version > mis.version) {
            mis.arrived.entry(*version).or_insert(now);
        }
        let arrived = |version: u64| mis.arrived.get(&version).copied().unwrap_or(now);
        let first = mis.arrived.keys().next().copied();
        let count = events.len();
        match mis.mishap {
            Mishap::OneBehind | Mishap::TwoBehind | Mishap::ThreeBehind => {
                let delay = mis.mishap.delay();
                let behind = (delay.as_secs() / BEHIND.as_secs()) as usize;
                let due = |version: u64| arrived(version) + delay;
                let is_due = |index: usize, version: u64| {
                    version <= mis.version || count - index > behind || due(version) <= now
                };
                let due_now =
                    events.iter().enumerate().take_while(|(index, (version, _))| is_due(*index, *version));
                let due_now = due_now.count();
                let again = events.get(due_now).map(|(version, _)| due(*version));
                Delivery { again, ..Delivery::of(events.into_iter().take(due_now).collect(), version) }
            }
            Mishap::Held => {
                let until = mis.since + HELD;
                let held = |version: u64| version > mis.version && now < until;
                let again = events.iter().any(|(version, _)| held(*version)).then_some(until);
                let free = events.into_iter().filter(|(version, _)| !held(*version)).collect();
                Delivery { again, ..Delivery::of(free, version) }
            }
            Mishap::Lost => {
                let relist = mis.since + RELIST;
                if now >= relist && began < relist {
                    return Delivery::end(vec![expired], version);
                }
                let after = events.last().map_or(version, |(version, _)| *version);
                let kept = events.into_iter().filter(|(version, _)| Some(*version) != first).collect();
                let again = (began < relist).then_some(relist);
                Delivery { version: after, again, ..Delivery::of(kept, version) }
            }
            Mishap::Doubled => {
                let twice = |(version, line): (u64, Bytes)| [(version, line.clone()), (version, line)];
                Delivery::of(events.into_iter().flat_map(twice).collect(), version)
            }
            Mishap::Swapped => {
                let Some(at) = events.iter().position(|(version, _)| Some(*version) == first) else {
                    return Delivery::of(events, version);
                };
                let mut events = events;
                let alone = events.len() == at + 1;
                let until = arrived(events[at].0) + OVERTAKEN;
                if alone && now < until {
                    events.truncate(at);
                    return Delivery { again: Some(until), ..Delivery::of(events, version) };
                }
                let after = events.last().map_or(version, |(version, _)| *version);
                if !alone {
                    events.swap(at, at + 1);
                }
                Delivery { version: after, ..Delivery::of(events, version) }
            }
            Mishap::Broken if began <= mis.since => Delivery::end(vec![], version),
            Mishap::Expired if began <= mis.since => Delivery::end(vec![expired], version),
            Mishap::Broken | Mishap::Expired => Delivery::of(events, version),
        }
    }
}

impl Delivery {
    fn of(events: Vec<(u64, Bytes)>, version: u64) -> Self {
        let version = events.last().map_or(version, |(version, _)| *version);
        Self { lines: events.into_iter().map(|(_, line)| line).collect(), version, ends: false, again: None }
    }

    fn end(lines: Vec<Bytes>, version: u64) -> Self {
        Self { lines, version, ends: true, again: None }
    }
}
