//! The two scenarios of the vendor's guide, from apply to nothing left running: what is asked of the vendor, what lands
//! in the bucket, what the object says.

use std::collections::BTreeMap;
use std::time::Duration;

use agora_snapshot_operator::snapshots::FileName;
use regex::Regex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{Plan, SOON, World, condition};

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_alone() {
    let world = Plan::new("snapshot-only").faster(10).make().await;
    join(&world, &[7, 8]).await;
    let mut spec = world.spec("lobby");
    spec["intervalSeconds"] = json!(5);
    spec["storage"]["prefix"] = json!("directory1/directory2");
    world.create("lobby", spec).await;
    let job = world.until_capturing("lobby").await;
    let session = the_live_session(&world, &job).await;

    let mut expected = start_body(&world, "lobby", &session["uid"]);
    expected["clientRequest"]["recordingConfig"] = json!({"channelType": 1, "streamTypes": 1, "videoStreamType": 0, "maxIdleTime": 300, "subscribeUidGroup": 3});
    expected["clientRequest"]["storageConfig"]["fileNamePrefix"] = json!(["directory1", "directory2"]);
    assert_bodies(&world, &session, &expected).await;

    world.until_sessions(&[("minFiles", "6")], 1).await;
    assert_snapshots(&world, "directory1/directory2", &session, &[7, 8]).await;
    assert_ended_by_deletion(&world, &session).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn record_and_snapshot_in_one_session() {
    let world = Plan::new("record-and-snapshot").faster(10).make().await;
    join(&world, &[7]).await;
    let mut spec = world.spec("lobby");
    spec["intervalSeconds"] = json!(5);
    spec["channel"]["profile"] = json!("Communication");
    spec["recording"] = json!({"format": "HLS"});
    spec["idleTimeoutSeconds"] = json!(30);
    world.create("lobby", spec).await;
    let job = world.until_capturing("lobby").await;
    let session = the_live_session(&world, &job).await;

    let mut expected = start_body(&world, "lobby", &session["uid"]);
    expected["clientRequest"]["recordingConfig"] = json!({"channelType": 0, "streamTypes": 2, "videoStreamType": 0, "maxIdleTime": 30, "subscribeUidGroup": 3});
    expected["clientRequest"]["recordingFileConfig"] = json!({"avFileType": ["hls"]});
    assert_bodies(&world, &session, &expected).await;

    // Two segments of 15 s, and snapshots meanwhile.
    let segments = async || {
        let keys = keys(&world, "lobby").await;
        (keys.iter().filter(|key| key.ends_with(".ts")).count() >= 4).then_some(())
    };
    world.eventually("two segments of sound and two of video", SOON, segments).await;
    assert_snapshots(&world, "lobby", &session, &[7]).await;
    assert_ended_by_deletion(&world, &session).await;
    for kind in ["audio", "video"] {
        assert_playlist(&world, &session, kind).await;
    }
    world.end().await;
}

/// The vendor's guide: each user who sends video has a series; one who stops pauses that series alone.
#[tokio::test(flavor = "multi_thread")]
async fn each_user_has_a_series_that_pauses_with_the_video() {
    let world = Plan::new("series").faster(10).make().await;
    join(&world, &[7, 8]).await;
    let mut spec = world.spec("lobby");
    spec["intervalSeconds"] = json!(2);
    world.create("lobby", spec).await;
    let job = world.until_capturing("lobby").await;
    let session = the_live_session(&world, &job).await;
    until_more_of(&world, 8, 2).await;
    until_more_of(&world, 7, 2).await;

    let silent = json!({"video": false, "audio": true, "host": true});
    world.simulator.put_user("lobby", 8, silent).await.expect("the user mutes its video");
    // What was taken before lands first: uploads of one session do not overtake each other by two intervals.
    until_more_of(&world, 7, 2).await;
    let paused = series(&world).await[&8].len();
    until_more_of(&world, 7, 3).await;
    assert_eq!(series(&world).await[&8].len(), paused, "the series of user 8 goes on without video");

    world.simulator.join("lobby", 8).await.expect("the user sends again");
    until_more_of(&world, 8, 2).await;
    until_more_of(&world, 7, 1).await;
    let sids: Vec<_> = world.sessions().await.iter().map(|one| one["sid"].clone()).collect();
    assert_eq!(sids, [session["sid"].clone()], "all of it in one session");
    assert_snapshots(&world, "lobby", &session, &[7, 8]).await;
    world.end().await;
}

/// The status counts what the bucket holds, per user; and `kubectl get -o wide` shows it.
#[tokio::test(flavor = "multi_thread")]
async fn what_arrived_is_counted_and_shown() {
    let world = Plan::new("counted").faster(10).make().await;
    join(&world, &[7, 8]).await;
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_capturing("lobby").await;
    let session = the_live_session(&world, &job).await;
    let counts = |job: &Value| job["status"]["snapshots"]["count"].as_i64().is_some_and(|count| count > 0);
    let job = world.until("lobby", "snapshots to be counted", SOON, counts).await;
    let row = wide_row(&world, "lobby").await;
    assert_eq!(row["Name"], "lobby");
    assert_eq!(row["Phase"], "Running");
    assert_eq!(row["Channel"], "lobby");
    assert_eq!(row["Interval"], 10);
    assert_eq!(row["Snapshots"], job["status"]["snapshots"]["count"]);
    assert_ne!(row["Last-Snapshot"], "<none>");
    assert_eq!(row["Sid"], session["sid"]);
    assert_eq!(row["Recorder"].to_string(), session["uid"].as_str().expect("a uid"));
    assert_eq!(row["Reason"], "Capturing");

    // Nothing comes any more: what is counted then is all.
    world.patch("lobby", json!({"spec": {"suspend": true}})).await;
    let job = world.until_ready_is("lobby", "True", "Suspended").await;
    let (said, series) = (&job["status"]["snapshots"], series(&world).await);
    assert_eq!(said["count"], series.values().map(Vec::len).sum::<usize>(), "{said:#}");
    for (user, names) in &series {
        let said = said["users"].as_array().expect("users").iter().find(|said| said["uid"] == *user);
        assert_eq!(said.expect("the user")["count"], names.len(), "user {user}");
    }
    let newest = series.values().flatten().max_by_key(|(_, name)| name.taken).expect("a snapshot");
    assert_eq!(said["lastFile"], newest.0);
    assert_eq!(job["status"]["storage"], json!({"bucket": world.bucket, "prefix": "lobby"}));
    assert!(world.live_sessions().await.is_empty());
    world.end().await;
}

/// In real time, for the sake of the figure: a minute in which nothing changes costs the API server nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_minute_in_which_nothing_changes_has_no_write() {
    let world = Plan::new("quiet").make().await;
    join(&world, &[7]).await;
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    let counts = |job: &Value| job["status"]["snapshots"]["count"].as_i64().is_some_and(|count| count > 0);
    world.until("lobby", "snapshots to be counted", SOON, counts).await;
    let (quiet, queries) = (world.mark_at_rest().await, world.calls("query").await.len());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let writes = world.writes_of("lobby", quiet).await;
    assert_eq!(writes.count(), 0, "{writes:#?}");
    assert!(world.calls("query").await.len() > queries, "the session was looked after meanwhile");
    world.end().await;
}

