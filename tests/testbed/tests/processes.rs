//! A process is waited for, signalled and ended with all that it started.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use agora_snapshot_testbed::{Error, Folder, Process, Program};

const SOON: Duration = Duration::from_secs(10);

fn shell(folder: &Folder, script: &str) -> Process {
    Program::new("script", Path::new("/bin/sh"), folder.path().join("script.log"))
        .args(["-c", script])
        .start()
        .unwrap()
}

/// What ps(1) says of the state of a process; empty if there is none, or only its remains.
fn state(pid: u32) -> String {
    let output =
        std::process::Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    if state.starts_with('Z') { String::new() } else { state }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} does not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_printed_line_makes_it_ready() {
    let folder = Folder::new("test").unwrap();
    let mut process = shell(&folder, "echo starting; echo listening on http://x; exec sleep 300");
    assert_eq!(process.printed("listening on ", SOON).await.unwrap(), "http://x");
    assert!(process.exit_status().is_none());
}

#[tokio::test]
async fn an_early_end_is_told_with_the_end_of_the_log() {
    let folder = Folder::new("test").unwrap();
    let mut process = shell(&folder, "echo first; echo the reason >&2; exit 3");
    let error = process.printed("listening on ", SOON).await.unwrap_err();
    assert!(matches!(&error, Error::EndedEarly { log, .. } if log == "first\nthe reason"), "{error}");
    assert!(error.to_string().contains("exit status: 3"), "{error}");
}

#[tokio::test]
async fn a_silent_program_is_not_waited_for_without_end() {
    let folder = Folder::new("test").unwrap();
    let mut process = shell(&folder, "echo something else; exec sleep 300");
    let error = process.printed("listening on ", Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(&error, Error::NotInTime { log, .. } if log == "something else"), "{error}");
}

#[tokio::test]
async fn dropping_it_ends_what_it_started_too() {
    let folder = Folder::new("test").unwrap();
    let mut process = shell(&folder, "sleep 300 & echo child $!; wait");
    let child: u32 = process.printed("child ", SOON).await.unwrap().parse().unwrap();
    let parent = process.pid();
    assert!(!state(child).is_empty() && !state(parent).is_empty());
    drop(process);
    until("the end of both", || state(child).is_empty() && state(parent).is_empty()).await;
}

#[tokio::test]
async fn signals_reach_the_program_itself() {
    let folder = Folder::new("test").unwrap();
    let mut process = shell(&folder, "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done");
    process.printed("ready", SOON).await.unwrap();
    let pid = process.pid();
    process.suspend();
    until("the standstill", || state(pid).starts_with('T')).await;
    process.resume();
    until("the going on", || !state(pid).starts_with('T')).await;
    assert_eq!(process.stop(SOON).await.unwrap().code(), Some(5));
}

#[tokio::test]
async fn a_program_that_ignores_the_request_to_end_is_killed() {
    let folder = Folder::new("test").unwrap();
    let mut process = shell(&folder, "trap '' TERM; echo ready; while :; do sleep 0.05; done");
    process.printed("ready", SOON).await.unwrap();
    assert_eq!(process.stop(Duration::from_millis(300)).await.unwrap().signal(), Some(9));
}
