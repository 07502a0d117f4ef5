//! What becomes of a request: every write to the API server and every call of the vendor has a number, and a plan may
//! have something in store for some of them.

use std::fmt;

use super::Mishap;
use crate::third_hand::Deed;

/// What may become of a request that has an effect.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Fate {
    /// The process ends before it is sent.
    DieBefore,
    /// The process ends when it has had its effect, before the answer.
    DieAfter,
    /// There is no connection: it is not sent.
    Refused,
    /// The connection breaks before it has an effect.
    RequestLost,
    /// The connection breaks after its effect.
    AnswerLost,
    /// It has its effect at once, and is answered when nobody waits any more.
    AnswerLate,
    /// It has its effect when nobody waits for it any more.
    EffectLate,
    /// It arrives twice; the second answer is the one that comes back.
    Twice,
    /// The process stands still before it is sent.
    PauseBefore,
    /// The process stands still after its effect.
    PauseAfter,
    /// The process is told to end (SIGTERM) while it is sent.
    Terminate,
    /// The same, and a second operator begins.
    Replace,
    /// From then on the watch misbehaves.
    Watch(Mishap),
    /// A third hand does this to the object just before.
    Hand(Deed),
}

/// A number with what becomes of it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Point {
    /// Which operator's effects are counted.
    pub(crate) operator: usize,
    /// Counted from 0, over all processes of that operator.
    pub(crate) number: usize,
    pub(crate) fate: Fate,
}

impl Point {
    pub(crate) fn new(number: usize, fate: Fate) -> Self {
        Self { operator: 0, number, fate }
    }
}

impl Fate {
    const NAMES: [(Self, &'static str); 27] = [
        (Self::DieBefore, "die-before"),
        (Self::DieAfter, "die-after"),
        (Self::Refused, "refused"),
        (Self::RequestLost, "request-lost"),
        (Self::AnswerLost, "answer-lost"),
        (Self::AnswerLate, "answer-late"),
        (Self::EffectLate, "effect-late"),
        (Self::Twice, "twice"),
        (Self::PauseBefore, "pause-before"),
        (Self::PauseAfter, "pause-after"),
        (Self::Terminate, "terminate"),
        (Self::Replace, "replace"),
        (Self::Watch(Mishap::OneBehind), "one-behind"),
        (Self::Watch(Mishap::TwoBehind), "two-behind"),
        (Self::Watch(Mishap::ThreeBehind), "three-behind"),
        (Self::Watch(Mishap::Held), "held"),
        (Self::Watch(Mishap::Lost), "lost"),
        (Self::Watch(Mishap::Doubled), "doubled"),
        (Self::Watch(Mishap::Swapped), "swapped"),
        (Self::Watch(Mishap::Broken), "broken"),
        (Self::Watch(Mishap::Expired), "expired"),
        (Self::Hand(Deed::WipeStatus), "wipe-status"),
        (Self::Hand(Deed::RestoreRecent), "restore-recent"),
        (Self::Hand(Deed::RestoreOldest), "restore-oldest"),
        (Self::Hand(Deed::TakeFinalizer), "take-finalizer"),
        (Self::Hand(Deed::Recreate), "recreate"),
        (Self::Hand(Deed::RecreateLater), "recreate-later"),
    ];
}

/// As `0:17:die-after`, so that it can be given again.
impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Fate::NAMES.iter().find(|(fate, _)| *fate == self.fate).map_or("", |(_, name)| name);
        write!(formatter, "{}:{}:{name}", self.operator, self.number)
    }
}

impl std::str::FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a point is like 0:17:die-after, not {text}");
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or_else(wrong);
        let (operator, number, name) = (part()?, part()?, part()?);
        let fate = Fate::NAMES.iter().find(|(_, known)| *known == name).ok_or_else(wrong)?.0;
        let count = |text: &str| text.parse().map_err(|_| wrong());
        Ok(Self { operator: count(operator)?, number: count(number)?, fate })
    }
}
