//! The rules about whose streams are captured.

use serde_json::{Value, json};

use crate::judgement::{bad, must_accept, must_refuse};
use crate::objects::{spec, subscription, with};

#[tokio::test]
async fn subscription_lists() {
    let uids = |range: std::ops::RangeInclusive<i64>| range.collect::<Vec<_>>();
    let mut rows = Vec::new();
    for list in ["videoUids", "audioUids", "excludedVideoUids", "excludedAudioUids"] {
        let field = |suffix: &str| -> &'static str { format!("spec.subscription.{list}{suffix}").leak() };
        let says = |text: &str| -> &'static str { text.replace("LIST", list).leak() };
        rows.push(bad(
            subscription(json!({ list: [0] })),
            field("[0]"),
            says("spec.subscription.LIST[0] in body should be greater than or equal to 1"),
        ));
        rows.push(bad(
            subscription(json!({ list: [4_294_967_296_i64] })),
            field("[0]"),
            says("spec.subscription.LIST[0] in body should be less than or equal to 4294967295"),
        ));
        rows.push(bad(subscription(json!({ list: [7, 8, 7] })), field("[2]"), "Duplicate value: 7"));
        rows.push(bad(
            subscription(json!({ list: uids(1..=33), "maxUsers": 49 })),
            field(""),
            "must have at most 32 items",
        ));
        rows.push(bad(
            with(
                subscription(json!({ list: [5, 1002] })),
                json!({ "spec": { "channel": { "recorders": [{ "uid": 1001 }, { "uid": 1002 }] } } }),
            ),
            field(""),
            says("LIST must not contain a uid of channel.recorders"),
        ));
    }
    for (list, other) in [("videoUids", "excludedVideoUids"), ("audioUids", "excludedAudioUids")] {
        rows.push(bad(
            subscription(json!({ list: [1], other: [2] })),
            format!("spec.subscription.{other}").leak(),
            format!("{other} must not be given together with {list}").leak(),
        ));
    }
    rows.push(bad(
        subscription(json!({ "audioUids": [1], "excludedVideoUids": [2] })),
        "spec.subscription.audioUids",
        "audioUids must not be given together with excludedVideoUids",
    ));
    for recording in [Value::Null, json!({ "streams": "Video" })] {
        for list in ["audioUids", "excludedAudioUids"] {
            rows.push(bad(
                spec(json!({ "recording": recording, "subscription": { list: [1] } })),
                format!("spec.subscription.{list}").leak(),
                format!("{list} must be given only with recording.streams AudioAndVideo").leak(),
            ));
        }
    }
    let room = "maxUsers must be at least the number of different users in videoUids and audioUids";
    for subscribed in [
        json!({ "videoUids": uids(1..=18) }),
        json!({ "audioUids": uids(1..=18) }),
        json!({ "videoUids": uids(1..=3), "audioUids": uids(3..=4), "maxUsers": 3 }),
        json!({ "videoUids": uids(1..=32), "audioUids": uids(18..=49), "maxUsers": 48 }),
    ] {
        rows.push(bad(subscription(subscribed), "spec.subscription.maxUsers", room));
    }
    must_refuse(rows).await;
    must_accept(vec![
        subscription(json!({ "videoUids": [1, 4_294_967_295_u32], "excludedAudioUids": [1] })),
        subscription(json!({ "videoUids": uids(1..=32), "audioUids": uids(18..=49), "maxUsers": 49 })),
        subscription(json!({ "videoUids": uids(1..=32), "audioUids": uids(1..=32), "maxUsers": 32 })),
        subscription(json!({ "excludedVideoUids": uids(1..=32), "maxUsers": 1 })),
        spec(json!({ "subscription": { "videoUids": uids(1..=17) } })),
        spec(json!({ "recording": { "streams": "Video" }, "subscription": { "excludedVideoUids": [1] } })),
        with(
            subscription(json!({ "videoUids": [1] })),
            json!({ "spec": { "channel": { "recorders": [{ "uid": 2 }] } } }),
        ),
    ])
    .await;
}
