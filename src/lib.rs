//! Kubernetes operator that keeps Agora channel snapshots flowing into the user's own bucket.
//!
//! Arrows between the rooms point inward: `api` <- `lifecycle` <- `reconcile` -> {`agora`, `cluster`}.

pub mod agora;
pub mod api;
pub mod lifecycle;
