//! What a walk through the keys of sessions writes into, and by which it is told where it may jump to.

use std::collections::BTreeMap;

/// Where to go on after a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// With the next key.
    Key,
    /// After this text; nothing up to it is of interest.
    After(String),
}

/// Is shown the keys of sessions in the order of a listing.
pub trait Ledger {
    /// How many snapshots are noted.
    fn count(&self) -> i64;

    /// Where the looks so far were cut off.
    fn cuts(&mut self) -> &mut Cuts;

    /// Notes a key, unless it was noted before.
    fn see(&mut self, key: &str) -> Next;
}

/// Where looks were cut off, by prefix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cuts(BTreeMap<String, String>);

impl Cuts {
    /// Where the last look below this prefix was cut off.
    pub(super) fn get(&self, prefix: &str) -> Option<&str> {
        self.0.get(prefix).map(String::as_str)
    }

    /// The look below this prefix was cut off after this key, or reached the end.
    pub(super) fn set(&mut self, prefix: &str, after: Option<String>) {
        match after {
            Some(after) => self.0.insert(prefix.to_owned(), after),
            None => self.0.remove(prefix),
        };
    }

    /// Forgets all below these prefixes.
    pub(super) fn forget(&mut self, over: impl Fn(&str) -> bool) {
        self.0.retain(|prefix, _| !over(prefix));
    }
}
