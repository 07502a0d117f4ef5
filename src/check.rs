//! `check`: whether what the operator needs is there. Prints a line for each thing and changes nothing.
//!
//! Owns what is looked at and the words about it. Which rights the operator needs is told in `rights`, what of the
//! CRD is served in `fields`.

mod fields;
mod rights;

use std::fmt;

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};

use crate::cluster::client::{self, CALL_LIMIT, CallError, ConnectError, within};
use crate::metrics::Metrics;
use crate::settings::CheckSettings;

/// Why the check did not end well.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no cluster to look at.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Something is missing; the lines say what.
    #[error("{failed} of {all} checks failed; the lines above say what to do")]
    Failed {
        /// How many.
        failed: usize,
        /// Of so many.
        all: usize,
    },
}

/// One line of the result.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Line {
    /// It is as it should be.
    Good(String),
    /// It is not: what, and what to do.
    Bad(String),
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good(what) => write!(formatter, "ok    {what}"),
            Self::Bad(what) => write!(formatter, "FAIL  {what}"),
        }
    }
}

/// Looks at everything and prints a line for each to standard output.
///
/// # Errors
/// Something is not as it should be.
pub async fn run(settings: &CheckSettings) -> Result<(), CheckError> {
    let client = client::connect(&Metrics::new(false)).await?;
    let namespace = settings.operator_namespace(client.default_namespace());
    let (mut failed, mut all) = (0, 0);
    let mut print = |lines: Vec<Line>| {
        for line in lines {
            println!("{line}");
            all += 1;
            failed += usize::from(matches!(line, Line::Bad(_)));
        }
    };
    let server = server(&client).await;
    let reached = matches!(server, Line::Good(_));
    print(vec![server]);
    // Without a server the rest would say the same again and again.
    if reached {
        print(vec![fields::served(&client).await]);
        print(rights::held(&client, settings, &namespace).await);
        if let Some(name) = &settings.deployment {
            print(vec![deployment(&client, &namespace, name).await]);
        }
    }
    if failed == 0 { Ok(()) } else { Err(CheckError::Failed { failed, all }) }
}

async fn server(client: &Client) -> Line {
    match within(CALL_LIMIT, client.apiserver_version()).await {
        Ok(version) => Line::Good(format!("API server {}", version.git_version)),
        Err(error) => Line::Bad(format!(
            "API server: {error}; see whether it runs, and whether a NetworkPolicy or firewall lets this pod reach it"
        )),
    }
}

async fn deployment(client: &Client, namespace: &str, name: &str) -> Line {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let what = format!("Deployment {namespace}/{name}");
    match within(CALL_LIMIT, deployments.get(name)).await {
        Ok(found) => judge(&what, &found),
        Err(error) if error.is_not_found() => {
            Line::Bad(format!("{what} does not exist; give its name with --deployment"))
        }
        Err(error) => Line::Bad(unanswered(&what, "get", "deployments.apps", &error)),
    }
}

/// Available, and by the newest template: an old pod that still answers says nothing of an upgrade.
fn judge(what: &str, deployment: &Deployment) -> Line {
    let (spec, status) =
        (deployment.spec.clone().unwrap_or_default(), deployment.status.clone().unwrap_or_default());
    let wanted = spec.replicas.unwrap_or(1);
    let count = |number: Option<i32>| number.unwrap_or(0);
    let (updated, available) = (count(status.updated_replicas), count(status.available_replicas));
    let observed = status.observed_generation.unwrap_or(0) >= deployment.metadata.generation.unwrap_or(0);
    if wanted == 0 {
        Line::Bad(format!("{what} is scaled to 0: nobody looks after SnapshotJobs; scale it to 1"))
    } else if observed && updated >= wanted && available >= wanted {
        Line::Good(format!("{what} has {available} of {wanted} replicas available"))
    } else {
        Line::Bad(format!(
            "{what} has {available} of {wanted} replicas available, {updated} of the newest template; wait for the \
             rollout to end, or look at `kubectl describe` and `kubectl logs` of its pods"
        ))
    }
}

fn unanswered(what: &str, verb: &str, resource: &str, error: &CallError) -> String {
    if error.is_forbidden() {
        format!("{what}: this service account needs the verb {verb} on {resource} to see it")
    } else {
        format!("{what} could not be read: {error}; try again")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_judged_by_its_newest_replicas() {
        for (generation, replicas, status, good) in [
            (1, 1, json!({"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}), true),
            (2, 1, json!({"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}), false),
            (1, 2, json!({"observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 1}), false),
            (1, 2, json!({"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 2}), false),
            (1, 0, json!({"observedGeneration": 1}), false),
            (1, 1, json!({}), false),
        ] {
            let deployment: Deployment = serde_json::from_value(json!({
                "metadata": {"name": "a", "generation": generation},
                "spec": {"replicas": replicas, "selector": {}, "template": {}},
                "status": status,
            }))
            .expect("a Deployment");
            let line = judge("it", &deployment);
            assert_eq!(matches!(line, Line::Good(_)), good, "{line}");
        }
    }
}
