//! The first part of a visit: gathers everything that a decision is made from.

use std::collections::BTreeSet;

use super::memories::Remembered;
use super::{Context, Presence, Visit};
use crate::agora::bodies::{self, BodyProblem};
use crate::agora::material::{self, Account, Material, MaterialProblem, Secrets};
use crate::api::SnapshotJobSpec;
use crate::api::spec::DeletionPolicy;
use crate::api::status::{Session, SessionState};
use crate::cluster::stored::StoredJob;
use crate::lifecycle::intent::{Intent, intent};
use crate::lifecycle::observed::{Observed, Problem};
use crate::lifecycle::start::{self, NextStart};
use crate::lifecycle::{aging, hearing, preflight, recorder};

/// Gathers what a decision about `stored` is made from.
pub(super) async fn observe<'a>(
    context: &'a Context,
    stored: StoredJob,
    presence: Presence,
    remembered: &Remembered,
) -> Visit<'a> {
    let mut job = stored.job();
    let mut spec = stored.spec();
    match presence {
        Presence::Present => {}
        Presence::Vanished | Presence::Leaving => {
            // A job that is gone is one that is being deleted and whose finalizer somebody took.
            job.deleting = true;
            job.has_finalizer = false;
        }
    }
    if let (Presence::Leaving, Ok(spec)) = (presence, &mut spec) {
        // Nobody deleted it: its policy for that is not asked.
        spec.deletion_policy = DeletionPolicy::Stop;
    }
    let stored_status = stored.status();
    let mut seen = Observed {
        now: context.clock.now(),
        timing: context.timing,
        jitter: context.chance.draw(),
        job,
        withdrawing: context.withdrawing,
        spec,
        status: stored_status.clone(),
        memory: remembered.memory.clone(),
        control_problem: None,
        start_problem: None,
        unreadable: stored.unreadable_sessions(),
        keys_end: None,
        storage: None,
        token_end: None,
    };
    seen.join();
    let mut visit = Visit {
        context,
        stored,
        presence,
        seen,
        account: None,
        material: None,
        writer: None,
        kept: remembered.kept.clone(),
        bucket: remembered.bucket.clone(),
        said: remembered.said.clone(),
        left: None,
        told: stored_status,
        heard: 0,
        notices: Vec::new(),
    };
    let told = context.hearsay.of(&visit.seen.job.uid);
    let uid = visit.seen.job.uid.clone();
    visit.count_told();
    let heard = hearing::heard(&mut visit.seen, &told, |sid| context.neighbours.has_sid(&uid, sid));
    visit.find_obstacles().await;
    let sessions = visit.seen.status.sessions.len();
    visit.heard = heard.len();
    visit.notices = heard;
    visit.notices.extend(aging::time_passed(&mut visit.seen));
    if visit.seen.status.sessions.len() != sessions {
        // What was gathered was for a claim that has just been given up.
        visit.find_obstacles().await;
    }
    visit
}

