//! Secrets as users make them, and what is said when they cannot be used.

use proptest::prelude::{any, prop_assert, proptest};
use serde_json::{Value, json};

use super::*;

const APP_ID: &str = "970ca35de60c44645bbae8a215061b33";
const CERTIFICATE: &str = "5cfd2fd1755d40ecb72977518be15d3b";

fn spec(change: impl FnOnce(&mut Value)) -> SnapshotJobSpec {
    let mut spec = json!({
        "credentialsRef": {"name": "agora"},
        "channel": {"appId": APP_ID, "name": "lobby", "profile": "LiveBroadcasting"},
        "storage": {
            "vendor": "AmazonS3", "region": "us-east-1", "bucket": "snapshots",
            "credentialsRef": {"name": "bucket"}, "readerCredentialsRef": {"name": "reader"},
        },
    });
    change(&mut spec);
    serde_json::from_value(spec).unwrap()
}

fn with_token(spec: &mut Value) {
    spec["channel"]["recorders"] =
        json!([{"uid": 1001, "tokenSecretKeyRef": {"name": "t", "key": "a"}}, {"uid": 1002}]);
}

fn with_encryption(spec: &mut Value) {
    spec["channel"]["encryption"] = json!({
        "mode": "AES256GCM2",
        "secretKeyRef": {"name": "e", "key": "secret"}, "saltSecretKeyRef": {"name": "e", "key": "salt"},
    });
}

/// `name/key` and value.
fn secrets(changes: &[(&str, &[u8])]) -> Secrets {
    let salt = STANDARD.encode([7; 32]);
    let mut all = Secrets::new();
    let usual: [(&str, &[u8]); 7] = [
        ("agora/customerId", b"id"),
        ("agora/customerSecret", b"pass"),
        ("bucket/accessKey", b"access"),
        ("bucket/secretKey", b"secret"),
        ("t/a", b""),
        ("e/secret", b"sesame open"),
        ("e/salt", salt.as_bytes()),
    ];
    for (path, value) in usual.into_iter().chain(changes.iter().copied()) {
        let (name, key) = path.split_once('/').unwrap();
        let data = all.entry(name.to_owned()).or_default().get_or_insert_default();
        data.insert(key.to_owned(), value.to_vec());
    }
    all
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00.5Z".parse().unwrap()
}

fn gather(change: impl FnOnce(&mut Value), changes: &[(&str, &[u8])]) -> Result<Material, MaterialProblem> {
    Material::gather(&spec(change), 1001, &secrets(changes), now(), 41)
}

fn token(channel: &str, uid: i64, issued: &str) -> String {
    let wanted = TokenFor { app_id: APP_ID, channel, uid };
    token::build(&wanted, CERTIFICATE, issued.parse().unwrap(), TOKEN_LIFE, 0).unwrap()
}

#[test]
fn the_secrets_that_a_call_needs_are_named_once() {
    let spec = spec(|spec| {
        with_token(spec);
        with_encryption(spec);
    });
    let names: Vec<String> = secret_names(&spec).into_iter().collect();
    assert_eq!(names, ["agora", "bucket", "e", "t"]);
}

#[test]
fn accidents_of_kubectl_are_forgiven() {
    let changes: [(&str, &[u8]); 4] = [
        ("agora/customerId", b" id\n"),
        ("agora/customerSecret", b"pass\r\n"),
        ("bucket/accessKey", b"access\n"),
        ("e/secret", b" sesame open\n"),
    ];
    let material = gather(with_encryption, &changes).unwrap();
    assert_eq!(material.account.exposed(), ["id", "pass"]);
    assert_eq!(material.access_key.expose_secret(), "access");
    // Spaces in a passphrase may be meant; the line end is not.
    assert_eq!(material.encryption.unwrap().secret.expose_secret(), " sesame open");
    assert_eq!((material.token_end, material.sts_end), (None, None));
}

#[test]
fn what_cannot_be_used_is_named_with_secret_and_key() {
    let missing = |name: &str| MaterialProblem::SecretMissing { name: name.to_owned() };
    let without = |name: &str| {
        let mut secrets = secrets(&[]);
        secrets.insert(name.to_owned(), None);
        let spec = spec(|spec| {
            with_encryption(spec);
            with_token(spec);
        });
        let all = Material::gather(&spec, 1002, &secrets, now(), 0).unwrap_err();
        secrets.remove(name);
        assert_eq!(Material::gather(&spec, 1002, &secrets, now(), 0).unwrap_err(), all);
        all
    };
    for name in ["agora", "bucket", "e"] {
        assert_eq!(without(name), missing(name));
    }
    for (path, value, why) in [
        ("agora/customerId", &b""[..], "is empty"),
        ("agora/customerId", b"a:b", "must not contain a colon"),
        ("agora/customerSecret", b" \n", "is empty"),
        ("agora/customerSecret", b"a b", "must be one word"),
        ("agora/appCertificate", b"short", "App Certificate"),
        ("bucket/accessKey", b"\xff", "UTF-8"),
        ("bucket/secretKey", b"a\x00b", "must be one word"),
        ("bucket/stsToken", b"", "is empty"),
        ("e/secret", b"\n", "is empty"),
        ("e/salt", b"not-base64!", "must be the base64 form of exactly 32 bytes"),
        ("e/salt", b"c2hvcnQ=", "must be the base64 form of exactly 32 bytes"),
    ] {
        let problem = gather(with_encryption, &[(path, value)]).unwrap_err();
        let text = problem.to_string();
        let (name, key) = path.split_once('/').unwrap();
        assert!(
            matches!(&problem, MaterialProblem::Unusable { name: n, key: k, .. } if n == name && k == key),
            "{text}"
        );
        assert!(text.contains(name) && text.contains(key) && text.contains(why), "{path}: {text}");
    }
    for path in [
        "agora/customerId",
        "agora/customerSecret",
        "bucket/accessKey",
        "bucket/secretKey",
        "e/secret",
        "e/salt",
    ] {
        let (name, key) = path.split_once('/').unwrap();
        let mut secrets = secrets(&[]);
        secrets.get_mut(name).unwrap().as_mut().unwrap().remove(key);
        let problem = Material::gather(&spec(with_encryption), 1001, &secrets, now(), 0).unwrap_err();
        assert_eq!(problem, MaterialProblem::KeyMissing { name: name.to_owned(), key: key.to_owned() });
    }
}

