//! The witness: looks at every write and at the world after every effect, and says what is wrong with it.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use agora_simulator::clock::Millis;

use crate::api_server::{ApiServer, Resource};
use crate::kstatus;
use crate::script::Rest;
use crate::user::{JOB, NAMESPACE, SECRETS, base64};
use crate::world::Vendor;

/// What the witness knows.
#[derive(Default)]
pub(crate) struct Witness {
    /// What is wrong, first things first.
    pub(crate) accusations: Vec<String>,
    /// The state of the world that was looked at last: resourceVersion, sessions that cost money.
    seen: Option<(u64, usize)>,
    /// The job before the present write.
    before: Value,
    rest: Option<Rest>,
    /// Until then the job may be silent about a session, because somebody else than the operator made it so.
    pub(crate) lenient_until: Option<Millis>,
    /// Events that tell of sessions which may go on.
    pub(crate) orphans_reported: usize,
}

impl Witness {
    pub(crate) fn accuse(&mut self, what: String) {
        self.accusations.push(what);
    }

    /// What the operator may do from now on.
    pub(crate) fn rests(&mut self, rest: Rest) {
        self.rest = Some(rest);
    }

    /// A write of the operator's was answered.
    pub(crate) fn saw_write(&mut self, request: &Request<Bytes>, response: &Response<Bytes>) {
        let body = String::from_utf8_lossy(request.body());
        for secret in SECRETS {
            if body.contains(secret) || body.contains(&base64(secret)) {
                self.accuse(format!("a secret is in {} {}: {body}", request.method(), request.uri().path()));
            }
        }
        let written: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if written["kind"] == "Event" && written["reason"] == "OrphanRisk" {
            self.orphans_reported += 1;
        }
        // Beside a write of the status the status is as others left it.
        let reports = request.uri().path().ends_with("/status") || self.lenient_until.is_none();
        if written["kind"] == "SnapshotJob" && response.status().is_success() && reports {
            for wrong in kstatus::violations(&written) {
                self.accuse(wrong);
            }
        }
        self.at_rest(&written, response.status().is_success());
        if written["kind"] == "SnapshotJob" {
            self.before = written;
        }
    }

    /// A call reached the vendor.
    pub(crate) fn called(&mut self, path: &str) {
        if self.rest == Some(Rest::Nothing) {
            self.accuse(format!("a call while nothing is to be done: {path}"));
        }
    }

    fn at_rest(&mut self, written: &Value, taken: bool) {
        match self.rest {
            None | Some(Rest::No) => {}
            Some(Rest::Counts) => {
                let without_counts = |job: &Value| {
                    let mut status = job["status"].clone();
                    status.as_object_mut().map(|status| status.remove("snapshots"));
                    status
                };
                if !taken || without_counts(written) != without_counts(&self.before) {
                    self.accuse(format!("a write while nothing changes: {written}"));
                }
            }
            Some(Rest::Nothing) => self.accuse(format!("a write while nothing is to be done: {written}")),
        }
    }

    /// Looks at what runs, and at whether the job says so.
    pub(crate) fn look(&mut self, now: Millis, api: &ApiServer, vendor: &mut Vendor) {
        let state = (api.resource_version(), vendor.live_count());
        if self.seen == Some(state) {
            return;
        }
        self.seen = Some(state);
        if vendor.refused_for_rate > 0 {
            self.accuse("the vendor refused calls for their rate".to_owned());
        }
        let live = vendor.live(now);
        let job = api.object(Resource::SnapshotJobs, NAMESPACE, JOB);
        let claims: Vec<&Value> =
            job.and_then(|job| job["status"]["sessions"].as_array()).into_iter().flatten().collect();
        for session in &live {
            let claimed = claims.iter().any(|claim| claim["resourceId"] == session.resource_id.as_str());
            if !claimed && self.lenient_until.is_none_or(|until| now >= until) {
                let status = job.map_or("no job".to_owned(), |job| job["status"]["sessions"].to_string());
                self.accuse(format!("session {} runs, and the job does not say so: {status}", session.sid));
            }
        }
        match live.as_slice() {
            [] | [_] => {}
            [one, other] if one.uid != other.uid => {}
            more => {
                let told: Vec<String> =
                    more.iter().map(|one| format!("{} as {}", one.sid, one.uid)).collect();
                self.accuse(format!("{} sessions run: {}", more.len(), told.join(", ")));
            }
        }
    }
}
