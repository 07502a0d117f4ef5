//! Everything that there is in the model: one object, up to two operators, the vendor, the time; and what can happen
//! next. What happens inside a visit is `visit`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agora_snapshot_operator::lifecycle::observed::Memory;
use agora_snapshot_operator::lifecycle::timing::Moment;
use agora_snapshot_operator::lifecycle::told::{Event, Tiding, Told};
use jiff::{SignedDuration, Timestamp};

use crate::fences;
use crate::object::{ApiServer, Edit, Object, Wanted};
use crate::vendor::{Asked, Late, Life, Resource, StartAnswer, Vendor};
use crate::visit::{Fate, Visit, sid};

/// What one search is given to spend, and what the vendor is like in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules {
    /// In a word or two, for the line that is printed.
    pub name: &'static str,
    /// So many times something goes wrong: a crash, a lost or late answer, a stale view, a failover ...
    pub faults: u8,
    /// So many times the user changes the spec or deletes, or a session's life comes to its end.
    pub edits: u8,
    /// Whether a second operator may appear.
    pub two_operators: bool,
    /// Whether the spec declares one recorder uid alone.
    pub one_uid: bool,
    /// How long the token of a new session lives; absent: sessions run without one.
    pub token_life: Option<i64>,
    /// Whether 201/7 repeats the sid.
    pub repeats_sid: bool,
    /// Whether anybody is in the channel, so that snapshots tell the sid; else sessions end by themselves.
    pub snapshots: bool,
    /// Whether the vendor's notifications come, on occasion.
    pub tells: bool,
    /// Whether wall clocks jump.
    pub jumps: bool,
    /// Whether time passes unseen by all amounts that matter, or by the few that matter most.
    pub all_times: bool,
}

/// Something that can happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// An operator begins a visit, on the object as it was so many versions ago.
    Begin(usize, usize),
    /// An operator does what its visit is about to do, and it comes out like this.
    Do(usize, Fate),
    /// A process ends.
    Crash(usize),
    /// A process begins, this long after.
    Restart(i64),
    /// A second operator appears beside the first.
    Second,
    /// All processes are suspended for this long, in mid-visit.
    Stall(i64),
    /// Time passes until somebody has something to do.
    Pass,
    /// Nothing happens until the session has to be renewed.
    Renewal,
    /// The wall clocks jump by this much.
    Jump(i64),
    /// The vendor carries out a late request.
    Land(usize),
    /// The server of a session fails.
    FailOver(usize),
    /// A session ends by itself.
    End(usize),
    /// The vendor tells of the end of a session's process: of the session's own, or of the one that it moved away from.
    Tell(usize),
    /// The user does something.
    Edit(Edit),
}

/// An operator process.
#[derive(Clone, Debug)]
pub struct Process {
    /// When it began.
    pub born: i64,
    /// What it remembers of the job.
    pub memory: Memory,
    /// The object as it last saw or wrote it.
    pub newest: Option<Arc<Object>>,
    /// When it comes again, if nothing wakes it before.
    pub due: i64,
    /// The visit under way.
    pub visit: Option<Box<Visit>>,
    /// What it heard, by sid.
    pub told: BTreeMap<String, Told>,
}

/// Everything that there is.
#[derive(Clone, Debug)]
pub struct World {
    /// What is possible in it.
    pub rules: &'static Rules,
    /// Faults left to happen.
    pub faults: u8,
    /// Edits left to happen.
    pub edits: u8,
    /// True time, in seconds.
    pub now: i64,
    /// By how much the wall clocks are wrong.
    pub wall_error: i64,
    /// The API server.
    pub api: ApiServer,
    /// The operators.
    pub processes: [Option<Process>; 2],
    /// The vendor.
    pub vendor: Vendor,
    /// ResourceIds whose sessions were reported as possible orphans.
    pub reported: BTreeSet<usize>,
    /// Marks that were given to claims.
    pub nonces: u32,
    /// What was done that must never be.
    pub broken: Option<String>,
    /// Whether something came together against which docs/reliability.md promises nothing.
    pub beyond: bool,
}

