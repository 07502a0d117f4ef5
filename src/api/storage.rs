//! The declared storage: whose service, which bucket and folder, with which keys.
//!
//! Whether a region name is known is judged in `agora`, which has the vendor's numbers.
#![allow(unreachable_pub, reason = "KubeSchema copies the type into a function to derive its schema")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::SecretRef;

/// Where the snapshots go (`storageConfig`).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(ONE_REGION)
        .message("exactly one of region and regionCode must be set with vendor AmazonS3, AliyunOSS, TencentCOS, HuaweiOBS and BaiduBOS")
        .field_path(".region"),
    validation = Rule::new(NO_REGION)
        .message("region must not be set with vendor AzureBlob, GoogleCloudStorage and S3Compatible, which have none")
        .field_path(".region")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new(NO_REGION_CODE)
        .message("regionCode must not be set with vendor AzureBlob, GoogleCloudStorage and S3Compatible, which have none")
        .field_path(".regionCode")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("self.vendor != 'S3Compatible' || has(self.endpoint)")
        .message("endpoint must be set with vendor S3Compatible")
        .field_path(".endpoint")
        .reason(Reason::FieldValueRequired),
    validation = Rule::new("self.vendor == 'S3Compatible' || !has(self.endpoint)")
        .message("endpoint must be set only with vendor S3Compatible")
        .field_path(".endpoint")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("self.vendor == 'GoogleCloudStorage' || size(self.bucket) <= 63")
        .message("bucket must be at most 63 characters (222 with vendor GoogleCloudStorage)")
        .field_path(".bucket"),
    validation = Rule::new("self.vendor == 'AmazonS3' || !has(self.serverSideEncryption)")
        .message("serverSideEncryption must be set only with vendor AmazonS3")
        .field_path(".serverSideEncryption")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("self.vendor in ['AmazonS3', 'AliyunOSS'] || !has(self.objectTag)")
        .message("objectTag must be set only with vendor AmazonS3 and AliyunOSS")
        .field_path(".objectTag")
        .reason(Reason::FieldValueForbidden)
)]
pub struct Storage {
    /// Kind of object storage.
    pub vendor: StorageVendor,
    /// Region by the storage vendor's own name, as `us-east-1`. Exactly one of `region` and `regionCode` where the
    /// vendor has regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new(REGION)
        .message("region must be letters and digits, in groups joined by single '-' or '_', as us-east-1"))]
    pub region: Option<String>,
    /// Region by Agora's number, for one that `region` does not know yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9999))]
    pub region_code: Option<i32>,
    /// Bucket (Azure: container).
    #[schemars(length(max = 222))]
    #[x_kube(validation = Rule::new(BUCKET).message(
        "bucket must be 3 or more characters, each a letter a-z, a digit, '-', '.' or '_', \
         and begin and end with a letter or digit"
    ))]
    pub bucket: String,
    /// Folder inside the bucket, as `lobby/east`: letters and digits between single slashes, at most 127
    /// characters. Absent: the bucket's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 127))]
    #[x_kube(validation = Rule::new(PREFIX)
        .message("prefix must be folder names of letters a-z, A-Z and digits joined by single slashes, as lobby/east"))]
    pub prefix: Option<String>,
    /// Host, optionally with port, of an S3-compatible service; no scheme. Exactly with `S3Compatible`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 259))]
    #[x_kube(validation = Rule::new(ENDPOINT)
        .message("endpoint must be host or host:port without scheme and path, as s3.example.com:9000"))]
    pub endpoint: Option<String>,
    /// Secret with `accessKey` and `secretKey`; optionally `stsToken` and `stsExpiration` (Unix seconds). The
    /// vendor needs permission to write.
    pub credentials_ref: SecretRef,
    /// Secret with `accessKey` and `secretKey` that may list and read the bucket. Absent: `credentialsRef` is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader_credentials_ref: Option<SecretRef>,
    /// Encryption at rest (`extensionParams.sse`); AmazonS3 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_side_encryption: Option<ServerSideEncryption>,
    /// Object tag (`extensionParams.tag`), as `RETENTION_DAYS=30`; AmazonS3 and AliyunOSS only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 385))]
    #[x_kube(validation = Rule::new(OBJECT_TAG).message(
        "objectTag must be key=value, as RETENTION_DAYS=30: a key of at most 128 and a value of at most 256 \
         characters, each a letter, a digit, a space or one of + - . _ : / @"
    ))]
    pub object_tag: Option<String>,
    /// What is made of a probe object that the operator writes into the bucket, and deletes, before a session is billed.
    #[serde(default)]
    pub preflight: Preflight,
}

/// Vendor reference, start, `storageConfig.region`: ignored for vendors 5, 6 and 11.
const ONE_REGION: &str = "self.vendor in ['AzureBlob', 'GoogleCloudStorage', 'S3Compatible'] || has(self.region) != has(self.regionCode)";
const NO_REGION: &str =
    "!(self.vendor in ['AzureBlob', 'GoogleCloudStorage', 'S3Compatible']) || !has(self.region)";
const NO_REGION_CODE: &str =
    "!(self.vendor in ['AzureBlob', 'GoogleCloudStorage', 'S3Compatible']) || !has(self.regionCode)";

/// Loose on purpose: the storage vendors' own spellings (`us-east-1`, `oss-cn-hangzhou`, `bj`) and Agora's
/// (`US_EAST_1`) all fit.
const REGION: &str = "self.matches('^[A-Za-z0-9]+([-_][A-Za-z0-9]+)*$')";

/// What the eight vendors' naming rules have in common; their further rules differ and change.
const BUCKET: &str = "self.matches('^[a-z0-9][-._a-z0-9]+[a-z0-9]$')";

/// Vendor reference, start, `fileNamePrefix`: only letters and digits; at most 128 with its last slash.
const PREFIX: &str = "self.matches('^[A-Za-z0-9]+(/[A-Za-z0-9]+)*$')";

/// Vendor reference, start, `extensionParams.endpoint`: a host without scheme. Ports are 1 to 65535.
const ENDPOINT: &str = "self.matches('^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*\
     (:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?$')";

/// Limits of an object tag at Amazon S3, which Alibaba OSS shares.
const OBJECT_TAG: &str = "self.matches('^[A-Za-z0-9 +._:/@-]{1,128}=[A-Za-z0-9 +._:/@-]{0,256}$')";

/// Kind of object storage (`storageConfig.vendor`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum StorageVendor {
    /// `vendor` 1.
    AmazonS3,
    /// `vendor` 2.
    AliyunOSS,
    /// `vendor` 3.
    TencentCOS,
    /// `vendor` 5; has no region.
    AzureBlob,
    /// `vendor` 6; has no region.
    GoogleCloudStorage,
    /// `vendor` 7.
    HuaweiOBS,
    /// `vendor` 8.
    BaiduBOS,
    /// `vendor` 11; has an endpoint instead of a region.
    S3Compatible,
}

/// Whether the bucket is tried before a session is started, and what a refusal means.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum Preflight {
    /// No session is started while the bucket refuses files for certain.
    #[default]
    Enforce,
    /// A refusal is told, and the session started all the same.
    Warn,
    /// The bucket is not tried.
    Skip,
}

/// Encryption at rest.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum ServerSideEncryption {
    /// `kms`.
    KMS,
    /// `aes256`.
    AES256,
}