// === what the vendor is asked ===

/// What every start of these tests says; the recording, and what else differs, is put in by the test. Secrets are
/// hashed, as in the journal.
fn start_body(world: &World, channel: &str, recorder: &Value) -> Value {
    let keys = world.testbed.s3().root();
    json!({"cname": channel, "uid": recorder, "clientRequest": {
        "snapshotConfig": {"captureInterval": 5, "fileType": ["jpg"]},
        "storageConfig": {
            "vendor": 11, "region": 0, "bucket": world.bucket,
            "accessKey": hashed(&keys.access_key), "secretKey": hashed(&keys.secret_key),
            "fileNamePrefix": [channel], "extensionParams": {"endpoint": "s3.example.com"},
        },
    }})
}

fn hashed(secret: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(secret)))
}

/// One acquire and one start, with these bodies and nothing odd about them, in pairs within 2 s.
async fn assert_bodies(world: &World, session: &Value, expected_start: &Value) {
    let (acquires, starts) = (world.calls("acquire").await, world.calls("start").await);
    assert_eq!((acquires.len(), starts.len()), (1, 1));
    let (acquire, start) = (&acquires[0], &starts[0]);
    let expected = json!({"cname": session["cname"], "uid": session["uid"],
        "clientRequest": {"scene": 0, "resourceExpiredHour": 72}});
    assert_eq!(acquire["body"], expected);
    assert_eq!(start["body"], *expected_start);
    assert_eq!((&acquire["notes"], &start["notes"]), (&json!([]), &json!([])));
    let path = format!(
        "/v1/apps/{}/cloud_recording/resourceid/{}/mode/individual/start",
        world.simulator.app_id(),
        session["resourceId"].as_str().expect("a resourceId")
    );
    assert_eq!(start["path"], path);
}

