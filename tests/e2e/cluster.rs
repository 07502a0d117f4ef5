//! The cluster as its user has it: kubectl, waiting, and the one thing that a user cannot do, a crash.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Longest wait for anything here; the things themselves take seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks while waiting.
const LOOK: Duration = Duration::from_millis(200);

/// One line for the person who follows.
pub(crate) fn say(words: &str) {
    println!("    {words}");
}

/// The folder of this checkout.
pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of this run, where logs may go.
pub(crate) fn run_folder() -> PathBuf {
    let folder = std::env::var_os("AGORA_TESTBED_NODE_FOLDER");
    PathBuf::from(folder.expect("there is no cluster here: run the end-to-end tests with `make e2e`"))
}

/// Runs a program in the checkout and returns what came of it.
pub(crate) async fn run(program: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(checkout())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
    // It fails only if the program has ended, and then its output says why.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    child.wait_with_output().await.unwrap()
}

/// What it printed, standard output before standard error.
pub(crate) fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// A kubectl command as a user gives it, shown with what it prints.
pub(crate) async fn kubectl(arguments: &[&str]) -> String {
    println!("    $ kubectl {}", arguments.join(" "));
    let text = read(arguments).await;
    text.lines().for_each(|line| println!("      {line}"));
    text
}

/// A kubectl command that is not worth showing. It must succeed.
pub(crate) async fn read(arguments: &[&str]) -> String {
    let output = run(Path::new("kubectl"), arguments, "").await;
    assert!(output.status.success(), "kubectl {}: {}", arguments.join(" "), printed(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Hands documents to `kubectl apply`.
pub(crate) async fn apply(documents: &str) {
    let output = run(Path::new("kubectl"), &["apply", "-f", "-"], documents).await;
    assert!(output.status.success(), "kubectl apply: {}", printed(&output));
    // Of a namespace that enforces "restricted", the API server also warns where it only would refuse the pods.
    assert!(!printed(&output).contains("Warning"), "kubectl apply: {}", printed(&output));
}

/// `kubectl get ... -o json`.
pub(crate) async fn get(arguments: &[&str]) -> Value {
    let text = read(&[&["get"], arguments, &["-o", "json"]].concat()).await;
    serde_json::from_str(&text).unwrap()
}

/// Makes a namespace that takes restricted pods alone.
pub(crate) async fn create_namespace(name: &str) {
    apply(&format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    \
         pod-security.kubernetes.io/enforce: restricted\n"
    ))
    .await;
}

/// Asks again and again until there is an answer; `probe` says in words how far it is.
pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match probe().await {
            Ok(answer) => return answer,
            Err(seen) => {
                assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}; last seen: {seen}")
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until an object does not exist.
pub(crate) async fn gone(namespace: &str, kind: &str, name: &str) {
    read(&["wait", "--for=delete", kind, name, "-n", namespace, "--timeout=120s"]).await;
}

/// SIGKILL to the first process of a pod's only container: a crash, of which kubelet learns from containerd.
pub(crate) async fn kill_container(namespace: &str, pod: &str) {
    let pod = get(&["pod", pod, "-n", namespace]).await;
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap();
    let id = id.strip_prefix("containerd://").unwrap();
    // The cgroup of a container is named by its id. /proc has the processes of this cluster alone.
    let of_container = |entry: &PathBuf| {
        std::fs::read_to_string(entry.join("cgroup")).is_ok_and(|cgroups| cgroups.contains(id))
    };
    let found: Vec<PathBuf> =
        std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).filter(of_container).collect();
    let [process] = &found[..] else { panic!("one process of container {id} was expected, not {found:?}") };
    let pid = process.file_name().unwrap().to_str().unwrap();
    let output = run(Path::new("kill"), &["-s", "KILL", pid], "").await;
    assert!(output.status.success(), "{}", printed(&output));
    say(&format!("SIGKILL to process {pid}"));
}
