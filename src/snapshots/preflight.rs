//! Whether a bucket takes files: one small object is written, with the keys, the encryption and the tag that the vendor
//! is given, and deleted. The only code that writes into a bucket.
//!
//! Owns the name of that object, and which answers are certain: those that the vendor, who comes from elsewhere and with
//! other software, would get as well.

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutOptions, TagSet};

use super::location::{Connections, Keys, Location};
use super::problem::BucketProblem;
use crate::api::spec::{Storage, StorageVendor};

/// What the name of a probe object begins with. No snapshot's does: those begin with a sid, in hexadecimal.
const NAME: &str = "agora-snapshot-preflight";

/// Codes by which a storage service refuses its caller whoever it is. A status alone may be a proxy's on the way, and
/// other codes (a clock that is wrong, an address that is not let in) tell of this caller alone.
const CERTAIN: [&str; 8] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "AuthenticationFailed",
    "AccessDenied",
    "NoSuchBucket",
    "ContainerNotFound",
];

/// What became of a probe object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Preflight {
    /// The bucket took it.
    Writable {
        /// Whether it could be deleted. If not it stays, and the next one is written over it.
        deleted: bool,
    },
    /// The storage service refused it, and would refuse the vendor.
    Refused(BucketProblem),
    /// Nothing certain was learnt.
    Untold(BucketProblem),
}

/// The key of the probe object of a job: the same each time, so that where it cannot be deleted only one stays.
pub fn key(prefix: Option<&str>, namespace: &str, job: &str) -> String {
    let folder = prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
    format!("{folder}{NAME}-{namespace}.{job}.txt")
}

/// Writes an object with this text and deletes it, each in one request. `own_place`: the location is where the storage
/// vendor says that its buckets are, and not what a flag names. The time limit is the caller's.
pub async fn preflight(
    location: &Location,
    storage: &Storage,
    own_place: bool,
    keys: &Keys,
    connections: &Connections,
    key: &str,
    text: String,
) -> Preflight {
    let store = match location.writer(keys, storage.server_side_encryption, connections) {
        Ok(store) => store,
        Err(problem) => return Preflight::Untold(problem),
    };
    let path = Path::from(key);
    let mut tags = TagSet::default();
    if let Some((name, value)) = storage.object_tag.as_deref().and_then(|tag| tag.split_once('=')) {
        tags.push(name, value);
    }
    let options = PutOptions { tags, ..PutOptions::default() };
    if let Err(error) = store.put_opts(&path, text.into(), options).await {
        let of_region = own_place && storage.vendor == StorageVendor::AmazonS3;
        return refused(BucketProblem::of(&error), of_region);
    }
    Preflight::Writable { deleted: store.delete(&path).await.is_ok() }
}

