//! What arrives in the user's bucket: names of snapshots, where buckets are, listing them, and the count.
//!
//! Knows neither Kubernetes nor the vendor's API. The bucket is only read, never written.

pub mod bucket;
pub mod file_name;
pub mod location;
pub mod problem;
pub mod tally;

pub use bucket::{Bucket, Limits, Look};
pub use file_name::FileName;
pub use location::{Connections, Keys, Location};
pub use problem::BucketProblem;
pub use tally::Tally;
