//! What the user does in the course of a life: stages, each a state to wait for and then an act. It goes on whatever
//! becomes of the operator.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kstatus::{self, Health};
use crate::world::Inner;

/// A state that is waited for, and what is done then.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// Why it is not there yet.
    pub(crate) until: fn(&mut Inner) -> Result<(), String>,
    /// It has to be there by then.
    pub(crate) within: Duration,
    /// And to stay for so long.
    pub(crate) stays: Duration,
    /// While it stays nothing is written or called.
    pub(crate) rest: Rest,
    pub(crate) then: fn(&mut Inner),
}

/// What the operator may do while a state stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rest {
    /// What it likes.
    No,
    /// Ask the vendor, and count snapshots in the status.
    Counts,
    /// Nothing.
    Nothing,
}

/// The stages, and where it is.
pub(crate) struct Script {
    stages: &'static [Stage],
    at: usize,
    entered: Option<Timestamp>,
    reached: Option<Timestamp>,
}

/// What a look at the script came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// To be looked at again at this time, or when something has changed.
    Wait(Timestamp),
    Done,
}

/// Recovery of a lost sid, the longest of what may have to be waited for, is given up after 15 minutes.
const WITHIN: Duration = Duration::from_secs(30 * 60);

const HOUR: Duration = Duration::from_secs(3600);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn stage(
    name: &'static str,
    until: fn(&mut Inner) -> Result<(), String>,
    stays: Duration,
    then: fn(&mut Inner),
) -> Stage {
    Stage { name, until, within: WITHIN, stays, rest: Rest::No, then }
}

/// Namespace, Secrets and job are made.
const CREATED: Stage = stage(
    "created",
    |_| Ok(()),
    Duration::ZERO,
    |world| {
        world.prepare();
        world.create_job();
    },
);

/// Create, start, run, edit, handover, failover, suspend, resume, delete.
pub(crate) static WHOLE_LIFE: [Stage; 7] = [
    CREATED,
    stage("capturing", capturing, seconds(10), |world| {
        world.edit(json!({"subscription": {"videoUids": [42]}}));
    }),
    // Handovers are no more frequent than one a minute.
    stage("list edited", capturing, seconds(60), |world| world.edit(json!({"intervalSeconds": 900}))),
    stage("handed over", capturing, seconds(10), Inner::fail_over),
    stage("failed over", capturing, seconds(130), |world| world.edit(json!({"suspend": true}))),
    stage("suspended", suspended, seconds(60), |world| world.edit(json!({"suspend": false}))),
    stage("resumed", capturing, seconds(30), Inner::delete_job),
];

/// A life in which whoever stood still goes on while another session runs than when it fell asleep.
pub(crate) static LONG_LIFE: [Stage; 6] = [
    CREATED,
    stage("capturing", capturing, seconds(10), |world| {
        world.edit(json!({"subscription": {"videoUids": [42]}}));
    }),
    stage("list edited", capturing, seconds(60), |world| world.edit(json!({"intervalSeconds": 900}))),
    stage("handed over", capturing, seconds(430), |world| world.edit(json!({"suspend": true}))),
    stage("suspended", suspended, seconds(60), |world| world.edit(json!({"suspend": false}))),
    stage("resumed", capturing, seconds(430), Inner::delete_job),
];

/// An hour of running and one of suspension. The last events may come after the state itself.
pub(crate) static QUIET_LIFE: [Stage; 6] = [
    CREATED,
    stage("arriving", arriving, seconds(60), |_| {}),
    Stage {
        rest: Rest::Counts,
        ..stage("captured for an hour", arriving, HOUR, |world| world.edit(json!({"suspend": true})))
    },
    stage("suspended", suspended, seconds(60), |_| {}),
    Stage {
        rest: Rest::Nothing,
        ..stage("suspended for an hour", suspended, HOUR, |world| world.edit(json!({"suspend": false})))
    },
    stage("resumed", capturing, seconds(10), Inner::delete_job),
];

/// A session is renewed before its control window ends: beside the old one, and after it where there is one recorder uid
/// alone. Then the time is up.
pub(crate) static RENEWED_LIFE: [Stage; 6] = [
    stage("created", CREATED.until, Duration::ZERO, |world| {
        (CREATED.then)(world);
        world.edit(json!({"sessionLimitHours": 1}));
    }),
    stage("capturing", capturing, seconds(10), |_| {}),
    Stage {
        within: seconds(2 * 3600),
        ..stage("renewed", capturing_anew, seconds(70), |world| {
            world.edit(json!({"channel": {"recorders": [{"uid": ONE_UID}]}}))
        })
    },
    stage("under one uid", capturing, seconds(10), |_| {}),
    Stage {
        within: seconds(2 * 3600),
        ..stage("renewed under one uid", capturing_anew, seconds(10), |world| {
            world.edit(json!({"durationSeconds": 6000}))
        })
    },
    Stage { within: seconds(3 * 3600), ..stage("completed", completed, seconds(60), Inner::delete_job) },
];

