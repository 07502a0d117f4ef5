//! The situations that a search has to meet, lest it prove nothing of them: each a bit, collected over all states.

use agora_snapshot_operator::api::status::SessionState;

use crate::visit::{Call, Next, resource_of};
use crate::world::World;

/// Something that a search should meet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Situation {
    /// Two sessions run at once, for one takes the place of the other.
    Handover,
    /// A session may run whose sid is not known.
    SidLost,
    /// A sid that was found in the bucket is about to be asked about.
    SidFound,
    /// A session is past its control window.
    ControlOver,
    /// A session is being stopped, and that is stored.
    Stopping,
    /// The object is gone.
    Gone,
    /// A request was taken, and is not yet carried out.
    RequestLate,
    /// Two operators are in mid-visit at once.
    TwoVisits,
    /// A claim stands that this operator did not write.
    ForeignClaim,
    /// A session was reported as one that may run on.
    Reported,
    /// A session runs of which a process was told to have ended.
    ToldOfAnEnd,
}

/// All of them.
pub const ALL: [Situation; 11] = [
    Situation::Handover,
    Situation::SidLost,
    Situation::SidFound,
    Situation::ControlOver,
    Situation::Stopping,
    Situation::Gone,
    Situation::RequestLate,
    Situation::TwoVisits,
    Situation::ForeignClaim,
    Situation::Reported,
    Situation::ToldOfAnEnd,
];

impl Situation {
    /// Its bit.
    pub fn bit(self) -> u32 {
        1 << self as u32
    }

    fn is_met(self, world: &World) -> bool {
        let in_state = |state| {
            let object = world.api.object.as_ref();
            object.is_some_and(|object| object.status.sessions.iter().any(|session| session.state == state))
        };
        let mut processes = world.processes.iter().flatten();
        match self {
            Self::Handover => world.vendor.living().len() == 2,
            Self::SidLost => in_state(SessionState::Recovering),
            Self::SidFound => processes.any(|process| {
                let next = process.visit.as_ref().map(|visit| &visit.next);
                matches!(next, Some(Next::Call(Call::Verify(_, _))))
            }),
            Self::ControlOver => in_state(SessionState::Uncontrollable),
            Self::Stopping => in_state(SessionState::Stopping),
            Self::Gone => world.api.object.is_none(),
            Self::RequestLate => !world.vendor.late.is_empty(),
            Self::TwoVisits => processes.filter(|process| process.visit.is_some()).count() == 2,
            Self::ForeignClaim => processes.any(|process| {
                let mut known = process.memory.sessions.values();
                known.any(|known| !known.ours && known.session.state == SessionState::Claimed)
            }),
            Self::Reported => !world.reported.is_empty(),
            Self::ToldOfAnEnd => processes.any(|process| {
                let mut told = process.told.keys().filter_map(|sid| resource_of(sid));
                told.any(|resource| world.vendor.resources[resource].living().is_some())
            }),
        }
    }
}

/// The bits of all that are met.
pub fn met(world: &World) -> u32 {
    ALL.into_iter().filter(|situation| situation.is_met(world)).map(Situation::bit).sum()
}
