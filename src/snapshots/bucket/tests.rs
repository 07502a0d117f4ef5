//! Looks into an in-memory bucket through the same paginated listing that the real services have.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use object_store::list::{PaginatedListOptions, PaginatedListResult};
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::snapshots::fixtures::Service;
use crate::snapshots::tally::Tally;

const SID: &str = "1cd3d60b784382f12ce30fa615421852";
const OTHER: &str = "1cd3d60b784382f12ce30fa615421853";

fn key(sid: &str, activation: Option<u32>, user: u32, second: i64) -> String {
    let taken = "2026-07-01T00:00:00.250Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second);
    let name = FileName { activation, sid: sid.to_owned(), channel: "c_d".into(), user, taken };
    format!("lobby/east/{name}")
}

const UNLIMITED: Limits = Limits { time: Duration::from_secs(3_600), requests: 10_000 };

#[tokio::test]
async fn sees_the_snapshots_of_the_asked_sessions_only() {
    let service = Arc::new(Service::default());
    for other in ["notes.txt", "lobby/east/notes.txt", "lobby/eastern/x.jpg", &key(OTHER, None, 7, 0)] {
        service.put(other);
    }
    for second in 0..3 {
        service.put(&key(SID, None, 7, second * 10));
        service.put(&key(SID, Some(0), 7, 100 + second * 10));
        service.put(&key(SID, Some(1), 8, 200 + second * 10));
    }
    let mut tally = Tally::default();
    let look = service.bucket().look(&mut tally, &[SID], UNLIMITED).await;
    assert_eq!((look.arrived, look.complete, look.problem), (9, true, None));
    assert_eq!(tally.summary().last_file, Some(key(SID, Some(1), 8, 220)));
    let look = service.bucket().look(&mut tally, &[SID, OTHER], UNLIMITED).await;
    assert_eq!(look.arrived, 1, "the other session's");
    service.put(&key(OTHER, Some(2), 7, 300));
    let look = service.bucket().look(&mut tally, &[SID, OTHER], UNLIMITED).await;
    assert_eq!(look.arrived, 1, "two servers before that one took none");
}

#[tokio::test]
async fn a_second_look_costs_one_request_per_user_and_not_the_whole_session() {
    let service = Arc::new(Service::default());
    for user in 1..=3 {
        for shot in 0..3_000 {
            service.put(&key(SID, None, user, shot * 10));
            service.put(&key(SID, None, user, shot * 10).replace("video", "audio").replace("jpg", "ts"));
        }
    }
    let mut tally = Tally::default();
    let look = service.bucket().look(&mut tally, &[SID], UNLIMITED).await;
    assert_eq!(look.arrived, 9_000);
    service.put(&key(SID, None, 2, 30_000));
    let look = service.bucket().look(&mut tally, &[SID], UNLIMITED).await;
    assert_eq!((look.arrived, look.complete), (1, true));
    assert!(look.requests <= 11, "three users with audio and video each, and bak0 to bak2: {look:?}");
    let from_status = &mut Tally::resume(Some(&tally.summary()));
    let look = service.bucket().look(from_status, &[SID], UNLIMITED).await;
    assert_eq!((look.arrived, look.complete), (0, true));
    assert!(look.requests <= 11, "a restart does not list everything again: {look:?}");
}

#[tokio::test]
async fn a_look_that_was_cut_off_goes_on_where_it_ended() {
    let service = Arc::new(Service::default());
    for user in 1..=5 {
        for shot in 0..700 {
            service.put(&key(SID, None, user, shot * 10));
        }
    }
    let (mut tally, mut looks) = (Tally::default(), 0);
    loop {
        looks += 1;
        let look = service.bucket().look(&mut tally, &[SID], Limits { requests: 1, ..UNLIMITED }).await;
        assert_eq!(look.problem, None);
        if look.complete || tally.count() == 3_500 {
            break;
        }
        assert!(look.arrived > 0 && looks < 50, "every look must get on: {look:?}");
    }
    assert!(looks > 3);
    assert_eq!(tally.count(), 3_500);
}