/// A bucket that takes nothing for a while: a person is called, and not a word said or a call made to the vendor until it
/// takes files.
pub(crate) static REFUSED_LIFE: [Stage; 4] = [
    stage("created", CREATED.until, Duration::ZERO, |world| {
        world.buckets.closed = true;
        (CREATED.then)(world);
    }),
    stage("refused", refused_by_the_bucket, seconds(60), |_| {}),
    Stage {
        rest: Rest::Nothing,
        ..stage("refused for long", refused_by_the_bucket, HOUR, |world| world.buckets.closed = false)
    },
    stage("capturing", capturing, seconds(70), |world| {
        if world.buckets.probes() > 0 {
            world.witness.accuse("the probe object was not deleted".to_owned());
        }
        world.delete_job();
    }),
];

/// The recorder of a job that has one alone.
const ONE_UID: i64 = 4711;

/// What follows every life. The last events may come after the job has gone, and whoever was late has to see for itself:
/// that a session is dead takes two minutes.
static END: [Stage; 2] = [
    stage("deleted", gone, seconds(300), |_| {}),
    Stage { rest: Rest::Nothing, ..stage("over", gone, HOUR, |_| {}) },
];

impl Script {
    pub(crate) fn new(stages: &'static [Stage]) -> Self {
        Self { stages, at: 0, entered: None, reached: None }
    }

    /// A third hand has changed what was waited for: it is waited for again.
    pub(crate) fn disturbed(&mut self, now: Timestamp) {
        (self.entered, self.reached) = (Some(now), None);
    }

    /// An operator begins to stand still. In the end everyone has to be awake, and to have seen that it is the end.
    pub(crate) fn stood_still(&mut self, now: Timestamp) {
        if self.at >= self.stages.len() {
            self.disturbed(now);
        }
    }

    /// What the operator may do now.
    fn rest(&self) -> Rest {
        if self.reached.is_some() { self.stage().rest } else { Rest::No }
    }

    fn stage(&self) -> &'static Stage {
        self.stages.iter().chain(&END).nth(self.at).expect("it is done after the last")
    }
}

impl Inner {
    /// Does what is to be done now.
    pub(crate) fn turn(&mut self) -> Turn {
        loop {
            let (now, stage) = (self.now(), self.script.stage());
            let entered = *self.script.entered.get_or_insert(now);
            match ((stage.until)(self), self.script.reached) {
                (Ok(()), None) => self.script.reached = Some(now),
                (Ok(()), Some(_)) => {}
                (Err(why), Some(_)) => {
                    self.witness.accuse(format!("{} does not stay: {why}", stage.name));
                    return Turn::Done;
                }
                (Err(why), None) if now >= entered + stage.within => {
                    self.witness.accuse(format!("not {} within {:?}: {why}", stage.name, stage.within));
                    return Turn::Done;
                }
                (Err(_), None) => return Turn::Wait(entered + stage.within),
            }
            let rest = self.script.rest();
            if rest != Rest::No {
                let job = self.job().cloned();
                self.witness.rests(rest, job.as_ref());
            }
            let until = self.script.reached.unwrap_or(now) + stage.stays;
            if now < until {
                return Turn::Wait(until);
            }
            self.tell(format!("=== {}", stage.name));
            (stage.then)(self);
            self.witness.rests(Rest::No, None);
            self.script.at += 1;
            if self.script.at == self.script.stages.len() + END.len() {
                return Turn::Done;
            }
            (self.script.entered, self.script.reached) = (None, None);
        }
    }
}

