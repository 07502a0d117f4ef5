//! Whatever is within the rules is accepted, and comes back as it was declared.

use agora_snapshot_operator::api::SnapshotJob;
use agora_snapshot_operator::api::spec::{
    Channel, DeletionPolicy, Encryption, EncryptionMode, OnIdle, Preflight, Profile, Recorder, Recording,
    RecordingFormat, RecordingStreams, SecretKeyRef, SecretRef, ServerSideEncryption, SnapshotJobSpec,
    Storage, StorageVendor, Subscription, VideoQuality,
};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::server::Server;

/// Enough to meet each pair of options several times, at a few milliseconds each.
const CASES: u32 = 256;

/// Recorders and users are drawn from apart, so that no recorder is subscribed to.
const FIRST_RECORDER: i64 = 4_000_000_000;

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?([.][a-z0-9]{1,10}){0,2}"
}

fn secret() -> impl Strategy<Value = SecretRef> {
    name().prop_map(|name| SecretRef { name })
}

fn secret_key() -> impl Strategy<Value = SecretKeyRef> {
    (name(), "[a-zA-Z0-9_-][-._a-zA-Z0-9]{0,30}").prop_map(|(name, key)| SecretKeyRef { name, key })
}

fn encryption() -> impl Strategy<Value = Encryption> {
    use EncryptionMode::{
        AES128ECB, AES128GCM, AES128GCM2, AES128XTS, AES256GCM, AES256GCM2, AES256XTS, SM4128ECB,
    };
    let plain = select(vec![AES128XTS, AES128ECB, AES256XTS, SM4128ECB, AES128GCM, AES256GCM]);
    let salted = select(vec![AES128GCM2, AES256GCM2]);
    prop_oneof![
        (plain, secret_key()).prop_map(|(mode, secret_key_ref)| Encryption {
            mode,
            secret_key_ref,
            salt_secret_key_ref: None
        }),
        (salted, secret_key(), secret_key()).prop_map(|(mode, secret_key_ref, salt)| Encryption {
            mode,
            secret_key_ref,
            salt_secret_key_ref: Some(salt)
        }),
    ]
}

fn channel() -> impl Strategy<Value = Channel> {
    let uids = btree_set(FIRST_RECORDER..=4_294_967_295, 1..=2);
    let recorders = (uids, vec(option::of(secret_key()), 2)).prop_map(|(uids, tokens)| {
        uids.into_iter()
            .zip(tokens)
            .map(|(uid, token_secret_key_ref)| Recorder { uid, token_secret_key_ref })
            .collect()
    });
    (
        "[0-9a-fA-F]{32}",
        r"[a-zA-Z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,]{1,63}",
        select(vec![Profile::LiveBroadcasting, Profile::Communication]),
        option::of(recorders),
        option::of(encryption()),
    )
        .prop_map(|(app_id, name, profile, recorders, encryption)| Channel {
            app_id,
            name,
            profile,
            recorders,
            encryption,
        })
}

/// Include, exclude, or neither.
fn lists() -> impl Strategy<Value = (Vec<i64>, Vec<i64>)> {
    let uids = || btree_set(1..FIRST_RECORDER, 1..=32).prop_map(|uids| uids.into_iter().collect::<Vec<_>>());
    prop_oneof![
        Just((vec![], vec![])),
        uids().prop_map(|include| (include, vec![])),
        uids().prop_map(|exclude| (vec![], exclude)),
    ]
}

/// What is recorded, and a subscription that goes with it.
fn capture() -> impl Strategy<Value = (Option<Recording>, Option<Subscription>)> {
    let streams = option::of(select(vec![RecordingStreams::AudioAndVideo, RecordingStreams::Video]));
    let quality = select(vec![VideoQuality::High, VideoQuality::Low]);
    (streams, any::<bool>(), lists(), lists(), quality, 1..=49_i32).prop_map(
        |(streams, subscribed, video, audio, video_quality, wish)| {
            let records_audio = streams == Some(RecordingStreams::AudioAndVideo);
            let (video_uids, excluded_video_uids) = video;
            let (mut audio_uids, excluded_audio_uids) = if records_audio { audio } else { (vec![], vec![]) };
            if !excluded_video_uids.is_empty() {
                audio_uids.clear();
            }
            // Two full lists can be 64 users, for which there is no room.
            audio_uids.truncate(49 - video_uids.len());
            let users = i32::try_from(video_uids.len() + audio_uids.len()).expect("at most 49");
            let subscription = Subscription {
                video_uids,
                audio_uids,
                excluded_video_uids,
                excluded_audio_uids,
                video_quality,
                max_users: wish.max(users),
            };
            let recording = streams.map(|streams| Recording { format: RecordingFormat::HLS, streams });
            (recording, subscribed.then_some(subscription))
        },
    )
}

