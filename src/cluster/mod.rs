//! Kubernetes: the client and its limits, SnapshotJobs, Secrets, events, Deployments, leadership. Knows nothing of the vendor
//! or of buckets.

pub mod client;
pub mod deployment;
pub mod events;
pub mod jobs;
pub mod leadership;
pub mod requests;
pub mod secrets;
pub mod stored;