/// The fault of being suspended: longer than the fence, past the control window, longer than the grace for young claims.
const STALLS: [i64; 3] = [340, 3700, 40];

/// How long nobody is there after a crash: a new process at once, past the fence, past the token, after the grace for
/// young claims, past the control window.
const DOWNTIMES: [i64; 5] = [0, 340, 8000, 40, 3700];

/// So many of each matter most.
const FEW_STALLS: usize = 2;
const FEW_DOWNTIMES: usize = 3;

/// Less than the two minutes that the operator waits beyond a token's end. A wall clock that is ahead by more can take a
/// session for ended that has not.
const JUMPS: [i64; 2] = [100, -100];

/// Three quarters of the control window, when a session has to be renewed, and a little.
const UNTIL_RENEWAL: i64 = 2710;

/// Recorder uid that a failover is told to lead to; the vendor's are random.
const NEW_UID: i64 = 900_000;

const EDITS: [Edit; 4] = [Edit::Body, Edit::Lists, Edit::Suspend, Edit::Delete];

impl World {
    /// The object was just created, and one operator is there.
    pub fn new(rules: &'static Rules) -> Self {
        Self {
            rules,
            faults: rules.faults,
            edits: rules.edits,
            now: 0,
            wall_error: 0,
            api: ApiServer::new(Wanted { one_uid: rules.one_uid, ..Wanted::default() }),
            processes: [Some(Process::new(0)), None],
            vendor: Vendor::default(),
            reported: BTreeSet::new(),
            nonces: 0,
            broken: None,
            beyond: false,
        }
    }

    /// The time as a process born then reads it.
    pub fn moment(&self, born: i64) -> Moment {
        let seconds = u64::try_from(self.now - born).unwrap_or(0);
        Moment { wall: self.wall(self.now), mono: Duration::from_secs(100_000 + seconds), scale: 1 }
    }

    /// A true time as the wall clocks show it.
    pub fn wall(&self, time: i64) -> Timestamp {
        let begin = Timestamp::from_second(1_767_225_600).expect("2026");
        begin + SignedDuration::from_secs(time + self.wall_error)
    }

    /// Notes what must never be done.
    pub fn accuse(&mut self, of: String) {
        self.broken.get_or_insert(of);
    }

    /// Everything that can happen next.
    pub fn actions(&self, actions: &mut Vec<Action>) {
        if self.broken.is_some() || self.beyond {
            return;
        }
        if self.has_one_future() {
            return;
        }
        actions.extend(self.natural());
        self.interleavings(actions);
        if self.faults > 0 {
            self.mishaps(actions);
        }
        if self.edits > 0 {
            actions.extend(EDITS.into_iter().filter(|edit| self.api.takes(*edit)).map(Action::Edit));
            if self.is_idle() && !self.vendor.living().is_empty() {
                actions.push(Action::Renewal);
            }
        }
    }

    /// What happens next if nothing special does.
    pub fn natural(&self) -> Option<Action> {
        if let Some(process) = self.in_visit().next() {
            return Some(Action::Do(process, Fate::Truth));
        }
        if let Some(process) = self.awake().next() {
            return Some(Action::Begin(process, 0));
        }
        if self.processes.iter().all(Option::is_none) {
            return Some(Action::Restart(0));
        }
        self.next_due().map(|_| Action::Pass)
    }

    /// Whether nothing can happen any more but what the run to the end does, which was judged on its way.
    fn has_one_future(&self) -> bool {
        let spent = self.faults == 0 && self.edits == 0;
        spent && self.vendor.late.is_empty() && self.numbered().count() == 1
    }

    /// What may as well happen, at no cost: the other operator's turn, a late request, a longer time without operator.
    fn interleavings(&self, actions: &mut Vec<Action>) {
        actions.extend(self.in_visit().skip(1).map(|process| Action::Do(process, Fate::Truth)));
        let all_wait = self.in_visit().next().is_none();
        actions.extend(self.awake().skip(usize::from(all_wait)).map(|process| Action::Begin(process, 0)));
        actions.extend((0..self.vendor.late.len()).map(Action::Land));
        if self.processes.iter().all(Option::is_none) {
            let few = if self.rules.all_times { DOWNTIMES.len() } else { FEW_DOWNTIMES };
            actions.extend(DOWNTIMES.into_iter().take(few).skip(1).map(Action::Restart));
        }
    }

