//! SnapshotJobs in the hands of Argo CD and Flux: the real programs, fed with the very files of `examples/gitops`.
//!
//! `make gitops` runs it; a plain `cargo test` does not, for Argo CD and Flux have to be built first. The world, the rules
//! of kstatus and the operator's role are those of the system tests.

#![allow(
    unreachable_pub,
    reason = "a test binary has no outside; `pub` says what a module offers to the others"
)]

mod argocd;
mod drift;
mod examples;
mod flux;
mod flux_delivery;
mod flux_health;
mod manifests;
mod programs;
mod rows;
mod situations;

#[allow(dead_code, reason = "the system tests use all of it")]
#[path = "../system/kstatus.rs"]
mod kstatus;
#[allow(dead_code, reason = "the system tests use all of it")]
#[path = "../system/role.rs"]
mod role;
#[allow(dead_code, reason = "the system tests use all of it")]
#[path = "../system/world/mod.rs"]
mod world;
