//! What the uninstall hook may do: without any one of its rights the drain says which is missing, and the operator may not
//! be removed and goes on, unless all that is wanting are words.

use std::future::pending;

use futures::{StreamExt, stream};
use k8s_openapi::api::rbac::v1::PolicyRule;

use super::{AT_ONCE, Right, end_control, life, rights, rules, until_deleted_in_vain, without};
use crate::release::Release;
use crate::role;
use crate::telling::assert_has;
use crate::world::World;

/// For what is tried again and again; nothing that is allowed takes so long.
const TIMEOUT: &str = "--timeout=6s";

/// Which of the drain's two roles lacks a right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Of the namespace of the Deployment.
    Release,
    /// Of the namespaces of the jobs.
    Jobs,
}

/// A running job, and one whose deletion ends with an event in the operator's namespace, too. The operator is gone already, so that it
/// does nothing of this itself.
async fn world_to_drain() -> World {
    let mut world = life("drain-less", role::everywhere()).make().await;
    let running = async {
        world.simulator.join("lobby", 7).await.expect("a user joins");
        world.create("lobby", world.spec("lobby")).await;
        world.until_capturing("lobby").await;
    };
    tokio::join!(running, until_deleted_in_vain(&world, "going"));
    world.kill_operator().await;
    end_control(&world, "going").await;
    world
}

/// Drains; what was said, whether the operator may be removed, and the release. A pod of the operator is waited for.
async fn drained(world: &mut World, own: Vec<PolicyRule>, jobs: Vec<PolicyRule>) -> (bool, String, Release) {
    let release = Release::allowed(world, own, jobs).await;
    release.deploy(world, 1).await;
    release.pod("working").await;
    let mut drain = release.drain(world, &["--sessions=Stop", TIMEOUT]);
    let end_pod = async {
        world.until_logged("to be gone: working").await;
        release.pod_ended("working").await;
        pending::<()>().await;
    };
    let (drained, said) = tokio::select! {
        ended = drain.ended() => ended,
        () = end_pod => unreachable!("it waits for ever"),
    };
    (drained, said, release)
}

/// A right that nobody missed, if it is one.
async fn unmissed(
    place: Place,
    missing: &Right,
    own: Vec<PolicyRule>,
    jobs: Vec<PolicyRule>,
) -> Option<String> {
    let mut world = world_to_drain().await;
    let (drained, said, release) = drained(&mut world, own, jobs).await;
    let namespace = match place {
        Place::Release => &release.namespace,
        Place::Jobs => &world.namespace,
    };
    if !said.contains(&missing.refusal_in(namespace)) {
        return Some(format!("{} {} of {place:?}", missing.verb, missing.resource));
    }
    // What is not told is no reason to go on paying for sessions.
    let unread = (missing.verb.as_str(), missing.resource.as_str()) == ("get", "snapshotjobs");
    let only_words = unread || missing.resource == "events";
    assert_eq!(drained, only_words, "{missing:?} of {place:?}: {said}");
    assert_eq!(said.contains("what came of its sessions could not be read"), unread, "{said}");
    assert_eq!(release.replicas().await, i32::from(!drained), "{missing:?} of {place:?}: {said}");
    if !drained && place == Place::Release {
        let words = format!("the right to {} {}", missing.verb, resource(missing));
        assert_has(&said, &[&words, "is missing"]);
        assert_eq!(world.live_sessions().await.len(), 2, "nothing is stopped beside an operator: {said}");
    }
    None
}

/// As `kubectl` takes it.
fn resource(right: &Right) -> String {
    match (right.group.as_str(), right.resource.split_once('/')) {
        ("", _) => right.resource.clone(),
        (group, None) => format!("{}.{group}", right.resource),
        (group, Some((resource, part))) => format!("{resource}.{group}/{part}"),
    }
}

/// `World::end` looks for requests that were refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_rights_of_the_hook_are_enough() {
    let mut world = world_to_drain().await;
    let (drained, said, release) =
        drained(&mut world, role::drain_of_deployment(), role::drain_of_jobs()).await;
    assert!(drained, "{said}");
    assert_eq!(release.replicas().await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_of_the_hook_is_too_much() {
    let own = rights(&role::drain_of_deployment());
    let jobs = rights(&role::drain_of_jobs());
    assert!(own.len() >= 4 && jobs.len() >= 6, "{own:?} {jobs:?}");
    let of_release =
        own.iter().map(|missing| (Place::Release, missing, without(missing, &own), rules(&jobs)));
    let of_jobs = jobs.iter().map(|missing| (Place::Jobs, missing, rules(&own), without(missing, &jobs)));
    let each =
        of_release.chain(of_jobs).map(|(place, missing, own, jobs)| unmissed(place, missing, own, jobs));
    let all: Vec<_> = stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
    let unmissed: Vec<_> = all.into_iter().flatten().collect();
    assert!(unmissed.is_empty(), "rights that nobody misses: {unmissed:#?}");
}
