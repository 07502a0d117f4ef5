//! What is in a snapshot: the bytes of one object.
//!
//! Owns reading and its limits. Which objects are snapshots is told by `inventory`.

use std::fmt;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::location::{Connections, Keys, Location};
use super::problem::BucketProblem;

/// No snapshot is so large: the vendor's have up to some hundred kilobytes.
pub const LARGEST: u64 = 16 * 1024 * 1024;

/// The objects of a bucket, to be read. Cheap to clone.
#[derive(Clone)]
pub struct Content(Arc<dyn ObjectStore>);

/// Why an object could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadProblem {
    /// There is none of this key any more.
    #[error("{0} is no longer in the bucket")]
    Gone(String),
    /// The keys may not read.
    #[error(
        "the snapshots may not be read with these keys: allow them to (s3:GetObject), or name a Secret with keys that \
         may in storage.readerCredentialsRef"
    )]
    AccessDenied,
    /// It is larger than [`LARGEST`].
    #[error("{key} has {size} bytes; that is no snapshot")]
    TooLarge {
        /// Key of the object.
        key: String,
        /// Bytes.
        size: u64,
    },
    /// What listing could meet, too.
    #[error(transparent)]
    Bucket(#[from] BucketProblem),
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Content")
    }
}

impl Content {
    /// The bucket at a location. Nothing is sent yet.
    ///
    /// # Errors
    /// [`BucketProblem::Unsupported`] where keys or location have a form that cannot be used.
    pub fn open(location: &Location, keys: &Keys, connections: &Connections) -> Result<Self, BucketProblem> {
        Ok(Self(location.objects(keys, connections)?))
    }

    /// The whole of an object.
    ///
    /// # Errors
    /// [`ReadProblem`].
    pub async fn read(&self, key: &str) -> Result<Vec<u8>, ReadProblem> {
        let path = Path::parse(key).map_err(|_| ReadProblem::Gone(key.to_owned()))?;
        let told = |error: object_store::Error| match &error {
            object_store::Error::NotFound { .. } => ReadProblem::Gone(key.to_owned()),
            _other => match BucketProblem::of(&error) {
                BucketProblem::AccessDenied(_) => ReadProblem::AccessDenied,
                problem => problem.into(),
            },
        };
        let found = self.0.get(&path).await.map_err(told)?;
        match found.meta.size {
            size if size > LARGEST => Err(ReadProblem::TooLarge { key: key.to_owned(), size }),
            _fits => found.bytes().await.map(|bytes| bytes.to_vec()).map_err(told),
        }
    }
}
