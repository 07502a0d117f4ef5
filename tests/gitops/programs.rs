//! Where the programs and the CRDs of Argo CD, Flux and Helm come from: the environment, else `tests/programs/build`;
//! and the Go modules whose versions that script pins.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Not pinned by a program that is built here: helm-controller needs its version for the CRD alone. Of the same release
/// of Flux as kustomize-controller.
const HELM_CONTROLLER: (&str, &str) = ("github.com/fluxcd/helm-controller", "v1.6.0");

/// `argocd`.
pub fn argocd() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| program("argocd", "ARGOCD"))
}

/// Flux's `kustomize-controller`.
pub fn kustomize_controller() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| program("flux", "KUSTOMIZE_CONTROLLER"))
}

/// `helm`.
pub fn helm() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| program("helm", "HELM"))
}

/// The environment's, else what the script says.
fn program(group: &str, name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(name) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{name} names {}, which is no file", path.display());
        return path;
    }
    let script = repository().join("tests/programs/build");
    let mut command = Command::new(&script);
    command.arg(group).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(output.status.success(), "{} {group}: {}", script.display(), output.status);
    let text = String::from_utf8(output.stdout).expect("text");
    let path = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    PathBuf::from(path.unwrap_or_else(|| panic!("tests/programs/build {group} names no {name}: {text}")))
}

/// The CRDs that the examples and Flux's controller need, as they are released.
pub fn crds() -> Vec<Value> {
    let pinned = |folder: &str, module: &str| (module.to_owned(), required(folder, module));
    let source = required("flux", "github.com/fluxcd/source-controller/api");
    let (helm_controller, version) = HELM_CONTROLLER;
    [
        (pinned("flux", "github.com/fluxcd/kustomize-controller"), "config/crd/bases"),
        (("github.com/fluxcd/source-controller".to_owned(), source), "config/crd/bases"),
        ((helm_controller.to_owned(), version.to_owned()), "config/crd/bases"),
        (pinned("argocd", "github.com/argoproj/argo-cd/v3"), "manifests/crds"),
    ]
    .into_iter()
    .flat_map(|((module, version), folder)| {
        let folder = module_folder(&module, &version).join(folder);
        let found = crds_of(&folder);
        assert!(!found.is_empty(), "{} has no CRD", folder.display());
        found
    })
    .collect()
}

fn crds_of(folder: &Path) -> Vec<Value> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .flat_map(|path| crate::examples::documents(&path))
        .filter(|document| document["kind"] == "CustomResourceDefinition")
        .collect()
}

/// The version of a module that the go.mod of a program requires.
fn required(folder: &str, module: &str) -> String {
    let path = repository().join("tests/programs").join(folder).join("go.mod");
    let text = std::fs::read_to_string(&path).expect("a go.mod");
    let version = text.lines().find_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split(' ');
        (words.next() == Some(module)).then(|| words.next().expect("a version").to_owned())
    });
    version.unwrap_or_else(|| panic!("{} does not require {module}", path.display()))
}

/// Where the source of a module is, downloaded if need be and checked by Go.
fn module_folder(module: &str, version: &str) -> PathBuf {
    let mut command = Command::new("go");
    command.args(["mod", "download", "-json", &format!("{module}@{version}")]);
    // Outside of any module, so that no go.mod here is touched.
    command.current_dir(std::env::temp_dir()).env("GOWORK", "off").env("GOFLAGS", "-mod=mod");
    let output = command.output().expect("go is installed: see Prerequisites in README.md");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("go mod download {module}@{version}: {error}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    let folder =
        answer["Dir"].as_str().unwrap_or_else(|| panic!("{module}@{version} is not served: {answer}"));
    PathBuf::from(folder)
}

/// The root of the project.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
