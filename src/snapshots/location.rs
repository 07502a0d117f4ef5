//! Where a bucket is and how it is spoken to, for each storage vendor of the spec.
//!
//! Agora's vendors are spoken to through the S3 protocol, which all but Azure understand. Owns the endpoints and the
//! spelling of regions in them; the numbers that Agora gives to regions are not known here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector, HttpService};
use object_store::list::PaginatedListStore;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use super::problem::BucketProblem;
use crate::api::spec::{ServerSideEncryption, Storage, StorageVendor};

/// Where a bucket is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Location {
    /// Spoken to through S3.
    S3 {
        /// Base URL: with the bucket in its host when `bucket_in_host`, else without the bucket.
        url: String,
        /// Region that requests are signed for.
        region: String,
        /// Bucket.
        bucket: String,
        /// Whether the bucket is named by the host instead of the path.
        bucket_in_host: bool,
    },
    /// Azure Blob Storage; the account is the access key.
    Azure {
        /// Container.
        container: String,
    },
}

/// Keys to a bucket. `Debug` shows none of them.
#[derive(Clone, Eq, PartialEq)]
pub struct Keys {
    /// Access key; with Azure the account's name.
    pub access_key: String,
    /// Secret key; with Azure the account's key.
    pub secret_key: String,
    /// Token of temporary keys.
    pub session_token: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys(redacted)")
    }
}

/// Connections that all buckets share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections(HttpClient);

impl Connections {
    /// No connection yet. Redirects are not followed: the signature names the host. `request_limit` is for one
    /// request with its answer; `authorities`, in PEM, are trusted beside those of the system.
    ///
    /// # Errors
    /// No TLS provider is installed, or certificates cannot be read.
    pub fn new(request_limit: Duration, authorities: Option<&[u8]>) -> reqwest::Result<Self> {
        let authorities = authorities.map(reqwest::Certificate::from_pem_bundle).transpose()?;
        reqwest::Client::builder()
            .tls_certs_merge(authorities.unwrap_or_default())
            .connect_timeout(request_limit / 2)
            .timeout(request_limit)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("agora-snapshot-operator/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(|client| Self(HttpClient::new(client)))
    }

    /// Over something else than the network, with a time limit of its own.
    pub fn over(service: impl HttpService) -> Self {
        Self(HttpClient::new(service))
    }
}

impl HttpConnector for Connections {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

impl Location {
    /// Where the bucket of a spec is. With `endpoint` (`--storage-endpoint`) every bucket is there, in the path.
    ///
    /// # Errors
    /// [`BucketProblem::Unsupported`] where the spec does not tell.
    pub fn of(storage: &Storage, endpoint: Option<&Uri>) -> Result<Self, BucketProblem> {
        let bucket = plain(&storage.bucket, "storage.bucket")?;
        if let Some(endpoint) = endpoint {
            let url = endpoint.to_string().trim_end_matches('/').to_owned();
            return Ok(Self::S3 { url, region: "us-east-1".into(), bucket, bucket_in_host: false });
        }
        let in_path = |url: String, region: &str| Self::S3 {
            url,
            region: region.to_owned(),
            bucket: bucket.clone(),
            bucket_in_host: false,
        };
        let in_host = |domain: String, region: &str| Self::S3 {
            url: format!("https://{bucket}.{domain}"),
            region: region.to_owned(),
            bucket: bucket.clone(),
            bucket_in_host: true,
        };
        Ok(match storage.vendor {
            StorageVendor::AmazonS3 => {
                let region = region(storage)?;
                let china = if region.starts_with("cn-") { ".cn" } else { "" };
                in_path(format!("https://s3.{region}.amazonaws.com{china}"), &region)
            }
            StorageVendor::AliyunOSS => {
                let region = region(storage)?;
                let region = region.strip_prefix("oss-").unwrap_or(&region);
                in_host(format!("oss-{region}.aliyuncs.com"), region)
            }
            StorageVendor::TencentCOS => {
                let region = region(storage)?;
                in_host(format!("cos.{region}.myqcloud.com"), &region)
            }
            StorageVendor::HuaweiOBS => {
                let region = region(storage)?;
                in_host(format!("obs.{region}.myhuaweicloud.com"), &region)
            }
            StorageVendor::BaiduBOS => {
                let region = region(storage)?;
                let region = baidu_region(&region);
                in_path(format!("https://s3.{region}.bcebos.com"), region)
            }
            // Agora takes the HMAC keys of Google's S3 interface.
            StorageVendor::GoogleCloudStorage => in_path("https://storage.googleapis.com".into(), "auto"),
            StorageVendor::AzureBlob => Self::Azure { container: bucket },
            StorageVendor::S3Compatible => {
                let host = storage.endpoint.as_deref().unwrap_or_default();
                let valid = host.parse::<http::uri::Authority>().is_ok_and(|it| !it.as_str().contains('@'));
                if !valid {
                    return Err(BucketProblem::Unsupported(format!(
                        "storage.endpoint must be a host with an optional port, not {host:?}"
                    )));
                }
                in_path(format!("https://{host}"), "us-east-1")
            }
        })
    }

