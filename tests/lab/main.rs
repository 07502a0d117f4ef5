//! The laboratory: the operator against models of its surroundings, in virtual time.

mod api_server;
mod conformance;
mod crash_points;
#[path = "../system/kstatus.rs"]
#[expect(unreachable_pub, dead_code, reason = "it is written for another test target")]
mod kstatus;
mod life;
mod process;
mod script;
mod user;
mod witness;
mod world;