impl Visit<'_> {
    /// What stands in the way of the next start, and of querying and stopping.
    async fn find_obstacles(&mut self) {
        self.seen.start_problem = None;
        self.seen.control_problem = None;
        if self.needs_secrets() {
            self.look_into_secrets().await;
            self.keep_or_use_kept();
        }
        if self.seen.start_problem.is_none() {
            self.seen.start_problem = self.uid_problem();
        }
    }

    /// A job that neither has nor shall have a session needs no Secret, and no request for one.
    fn needs_secrets(&self) -> bool {
        let wanted = match intent(&self.seen) {
            Intent::Capture => true,
            Intent::Suspend
            | Intent::Finish(_)
            | Intent::Rest
            | Intent::Hold
            | Intent::Withdraw
            | Intent::Delete => false,
        };
        wanted || !self.seen.status.sessions.is_empty()
    }

    async fn look_into_secrets(&mut self) {
        let names = match &self.seen.spec {
            Ok(spec) => material::secret_names(spec),
            Err(_) => self.stored.credentials_name().map(str::to_owned).into_iter().collect(),
        };
        let secrets = match self.read_secrets(&names).await {
            Ok(secrets) => secrets,
            Err(words) => {
                let problem = Problem::SecretsUnreadable(words);
                self.seen.control_problem = Some(problem.clone());
                self.seen.start_problem = Some(problem);
                return;
            }
        };
        self.judge_account(&secrets);
        let judged = self.judge_material(&secrets);
        self.know_storage(&secrets);
        if judged.is_err() || self.seen.control_problem.is_some() || preflight::is_refused(&self.seen) {
            // What was found wanting may be mended at any moment: the next visit reads it again.
            names.iter().for_each(|name| self.context.secrets.forget(&self.seen.job.namespace, name));
        }
        self.seen.start_problem = match &self.seen.spec {
            Ok(_) => judged.err(),
            // Without it nobody can say what a repeated start has to send.
            Err(why) => Some(Problem::NotUnderstood(why.clone())),
        };
    }

    /// What is whole is kept. In a deletion what was kept stands in for Secrets that went first.
    fn keep_or_use_kept(&mut self) {
        if self.account.is_some() {
            self.kept.account.clone_from(&self.account);
        }
        if self.material.is_some() {
            self.kept.material.clone_from(&self.material);
        }
        if !self.seen.job.deleting {
            return;
        }
        let is_gone = |problem: &Option<Problem>| problem.as_ref().is_some_and(is_about_secrets);
        if self.account.is_none() && self.kept.account.is_some() && is_gone(&self.seen.control_problem) {
            self.account.clone_from(&self.kept.account);
            self.seen.control_problem = None;
        }
        if self.material.is_none() && self.kept.material.is_some() && is_gone(&self.seen.start_problem) {
            self.material.clone_from(&self.kept.material);
            self.seen.start_problem = None;
        }
    }

    fn judge_account(&mut self, secrets: &Secrets) {
        match self.stored.credentials_name().map(|name| Account::from_secret(name, secrets)) {
            Some(Ok(account)) => self.account = Some(account),
            Some(Err(problem)) => self.seen.control_problem = Some(secret_problem(&problem)),
            None => {
                self.seen.control_problem =
                    Some(Problem::Secret("spec.credentialsRef.name is missing".into()))
            }
        }
    }

    fn judge_material(&mut self, secrets: &Secrets) -> Result<(), Problem> {
        let Ok(spec) = self.seen.spec.clone() else { return Ok(()) };
        let (spec, recorder_uid) = self.to_be_started(&spec);
        let now = self.seen.now.wall;
        let material = Material::gather(&spec, recorder_uid, secrets, now, self.context.chance.draw());
        let material = material.map_err(|problem| secret_problem(&problem))?;
        bodies::start_body(&spec, recorder_uid, &material).map_err(|problem| body_problem(&problem))?;
        self.seen.keys_end = material.sts_end;
        self.seen.token_end = material.token_end;
        self.material = Some(material);
        Ok(())
    }

    async fn read_secrets(&self, names: &BTreeSet<String>) -> Result<Secrets, String> {
        let namespace = &self.seen.job.namespace;
        self.context.secrets.read(namespace, names).await.map_err(|error| error.to_string())
    }

    /// The spec and the recorder uid of the next start: those of a claim that may be started again, for a repeated start
    /// has to say what its acquire said; else those of the start that is due or, if none is, of the one that would
    /// replace what runs.
    fn to_be_started(&self, wanted: &SnapshotJobSpec) -> (SnapshotJobSpec, i64) {
        let seen = &self.seen;
        if let Some(claim) = seen.status.sessions.iter().find(|session| may_be_started_again(session)) {
            return (with_channel_of(wanted, claim), claim.recorder_uid);
        }
        if let Some(next) = start::due(seen) {
            return (self.to_be_sent(wanted, next), next.recorder_uid);
        }
        let uids = recorder::uids(wanted, &seen.job.namespace, &seen.job.name);
        let running = seen.running().map(|session| session.recorder_uid);
        let other = uids.iter().find(|uid| Some(**uid) != running);
        (wanted.clone(), other.or(uids.first()).copied().unwrap_or_default())
    }

    /// The spec that a start sends: in the channel of the session in doubt, if that is what it has to find out.
    pub(super) fn to_be_sent(&self, wanted: &SnapshotJobSpec, next: NextStart) -> SnapshotJobSpec {
        let in_doubt = next.in_doubt.and_then(|attempt| self.seen.session(attempt));
        in_doubt.map_or_else(|| wanted.clone(), |session| with_channel_of(wanted, session))
    }

    /// Asked only when something new is about to be started.
    fn uid_problem(&self) -> Option<Problem> {
        let next = start::due(&self.seen)?;
        let spec = self.to_be_sent(self.seen.spec.as_ref().ok()?, next);
        let uid = next.recorder_uid;
        let holder = self.context.neighbours.holder(&self.stored, &spec, uid)?;
        let channel = &spec.channel.name;
        Some(Problem::UidTaken(format!("SnapshotJob {holder} has recorder uid {uid} in channel {channel}")))
    }
}

/// Whether the start of this claim may be sent again.
fn may_be_started_again(session: &Session) -> bool {
    match session.state {
        SessionState::Claimed | SessionState::Recovering => true,
        SessionState::Running | SessionState::Stopping | SessionState::Uncontrollable => false,
    }
}

/// The spec with App ID and channel of a claim.
pub(super) fn with_channel_of(spec: &SnapshotJobSpec, claim: &Session) -> SnapshotJobSpec {
    let mut spec = spec.clone();
    spec.channel.app_id.clone_from(&claim.app_id);
    spec.channel.name.clone_from(&claim.channel);
    spec
}

fn is_about_secrets(problem: &Problem) -> bool {
    match problem {
        Problem::Secret(_) | Problem::SecretsUnreadable(_) | Problem::Token(_) => true,
        Problem::Region(_) | Problem::Spec(_) | Problem::NotUnderstood(_) | Problem::UidTaken(_) => false,
    }
}

fn secret_problem(problem: &MaterialProblem) -> Problem {
    match problem {
        MaterialProblem::SecretMissing { .. }
        | MaterialProblem::KeyMissing { .. }
        | MaterialProblem::Unusable { .. } => Problem::Secret(problem.to_string()),
        MaterialProblem::TokenExpired { .. } | MaterialProblem::TokenForOther { .. } => {
            Problem::Token(problem.to_string())
        }
    }
}

fn body_problem(problem: &BodyProblem) -> Problem {
    match problem {
        BodyProblem::UnknownRegion(_) | BodyProblem::RegionMissing { .. } => {
            Problem::Region(problem.to_string())
        }
        BodyProblem::AudioNotCaptured | BodyProblem::AudioListBesideExcludedVideo => {
            Problem::Spec(problem.to_string())
        }
        BodyProblem::EncryptionChanged => Problem::SecretsUnreadable(problem.to_string()),
    }
}
