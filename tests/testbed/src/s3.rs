//! A real S3 server (versitygw on a local folder): buckets, accounts with narrow rights, and what is in a bucket.
//! It leaves to the tests what the objects mean.

use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, AwsCredential};
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};

use crate::control_plane::again_if_port_was_taken;
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::processes::{Process, Program};
use crate::programs::Servers;

/// It starts at once; a machine that compiles at the same time is what this allows for.
const START: Duration = Duration::from_secs(30);

/// The region that the server says it is in; requests are signed for it.
pub const REGION: &str = "us-east-1";

/// A running S3 server, started here or by the runner of the tests.
#[derive(Debug)]
pub struct S3 {
    endpoint: String,
    root: Keys,
    _process: Option<Process>,
}

/// The keys of one account.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Access key, not a secret.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

/// What an account may do in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Upload only, all that the vendor needs.
    Write,
    /// List and download only.
    Read,
}

impl S3 {
    /// Starts the server with its objects in `folder`, and a root account of this run alone.
    pub async fn start(servers: &Servers, folder: &Folder) -> Result<Self> {
        let root = Keys::random();
        let path = folder.path().join("s3");
        for part in ["objects", "accounts"] {
            std::fs::create_dir_all(path.join(part)).map_err(Error::file("cannot make the folder", &path))?;
        }
        let (process, endpoint) = again_if_port_was_taken(async || {
            match start_server(servers, folder, &path, &root, Metadata::ExtendedAttributes).await {
                // A file system without extended attributes (some tmpfs): metadata in files beside the objects.
                Err(Error::EndedEarly { log, .. }) if log.contains("xattr") => {
                    start_server(servers, folder, &path, &root, Metadata::Files).await
                }
                result => result,
            }
        })
        .await?;
        Ok(Self { endpoint, root, _process: Some(process) })
    }

    /// Joins the server that another process started.
    pub fn join(endpoint: String, root: Keys) -> Self {
        Self { endpoint, root, _process: None }
    }

    /// `http://127.0.0.1:PORT`. Buckets are addressed by path.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The account that may do everything.
    pub fn root(&self) -> &Keys {
        &self.root
    }

    /// Makes a bucket of the root account.
    pub async fn create_bucket(&self, bucket: &str) -> Result<()> {
        self.administer(http::Method::PUT, &format!("/{bucket}"), String::new()).await
    }

    /// Makes an account that may do nothing until [`S3::set_access`] lets it.
    pub async fn create_account(&self) -> Result<Keys> {
        let keys = Keys::random();
        let account = format!(
            "<Account><Access>{}</Access><Secret>{}</Secret><Role>user</Role></Account>",
            keys.access_key, keys.secret_key
        );
        self.administer(http::Method::PATCH, "/create-user", account).await?;
        Ok(keys)
    }

    /// Replaces who, besides root, may do what in `bucket`.
    pub async fn set_access(&self, bucket: &str, accounts: &[(&Keys, Rights)]) -> Result<()> {
        let statements: Vec<_> =
            accounts.iter().flat_map(|(keys, rights)| rights.statements(bucket, keys)).collect();
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": statements});
        self.administer(http::Method::PUT, &format!("/{bucket}?policy="), policy.to_string()).await
    }

    /// The bucket as the holder of `keys` sees it.
    pub fn bucket(&self, bucket: &str, keys: &Keys) -> Result<AmazonS3> {
        crate::install_crypto_provider();
        AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_region(REGION)
            .with_bucket_name(bucket)
            .with_access_key_id(&keys.access_key)
            .with_secret_access_key(&keys.secret_key)
            .with_virtual_hosted_style_request(false)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            // A refusal is what some tests look for; nothing here gets better by asking again.
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .build()
            .map_err(storage(format!("cannot make a client for bucket {bucket}")))
    }