/// The one session that runs, which is the one that the object names.
async fn the_live_session(world: &World, job: &Value) -> Value {
    let live = world.live_sessions().await;
    assert_eq!(live.len(), 1, "{live:#?}");
    let said = &job["status"]["sessions"];
    assert_eq!(said.as_array().map(Vec::len), Some(1));
    assert_eq!(said[0]["sid"], live[0]["sid"]);
    assert_eq!(said[0]["resourceId"], live[0]["resourceId"]);
    assert_eq!(said[0]["recorderUid"].to_string(), live[0]["uid"].as_str().expect("a uid"));
    assert_eq!(said[0]["appId"], live[0]["appId"]);
    assert_eq!(said[0]["channel"], live[0]["cname"]);
    assert_eq!(job["status"]["phase"], "Running");
    assert_eq!(condition(job, "ControlReachable").expect("it was asked")["status"], "True");
    live.into_iter().next().expect("it is one")
}

async fn assert_ended_by_deletion(world: &World, session: &Value) {
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());
    let sessions = world.sessions().await;
    assert_eq!(sessions.len(), 1);
    assert_eq!((&sessions[0]["sid"], &sessions[0]["endReason"]), (&session["sid"], &json!("stopped")));
    let stops = world.calls("stop").await;
    assert_eq!(stops.len(), 1, "what 206/435 or 200 confirmed is not stopped again: {stops:#?}");
    let expected =
        json!({"cname": session["cname"], "uid": session["uid"], "clientRequest": {"async_stop": false}});
    assert_eq!(stops[0]["body"], expected);
    for reason in ["SessionStarted", "Capturing", "SessionStopped"] {
        let told = async || world.events("lobby").await.into_iter().find(|(_, event, _)| event == reason);
        world.eventually(&format!("an event {reason}"), SOON, told).await;
    }
}

// === what lands in the bucket ===

/// Every JPG below the prefix is a snapshot of this session: named as the guide names it, and a picture; and each of
/// these users, nobody else, has at least two.
async fn assert_snapshots(world: &World, prefix: &str, session: &Value, users: &[u32]) {
    let sid = session["sid"].as_str().expect("a sid");
    let as_in_the_guide = Regex::new(&format!(
        r"^{prefix}/{sid}_lobby__uid_s_(?<uid>[1-9][0-9]*)__uid_e_video_(?<utc>2[0-9]{{16}})\.jpg$"
    ));
    let as_in_the_guide = as_in_the_guide.expect("a pattern");
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    let mut keys = keys(world, prefix).await;
    keys.retain(|key| !key.ends_with(".ts") && !key.ends_with(".m3u8"));
    for key in &keys {
        let parts =
            as_in_the_guide.captures(key).unwrap_or_else(|| panic!("{key} is not named as in the guide"));
        let read = FileName::parse(key).unwrap_or_else(|| panic!("the product cannot read {key}"));
        assert_eq!((read.sid.as_str(), read.channel.as_str(), read.activation), (sid, "lobby", None));
        assert_eq!(read.user.to_string(), parts["uid"]);
        assert_eq!(read.taken.strftime("%Y%m%d%H%M%S%3f").to_string(), parts["utc"]);
        *seen.entry(read.user).or_default() += 1;
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), users);
    assert!(seen.values().all(|count| *count >= 2), "{seen:?}");
    assert_picture(world, keys.first().expect("a snapshot")).await;
    assert_picture(world, keys.last().expect("a snapshot")).await;
}