/// The job captures what its spec says: in its own words, by the vendor's witness, and to the letter of the task.
fn capturing(world: &mut Inner) -> Result<(), String> {
    let job = world.job().ok_or("there is no job")?.clone();
    says(&job, "Capturing")?;
    let sessions = job["status"]["sessions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [session] = sessions else { return Err(format!("{} sessions in the status", sessions.len())) };
    let now = world.millis();
    let live = world.vendor.live(now);
    let [running] = live.as_slice() else { return Err(format!("{} sessions run", live.len())) };
    if session["sid"] != running.sid.as_str() {
        return Err(format!("{} runs, the status says {}", running.sid, session["sid"]));
    }
    if !matches!(running.status, 4 | 5) {
        return Err(format!("its status is {}", running.status));
    }
    let recorders = job["spec"]["channel"]["recorders"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !recorders.is_empty() && !recorders.iter().any(|one| one["uid"] == session["recorderUid"]) {
        return Err(format!("recorder {} is not of {recorders:?}", session["recorderUid"]));
    }
    does(world.vendor.task(&running.resource_id), &job["spec"])
}

/// It captures, and says that it found snapshots in the bucket.
fn arriving(world: &mut Inner) -> Result<(), String> {
    capturing(world)?;
    let job = world.job().ok_or("there is no job")?;
    let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    let mut said = conditions.filter(|one| one["type"] == "SnapshotsArriving");
    match said.next() {
        Some(one) if one["status"] == "True" => Ok(()),
        other => Err(format!("SnapshotsArriving is {other:?}")),
    }
}

/// Nothing runs, and a person is told why.
fn refused_by_the_bucket(world: &mut Inner) -> Result<(), String> {
    let job = world.job().ok_or("there is no job")?.clone();
    let is = |one: &&Value| one["type"] == "Stalled" && one["reason"] == "StorageAccessDenied";
    let said = job["status"]["conditions"].as_array().into_iter().flatten().find(is);
    said.ok_or_else(|| format!("it says {}", job["status"]["conditions"]))?;
    nothing_runs(world)
}

/// It captures in a session that began after this was first waited for.
fn capturing_anew(world: &mut Inner) -> Result<(), String> {
    capturing(world)?;
    let began = world.job().and_then(|job| job["status"]["sessions"][0]["startTime"].as_str());
    let began: Timestamp = began.and_then(|time| time.parse().ok()).ok_or("no startTime")?;
    match world.script.entered {
        Some(entered) if began > entered => Ok(()),
        _ => Err(format!("it runs since {began}")),
    }
}

fn completed(world: &mut Inner) -> Result<(), String> {
    rests(world, "Completed")
}

/// Nothing runs, for this reason.
fn rests(world: &mut Inner, reason: &str) -> Result<(), String> {
    let job = world.job().ok_or("there is no job")?.clone();
    says(&job, reason)?;
    nothing_runs(world)
}

/// Whether a session was told to do what this spec says.
pub(crate) fn does(task: Option<&Value>, spec: &Value) -> Result<(), String> {
    let task = task.ok_or("nobody started it")?;
    let interval = &task["snapshotConfig"]["captureInterval"];
    if *interval != spec["intervalSeconds"] {
        return Err(format!("it captures every {interval} s"));
    }
    let lists = |task: &Value| {
        let updated = &task["recordingConfig"]["updated"]["streamSubscribe"]["videoUidList"];
        if updated.is_null() { task["recordingConfig"].clone() } else { updated.clone() }
    };
    let subscribed = &lists(task)["subscribeVideoUids"];
    let wanted: Vec<String> =
        spec["subscription"]["videoUids"].as_array().into_iter().flatten().map(ToString::to_string).collect();
    let everybody = subscribed.is_null() || *subscribed == json!(["#allstream#"]);
    let agrees = if wanted.is_empty() { everybody } else { *subscribed == json!(wanted) };
    if agrees { Ok(()) } else { Err(format!("it is subscribed to {subscribed}")) }
}

fn suspended(world: &mut Inner) -> Result<(), String> {
    rests(world, "Suspended")
}

fn gone(world: &mut Inner) -> Result<(), String> {
    if world.news_on_its_way() {
        return Err("what the operator knows is still old".to_owned());
    }
    if world.somebody_stands_still() {
        return Err("an operator stands still".to_owned());
    }
    match world.job() {
        Some(job) => Err(format!("it is still there: {}", job["status"]["conditions"])),
        None => nothing_runs(world),
    }
}

fn nothing_runs(world: &mut Inner) -> Result<(), String> {
    match world.vendor.live_count() {
        0 => Ok(()),
        count => Err(format!("{count} sessions run")),
    }
}

/// The job is current, for this reason.
fn says(job: &Value, reason: &str) -> Result<(), String> {
    let ready =
        job["status"]["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Ready");
    let found = ready.map_or(&Value::Null, |ready| &ready["reason"]);
    match (kstatus::health(job), found == reason) {
        (Health::Current, true) => Ok(()),
        (health, _) => Err(format!("{health:?} with reason {found}")),
    }
}
