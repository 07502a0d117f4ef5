//! The map of the house, held to the code: which room may name which, how long a file may be, how it begins.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, not counting its tests.
const LONGEST: usize = 400;

struct Source {
    name: String,
    text: String,
}

impl Source {
    /// The file without what stands behind its `#[cfg(test)] mod`, and without comments.
    fn code(&self) -> Vec<(usize, &str)> {
        let own = own_lines(&self.text);
        let is_comment = |line: &str| line.trim_start().starts_with("//");
        own.enumerate().filter(|(_, line)| !is_comment(line)).map(|(n, line)| (n + 1, line)).collect()
    }

    fn is_test(&self) -> bool {
        let in_tests = |part: &str| part == "tests.rs" || part == "tests";
        self.name.split('/').any(in_tests)
            || self.name.ends_with("lifecycle/fixtures.rs")
            || self.name.ends_with("lifecycle/properties.rs")
    }
}

/// Lines before the module of tests at the end of the file.
fn own_lines(text: &str) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> = text.lines().collect();
    let is_module = |n: usize| {
        lines[n + 1..]
            .iter()
            .find(|line| !line.starts_with("#["))
            .is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let end = (0..lines.len()).find(|n| lines[*n] == "#[cfg(test)]" && is_module(*n)).unwrap_or(lines.len());
    lines.into_iter().take(end)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file below these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found = vec![];
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    found.sort();
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(root()).expect("below the root").display().to_string(),
        text: fs::read_to_string(&path).expect("a source file"),
    };
    found.into_iter().map(read).collect()
}

/// Whether a line names this word, not as a part of a longer one.
fn names(line: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_letter);
        let after =
            word.ends_with(is_letter) && line[at + word.len()..].chars().next().is_some_and(is_letter);
        !before && !after
    })
}

/// Lines of non-test code below `folder` that name one of the words.
fn offenders(folder: &str, words: &[&str]) -> Vec<String> {
    let mut offenders = vec![];
    let all = sources(&["src"]);
    let room = format!("src/{folder}");
    for source in all.iter().filter(|source| source.name.starts_with(&room) && !source.is_test()) {
        for (number, line) in source.code() {
            for word in words.iter().filter(|word| names(line, word)) {
                offenders.push(format!("{}:{number} names {word}: {}", source.name, line.trim()));
            }
        }
    }
    offenders
}

fn assert_none(offenders: &[String], rule: &str) {
    assert!(offenders.is_empty(), "{rule}:\n{}", offenders.join("\n"));
}

#[test]
fn the_heart_is_pure() {
    let forbidden = [
        "kube::",
        "kube_client",
        "reqwest",
        "tokio",
        "futures",
        "Timestamp::now",
        "Zoned::now",
        "Instant",
        "SystemTime",
        "rand",
        "std::env",
        "std::fs",
        "std::net",
        "std::thread",
        "tracing",
        "async",
        "crate::agora",
        "crate::cluster",
        "crate::snapshots",
        "crate::reconcile",
        "crate::controller",
        "crate::metrics",
        "crate::settings",
    ];
    assert_none(&offenders("lifecycle/", &forbidden), "no client, no clock, no randomness in src/lifecycle");
}

#[test]
fn rooms_at_the_edge_do_not_know_each_other() {
    let above = ["crate::reconcile", "crate::controller", "crate::settings"];
    for (room, others) in [
        ("agora/", ["crate::cluster", "crate::snapshots"]),
        ("cluster/", ["crate::agora", "crate::snapshots"]),
        ("snapshots/", ["crate::agora", "crate::cluster"]),
    ] {
        let words: Vec<&str> = others.iter().chain(&above).copied().collect();
        assert_none(&offenders(room, &words), "arrows point inward");
    }
    let inner = ["crate::lifecycle", "crate::agora", "crate::cluster", "crate::snapshots"];
    assert_none(&offenders("api/", &inner), "the resource is data only");
    assert_none(&offenders("agora/", &["kube", "kube::", "k8s_openapi"]), "the vendor knows no Kubernetes");
    assert_none(&offenders("snapshots/", &["kube", "kube::"]), "buckets know no Kubernetes");
}

#[test]
fn the_simulator_shares_no_code_with_the_operator() {
    let mut found = vec![];
    for source in sources(&["simulator/src"]) {
        let lines = source.text.lines().filter(|line| line.contains("agora_snapshot_operator"));
        found.extend(lines.map(|line| format!("{}: {line}", source.name)));
    }
    assert_none(&found, "a witness that shares code with the accused proves nothing");
    let manifest = fs::read_to_string(root().join("simulator/Cargo.toml")).expect("a manifest");
    assert!(!manifest.contains("agora-snapshot-operator"), "the simulator must not depend on the operator");
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = sources(&["src", "simulator/src"])
        .iter()
        .filter(|source| !source.is_test())
        .map(|source| (own_lines(&source.text).count(), &source.name))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, name)| format!("{name} has {lines} lines"))
        .collect();
    assert_none(&long, "a file over 400 lines wants a split");
}

#[test]
fn every_file_says_what_it_owns() {
    let silent: Vec<String> = sources(&["src", "simulator/src", "simulator/tests", "tests"])
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.name)
        .collect();
    assert_none(&silent, "a file begins with `//!` lines");
}

#[test]
fn public_names_say_snapshot() {
    // The word in the simulator's own drawing code is about what is drawn, not about the product.
    let mut found = vec![];
    for source in sources(&["src"]).iter().filter(|source| !source.is_test()) {
        for (number, line) in source.code() {
            let declares =
                ["pub fn ", "pub struct ", "pub enum ", "pub const ", "pub trait ", "pub mod ", "pub type "];
            let lower = line.to_lowercase();
            if declares.iter().any(|word| line.contains(word))
                && (lower.contains("frame") || lower.contains("picture"))
            {
                found.push(format!("{}:{number}: {}", source.name, line.trim()));
            }
        }
    }
    assert_none(&found, "public names say snapshot, never frame or picture");
}

#[test]
fn the_rules_themselves_see_what_they_shall() {
    assert!(names("use kube::Api;", "kube::") && !names("use my_kube::Api;", "kube::"));
    assert!(
        names("rand::random()", "rand") && !names("let operand = 1;", "rand") && !names("random", "rand")
    );
    let text = "//! A file.\n#[cfg(test)]\nmod fixtures;\nfn code() {}\n\n#[cfg(test)]\nmod tests {\n    use tokio;\n}\n";
    assert_eq!(own_lines(text).count(), 5);
    let source = Source { name: "src/a.rs".into(), text: text.into() };
    assert!(source.code().iter().all(|(_, line)| !line.contains("tokio") && !line.starts_with("//")));
    assert!(sources(&["src"]).len() > 50);
}
