//! Bodies of notifications: whatever is posted to an address that anybody may find. Reading one does no harm, what is told of
//! a session is the same in every order and however often, and no text of the sender's passes for a signature.

use agora_snapshot_operator::agora::notification::{Signatures, read};
use agora_snapshot_operator::lifecycle::told::{Tiding, Told};

/// The promises, for a body a line.
pub(crate) fn check(data: &[u8]) {
    let bodies: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let read = bodies.iter().filter_map(|body| read(body));
    let tidings: Vec<Tiding> = read.map(|notification| notification.tiding).collect();
    assert!(tidings.iter().all(|tiding| !tiding.sid.is_empty()), "{tidings:?}");
    let told = fold(tidings.iter());
    assert_eq!(told, fold(tidings.iter().rev().chain(&tidings)), "{tidings:?}");
    assert_eq!(told.heard(), tidings.iter().map(|tiding| tiding.time).max());
    for body in bodies {
        let text = String::from_utf8_lossy(body);
        for signatures in
            [Signatures { sha1: Some(&text), sha256: None }, Signatures { sha1: None, sha256: Some(&text) }]
        {
            assert!(!signatures.are_of(data, &"secret".into()), "{text:?} passes for a signature");
        }
    }
}

fn fold<'a>(tidings: impl Iterator<Item = &'a Tiding>) -> Told {
    let mut told = Told::default();
    tidings.for_each(|tiding| told.hear(tiding));
    told
}