    fn mishaps(&self, actions: &mut Vec<Action>) {
        for process in self.in_visit() {
            let visit = self.processes[process].as_ref().and_then(|process| process.visit.as_ref());
            let fates = visit.map_or(&[][..], |visit| visit.next.fates());
            actions.extend(
                fates.iter().filter(|fate| **fate != Fate::Truth).map(|fate| Action::Do(process, *fate)),
            );
            actions.push(Action::Crash(process));
        }
        if self.in_visit().next().is_some() {
            let few = if self.rules.all_times { STALLS.len() } else { FEW_STALLS };
            actions.extend(STALLS.into_iter().take(few).map(Action::Stall));
        } else {
            actions.extend(JUMPS.into_iter().filter(|_| self.rules.jumps).map(Action::Jump));
            actions.extend((0..2).filter(|process| self.processes[*process].is_some()).map(Action::Crash));
        }
        for (number, process) in self.processes.iter().enumerate() {
            let Some(process) = process.as_ref().filter(|process| process.visit.is_none()) else { continue };
            let known = process.newest.as_ref().map_or(0, |newest| newest.version);
            let stale = self.api.former.iter().enumerate().filter(|(_, former)| former.version > known);
            actions.extend(stale.map(|(back, _)| Action::Begin(number, back + 1)));
        }
        if self.rules.two_operators && self.processes[0].is_some() && self.processes[1].is_none() {
            actions.push(Action::Second);
        }
        actions.extend(self.vendor.settled().into_iter().map(Action::FailOver));
        actions.extend(self.vendor.living().into_iter().map(Action::End));
        if self.rules.tells {
            actions.extend(self.vendor.with_an_ended_process().into_iter().map(Action::Tell));
        }
    }

    /// What becomes of the world.
    pub fn after(&self, action: Action) -> Self {
        let mut world = self.clone();
        world.happen(action);
        world
    }

    /// Lets it happen.
    pub fn happen(&mut self, action: Action) {
        self.faults = self.faults.saturating_sub(u8::from(action.is_mishap()));
        self.edits = self.edits.saturating_sub(u8::from(action.is_edit()));
        match action {
            Action::Begin(process, back) => self.begin(process, back),
            Action::Do(process, fate) => self.proceed(process, fate),
            Action::Crash(process) => self.processes[process] = None,
            Action::Restart(after) => {
                self.pass(after);
                self.processes[0] = Some(Process::new(self.now));
            }
            Action::Second => self.processes[1] = Some(Process::new(self.now)),
            Action::Stall(seconds) => self.pass(seconds),
            Action::Pass => {
                let due = self.next_due().unwrap_or(self.now);
                self.pass((due - self.now).max(0));
            }
            Action::Renewal => self.pass(UNTIL_RENEWAL),
            Action::Jump(by) => self.wall_error += by,
            Action::Land(index) => self.land(index),
            Action::FailOver(resource) => self.vendor.fail_over(resource, self.now),
            Action::End(resource) => self.vendor.end(resource),
            Action::Tell(resource) => self.tell(resource),
            Action::Edit(edit) => self.api.edit(edit),
        }
        self.watch();
    }

    fn land(&mut self, index: usize) {
        match self.vendor.late.remove(index) {
            Late::Start(asked) => drop(self.start_arrives(&asked)),
            Late::Stop(resource) => drop(self.vendor.stop(resource, self.now)),
        }
    }

    /// A start reaches the vendor.
    pub fn start_arrives(&mut self, asked: &Asked) -> StartAnswer {
        let answer = self.vendor.start(asked, self.now);
        self.beyond |= answer == StartAnswer::Started && fences::is_beyond_promise(self, asked);
        if answer == StartAnswer::Started
            && !self.beyond
            && let Some(why) = fences::start(self, asked)
        {
            self.accuse(why);
        }
        answer
    }

