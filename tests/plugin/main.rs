//! `kubectl snapshotjob` on real parts: the program itself, run by a user with the role of docs/plugin.md, against a real
//! API server, a real S3 server, the simulator and the operator.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "the world is that of tests/system, which uses all of it; a test binary has no outside"
)]

#[path = "../system/kstatus.rs"]
mod kstatus;
#[path = "../system/role.rs"]
mod role;
#[path = "../system/telling.rs"]
mod telling;
#[path = "../system/world/mod.rs"]
mod world;

mod commands;
mod completion;
mod gallery;
mod opened;
mod refusals;
mod user;
mod watch;
