//! The gallery of `kubectl snapshotjob open` in a real Chromium, against the world of the other tests (`make gallery`).
//! What needs no browser, such as who is answered, is with tests/plugin.

#![cfg(test)]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "the world is that of tests/system, which uses all of it; a test binary has no outside"
)]

#[path = "../system/kstatus.rs"]
mod kstatus;
#[path = "../plugin/opened.rs"]
mod opened;
#[path = "../system/role.rs"]
mod role;
#[path = "../plugin/user.rs"]
mod user;
#[path = "../system/world/mod.rs"]
mod world;

mod browser;
mod long_session;
mod looks;
mod newest;
mod states;