    /// Everybody hears that a process of the session ended as it should. While the session moves the vendor tells that as
    /// well; once it has moved, that word may have been lost.
    fn tell(&mut self, resource: usize) {
        let Resource { uid, session, .. } = &self.vendor.resources[resource];
        let moving = session.as_ref().is_some_and(|session| matches!(session.life, Life::Moving(_)));
        let time = self.wall(self.now);
        let failover = moving.then_some(Event::FailedOver { new_uid: NEW_UID });
        let tidings = failover.into_iter().chain([Event::Exited { normally: true }]).map(|event| Tiding {
            sid: sid(resource),
            channel: String::new(),
            uid: *uid,
            time,
            event,
        });
        let tidings: Vec<Tiding> = tidings.collect();
        for process in self.processes.iter_mut().flatten() {
            let told = process.told.entry(sid(resource)).or_default();
            tidings.iter().for_each(|tiding| told.hear(tiding));
            process.due = process.due.min(self.now);
        }
    }

    /// What must hold at every moment.
    fn watch(&mut self) {
        if !self.beyond
            && let Some(why) = fences::moment(self)
        {
            self.accuse(why);
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds;
        self.vendor.time_passed(self.now);
    }

    fn is_idle(&self) -> bool {
        self.in_visit().next().is_none() && self.awake().next().is_none() && self.processes[0].is_some()
    }

    /// Processes in mid-visit.
    fn in_visit(&self) -> impl Iterator<Item = usize> {
        self.numbered().filter(|(_, process)| process.visit.is_some()).map(|(number, _)| number)
    }

    /// Processes that begin a visit now: it is due, or the watch brought news.
    fn awake(&self) -> impl Iterator<Item = usize> {
        self.numbered()
            .filter(|(_, process)| process.visit.is_none() && self.wakes(process))
            .map(|(number, _)| number)
    }

    fn wakes(&self, process: &Process) -> bool {
        let version = |object: &Option<Arc<Object>>| object.as_ref().map(|object| object.version);
        let news = version(&process.newest) != version(&self.api.object);
        news || self.api.object.is_some() && process.due <= self.now
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &Process)> {
        self.processes.iter().enumerate().filter_map(|(number, process)| Some((number, process.as_ref()?)))
    }

    fn next_due(&self) -> Option<i64> {
        let visits = self.numbered().map(|(_, process)| process.due);
        let due = visits.filter(|_| self.api.object.is_some()).min()?;
        Some(self.vendor.next_arrival().map_or(due, |arrival| due.min(arrival)))
    }
}

impl Process {
    /// A process that knows nothing.
    pub fn new(born: i64) -> Self {
        Self { born, memory: Memory::default(), newest: None, due: born, visit: None, told: BTreeMap::new() }
    }
}

impl Action {
    /// Whether it counts against the faults.
    pub fn is_mishap(self) -> bool {
        match self {
            Self::Begin(_, back) => back > 0,
            Self::Do(_, fate) => fate != Fate::Truth,
            Self::Crash(_)
            | Self::Second
            | Self::Stall(_)
            | Self::Jump(_)
            | Self::FailOver(_)
            | Self::End(_)
            | Self::Tell(_) => true,
            Self::Restart(_) | Self::Pass | Self::Renewal | Self::Land(_) | Self::Edit(_) => false,
        }
    }

    /// Whether it counts against the edits.
    pub fn is_edit(self) -> bool {
        match self {
            Self::Renewal | Self::Edit(_) => true,
            Self::Begin(_, _)
            | Self::Do(_, _)
            | Self::Crash(_)
            | Self::Restart(_)
            | Self::Second
            | Self::Stall(_)
            | Self::Pass
            | Self::Jump(_)
            | Self::Land(_)
            | Self::FailOver(_)
            | Self::End(_)
            | Self::Tell(_) => false,
        }
    }
}
