//! The vendor's request rate: whose turn it is, over all jobs of one App ID.
//!
//! Any second holds at most ten requests of an App ID. An acquire also sets room aside for its start, which must
//! follow within two seconds. A 429 slows the whole App ID. What is sent, and when it is tried again, is not decided
//! here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Requests in one window (vendor guide, quotas: 10 a second for each App ID).
const LIMIT: usize = 10;
/// Lowest limit after refusals: an acquire and its start must fit.
const LEAST_LIMIT: usize = 2;
/// A tenth longer than the vendor's second, so that unequal ways through the network do not put eleven requests into
/// one second of its clock.
const WINDOW: Duration = Duration::from_millis(1100);
/// After a 429 without `Retry-After`.
const PAUSE: Duration = Duration::from_secs(1);
/// No answer, of whatever machine on the way, may silence an App ID for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After a refusal the limit is halved, and rises by one each time this passes without another.
const RISE_EVERY: Duration = Duration::from_secs(10);
/// Who waited this long goes with the starts: a death run needs an answer every 45 s.
const PATIENCE: Duration = Duration::from_secs(20);
/// Idle App IDs are forgotten once there are more than this.
const LANES_KEPT: usize = 64;

/// A job, for fairness among them: its `metadata.uid`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct JobKey(Arc<str>);

impl JobKey {
    /// Key of the object with this `metadata.uid`.
    pub fn new(uid: &str) -> Self {
        Self(uid.into())
    }
}

/// Who goes first when calls wait, first to last.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// Ends what is billed.
    Stop,
    /// Begins something new.
    Start,
    /// Answers a doubt: a repeated start, a query that confirms.
    Recover,
    /// Routine.
    Query,
}

/// Turns of all App IDs.
#[derive(Debug)]
pub(super) struct Budget {
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
    scale: f64,
}

impl Budget {
    /// `scale` divides every time of this file.
    pub(super) fn new(scale: f64) -> Self {
        Self { lanes: Mutex::default(), scale }
    }

    /// Waits for the turn of one request.
    pub(super) async fn turn(&self, app_id: &str, job: &JobKey, priority: Priority) {
        Lane::turn(&self.lane(app_id), Want::One, job, priority).await;
    }

    /// Waits for the turn of an acquire, and sets room aside for its start.
    pub(super) async fn turn_and_reserve(&self, app_id: &str, job: &JobKey) -> Reservation {
        let lane = self.lane(app_id);
        Lane::turn(&lane, Want::OneAndReserve, job, Priority::Start).await;
        Reservation { lane: Some(lane) }
    }

    /// The vendor refused for the rate: everybody of this App ID waits, and goes slower afterwards.
    pub(super) fn slow_down(&self, app_id: &str, retry_after: Option<Duration>) {
        let lane = self.lane(app_id);
        let pause = retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE).div_f64(self.scale);
        lane.state().slow_down(Instant::now(), pause, &lane.pace);
    }

    fn lane(&self, app_id: &str) -> Arc<Lane> {
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get(app_id) {
            return lane.clone();
        }
        if lanes.len() >= LANES_KEPT {
            let now = Instant::now();
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || !lane.state().is_idle(now, &lane.pace));
        }
        lanes.entry(app_id.to_owned()).or_insert_with(|| Arc::new(Lane::new(self.scale))).clone()
    }
}

/// Room for the start that follows an acquire. Dropping it gives the room back.
#[derive(Debug)]
pub struct Reservation {
    lane: Option<Arc<Lane>>,
}

impl Reservation {
    /// Waits for the turn that was set aside: at once, unless the App ID was slowed down.
    pub(super) async fn redeem(mut self, job: &JobKey) {
        // Given back by `drop` should the wait be given up: only then is it still in `self`.
        if let Some(lane) = self.lane.clone() {
            Lane::turn(&lane, Want::Reserved, job, Priority::Stop).await;
            self.lane = None;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            let mut state = lane.state();
            state.reserved = state.reserved.saturating_sub(1);
            state.wake_next(Instant::now(), &lane.pace);
        }
    }
}

/// What a waiter takes when its turn comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Want {
    One,
    OneAndReserve,
    Reserved,
}

