//! Which recorder uids a job uses. Two jobs must not meet on one uid, nor a job and a user of the channel.

use sha2::{Digest, Sha256};

use crate::api::SnapshotJobSpec;

/// Derived uids lie in 4,000,000,000 to 4,294,967,295, a range that applications hardly give to people.
const DERIVED_FROM: u64 = 4_000_000_000;
const DERIVED_TO: u64 = 4_294_967_295;

/// The recorder uids of a job, the preferred one first: those declared, else two derived from the App ID, the channel
/// and the object's namespace and name, so that they stay the same for the same object.
pub fn uids(spec: &SnapshotJobSpec, namespace: &str, name: &str) -> Vec<i64> {
    match &spec.channel.recorders {
        Some(declared) if !declared.is_empty() => declared.iter().map(|recorder| recorder.uid).collect(),
        Some(_) | None => {
            let first = derived(spec, namespace, name, 0);
            let second = (1..).map(|n| derived(spec, namespace, name, n)).find(|uid| *uid != first);
            std::iter::once(first).chain(second).collect()
        }
    }
}

fn derived(spec: &SnapshotJobSpec, namespace: &str, name: &str, n: u32) -> i64 {
    let mut hash = Sha256::new();
    for part in [&spec.channel.app_id, &spec.channel.name, namespace, name, &n.to_string()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let number = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let uid = DERIVED_FROM + number % (DERIVED_TO - DERIVED_FROM + 1);
    i64::try_from(uid).expect("the range fits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::fixtures;

    #[test]
    fn derived_uids_are_distinct_stable_and_in_range() {
        let spec = fixtures::spec();
        let uids_of = |name: &str| uids(&spec, "live", name);
        assert_eq!(uids_of("lobby"), uids_of("lobby"));
        for n in 0..500 {
            let uids = uids_of(&format!("job-{n}"));
            assert_eq!(uids.len(), 2);
            assert_ne!(uids[0], uids[1]);
            assert!(uids.iter().all(|uid| (4_000_000_000..=4_294_967_295).contains(uid)), "{uids:?}");
        }
        assert_ne!(uids_of("lobby"), uids_of("lobby2"));
        assert_ne!(uids(&spec, "a", "bc"), uids(&spec, "ab", "c"), "the parts do not run into each other");
    }

    #[test]
    fn declared_uids_win() {
        let mut spec = fixtures::spec();
        spec.channel.recorders =
            Some(vec![crate::api::spec::Recorder { uid: 1001, token_secret_key_ref: None }]);
        assert_eq!(uids(&spec, "live", "lobby"), [1001]);
    }
}
