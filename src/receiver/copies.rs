//! Which notifications were heard before. The vendor repeats one whose answer was lost, under the same noticeId; two of its
//! servers tell of the same under different ones. What is told is the same after a copy, so forgetting old ones does no harm.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use crate::agora::notification::Notification;

/// Marks that are kept, two of each notification: at 2,000 a second those of the last quarter of a minute, in which the vendor
/// repeats most.
const MOST_MARKS: usize = 65_536;

/// The notifications that were heard last.
#[derive(Debug, Default)]
pub(super) struct Copies {
    hasher: RandomState,
    marks: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Copies {
    /// Whether it was heard before. It has been from now on.
    pub(super) fn is_copy(&mut self, notification: &Notification) -> bool {
        let Notification { id, event_type, sequence, tiding } = notification;
        let by_id = id.as_ref().map(|id| self.hasher.hash_one(("id", id)));
        let by_number = sequence
            .map(|sequence| self.hasher.hash_one(("number", &tiding.sid, tiding.uid, event_type, sequence)));
        let marks: Vec<u64> = by_id.into_iter().chain(by_number).collect();
        let known = marks.iter().any(|mark| self.marks.contains(mark));
        marks.into_iter().for_each(|mark| self.keep(mark));
        known
    }

    fn keep(&mut self, mark: u64) {
        if !self.marks.insert(mark) {
            return;
        }
        self.order.push_back(mark);
        if self.order.len() > MOST_MARKS
            && let Some(oldest) = self.order.pop_front()
        {
            self.marks.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::lifecycle::told::{Event, Tiding};

    fn notification(id: Option<&str>, sequence: Option<i64>) -> Notification {
        let time = Timestamp::from_second(1_780_000_000).expect("a time");
        let tiding =
            Tiding { sid: "s".into(), channel: "lobby".into(), uid: 1001, time, event: Event::Joined };
        Notification { id: id.map(str::to_owned), event_type: 40, sequence, tiding }
    }

    #[test]
    fn a_copy_has_the_id_or_the_number_of_one_before() {
        let mut copies = Copies::default();
        for (id, sequence, expected, why) in [
            (Some("a"), Some(0), false, "the first"),
            (Some("a"), Some(0), true, "sent again"),
            (Some("b"), Some(0), true, "sent by another server"),
            (Some("b"), None, true, "its id was heard of"),
            (Some("c"), Some(1), false, "the next"),
            (None, None, false, "nothing to tell it by"),
            (None, None, false, "nothing to tell it by"),
        ] {
            assert_eq!(copies.is_copy(&notification(id, sequence)), expected, "{why}");
        }
        let mut other = notification(Some("d"), Some(1));
        other.tiding.uid = 1002;
        assert!(!copies.is_copy(&other), "the same number of another recorder");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut copies = Copies::default();
        for number in 0..=i64::try_from(MOST_MARKS).expect("a number") {
            assert!(!copies.is_copy(&notification(None, Some(number))));
        }
        assert_eq!(copies.marks.len(), MOST_MARKS);
        assert!(!copies.is_copy(&notification(None, Some(0))), "it was the oldest");
    }
}
