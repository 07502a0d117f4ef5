//! The rules about the channel: its ids, who joins it, its encryption.

use serde_json::{Value, json};

use crate::judgement::{bad, must_accept, must_refuse};
use crate::objects::{channel, record_and_snapshot, snapshot_only};
use crate::server::Server;

#[tokio::test]
async fn channels() {
    let app_id = "appId must be 32 hexadecimal characters";
    let name = "name must be 1 to 63 characters, each a letter a-z or A-Z, a digit, a space or one of \
                ! # $ % & ( ) + - : ; < = . > ? @ [ ] ^ _ { } | ~ ,";
    let mut rows = vec![
        bad(channel(json!({ "appId": "" })), "spec.channel.appId", app_id),
        bad(channel(json!({ "appId": "970ca35de60c44645bbae8a215061b3" })), "spec.channel.appId", app_id),
        bad(channel(json!({ "appId": "970ca35de60c44645bbae8a215061b3g" })), "spec.channel.appId", app_id),
        bad(
            channel(json!({ "appId": "970ca35de60c44645bbae8a215061b333" })),
            "spec.channel.appId",
            "may not be more than 32 bytes",
        ),
        bad(channel(json!({ "name": "" })), "spec.channel.name", name),
        bad(channel(json!({ "name": "a".repeat(64) })), "spec.channel.name", "may not be more than 63 bytes"),
    ];
    for wrong in ["大厅", "é", "a/b", "a\\b", "a'b", "a\"b", "a`b", "a*b", "a\tb", "lobby\n", "\u{7f}"] {
        rows.push(bad(channel(json!({ "name": wrong })), "spec.channel.name", name));
    }
    must_refuse(rows).await;
    let charset = "azAZ09 !#$%&()+-:;<=.>?@[]^_{}|~,";
    must_accept(vec![
        channel(json!({ "name": charset })),
        channel(json!({ "name": "x" })),
        channel(json!({ "name": "a".repeat(63) })),
        channel(json!({ "appId": "970CA35DE60C44645BBAE8A215061B33", "profile": "Communication" })),
    ])
    .await;
    let server = Server::with_crd().await;
    for character in (0_u8..128).map(char::from) {
        let accepted = server.try_create(&channel(json!({ "name": character.to_string() }))).await.is_ok();
        assert_eq!(
            accepted,
            charset.contains(character) || character.is_ascii_alphanumeric(),
            "{character:?}"
        );
    }
}

#[tokio::test]
async fn recorders() {
    let recorders = |list: Value| channel(json!({ "recorders": list }));
    must_refuse(vec![
        bad(
            recorders(json!([{ "uid": 0 }])),
            "spec.channel.recorders[0].uid",
            "spec.channel.recorders[0].uid in body should be greater than or equal to 1",
        ),
        bad(
            recorders(json!([{ "uid": 4_294_967_296_i64 }])),
            "spec.channel.recorders[0].uid",
            "spec.channel.recorders[0].uid in body should be less than or equal to 4294967295",
        ),
        bad(
            recorders(json!([{ "uid": "1001" }])),
            "spec.channel.recorders[0].uid",
            "spec.channel.recorders[0].uid in body must be of type integer: \"string\"",
        ),
        bad(recorders(json!([{ "uid": 1 }, { "uid": 1 }])), "spec.channel.recorders[1]", "{\"uid\":1}"),
        bad(
            recorders(json!([{ "uid": 1 }, { "uid": 2 }, { "uid": 3 }])),
            "spec.channel.recorders",
            "must have at most 2 items",
        ),
    ])
    .await;
    must_accept(vec![
        recorders(json!([{ "uid": 1 }])),
        recorders(json!([{ "uid": 4_294_967_295_u32 }, { "uid": 1 }])),
        record_and_snapshot(),
        snapshot_only(),
    ])
    .await;
}

#[tokio::test]
async fn encryption() {
    let encryption = |mode: &str, salt: bool| {
        let mut encryption = json!({ "mode": mode, "secretKeyRef": { "name": "media", "key": "secret" } });
        if salt {
            encryption["saltSecretKeyRef"] = json!({ "name": "media", "key": "salt" });
        }
        channel(json!({ "encryption": encryption }))
    };
    let salted = ["AES128GCM2", "AES256GCM2"];
    let plain = ["AES128XTS", "AES128ECB", "AES256XTS", "SM4128ECB", "AES128GCM", "AES256GCM"];
    let salt = "spec.channel.encryption.saltSecretKeyRef";
    let mut rows = Vec::new();
    let mut good = Vec::new();
    for mode in salted {
        good.push(encryption(mode, true));
        rows.push(bad(
            encryption(mode, false),
            salt,
            "saltSecretKeyRef must be set with mode AES128GCM2 and AES256GCM2",
        ));
    }
    for mode in plain {
        good.push(encryption(mode, false));
        rows.push(bad(
            encryption(mode, true),
            salt,
            "saltSecretKeyRef must be set only with mode AES128GCM2 and AES256GCM2",
        ));
    }
    must_refuse(rows).await;
    must_accept(good).await;
}
