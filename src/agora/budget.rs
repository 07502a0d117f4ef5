//! The vendor's request rate: whose turn it is.

use std::sync::Arc;

/// A job, for fairness among them: its `metadata.uid`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct JobKey(Arc<str>);

impl JobKey {
    /// Key of the object with this `metadata.uid`.
    pub fn new(uid: &str) -> Self {
        Self(uid.into())
    }
}

/// Who goes first when calls wait, first to last.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// Ends what is billed.
    Stop,
    /// Begins something new.
    Start,
    /// Answers a doubt: a repeated start, a query that confirms.
    Recover,
    /// Routine.
    Query,
}

/// Room for the start that follows an acquire. Dropping it gives the room back.
#[derive(Debug)]
pub struct Reservation;