#[test]
fn a_token_is_made_with_the_certificate_for_a_day() {
    let material = gather(|_| (), &[("agora/appCertificate", CERTIFICATE.as_bytes())]).unwrap();
    assert_eq!(material.token_end, Some("2026-01-02T00:00:00Z".parse().unwrap()));
    let made = Token::parse(material.token.unwrap().expose_secret()).unwrap();
    assert_eq!(made.end(), "2026-01-02T00:00:00Z".parse().unwrap());
    assert_eq!(made.differs(&TokenFor { app_id: APP_ID, channel: "lobby", uid: 1001 }), None);
}

#[test]
fn a_recorders_own_token_goes_before_the_certificate() {
    let own = token("lobby", 1001, "2025-12-31T12:00:00Z");
    let changes = [("t/a", own.as_bytes()), ("agora/appCertificate", CERTIFICATE.as_bytes())];
    let material = gather(with_token, &changes).unwrap();
    assert_eq!(material.token.unwrap().expose_secret(), own);
    assert_eq!(material.token_end, Some("2026-01-01T12:00:00Z".parse().unwrap()));
    // The other recorder has none of its own.
    let other = Material::gather(&spec(with_token), 1002, &secrets(&changes), now(), 0).unwrap();
    assert_eq!(other.token_end, Some("2026-01-02T00:00:00Z".parse().unwrap()));
}

#[test]
fn a_static_token_must_be_alive_and_for_the_recorder() {
    let problem = |token: String| gather(with_token, &[("t/a", token.as_bytes())]).unwrap_err();
    let other = |what, wanted: &str| MaterialProblem::TokenForOther {
        name: "t".to_owned(),
        key: "a".to_owned(),
        what,
        wanted: wanted.to_owned(),
    };
    let fresh = "2025-12-31T12:00:00Z";
    assert_eq!(problem(token("hall", 1001, fresh)), other("channel", "lobby"));
    assert_eq!(problem(token("lobby", 1002, fresh)), other("uid", "1001"));
    let end = "2025-12-31T23:59:59Z".parse().unwrap();
    assert_eq!(
        problem(token("lobby", 1001, "2025-12-30T23:59:59Z")),
        MaterialProblem::TokenExpired { name: "t".to_owned(), key: "a".to_owned(), end }
    );
    assert!(problem("my-token".to_owned()).to_string().contains("is not an RTC token"));
}

#[test]
fn temporary_keys_need_an_end_in_seconds_and_a_vendor_that_takes_them() {
    let gather = |vendor: &str, end: Option<&str>| {
        let mut changes = vec![("bucket/stsToken", &b"sts"[..])];
        changes.extend(end.map(|end| ("bucket/stsExpiration", end.as_bytes())));
        gather(|spec| spec["storage"]["vendor"] = json!(vendor), &changes)
    };
    for vendor in ["AmazonS3", "AliyunOSS", "TencentCOS"] {
        let material = gather(vendor, Some("1767243600\n")).unwrap();
        assert_eq!(material.sts_end, Some("2026-01-01T05:00:00Z".parse().unwrap()));
    }
    for vendor in ["AzureBlob", "GoogleCloudStorage", "HuaweiOBS", "BaiduBOS", "S3Compatible"] {
        let text = gather(vendor, Some("1767243600")).unwrap_err().to_string();
        assert!(text.contains("`stsToken`") && text.contains("AmazonS3, AliyunOSS and TencentCOS"), "{text}");
    }
    let missing = MaterialProblem::KeyMissing { name: "bucket".to_owned(), key: "stsExpiration".to_owned() };
    assert_eq!(gather("AmazonS3", None).unwrap_err(), missing);
    for wrong in ["1767243600000", "2026-01-01T05:00:00Z", "-5", "0"] {
        let text = gather("AmazonS3", Some(wrong)).unwrap_err().to_string();
        assert!(text.contains("must be the end of the keys in Unix seconds"), "{wrong}: {text}");
    }
    let text = gather("AmazonS3", Some("1767225600")).unwrap_err().to_string();
    assert!(text.contains("ended at 2026-01-01T00:00:00Z"), "{text}");
}

#[test]
fn the_account_alone_needs_nothing_else() {
    let mut secrets = secrets(&[]);
    secrets.retain(|name, _| name == "agora");
    assert_eq!(Account::from_secret("agora", &secrets).unwrap().exposed(), ["id", "pass"]);
}

proptest! {
    #[test]
    fn no_problem_shows_a_value(value in any::<[u8; 12]>(), which in 0..4_usize) {
        let path = ["agora/customerSecret", "bucket/secretKey", "e/salt", "t/a"][which];
        let value = [b"QZ", &value[..]].concat();
        let all = |spec: &mut Value| { with_token(spec); with_encryption(spec); };
        if let Err(problem) = gather(all, &[(path, &value)]) {
            let shown = format!("{problem} {problem:?}");
            prop_assert!(!shown.contains("QZ"), "{shown}");
        }
    }
}
