//! Where the executables are: the servers from `tests/programs/build`, our own programs from the target folder.
//! How the servers are downloaded or built is with that script.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::error::{Error, Result};

/// The executables of the servers.
#[derive(Debug, Clone)]
pub struct Servers {
    /// The store of the API server.
    pub etcd: PathBuf,
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// The controllers; without them a namespace never ends.
    pub kube_controller_manager: PathBuf,
    /// The S3 server.
    pub versitygw: PathBuf,
}

/// The executables of a node.
#[derive(Debug, Clone)]
pub struct NodePrograms {
    /// Gives pods a node.
    pub kube_scheduler: PathBuf,
    /// Runs pods.
    pub kubelet: PathBuf,
    /// Makes Services reachable.
    pub kube_proxy: PathBuf,
    /// Runs containers, by runc of the system.
    pub containerd: PathBuf,
    /// What containerd starts for each pod.
    pub containerd_shim: PathBuf,
    /// Its command line, which imports images.
    pub ctr: PathBuf,
    /// Resolves names of Services.
    pub coredns: PathBuf,
}

impl Servers {
    /// Finds them, and builds them first where they are missing (minutes, with progress on standard error).
    pub async fn find() -> Result<Self> {
        let found = Found::group("control-plane").await?;
        Ok(Self {
            etcd: found.path("ETCD")?,
            kube_apiserver: found.path("KUBE_APISERVER")?,
            kube_controller_manager: found.path("KUBE_CONTROLLER_MANAGER")?,
            versitygw: found.path("VERSITYGW")?,
        })
    }
}

impl NodePrograms {
    /// Finds them, and builds them first where they are missing.
    pub async fn find() -> Result<Self> {
        let found = Found::group("node").await?;
        Ok(Self {
            kube_scheduler: found.path("KUBE_SCHEDULER")?,
            kubelet: found.path("KUBELET")?,
            kube_proxy: found.path("KUBE_PROXY")?,
            containerd: found.path("CONTAINERD")?,
            containerd_shim: found.path("CONTAINERD_SHIM_RUNC_V2")?,
            ctr: found.path("CTR")?,
            coredns: found.path("COREDNS")?,
        })
    }
}

/// The executable of Helm, built first where it is missing.
pub async fn helm_program() -> Result<PathBuf> {
    Found::group("helm").await?.path("HELM")
}

/// What `tests/programs/build` printed.
struct Found {
    script: PathBuf,
    text: String,
}

impl Found {
    async fn group(group: &str) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../programs/build");
        let failed = |status: String| Error::Build { script: script.display().to_string(), status };
        let output = tokio::process::Command::new(&script)
            .arg(group)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(output.status.to_string()));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Self { script, text })
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        let lines = self.text.lines();
        lines
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(PathBuf::from)
            .next()
            .ok_or_else(|| Error::Build {
                script: self.script.display().to_string(),
                status: format!("success, but without the path of {name}"),
            })
    }
}

/// The simulator's executable: `AGORA_SIMULATOR_BIN`, else `agora-simulator` of the same build.
pub fn simulator_program() -> Result<PathBuf> {
    own_program(
        "AGORA_SIMULATOR_BIN",
        "agora-simulator",
        "build it with `cargo build -p agora-simulator`, or set AGORA_SIMULATOR_BIN",
    )
}

/// The operator's executable: `AGORA_OPERATOR_BIN`, else `agora-snapshot-operator` of the same build.
pub fn operator_program() -> Result<PathBuf> {
    own_program(
        "AGORA_OPERATOR_BIN",
        "agora-snapshot-operator",
        "build it with `cargo build --bin agora-snapshot-operator`, or set AGORA_OPERATOR_BIN",
    )
}

/// The executable of the kubectl plugin: `AGORA_PLUGIN_BIN`, else `kubectl-snapshotjob` of the same build.
pub fn plugin_program() -> Result<PathBuf> {
    own_program(
        "AGORA_PLUGIN_BIN",
        "kubectl-snapshotjob",
        "build it with `cargo build --bin kubectl-snapshotjob`, or set AGORA_PLUGIN_BIN",
    )
}

fn own_program(variable: &str, program: &str, advice: &'static str) -> Result<PathBuf> {
    let candidates = match std::env::var_os(variable) {
        Some(path) => vec![PathBuf::from(path)],
        None => beside_us().into_iter().map(|folder| folder.join(program)).collect(),
    };
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| Error::ProgramMissing {
        program: program.to_owned(),
        looked: candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        advice,
    })
}

/// Our own folder and the one above: a binary is in `target/debug`, a test in `target/debug/deps`.
fn beside_us() -> Vec<PathBuf> {
    let executable = std::env::current_exe().unwrap_or_default();
    executable.ancestors().skip(1).take(2).map(Path::to_owned).collect()
}
