//! A node leaves nothing behind, however it ends, and two of them do not meet. `make e2e` runs this: it needs Linux,
//! root, and programs that take minutes to build.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The whole cluster has to end in this time, with a loaded machine in mind.
const SOON: Duration = Duration::from_secs(30);

/// A pod that runs until it is ended, with an address, a volume of its own and a mount from the cluster.
const POD: &str = "kubectl create namespace visited >/dev/null
kubectl -n visited wait --for=create serviceaccount/default --timeout=60s >/dev/null
kubectl -n visited run guest --image=localhost/pause:dev --image-pull-policy=Never >/dev/null
kubectl -n visited wait --for=condition=Ready pod/guest --timeout=60s >/dev/null
kubectl -n visited get pod guest -o 'jsonpath={.status.podIP}{\"\\n\"}'
";

/// `testbed node-exec` around a shell script, and what the script prints.
struct Node {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    folder: PathBuf,
}

impl Node {
    /// Starts one with a pod in it, and then goes on with `script`.
    fn with_pod(script: &str) -> Self {
        let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/images/pause.tar");
        assert!(image.exists(), "{} is missing: run this with `make e2e`", image.display());
        let mut process = Command::new(env!("CARGO_BIN_EXE_testbed"))
            .args(["node-exec", "--image"])
            .arg(image)
            .args(["--", "sh", "-ec", &format!("echo $AGORA_TESTBED_NODE_FOLDER\n{POD}{script}")])
            .env_remove("AGORA_TESTBED_KEEP")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let folder = lines.next().expect("the cluster starts").unwrap().into();
        let mut node = Self { process, lines, folder };
        let address = node.line();
        assert!(address.starts_with("10.244.0."), "the pod has no address: {address:?}");
        node
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the script goes on").unwrap()
    }

    /// The cgroups of the node, in every hierarchy of this machine.
    fn cgroups(&self) -> Vec<PathBuf> {
        let name = self.folder.file_name().unwrap();
        let folders = std::fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path());
        let all = folders.chain([PathBuf::from("/sys/fs/cgroup")]);
        all.map(|hierarchy| hierarchy.join(name)).filter(|path| path.is_dir()).collect()
    }

    /// The processes of the node, as this machine knows them.
    fn processes(&self) -> BTreeSet<u32> {
        let name = format!("/{}", self.folder.file_name().unwrap().display());
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|it| it.unwrap().file_name().to_str()?.parse().ok());
        pids.filter(|pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
                .is_ok_and(|cgroups| cgroups.contains(&name))
        })
        .collect()
    }

    fn assert_all_gone(&self, before: &Traces) {
        let deadline = Instant::now() + SOON;
        loop {
            let left = (self.processes(), self.cgroups(), self.folder.exists());
            if left == (BTreeSet::new(), vec![], false) {
                break;
            }
            assert!(Instant::now() < deadline, "processes, cgroups, folder still there: {left:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(&Traces::take(), before, "the machine is as it was");
    }
}

/// Also when an assertion fails.
impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What of a node's would be seen in the lists below: its folder, mounts, addresses and chains of the firewall.
const MARKS: [&str; 11] = [
    "agora-node-",
    " /run ",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/run/netns",
    "172.30.0.1",
    "10.244.",
    "10.96.",
    "KUBE-",
    "CNI-",
];

/// What a node could leave on the machine beside processes. Others may be at work here too, so only lines with a mark.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    lines: Vec<String>,
    forwarding: String,
}

impl Traces {
    fn take() -> Self {
        let output = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().unwrap();
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let lists = [
            std::fs::read_to_string("/proc/self/mounts").unwrap(),
            output("ip", &["-oneline", "address"]),
            output("ip", &["route"]),
            output("iptables-save", &[]),
        ];
        let marked = |line: &&str| MARKS.iter().any(|mark| line.contains(mark));
        Self {
            lines: lists.iter().flat_map(|list| list.lines()).filter(marked).map(str::to_owned).collect(),
            forwarding: std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(),
        }
    }
}

#[test]
fn killed_it_takes_everything_with_it_and_another_goes_on() {
    let before = Traces::take();
    // Same addresses, ports and pods on one machine.
    let mut survivor =
        Node::with_pod("kubectl -n visited get pod guest -o name; while :; do sleep 0.1; done");
    assert_eq!(survivor.line(), "pod/guest");
    let mut node = Node::with_pod("echo here; while :; do sleep 0.1; done");
    assert_eq!(node.line(), "here");
    for what in [&survivor, &node] {
        assert!(what.processes().len() > 9, "a cluster has more processes than {:?}", what.processes());
        assert!(!what.cgroups().is_empty());
    }
    node.process.kill().unwrap();
    node.process.wait().unwrap();
    node.assert_all_gone(&before);

    assert!(survivor.process.try_wait().unwrap().is_none(), "the other cluster has ended too");
    assert!(survivor.processes().len() > 9 && survivor.folder.exists());
    Command::new("kill").args(["-s", "TERM", &survivor.process.id().to_string()]).status().unwrap();
    assert_eq!(survivor.process.wait().unwrap().code(), Some(128 + 15));
    survivor.assert_all_gone(&before);
}

#[test]
fn ended_by_its_command_it_returns_that_ones_exit_code() {
    let before = Traces::take();
    let mut node = Node::with_pod(
        "kubectl -n visited get service -A --no-headers | wc -l
        echo $(cat /proc/self/mounts; ip address; iptables-save); exit 7",
    );
    assert_eq!(node.line(), "2", "the Services kubernetes and kube-dns");
    let within = node.line();
    for mark in ["KUBE-", "CNI-", "10.244.", "/run/netns"] {
        assert!(within.contains(mark), "{mark} is no mark of a node: {within}");
    }
    assert_eq!(node.process.wait().unwrap().code(), Some(7));
    // No waiting here: it clears everything before it ends.
    assert_eq!((node.processes(), node.cgroups(), node.folder.exists()), (BTreeSet::new(), vec![], false));
    node.assert_all_gone(&before);
}
