//! The laboratory: the operator against models of its surroundings, in virtual time.

mod api_server;
mod conformance;