#[tokio::test]
async fn a_service_without_start_after_is_told_and_does_not_loop() {
    let service = Arc::new(Service { deaf_to_start_after: true, ..Service::default() });
    for shot in 0..150 {
        service.put(&key(SID, None, 7, shot * 10));
    }
    let mut tally = Tally::default();
    let look = service.bucket().look(&mut tally, &[SID], UNLIMITED).await;
    assert_eq!(look.problem, Some(BucketProblem::NoStartAfter));
    assert_eq!((look.arrived, service.requests()), (100, 2));
}

#[tokio::test]
async fn a_problem_is_told_and_what_was_counted_stays() {
    let service = Arc::new(Service::default());
    service.put(&key(SID, None, 7, 0));
    let mut tally = Tally::default();
    service.bucket().look(&mut tally, &[SID], UNLIMITED).await;
    *service.fault.lock().unwrap() =
        Some("Server returned non-2xx status code: 403 Forbidden: <Code>AccessDenied</Code>".into());
    let look = service.bucket().look(&mut tally, &[SID], UNLIMITED).await;
    assert_eq!(look.problem, Some(BucketProblem::AccessDenied("403 AccessDenied".into())));
    assert_eq!((look.arrived, look.complete, tally.count()), (0, false, 1));
}

struct Silent;

#[async_trait::async_trait]
impl PaginatedListStore for Silent {
    async fn list_paginated(
        &self,
        _prefix: Option<&str>,
        _options: PaginatedListOptions,
    ) -> object_store::Result<PaginatedListResult> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_costs_the_limit_and_no_more() {
    let bucket = Bucket { store: Arc::new(Silent), folder: None };
    let before = Instant::now();
    let look = bucket.look(&mut Tally::default(), &[SID, OTHER], Limits::default()).await;
    assert_eq!(before.elapsed(), Limits::default().time);
    assert_eq!(look.problem, Some(BucketProblem::TimedOut));
}

#[derive(Clone, Debug)]
enum Happening {
    Upload { user: u32, activation: Option<u32>, second: i64 },
    Look { requests: u32 },
    Restart,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let happening = prop_oneof![
        12 => (1_u32..6, prop_oneof![Just(None), Just(Some(0)), Just(Some(1))], 0_i64..4)
            .prop_map(|(user, activation, second)| Happening::Upload { user, activation, second }),
        2 => (1_u32..20).prop_map(|requests| Happening::Look { requests }),
        1 => Just(Happening::Restart),
    ];
    proptest::collection::vec(happening, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// Whatever is uploaded in the order of time, however looks are cut off, and whenever the operator restarts
    /// after a whole look: everything is counted, once.
    #[test]
    fn everything_is_counted_once(happenings in happenings()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let service = Arc::new(Service::default());
            let bucket = service.bucket();
            let (mut tally, mut clock, mut uploaded) = (Tally::default(), 0, 0);
            // A fail-over moves on to the next activation and never back.
            let mut activation = None;
            for happening in happenings {
                match happening {
                    Happening::Upload { user, activation: next, second } => {
                        if next > activation && (next == Some(0) || activation.is_some()) {
                            activation = next;
                        }
                        clock += 1 + second;
                        service.put(&key(SID, activation, user, clock));
                        uploaded += 1;
                    }
                    Happening::Look { requests } => {
                        let look = bucket.look(&mut tally, &[SID], Limits { requests, ..UNLIMITED }).await;
                        prop_assert_eq!(look.problem, None);
                    }
                    Happening::Restart => {
                        bucket.look(&mut tally, &[SID], UNLIMITED).await;
                        bucket.look(&mut tally, &[SID], UNLIMITED).await;
                        tally = Tally::resume(Some(&tally.summary()));
                    }
                }
            }
            bucket.look(&mut tally, &[SID], UNLIMITED).await;
            bucket.look(&mut tally, &[SID], UNLIMITED).await;
            let summary = tally.summary();
            prop_assert_eq!(summary.count, uploaded);
            prop_assert_eq!(summary.users.iter().map(|user| user.count).sum::<i64>(), uploaded);
            Ok(())
        })?;
    }
}
