//! The vendor's client over real connections: against peers that misbehave below HTTP, and against the simulator,
//! which must have been built before (`cargo build -p agora-simulator`).

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "agora_client/peer.rs"]
mod peer;
#[path = "agora_client/round_trip.rs"]
mod round_trip;
#[path = "agora_client/support.rs"]
mod support;
#[path = "agora_client/transport.rs"]
mod transport;
