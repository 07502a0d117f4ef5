//! The vendor's cloud recording service as the operator sees it: calls, their bodies and secrets, and what an answer
//! proves.
//!
//! Owns everything that is the vendor's own: spelling, numbers, hosts, rates. Leaves to others when a call is made
//! and repeated, and what follows from its outcome (`lifecycle`, `reconcile`). Knows nothing of the cluster.

pub mod bodies;
pub mod budget;
mod classify;
pub mod client;
pub mod endpoints;
pub mod material;
pub mod observe;
pub mod regions;
mod reply;
pub mod settings;
pub mod token;
mod transport;
pub mod wire;
mod words;

pub use budget::{JobKey, Priority};
pub use client::{Acquired, Client, SessionAddress, StartVia, StopMode};
pub use endpoints::{Region, Route};
pub use material::{Account, Material, MaterialProblem, Secrets};
pub use settings::{ClientProblem, ClientSettings, Limits};
