//! Placeholder until the first commit of the crate.
