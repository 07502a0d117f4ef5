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

impl Servers {
    /// Finds them, and builds them first where they are missing (minutes, with progress on standard error).
    pub async fn find() -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../programs/build");
        let failed = |status: String| Error::Build { script: script.display().to_string(), status };
        let output = tokio::process::Command::new(&script)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(output.status.to_string()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let path = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .map(PathBuf::from)
                .ok_or_else(|| failed(format!("success, but without the path of {name}")))
        };
        Ok(Self {
            etcd: path("ETCD")?,
            kube_apiserver: path("KUBE_APISERVER")?,
            kube_controller_manager: path("KUBE_CONTROLLER_MANAGER")?,
            versitygw: path("VERSITYGW")?,
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
