//! Kubernetes: the client and its limits, SnapshotJobs, Secrets, events. Knows nothing of the vendor or of buckets.

pub mod client;
pub mod events;
pub mod jobs;
pub mod secrets;
pub mod stored;
