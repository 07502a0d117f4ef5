//! A machine of its own for one node, out of namespaces of the kernel: network, mounts, processes, cgroups.
//!
//! Owns how a command gets in there and how all of it goes again, also after SIGKILL. Two nodes on one machine have
//! the same addresses, ports and firewall rules without meeting. What runs inside is [`crate::node`]'s affair.

use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Result};
use crate::folder::Folder;

/// Address of the node, of those that RFC 1918 leaves to everybody. In its own network it can clash with nothing.
pub(crate) const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 1);
/// Where the API server takes cluster IPs from.
pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/16";

/// A proxy of the environment cannot be reached from the node's network, and is not for what is in it.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

const GUARD: &str = include_str!("guard.sh");
const INSIDE: &str = include_str!("inside.sh");

/// Runs what `command` makes of the run's folder in new namespaces and returns its exit code for the shell. Every
/// process in there has ended and the folder is gone when this returns; and they go soon after this process if it is
/// killed.
pub(crate) async fn enter(command: impl FnOnce(&Path) -> Vec<OsString>) -> Result<u8> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Node("only root may make the namespaces of a node: run this as root".into()));
    }
    let failed = |source| Error::Spawn { program: "the node's namespaces (sh)".into(), source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let folder = Folder::new("node")?;
    let name = folder.path().file_name().unwrap_or(OsStr::new("agora-node"));
    let mut guard = Command::new("sh");
    for variable in PROXIES {
        guard.env_remove(variable);
    }
    let mut guard = guard
        .args(["-c", GUARD, "guard"])
        .arg(name)
        .arg(folder.path())
        .arg(if folder.doomed().is_some() { "remove" } else { "keep" })
        .args([INSIDE, "inside", &NODE_ADDRESS.to_string(), SERVICE_RANGE])
        .args(command(folder.path()))
        .stdin(Stdio::piped())
        // Ctrl-C reaches the whole foreground group; the guard has to outlive that.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let alive = guard.stdin.take();
    let status = tokio::select! {
        status = guard.wait() => status,
        signalled = async {
            tokio::select! { _ = interrupt.recv() => 2_u8, _ = terminate.recv() => 15 }
        } => {
            // The guard sees the end of its standard input, as if we had been killed, and clears everything.
            drop(alive);
            guard.wait().await.map_err(failed)?;
            return Ok(128 + signalled);
        }
    };
    let status = status.map_err(failed)?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(u8::try_from(code).unwrap_or(1))
}
