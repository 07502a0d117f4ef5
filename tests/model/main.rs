//! Model checking of the real decisions: every order of crashes, lost answers, stale views, edits and passing time
//! within stated bounds, against an adversarial vendor, API server and clock. `world` is what there is, `visit` and
//! `effects` what an operator does in it, `fences` what must never be, `ending` what must come to be.

#![allow(
    unreachable_pub,
    reason = "a test binary has no outside; `pub` says what a module offers to the others"
)]

mod canonical;
mod effects;
mod ending;
mod fences;
mod form;
#[allow(dead_code, reason = "the system tests use all of it")]
#[path = "../system/kstatus.rs"]
mod kstatus;
mod object;
mod search;
mod situations;
mod vendor;
mod visit;
mod world;
