//! Who may do what: roles are the least there is, the same in every mode, and bound to accounts that exist. That the
//! operator needs each right, and no other, is shown by the system tests, which run it under the golden files' roles.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::helm::{FULL_NAME, NAMESPACE, Rendered, render};

fn everywhere() -> Rendered {
    render(&json!({}))
}

/// Two namespaces, neither of them the release's.
fn namespaced(extra: Value) -> Rendered {
    let mut values = json!({"watchNamespaces": ["one", "two", "one"]});
    for (key, value) in extra.as_object().into_iter().flatten() {
        values[key] = value.clone();
    }
    render(&values)
}

fn cluster_name(ending: &str) -> String {
    format!("{NAMESPACE}:{FULL_NAME}{ending}")
}

/// Roles of this name, by namespace.
fn roles<'rendered>(rendered: &'rendered Rendered, name: &str) -> Vec<(&'rendered str, &'rendered Value)> {
    let roles = rendered.of_kind("Role").into_iter().filter(|role| role["metadata"]["name"] == name);
    roles.map(|role| (role["metadata"]["namespace"].as_str().expect("a namespace"), &role["rules"])).collect()
}

/// The rule about events that are told once: all but those of the operator about jobs.
fn events() -> Value {
    json!({"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]})
}

#[test]
fn watched_namespaces_get_the_same_rights_as_roles_and_nothing_is_granted_beyond() {
    let rights = &everywhere().get("ClusterRole", &cluster_name(""))["rules"].clone();
    let rendered = namespaced(json!({}));
    assert_eq!(roles(&rendered, FULL_NAME), [("one", rights), ("two", rights)]);
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        assert!(rendered.of_kind(kind).is_empty(), "{kind} in:\n{}", rendered.text);
    }
    let events = json!([events()]);
    assert_eq!(roles(&rendered, &format!("{FULL_NAME}-own-namespace")), [(NAMESPACE, &events)]);
    // Watched itself, the release's namespace needs no second Role.
    let rendered = render(&json!({"watchNamespaces": ["one", NAMESPACE]}));
    assert!(roles(&rendered, &format!("{FULL_NAME}-own-namespace")).is_empty());
}

#[test]
fn a_lease_is_granted_by_name_and_only_with_leader_election() {
    let election = json!({"enabled": true});
    let lease = json!([
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [FULL_NAME],
         "verbs": ["get", "update"]},
    ]);
    let mut with_events = lease.clone();
    with_events.as_array_mut().expect("rules").push(events());
    let own = format!("{FULL_NAME}-own-namespace");
    let rendered = render(&json!({"leaderElection": election}));
    assert_eq!(roles(&rendered, &own), [(NAMESPACE, &lease)]);
    let rendered = namespaced(json!({"leaderElection": election}));
    assert_eq!(roles(&rendered, &own), [(NAMESPACE, &with_events)]);
    for rendered in [everywhere(), namespaced(json!({}))] {
        assert!(!rendered.text.contains("leases"), "{}", rendered.text);
    }
}

#[test]
fn secrets_are_only_got_unless_watching_is_asked_for() {
    let watched = json!(["get", "list", "watch"]);
    for (values, verbs) in [(json!({}), json!(["get"])), (json!({"secrets": {"watch": true}}), watched)] {
        for rendered in [render(&values), namespaced(values.clone())] {
            let mut seen = 0;
            for role in [rendered.of_kind("Role"), rendered.of_kind("ClusterRole")].concat() {
                let name = role["metadata"]["name"].as_str().expect("a name");
                for rule in role["rules"].as_array().expect("rules") {
                    if rule["resources"] == json!(["secrets"]) {
                        seen += 1;
                        let wanted =
                            if name.ends_with("-uninstall") { json!(["get"]) } else { verbs.clone() };
                        assert_eq!(rule["verbs"], wanted, "{name}");
                    }
                }
            }
            assert!(seen >= 2, "{seen} rules about secrets");
        }
    }
}

