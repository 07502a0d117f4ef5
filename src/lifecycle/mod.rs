//! The pure heart: what to do next, and what to say about it.
//!
//! No client, no clock, no randomness in here: the time and what was seen are arguments, steps and reports are values.
//! A visit reads in this order: `observed` (what is known), `aging` (what time changed), `intent` (what should be),
//! `plan` (one step), then, when the step was done, `answers` and `endings` (what came of it) and `report` (what to say).

pub mod aging;
pub mod answers;
pub mod arriving;
pub mod backoff;
pub mod bounds;
pub mod claims;
pub mod conditions;
pub mod death;
pub mod endings;
pub mod handover;
pub mod hearing;
pub mod intent;
pub mod notice;
pub mod observed;
pub mod outcome;
pub mod plan;
pub mod preflight;
pub mod recorder;
pub mod recovery;
mod replacement;
pub mod report;
pub mod said;
pub mod spec_hash;
pub mod start;
pub mod timing;
pub mod told;
pub mod trouble;
pub mod words;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
#[allow(dead_code, unreachable_pub, reason = "the system tests use all of it")]
#[path = "../../tests/system/kstatus.rs"]
mod kstatus;
#[cfg(test)]
mod properties;
