//! The chart's roles are enough and not too much: nothing is refused in a whole life, and without any one of their rights
//! something is.
//!
//! Owns what a right is, and the rules of the operator for its jobs. What it may do beside them is in `options.rs`, what
//! the uninstall hook may do in `uninstall.rs`.

use futures::{StreamExt, stream};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::crash::claimed_with;
use crate::role;
use crate::vendor::ALL;
use crate::world::{Plan, SOON, World};

mod options;
mod uninstall;

/// Worlds at the same time: each waits most of the time.
const AT_ONCE: usize = 3;

/// One verb on one resource, or on its objects of some names.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Right {
    group: String,
    resource: String,
    names: Option<Vec<String>>,
    verb: String,
}

impl Right {
    /// As the API server says that it is missing.
    fn refusal(&self) -> String {
        format!("cannot {} resource {:?} in API group {:?}", self.verb, self.resource, self.group)
    }

    /// The same, of one namespace.
    fn refusal_in(&self, namespace: &str) -> String {
        format!("{} in the namespace {namespace:?}", self.refusal())
    }
}

fn rights(rules: &[PolicyRule]) -> Vec<Right> {
    let mut rights = vec![];
    for rule in rules {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    rights.push(Right {
                        group: group.clone(),
                        resource: resource.clone(),
                        names: rule.resource_names.clone(),
                        verb: verb.clone(),
                    });
                }
            }
        }
    }
    rights
}

fn rules(rights: &[Right]) -> Vec<PolicyRule> {
    rights
        .iter()
        .map(|right| PolicyRule {
            api_groups: Some(vec![right.group.clone()]),
            resources: Some(vec![right.resource.clone()]),
            resource_names: right.names.clone(),
            verbs: vec![right.verb.clone()],
            ..PolicyRule::default()
        })
        .collect()
}

/// All rules but this right.
fn without(missing: &Right, all: &[Right]) -> Vec<PolicyRule> {
    let rest: Vec<_> = all.iter().filter(|right| *right != missing).cloned().collect();
    assert_eq!(rest.len() + 1, all.len(), "{missing:?} is granted once in {all:?}");
    rules(&rest)
}

fn life(name: &'static str, rules: Vec<PolicyRule>) -> Plan {
    Plan::new(name).faster(20).operator_role(rules)
}

/// A job that needs every right: begun, its claim disturbed, restarted (which repeats events), completed, and deleted
/// when its time to live is over.
async fn whole_life(world: &World) {
    claimed_with(world, json!({"delayAfterMs": 2000})).await;
    // The status was read before this; the sid can be saved only after the object is read again.
    world.patch("lobby", json!({"metadata": {"labels": {"disturbed": "yes"}}})).await;
    world.until_capturing("lobby").await;
    for restart in ["monday", "tuesday"] {
        let annotations = json!({"annotations": {"agora-snapshot.dev/restart": restart}});
        world.patch("lobby", json!({"metadata": annotations})).await;
        world
            .until("lobby", "the restart to be answered", SOON, |job| {
                job["status"]["lastHandledRestart"] == restart
            })
            .await;
        world.until_capturing("lobby").await;
    }
    let limits = json!({"durationSeconds": 1, "ttlSecondsAfterFinished": 0});
    world.patch("lobby", json!({"spec": limits})).await;
    world.until_gone("lobby", SOON).await;
    assert!(world.live_sessions().await.is_empty());
}

/// `World::end` looks for requests that were refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_role_is_enough_for_a_whole_life() {
    let world = life("role-cluster", role::everywhere()).make().await;
    whole_life(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_of_watched_namespaces_are_enough() {
    let world = life("role-namespaces", role::in_watched_namespaces()).make().await;
    whole_life(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_is_too_much() {
    let all = rights(&role::everywhere());
    assert!(all.len() >= 9, "{all:?}");
    let each = all.iter().map(|missing| {
        let rest = without(missing, &all);
        async move {
            let mut world = life("role-less", rest).make_without_operator().await;
            world.start_operator_unready().await;
            let refusal = missing.refusal();
            tokio::select! {
                () = whole_life(&world) => panic!("a whole life went by, and nobody missed {missing:?}"),
                () = world.until_logged(&refusal) => {}
            }
            world.abandon().await;
        }
    });
    stream::iter(each).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

/// A job that is being deleted and whose stop is never answered. Once `end_control` has said so, it is told, in its own
/// namespace and in the operator's, that it may go on being billed; then it is let go.
async fn until_deleted_in_vain(world: &World, name: &str) {
    let silent = json!({"verb": "stop", "cname": name, "times": ALL, "drop": "before"});
    world.fault(silent).await;
    world.simulator.join(name, 7).await.expect("a user joins");
    world.create(name, world.spec(name)).await;
    world.until_capturing(name).await;
    world.delete(name).await;
    world.until_calls(&[("verb", "stop"), ("cname", name)], 1).await;
}

/// From now on its session can no longer be stopped.
async fn end_control(world: &World, name: &str) {
    let written = async || {
        let job = world.jobs().get(name).await.expect("the job");
        let mut sessions = job.data["status"]["sessions"].clone();
        sessions[0]["controlEndTime"] = json!("2026-01-01T00:00:00Z");
        let version = job.metadata.resource_version;
        let patch = json!({"metadata": {"resourceVersion": version}, "status": {"sessions": sessions}});
        // Whoever wrote meanwhile wins.
        world.jobs().patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await.ok()
    };
    world.eventually("the end of control to be written", SOON, written).await;
}
