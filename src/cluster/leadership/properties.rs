//! Several candidates, one Lease, and every order of requests, answers, losses and pauses: never two leaders, and a
//! leader as soon as one of them is left in peace.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{collection, prop_assert, prop_assert_eq};

use super::*;

const CANDIDATES: usize = 3;
const LEASE: Duration = Duration::from_secs(15);
const DEADLINE: Duration = Duration::from_secs(10);

/// The API server's part: one Lease with a version.
#[derive(Default)]
struct Server {
    version: u64,
    stored: Option<Record>,
    renewals: u64,
}

/// A request of a candidate, on its way there or back.
#[derive(Clone, Debug)]
enum Request {
    Read,
    Write { on: u64, sent: Moment },
    Found { version: u64, found: Option<Record> },
    Written { version: u64, record: Record, sent: Moment },
    Conflict,
}

struct Player {
    candidate: Candidate,
    /// Each counts from a moment of its own.
    offset: Duration,
    version: u64,
    under_way: Option<Request>,
}

#[derive(Clone, Debug)]
enum Act {
    /// Time passes.
    Pass(Duration),
    /// A candidate sends, or its request arrives, or the answer does.
    Move(usize),
    /// The request or the answer is lost.
    Lose(usize),
    /// Somebody deletes the Lease by hand.
    Delete,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let player = 0..CANDIDATES;
    let act = prop_oneof![
        3 => (0u64..6_000).prop_map(|millis| Act::Pass(Duration::from_millis(millis))),
        12 => player.clone().prop_map(Act::Move),
        1 => player.prop_map(Act::Lose),
    ];
    collection::vec(act, 1..300)
}

struct Game {
    now: Duration,
    server: Server,
    players: Vec<Player>,
}

impl Game {
    fn new(offsets: [u32; CANDIDATES]) -> Self {
        let player = |(n, offset): (usize, u32)| Player {
            candidate: Candidate::new(format!("candidate{n}"), LEASE, DEADLINE),
            offset: Duration::from_secs(offset.into()),
            version: 0,
            under_way: None,
        };
        let players = offsets.into_iter().enumerate().map(player).collect();
        Self { now: Duration::ZERO, server: Server::default(), players }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Pass(time) => self.now += *time,
            Act::Move(n) => self.advance(*n),
            Act::Lose(n) => {
                let player = &mut self.players[*n];
                if player.under_way.take().is_some() {
                    player.candidate.doubted();
                }
            }
            Act::Delete => {
                self.server.stored = None;
                self.server.version += 1;
            }
        }
    }

    fn advance(&mut self, n: usize) {
        let player = &mut self.players[n];
        let now = self.now + player.offset;
        player.under_way = match player.under_way.take() {
            None => match player.candidate.decide(now) {
                Decision::Lose(_) => None,
                Decision::Look | Decision::Wait(_) => Some(Request::Read),
                Decision::Create | Decision::TakeOver | Decision::Renew => {
                    Some(Request::Write { on: player.version, sent: now })
                }
            },
            Some(Request::Read) => {
                Some(Request::Found { version: self.server.version, found: self.server.stored.clone() })
            }
            Some(Request::Write { on, .. }) if on != self.server.version => Some(Request::Conflict),
            Some(Request::Write { sent, .. }) => {
                self.server.version += 1;
                self.server.renewals += 1;
                let record = Record {
                    holder: Some(format!("candidate{n}")),
                    duration: Some(LEASE),
                    renewed: Some(self.server.renewals.to_string()),
                    transitions: player.candidate.transitions(),
                };
                self.server.stored = Some(record.clone());
                Some(Request::Written { version: self.server.version, record, sent })
            }
            Some(Request::Found { version, found }) => {
                player.version = version;
                player.candidate.looked(found, now);
                None
            }
            Some(Request::Written { version, record, sent }) => {
                player.version = version;
                player.candidate.written(record, sent);
                None
            }
            Some(Request::Conflict) => {
                player.candidate.doubted();
                // One that stands by reads before each decision.
                (!player.candidate.leads()).then_some(Request::Read)
            }
        };
    }

    fn leaders(&self) -> Vec<usize> {
        let leads = |player: &Player| {
            player.candidate.leads_until().is_some_and(|until| self.now + player.offset < until)
        };
        (0..self.players.len()).filter(|n| leads(&self.players[*n])).collect()
    }
}

proptest! {
    #[test]
    fn never_two_leaders(offsets in any::<[u32; CANDIDATES]>(), acts in acts()) {
        let mut game = Game::new(offsets);
        for (n, act) in acts.iter().enumerate() {
            game.act(act);
            let leaders = game.leaders();
            prop_assert!(leaders.len() <= 1, "{leaders:?} lead after {:?}", &acts[..=n]);
        }
    }

    /// Deleting the Lease by hand may make two for a while, as it does with client-go; it must not lock all out.
    #[test]
    fn somebody_leads_again(
        offsets in any::<[u32; CANDIDATES]>(),
        acts in acts(),
        deleted in prop_oneof![Just(false), Just(true)],
    ) {
        let mut game = Game::new(offsets);
        acts.iter().for_each(|act| game.act(act));
        if deleted {
            game.act(&Act::Delete);
        }
        // All others die, and a new one is left in peace.
        let fresh = Candidate::new("fresh".into(), LEASE, DEADLINE);
        game.players[0] = Player { candidate: fresh, offset: Duration::ZERO, version: 0, under_way: None };
        game.players.truncate(1);
        let begun = game.now;
        while game.leaders() != [0] && game.now - begun <= LEASE + Duration::from_secs(2) {
            // Sent, arrived, answered: a read and a write.
            for _ in 0..6 {
                game.advance(0);
            }
            game.now += Duration::from_secs(1);
        }
        prop_assert_eq!(game.leaders(), [0]);
    }
}