async fn assert_picture(world: &World, key: &str) {
    let bytes = world.testbed.s3().get(&world.bucket, key).await.expect("an object");
    assert!(bytes.starts_with(&[0xFF, 0xD8, 0xFF]) && bytes.ends_with(&[0xFF, 0xD9]), "{key} is no JPEG");
    let mut decoder = zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(&bytes));
    let pixels = decoder.decode().unwrap_or_else(|error| panic!("{key} cannot be decoded: {error:?}"));
    assert_eq!(decoder.dimensions(), Some((640, 360)));
    assert!(pixels.iter().any(|value| *value != pixels[0]), "{key} is a picture of nothing");
}

/// The playlist of user 7 names the segments that are there, all of them, and is closed.
async fn assert_playlist(world: &World, session: &Value, kind: &str) {
    let stem = format!("lobby/{}_lobby__uid_s_7__uid_e_{kind}", session["sid"].as_str().expect("a sid"));
    let playlist = world.testbed.s3().get(&world.bucket, &format!("{stem}.m3u8")).await.expect("a playlist");
    let playlist = String::from_utf8(playlist).expect("text");
    assert!(playlist.starts_with("#EXTM3U\n") && playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    let named: Vec<String> =
        playlist.lines().filter(|line| !line.starts_with('#')).map(|name| format!("lobby/{name}")).collect();
    let mut there = keys(world, "lobby").await;
    there.retain(|key| key.starts_with(&stem) && key.ends_with(".ts"));
    assert_eq!(named, there);
    assert!(there.len() >= 2, "{playlist}");
    for key in there {
        let segment = world.testbed.s3().get(&world.bucket, &key).await.expect("a segment");
        assert!(
            !segment.is_empty() && segment.chunks(188).all(|packet| packet.len() == 188 && packet[0] == 0x47)
        );
    }
}

/// The snapshots in the bucket by user: key and name, in order of time.
async fn series(world: &World) -> BTreeMap<u32, Vec<(String, FileName)>> {
    let mut series: BTreeMap<u32, Vec<(String, FileName)>> = BTreeMap::new();
    for key in keys(world, "lobby").await {
        let name = FileName::parse(&key).unwrap_or_else(|| panic!("{key} is no snapshot"));
        series.entry(name.user).or_default().push((key, name));
    }
    series.values_mut().for_each(|names| names.sort_by_key(|(_, name)| name.taken));
    series
}

async fn until_more_of(world: &World, user: u32, more: usize) {
    let count = async || series(world).await.get(&user).map_or(0, Vec::len);
    let wanted = count().await + more;
    let enough = async || (count().await >= wanted).then_some(());
    world.eventually(&format!("{more} more snapshots of user {user}"), SOON, enough).await;
}

async fn keys(world: &World, prefix: &str) -> Vec<String> {
    world.testbed.s3().list(&world.bucket, prefix).await.expect("a list")
}

async fn join(world: &World, users: &[u32]) {
    for user in users {
        world.simulator.join("lobby", *user).await.expect("a user joins");
    }
}

// === what people see ===

/// What `kubectl get snapshotjob NAME -o wide` prints: the server's own table, column by column.
async fn wide_row(world: &World, name: &str) -> BTreeMap<String, Value> {
    let path =
        format!("/apis/agora-snapshot.dev/v1alpha1/namespaces/{}/snapshotjobs/{name}", world.namespace);
    let request = http::Request::get(path)
        .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(vec![])
        .expect("a request");
    let table: Value = world.client.request(request).await.expect("a table");
    let names = table["columnDefinitions"].as_array().expect("columns").iter();
    let cells = table["rows"][0]["cells"].as_array().expect("cells").iter().cloned();
    names.map(|column| column["name"].as_str().expect("a name").to_owned()).zip(cells).collect()
}
