//! Ends a program when the process that started it is gone, however that ended: a small shell waits at the
//! read end of a pipe whose only write end is here, and the kernel closes that even after SIGKILL.
//! It leaves the ordinary end of a program to [`crate::processes`].

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A line on the pipe releases it; the end of the pipe without one means that the parent died.
const SCRIPT: &str = r#"read -r _ && exit 0
kill -s KILL -- "$1"
[ -z "$2" ] || rm -rf -- "$2""#;

/// Watches over one program for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Kills `target` (a pid, or a negative process group as in kill(1)) and then removes `folder` when this
    /// process ends without calling [`Watchdog::release`].
    pub(crate) fn over(target: i64, folder: Option<&Path>) -> std::io::Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog", &target.to_string()])
            .arg(folder.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            // An inherited output would keep the reader of our own output waiting for the watchdog.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C reaches the whole foreground group; the watchdog has to outlive that.
            .process_group(0)
            .spawn()?;
        Ok(Self { shell })
    }

    /// Ends the watch without doing anything: the program has ended and its pid may be somebody else's soon.
    pub(crate) fn release(mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            // It can only fail if the shell is gone, and then there is nothing to release.
            let _ = pipe.write_all(b"\n");
        }
        let _ = self.shell.wait();
    }
}
