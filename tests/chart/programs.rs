//! Where the programs are that the chart is tested with. How they are found or built is with `tests/programs/build`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program that the environment variable names; else that of the group of `tests/programs/build`.
pub(crate) fn program(variable: &str, group: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let output = Command::new(repository().join("tests/programs/build"))
        .arg(group)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("tests/programs/build runs");
    assert!(output.status.success(), "tests/programs/build {group} failed; its last lines say why");
    let text = String::from_utf8(output.stdout).expect("text");
    let path = text.lines().find_map(|line| line.strip_prefix(variable)?.strip_prefix('='));
    path.unwrap_or_else(|| panic!("tests/programs/build {group} does not name {variable}: {text}")).into()
}

/// Whether generated files shall be written anew instead of compared.
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_CHART").is_some()
}

/// Compares a generated file with what it should be, or writes it.
#[track_caller]
pub(crate) fn assert_generated(path: &Path, wanted: &str) {
    // What is right already is left alone: other tests may be reading it.
    if updating() && std::fs::read_to_string(path).ok().as_deref() != Some(wanted) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(path, wanted).expect("the file can be written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    if found != wanted {
        let line = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
        let line = line.unwrap_or_else(|| found.lines().count().min(wanted.lines().count()));
        panic!(
            "{} is not up to date from line {}:\n  it has:     {:?}\n  should be:  {:?}\nLook whether that is wanted, then write it anew with: make generate",
            path.display(),
            line + 1,
            found.lines().nth(line).unwrap_or_default(),
            wanted.lines().nth(line).unwrap_or_default(),
        );
    }
}
