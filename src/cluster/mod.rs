//! Kubernetes: the client and its limits, Secrets, events. Knows nothing of the vendor or of buckets.

pub mod client;
pub mod events;
pub mod secrets;
