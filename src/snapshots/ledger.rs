//! What a walk through the keys of sessions writes into, and by which it is told where it may jump to.

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

    /// Whether anything is known below this prefix.
    fn knows(&self, prefix: &str) -> bool;

    /// Where the last look below this prefix was cut off.
    fn unfinished(&self, prefix: &str) -> Option<&str>;

    /// The look below this prefix was cut off after this key, or reached the end.
    fn set_unfinished(&mut self, prefix: &str, after: Option<String>);

    /// Notes a key, unless it was noted before.
    fn see(&mut self, key: &str) -> Next;
}
