//! Looks into a bucket of a real S3 server: what is counted, and what its refusals become.

use std::time::Duration;

use agora_snapshot_operator::api::spec::Storage;
use agora_snapshot_operator::snapshots::{
    Bucket, BucketProblem, Connections, FileName, Keys, Limits, Location, Search, Tally,
};
use agora_snapshot_operator::telemetry;
use agora_snapshot_testbed::{Keys as Account, Rights, S3, Testbed};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

/// Enough for a machine that does much else; no test here waits for it.
const LIMITS: Limits = Limits { time: Duration::from_secs(120), requests: 200 };

const SID: &str = "1cd3d60b784382f12ce30fa615421852";

fn open(s3: &S3, bucket: &str, keys: &Account) -> Bucket {
    telemetry::install_tls_provider();
    let storage: Storage = serde_json::from_value(serde_json::json!({
        "vendor": "AmazonS3",
        "region": "us-east-1",
        "bucket": bucket,
        "credentialsRef": {"name": "bucket"},
    }))
    .expect("a storage of the spec");
    let endpoint = s3.endpoint().parse().expect("a URL");
    let location = Location::of(&storage, Some(&endpoint)).expect("a location");
    let keys = Keys {
        access_key: keys.access_key.clone(),
        secret_key: keys.secret_key.clone(),
        session_token: None,
    };
    let connections = Connections::new(Duration::from_secs(60), None).expect("TLS is set up");
    Bucket::open(&location, Some("lobby/east"), &keys, &connections).expect("usable keys")
}

/// A name with every character that a channel may have and a listing must escape.
fn key(activation: Option<u32>, user: u32, shot: i64) -> String {
    let taken = jiff::Timestamp::from_millisecond(1_767_225_600_250 + shot * 10_000).expect("a time");
    let channel = "a b!#$%&()+-:;<=.>?@[]^_{}|~,".to_owned();
    format!("lobby/east/{}", FileName { activation, sid: SID.into(), channel, user, taken })
}

async fn upload(store: &impl ObjectStore, keys: impl IntoIterator<Item = String>) {
    for key in keys {
        let path = Path::parse(&key).expect("a key");
        store.put(&path, "jpg".into()).await.expect("root may write");
    }
}

#[tokio::test]
async fn counts_what_arrives_and_asks_only_for_what_is_new() {
    let s3 = Testbed::from_env().await.expect("servers").s3();
    let name = "bucket-counts";
    s3.create_bucket(name).await.expect("a bucket");
    let store = s3.bucket(name, s3.root()).expect("a client");
    upload(&store, (0..250).map(|shot| key(None, 7, shot))).await;
    upload(&store, (0..20).map(|shot| key(None, 4_294_967_295, shot))).await;
    upload(&store, (300..303).map(|shot| key(Some(0), 7, shot))).await;
    upload(
        &store,
        [key(None, 7, 0).replace(SID, "ffffffffffffffffffffffffffffffff"), "lobby/east/a.txt".into()],
    )
    .await;

    let bucket = open(s3, name, s3.root());
    let mut tally = Tally::default();
    let look = bucket.look(&mut tally, &[SID], LIMITS).await;
    assert_eq!((look.arrived, look.complete, look.problem), (273, true, None));
    let summary = tally.summary();
    assert_eq!(summary.last_file, Some(key(Some(0), 7, 302)));
    let users: Vec<_> = summary.users.iter().map(|user| (user.uid, user.count)).collect();
    assert_eq!(users, [(7, 253), (4_294_967_295, 20)]);

    upload(&store, [key(Some(0), 7, 303), key(None, 8, 300)]).await;
    let mut restarted = Tally::resume(Some(&summary));
    for tally in [&mut tally, &mut restarted] {
        let look = bucket.look(tally, &[SID], LIMITS).await;
        assert_eq!((look.arrived, look.complete, look.problem.clone()), (2, true, None));
        assert!(look.requests <= 8, "{look:?}");
        assert_eq!(tally.summary().count, 275);
    }
}

/// What is in other folders, was there before, or is no session's is passed by, however much it is.
#[tokio::test]
async fn finds_sessions_that_began_since_a_time() {
    let s3 = Testbed::from_env().await.expect("servers").s3();
    let name = "bucket-candidates";
    s3.create_bucket(name).await.expect("a bucket");
    let store = s3.bucket(name, s3.root()).expect("a client");
    let sid = |first: char| SID.replacen('1', &first.to_string(), 1);
    let of = |first: char, activation, shot| key(activation, 7, shot).replace(SID, &sid(first));
    for old in ['0', '5', 'a', 'D'] {
        upload(&store, (0..220).map(|shot| of(old, None, shot - 100))).await;
        upload(&store, (0..4).map(|n| of(old, None, 5).replace("/east/", &format!("/east/{old}{n}/")))).await;
    }
    upload(&store, (0..150).map(|shot| of('7', None, shot))).await;
    upload(&store, (0..3).map(|shot| of('C', Some(0), shot + 20))).await;
    upload(&store, ["lobby/east/IMG1.jpg".into(), of('9', None, 5).replace("/east/", "/")]).await;

    let bucket = open(s3, name, s3.root());
    let since = FileName::parse(&key(None, 7, 0)).expect("a snapshot").taken;
    for requests in [1, 200] {
        let (mut search, mut sids, mut made) = (Search::default(), vec![], 0);
        let found = loop {
            let found = bucket.candidates(&mut search, since, Limits { requests, ..LIMITS }).await;
            assert_eq!(found.problem, None);
            sids.extend(found.sids.clone());
            made += found.requests;
            if found.complete {
                break found;
            }
        };
        sids.sort();
        assert_eq!(sids, [sid('7'), sid('C')], "{found:?}");
        assert!(made <= 12, "{made} requests for six sessions");
    }
}

#[tokio::test]
async fn refusals_of_a_real_service_become_words_without_secrets() {
    let s3 = Testbed::from_env().await.expect("servers").s3();
    let name = "bucket-refusals";
    s3.create_bucket(name).await.expect("a bucket");
    let (writer, reader) =
        (s3.create_account().await.expect("keys"), s3.create_account().await.expect("keys"));
    s3.set_access(name, &[(&writer, Rights::Write), (&reader, Rights::Read)]).await.expect("a policy");
    let wrong = Account { secret_key: "hunter2hunter2".into(), ..s3.root().clone() };
    let unknown = Account { access_key: "NOBODY".into(), ..s3.root().clone() };

    let look = async |bucket: &str, keys: &Account| {
        let look = open(s3, bucket, keys).look(&mut Tally::default(), &[SID], LIMITS).await;
        if let Some(problem) = &look.problem {
            let words = problem.to_string();
            assert!(!words.contains(&keys.secret_key) && !words.contains(&keys.access_key), "{words}");
        }
        look.problem
    };
    assert_eq!(look(name, &reader).await, None);
    assert!(matches!(look(name, &writer).await, Some(BucketProblem::AccessDenied(_))));
    assert!(matches!(look(name, &wrong).await, Some(BucketProblem::WrongKeys(_))));
    assert!(matches!(look(name, &unknown).await, Some(BucketProblem::WrongKeys(_))));
    assert!(matches!(look("no-such-bucket", s3.root()).await, Some(BucketProblem::NoSuchBucket(_))));
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let keys = Account { access_key: "a".into(), secret_key: "b".into() };
    let nobody = S3::join(endpoint, keys.clone());
    let look = open(&nobody, "bucket", &keys).look(&mut Tally::default(), &[SID], LIMITS).await;
    assert_eq!(look.problem, Some(BucketProblem::Unreachable));
}
