//! Alerts and dashboard: that they rest on metrics that are there, fire when they should and only then, and have a
//! page that says what to do. What the metrics themselves are worth is told by the tests of `src/metrics`.

#![allow(
    unreachable_pub,
    reason = "a test binary has no outside; `pub` says what a module offers to the others"
)]

mod alerts;
mod dashboard;
mod expression;
mod promtool;
mod reference;
mod runbooks;
