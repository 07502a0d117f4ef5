//! Answers that are none of the vendor's: pages of proxies and gateways, and garbage.

use proptest::prelude::{Strategy, any, prop, prop_assert, proptest};
use serde_json::{Value, json};

use super::{
    Redactor, Reply, VERBS, Verb, json_judged, judged, judged_reply, message, nothing_secret, short,
};

#[test]
fn what_others_answer_proves_nothing() {
    let page = b"<!DOCTYPE html><title>Blocked</title>";
    for verb in VERBS {
        for (http, kind) in [
            (200, "D Unreadable"),
            (204, "D Unreadable"),
            (301, "D ServerFault"),
            (302, "D ServerFault"),
            (307, "D ServerFault"),
            (400, "D Unreadable"),
            (401, "D Unauthorized"),
            (403, "D Unreadable"),
            (404, "D Unreadable"),
            (407, "D Unreadable"),
            (413, "D Unreadable"),
            (429, "D RateLimited"),
            (500, "D ServerFault"),
            (502, "D ServerFault"),
            (503, "D ServerFault"),
            (504, "D ServerFault"),
            (599, "D ServerFault"),
        ] {
            assert_eq!(short(&judged(verb, http, page)), kind, "{verb:?} {http}");
            assert_eq!(short(&judged(verb, http, b"")), kind, "{verb:?} {http} empty");
        }
        // Gateways that repeat their status as a code.
        for http in [500, 502, 503, 504] {
            let body = json!({"code": http, "message": "Bad Gateway"});
            let meaning = short(&json_judged(verb, http, &body));
            if http == 502 || verb != Verb::Acquire {
                assert_eq!(meaning, "D ServerFault", "{verb:?} {http}");
            }
        }
        assert_eq!(short(&json_judged(verb, 403, &message("forbidden"))), "D ServerFault");
        for body in ["[]", "null", "5", "\"text\"", "{\"resourceId\":", "\u{0}", "{}{}"] {
            assert_eq!(short(&judged(verb, 200, body.as_bytes())), "D Unreadable", "{verb:?} {body}");
        }
    }
}

#[test]
fn a_body_that_is_too_long_or_too_deep_is_unreadable() {
    for verb in VERBS {
        let reply = Reply::new(200, None, None);
        assert_eq!(short(&judged_reply(verb, &reply, &nothing_secret())), "D Unreadable");
        let deep = format!("{{\"sid\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(short(&judged(verb, 200, deep.as_bytes())), "D Unreadable");
    }
}

/// JSON of the names that we look for, with anything in them.
fn near_misses() -> impl Strategy<Value = Value> {
    let leaf = proptest::prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        proptest::strategy::Just(Value::Null),
        proptest::strategy::Just(json!([])),
        proptest::strategy::Just(json!({})),
    ];
    let names = prop::sample::select(vec![
        "code",
        "reason",
        "message",
        "cname",
        "uid",
        "resourceId",
        "sid",
        "serverResponse",
        "status",
        "payload",
        "uploadingStatus",
    ]);
    leaf.prop_recursive(3, 24, 8, move |inner| {
        prop::collection::btree_map(names.clone(), inner, 0..8).prop_map(|map| {
            map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<serde_json::Map<_, _>>().into()
        })
    })
}

proptest! {
    #[test]
    fn garbage_is_never_confirmed(http in 100..600_u16, body in any::<Vec<u8>>()) {
        for verb in VERBS {
            let outcome = short(&judged(verb, http, &body));
            prop_assert!(!outcome.starts_with('C'), "{verb:?} {http}: {outcome}");
        }
    }

    #[test]
    fn only_the_right_status_confirms(http in 100..600_u16, body in near_misses()) {
        for verb in VERBS {
            let outcome = short(&json_judged(verb, http, &body));
            let may_confirm = (200..300).contains(&http) || (verb == Verb::Stop && http == 400);
            prop_assert!(may_confirm || !outcome.starts_with('C'), "{verb:?} {http} {body}: {outcome}");
        }
    }

    #[test]
    fn nothing_but_words_of_the_vendor_refuses(http in 100..600_u16, body in any::<Vec<u8>>()) {
        for verb in VERBS {
            let outcome = short(&judged(verb, http, &body));
            prop_assert!(!outcome.starts_with('R'), "{verb:?} {http}: {outcome}");
        }
    }

    #[test]
    fn words_never_show_a_secret(http in 100..600_u16, secret in "[a-zA-Z0-9/+=]{6,40}", around in "\\PC{0,40}") {
        let redactor = Redactor::new([secret.as_str()]);
        for key in ["reason", "message"] {
            let body = json!({"code": 2, key: format!("{around}{secret}{around}")}).to_string();
            let reply = Reply::new(http, None, Some(body.as_bytes()));
            for verb in VERBS {
                if let Some(answer) = judged_reply(verb, &reply, &redactor).answer() {
                    prop_assert!(!answer.words.contains(&secret), "{}", answer.words);
                }
            }
        }
    }
}