#[test]
fn the_uninstall_hook_may_end_sessions_and_stop_its_deployment() {
    // It neither watches nor deletes jobs.
    let rights = &json!([
        {"apiGroups": ["agora-snapshot.dev"], "resources": ["snapshotjobs"], "verbs": ["get", "list", "patch"]},
        {"apiGroups": ["agora-snapshot.dev"], "resources": ["snapshotjobs/status"], "verbs": ["update"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        events(),
    ]);
    let deployment = json!([
        {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": [FULL_NAME], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": [FULL_NAME], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    ]);
    let mut with_events = deployment.clone();
    with_events.as_array_mut().expect("rules").push(events());
    let local = format!("{FULL_NAME}-uninstall-deployment");
    let rendered = everywhere();
    assert_eq!(&rendered.get("ClusterRole", &cluster_name("-uninstall"))["rules"], rights);
    assert_eq!(roles(&rendered, &local), [(NAMESPACE, &deployment)]);
    let rendered = namespaced(json!({}));
    assert_eq!(roles(&rendered, &format!("{FULL_NAME}-uninstall")), [("one", rights), ("two", rights)]);
    assert_eq!(roles(&rendered, &local), [(NAMESPACE, &with_events)]);
}

#[test]
fn people_get_what_their_role_says() {
    let rendered = everywhere();
    for (role, may_write) in [("view", false), ("edit", true), ("admin", true)] {
        let found = rendered.get("ClusterRole", &cluster_name(&format!("-{role}")));
        let labels = found["metadata"]["labels"].as_object().expect("labels");
        let aggregated: Vec<_> = labels.keys().filter(|label| label.contains("aggregate-to")).collect();
        assert_eq!(aggregated, [&format!("rbac.authorization.k8s.io/aggregate-to-{role}")]);
        let verbs: BTreeSet<&str> = found["rules"][0]["verbs"]
            .as_array()
            .expect("verbs")
            .iter()
            .map(|verb| verb.as_str().expect("a verb"))
            .collect();
        assert!(verbs.is_superset(&["get", "list", "watch"].into()));
        for verb in ["create", "update", "patch", "delete", "deletecollection"] {
            assert_eq!(verbs.contains(verb), may_write, "{role} {verb}");
        }
        // The status is the operator's alone.
        let status = json!({"apiGroups": ["agora-snapshot.dev"], "resources": ["snapshotjobs/status"], "verbs": ["get"]});
        assert_eq!(found["rules"][1], status);
    }
}

#[test]
fn every_binding_names_a_role_and_an_account_that_are_there() {
    for values in [
        json!({"leaderElection": {"enabled": true}}),
        json!({"watchNamespaces": ["one"], "leaderElection": {"enabled": true}}),
        json!({"serviceAccount": {"create": false, "name": "given"}}),
    ] {
        let rendered = render(&values);
        let bindings = [rendered.of_kind("RoleBinding"), rendered.of_kind("ClusterRoleBinding")].concat();
        assert!(bindings.len() >= 4, "{} bindings", bindings.len());
        for binding in bindings {
            let name = &binding["metadata"]["name"];
            let role = rendered.objects.iter().find(|role| {
                role["kind"] == binding["roleRef"]["kind"]
                    && role["metadata"]["name"] == binding["roleRef"]["name"]
                    && role["metadata"]["namespace"] == binding["metadata"]["namespace"]
            });
            let role = role.unwrap_or_else(|| panic!("{name} names no role that is rendered"));
            assert_eq!(
                role["metadata"]["annotations"], binding["metadata"]["annotations"],
                "{name} comes and goes apart"
            );
            let subject = &binding["subjects"][0];
            assert_eq!(subject["namespace"], NAMESPACE, "{name}");
            let account = subject["name"].as_str().expect("a name");
            if values["serviceAccount"]["create"] == false {
                assert_eq!(account, "given", "{name}");
            } else {
                rendered.get("ServiceAccount", account);
            }
        }
        // And each pod runs under an account that has a binding.
        for (kind, pod) in rendered.pods() {
            let account = &pod["spec"]["serviceAccountName"];
            let bound = rendered.objects.iter().any(|object| object["subjects"][0]["name"] == *account);
            assert!(bound, "nothing is granted to {account} of the {kind}");
        }
    }
}

#[test]
fn nothing_is_granted_by_wildcard() {
    let rendered = render(&json!({"leaderElection": {"enabled": true}, "secrets": {"watch": true}}));
    for role in [rendered.of_kind("Role"), rendered.of_kind("ClusterRole")].concat() {
        assert!(!role["rules"].to_string().contains('*'), "{role}");
    }
}
