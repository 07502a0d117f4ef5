//! Every command in a world where snapshots arrive.

use serde_json::{Value, json};

use crate::telling::assert_has;
use crate::user::User;
use crate::world::{Plan, SOON, World};

/// A world in which two users send video to channel `lobby`, with so many snapshots of each in the bucket.
pub async fn with_snapshots(name: &'static str, of_each: usize) -> World {
    let world = Plan::new(name).make().await;
    let mut spec = world.spec("lobby");
    spec["intervalSeconds"] = json!(1);
    for uid in [101, 102] {
        world.simulator.join("lobby", uid).await.expect("a user");
    }
    world.create("lobby", spec).await;
    world.until_capturing("lobby").await;
    world.eventually("snapshots in the bucket", SOON, || arrived(&world, of_each)).await;
    world
}

async fn arrived(world: &World, of_each: usize) -> Option<()> {
    let keys = world.testbed.s3().list(&world.bucket, "").await.expect("a list");
    let of = |uid: u32| keys.iter().filter(|key| key.contains(&format!("__uid_s_{uid}__"))).count();
    (of(101) >= of_each && of(102) >= of_each).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_listed_described_and_its_snapshots_saved() {
    let world = with_snapshots("plugin", 3).await;
    let user = User::of(&world).await;

    let list = user.prints(&["ls"]);
    assert_has(&list, &["NAME", "LAST-SNAPSHOT", "lobby", "Running", "Capturing"]);
    let list: Value = serde_json::from_str(&user.prints(&["ls", "-o", "json"])).expect("JSON");
    assert_eq!((list[0]["name"].as_str(), list[0]["phase"].as_str()), (Some("lobby"), Some("Running")));
    let nobody = user.run(&["ls", "-l", "team=nobody"]);
    assert_eq!((nobody.0, nobody.1.as_str()), (0, ""), "{}", nobody.2);

    let described = user.prints(&["describe", "lobby"]);
    let sid = world.live_sessions().await[0]["sid"].as_str().expect("a sid").to_owned();
    assert_has(
        &described,
        &["Name:      lobby", "Phase:     Running", &sid, "billed minutes in 1 session", "Next:"],
    );

    let shown = user.prints(&["pictures", "lobby", "--user", "101"]);
    assert!(shown.contains("__uid_s_101__") && !shown.contains("__uid_s_102__"), "{shown}");
    let shown = user.prints(&["pictures", "lobby", "--since", "1h"]);
    assert_has(&shown, &["__uid_s_101__", "__uid_s_102__"]);

    // No more snapshots: what comes next is compared file by file.
    world.simulator.leave("lobby", 101).await.expect("he leaves");
    world.simulator.leave("lobby", 102).await.expect("she leaves");
    world.patch("lobby", json!({"spec": {"suspend": true}})).await;
    world.until_ready_is("lobby", "True", "Suspended").await;
    let folder = tempdir(&world);
    let download = ["pictures", "lobby", "--download", folder.to_str().expect("text")];
    let keys = world.testbed.s3().list(&world.bucket, "").await.expect("a list");
    let keys: Vec<&String> = keys.iter().filter(|key| key.ends_with(".jpg")).collect();
    assert_has(
        &user.prints(&download),
        &[&format!("{} snapshots saved", keys.len()), "0 were there already"],
    );
    let (first, half) = (file(&folder, keys[0]), file(&folder, keys[1]));
    let bytes = std::fs::read(&first).expect("a file");
    assert_eq!(bytes, world.testbed.s3().get(&world.bucket, keys[0]).await.expect("the object"));
    assert_eq!(bytes[..2], [0xff, 0xd8], "a JPG");

    // As an interruption leaves it: one file is missing, half of it is there under another name.
    std::fs::rename(&half, half.with_added_extension("unfinished")).expect("renamed");
    std::fs::write(half.with_added_extension("unfinished"), "half").expect("written");
    std::fs::write(&first, "mine").expect("written");
    assert_has(&user.prints(&download), &["1 snapshots saved", &format!("{} were there", keys.len() - 1)]);
    assert_eq!(std::fs::read(&first).expect("a file"), b"mine", "what is there is not written over");
    assert_eq!(std::fs::read(&half).expect("a file")[..2], [0xff, 0xd8]);
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), keys.len());

    // The newest instant may be that of both users.
    let time = |key: &str| key.rsplit('_').next().map(str::to_owned);
    let newest = keys.iter().filter_map(|key| time(key)).max();
    let mut of_newest = vec![];
    for key in keys.iter().filter(|key| time(key) == newest) {
        of_newest.push(world.testbed.s3().get(&world.bucket, key).await.expect("the object"));
    }
    let output = user.command(&["latest", "lobby", "-o", "-"]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(of_newest.contains(&output.stdout), "none of the {} newest", of_newest.len());
    let path = folder.join("latest.jpg");
    user.prints(&["latest", "lobby", "-o", path.to_str().expect("text")]);
    assert_eq!(std::fs::read(&path).expect("a file"), output.stdout);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_nothing_where_all_is_well_and_bills_nothing() {
    let world = with_snapshots("plugin-doctor", 1).await;
    let user = User::of(&world).await;
    let text = user.prints(&["doctor", "lobby"]);
    let marks: Vec<&str> = text.lines().map(|line| &line[..5]).collect();
    assert_eq!(marks, ["ok   ", "ok   ", "ok   ", "ok   ", "ok   ", "ok   ", "ok   ", "Nothi"], "{text}");
    assert_has(&text, &["a query of the running session", "of 2 users, the newest"]);
    assert_eq!(world.sessions().await.len(), 1, "doctor starts nothing");
    world.end().await;
}

fn tempdir(world: &World) -> std::path::PathBuf {
    let folder = world.testbed.folder().join(format!("{}-download", world.namespace));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn file(folder: &std::path::Path, key: &str) -> std::path::PathBuf {
    folder.join(key.rsplit('/').next().expect("a name"))
}
