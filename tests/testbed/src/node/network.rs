//! The network of a node: addresses of pods (CNI), Services (kube-proxy) and their names (CoreDNS).
//! No NetworkPolicy is enforced by any of these.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, PostParams};

use super::namespaces::NODE_ADDRESS;
use crate::control_plane::{ControlPlane, program};
use crate::error::{Error, Result};
use crate::folder::{Folder, write_private};
use crate::processes::Process;
use crate::programs::NodePrograms;

/// Where pods have their addresses.
const POD_RANGE: &str = "10.244.0.0/24";
/// Cluster IP of the DNS Service, in the range of the API server.
pub(super) const DNS_ADDRESS: &str = "10.96.0.10";
/// The name under which Services are known.
pub(super) const DOMAIN: &str = "cluster.local";
/// See the other start times: a loaded machine is what this allows for.
const START: Duration = Duration::from_secs(60);

/// Writes how a pod gets its address and returns the folder that containerd reads this from.
pub(super) fn write_cni(path: &Path) -> Result<PathBuf> {
    let folder = path.join("cni");
    std::fs::create_dir_all(&folder).map_err(Error::file("cannot make the folder", &folder))?;
    let list = serde_json::json!({
        "cniVersion": "1.0.0",
        "name": "testbed",
        "plugins": [{
            "type": "ptp",
            "ipMasq": true,
            "ipam": {
                "type": "host-local",
                "dataDir": path.join("addresses"),
                "ranges": [[{"subnet": POD_RANGE}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    });
    write_private(&folder, "10-testbed.conflist", &format!("{list:#}\n"))?;
    Ok(folder)
}

/// Starts kube-proxy, which works once the API server has Services to tell of.
pub(super) fn start_proxy(
    programs: &NodePrograms,
    control_plane: &ControlPlane,
    folder: &Folder,
    path: &Path,
) -> Result<Process> {
    program("kube-proxy", &programs.kube_proxy, folder, path)
        .flag("kubeconfig", control_plane.kubeconfig("system:kube-proxy")?)
        .flag("hostname-override", super::NAME)
        .flag("proxy-mode", "iptables")
        .flag("cluster-cidr", POD_RANGE)
        // The limits of connection tracking are the machine's and not this network's to change.
        .flag("conntrack-max-per-core", "0")
        .flag("conntrack-tcp-timeout-established", "0")
        .flag("conntrack-tcp-timeout-close-wait", "0")
        .start()
}

/// Starts CoreDNS as a process of the node and makes the Service by which pods ask it.
pub(super) async fn start_dns(
    programs: &NodePrograms,
    control_plane: &ControlPlane,
    folder: &Folder,
    path: &Path,
) -> Result<Process> {
    control_plane.bind_cluster_role("coredns", "view").await?;
    let kubeconfig = control_plane.kubeconfig("coredns")?;
    // A name outside of the cluster has no answer here, as nothing outside can be reached.
    let corefile = format!(
        ".:53 {{\n  errors\n  ready {NODE_ADDRESS}:8181\n  kubernetes {DOMAIN} in-addr.arpa {{\n    \
         kubeconfig {}\n    ttl 5\n  }}\n}}\n",
        kubeconfig.display()
    );
    let corefile = write_private(path, "Corefile", &corefile)?;
    let mut process =
        program("coredns", &programs.coredns, folder, path).arg("-conf").arg(corefile).start()?;
    create_dns_service(control_plane).await?;
    process.answers(&format!("http://{NODE_ADDRESS}:8181/ready"), START).await?;
    Ok(process)
}

/// The Service `kube-dns` of every cluster, here without pods behind it.
async fn create_dns_service(control_plane: &ControlPlane) -> Result<()> {
    let ports = serde_json::json!([
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]);
    let service = serde_json::from_value::<Service>(serde_json::json!({
        "metadata": {"name": "kube-dns", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"clusterIP": DNS_ADDRESS, "ports": ports},
    }))
    .expect("the Service is well formed");
    let slice = serde_json::from_value::<EndpointSlice>(serde_json::json!({
        "metadata": {"name": "kube-dns", "labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": true}}],
        "ports": ports.as_array().into_iter().flatten().map(|port| serde_json::json!({
            "name": port["name"], "port": port["port"], "protocol": port["protocol"],
        })).collect::<Vec<_>>(),
    }))
    .expect("the EndpointSlice is well formed");
    let client = control_plane.client("admin").await?;
    let what = "cannot make the Service kube-dns";
    Api::namespaced(client.clone(), "kube-system")
        .create(&PostParams::default(), &service)
        .await
        .map_err(Error::kubernetes(what))?;
    Api::namespaced(client, "kube-system")
        .create(&PostParams::default(), &slice)
        .await
        .map_err(Error::kubernetes(what))?;
    Ok(())
}
