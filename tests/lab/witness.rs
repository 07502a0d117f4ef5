//! The witness: looks at every write and at the world after every effect, and says what is wrong with it.

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::Value;

use agora_simulator::clock::{Millis, SECOND};
use agora_simulator::service::{EndReason, SessionReport};

use crate::api_server::{ApiServer, Resource};
use crate::kstatus;
use crate::script::{Rest, does};
use crate::user::{JOB, NAMESPACE, SECRETS, base64};
use crate::world::Vendor;

/// Writes in a second that a job can be worth; more are two that undo each other's.
const MOST_WRITES: usize = 25;

/// What the witness knows.
#[derive(Default)]
pub(crate) struct Witness {
    /// What is wrong, first things first.
    pub(crate) accusations: Vec<String>,
    /// The state of the world that was looked at last: resourceVersion, sessions that cost money, whether the job may be
    /// silent about one.
    seen: Option<(u64, usize, bool)>,
    /// Pairs of sessions, by resourceId, that a status has named at once.
    named_at_once: BTreeSet<[String; 2]>,
    rest: Option<Rest>,
    /// When the operator wrote.
    writes: Vec<Millis>,
    /// The status without its counts, when the present rest began.
    settled: Value,
    /// Until then the job may be silent about a session, because somebody else than the operator made it so.
    pub(crate) lenient_until: Option<Millis>,
    /// Somebody took the object away and made it anew: another job, whose session may begin before that of the former one,
    /// which had another uid, is stopped.
    pub(crate) made_anew: bool,
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
        vendor: &Vendor,
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
        if written["kind"] == "SnapshotJob" && status.is_success() {
            self.saw_claims(written);
        }
        if request.uri().path().ends_with("/status") && status.is_success() {
            self.saw_generation(written, vendor);
        }
        self.at_rest(written, status.is_success());
    }

    /// A status was written as it was.
    pub(crate) fn saw_no_change(&mut self, written: &Value) {
        self.accuse(format!("a write that changes nothing: {written}"));
    }

    /// A life is over: every session was stopped, none ended by itself.
    pub(crate) fn saw_all(&mut self, sessions: &[SessionReport]) {
        for session in sessions {
            match session.end_reason {
                Some(EndReason::Stopped) => {}
                Some(_) | None => {
                    self.accuse(format!("session {} was not stopped: {:?}", session.sid, session.end_reason));
                }
            }
        }
    }

    fn saw_claims(&mut self, job: &Value) {
        let named: BTreeSet<&str> = job["status"]["sessions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|session| session["resourceId"].as_str())
            .collect();
        for one in &named {
            for other in named.range::<str, _>((Bound::Excluded(*one), Bound::Unbounded)) {
                self.named_at_once.insert([(*one).to_owned(), (*other).to_owned()]);
            }
        }
    }

    /// A job that says it captures what its newest spec says: the vendor was told so, or the status claims a generation
    /// that was not acted upon.
    fn saw_generation(&mut self, job: &Value, vendor: &Vendor) {
        let status = &job["status"];
        let captures = status["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|one| one["type"] == "Ready" && one["status"] == "True" && one["reason"] == "Capturing");
        if !captures || status["observedGeneration"] != job["metadata"]["generation"] {
            return;
        }
        let running = status["sessions"].as_array().into_iter().flatten();
        let running = running.filter(|session| session["state"] == "Running");
        let newest = running.max_by_key(|session| session["attempt"].as_i64());
        let task = newest
            .and_then(|session| session["resourceId"].as_str())
            .and_then(|resource_id| vendor.task(resource_id));
        if let Err(why) = does(task, &job["spec"]) {
            self.accuse(format!("generation {} is claimed, but {why}", status["observedGeneration"]));
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
                if !taken || written["kind"] != "SnapshotJob" || without_counts(written) != self.settled {
                    self.accuse(format!("a write while nothing changes: {written}"));
                }
            }
            Some(Rest::Nothing) => self.accuse(format!("a write while nothing is to be done: {written}")),
        }
    }

    /// Looks at what runs, and at whether the job says so.
    pub(crate) fn look(&mut self, now: Millis, api: &ApiServer, vendor: &mut Vendor) {
        let lenient = self.lenient_until.is_some_and(|until| now < until);
        let state = (api.resource_version(), vendor.live_count(), lenient);
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
            if !claimed && !lenient {
                let status = job.map_or("no job".to_owned(), |job| job["status"]["sessions"].to_string());
                self.accuse(format!("session {} runs, and the job does not say so: {status}", session.sid));
            }
        }
        match live.as_slice() {
            [] | [_] => {}
            [one, other]
                if one.uid != other.uid
                    && (self.were_named_at_once(one, other) || lenient && self.made_anew) => {}
            more => {
                let told: Vec<String> =
                    more.iter().map(|one| format!("{} as {}", one.sid, one.uid)).collect();
                self.accuse(format!("{} sessions run: {}", more.len(), told.join(", ")));
            }
        }
    }

    /// Two are right in a handover alone, and that stands in the status before the second begins.
    fn were_named_at_once(&self, one: &SessionReport, other: &SessionReport) -> bool {
        self.named_at_once.contains(&pair(one, other))
    }
}

fn pair(one: &SessionReport, other: &SessionReport) -> [String; 2] {
    let mut pair = [one.resource_id.clone(), other.resource_id.clone()];
    pair.sort();
    pair
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
