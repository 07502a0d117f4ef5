//! Prometheus' own judgement of rules: promtool, from `PROMTOOL` or else from `tests/programs/build promtool`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of its own for files of a test.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("monitoring").join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// What promtool says of `arguments`: whether it accepts, and its words.
pub(crate) fn promtool<'a>(arguments: impl IntoIterator<Item = &'a str>) -> (bool, String) {
    let output = Command::new(program()).args(arguments).output().expect("promtool runs");
    let words = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&words).into_owned())
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("PROMTOOL") {
            return PathBuf::from(path);
        }
        let output = Command::new(root().join("tests/programs/build"))
            .arg("promtool")
            .stderr(std::process::Stdio::inherit())
            .output()
            .expect("tests/programs/build runs");
        let lines = String::from_utf8(output.stdout).expect("UTF-8");
        let path = lines.lines().find_map(|line| line.strip_prefix("PROMTOOL="));
        PathBuf::from(path.expect("tests/programs/build promtool tells where promtool is, or set PROMTOOL"))
    })
}
