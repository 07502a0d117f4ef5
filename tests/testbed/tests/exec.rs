//! `testbed exec` leaves nothing behind, however it ends.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

/// Starts `testbed exec` around a shell script that first prints the folder of the run, and returns that folder.
fn exec(script: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .args(["exec", "--", "sh", "-c", &format!("echo $AGORA_TESTBED_FOLDER; {script}")])
        .env_remove("AGORA_TESTBED_KEEP")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut folder = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut folder).unwrap();
    (child, folder.trim().to_owned())
}

/// The command lines of all processes that name `text`.
fn processes_with(text: &str) -> Vec<String> {
    let output = Command::new("ps").args(["-axww", "-o", "args="]).output().unwrap();
    let all = String::from_utf8_lossy(&output.stdout).into_owned();
    all.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

fn assert_all_gone(folder: &str) {
    let deadline = Instant::now() + SOON;
    while !processes_with(folder).is_empty() || Path::new(folder).exists() {
        assert!(
            Instant::now() < deadline,
            "still there: {:?}, folder exists: {}",
            processes_with(folder),
            Path::new(folder).exists()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn killed_it_takes_the_servers_and_the_command_with_it() {
    // The folder in the arguments of the command makes it one of the processes that are looked for.
    let (mut child, folder) = exec("exec sh -c 'while :; do sleep 0.1; done' $AGORA_TESTBED_FOLDER");
    let running = processes_with(&folder);
    for server in ["/etcd ", "/kube-apiserver ", "/kube-controller-manager ", "/versitygw ", "while :"] {
        assert!(running.iter().any(|line| line.contains(server)), "{server} does not run: {running:?}");
    }
    assert!(Path::new(&folder).join("control-plane/audit.log").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_all_gone(&folder);
}

#[test]
fn asked_to_end_it_passes_that_on_and_returns_the_commands_exit_code() {
    let (mut child, folder) = exec("trap 'exit 3' TERM; while :; do sleep 0.1; done");
    assert!(!processes_with(&folder).is_empty());
    Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    // No waiting here: it ends them before itself.
    assert_eq!(processes_with(&folder), Vec::<String>::new());
    assert!(!Path::new(&folder).exists());
}
