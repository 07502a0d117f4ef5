//! A third hand at the object, beside user and operator: what it does without asking either.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::api_server::Resource;
use crate::user::{JOB, NAMESPACE, jobs};
use crate::world::Inner;

/// What it does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Deed {
    /// The status is emptied.
    WipeStatus,
    /// The status is replaced by the one before the last three writes.
    RestoreRecent,
    /// The status is replaced by the first one that named a session: a restored backup.
    RestoreOldest,
    /// All finalizers are taken away.
    TakeFinalizer,
    /// The object is deleted by force, and made anew under its name at once.
    Recreate,
    /// The same, and it is made anew five minutes later.
    RecreateLater,
}

/// How long a session may run of which its object says nothing, because somebody else wrote that: the bound within which
/// the operator, which remembers it, has to write it again or to stop it.
const MENDED: Duration = Duration::from_secs(600);

const LATER: Duration = Duration::from_secs(300);

impl Inner {
    /// Does it, if there is an object to do it to.
    pub(crate) fn third_hand(&mut self, deed: Deed) {
        let Some(job) = self.job().cloned() else { return };
        self.tell(format!("    a third hand: {deed:?}"));
        match deed {
            Deed::WipeStatus => self.put_status(&job, json!({})),
            Deed::RestoreRecent => {
                let past = self.past_statuses(&job);
                if let Some(status) = past.iter().rev().nth(3).or(past.first()) {
                    self.put_status(&job, status.clone());
                }
            }
            Deed::RestoreOldest => {
                let past = self.past_statuses(&job);
                let names_one =
                    |status: &&Value| status["sessions"].as_array().is_some_and(|all| !all.is_empty());
                if let Some(status) = past.iter().find(names_one) {
                    self.put_status(&job, status.clone());
                }
            }
            Deed::TakeFinalizer => self.take_finalizers(),
            Deed::Recreate => {
                if self.delete_by_force(&job) {
                    self.create_again(&job);
                }
            }
            Deed::RecreateLater => {
                if self.delete_by_force(&job) {
                    self.later(LATER, move |world| world.create_again(&job));
                }
            }
        }
        let now = self.now();
        self.script.disturbed(now);
        let millis = self.millis();
        self.witness.lenient_until = Some(millis + MENDED.as_millis() as u64);
    }

    fn put_status(&mut self, job: &Value, status: Value) {
        let mut job = job.clone();
        job["status"] = status;
        self.request(Method::PUT, &format!("{}/{JOB}/status", jobs()), &job);
    }

    /// Of this object, oldest first.
    fn past_statuses(&self, job: &Value) -> Vec<Value> {
        let past = self.api.history(Resource::SnapshotJobs, NAMESPACE, JOB);
        let of_it = past.into_iter().filter(|past| past["metadata"]["uid"] == job["metadata"]["uid"]);
        of_it.map(|past| past["status"].clone()).collect()
    }

    fn take_finalizers(&mut self) {
        self.request(Method::PATCH, &format!("{}/{JOB}", jobs()), &json!({"metadata": {"finalizers": null}}));
    }

    /// Whether it is to be made again: the user had not deleted it.
    fn delete_by_force(&mut self, job: &Value) -> bool {
        let deleting = !job["metadata"]["deletionTimestamp"].is_null();
        self.take_finalizers();
        if !deleting {
            self.delete_job();
        }
        !deleting
    }

    fn create_again(&mut self, job: &Value) {
        let again = json!({
            "apiVersion": job["apiVersion"], "kind": job["kind"], "metadata": {"name": JOB}, "spec": job["spec"],
        });
        self.request(Method::POST, &jobs(), &again);
        self.witness.made_anew = true;
        let now = self.now();
        self.script.disturbed(now);
    }
}
