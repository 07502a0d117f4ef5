//! The Kubernetes control plane of a run: etcd, kube-apiserver and the controllers that the tests need.
//! It owns how they are started and reached. Users and kubeconfigs are with [`crate::users`], the audit log's
//! content with [`crate::audit`].

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::audit::AuditLog;
use crate::error::{Error, Result};
use crate::folder::{Folder, write_private};
use crate::processes::{Process, Program};
use crate::programs::Servers;
use crate::users;

/// All three together take 3 s on two idle cores; a machine that compiles at the same time takes many times that,
/// and more than this is no start but a fault.
const START: Duration = Duration::from_secs(90);

/// Writes of snapshotjobs and of all else are recorded, reads are not. One line for each request: the stage
/// before the answer would count every write twice. Leases and the controllers' own writes are noise here.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  users: [kube-controller-manager, 'system:apiserver']
- level: None
  resources: [{group: coordination.k8s.io, resources: [leases]}]
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
";

/// The controllers that tests rely on: namespaces end, dependents are collected, service accounts get tokens and
/// the CA, and aggregated ClusterRoles (view, edit, admin) are filled.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,serviceaccount-controller,\
serviceaccount-token-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller,\
deployment-controller";

/// From where the API server is to be reached, and so what the control plane is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From this machine's loopback address alone; with the few controllers that tests without a node rely on.
    Loopback,
    /// From pods too, at this address of the node that runs them; with all controllers.
    Node(Ipv4Addr),
}

/// A running control plane, started here or by the runner of the tests.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    url: String,
    /// Empty when it was joined. Dropped in this order: those who write before the store.
    processes: Vec<Process>,
}

impl ControlPlane {
    /// Starts etcd, kube-apiserver and kube-controller-manager with their files in `folder` and waits until the
    /// API server is ready and the controllers work.
    pub async fn start(servers: &Servers, folder: &Folder, reach: Reach) -> Result<Self> {
        let path = folder.path().join("control-plane");
        std::fs::create_dir_all(path.join("certs")).map_err(Error::file("cannot make the folder", &path))?;
        let signing = rcgen::KeyPair::generate().expect("an ECDSA key can be made");
        write_private(&path, "service-accounts.key", &signing.serialize_pem())?;
        write_private(&path, "service-accounts.pub", &signing.public_key_pem())?;
        write_private(&path, "audit-policy.yaml", AUDIT_POLICY)?;
        users::write_tokens(&path)?;

        let (etcd, etcd_url) =
            again_if_port_was_taken(async || start_etcd(servers, folder, &path).await).await?;
        let (apiserver, url) =
            again_if_port_was_taken(async || start_apiserver(servers, folder, &path, &etcd_url, reach).await)
                .await?;
        write_private(&path, "url", &url)?;
        let mut control_plane = Self { folder: path, url, processes: vec![] };
        for user in ["admin", "operator", "kube-controller-manager"] {
            control_plane.kubeconfig(user)?;
        }
        let manager = control_plane.start_controller_manager(servers, folder, reach).await?;
        control_plane.processes = vec![manager, apiserver, etcd];
        Ok(control_plane)
    }

    /// Joins the control plane that another process started in `folder`.
    pub fn join(folder: &Path) -> Result<Self> {
        let path = folder.join("control-plane");
        let url = path.join("url");
        let url = std::fs::read_to_string(&url)
            .map_err(Error::file("cannot read the address of the API server from", &url))?;
        Ok(Self { folder: path, url, processes: vec![] })
    }

    /// The address of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The file with the API server's certificates.
    pub fn certificate_authority(&self) -> PathBuf {
        self.folder.join("certs/apiserver.crt")
    }

    /// Writes (again) and returns the kubeconfig of a user of the token file: `admin`, who may do everything, or
    /// `operator`, who may do what is bound to it.
    pub fn kubeconfig(&self, user: &str) -> Result<PathBuf> {
        let path = self.folder.join(format!("{user}.kubeconfig"));
        if path.exists() {
            return Ok(path);
        }
        self.kubeconfig_for_token(user, &users::token(&self.folder, user)?)
    }

