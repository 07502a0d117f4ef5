//! Buckets. Owns the way from an upload to a real S3 server, with the keys that the start body carried, and what a
//! failure there means. Without a server the files stay in memory and can be read over the control interface.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use thiserror::Error as ThisError;

use crate::service::UploadFailure;
use crate::validate::Storage;

/// How long one file may take to go up.
const UPLOAD_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no storage.
#[derive(Debug, ThisError)]
#[error("the HTTP client for uploads could not be made: {0}")]
pub struct StorageError(#[from] reqwest::Error);

/// Where files go.
#[derive(Debug)]
pub enum Buckets {
    /// To one S3 server, which stands for the storage of every vendor.
    S3(S3),
    /// Into memory, whatever the keys: one store for each bucket.
    Memory(Mutex<BTreeMap<String, Arc<InMemory>>>),
}

/// An S3 server.
#[derive(Debug)]
pub struct S3 {
    endpoint: String,
    region: String,
    connector: Connector,
    /// A client for each pair of keys: making one for each file would be slow.
    clients: Mutex<BTreeMap<Storage, Arc<dyn ObjectStore>>>,
}

#[derive(Clone, Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

impl Buckets {
    /// Buckets on an S3 server (path style). `region` is what the server signs with.
    pub fn s3(endpoint: &str, region: &str) -> Result<Self, StorageError> {
        // Proxies are for the world outside; the S3 server of a test is not there.
        let client = reqwest::Client::builder().no_proxy().timeout(UPLOAD_LIMIT).build()?;
        Ok(Self::S3(S3 {
            endpoint: endpoint.to_owned(),
            region: region.to_owned(),
            connector: Connector(client),
            clients: Mutex::default(),
        }))
    }

    /// Buckets in memory.
    pub fn memory() -> Self {
        Self::Memory(Mutex::default())
    }

    /// Puts a file into its bucket.
    pub async fn put(&self, storage: &Storage, key: &str, bytes: Vec<u8>) -> Result<(), UploadFailure> {
        let bucket = match self {
            Self::S3(s3) => s3.client(storage).map_err(|error| judge(&error))?,
            Self::Memory(buckets) => memory_bucket(buckets, &storage.bucket),
        };
        let path = Path::parse(key).map_err(|error| UploadFailure::WrongConfiguration(error.to_string()))?;
        bucket.put(&path, PutPayload::from(bytes)).await.map(|_| ()).map_err(|error| judge(&error))
    }

    /// Reads a file back from memory; nothing if it is not there, or if the buckets are on a server.
    pub async fn read(&self, bucket: &str, key: &str) -> Option<bytes::Bytes> {
        let Self::Memory(buckets) = self else { return None };
        let bucket = memory_bucket(buckets, bucket);
        bucket.get(&Path::parse(key).ok()?).await.ok()?.bytes().await.ok()
    }
}

impl S3 {
    fn client(&self, storage: &Storage) -> object_store::Result<Arc<dyn ObjectStore>> {
        let mut clients = self.clients.lock().expect("no panic happens while the clients are locked");
        if let Some(client) = clients.get(storage) {
            return Ok(Arc::clone(client));
        }
        let mut builder = AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(false)
            .with_allow_http(true)
            .with_bucket_name(&storage.bucket)
            .with_access_key_id(&storage.access_key)
            .with_secret_access_key(&storage.secret_key)
            .with_http_connector(self.connector.clone())
            // The service retries by itself, and says so in its events.
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
        if let Some(token) = &storage.sts_token {
            builder = builder.with_token(token);
        }
        let client: Arc<dyn ObjectStore> = Arc::new(builder.build()?);
        clients.insert(storage.clone(), Arc::clone(&client));
        Ok(client)
    }
}

fn memory_bucket(buckets: &Mutex<BTreeMap<String, Arc<InMemory>>>, name: &str) -> Arc<dyn ObjectStore> {
    let mut buckets = buckets.lock().expect("no panic happens while the buckets are locked");
    Arc::clone(buckets.entry(name.to_owned()).or_default()) as Arc<dyn ObjectStore>
}

/// What the vendor's uploader would make of a failure. The server's own words are kept to the status: they can quote
/// the access key.
fn judge(error: &Error) -> UploadFailure {
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            UploadFailure::Refused("the storage refused the keys".to_owned())
        }
        Error::NotFound { .. } => UploadFailure::WrongConfiguration("the bucket does not exist".to_owned()),
        other if other.to_string().contains("status code: 4") => {
            UploadFailure::WrongConfiguration("the storage refused the request".to_owned())
        }
        _ => UploadFailure::Transient("the storage could not be reached or had a fault".to_owned()),
    }
}
