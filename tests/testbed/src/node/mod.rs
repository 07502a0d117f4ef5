//! A real node beside the control plane: scheduler, containerd, kubelet, kube-proxy, DNS. Linux and root only.
//!
//! [`exec`] runs a command beside such a cluster. It first goes into namespaces of its own (`namespaces`), so that
//! nothing of the node touches the machine's network, mounts or processes, and nothing of it can stay.

mod container_runtime;
mod namespaces;
mod network;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node as KubernetesNode;
use kube::api::Api;
use serde_json::json;

use crate::control_plane::{ControlPlane, Reach, program};
use crate::error::{Error, Result};
use crate::folder::{Folder, write_private};
use crate::processes::Process;
use crate::programs::{NodePrograms, Servers};
use crate::runner;
use namespaces::NODE_ADDRESS;

/// Name of the node.
const NAME: &str = "node1";
/// It takes ten seconds on two idle cores; a machine that compiles at the same time is what this allows for.
const START: Duration = Duration::from_secs(120);

/// The processes of a node. Dropped in this order: kubelet first, so that it does not start again what ends.
#[derive(Debug)]
struct Node {
    _kubelet: Process,
    _scheduler: Process,
    _proxy: Process,
    _dns: Process,
    _containerd: Process,
}

/// Runs `command` beside a cluster of one node that has the images of `archives`, and returns its exit code.
///
/// The command runs in the namespaces of the node, as root: it reaches pods and Services by their addresses, and
/// nothing else but loopback. It finds the API server by `KUBECONFIG`.
pub async fn exec(archives: &[PathBuf], command: &[OsString]) -> Result<u8> {
    // Here and not inside: they may have to be downloaded or built, which needs the machine's network.
    Servers::find().await?;
    NodePrograms::find().await?;
    let executable =
        std::env::current_exe().map_err(Error::file("cannot find", Path::new("/proc/self/exe")))?;
    namespaces::enter(|folder| {
        let mut inside = vec![executable.into(), "node-inside".into(), "--folder".into(), folder.into()];
        for archive in archives {
            inside.extend(["--image".into(), archive.into()]);
        }
        inside.push("--".into());
        inside.extend_from_slice(command);
        inside
    })
    .await
}

/// The part of [`exec`] within the namespaces: starts the cluster with its files in `folder` and runs the command.
pub async fn exec_inside(folder: PathBuf, archives: &[PathBuf], command: &[OsString]) -> Result<u8> {
    let folder = Folder::of_another(folder);
    let started = Instant::now();
    let (servers, programs) = tokio::try_join!(Servers::find(), NodePrograms::find())?;
    let control_plane = ControlPlane::start(&servers, &folder, Reach::Node(NODE_ADDRESS)).await?;
    let _node = Node::start(&programs, &control_plane, &folder, archives).await?;
    eprintln!(
        "testbed: one-node cluster ready after {:.1} s, API server at {}",
        started.elapsed().as_secs_f64(),
        control_plane.url()
    );
    let environment = [
        ("KUBECONFIG", control_plane.kubeconfig("admin")?.display().to_string()),
        ("AGORA_TESTBED_NODE_FOLDER", folder.path().display().to_string()),
    ];
    runner::run(command, &environment).await
}

impl Node {
    async fn start(
        programs: &NodePrograms,
        control_plane: &ControlPlane,
        folder: &Folder,
        archives: &[PathBuf],
    ) -> Result<Self> {
        let path = folder.path().join("node");
        std::fs::create_dir_all(&path).map_err(Error::file("cannot make the folder", &path))?;
        let cni = network::write_cni(&path)?;
        let containerd = container_runtime::start(programs, folder, &path, &cni).await?;
        let scheduler = program("kube-scheduler", &programs.kube_scheduler, folder, &path)
            .flag("kubeconfig", control_plane.kubeconfig("system:kube-scheduler")?)
            .flag("leader-elect", "false")
            .start()?;
        let proxy = network::start_proxy(programs, control_plane, folder, &path)?;
        let (dns, kubelet, ()) = tokio::try_join!(
            network::start_dns(programs, control_plane, folder, &path),
            start_kubelet(programs, control_plane, folder, &path),
            container_runtime::import(programs, archives),
        )?;
        Ok(Self {
            _kubelet: kubelet,
            _scheduler: scheduler,
            _proxy: proxy,
            _dns: dns,
            _containerd: containerd,
        })
    }
}

async fn start_kubelet(
    programs: &NodePrograms,
    control_plane: &ControlPlane,
    folder: &Folder,
    path: &Path,
) -> Result<Process> {
    let configuration = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        // Nobody reaches this network but those who may do everything here anyway.
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": format!("unix://{}", container_runtime::SOCKET),
        "imageServiceEndpoint": format!("unix://{}", container_runtime::SOCKET),
        "clusterDNS": [network::DNS_ADDRESS],
        "clusterDomain": network::DOMAIN,
        // The machine's own name servers cannot be reached from here.
        "resolvConf": "",
        "podLogsDir": path.join("pods"),
        "volumePluginDir": path.join("volume-plugins"),
        // A tree of cgroups by quality of service needs a machine whose cgroups are all ours and of one version.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        // A full disk of the developer is not this node's to judge; it would throw out the pods.
        "evictionHard": {"nodefs.available": "0%", "imagefs.available": "0%", "memory.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        // Probes, restarts and status without the haste of a large cluster's defaults.
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "4s",
    });
    let configuration = write_private(path, "kubelet.json", &format!("{configuration:#}\n"))?;
    let mut process = program("kubelet", &programs.kubelet, folder, path)
        .flag("kubeconfig", control_plane.kubeconfig("system:node:node1")?)
        .flag("config", configuration)
        .flag("root-dir", path.join("kubelet"))
        .flag("cert-dir", path.join("kubelet-certs"))
        .flag("hostname-override", NAME)
        .flag("node-ip", NODE_ADDRESS.to_string())
        .start()?;
    let nodes = Api::<KubernetesNode>::all(control_plane.client("admin").await?);
    process
        .ready("the node's condition Ready", START, async || {
            let conditions = nodes.get(NAME).await.ok()?.status?.conditions?;
            conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True").then_some(())
        })
        .await?;
    Ok(process)
}
