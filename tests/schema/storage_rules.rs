//! The rules about the storage: what each vendor has and has not.

use serde_json::{Value, json};

use crate::judgement::{bad, must_accept, must_refuse};
use crate::objects::storage;

/// Vendors whose storage has regions, with one of theirs.
const WITH_REGIONS: [(&str, &str); 5] = [
    ("AmazonS3", "us-east-1"),
    ("AliyunOSS", "oss-cn-hangzhou"),
    ("TencentCOS", "ap-guangzhou"),
    ("HuaweiOBS", "cn-north-4"),
    ("BaiduBOS", "bj"),
];

/// Vendors whose storage has none.
const WITHOUT_REGIONS: [&str; 3] = ["AzureBlob", "GoogleCloudStorage", "S3Compatible"];

/// The least storage of `vendor`, without any region.
fn of(vendor: &str, patch: Value) -> Value {
    let endpoint = if vendor == "S3Compatible" { json!("s3.example.com:9000") } else { Value::Null };
    let mut fields = json!({ "vendor": vendor, "region": null, "endpoint": endpoint });
    // Not a merge patch: the nulls are still to come.
    fields.as_object_mut().expect("an object").extend(patch.as_object().expect("an object").clone());
    storage(fields)
}

#[tokio::test]
async fn regions() {
    let one = "exactly one of region and regionCode must be set with vendor AmazonS3, AliyunOSS, TencentCOS, \
               HuaweiOBS and BaiduBOS";
    let none = "must not be set with vendor AzureBlob, GoogleCloudStorage and S3Compatible, which have none";
    let mut rows = Vec::new();
    let mut good = Vec::new();
    for (vendor, region) in WITH_REGIONS {
        rows.push(bad(of(vendor, json!({})), "spec.storage.region", one));
        rows.push(bad(of(vendor, json!({ "region": region, "regionCode": 0 })), "spec.storage.region", one));
        good.push(of(vendor, json!({ "region": region })));
        good.push(of(vendor, json!({ "regionCode": 3 })));
    }
    for vendor in WITHOUT_REGIONS {
        rows.push(bad(of(vendor, json!({ "region": "us-east-1" })), "spec.storage.region", none));
        rows.push(bad(of(vendor, json!({ "regionCode": 0 })), "spec.storage.regionCode", none));
        good.push(of(vendor, json!({})));
    }
    let form = "region must be letters and digits, in groups joined by single '-' or '_', as us-east-1";
    for wrong in ["", "-", "us-", "us--east", "us east", "us/east", "us-east-1\n"] {
        rows.push(bad(of("AmazonS3", json!({ "region": wrong })), "spec.storage.region", form));
    }
    let long = of("AmazonS3", json!({ "region": "a".repeat(65) }));
    rows.push(bad(long, "spec.storage.region", "may not be more than 64 bytes"));
    for spelling in ["US_EAST_1", "CN_Hangzhou", "a"] {
        good.push(of("AmazonS3", json!({ "region": spelling })));
    }
    must_refuse(rows).await;
    must_accept(good).await;
}

#[tokio::test]
async fn endpoints() {
    let field = "spec.storage.endpoint";
    let mut rows = vec![bad(
        of("S3Compatible", json!({ "endpoint": null })),
        field,
        "endpoint must be set with vendor S3Compatible",
    )];
    for vendor in ["AmazonS3", "AzureBlob"] {
        let region = if vendor == "AmazonS3" { json!("us-east-1") } else { Value::Null };
        let object = of(vendor, json!({ "region": region, "endpoint": "s3.example.com" }));
        rows.push(bad(object, field, "endpoint must be set only with vendor S3Compatible"));
    }
    for wrong in [
        "",
        "https://s3.example.com",
        "s3.example.com/",
        "s3.example.com/bucket",
        "s3.example.com:",
        "s3.example.com:0",
        "s3.example.com:65536",
        "s3.example.com:090",
        "user@s3.example.com",
        "s3..example.com",
        "-s3.example.com",
        "s3.example.com.",
        "s3 example.com",
        "[::1]:9000",
    ] {
        let says = "endpoint must be host or host:port without scheme and path, as s3.example.com:9000";
        rows.push(bad(of("S3Compatible", json!({ "endpoint": wrong })), field, says));
    }
    let long = of("S3Compatible", json!({ "endpoint": "a".repeat(260) }));
    rows.push(bad(long, field, "may not be more than 259 bytes"));
    must_refuse(rows).await;
    let good =
        ["s3.example.com", "S3.Example.com:443", "10.0.0.1:9000", "minio", "minio.ns.svc:65535", "a-b.c1:1"];
    must_accept(good.into_iter().map(|host| of("S3Compatible", json!({ "endpoint": host }))).collect()).await;
}

