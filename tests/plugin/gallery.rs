//! Whom the gallery answers, and with what. The page itself is looked at in tests/gallery.

use reqwest::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST};
use reqwest::{Client, Method, Response};
use serde_json::Value;

use crate::commands::with_snapshots;
use crate::opened::Gallery;
use crate::telling::assert_has;
use crate::user::User;
use crate::world::World;

async fn get(client: &Client, url: &str) -> Response {
    client.get(url).send().await.expect("an answer")
}

/// Every text of an object's key, or of a key to the bucket, that must not be told.
async fn untold(world: &World) -> Vec<String> {
    let keys = world.testbed.s3().root();
    let sid = world.sessions().await[0]["sid"].as_str().expect("a sid").to_owned();
    vec![keys.access_key.clone(), keys.secret_key.clone(), sid, "__uid_s_".into()]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gallery_answers_whoever_has_its_address_and_shows_the_jobs_snapshots_alone() {
    let world = with_snapshots("plugin-gallery", 2).await;
    let user = User::of(&world).await;
    assert_has(&user.refused(&["open", "nobody"]), &["no SnapshotJob nobody"]);
    let mut gallery = Gallery::of(&world, &user, "lobby").await;
    let client = Client::builder().no_proxy().build().expect("a client");
    let address = gallery.address();
    let (root, token) = address.trim_end_matches('/').rsplit_once('/').expect("a token");
    assert!(token.len() == 32 && root.starts_with("http://127.0.0.1:"), "{address}");
    let taken = root.rsplit(':').next().expect("a port");
    assert_has(
        &user.refused(&["open", "lobby", "--port", taken]),
        &["cannot listen on 127.0.0.1:", "--port"],
    );

    let mut told = vec![];
    for file in ["", "gallery.css", "gallery.js", "timeline.js", "words.js", "icon.svg", "state"] {
        let answer = get(&client, &format!("{address}{file}")).await;
        assert_eq!(answer.status(), 200, "{file}");
        let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
        told.push(answer.text().await.expect("text"));
    }
    let state: Value = serde_json::from_str(told.last().expect("a state")).expect("JSON");
    assert_eq!(
        (&state["name"], &state["problem"], state["users"].as_array().map(Vec::len)),
        (&"lobby".into(), &Value::Null, Some(2)),
        "{state}"
    );
    let newest = state["users"][0]["newest"].as_i64().expect("a time");
    let times = get(&client, &format!("{address}users/101/times")).await.text().await.expect("text");
    assert!(times.contains(&newest.to_string()), "{times}");
    told.push(times);
    let snapshot = format!("{address}snapshots/101/{newest}.jpg");
    let answer = get(&client, &snapshot).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()[CONTENT_TYPE]),
        (200, &"image/jpeg".parse().expect("a value"))
    );
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(client.head(&snapshot).send().await.expect("an answer").status(), 200);

    // Whoever has not the address, or comes by another name.
    let wrong = token.chars().rev().collect::<String>();
    for url in [
        root.to_owned(),
        format!("{root}/state"),
        format!("{root}/{wrong}/"),
        format!("{root}/{wrong}/state"),
    ] {
        let answer = get(&client, &url).await;
        assert_eq!(answer.status(), 403, "{url}");
        told.push(answer.text().await.expect("text"));
    }
    for host in ["evil.example", "evil.example:80", "127.0.0.1"] {
        let answer =
            client.get(format!("{address}state")).header(HOST, host).send().await.expect("an answer");
        assert_eq!(answer.status(), 403, "{host}");
        told.push(answer.text().await.expect("text"));
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = client.request(method, format!("{address}state")).send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[ALLOW]),
            (405, &"GET, HEAD".parse().expect("a value"))
        );
    }

    // Nothing else of the bucket: what is no snapshot of the job, however it is asked for.
    let key = world.testbed.s3().list(&world.bucket, "").await.expect("a list").remove(0);
    let name = key.rsplit('/').next().expect("a name");
    for path in [
        "snapshots/101/1.jpg".to_owned(),
        format!("snapshots/103/{newest}.jpg"),
        format!("snapshots/101/{newest}"),
        format!("snapshots/101/{newest}.ts"),
        format!("snapshots/101/{name}"),
        format!("snapshots/101/..%2f{name}"),
        format!("snapshots/101/{}", key.replace('/', "%2f")),
        format!("snapshots/-1/{newest}.jpg"),
        key.to_string(),
        "../state".into(),
        "users/101/times?before=x".into(),
    ] {
        let answer = get(&client, &format!("{address}{path}")).await;
        assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        // axum's own words repeat what was asked for, as text that no browser takes for a page.
        assert!(
            answer.headers().get(CONTENT_TYPE).is_none_or(|kind| kind == "text/plain; charset=utf-8"),
            "{path}"
        );
    }
    for text in untold(&world).await {
        let telling = told.iter().find(|it| it.contains(&text));
        assert!(telling.is_none(), "{text} is told: {telling:?}");
    }
    let printed = gallery.end().await;
    assert_eq!(printed.lines().filter(|line| line.starts_with("http")).count(), 1, "{printed}");
    assert!(client.get(gallery.address()).send().await.is_err(), "it has ended");
    world.end().await;
}