impl Want {
    /// Free places it needs; a reserved one is there already.
    fn places(self) -> usize {
        match self {
            Self::One => 1,
            Self::OneAndReserve => 2,
            Self::Reserved => 0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    window: Duration,
    rise_every: Duration,
    patience: Duration,
}

/// Turns of one App ID.
#[derive(Debug)]
struct Lane {
    state: Mutex<State>,
    pace: Pace,
}

#[derive(Debug)]
struct State {
    /// Requests of the last window.
    sent: VecDeque<Instant>,
    reserved: usize,
    waiting: Vec<Waiter>,
    /// The last turn of each job, while anybody waits.
    turns: HashMap<JobKey, u64>,
    /// Numbers turns and waiters.
    count: u64,
    limit: usize,
    slowed_at: Option<Instant>,
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    want: Want,
    priority: Priority,
    job: JobKey,
    since: Instant,
    wake: Arc<Notify>,
}

/// What a waiter does now.
#[derive(Debug, PartialEq)]
enum Step {
    Go,
    Until(Instant),
    /// Until another one goes, gives up, or gives room back.
    Woken,
}

impl Lane {
    fn new(scale: f64) -> Self {
        let pace = Pace {
            window: WINDOW.div_f64(scale),
            rise_every: RISE_EVERY.div_f64(scale),
            patience: PATIENCE.div_f64(scale),
        };
        let state = State {
            sent: VecDeque::new(),
            reserved: 0,
            waiting: Vec::new(),
            turns: HashMap::new(),
            count: 0,
            limit: LIMIT,
            slowed_at: None,
            paused_until: None,
        };
        Self { state: Mutex::new(state), pace }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    async fn turn(lane: &Arc<Self>, want: Want, job: &JobKey, priority: Priority) {
        let wake = Arc::new(Notify::new());
        let id = lane.state().join(want, priority, job.clone(), Instant::now(), wake.clone());
        let place = Place { lane, id };
        loop {
            let step = lane.state().step(place.id, Instant::now(), &lane.pace);
            match step {
                Step::Go => return,
                Step::Woken => wake.notified().await,
                Step::Until(time) => tokio::select! {
                    () = sleep_until(time) => {}
                    () = wake.notified() => {}
                },
            }
        }
    }
}

/// A place in the queue: a waiter that is dropped leaves it.
struct Place<'a> {
    lane: &'a Lane,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.lane.state();
        state.waiting.retain(|waiter| waiter.id != self.id);
        state.wake_next(Instant::now(), &self.lane.pace);
    }
}

impl State {
    fn join(
        &mut self,
        want: Want,
        priority: Priority,
        job: JobKey,
        since: Instant,
        wake: Arc<Notify>,
    ) -> u64 {
        self.count += 1;
        self.waiting.push(Waiter { id: self.count, want, priority, job, since, wake });
        self.count
    }

    fn step(&mut self, id: u64, now: Instant, pace: &Pace) -> Step {
        self.refresh(now, pace);
        let Some(next) = self.next(now, pace) else { return Step::Woken };
        let waiter = &self.waiting[next];
        if waiter.id != id {
            waiter.wake.notify_one();
            return Step::Woken;
        }
        if let Some(end) = self.paused_until {
            return Step::Until(end);
        }
        let want = waiter.want;
        let wanted = self.sent.len() + self.reserved + want.places();
        match wanted.saturating_sub(self.limit) {
            0 => {
                self.go(next, want, now);
                Step::Go
            }
            // Reserved places are given back or used by others, who wake us.
            _ if want == Want::Reserved => {
                self.go(next, want, now);
                Step::Go
            }
            over => match self.sent.get(over - 1) {
                Some(sent) => Step::Until(*sent + pace.window),
                None => Step::Woken,
            },
        }
    }

    fn go(&mut self, index: usize, want: Want, now: Instant) {
        let waiter = self.waiting.remove(index);
        self.sent.push_back(now);
        match want {
            Want::One => {}
            Want::OneAndReserve => self.reserved += 1,
            Want::Reserved => self.reserved = self.reserved.saturating_sub(1),
        }
        self.count += 1;
        self.turns.insert(waiter.job, self.count);
        if self.waiting.is_empty() {
            self.turns.clear();
        }
    }

    /// Whose turn is next. Acquires whose start could find no room are passed over: others may use what is left.
    fn next(&self, now: Instant, pace: &Pace) -> Option<usize> {
        let may_reserve = self.reserved < self.limit / 2;
        let rank = |waiter: &Waiter| {
            let waited_long = now.saturating_duration_since(waiter.since) >= pace.patience;
            let priority = if waited_long { waiter.priority.min(Priority::Start) } else { waiter.priority };
            // What is reserved competes with nobody.
            let reserved_first = waiter.want != Want::Reserved;
            (reserved_first, priority, self.turns.get(&waiter.job).copied().unwrap_or(0), waiter.id)
        };
        (0..self.waiting.len())
            .filter(|index| may_reserve || self.waiting[*index].want != Want::OneAndReserve)
            .min_by_key(|index| rank(&self.waiting[*index]))
    }

    fn wake_next(&mut self, now: Instant, pace: &Pace) {
        if let Some(next) = self.next(now, pace) {
            self.waiting[next].wake.notify_one();
        }
        if self.waiting.is_empty() {
            self.turns.clear();
        }
    }

    fn slow_down(&mut self, now: Instant, pause: Duration, pace: &Pace) {
        self.refresh(now, pace);
        // The refusals of one volley count once.
        if self.slowed_at.is_none_or(|since| now.saturating_duration_since(since) >= pace.window) {
            self.limit = (self.limit / 2).max(LEAST_LIMIT);
            self.slowed_at = Some(now);
        }
        self.paused_until = self.paused_until.max(Some(now + pause));
    }

    fn refresh(&mut self, now: Instant, pace: &Pace) {
        while self.sent.front().is_some_and(|sent| *sent + pace.window <= now) {
            self.sent.pop_front();
        }
        self.paused_until = self.paused_until.filter(|end| *end > now);
        while let Some(since) = self.slowed_at.filter(|since| *since + pace.rise_every <= now) {
            self.limit += 1;
            self.slowed_at = (self.limit < LIMIT).then(|| since + pace.rise_every);
        }
    }

    fn is_idle(&mut self, now: Instant, pace: &Pace) -> bool {
        self.refresh(now, pace);
        self.sent.is_empty() && self.slowed_at.is_none() && self.paused_until.is_none()
    }
}

/// A panic elsewhere must not end all calls; the state is whole between any two of its methods.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
