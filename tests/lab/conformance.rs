//! The model of the API server against the real one: the same random sequences of requests are run against both, and
//! every answer and every event of every watch is compared.
//!
//! `TORTURE=1` runs many more, from a seed of the day; a failure prints its seed, which `API_SERVER_SEED` takes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use agora_snapshot_testbed::{Testbed, evidence};
use kube::CustomResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use agora_snapshot_operator::api::{self, SnapshotJob};

mod edits;
mod real;
mod side;
mod steps;
mod transcript;

use real::Real;
use side::{Modelled, run};
use steps::{Step, step, terminating};

/// Sequences at a time, each with a namespace of its own: the real server has the other core.
const WORKERS: usize = 2;

/// Sequences of one worker in `make test`.
const SEQUENCES: u32 = 80;

/// Of them, so many end in a namespace that goes. They wait for the namespace controller, which takes its time.
const TERMINATING: u32 = 2;

/// How many times more with TORTURE=1.
const TORTURE: u32 = 25;

/// Milliseconds that a failure is made smaller for.
const SHRINK: u32 = 30_000;

/// So often a sequence is tried again that differs. The real server may read from a cache that is behind when it is loaded,
/// and then takes a write of what is there already on an old version; a difference of the model's is there each time.
const REPEATS: usize = 2;

/// Requests of one sequence.
const LENGTH: std::ops::Range<usize> = 4..36;

/// What was compared.
#[derive(Default)]
struct Counts {
    sequences: AtomicUsize,
    requests: AtomicUsize,
    events: AtomicUsize,
    repeated: AtomicUsize,
}

/// Runs sequences until one differs.
fn compare(
    seed: u64,
    cases: u32,
    steps: impl Strategy<Value = Vec<Step>>,
    runtime: &tokio::runtime::Handle,
    real: &Real,
    counts: &Counts,
) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        max_shrink_time: SHRINK,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&steps, |steps| {
        let both = || {
            runtime.block_on(async {
                let namespace = real.fresh_namespace().await;
                let real = run(&mut real.clone().of(&namespace), &namespace, &steps).await;
                let modelled = run(&mut Modelled::new(&namespace), &namespace, &steps).await;
                (real, modelled)
            })
        };
        let (answers, modelled) = both();
        counts.sequences.fetch_add(1, Ordering::Relaxed);
        counts.requests.fetch_add(modelled.requests(), Ordering::Relaxed);
        counts.events.fetch_add(modelled.events(), Ordering::Relaxed);
        let mut compared = transcript::same(answers, modelled);
        for _ in 0..REPEATS {
            let Err(why) = &compared else { break };
            eprintln!("seen once, tried again: {why}");
            counts.repeated.fetch_add(1, Ordering::Relaxed);
            let (answers, modelled) = both();
            compared = transcript::same(answers, modelled);
        }
        compared.map_err(TestCaseError::fail)
    });
    if let Err(TestError::Fail(why, steps)) = result {
        panic!(
            "API_SERVER_SEED={seed}: the model differs from the real API server\n{why}\nsteps: {steps:#?}"
        );
    }
    result.expect("no case was given up");
}

#[test]
fn the_model_answers_as_the_real_api_server() {
    let torture = std::env::var_os("TORTURE").is_some_and(|value| !value.is_empty());
    let seed = match std::env::var("API_SERVER_SEED") {
        Ok(seed) => seed.parse().expect("API_SERVER_SEED is a number"),
        Err(_) if torture => rand::random::<u32>().into(),
        Err(_) => 5,
    };
    let times = if torture { TORTURE } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let real = runtime.block_on(async {
        let testbed = Testbed::from_env().await.expect("a testbed");
        let client = testbed.control_plane().client("admin").await.expect("a client");
        let crds = Api::all(client.clone());
        let apply = PatchParams::apply("lab").force();
        crds.patch(SnapshotJob::crd_name(), &apply, &Patch::Apply(api::crd())).await.expect("the CRD");
        let established = await_condition(crds, SnapshotJob::crd_name(), is_crd_established());
        tokio::time::timeout(real::SOON, established)
            .await
            .expect("in time")
            .expect("the CRD is established");
        Real::new(testbed, client)
    });
    let (began, counts) = (Instant::now(), Counts::default());
    std::thread::scope(|scope| {
        for worker in 0..WORKERS as u64 {
            let (real, counts, handle) = (&real, &counts, runtime.handle());
            scope.spawn(move || {
                compare(seed + worker, SEQUENCES * times, vec(step(), LENGTH), handle, real, counts);
                compare(seed + worker, TERMINATING * times, terminating(), handle, real, counts);
            });
        }
    });
    evidence(format_args!(
        "API server model: {} sequences, {} requests and {} watch events compared, all equal, after {} \
         repeats (seed {seed}, {:.1} s)",
        counts.sequences.into_inner(),
        counts.requests.into_inner(),
        counts.events.into_inner(),
        counts.repeated.into_inner(),
        began.elapsed().as_secs_f64()
    ));
}
