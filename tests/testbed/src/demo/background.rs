//! The demo left running behind the user's back: `demo-up` starts it in a process of its own, `demo-down` ends that.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::stage::{Stage, checkout};
use super::story;
use crate::error::{Error, Result};

/// Everything is up within half a minute; a loaded machine is what this allows for.
const UP: Duration = Duration::from_secs(300);
/// The operator may take 75 s to end.
const DOWN: Duration = Duration::from_secs(120);
/// Opens the gallery of the demo from the folder of the checkout, whatever else the shell knows.
const GALLERY: &str =
    ". target/demo/env && PATH=$PWD/target/debug:$PATH kubectl snapshotjob open snapshot-only";
/// Between two looks at the other process.
const LOOK: Duration = Duration::from_millis(200);

/// Starts the demo in the background and waits until its snapshots arrive.
pub async fn up() -> Result<()> {
    if let Some(pid) = running() {
        println!("The demo runs already (pid {pid}).");
        return describe();
    }
    let folder = folder();
    std::fs::create_dir_all(&folder).map_err(Error::file("cannot make", &folder))?;
    remove(&environment());
    let (log, failed) = (folder.join("log"), |source| Error::Spawn { program: "testbed".into(), source });
    let output = File::create(&log).map_err(Error::file("cannot make", &log))?;
    let errors = output.try_clone().map_err(Error::file("cannot open", &log))?;
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .arg("demo-serve")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        // Away from the terminal's Ctrl-C.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let (until, mut shown) = (Instant::now() + UP, 0);
    loop {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        print!("{}", &text[shown..]);
        shown = text.len();
        if environment().exists() {
            return describe();
        }
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Err(Error::Demo(format!("the demo ended with {status}; it says above why")));
        }
        if Instant::now() > until {
            let _ended = child.kill();
            return Err(Error::Demo(format!("the demo was not up within {UP:?}; see {}", log.display())));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The process in the background: everything runs until SIGTERM.
pub async fn serve() -> Result<()> {
    let failed = |source| Error::Spawn { program: "testbed".into(), source };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    write(&pid_file(), &std::process::id().to_string())?;
    let mut stage = tokio::select! {
        stage = stage() => stage?,
        _ = terminate.recv() => return Ok(()),
    };
    // The last thing that is written tells that everything is up.
    write(&environment(), &stage.environment())?;
    terminate.recv().await;
    remove(&environment());
    let cleared = stage.clear().await;
    remove(&pid_file());
    cleared
}

async fn stage() -> Result<Stage> {
    let stage = Stage::build().await?;
    story::capture(&stage).await?;
    Ok(stage)
}

/// Ends the demo in the background. No demo is no error.
pub async fn down() -> Result<()> {
    let Some(pid) = running() else {
        println!("No demo runs.");
        remove(&environment());
        remove(&pid_file());
        return Ok(());
    };
    println!("Ending the demo (pid {pid}) ...");
    if let Some(pid) = Pid::from_raw(pid) {
        let _gone = kill_process(pid, Signal::TERM);
    }
    let until = Instant::now() + DOWN;
    while running().is_some() {
        if Instant::now() > until {
            return Err(Error::Demo(format!("the demo (pid {pid}) did not end within {DOWN:?}")));
        }
        tokio::time::sleep(LOOK).await;
    }
    println!("Every process of the demo has ended.");
    Ok(())
}

fn describe() -> Result<()> {
    let path = environment();
    let text = std::fs::read_to_string(&path).map_err(Error::file("cannot read", &path))?;
    println!(
        "\nThe demo goes on in the background. Its addresses, also in target/demo/env (shell syntax):\n\n{text}"
    );
    println!("  . target/demo/env && kubectl get snapshotjobs -o wide --watch");
    println!(
        "\nThe gallery, a page with the snapshots as they come (or doctor, describe, pictures ... in place of open):\n"
    );
    println!("  {GALLERY}");
    println!("\nThe vendor's side, and a user who leaves:\n");
    println!("  curl $SIMULATOR_URL/_sim/sessions");
    println!("  curl -X DELETE $SIMULATOR_URL/_sim/channels/httpClient463224/users/101");
    println!("\nEnd it with: make demo-down");
    Ok(())
}

/// The pid of the demo of this checkout, if it runs.
fn running() -> Option<i32> {
    let pid: i32 = std::fs::read_to_string(pid_file()).ok()?.trim().parse().ok()?;
    test_kill_process(Pid::from_raw(pid)?).ok()?;
    Some(pid)
}

fn folder() -> PathBuf {
    checkout().join("target/demo")
}

fn environment() -> PathBuf {
    folder().join("env")
}

fn pid_file() -> PathBuf {
    folder().join("pid")
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Error::file("cannot write", path))
}

fn remove(path: &PathBuf) {
    // It may not be there, and that is what is wanted.
    let _absent = std::fs::remove_file(path);
}
