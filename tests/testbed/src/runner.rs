//! Runs a command with the servers around it, and ends both together.
//! It owns signals and exit codes; the servers are with [`crate::testbed`].

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal as SignalNumber, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Result};
use crate::testbed::Testbed;
use crate::watchdog::Watchdog;

/// How long a command may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// The numbers of SIGINT and SIGTERM on every system, for the shell's convention of 128 plus the signal.
const INT: u8 = 2;
const TERM: u8 = 15;

/// Returns the exit code for the shell: that of the command, or 128 plus the signal that ended it.
///
/// The command finds the servers by `KUBECONFIG` and `AGORA_TESTBED_*`. SIGTERM is passed on to it, and whatever
/// ends this process ends the command and the servers too.
pub async fn exec(command: &[OsString]) -> Result<u8> {
    let failed = |source| Error::Spawn { program: "testbed exec".into(), source };
    // Before the servers: a signal during their start has to take them down as well.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let started = Instant::now();
    let testbed = tokio::select! {
        testbed = Testbed::start() => testbed?,
        signal = first_of(&mut interrupt, &mut terminate) => return Ok(128 + signal),
    };
    eprintln!(
        "testbed: ready after {:.1} s, API server at {}, S3 at {}",
        started.elapsed().as_secs_f64(),
        testbed.control_plane().url(),
        testbed.s3().endpoint(),
    );
    beside(command, &testbed.environment()?, &mut interrupt, &mut terminate).await
}

/// Runs a command beside servers that the caller keeps, with these environment variables; ends as [`exec`] does.
pub(crate) async fn run(command: &[OsString], environment: &[(&'static str, String)]) -> Result<u8> {
    let failed = |source| Error::Spawn { program: "testbed".into(), source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    beside(command, environment, &mut interrupt, &mut terminate).await
}

async fn beside(
    command: &[OsString],
    environment: &[(&'static str, String)],
    interrupt: &mut Signal,
    terminate: &mut Signal,
) -> Result<u8> {
    let [program, arguments @ ..] = command else { return Ok(0) };
    let failed = |source| Error::Spawn { program: program.display().to_string(), source };
    // In our own process group, so that it may read the terminal and Ctrl-C reaches it as it would without us.
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .spawn()
        .map_err(failed)?;
    let watchdog = child.id().map(|pid| Watchdog::over(i64::from(pid), None)).transpose().map_err(failed)?;
    let ended = tokio::select! {
        status = child.wait() => status,
        signal = first_of(interrupt, terminate) => end(&mut child, signal).await,
    };
    if let Some(watchdog) = watchdog {
        watchdog.release();
    }
    ended.map(exit_code).map_err(failed)
}

async fn first_of(interrupt: &mut Signal, terminate: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupt.recv() => INT,
        _ = terminate.recv() => TERM,
    }
}

/// Passes the request to end on and waits for it to be followed.
async fn end(child: &mut Child, signal: u8) -> std::io::Result<ExitStatus> {
    // The terminal sent SIGINT to the command as well; twice would make many programs give up cleaning.
    if signal == TERM
        && let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw)
    {
        let _ = kill_process(pid, SignalNumber::TERM);
    }
    match tokio::time::timeout(GRACE, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            child.start_kill()?;
            child.wait().await
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(1)
}
