//! What a person who follows the run sees: each step, how long it took, and the state of the cluster where one failed.

use std::process::Command;
use std::time::Instant;

/// Runs a step under a heading and tells how long it took.
pub(crate) async fn step<T>(heading: &str, work: impl Future<Output = T>) -> T {
    println!("\n==> {heading}");
    let begun = Instant::now();
    let diagnosis = Diagnosis;
    let result = work.await;
    drop(diagnosis);
    println!("    {heading}: {:.1} s", begun.elapsed().as_secs_f64());
    result
}

/// Shows the cluster when it is dropped by a panic: afterwards there is nothing left to look at.
struct Diagnosis;

impl Drop for Diagnosis {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for command in [
            "kubectl get pods,jobs,leases -A -o wide",
            "kubectl get events -A --sort-by=.metadata.creationTimestamp",
            "kubectl get snapshotjobs -A -o yaml",
            "tail -n 20 $AGORA_TESTBED_NODE_FOLDER/node/pods/*/*/*.log | cut -c 1-400",
        ] {
            println!("    $ {command}");
            // It prints by itself; if that fails too, the panic has said what matters.
            let _ = Command::new("sh").args(["-c", command]).status();
        }
    }
}
