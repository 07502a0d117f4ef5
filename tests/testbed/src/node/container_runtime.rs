//! containerd of a node: its configuration, its start, and the images it is given. No registry is ever asked.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::control_plane::program;
use crate::error::{Error, Result};
use crate::folder::{Folder, write_private};
use crate::processes::Process;
use crate::programs::NodePrograms;

/// Where containerd listens. `/run` is the node's own.
pub(super) const SOCKET: &str = "/run/containerd/containerd.sock";
/// The image of the process that holds a pod's namespaces.
const PAUSE: &str = "localhost/pause:dev";
/// Where Debian's package containernetworking-plugins puts them; other systems know the second place.
const CNI_PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];
/// It takes a second; a machine that compiles at the same time is what this allows for.
const START: Duration = Duration::from_secs(60);

/// Starts containerd with its data in `path` and the pods' network of `cni`, and waits until it answers.
pub(super) async fn start(
    programs: &NodePrograms,
    folder: &Folder,
    path: &Path,
    cni: &Path,
) -> Result<Process> {
    let configuration = write_private(path, "containerd.toml", &configuration(path, cni))?;
    let mut process = program("containerd", &programs.containerd, folder, path)
        .env("PATH", path_with(&programs.containerd_shim)?)
        .arg("--config")
        .arg(configuration)
        .start()?;
    process.ready("an answer to ctr", START, async || ctr(programs, &["version"]).await.ok()).await?;
    Ok(process)
}

/// Gives containerd the images of these archives (as `docker save` writes them).
pub(super) async fn import(programs: &NodePrograms, archives: &[PathBuf]) -> Result<()> {
    for archive in archives {
        let archive = archive.to_string_lossy();
        ctr(programs, &["--namespace=k8s.io", "images", "import", &archive]).await?;
    }
    Ok(())
}

fn configuration(path: &Path, cni: &Path) -> String {
    // Paths of this crate's own making, without quotes or backslashes in them.
    let (root, cni) = (path.join("containerd"), cni.display());
    let plugins = CNI_PLUGINS.map(|folder| format!("\"{folder}\"")).join(", ");
    format!(
        r#"version = 3
root = "{root}"
state = "/run/containerd"
[grpc]
  address = "{SOCKET}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PAUSE}"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = [{plugins}]
  conf_dir = "{cni}"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
"#,
        root = root.display()
    )
}

/// Our `PATH` with the folder of the shim before it: containerd looks for the shim by name.
fn path_with(shim: &Path) -> Result<std::ffi::OsString> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = shim.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&inherited));
    std::env::join_paths(folders)
        .map_err(|error| Error::Node(format!("the folder of {} cannot be in PATH: {error}", shim.display())))
}

async fn ctr(programs: &NodePrograms, arguments: &[&str]) -> Result<()> {
    let output = tokio::process::Command::new(&programs.ctr)
        .args(["--address", SOCKET])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| Error::Spawn { program: "ctr".into(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Node(format!("ctr {} failed with {}: {}", arguments.join(" "), output.status, said.trim())))
}
