//! What arrives in the user's bucket: names of snapshots, where buckets are, listing them, and the count.
//!
//! Knows neither Kubernetes nor the vendor's API. The bucket is only read, but for the
//! probe object of a `preflight`.

pub mod bucket;
pub mod candidates;
pub mod content;
pub mod file_name;
#[cfg(test)]
mod fixtures;
pub mod inventory;
pub mod keys;
pub mod ledger;
mod listing;
pub mod location;
pub mod preflight;
pub mod problem;
pub mod tally;

pub use bucket::{Bucket, Look};
pub use candidates::{Found, Search};
pub use content::{Content, ReadProblem};
pub use file_name::FileName;
pub use inventory::{Inventory, Stored, Wanted};
pub use ledger::Ledger;
pub use listing::Limits;
pub use location::{Connections, Keys, Location};
pub use preflight::{Preflight, preflight};
pub use problem::BucketProblem;
pub use tally::Tally;
