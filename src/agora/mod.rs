//! The vendor's cloud recording service as the operator sees it: calls, their bodies and secrets, and what an answer
//! proves.
//!
//! Owns everything that is the vendor's own: spelling, numbers, hosts, rates. Leaves to others when a call is made
//! and repeated, and what follows from its outcome (`lifecycle`, `reconcile`). Knows nothing of the cluster.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by a panic"))]

pub mod bodies;
pub mod budget;
pub mod carrier;
pub mod classify;
pub mod client;
pub mod endpoints;
mod exchange;
pub mod material;
pub mod notification;
pub mod observe;
pub mod regions;
pub mod reply;
pub mod settings;
pub mod token;
pub mod transport;
pub mod wire;
pub mod words;
