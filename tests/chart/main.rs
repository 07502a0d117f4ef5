//! The chart as people get it: what its values do, what it refuses, what it renders, and whether Kubernetes takes that.
//! How the installed operator behaves on a node is told by tests/e2e.

mod effects;
mod golden;
mod helm;
mod install;
mod kubeconform;
mod narrowing;
mod notes;
mod objects;
mod programs;
mod readme;
mod refusals;
mod rights;
mod schemas;
mod server;
mod timeout;
mod values;