    /// A way to list this bucket. Nothing is sent yet.
    ///
    /// # Errors
    /// [`BucketProblem::Unsupported`] where keys or location have a form that cannot be used.
    pub fn open(
        &self,
        keys: &Keys,
        connections: &Connections,
    ) -> Result<Arc<dyn PaginatedListStore>, BucketProblem> {
        Ok(match self.store(keys, connections)? {
            Store::S3(store) => Arc::new(store),
            Store::Azure(store) => Arc::new(store),
        })
    }

    /// A way to read the objects of this bucket. Nothing is sent yet.
    ///
    /// # Errors
    /// As [`Location::open`].
    pub fn objects(
        &self,
        keys: &Keys,
        connections: &Connections,
    ) -> Result<Arc<dyn ObjectStore>, BucketProblem> {
        Ok(match self.store(keys, connections)? {
            Store::S3(store) => Arc::new(store),
            Store::Azure(store) => Arc::new(store),
        })
    }

    /// A way to write into this bucket as the vendor does: with the encryption that the spec declares. Nothing is sent
    /// yet.
    ///
    /// # Errors
    /// As [`Location::open`].
    pub fn writer(
        &self,
        keys: &Keys,
        encryption: Option<ServerSideEncryption>,
        connections: &Connections,
    ) -> Result<Arc<dyn ObjectStore>, BucketProblem> {
        Ok(match self.store_as(keys, connections, encryption)? {
            Store::S3(store) => Arc::new(store),
            Store::Azure(store) => Arc::new(store),
        })
    }

    fn store(&self, keys: &Keys, connections: &Connections) -> Result<Store, BucketProblem> {
        self.store_as(keys, connections, None)
    }

