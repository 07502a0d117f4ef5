//! One child process with a log file: starts it, waits until it is ready, signals it, and ends it surely.
//! It leaves to [`crate::watchdog`] the case that we are killed ourselves, and knows nothing of what it runs.
//!
//! The children are of `std`, not of `tokio`: a testbed is shared by tests that each have a runtime of their own.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use crate::error::{Error, Result};
use crate::watchdog::Watchdog;

/// How often a process outside of our control is looked at. Short against every start time here.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// The program replaces this shell and so keeps its pid, but only once a watchdog is in place: if we die before
/// the line is written, the shell reads the end of the pipe and nothing was started.
const LAUNCHER: &str = r#"read -r _ || exit 1
exec "$@" </dev/null"#;

/// A program to be started.
#[derive(Debug)]
pub struct Program {
    name: String,
    command: Command,
    log: PathBuf,
    folder: Option<PathBuf>,
}

impl Program {
    /// `name` is for messages, `path` the executable, `log` the file that gets standard output and error.
    pub fn new(name: impl Into<String>, path: &Path, log: PathBuf) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", LAUNCHER, "launcher"]).arg(path);
        Self { name: name.into(), command, log, folder: None }
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, arguments: I) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds `--name=value`.
    pub(crate) fn flag(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value);
        self.arg(argument)
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets environment variables.
    pub fn envs(mut self, variables: &[(String, String)]) -> Self {
        self.command.envs(variables.iter().map(|(name, value)| (name, value)));
        self
    }

    /// Has the watchdog remove `folder` after the program if we are killed.
    pub(crate) fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Starts the program in a process group of its own.
    pub fn start(mut self) -> Result<Process> {
        let log = File::create(&self.log).map_err(Error::file("cannot create the log file", &self.log))?;
        let errors = log.try_clone().map_err(Error::file("cannot open the log file twice", &self.log))?;
        let failed = |source| Error::Spawn { program: self.name.clone(), source };
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let go = child.stdin.take().expect("standard input was asked to be a pipe");
        let mut process =
            Process { name: self.name.clone(), log: self.log, child, watchdog: None, status: None };
        process.watchdog =
            Some(Watchdog::over(-i64::from(process.pid()), self.folder.as_deref()).map_err(failed)?);
        { go }.write_all(b"go\n").map_err(failed)?;
        Ok(process)
    }
}

/// A running program; dropping it kills the program and all that it started.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    watchdog: Option<Watchdog>,
    status: Option<ExitStatus>,
}

impl Process {
    /// The pid of the program itself.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file with all that it wrote.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// All that it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// How the program ended, or `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.ended(status);
        }
        self.status
    }

    /// Sends SIGKILL to the program: a crash.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    /// Sends SIGTERM to the program: the request to end cleanly.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGSTOP to the program, and waits until all of it has stopped: it stands still and answers nobody until
    /// [`Process::resume`]. Its threads do not stop before the first of them has met the signal.
    pub fn suspend(&mut self) {
        self.signal(Signal::STOP);
        let Some(pid) = pid(&self.child) else { return };
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // An error says that it has ended and was waited for: it stands as still as can be.
        let _ended = waitid(WaitId::Pid(pid), stopped);
    }

    /// Sends SIGCONT to the program.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Waits until the program has ended.
    pub async fn ended_within(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.exit_status() {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(self.late("its end", within));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// SIGTERM, and SIGKILL if the program still runs after `grace`. Returns how it ended.
    pub async fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        self.terminate();
        if let Ok(status) = self.ended_within(grace).await {
            return Ok(status);
        }
        self.kill();
        self.ended_within(Duration::from_secs(10)).await
    }

    /// Waits for a line that starts with `prefix` and returns what follows it on that line.
    pub async fn printed(&mut self, prefix: &str, within: Duration) -> Result<String> {
        let log = self.log.clone();
        self.ready(&format!("the line {prefix:?}"), within, async || {
            let text = std::fs::read_to_string(&log).ok()?;
            // Only whole lines: the last one may still be being written.
            let whole = &text[..text.rfind('\n')?];
            whole.lines().find_map(|line| line.strip_prefix(prefix)).map(|rest| rest.trim().to_owned())
        })
        .await
    }

    /// Asks `probe` until it has an answer; fails when the program ends first, or after `within`.
    pub async fn ready<T>(
        &mut self,
        awaited: &str,
        within: Duration,
        mut probe: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(answer) = probe().await {
                return Ok(answer);
            }
            if let Some(status) = self.exit_status() {
                let (program, log) = (self.name.clone(), self.end_of_log());
                return Err(Error::EndedEarly { program, status: status.to_string(), log });
            }
            if Instant::now() > deadline {
                return Err(self.late(awaited, within));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until a GET of `url` answers 200.
    pub async fn answers(&mut self, url: &str, within: Duration) -> Result<()> {
        let client = crate::http_client()?;
        self.ready(&format!("200 from {url}"), within, async || {
            let answer = client.get(url).timeout(Duration::from_secs(1)).send().await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await
    }

    fn signal(&mut self, signal: Signal) {
        if self.exit_status().is_none()
            && let Some(pid) = pid(&self.child)
        {
            // It fails only if the program has just ended, which the next look at it will tell.
            let _ = kill_process(pid, signal);
        }
    }

    /// Takes down what the program may have left in its group, and ends the watch.
    fn ended(&mut self, status: ExitStatus) {
        self.status = Some(status);
        if let Some(pid) = pid(&self.child) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.release();
        }
    }

    fn late(&self, awaited: &str, within: Duration) -> Error {
        let (program, log) = (self.name.clone(), self.end_of_log());
        Error::NotInTime { program, awaited: awaited.to_owned(), within, log }
    }

    fn end_of_log(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exit_status().is_some() {
            return;
        }
        if let Some(pid) = pid(&self.child) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        // SIGKILL cannot be put off, so this returns at once.
        if let Ok(status) = self.child.wait() {
            self.ended(status);
        }
    }
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}
