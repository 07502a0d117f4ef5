//! Tokens against those of the vendor's own builder (`tests/vectors/make-agora-tokens.js`), and against themselves.

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use serde_json::Value;

use super::*;

const APP_ID: &str = "970ca35de60c44645bbae8a215061b33";
const CERTIFICATE: &str = "5cfd2fd1755d40ecb72977518be15d3b";

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/agora-tokens.json")).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn recorder(uid: i64) -> TokenFor<'static> {
    TokenFor { app_id: APP_ID, channel: "lobby", uid }
}

#[test]
fn what_is_made_equals_what_the_vendors_builder_makes() {
    let vectors = vectors();
    let made = vectors["made"].as_array().unwrap();
    assert_eq!(made.len(), 3);
    for vector in made {
        let wanted = TokenFor {
            app_id: vectors["appId"].as_str().unwrap(),
            channel: vector["channel"].as_str().unwrap(),
            uid: vector["uid"].as_i64().unwrap(),
        };
        let random = u32::try_from(vector["salt"].as_u64().unwrap()).unwrap() - 1;
        let ours = build(
            &wanted,
            vectors["appCertificate"].as_str().unwrap(),
            at(vectors["issuedAt"].as_i64().unwrap()),
            SignedDuration::from_secs(vector["seconds"].as_i64().unwrap()),
            random,
        )
        .unwrap();
        let theirs = vector["token"].as_str().unwrap();
        // Compression differs between implementations, what is inside does not.
        let inside = |token: &str| unpack(token.strip_prefix(VERSION_2).unwrap()).unwrap();
        assert_eq!(inside(&ours), inside(theirs), "{vector}");
    }
}

#[test]
fn what_the_vendors_builders_made_is_read() {
    let vectors = vectors();
    let read = vectors["read"].as_array().unwrap();
    assert_eq!(read.len(), 11);
    for vector in read {
        let what = vector["what"].as_str().unwrap();
        let token = Token::parse(vector["token"].as_str().unwrap()).expect(what);
        assert_eq!(token.end(), at(vector["end"].as_i64().unwrap()), "{what}");
        assert_eq!(token.differs(&recorder(1001)), None, "{what}");
        let other_app = TokenFor { app_id: CERTIFICATE, ..recorder(1001) };
        assert_eq!(token.differs(&other_app), Some(("App ID", CERTIFICATE.to_owned())), "{what}");
        let other_channel = TokenFor { channel: "hall", ..recorder(1001) };
        let for_every_channel = vector["channel"] == "*";
        assert_eq!(token.differs(&other_channel).is_none(), for_every_channel, "{what}");
        let for_every_uid = vector["uid"] == 0;
        assert_eq!(token.differs(&recorder(1002)).is_none(), for_every_uid, "{what}");
    }
}

#[test]
fn what_is_no_rtc_token_is_refused_without_being_shown() {
    let of_another_service = vectors()["foreign"][0]["token"].as_str().unwrap().to_owned();
    let whole = build(&recorder(1), CERTIFICATE, at(0), LONGEST_LIFE, 7).unwrap();
    for (token, problem) in [
        (of_another_service.as_str(), TokenProblem::NotRtc),
        ("", TokenProblem::Foreign),
        ("00", TokenProblem::Foreign),
        ("008eJx", TokenProblem::Foreign),
        ("my-secret", TokenProblem::Foreign),
        ("00€", TokenProblem::Foreign),
        ("007", TokenProblem::Damaged),
        ("007not base64", TokenProblem::Damaged),
        ("007AAAA", TokenProblem::Damaged),
        ("006", TokenProblem::Damaged),
        ("006970ca35de60c44645bbae8a215061b33AAAA", TokenProblem::Damaged),
        (&whole[..whole.len() - 8], TokenProblem::Damaged),
    ] {
        assert_eq!(Token::parse(token), Err(problem), "{token}");
    }
}

#[test]
fn a_small_token_cannot_unpack_to_gigabytes() {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![0; 50_000_000]).unwrap();
    let token = format!("{VERSION_2}{}", STANDARD.encode(packed.finish().unwrap()));
    assert!(token.len() < 100_000);
    assert_eq!(Token::parse(&token), Err(TokenProblem::NotRtc));
    assert_eq!(unpack(&token[3..]).map(|inner| inner.len()), Some(usize::try_from(LARGEST).unwrap()));
}

#[test]
fn ids_must_be_hexadecimal() {
    let build =
        |app_id, certificate| build(&TokenFor { app_id, ..recorder(1) }, certificate, at(0), LONGEST_LIFE, 0);
    assert_eq!(build("970ca35d", CERTIFICATE), Err(TokenProblem::AppId));
    assert_eq!(build(APP_ID, &CERTIFICATE.replace('5', "g")), Err(TokenProblem::Certificate));
}

fn names() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 !#$%&()+:;<=.>?@^_{|}~,-]{1,63}".prop_filter("stands for every channel", |name| name != "*")
}

proptest! {
    #[test]
    fn what_is_made_is_read_as_it_was_meant(
        channel in names(),
        uid in 1..=4_294_967_295_i64,
        issued in 0..4_000_000_000_i64,
        life in 1..200_000_i64,
        random in any::<u32>(),
        other in names(),
    ) {
        let wanted = TokenFor { app_id: APP_ID, channel: &channel, uid };
        let token = build(&wanted, CERTIFICATE, at(issued), SignedDuration::from_secs(life), random).unwrap();
        let read = Token::parse(&token).unwrap();
        prop_assert_eq!(read.end(), at(issued + life.min(86_400)));
        prop_assert_eq!(read.differs(&wanted), None);
        let other_uid = TokenFor { uid: uid % 4_294_967_295 + 1, ..wanted };
        prop_assert!(read.differs(&other_uid).is_some());
        let other_channel = TokenFor { channel: &other, ..wanted };
        prop_assert!(other == channel || read.differs(&other_channel).is_some());
    }

    #[test]
    fn reading_anything_ends_in_a_value(text in "(00[67])?\\PC*", bytes in any::<Vec<u8>>(), version in "00[67]") {
        let _ = Token::parse(&text);
        let _ = Token::parse(&format!("{version}{APP_ID}{}", STANDARD.encode(&bytes)));
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&bytes).unwrap();
        let _ = Token::parse(&format!("007{}", STANDARD.encode(packed.finish().unwrap())));
    }
}