    fn store_as(
        &self,
        keys: &Keys,
        connections: &Connections,
        encryption: Option<ServerSideEncryption>,
    ) -> Result<Store, BucketProblem> {
        let in_headers = [Some(&keys.access_key), keys.session_token.as_ref()];
        if !in_headers.into_iter().flatten().all(|key| fits_a_header(key)) {
            return Err(unusable("accessKey or stsToken, which must be printable ASCII,"));
        }
        // The next look is the repetition.
        let no_retries = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        match self {
            Self::S3 { url, region, bucket, bucket_in_host } => {
                let builder = AmazonS3Builder::new()
                    .with_endpoint(url)
                    .with_region(region)
                    .with_bucket_name(bucket)
                    .with_virtual_hosted_style_request(*bucket_in_host)
                    .with_allow_http(url.starts_with("http://"))
                    .with_access_key_id(&keys.access_key)
                    .with_secret_access_key(&keys.secret_key)
                    // Not every service has the request that deletes many objects.
                    .with_disable_bulk_delete(true)
                    .with_retry(no_retries)
                    .with_http_connector(connections.clone());
                let builder = match &keys.session_token {
                    Some(token) => builder.with_token(token),
                    None => builder,
                };
                let store = encrypting(builder, encryption).build();
                store.map(Store::S3).map_err(|_| unusable("the keys or the location of the bucket"))
            }
            Self::Azure { container } => {
                let account = plain(&keys.access_key, "accessKey, which is the Azure account's name,")?;
                MicrosoftAzureBuilder::new()
                    .with_account(account)
                    .with_access_key(&keys.secret_key)
                    .with_container_name(container)
                    .with_retry(no_retries)
                    .with_http_connector(connections.clone())
                    .build()
                    .map(Store::Azure)
                    .map_err(|_| unusable("secretKey, which is the Azure account's key in base64,"))
            }
        }
    }
}

/// The builder with the encryption that is asked for with each object that is written.
fn encrypting(builder: AmazonS3Builder, encryption: Option<ServerSideEncryption>) -> AmazonS3Builder {
    let value = match encryption {
        Some(ServerSideEncryption::AES256) => "AES256",
        Some(ServerSideEncryption::KMS) => "aws:kms",
        None => return builder,
    };
    let key = "aws_server_side_encryption".parse().expect("object_store has this option");
    builder.with_config(key, value)
}

/// What a location leads to.
enum Store {
    S3(AmazonS3),
    Azure(MicrosoftAzure),
}

/// object_store panics over keys that it cannot put into a header.
fn fits_a_header(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())
}

fn unusable(what: &str) -> BucketProblem {
    BucketProblem::Unsupported(format!("{what} cannot be used"))
}

/// A name that becomes part of a URL.
fn plain(name: &str, what: &str) -> Result<String, BucketProblem> {
    let valid = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    // The value is not repeated: what stands in place of a key may be one.
    if valid { Ok(name.to_owned()) } else { Err(unusable(what)) }
}

/// The region as endpoints spell it: Agora's `CN_North_4` is `cn-north-4`.
fn region(storage: &Storage) -> Result<String, BucketProblem> {
    let Some(region) = &storage.region else {
        return Err(BucketProblem::Unsupported(
            "a bucket can only be found by storage.region; storage.regionCode is Agora's own number".into(),
        ));
    };
    plain(&region.to_ascii_lowercase().replace('_', "-"), "storage.region")
}

/// Agora names Baidu's regions by city, Baidu's endpoints by a short code.
fn baidu_region(region: &str) -> &str {
    match region {
        "beijing" => "bj",
        "baoding" => "bd",
        "suzhou" => "su",
        "guangzhou" => "gz",
        "hongkong" => "hkg",
        "singapore" => "sin",
        "wuhan" => "fwh",
        "shanghai" => "fsh",
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(vendor: StorageVendor, region: Option<&str>, endpoint: Option<&str>) -> Storage {
        serde_json::from_value(serde_json::json!({
            "vendor": vendor,
            "region": region,
            "endpoint": endpoint,
            "bucket": "pics-1",
            "credentialsRef": {"name": "bucket"},
        }))
        .unwrap()
    }

    #[test]
    fn every_vendor_has_its_place() {
        use StorageVendor::{
            AliyunOSS, AmazonS3, BaiduBOS, GoogleCloudStorage, HuaweiOBS, S3Compatible, TencentCOS,
        };
        for (vendor, region, endpoint, url, signed_for) in [
            (AmazonS3, Some("us-east-1"), None, "https://s3.us-east-1.amazonaws.com", "us-east-1"),
            (AmazonS3, Some("CN_NORTH_1"), None, "https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            (
                AliyunOSS,
                Some("CN_Hangzhou"),
                None,
                "https://pics-1.oss-cn-hangzhou.aliyuncs.com",
                "cn-hangzhou",
            ),
            (
                AliyunOSS,
                Some("oss-cn-beijing"),
                None,
                "https://pics-1.oss-cn-beijing.aliyuncs.com",
                "cn-beijing",
            ),
            (
                TencentCOS,
                Some("ap-guangzhou"),
                None,
                "https://pics-1.cos.ap-guangzhou.myqcloud.com",
                "ap-guangzhou",
            ),
            (
                HuaweiOBS,
                Some("CN_North_4"),
                None,
                "https://pics-1.obs.cn-north-4.myhuaweicloud.com",
                "cn-north-4",
            ),
            (BaiduBOS, Some("Baoding"), None, "https://s3.bd.bcebos.com", "bd"),
            (BaiduBOS, Some("gz"), None, "https://s3.gz.bcebos.com", "gz"),
            (GoogleCloudStorage, None, None, "https://storage.googleapis.com", "auto"),
            (S3Compatible, None, Some("s3.example.com:9000"), "https://s3.example.com:9000", "us-east-1"),
        ] {
            let Location::S3 { url: found, region: found_region, bucket, bucket_in_host } =
                Location::of(&storage(vendor, region, endpoint), None).unwrap()
            else {
                panic!("{vendor:?} speaks S3")
            };
            assert_eq!((found.as_str(), found_region.as_str(), bucket.as_str()), (url, signed_for, "pics-1"));
            assert_eq!(bucket_in_host, url.contains("pics-1"), "{url}");
        }
        let azure = Location::of(&storage(StorageVendor::AzureBlob, None, None), None).unwrap();
        assert_eq!(azure, Location::Azure { container: "pics-1".into() });
    }

    #[test]
    fn the_flag_is_the_place_of_every_bucket() {
        let endpoint = "http://127.0.0.1:9000/".parse().unwrap();
        for vendor in [StorageVendor::AliyunOSS, StorageVendor::AzureBlob, StorageVendor::S3Compatible] {
            let location = Location::of(&storage(vendor, None, None), Some(&endpoint)).unwrap();
            let expected = Location::S3 {
                url: "http://127.0.0.1:9000".into(),
                region: "us-east-1".into(),
                bucket: "pics-1".into(),
                bucket_in_host: false,
            };
            assert_eq!(location, expected);
        }
    }

    #[test]
    fn what_cannot_be_found_is_told_and_no_host_can_be_smuggled_in() {
        let code_only = storage(StorageVendor::AmazonS3, None, None);
        let told = Location::of(&code_only, None).unwrap_err().to_string();
        assert!(told.contains("storage.regionCode"), "{told}");
        for (vendor, region, endpoint) in [
            (StorageVendor::AmazonS3, Some("evil.example/"), None),
            (StorageVendor::TencentCOS, Some("a@evil"), None),
            (StorageVendor::S3Compatible, None, Some("user@evil")),
            (StorageVendor::S3Compatible, None, Some("")),
        ] {
            assert!(
                Location::of(&storage(vendor, region, endpoint), None).is_err(),
                "{region:?} {endpoint:?}"
            );
        }
        let bucket = Storage {
            bucket: "evil.example/#".into(),
            ..storage(StorageVendor::AliyunOSS, Some("cn"), None)
        };
        assert!(Location::of(&bucket, None).is_err());
    }

    #[test]
    fn every_location_opens_and_unusable_keys_are_told_without_them() {
        crate::telemetry::install_tls_provider();
        let connections = Connections::new(Duration::from_secs(1), None).unwrap();
        let keys =
            Keys { access_key: "hunter1".into(), secret_key: "aHVudGVyMg==".into(), session_token: None };
        for vendor in [StorageVendor::AmazonS3, StorageVendor::AliyunOSS, StorageVendor::AzureBlob] {
            let location = Location::of(&storage(vendor, Some("eu-west-1"), None), None).unwrap();
            assert!(location.open(&keys, &connections).is_ok(), "{vendor:?}");
        }
        let azure = Location::Azure { container: "c".into() };
        for keys in [
            Keys { secret_key: "hunter2!".into(), ..keys.clone() },
            Keys { access_key: "hunter1/".into(), ..keys.clone() },
        ] {
            let told = azure.open(&keys, &connections).err().expect("unusable keys").to_string();
            assert!(!told.contains("hunter") && told.contains("cannot be used"), "{told}");
        }
        assert_eq!(format!("{keys:?}"), "Keys(redacted)");
    }
}
