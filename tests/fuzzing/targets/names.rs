//! Keys of a bucket: whatever stands in it. A name that is read prints as it was; counting any key does no harm.

use agora_snapshot_operator::api::status::SnapshotsSummary;
use agora_snapshot_operator::snapshots::file_name::{time_from_name, time_in_name};
use agora_snapshot_operator::snapshots::tally::Next;
use agora_snapshot_operator::snapshots::{FileName, Tally};

/// The promises, for a listing of one key a line.
pub(crate) fn check(data: &[u8]) {
    let listing = String::from_utf8_lossy(data);
    // A service lists in the order of the keys.
    let mut keys: Vec<&str> = listing.split('\n').collect();
    keys.sort_unstable();
    let mut tally = Tally::default();
    let mut after = String::new();
    let mut names = std::collections::BTreeSet::new();
    for key in keys {
        names.extend(name(key).map(|_| key));
        if *key > *after {
            let counted = tally.count();
            match tally.see(key) {
                Next::Key => {}
                Next::After(later) => {
                    assert!(later.as_str() >= key, "{later:?} would list {key:?} again");
                    after = later;
                }
            }
            assert!((counted..=counted + 1).contains(&tally.count()));
        }
    }
    let summary = tally.summary();
    assert!(usize::try_from(summary.count).expect("a count") <= names.len(), "{summary:?}: {names:?}");
    assert_resumes(&summary);
}

fn name(key: &str) -> Option<FileName> {
    let name = FileName::parse(key)?;
    let text = name.to_string();
    let bare = key.rsplit('/').next().expect("a split has a part");
    assert_eq!(text, bare, "{name:?}");
    assert_eq!(FileName::parse(&text).as_ref(), Some(&name));
    assert!(
        key.ends_with(&text) && text.starts_with(&FileName::session_prefix(None, name.activation, &name.sid))
    );
    let time = time_in_name(name.taken);
    assert_eq!(time_from_name(&time), Some(name.taken), "{time}");
    Some(name)
}

/// A restart goes on with the same count.
fn assert_resumes(summary: &SnapshotsSummary) {
    let resumed = Tally::resume(Some(summary)).summary();
    assert_eq!(resumed.count, summary.count);
    assert_eq!((&resumed.last_time, &resumed.last_file), (&summary.last_time, &summary.last_file));
}
