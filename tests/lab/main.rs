//! The laboratory: the operator against models of its surroundings, in virtual time.

#![allow(
    unreachable_pub,
    reason = "a test binary has no outside; `pub` says what a module offers to the others"
)]

mod api_server;
mod conformance;
mod crash_points;
mod edits;
#[path = "../system/kstatus.rs"]
#[expect(unreachable_pub, reason = "it belongs to the tests on real parts, too")]
mod kstatus;
mod life;
mod lives;
mod lost_answers;
mod process;
mod script;
mod stale;
mod stored_first;
mod third_hand;
mod two_operators;
mod user;
mod witness;
mod world;
