//! Kubernetes operator that keeps Agora channel snapshots flowing into the user's own bucket.
//!
//! Arrows between the rooms point inward: `api` <- `lifecycle` <- `reconcile` -> {`agora`, `cluster`, `snapshots`}; `plugin` is a
//! program of its own above them.

pub mod agora;
pub mod api;
pub mod ca_bundle;
pub mod check;
pub mod cluster;
pub mod controller;
pub mod drain;
pub mod lifecycle;
pub mod metrics;
pub mod plugin;
pub mod probes;
pub mod receiver;
pub mod reconcile;
pub mod settings;
pub mod snapshots;
pub mod telemetry;
