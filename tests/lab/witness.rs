//! The witness: looks at every write and at the world after every effect, and says what is wrong with it.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::Value;

use agora_simulator::clock::{Millis, SECOND};

use crate::api_server::{ApiServer, Resource};
use crate::kstatus;
use crate::script::Rest;
use crate::user::{JOB, NAMESPACE, SECRETS, base64};
use crate::world::Vendor;

/// Writes in a second that a job can be worth; more are two that undo each other's.
const MOST_WRITES: usize = 25;

/// What the witness knows.
#[derive(Default)]
pub(crate) struct Witness {
    /// What is wrong, first things first.
    pub(crate) accusations: Vec<String>,
    /// The state of the world that was looked at last: resourceVersion, sessions that cost money.
    seen: Option<(u64, usize)>,
    rest: Option<Rest>,
    /// When the operator wrote.
    writes: Vec<Millis>,
    /// The status without its counts, when the present rest began.
    settled: Value,
    /// Until then the job may be silent about a session, because somebody else than the operator made it so.
    pub(crate) lenient_until: Option<Millis>,
    /// Events that tell of sessions which may go on.
    pub(crate) orphans_reported: usize,
}

impl Witness {
    pub(crate) fn accuse(&mut self, what: String) {
        self.accusations.push(what);
    }

    /// What the operator may do from now on, with the job as it is.
    pub(crate) fn rests(&mut self, rest: Rest, job: Option<&Value>) {
        if rest == Rest::Counts && self.rest != Some(rest) {
            self.settled = job.map(without_counts).unwrap_or_default();
        }
        self.rest = Some(rest);
    }

    /// What the operator logged in a life.
    pub(crate) fn read_log(&mut self, log: &str) {
        for line in log.lines().filter(|line| has_secret(line)) {
            self.accuse(format!("a secret is in the log: {line}"));
        }
    }

    /// A write of the operator's was answered.
    pub(crate) fn saw_write(
        &mut self,
        now: Millis,
        request: &Request<Bytes>,
        status: StatusCode,
        written: &Value,
    ) {
        self.writes.push(now);
        let lately = self.writes.iter().rev().take_while(|at| **at + SECOND > now).count();
        if lately > MOST_WRITES {
            self.accuse(format!("{lately} writes in a second"));
        }
        let body = String::from_utf8_lossy(request.body());
        if has_secret(&body) {
            self.accuse(format!("a secret is in {} {}: {body}", request.method(), request.uri().path()));
        }
        if written["kind"] == "Event" && written["reason"] == "OrphanRisk" {
            self.orphans_reported += 1;
        }
        // Beside a write of the status the status is as others left it.
        let reports = request.uri().path().ends_with("/status") || self.lenient_until.is_none();
        if written["kind"] == "SnapshotJob" && status.is_success() && reports {
            for wrong in kstatus::violations(written) {
                self.accuse(wrong);
            }
        }
        self.at_rest(written, status.is_success());
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
                if !taken || written["kind"] != "SnapshotJob" || without_counts(written) != self.settled {
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

/// The status without what goes on changing while a session runs.
fn without_counts(job: &Value) -> Value {
    let mut status = job["status"].clone();
    if let Some(status) = status.as_object_mut() {
        status.remove("snapshots");
    }
    status
}

fn has_secret(text: &str) -> bool {
    SECRETS.iter().any(|secret| text.contains(secret) || text.contains(&base64(secret)))
}
