//! Turns in virtual time: never more than ten requests in any second, and who goes first.

use std::future::Future;

use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use super::*;

const APP: &str = "970ca35de60c44645bbae8a215061b33";

fn job(name: &str) -> JobKey {
    JobKey::new(name)
}

/// When things happened, in milliseconds of virtual time.
#[derive(Clone)]
struct Log {
    begun: Instant,
    rows: Arc<Mutex<Vec<(String, u128)>>>,
}

impl Log {
    fn new() -> Self {
        Self { begun: Instant::now(), rows: Arc::default() }
    }

    fn note(&self, what: &str) {
        lock(&self.rows).push((what.to_owned(), self.begun.elapsed().as_millis()));
    }

    fn names(&self) -> Vec<String> {
        lock(&self.rows).iter().map(|(name, _)| name.clone()).collect()
    }

    fn times(&self) -> Vec<u128> {
        lock(&self.rows).iter().map(|(_, time)| *time).collect()
    }

    /// Most requests in any span of so many milliseconds.
    fn most_within(&self, span: u128) -> usize {
        let times = self.times();
        times
            .iter()
            .map(|start| times.iter().filter(|t| (*start..start + span).contains(t)).count())
            .max()
            .unwrap_or(0)
    }
}

/// Runs what is ready until everything waits for time.
async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

async fn use_up(budget: &Budget) {
    for _ in 0..LIMIT {
        budget.turn(APP, &job("other"), Priority::Stop).await;
    }
}

fn spawn<F: Future<Output = ()> + Send + 'static>(tasks: &mut JoinSet<()>, future: F) {
    tasks.spawn(future);
}

