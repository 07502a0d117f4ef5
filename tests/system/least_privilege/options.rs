//! What the operator may do beside its rules for jobs, each right for one of its options: a Lease for leader election,
//! watching Secrets, and events in its own namespace where it watches others alone.

use agora_snapshot_testbed::Testbed;
use futures::future::join_all;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::Api;
use kube::api::ListParams;

use super::{Right, end_control, life, rights, until_deleted_in_vain, without};
use crate::release::allow;
use crate::role;
use crate::world::{SOON, World};

/// A Lease is read, created and renewed: the first two are refused at once, the last when leadership was won.
#[tokio::test(flavor = "multi_thread")]
async fn no_right_for_leader_election_is_too_much() {
    let all = rights(&role::leader_election());
    assert_eq!(verbs(&all), ["create", "get", "update"]);
    let each = all.iter().map(|missing| {
        let mut rules = role::everywhere();
        rules.extend(without(missing, &all));
        async move {
            let plan = life("role-lease", rules)
                .operator_argument("--leader-election")
                .operator_argument("--leader-election-lease-duration=6s")
                .operator_argument("--leader-election-renew-deadline=4s")
                .operator_argument("--leader-election-retry-period=1s");
            let mut world = plan.make_without_operator().await;
            let namespace = format!("--operator-namespace={}", world.namespace);
            world.operator_options.arguments.push(namespace);
            world.start_operator_unready().await;
            let told = format!("the operator may not {} Lease {}/", missing.verb, world.namespace);
            world.until_logged(&told).await;
            assert_eq!(
                world.log().contains("this process leads"),
                missing.verb == "update",
                "only who could not renew had won: {missing:?}"
            );
            world.abandon().await;
        }
    });
    join_all(each).await;
}

/// With all of them nothing is told: the tests of the option itself see to that.
#[tokio::test(flavor = "multi_thread")]
async fn no_right_for_watching_secrets_is_too_much() {
    let all = rights(&role::watch_secrets());
    let beside: Vec<_> = all.iter().filter(|right| right.verb != "get").collect();
    assert_eq!(beside.iter().map(|right| right.verb.as_str()).collect::<Vec<_>>(), ["list", "watch"]);
    let each = beside.into_iter().map(|missing| {
        let mut rules = role::everywhere();
        rules.extend(without(missing, &all));
        async move {
            let plan = life("role-secrets", rules).operator_argument("--watch-secrets");
            let world = plan.make().await;
            world.until_logged("the operator may not watch Secrets").await;
            world.abandon().await;
        }
    });
    join_all(each).await;
}

/// An operator of watched namespaces, with these rights in its own, which it does not watch.
async fn with_own_namespace(name: &'static str, rules: Vec<PolicyRule>) -> (World, String) {
    let testbed = Testbed::from_env().await.expect("a testbed");
    let own = testbed.create_namespace(&format!("{name}-own")).await.expect("a namespace");
    let plan = life(name, role::in_watched_namespaces());
    let plan = plan.operator_argument(&format!("--operator-namespace={own}"));
    let mut world = plan.make_without_operator().await;
    allow(&world.client, &own, rules, ("operator", &world.namespace)).await;
    world.start_operator().await;
    (world, own)
}

async fn let_go(world: &World) {
    until_deleted_in_vain(world, "lobby").await;
    end_control(world, "lobby").await;
    world.until_gone("lobby", SOON).await;
}

/// `World::end` looks for requests that were refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_rights_in_its_own_namespace_are_enough_to_tell_of_an_orphan() {
    let (world, own) = with_own_namespace("role-own", role::in_own_namespace()).await;
    let_go(&world).await;
    let told = async || {
        let events: Api<Event> = Api::namespaced(world.client.clone(), &own);
        let events = events.list(&ListParams::default()).await.expect("events").items;
        events.into_iter().next()
    };
    let event = world.eventually("an event", SOON, told).await;
    assert_eq!(event.reason.as_deref(), Some("OrphanRisk"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_in_its_own_namespace_is_too_much() {
    let all = rights(&role::in_own_namespace());
    assert_eq!(verbs(&all), ["create"]);
    let each = all.iter().map(|missing| {
        let rest = without(missing, &all);
        async move {
            let (world, own) = with_own_namespace("role-own-less", rest).await;
            let_go(&world).await;
            world.until_logged(&missing.refusal_in(&own)).await;
            world.abandon().await;
        }
    });
    join_all(each).await;
}

fn verbs(all: &[Right]) -> Vec<&str> {
    all.iter().map(|right| right.verb.as_str()).collect()
}