    /// Writes a kubeconfig named `name` for another token, that of a service account for example.
    pub fn kubeconfig_for_token(&self, name: &str, token: &str) -> Result<PathBuf> {
        users::write_kubeconfig(&self.folder, name, &self.url, &self.certificate_authority(), token)
    }

    /// A client of a user of the token file. It belongs to the runtime it is first used in.
    pub async fn client(&self, user: &str) -> Result<kube::Client> {
        client(&self.kubeconfig(user)?).await
    }

    /// Gives a user what a ClusterRole allows, in every namespace. Giving it twice is no error.
    pub async fn bind_cluster_role(&self, user: &str, role: &str) -> Result<()> {
        let binding = serde_json::from_value::<ClusterRoleBinding>(serde_json::json!({
            "metadata": {"name": format!("testbed-{user}-{role}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }))
        .expect("the binding is well formed");
        match Api::all(self.client("admin").await?).create(&PostParams::default(), &binding).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            result => result
                .map(|_| ())
                .map_err(Error::kubernetes(format!("cannot bind ClusterRole {role} to user {user}"))),
        }
    }

    /// What the API server was asked to write.
    pub fn audit_log(&self) -> AuditLog {
        AuditLog::at(self.folder.join("audit.log"))
    }

    async fn start_controller_manager(
        &self,
        servers: &Servers,
        folder: &Folder,
        reach: Reach,
    ) -> Result<Process> {
        let key = self.folder.join("service-accounts.key");
        let mut process =
            program("kube-controller-manager", &servers.kube_controller_manager, folder, &self.folder)
                .flag("kubeconfig", self.kubeconfig("kube-controller-manager")?)
                .flag("service-account-private-key-file", key)
                .flag("root-ca-file", self.certificate_authority())
                .flag("controllers", if reach == Reach::Loopback { CONTROLLERS } else { "*" })
                .flag("use-service-account-credentials", "false")
                .flag("leader-elect", "false")
                .flag("secure-port", "0")
                .start()?;
        // The account that the controllers give every namespace is the proof that they work.
        let client = self.client("admin").await?;
        let accounts = Api::<ServiceAccount>::namespaced(client, "default");
        process
            .ready("the service account of namespace default", START, async || {
                accounts.get("default").await.ok()
            })
            .await?;
        Ok(process)
    }
}

/// A client from a kubeconfig file.
pub(crate) async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    crate::install_crypto_provider();
    let unusable = |error: &dyn std::error::Error| Error::Http {
        what: format!("cannot make a client from {}", kubeconfig.display()),
        detail: error.to_string(),
    };
    let document = Kubeconfig::read_from(kubeconfig).map_err(|error| unusable(&error))?;
    let config = kube::Config::from_custom_kubeconfig(document, &KubeConfigOptions::default())
        .await
        .map_err(|error| unusable(&error))?;
    kube::Client::try_from(config).map_err(|error| unusable(&error))
}

pub(crate) fn program(name: &str, executable: &Path, folder: &Folder, path: &Path) -> Program {
    let program = Program::new(name, executable, path.join(format!("{name}.log")));
    match folder.doomed() {
        Some(doomed) => program.in_folder(doomed),
        None => program,
    }
}

async fn start_etcd(servers: &Servers, folder: &Folder, path: &Path) -> Result<(Process, String)> {
    let (clients, peers) = (
        format!("http://127.0.0.1:{}", crate::free_port()?),
        format!("http://127.0.0.1:{}", crate::free_port()?),
    );
    let mut process = program("etcd", &servers.etcd, folder, path)
        .flag("data-dir", path.join("etcd"))
        // Nothing here has to survive a power cut.
        .arg("--unsafe-no-fsync")
        .flag("listen-client-urls", &clients)
        .flag("advertise-client-urls", &clients)
        .flag("listen-peer-urls", &peers)
        .flag("initial-advertise-peer-urls", &peers)
        .flag("initial-cluster", format!("default={peers}"))
        .start()?;
    process.answers(&format!("{clients}/health"), START).await?;
    Ok((process, clients))
}

async fn start_apiserver(
    servers: &Servers,
    folder: &Folder,
    path: &Path,
    etcd: &str,
    reach: Reach,
) -> Result<(Process, String)> {
    let port = crate::free_port()?;
    let address = match reach {
        Reach::Loopback => Ipv4Addr::LOCALHOST,
        Reach::Node(address) => address,
    };
    let url = format!("https://{address}:{port}");
    let program = program("kube-apiserver", &servers.kube_apiserver, folder, path)
        .flag("etcd-servers", etcd)
        .flag("secure-port", port.to_string())
        .flag("cert-dir", path.join("certs"))
        .flag("service-account-key-file", path.join("service-accounts.pub"))
        .flag("service-account-signing-key-file", path.join("service-accounts.key"))
        .flag("service-account-issuer", "https://kubernetes.default.svc")
        .flag("authorization-mode", "RBAC,Node")
        .flag("token-auth-file", path.join("tokens.csv"))
        .flag("service-cluster-ip-range", "10.96.0.0/16")
        .flag("allow-privileged", "true")
        .flag("audit-policy-file", path.join("audit-policy.yaml"))
        .flag("audit-log-path", path.join("audit.log"))
        .flag("audit-log-format", "json")
        // The line is there before the client has its answer, and in one file: a reader keeps its place.
        .flag("audit-log-mode", "blocking")
        .flag("audit-log-maxsize", "10000");
    let mut process = match reach {
        // No pod looks for the server through a Service here.
        Reach::Loopback => program.flag("bind-address", "127.0.0.1").flag("endpoint-reconciler-type", "none"),
        Reach::Node(address) => program
            .flag("bind-address", "0.0.0.0")
            .flag("advertise-address", address.to_string())
            .flag("kubelet-preferred-address-types", "InternalIP"),
    }
    .start()?;
    let token = users::token(path, "admin")?;
    let authority = path.join("certs/apiserver.crt");
    process
        .ready(&format!("ok from {url}/readyz"), START, async || {
            // The server writes its certificate when it starts, so the client cannot be made before.
            if !authority.exists() {
                return None;
            }
            let kubeconfig = users::write_kubeconfig(path, "starting", &url, &authority, &token).ok()?;
            let request = http::Request::get("/readyz").body(vec![]).ok()?;
            client(&kubeconfig).await.ok()?.request_text(request).await.ok()
        })
        .await?;
    Ok((process, url))
}

/// Free ports are found first and used later; when somebody else was quicker, other ports are tried. Go writes what the
/// system says of that in small letters, Rust does not.
pub(crate) async fn again_if_port_was_taken<T>(mut start: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut tries = 3;
    loop {
        tries -= 1;
        match start().await {
            Err(Error::EndedEarly { log, .. }) if tries > 0 && says_port_was_taken(&log) => {}
            result => return result,
        }
    }
}

fn says_port_was_taken(log: &str) -> bool {
    log.to_ascii_lowercase().contains("address already in use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn other_ports_are_tried_whatever_language_says_that_one_was_taken() {
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = taken.local_addr().expect("its address");
        let system = std::net::TcpListener::bind(address).expect_err("the port is taken");
        for (log, tries) in [
            (format!("cannot be listened on: {system}"), 2),
            ("listen tcp 127.0.0.1:1: bind: address already in use".to_owned(), 2),
            ("cannot be listened on: Permission denied (os error 13)".to_owned(), 1),
        ] {
            let mut tried = 0;
            let result = again_if_port_was_taken(async || {
                tried += 1;
                let (program, status, log) = ("server".to_owned(), "exit status: 1".to_owned(), log.clone());
                if tried == 1 { Err(Error::EndedEarly { program, status, log }) } else { Ok(()) }
            });
            assert_eq!(result.await.is_ok(), tries == 2, "{log}");
            assert_eq!(tried, tries, "{log}");
        }
    }
}