    /// The keys of all objects in `bucket` whose key starts with the folder `prefix` (all for ""), sorted.
    pub async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>> {
        let prefix = (!prefix.is_empty()).then(|| object_store::path::Path::from(prefix));
        let mut keys: Vec<String> = self
            .bucket(bucket, &self.root)?
            .list(prefix.as_ref())
            .map_ok(|object| object.location.to_string())
            .try_collect()
            .await
            .map_err(storage(format!("cannot list bucket {bucket}")))?;
        keys.sort();
        Ok(keys)
    }

    /// The content of one object.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>> {
        let failed = || storage(format!("cannot read {key} of bucket {bucket}"));
        let object = self
            .bucket(bucket, &self.root)?
            .get(&object_store::path::Path::from(key))
            .await
            .map_err(failed())?;
        Ok(object.bytes().await.map_err(failed())?.to_vec())
    }

    /// One signed request of the root account that is not about an object.
    async fn administer(&self, method: http::Method, path: &str, body: String) -> Result<()> {
        let what = format!("S3: {method} {path}");
        let credential = AwsCredential {
            key_id: self.root.access_key.clone(),
            secret_key: self.root.secret_key.clone(),
            token: None,
        };
        let url = format!("{}{path}", self.endpoint);
        let mut signed = http::Request::builder()
            .method(method.clone())
            .uri(&url)
            .body(object_store::client::HttpRequestBody::from(body.clone()))
            .map_err(Error::http(&what))?;
        AwsAuthorizer::new(&credential, "s3", REGION)
            .try_authorize(&mut signed, None)
            .map_err(storage(what.clone()))?;
        let answer = crate::http_client()?
            .request(method, &url)
            .headers(signed.headers().clone())
            .body(body)
            .send()
            .await
            .map_err(Error::http(&what))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let body = answer.text().await.unwrap_or_default();
        Err(Error::Refused { what, status: status.as_u16(), body })
    }
}

impl Keys {
    fn random() -> Self {
        Self { access_key: crate::random_hex()[..20].to_uppercase(), secret_key: crate::random_hex() }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl Rights {
    fn statements(self, bucket: &str, keys: &Keys) -> Vec<serde_json::Value> {
        let allow = |action: &str, resource: String| {
            serde_json::json!({
                "Effect": "Allow", "Principal": {"AWS": keys.access_key}, "Action": action, "Resource": resource,
            })
        };
        let (bucket, objects) = (format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*"));
        match self {
            Self::Write => vec![allow("s3:PutObject", objects)],
            Self::Read => vec![allow("s3:ListBucket", bucket), allow("s3:GetObject", objects)],
        }
    }
}

/// Where the server keeps what it knows of an object besides its content.
enum Metadata {
    ExtendedAttributes,
    Files,
}

async fn start_server(
    servers: &Servers,
    folder: &Folder,
    path: &Path,
    root: &Keys,
    metadata: Metadata,
) -> Result<(Process, String)> {
    let address = format!("127.0.0.1:{}", crate::free_port()?);
    let mut program = Program::new("versitygw", &servers.versitygw, path.join("versitygw.log"))
        .env("ROOT_ACCESS_KEY", &root.access_key)
        .env("ROOT_SECRET_KEY", &root.secret_key)
        .args(["--port", &address, "--region", REGION, "--health", "/health", "--keep-alive", "--iam-dir"])
        .arg(path.join("accounts"))
        .arg("posix");
    if let Metadata::Files = metadata {
        let sidecar = path.join("metadata");
        std::fs::create_dir_all(&sidecar).map_err(Error::file("cannot make the folder", &sidecar))?;
        program = program.arg("--sidecar").arg(sidecar);
    }
    if let Some(doomed) = folder.doomed() {
        program = program.in_folder(doomed);
    }
    let mut process = program.arg(path.join("objects")).start()?;
    let endpoint = format!("http://{address}");
    process.answers(&format!("{endpoint}/health"), START).await?;
    Ok((process, endpoint))
}

fn storage(what: String) -> impl FnOnce(object_store::Error) -> Error {
    move |source| Error::Storage { what, source }
}
