//! A bucket in memory behind the same paginated listing that the real services have, for the tests of this room.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use jiff::Timestamp;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta};

use super::bucket::Bucket;
use super::listing::LARGE_PAGE;

/// The folder that [`Service::bucket`] sees.
pub(super) const FOLDER: &str = "lobby/east";

/// A storage service, after the reference of S3's `ListObjectsV2`.
pub(super) struct Service {
    /// Keys, and when they were written.
    pub(super) objects: Mutex<BTreeMap<String, Timestamp>>,
    /// Prefix and start-after of every request.
    pub(super) requests: Mutex<Vec<(String, Option<String>)>>,
    /// Start-after is overheard.
    pub(super) deaf_to_start_after: bool,
    /// Folders are not folded.
    pub(super) deaf_to_delimiter: bool,
    /// It does not tell where it goes on.
    pub(super) without_tokens: bool,
    /// A page may be smaller than what was asked for.
    pub(super) most: usize,
    /// The text of the error that every request meets.
    pub(super) fault: Mutex<Option<String>>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            objects: Mutex::default(),
            requests: Mutex::default(),
            deaf_to_start_after: false,
            deaf_to_delimiter: false,
            without_tokens: false,
            most: LARGE_PAGE,
            fault: Mutex::default(),
        }
    }
}

impl Service {
    /// An object written now.
    pub(super) fn put(&self, key: &str) {
        self.put_at(key, Timestamp::now());
    }

    /// An object written then.
    pub(super) fn put_at(&self, key: &str, modified: Timestamp) {
        self.objects.lock().unwrap().insert(key.to_owned(), modified);
    }

    /// How many requests there were.
    pub(super) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The bucket, seen below its folder.
    pub(super) fn bucket(self: &Arc<Self>) -> Bucket {
        Bucket { store: Arc::<Self>::clone(self), folder: Some(FOLDER.into()) }
    }
}

#[async_trait::async_trait]
impl PaginatedListStore for Service {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> object_store::Result<PaginatedListResult> {
        let prefix = prefix.expect("the whole bucket is never listed");
        self.requests.lock().unwrap().push((prefix.to_owned(), options.offset.clone()));
        if let Some(fault) = self.fault.lock().unwrap().clone() {
            return Err(object_store::Error::Generic { store: "S3", source: fault.into() });
        }
        let most = options.max_keys.unwrap_or(LARGE_PAGE).min(self.most);
        let fold = options.delimiter.is_some() && !self.deaf_to_delimiter;
        let heard = options.offset.filter(|_| !self.deaf_to_start_after);
        // A token stands in place of start-after, and leaves out the folder that it names.
        let mut place = options.page_token.or(heard).unwrap_or_default();
        let mut result =
            ListResult { objects: vec![], common_prefixes: vec![], extensions: Default::default() };
        let mut last = String::new();
        let all = self.objects.lock().unwrap();
        loop {
            let from =
                if *place < *prefix { Bound::Included(prefix) } else { Bound::Excluded(place.as_str()) };
            let Some((key, modified)) = all.range::<str, _>((from, Bound::Unbounded)).next() else { break };
            let Some(name) = key.strip_prefix(prefix) else { break };
            if result.objects.len() + result.common_prefixes.len() == most {
                let page_token = (!self.without_tokens).then_some(last);
                return Ok(PaginatedListResult { result, page_token });
            }
            if let Some((below, _)) = name.split_once('/').filter(|_| fold) {
                let folder = format!("{prefix}{below}/");
                result.common_prefixes.push(Path::parse(&folder)?);
                last = format!("{folder}{}", char::MAX);
            } else {
                result.objects.push(ObjectMeta {
                    location: Path::parse(key)?,
                    last_modified: SystemTime::from(*modified).into(),
                    size: 0,
                    e_tag: None,
                    version: None,
                });
                last.clone_from(key);
            }
            place.clone_from(&last);
        }
        Ok(PaginatedListResult { result, page_token: None })
    }
}
