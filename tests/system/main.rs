//! The product on real parts: a real API server, a real S3 server, the simulator and the operator, each a process.
//!
//! Every test lives in a `World` of its own: a namespace, a bucket, a simulator, an operator. What must hold always is
//! checked by the world itself, whatever the test is about.

#![allow(
    unreachable_pub,
    reason = "a test binary has no outside; `pub` says what a module offers to the others"
)]

mod arriving;
mod bad_input;
mod binary;
mod check;
mod crash;
mod deletion;
mod drain;
mod fleet;
mod force;
mod frozen;
mod gate;
mod handover;
mod killing;
mod kstatus;
mod leadership;
mod least_privilege;
mod lifecycle;
mod namespace_going;
mod notifications;
mod outage;
mod preflight;
mod recovery;
mod refusals;
mod release;
mod role;
mod scenarios;
mod secrecy;
mod secret_watch;
mod settings;
mod telling;
mod tokens;
mod vendor;
mod watched_namespaces;
mod way_out;
mod world;
mod writes;
