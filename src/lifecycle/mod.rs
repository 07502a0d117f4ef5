//! The pure heart: what to do next, and what to say about it.
//!
//! No client, no clock, no randomness in here: the time and what was seen are arguments, steps and reports are values.

pub mod outcome;