#[tokio::test]
async fn buckets_and_prefixes() {
    let bucket = "bucket must be 3 or more characters, each a letter a-z, a digit, '-', '.' or '_', \
                  and begin and end with a letter or digit";
    let mut rows = Vec::new();
    for wrong in ["", "ab", "Snapshots", "-snapshots", "snapshots-", ".snapshots", "a/b", "a b c", "snap\n"] {
        rows.push(bad(storage(json!({ "bucket": wrong })), "spec.storage.bucket", bucket));
    }
    let long = storage(json!({ "bucket": "a".repeat(64) }));
    let most = "bucket must be at most 63 characters (222 with vendor GoogleCloudStorage)";
    rows.push(bad(long, "spec.storage.bucket", most));
    let longest = of("GoogleCloudStorage", json!({ "bucket": "a".repeat(223) }));
    rows.push(bad(longest, "spec.storage.bucket", "may not be more than 222 bytes"));
    let prefix =
        "prefix must be folder names of letters a-z, A-Z and digits joined by single slashes, as lobby/east";
    for wrong in
        ["", "/", "/lobby", "lobby/", "lobby//east", "lobby_east", "lobby-east", "lobby east", "大厅", "a.b"]
    {
        rows.push(bad(storage(json!({ "prefix": wrong })), "spec.storage.prefix", prefix));
    }
    let long = storage(json!({ "prefix": "a".repeat(128) }));
    rows.push(bad(long, "spec.storage.prefix", "may not be more than 127 bytes"));
    must_refuse(rows).await;
    must_accept(vec![
        storage(json!({ "bucket": "abc" })),
        storage(json!({ "bucket": "team.snapshots-2025_eu" })),
        storage(json!({ "bucket": "a".repeat(63) })),
        of("GoogleCloudStorage", json!({ "bucket": "a".repeat(222) })),
        storage(json!({ "prefix": "a" })),
        storage(json!({ "prefix": "lobby/East/2" })),
        storage(json!({ "prefix": "a".repeat(127) })),
    ])
    .await;
}

#[tokio::test]
async fn encryption_at_rest_and_tags() {
    let tag = "objectTag must be key=value, as RETENTION_DAYS=30: a key of at most 128 and a value of at most 256 \
               characters, each a letter, a digit, a space or one of + - . _ : / @";
    let mut rows = Vec::new();
    let mut good = Vec::new();
    for (vendor, region) in WITH_REGIONS {
        let encrypted = of(vendor, json!({ "region": region, "serverSideEncryption": "AES256" }));
        let tagged = of(vendor, json!({ "region": region, "objectTag": "RETENTION_DAYS=30" }));
        if vendor == "AmazonS3" {
            good.push(encrypted);
        } else {
            let says = "serverSideEncryption must be set only with vendor AmazonS3";
            rows.push(bad(encrypted, "spec.storage.serverSideEncryption", says));
        }
        if ["AmazonS3", "AliyunOSS"].contains(&vendor) {
            good.push(tagged);
        } else {
            let says = "objectTag must be set only with vendor AmazonS3 and AliyunOSS";
            rows.push(bad(tagged, "spec.storage.objectTag", says));
        }
    }
    for wrong in ["", "=", "=30", "RETENTION_DAYS", "a=b&c=d", "a=b=c", "标签=1", "a=b\n"] {
        rows.push(bad(storage(json!({ "objectTag": wrong })), "spec.storage.objectTag", tag));
    }
    rows.push(bad(
        storage(json!({ "objectTag": format!("{}=1", "k".repeat(129)) })),
        "spec.storage.objectTag",
        tag,
    ));
    rows.push(bad(
        storage(json!({ "objectTag": format!("{}={}", "k".repeat(128), "v".repeat(257)) })),
        "spec.storage.objectTag",
        "may not be more than 385 bytes",
    ));
    good.push(storage(json!({ "objectTag": format!("{}={}", "k".repeat(128), "v".repeat(256)) })));
    good.push(storage(json!({ "objectTag": "team a+b-c.d_e:f/g@h=" })));
    must_refuse(rows).await;
    must_accept(good).await;
}
