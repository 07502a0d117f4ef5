//! The operator's Deployment while its jobs are withdrawn: it is ended, kept an eye on, and, where the drain fails, begun
//! again. Somebody else may scale it up at any time: whoever reconciles the release from a repository, another drain that
//! failed, a person. Then two would work on the same jobs, so the drain ends the operator once more.

use std::collections::BTreeSet;
use std::time::Duration;

use super::survey::say;
use super::{Interruption, Patience, Unfinished};
use crate::cluster::deployment::OneDeployment;
use crate::cluster::requests::RequestError;

/// Before the operator is ended once more: whoever began it may do so at once again.
const ONCE_MORE: Duration = Duration::from_secs(1);

/// The Deployment, and what has been seen of it.
pub(super) struct Operator {
    deployment: OneDeployment,
    /// As many pods as it shall have again if the drain fails: what it had when it last was to have some.
    replicas: i32,
    /// Of its spec when the operator was ended: whoever scales it up changes this, even if it is scaled down after.
    generation: Option<i64>,
    /// The pod of the drain itself.
    own: Option<String>,
    ended_before: bool,
}

impl Operator {
    pub(super) fn new(deployment: OneDeployment) -> Self {
        let own = std::env::var("POD_NAME").ok();
        Self { deployment, replicas: 0, generation: None, own, ended_before: false }
    }

    /// Scales it to 0 and waits until none of its pods can be at work. The patience that it returns also ends when an
    /// operator comes back.
    pub(super) async fn end(&mut self, patience: &Patience) -> Result<Patience, Unfinished> {
        const SCALING: &str = "scaling the operator down";
        const WAITING: &str = "waiting for the operator's pods to be gone";
        if self.ended_before {
            patience.during(SCALING, tokio::time::sleep(ONCE_MORE)).await?;
        }
        let name = self.deployment.full_name();
        let Some(found) = patience.during(SCALING, self.deployment.find()).await?? else {
            if !self.ended_before {
                say(&format!("There is no Deployment {name}: no operator has to be ended."));
            }
            (self.ended_before, self.generation) = (true, None);
            return Ok(self.watched(patience));
        };
        if found.replicas == 0 {
            say(&format!("Deployment {name} is at 0 replicas."));
        } else {
            say(&format!("Deployment {name} is scaled from {} to 0.", found.replicas));
            self.replicas = found.replicas;
        }
        self.ended_before = true;
        patience.during(SCALING, self.deployment.scale(0)).await??;
        let watched = self.watched(patience);
        watched.during(SCALING, self.deployment.until_scaled_down()).await??;
        let waiting = |pods: &BTreeSet<String>| {
            let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
            say(&format!("Waiting for the operator's pods to be gone: {}.", pods.join(", ")));
        };
        let gone = self.deployment.until_no_pods(&found, self.own.as_deref(), waiting);
        watched.during(WAITING, gone).await??;
        let now = watched.during(WAITING, self.deployment.find()).await??;
        if now.as_ref().is_some_and(|now| now.replicas > 0) {
            return Err(Unfinished::OperatorCameBack);
        }
        self.generation = now.map(|now| now.generation);
        say("No pod of the operator is left.");
        Ok(watched)
    }

    /// Whether no operator can have been at work since it was ended.
    pub(super) async fn stayed_away(&self) -> Result<bool, RequestError> {
        let Some(now) = self.deployment.find().await? else { return Ok(true) };
        if now.replicas > 0 || Some(now.generation) != self.generation {
            return Ok(false);
        }
        Ok(self.deployment.pods_at_work(&now, self.own.as_deref()).await?.is_empty())
    }

    /// The drain has failed: scales the Deployment up to what it had, unless somebody has done so.
    pub(super) async fn begin_again(&self) {
        let (name, replicas) = (self.deployment.full_name(), self.replicas);
        match self.deployment.find().await {
            Ok(None) => {
                say(&format!(
                    "There is no Deployment {name}: install the operator, or nobody looks after these jobs."
                ));
                return;
            }
            Ok(Some(now)) if now.replicas > 0 => {
                say(&format!("Deployment {name} has {} replicas: the operator goes on.", now.replicas));
                return;
            }
            Ok(Some(_)) if replicas == 0 => {
                say(&format!(
                    "Deployment {name} is at 0 replicas, as it was before, and stays so: scale it up, or nobody looks \
                     after these jobs."
                ));
                return;
            }
            Err(error) if replicas == 0 => {
                say(&format!(
                    "How many replicas Deployment {name} has cannot be told ({error}): see that it has some, or nobody \
                     looks after these jobs."
                ));
                return;
            }
            Ok(Some(_)) | Err(_) => {}
        }
        match self.deployment.scale(replicas).await {
            Ok(()) => say(&format!(
                "Deployment {name} is scaled up to {replicas} again: the operator goes on with all jobs, also with \
                 those whose session was ended."
            )),
            Err(error) => say(&format!(
                "Deployment {name} could not be scaled up again ({error}): do it with kubectl scale \
                 --replicas={replicas}, or nobody looks after these jobs."
            )),
        }
    }

    fn watched(&self, patience: &Patience) -> Patience {
        let deployment = self.deployment.clone();
        patience.or_until(Interruption::OperatorCameBack, async move { deployment.until_scaled_up().await })
    }
}