fn storage() -> impl Strategy<Value = Storage> {
    use StorageVendor::{
        AliyunOSS, AmazonS3, AzureBlob, BaiduBOS, GoogleCloudStorage, HuaweiOBS, S3Compatible, TencentCOS,
    };
    let vendor = select(vec![
        AmazonS3,
        AliyunOSS,
        TencentCOS,
        AzureBlob,
        GoogleCloudStorage,
        HuaweiOBS,
        BaiduBOS,
        S3Compatible,
    ]);
    let region = prop_oneof![
        "[a-z]{2}(-[a-z]{1,9}){0,2}(-[0-9])?".prop_map(|region| (Some(region), None)),
        (0..=9999_i32).prop_map(|code| (None, Some(code))),
    ];
    let encryption = option::of(select(vec![ServerSideEncryption::KMS, ServerSideEncryption::AES256]));
    let tag = option::of("[A-Za-z0-9 +._:/@-]{1,128}=[A-Za-z0-9 +._:/@-]{0,256}");
    (
        (
            vendor,
            region,
            "[a-z0-9][-._a-z0-9]{1,61}[a-z0-9]",
            option::of("[A-Za-z0-9]{1,20}(/[A-Za-z0-9]{1,20}){0,5}"),
        ),
        "[a-z0-9]{1,20}([.][a-z0-9]{1,20}){0,3}(:[1-9][0-9]{0,3})?",
        (secret(), option::of(secret()), encryption, tag),
        select(vec![Preflight::Enforce, Preflight::Warn, Preflight::Skip]),
    )
        .prop_map(
            |(
                (vendor, region, bucket, prefix),
                endpoint,
                (credentials_ref, reader, encryption, tag),
                preflight,
            )| {
                let has_region = !matches!(vendor, AzureBlob | GoogleCloudStorage | S3Compatible);
                let (region, region_code) = if has_region { region } else { (None, None) };
                Storage {
                    vendor,
                    region,
                    region_code,
                    bucket,
                    prefix,
                    endpoint: (vendor == S3Compatible).then_some(endpoint),
                    credentials_ref,
                    reader_credentials_ref: reader,
                    server_side_encryption: encryption.filter(|_| vendor == AmazonS3),
                    object_tag: tag.filter(|_| matches!(vendor, AmazonS3 | AliyunOSS)),
                    preflight,
                }
            },
        )
}

fn spec() -> impl Strategy<Value = SnapshotJobSpec> {
    let times = (
        1..=3600_i32,
        5..=2_592_000_i32,
        option::of(1..=315_360_000_i64),
        option::of(1..=315_360_000_i64),
        option::of(0..=315_360_000_i32),
        1..=720_i32,
    );
    let policies = (
        select(vec![OnIdle::Complete, OnIdle::Restart]),
        any::<bool>(),
        0..=1000_i32,
        select(vec![DeletionPolicy::Stop, DeletionPolicy::Orphan]),
    );
    (secret(), channel(), capture(), storage(), times, policies).prop_map(
        |(credentials_ref, channel, (recording, subscription), storage, times, policies)| SnapshotJobSpec {
            credentials_ref,
            channel,
            interval_seconds: times.0,
            recording,
            subscription,
            idle_timeout_seconds: times.1,
            on_idle: policies.0,
            storage,
            suspend: policies.1,
            duration_seconds: times.2,
            active_deadline_seconds: times.3,
            backoff_limit: policies.2,
            ttl_seconds_after_finished: times.4,
            deletion_policy: policies.3,
            session_limit_hours: times.5,
        },
    )
}

#[test]
fn whatever_is_within_the_rules_is_accepted() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(Server::with_crd());
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&spec(), |spec| {
        let object = serde_json::to_value(SnapshotJob::new("any", spec.clone())).expect("JSON");
        let stored = runtime
            .block_on(server.try_create(&object))
            .map_err(|status| TestCaseError::fail(format!("refused: {}", status.message)))?;
        let stored: SnapshotJobSpec = serde_json::from_value(stored["spec"].clone())
            .map_err(|error| TestCaseError::fail(format!("cannot be decoded: {error}")))?;
        proptest::prop_assert_eq!(stored, spec);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
