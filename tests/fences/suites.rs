//! Builds the suites of the copy, and runs them until a test fails.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::table::Suite;
use super::{switches, tree};

/// Longer than any test of a suite takes, on a machine that does much else. That one does not end proves nothing.
const LIMIT: Duration = Duration::from_secs(600);

/// Programs of the suites.
pub(crate) type Built = BTreeMap<Suite, PathBuf>;

/// What a run came to.
pub(crate) enum Verdict {
    /// All tests passed.
    Passed {
        /// How many there were.
        tests: usize,
    },
    /// One failed; the run was ended there.
    Failed {
        /// Its name.
        test: String,
    },
    /// None ended within the limit; the run was ended there.
    Endless,
}

/// Builds the suites of the copy.
pub(crate) fn build() -> Built {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["test", "--no-run", "--locked", "--offline", "--message-format=json", "--quiet"]);
    for suite in Suite::ALL {
        cargo.args(suite.cargo());
    }
    // What cargo told this test about its own package is not for that of the copy.
    let own = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_BIN_EXE_")
            || name.starts_with("CARGO_MANIFEST_")
    });
    for name in own {
        cargo.env_remove(name);
    }
    let cargo = cargo.current_dir(tree::folder()).env("CARGO_TARGET_DIR", tree::target());
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo");
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built = Built::new();
    for message in messages {
        if let Some(words) = message["message"]["rendered"].as_str()
            && message["message"]["level"] == "error"
        {
            eprintln!("{words}");
        }
        let suite = Suite::ALL.into_iter().find(|suite| suite.is(&message["target"]));
        if let (Some(suite), Some(program)) = (suite, message["executable"].as_str()) {
            built.insert(suite, PathBuf::from(program));
        }
    }
    assert!(
        output.status.success(),
        "target/fences/tree does not compile: a text of tests/fences/table.rs is wrong"
    );
    assert_eq!(built.len(), Suite::ALL.len(), "not every suite was built: {built:?}");
    built
}

/// Runs the tests of a suite whose names contain one of these; all if there is none.
pub(crate) fn run(built: &Built, suite: Suite, tests: &[&str], removed: Option<&str>) -> Verdict {
    let mut command = Command::new(&built[&suite]);
    // The model of the API server is compared with the real one, which the copy has not.
    command
        .args(tests)
        .args(["--skip", "conformance::"])
        .current_dir(tree::folder())
        .env_remove("TORTURE")
        .env("RUST_BACKTRACE", "0");
    command.env("CARGO_MANIFEST_DIR", tree::folder()).env_remove(switches::VARIABLE);
    // The laboratory leads this one life in the test that is named for it: a quiet one.
    command.env("LIFE", "@3@1");
    if let Some(fence) = removed {
        command.env(switches::VARIABLE, fence);
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a suite");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut passed = 0;
    let verdict = loop {
        match receiver.recv_timeout(LIMIT) {
            Ok(line) => match line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
                Some((test, "FAILED")) => break Some(Verdict::Failed { test: test.to_owned() }),
                Some((_, "ok")) => passed += 1,
                Some(_) | None => {}
            },
            Err(mpsc::RecvTimeoutError::Timeout) => {
                break Some(Verdict::Endless);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break None,
        }
    };
    if verdict.is_some() {
        child.kill().expect("our own child");
    }
    let status = child.wait().expect("our own child");
    drop(receiver);
    drop(reader.join());
    match verdict {
        Some(verdict) => verdict,
        None if status.success() => Verdict::Passed { tests: passed },
        None => Verdict::Failed { test: format!("(the program ended with {status})") },
    }
}