/// What an answer is worth. `of_region`: an answer about the region can be believed, for the region of the request is the
/// one that the spec names; elsewhere it is a guess.
fn refused(problem: BucketProblem, of_region: bool) -> Preflight {
    let certain = match &problem {
        BucketProblem::WrongKeys(said)
        | BucketProblem::AccessDenied(said)
        | BucketProblem::NoSuchBucket(said) => {
            CERTAIN.iter().any(|code| said.split(' ').next_back() == Some(code))
        }
        BucketProblem::WrongRegion(_) => of_region,
        BucketProblem::Throttled(_)
        | BucketProblem::Unreachable
        | BucketProblem::TimedOut
        | BucketProblem::Fault(_)
        | BucketProblem::NoStartAfter
        | BucketProblem::Unsupported(_) => false,
    };
    if certain { Preflight::Refused(problem) } else { Preflight::Untold(problem) }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use object_store::client::{HttpError, HttpRequest, HttpResponse, HttpService};

    use super::*;
    use crate::snapshots::FileName;
    use crate::snapshots::file_name::Beginning;

    #[test]
    fn the_probe_object_is_never_taken_for_a_snapshot() {
        let name = key(None, "live", "lobby");
        assert_eq!(name, "agora-snapshot-preflight-live.lobby.txt");
        assert_eq!(key(Some("a/b"), "live", "lobby"), format!("a/b/{name}"));
        assert_eq!(Path::from(key(Some("a/b"), "live", "lobby")).as_ref(), format!("a/b/{name}"));
        for name in [&name, &key(None, "0", "0123456789abcdef0123456789abcdef_x__uid_s_1__uid_e_video_1.jpg")]
        {
            assert_eq!(FileName::parse(name), None);
            assert_eq!(Beginning::of(name), Beginning::Foreign("ag"), "a search passes it by");
        }
    }

    /// A service that answers so, and what it was asked: method, path, encryption and tag.
    #[derive(Clone, Debug)]
    struct Service {
        to_put: (u16, &'static str),
        to_delete: u16,
        asked: Arc<Mutex<Vec<String>>>,
    }

    #[async_trait::async_trait]
    impl HttpService for Service {
        async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
            let header =
                |name| request.headers().get(name).map(|it| it.to_str().unwrap()).unwrap_or_default();
            let declared = [header("x-amz-server-side-encryption"), header("x-amz-tagging")].join(" ");
            let asked = format!("{} {} {declared}", request.method(), request.uri());
            self.asked.lock().unwrap().push(asked.trim_end().to_owned());
            let (status, code) = match *request.method() {
                http::Method::PUT => self.to_put,
                _ => (self.to_delete, ""),
            };
            let body = format!("<Error><Code>{code}</Code><AWSAccessKeyId>hunter1</AWSAccessKeyId></Error>");
            let answer = http::Response::builder().status(status).header("ETag", "\"0\"");
            Ok(answer.body(body.into_bytes().into()).unwrap())
        }
    }

    async fn tried(service: &Service, patch: serde_json::Value) -> Preflight {
        let mut storage = serde_json::json!({
            "vendor": "AmazonS3", "region": "eu-west-1", "bucket": "pics", "credentialsRef": {"name": "bucket"},
        });
        storage.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        let storage: Storage = serde_json::from_value(storage).unwrap();
        let keys = Keys { access_key: "hunter1".into(), secret_key: "hunter2".into(), session_token: None };
        let location = Location::of(&storage, None).unwrap();
        let connections = Connections::over(service.clone());
        preflight(&location, &storage, true, &keys, &connections, "lobby/probe.txt", "text".into()).await
    }

    fn service(to_put: (u16, &'static str), to_delete: u16) -> Service {
        Service { to_put, to_delete, asked: Arc::default() }
    }

    #[tokio::test]
    async fn an_object_is_written_as_the_vendor_writes_it_and_deleted_by_itself() {
        let url = "https://s3.eu-west-1.amazonaws.com/pics/lobby/probe.txt";
        for (patch, declared) in [
            (serde_json::json!({}), ""),
            (serde_json::json!({"serverSideEncryption": "AES256"}), " AES256"),
            (
                serde_json::json!({"serverSideEncryption": "KMS", "objectTag": "RETENTION_DAYS=30"}),
                " aws:kms RETENTION_DAYS=30",
            ),
        ] {
            let service = service((200, ""), 204);
            assert_eq!(tried(&service, patch).await, Preflight::Writable { deleted: true });
            let asked = service.asked.lock().unwrap().clone();
            assert_eq!(asked, [format!("PUT {url}{declared}"), format!("DELETE {url}")]);
        }
    }

    #[tokio::test]
    async fn each_request_is_made_once_and_what_cannot_be_deleted_was_written() {
        let only_written = service((200, ""), 403);
        assert_eq!(tried(&only_written, serde_json::json!({})).await, Preflight::Writable { deleted: false });
        for (status, code, expected) in [
            (403, "AccessDenied", Preflight::Refused(BucketProblem::AccessDenied("403 AccessDenied".into()))),
            (404, "NoSuchBucket", Preflight::Refused(BucketProblem::NoSuchBucket("404 NoSuchBucket".into()))),
            (301, "PermanentRedirect", Preflight::Refused(BucketProblem::WrongRegion("redirect".into()))),
            (503, "SlowDown", Preflight::Untold(BucketProblem::Throttled("503 SlowDown".into()))),
            (500, "", Preflight::Untold(BucketProblem::Fault("500".into()))),
        ] {
            let service = service((status, code), 204);
            let found = tried(&service, serde_json::json!({})).await;
            assert!(!format!("{found:?}").contains("hunter"), "{found:?}");
            assert_eq!(found, expected);
            assert_eq!(service.asked.lock().unwrap().len(), 1, "{code}");
        }
    }

    #[test]
    fn only_what_the_vendor_would_hear_too_is_certain() {
        use BucketProblem::{AccessDenied, Fault, NoSuchBucket, Throttled, WrongKeys, WrongRegion};
        let said = |text: &str| text.to_owned();
        for (problem, of_region, certain) in [
            (WrongKeys(said("403 SignatureDoesNotMatch")), false, true),
            (WrongKeys(said("InvalidAccessKeyId")), false, true),
            (AccessDenied(said("403 AccessDenied")), false, true),
            (NoSuchBucket(said("404 NoSuchBucket")), false, true),
            (AccessDenied(said("403")), false, false),
            (AccessDenied(said("403 RequestTimeTooSkewed")), false, false),
            (AccessDenied(said("403 AuthorizationFailure")), false, false),
            (NoSuchBucket(said("404")), true, false),
            (WrongKeys(said("401")), true, false),
            (WrongRegion(said("301 PermanentRedirect")), true, true),
            (WrongRegion(said("400 AuthorizationHeaderMalformed")), false, false),
            (Throttled(said("503 SlowDown")), true, false),
            (Fault(said("500 InternalError")), true, false),
            (BucketProblem::Unreachable, true, false),
            (BucketProblem::TimedOut, true, false),
        ] {
            let expected = if certain {
                Preflight::Refused(problem.clone())
            } else {
                Preflight::Untold(problem.clone())
            };
            assert_eq!(refused(problem, of_region), expected);
        }
    }
}