#[tokio::test(start_paused = true)]
async fn no_second_holds_more_than_ten_requests() {
    for scale in [1.0, 10.0] {
        let (budget, log) = (Arc::new(Budget::new(scale)), Log::new());
        let mut tasks = JoinSet::new();
        for n in 0..50 {
            let (budget, log) = (budget.clone(), log.clone());
            spawn(&mut tasks, async move {
                let job = job(&n.to_string());
                let reservation = budget.turn_and_reserve(APP, &job).await;
                log.note("acquire");
                // An answer, and the write of the claim.
                sleep(Duration::from_millis(20 + 7 * (n % 30)).div_f64(scale)).await;
                reservation.redeem(&job).await;
                log.note("start");
                budget.turn(APP, &job, Priority::Query).await;
                log.note("query");
            });
        }
        tasks.join_all().await;
        assert_eq!(log.times().len(), 150);
        let second = (1000.0 / scale) as u128;
        assert!(log.most_within(second) <= LIMIT, "{:?}", log.times());
        // And it is used: 150 requests take 15 windows and no more than a few beside.
        let longest = (f64::from(150 / 10 + 3) * 1100.0 / scale) as u128;
        assert!(*log.times().last().unwrap() <= longest, "{:?}", log.times().last());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reserved_start_never_waits_behind_others() {
    let (budget, log) = (Arc::new(Budget::new(1.0)), Log::new());
    let reservation = budget.turn_and_reserve(APP, &job("a")).await;
    let mut tasks = JoinSet::new();
    for n in 0..100 {
        let (budget, log) = (budget.clone(), log.clone());
        spawn(&mut tasks, async move {
            budget.turn(APP, &job(&n.to_string()), Priority::Stop).await;
            log.note("stop");
        });
    }
    sleep(Duration::from_millis(500)).await;
    assert_eq!(log.times().len(), LIMIT - 2, "one was sent, one is set aside");
    let asked = Instant::now();
    reservation.redeem(&job("a")).await;
    assert_eq!(asked.elapsed(), Duration::ZERO);
    log.note("start");
    tasks.join_all().await;
    assert!(log.most_within(1000) <= LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_is_dropped_makes_room() {
    let budget = Arc::new(Budget::new(1.0));
    let held = budget.turn_and_reserve(APP, &job("a")).await;
    for _ in 0..LIMIT - 2 {
        budget.turn(APP, &job("b"), Priority::Query).await;
    }
    let mut tasks = JoinSet::new();
    let (shared, log) = (budget.clone(), Log::new());
    let noted = log.clone();
    spawn(&mut tasks, async move {
        shared.turn(APP, &job("c"), Priority::Query).await;
        noted.note("turn");
    });
    settle().await;
    assert!(log.times().is_empty());
    drop(held);
    settle().await;
    assert_eq!(log.times(), [0]);
}

#[tokio::test(start_paused = true)]
async fn acquires_leave_half_of_the_room_to_others() {
    let budget = Arc::new(Budget::new(1.0));
    let mut held = Vec::new();
    for n in 0..LIMIT / 2 {
        held.push(budget.turn_and_reserve(APP, &job(&n.to_string())).await);
    }
    sleep(WINDOW).await;
    let mut tasks = JoinSet::new();
    let (shared, log) = (budget.clone(), Log::new());
    let noted = log.clone();
    spawn(&mut tasks, async move {
        // The vendor is slow to answer acquires: no more of them, but what runs can be asked after and stopped.
        drop(shared.turn_and_reserve(APP, &job("sixth")).await);
        noted.note("acquire");
    });
    settle().await;
    let begun = Instant::now();
    budget.turn(APP, &job("b"), Priority::Query).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(log.times().is_empty());
    held.pop();
    settle().await;
    assert_eq!(log.names(), ["acquire"]);
}

#[tokio::test(start_paused = true)]
async fn what_ends_bills_goes_first() {
    let (budget, log) = (Arc::new(Budget::new(1.0)), Log::new());
    use_up(&budget).await;
    let mut tasks = JoinSet::new();
    for priority in [Priority::Query, Priority::Recover, Priority::Start, Priority::Stop] {
        for n in 0..5 {
            let (budget, log) = (budget.clone(), log.clone());
            spawn(&mut tasks, async move {
                budget.turn(APP, &job(&format!("{priority:?}{n}")), priority).await;
                log.note(&format!("{priority:?}"));
            });
        }
    }
    tasks.join_all().await;
    let wanted = ["Stop", "Start", "Recover", "Query"].map(|name| vec![name; 5]).concat();
    assert_eq!(log.names(), wanted);
}

#[tokio::test(start_paused = true)]
async fn jobs_take_turns() {
    let (budget, log) = (Arc::new(Budget::new(1.0)), Log::new());
    use_up(&budget).await;
    let mut tasks = JoinSet::new();
    for name in ["greedy", "greedy", "greedy", "greedy", "modest", "third"] {
        let (budget, log) = (budget.clone(), log.clone());
        spawn(&mut tasks, async move {
            budget.turn(APP, &job(name), Priority::Query).await;
            log.note(name);
        });
        settle().await;
    }
    tasks.join_all().await;
    assert_eq!(log.names(), ["greedy", "modest", "third", "greedy", "greedy", "greedy"]);
}

#[tokio::test(start_paused = true)]
async fn routine_queries_are_not_starved() {
    let (budget, log) = (Arc::new(Budget::new(1.0)), Log::new());
    use_up(&budget).await;
    let mut tasks = JoinSet::new();
    let (shared, noted) = (budget.clone(), log.clone());
    spawn(&mut tasks, async move {
        shared.turn(APP, &job("query"), Priority::Query).await;
        noted.note("query");
    });
    // Twice as many as there is room for, for as long as it takes.
    for n in 0..600 {
        let budget = budget.clone();
        spawn(&mut tasks, async move { budget.turn(APP, &job(&n.to_string()), Priority::Start).await });
        sleep(Duration::from_millis(50)).await;
    }
    let waited = log.times();
    assert!(matches!(waited[..], [20_000..=22_200]), "{waited:?} ms");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_loses_nothing() {
    let (budget, log) = (Arc::new(Budget::new(1.0)), Log::new());
    use_up(&budget).await;
    let mut tasks = JoinSet::new();
    let mut first = Box::pin(async {
        let reservation = budget.turn_and_reserve(APP, &job("first")).await;
        reservation.redeem(&job("first")).await;
    });
    // It stands at the front, and sleeps until there is room.
    assert!(futures::poll!(&mut first).is_pending());
    for n in 0..10 {
        let (budget, log) = (budget.clone(), log.clone());
        spawn(&mut tasks, async move {
            budget.turn(APP, &job(&n.to_string()), Priority::Query).await;
            log.note("turn");
        });
    }
    settle().await;
    drop(first);
    tasks.join_all().await;
    assert_eq!(log.times(), vec![1100; 10]);
    let lane = budget.lane(APP);
    let state = lane.state();
    assert_eq!((state.reserved, state.waiting.len(), state.turns.len()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reserved_start_that_is_dropped_while_it_waits_gives_its_room_back() {
    let budget = Budget::new(1.0);
    let reservation = budget.turn_and_reserve(APP, &job("a")).await;
    budget.slow_down(APP, Some(Duration::from_secs(5)));
    let mut start = Box::pin(async { reservation.redeem(&job("a")).await });
    assert!(futures::poll!(&mut start).is_pending());
    drop(start);
    let lane = budget.lane(APP);
    let state = lane.state();
    assert_eq!((state.reserved, state.waiting.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_the_rate_slows_the_whole_app_id_and_no_other() {
    let budget = Budget::new(1.0);
    let elapsed = async |app: &str, times: usize| {
        let begun = Instant::now();
        for _ in 0..times {
            budget.turn(app, &job("a"), Priority::Stop).await;
        }
        begun.elapsed()
    };
    budget.slow_down(APP, Some(Duration::from_secs(7)));
    budget.slow_down(APP, None);
    assert_eq!(elapsed("b", 1).await, Duration::ZERO);
    assert_eq!(elapsed(APP, 1).await, Duration::from_secs(7));
    // Half as fast, until ten seconds have passed without another refusal.
    assert_eq!(elapsed(APP, 4).await, Duration::ZERO);
    assert_eq!(elapsed(APP, 1).await, WINDOW);
    sleep(RISE_EVERY).await;
    elapsed(APP, 6).await;
    assert_eq!(elapsed(APP, 1).await, WINDOW);
    sleep(RISE_EVERY * 5).await;
    assert_eq!(elapsed(APP, LIMIT).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_header_silences_an_app_id_for_long() {
    let budget = Budget::new(2.0);
    budget.slow_down(APP, Some(Duration::from_secs(86_400)));
    let begun = Instant::now();
    budget.turn(APP, &job("a"), Priority::Stop).await;
    assert_eq!(begun.elapsed(), LONGEST_PAUSE / 2);
}

#[tokio::test(start_paused = true)]
async fn idle_app_ids_are_forgotten() {
    let budget = Budget::new(1.0);
    let held = budget.turn_and_reserve("held", &job("a")).await;
    for n in 0..LANES_KEPT * 2 {
        budget.turn(&n.to_string(), &job("a"), Priority::Query).await;
        sleep(Duration::from_millis(100)).await;
    }
    let kept = lock(&budget.lanes).len();
    assert!(kept <= LANES_KEPT + 1, "{kept}");
    held.redeem(&job("a")).await;
    assert!(lock(&budget.lanes).contains_key("held"));
}
