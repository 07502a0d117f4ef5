//! The calls.

use std::time::Duration;

use jiff::Timestamp;

use super::budget::{JobKey, Priority, Reservation};
use super::endpoints::Route;
use super::material::Account;
use super::wire::{AcquireBody, StartBody, UpdateBody};
use crate::lifecycle::outcome::{Outcome, Queried, Started, Stopped};

/// Time limits of one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// A whole call.
    pub call: Duration,
    /// A synchronous stop.
    pub stop: Duration,
}

/// Speaks to the vendor. Cheap to clone; all clones share connections, budget and ladder.
#[derive(Clone, Debug)]
pub struct Client;

/// A confirmed acquire.
#[derive(Debug)]
pub struct Acquired {
    /// The vendor's resourceId: lives 5 minutes, carries one session.
    pub resource_id: String,
    /// The vendor's clock (`Date`), where it sent one.
    pub server_date: Option<Timestamp>,
    /// How its start goes.
    pub via: StartVia,
}

/// How a start goes.
#[derive(Debug, Default)]
pub struct StartVia {
    /// Region that answered the acquire: no other may be asked.
    pub route: Route,
    /// Room in the request budget, taken at the acquire; without it the start waits as `Priority::Recover`.
    pub reservation: Option<Reservation>,
}

impl From<Route> for StartVia {
    /// For a repeated start.
    fn from(route: Route) -> Self {
        Self { route, reservation: None }
    }
}

/// What it takes to control a session: all of it as it was started, from the status, never from the spec.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionAddress<'a> {
    /// App ID.
    pub app_id: &'a str,
    /// Channel name.
    pub channel: &'a str,
    /// Recorder uid.
    pub recorder_uid: i64,
    /// The vendor's resourceId.
    pub resource_id: &'a str,
    /// The vendor's sid.
    pub sid: &'a str,
}

/// How a stop is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StopMode {
    /// The answer comes when everything is uploaded (up to 35 s).
    AwaitUpload,
    /// The answer comes at once, uploading goes on.
    Detached,
}

impl Client {
    /// Reserves a session.
    pub async fn acquire(
        &self,
        _account: &Account,
        _app_id: &str,
        _body: &AcquireBody,
        _job: &JobKey,
    ) -> Outcome<Acquired> {
        unimplemented!()
    }

    /// Starts it.
    pub async fn start(
        &self,
        _account: &Account,
        _app_id: &str,
        _resource_id: &str,
        _body: &StartBody,
        _via: StartVia,
        _job: &JobKey,
    ) -> Outcome<Started> {
        unimplemented!()
    }

    /// Asks for its status.
    pub async fn query(
        &self,
        _account: &Account,
        _session: &SessionAddress<'_>,
        _priority: Priority,
        _job: &JobKey,
    ) -> Outcome<Queried> {
        unimplemented!()
    }

    /// Changes subscription lists and temporary storage keys.
    pub async fn update(
        &self,
        _account: &Account,
        _session: &SessionAddress<'_>,
        _body: &UpdateBody,
        _job: &JobKey,
    ) -> Outcome<()> {
        unimplemented!()
    }

    /// Ends it.
    pub async fn stop(
        &self,
        _account: &Account,
        _session: &SessionAddress<'_>,
        _mode: StopMode,
        _job: &JobKey,
    ) -> Outcome<Stopped> {
        unimplemented!()
    }
}
