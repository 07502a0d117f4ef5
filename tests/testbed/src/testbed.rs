//! The servers of a test run together: started here, or joined when the runner started them.
//! It owns the environment variables by which a test binary finds them.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use tokio::sync::OnceCell;

use crate::control_plane::{ControlPlane, Reach};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::programs::Servers;
use crate::s3::{Keys, S3};

/// The folder of the run, with the kubeconfigs, the audit log and all logs.
const FOLDER: &str = "AGORA_TESTBED_FOLDER";
/// Address of the S3 server.
const S3_ENDPOINT: &str = "AGORA_TESTBED_S3_ENDPOINT";
/// Keys of its root account.
const S3_ACCESS_KEY: &str = "AGORA_TESTBED_S3_ACCESS_KEY";
/// See [`S3_ACCESS_KEY`].
const S3_SECRET_KEY: &str = "AGORA_TESTBED_S3_SECRET_KEY";
/// The audit log's file, for those who read it without this crate.
const AUDIT_LOG: &str = "AGORA_TESTBED_AUDIT_LOG";

/// One for each test binary that was not started by the runner; it goes with the process, by the watchdogs.
static OWN: OnceCell<Testbed> = OnceCell::const_new();

/// A control plane and an S3 server.
#[derive(Debug)]
pub struct Testbed {
    control_plane: ControlPlane,
    s3: S3,
    /// Last, so that the servers are gone before their files.
    folder: RunFolder,
}

#[derive(Debug)]
enum RunFolder {
    Own(Folder),
    Joined(PathBuf),
}

impl Testbed {
    /// Starts everything, on free ports in a fresh folder.
    pub async fn start() -> Result<Self> {
        let servers = Servers::find().await?;
        let folder = Folder::new("testbed")?;
        let (control_plane, s3) = tokio::try_join!(
            ControlPlane::start(&servers, &folder, Reach::Loopback),
            S3::start(&servers, &folder)
        )?;
        Ok(Self { control_plane, s3, folder: RunFolder::Own(folder) })
    }

    /// What a test begins with: joins the servers of `testbed exec` if the environment names them, else the ones of
    /// this test binary, which the first caller starts.
    pub async fn from_env() -> Result<&'static Self> {
        OWN.get_or_try_init(async || match std::env::var_os(FOLDER) {
            Some(folder) => Self::join(PathBuf::from(folder)),
            None => Self::start().await,
        })
        .await
    }

    /// The variables by which another process finds these servers; `KUBECONFIG` is that of `admin`.
    pub fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        let text = |path: &Path| path.display().to_string();
        Ok(vec![
            (FOLDER, text(self.folder())),
            (AUDIT_LOG, text(self.control_plane.audit_log().path())),
            (S3_ENDPOINT, self.s3.endpoint().to_owned()),
            (S3_ACCESS_KEY, self.s3.root().access_key.clone()),
            (S3_SECRET_KEY, self.s3.root().secret_key.clone()),
            ("KUBECONFIG", text(&self.control_plane.kubeconfig("admin")?)),
        ])
    }

    /// The Kubernetes API server and its neighbours.
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// The S3 server.
    pub fn s3(&self) -> &S3 {
        &self.s3
    }

    /// Where the files of this run are, and where a test may put its logs.
    pub fn folder(&self) -> &Path {
        match &self.folder {
            RunFolder::Own(folder) => folder.path(),
            RunFolder::Joined(path) => path,
        }
    }

    /// Makes a namespace whose name starts with `name` and is unlike any other's, and returns that name.
    pub async fn create_namespace(&self, name: &str) -> Result<String> {
        let namespace = Namespace {
            metadata: ObjectMeta { generate_name: Some(format!("{name}-")), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let created = Api::<Namespace>::all(self.control_plane.client("admin").await?)
            .create(&PostParams::default(), &namespace)
            .await
            .map_err(Error::kubernetes(format!("cannot make namespace {name}")))?;
        Ok(created.metadata.name.expect("the API server names every object"))
    }

    /// Asks for a namespace to end; it does so once all in it is gone.
    pub async fn delete_namespace(&self, name: &str) -> Result<()> {
        Api::<Namespace>::all(self.control_plane.client("admin").await?)
            .delete(name, &DeleteParams::default())
            .await
            .map(|_| ())
            .map_err(Error::kubernetes(format!("cannot delete namespace {name}")))
    }

    fn join(folder: PathBuf) -> Result<Self> {
        let s3 = S3::join(
            variable(S3_ENDPOINT)?,
            Keys { access_key: variable(S3_ACCESS_KEY)?, secret_key: variable(S3_SECRET_KEY)? },
        );
        Ok(Self { control_plane: ControlPlane::join(&folder)?, s3, folder: RunFolder::Joined(folder) })
    }
}

fn variable(name: &'static str) -> Result<String> {
    std::env::var(name).map_err(|error| Error::Environment { variable: name, state: error.to_string() })
}
