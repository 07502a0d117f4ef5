//! The resource: what a user declares, what the operator reports, and the words both use.
//!
//! Data only. Nothing here reads a clock, a client or an environment; whoever needs a decision asks `lifecycle`.

pub mod capture;
pub mod channel;
pub mod conditions;
mod crd;
mod schema;
pub mod spec;
pub mod status;
pub mod storage;

pub use conditions::{ConditionType, Reason};
pub use crd::{crd, crd_yaml};
pub use spec::{SnapshotJob, SnapshotJobSpec};
pub use status::SnapshotJobStatus;

/// API group of the resource, and prefix of every label and annotation the operator owns.
pub const GROUP: &str = "agora-snapshot.dev";

/// Finalizer that keeps an object until its sessions are stopped or reported as orphans.
pub const FINALIZER: &str = "agora-snapshot.dev/session";

/// Annotation whose every new value revives a finished job, or replaces the session of a running one.
pub const RESTART_ANNOTATION: &str = "agora-snapshot.dev/restart";
