//! Fuzzing that runs everywhere: the functions of `targets`, fed with the corpus, with mutations of it and with random
//! bytes. Bounded, and the same on each run. `TORTURE=1` runs many times as much, with another seed each time. What fails
//! is kept in target/fuzzing; put it into the corpus when it is mended.
//!
//! `tests/fuzz` has the same functions for libFuzzer, which finds its way by what the code does.

use agora_snapshot_testbed::evidence;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

mod mutation;
mod targets;

/// So much more under `TORTURE=1`.
const TORTURE: u32 = 40;

struct Target {
    name: &'static str,
    /// Whether there was something to check.
    check: fn(&[u8]) -> bool,
    /// Inputs made of the corpus: about two seconds of them.
    inputs: u32,
}

/// Where every input is an answer, a name or a value.
macro_rules! always {
    ($check:path) => {
        |input| {
            $check(input);
            true
        }
    };
}

#[test]
fn answers_of_the_vendor() {
    run(&Target { name: "answers", check: always!(targets::answers::check), inputs: 12_000 });
}

#[test]
fn bytes_in_place_of_an_answer() {
    run(&Target { name: "wire", check: always!(targets::wire::check), inputs: 1_500 });
}

#[test]
fn names_in_a_bucket() {
    run(&Target { name: "names", check: always!(targets::names::check), inputs: 20_000 });
}

#[test]
fn notifications_of_anybody() {
    run(&Target { name: "notices", check: always!(targets::notices::check), inputs: 8_000 });
}

#[test]
fn objects_read_back() {
    run(&Target { name: "stored", check: targets::stored::check, inputs: 3_000 });
}

#[test]
fn values_of_secrets() {
    run(&Target { name: "secrets", check: always!(targets::secrets::check), inputs: 2_500 });
}

fn run(target: &Target) {
    let begun = Instant::now();
    let corpus = corpus(target.name);
    let torture = std::env::var_os("TORTURE").is_some_and(|value| value == "1");
    let (seed, inputs) = if torture { (rand::random(), target.inputs * TORTURE) } else { (7, target.inputs) };
    let mut random = StdRng::seed_from_u64(seed);
    for (name, input) in &corpus {
        try_out(target, input, &format!("corpus/{}/{name}", target.name));
    }
    let known: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let mut checked = 0;
    for number in 0..inputs {
        let input = mutation::next(&known, &mut random);
        checked += u32::from(try_out(target, &input, &format!("seed {seed}, number {number}")));
    }
    assert!(checked * 4 >= inputs, "hardly an input of {} is one: {checked} of {inputs}", target.name);
    let seconds = begun.elapsed().as_secs_f32();
    evidence(format_args!(
        "fuzzing: {}: {} of the corpus, {checked} more tried (seed {seed}), {seconds:.1} s",
        target.name,
        known.len()
    ));
}

fn try_out(target: &Target, input: &[u8], from: &str) -> bool {
    if let Ok(checked) = catch_unwind(AssertUnwindSafe(|| (target.check)(input))) {
        return checked;
    }
    let kept = kept(target.name, input);
    panic!(
        "{}: {from} fails; it is kept in {}:\n{}",
        target.name,
        kept.display(),
        String::from_utf8_lossy(input)
    );
}

fn kept(name: &str, input: &[u8]) -> PathBuf {
    let folder = root().join("target/fuzzing");
    let path = folder.join(format!(
        "{name}-{:08x}",
        input.iter().fold(7_u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(*byte))
    ));
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, input))
        .expect("target/fuzzing can be written");
    path
}

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("tests/fuzzing/corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            (
                path.file_name().expect("a name").to_string_lossy().into_owned(),
                fs::read(&path).expect("a file"),
            )
        })
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 5, "the corpus of {name} is hardly one");
    inputs
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
