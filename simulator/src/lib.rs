//! A strict, stateful stand-in for the Agora cloud recording REST API. `service` is the vendor's state machine, a
//! library that takes the time as an argument; the files around it give it a clock, a network and a bucket.
//! Shares no type and no constant with the operator: it is the witness against which the operator is tested.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod answer;
pub mod clock;
pub mod control;
pub mod faults;
pub mod gateway;
pub mod h264;
pub mod hls;
pub mod http;
pub mod journal;
pub mod mpeg_ts;
pub mod notices;
pub mod random;
pub mod rtc_token;
pub mod service;
pub mod settings;
pub mod snapshot_image;
pub mod storage;
pub mod validate;
pub mod world;
