//! Buckets: names and times, listed as S3 does (ListObjectsV2), and objects written and deleted. What the files hold is of no interest here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use agora_simulator::clock::{Millis, rfc3339};
use http::{Method, Response, Uri};
use reqwest::Url;

/// What S3 gives at most.
const PAGE: usize = 1000;

/// All buckets.
#[derive(Default)]
pub(crate) struct Buckets {
    objects: BTreeMap<String, BTreeMap<String, Millis>>,
    /// Whether nobody may write.
    pub(crate) closed: bool,
}

impl Buckets {
    pub(super) fn put(&mut self, bucket: &str, key: &str, at: Millis) {
        self.objects.entry(bucket.to_owned()).or_default().insert(key.to_owned(), at);
    }

    /// Answers a request that writes or deletes an object.
    pub(crate) fn write(&mut self, method: &Method, uri: &Uri, at: Millis) -> Response<Vec<u8>> {
        let (bucket, key) =
            uri.path().trim_start_matches('/').split_once('/').expect("the path of an object in a bucket");
        let answer = |status: u16, body: &str| {
            let answer = Response::builder().status(status).header("ETag", "\"0\"");
            answer.body(body.as_bytes().to_vec()).expect("an answer")
        };
        if self.closed {
            return answer(403, "<Error><Code>AccessDenied</Code></Error>");
        }
        match *method {
            Method::PUT => {
                self.put(bucket, key, at);
                answer(200, "")
            }
            Method::DELETE => {
                self.objects.entry(bucket.to_owned()).or_default().remove(key);
                answer(204, "")
            }
            _ => panic!("objects are written and deleted, and no more: {method} {uri}"),
        }
    }

    /// Probe objects that were left.
    pub(crate) fn probes(&self) -> usize {
        self.objects.values().flat_map(BTreeMap::keys).filter(|key| key.contains("/agora-snapshot-")).count()
    }

    /// Answers a request for a list.
    pub(crate) fn list(&self, uri: &Uri) -> Response<Vec<u8>> {
        let url = Url::parse(&uri.to_string()).expect("an absolute URL");
        let bucket = url.path().trim_matches('/');
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query.get("list-type").map(String::as_str), Some("2"), "only lists are asked for: {uri}");
        let answer = |status, body: String| {
            Response::builder().status(status).body(body.into_bytes()).expect("an answer")
        };
        // A bucket is there from the first file on; before, it is empty.
        let none = BTreeMap::new();
        let page = Page::of(self.objects.get(bucket).unwrap_or(&none), &query);
        answer(200, page.xml(bucket))
    }
}

#[derive(Default)]
struct Page {
    keys: Vec<(String, Millis)>,
    folders: Vec<String>,
    /// Where it goes on.
    token: Option<String>,
}

impl Page {
    fn of(objects: &BTreeMap<String, Millis>, query: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let prefix = text("prefix");
        let delimiter = query.get("delimiter").filter(|delimiter| !delimiter.is_empty());
        let most = text("max-keys").parse().unwrap_or(PAGE).min(PAGE);
        // A token is the last name that was given.
        let after = query.get("continuation-token").map_or(text("start-after"), String::as_str);
        let mut page = Self::default();
        let mut last = String::new();
        for (key, modified) in objects.range(prefix.to_owned()..) {
            let Some(rest) = key.strip_prefix(prefix) else { break };
            let folder = delimiter
                .and_then(|delimiter| rest.split_once(delimiter.as_str()).map(|(name, _)| (name, delimiter)))
                .map(|(name, delimiter)| format!("{prefix}{name}{delimiter}"));
            let name = folder.as_deref().unwrap_or(key);
            if name <= after || name == last {
                continue;
            }
            if page.keys.len() + page.folders.len() == most {
                page.token = Some(last);
                break;
            }
            name.clone_into(&mut last);
            match folder {
                Some(folder) => page.folders.push(folder),
                None => page.keys.push((key.clone(), *modified)),
            }
        }
        page
    }

    fn xml(&self, bucket: &str) -> String {
        let mut xml = String::from(r#"<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>"#);
        let mut put = |text: std::fmt::Arguments<'_>| xml.write_fmt(text).expect("a String takes everything");
        put(format_args!("<Name>{bucket}</Name><IsTruncated>{}</IsTruncated>", self.token.is_some()));
        if let Some(token) = &self.token {
            put(format_args!("<NextContinuationToken>{token}</NextContinuationToken>"));
        }
        put(format_args!("<KeyCount>{}</KeyCount>", self.keys.len() + self.folders.len()));
        for (key, modified) in &self.keys {
            let modified = rfc3339(*modified);
            put(format_args!(
                "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>\"0\"</ETag><Size>1</Size>\
                 </Contents>"
            ));
        }
        for folder in &self.folders {
            put(format_args!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"));
        }
        put(format_args!("</ListBucketResult>"));
        xml
    }
}
