//! What holds for the rendered objects together: names, labels, selectors, hooks, and that the program takes its
//! arguments. What each value does is in `effects`, what is granted in `rights`.

use agora_snapshot_operator::api;
use agora_snapshot_operator::settings::{Command, CommandLine, LogFormat, Reach};
use clap::Parser;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use crate::effects::each_value;
use crate::golden::everything;
use crate::helm::{FULL_NAME, NAMESPACE, Rendered, file, render, render_as};

/// Kinds that have no namespace.
const CLUSTER_WIDE: [&str; 3] = ["ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"];

#[test]
fn the_definition_is_the_one_of_the_program() {
    assert_eq!(file("files/snapshotjobs.yaml"), api::crd_yaml(), "write it anew with: make generate");
    let rendered = render(&json!({}));
    let [found] = rendered.of_kind("CustomResourceDefinition")[..] else { panic!("one definition") };
    let found: CustomResourceDefinition = serde_json::from_value(found.clone()).expect("a definition");
    assert!(found.spec == api::crd().spec, "rendering changed the definition");
    assert_eq!(found.metadata.name, api::crd().metadata.name);
}

#[test]
fn versions_of_chart_program_and_image_are_one() {
    let chart: Value = serde_saphyr::from_str(&file("Chart.yaml")).expect("YAML");
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_object_has_its_namespace_and_the_usual_labels() {
    for object in render(&everything()).objects {
        let what = format!("{} {}", object["kind"], object["metadata"]["name"]);
        let kind = object["kind"].as_str().expect("a kind");
        assert_eq!(object["metadata"]["namespace"].is_null(), CLUSTER_WIDE.contains(&kind), "{what}");
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], "agora-snapshot-operator", "{what}");
        assert_eq!(labels["app.kubernetes.io/instance"], "shots", "{what}");
        assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm", "{what}");
        for label in ["helm.sh/chart", "app.kubernetes.io/version", "app.kubernetes.io/component"] {
            assert!(labels[label].is_string(), "{what} has no {label}");
        }
    }
}

#[test]
fn names_stay_within_what_kubernetes_takes() {
    // Helm takes releases of 53 characters; pods of a Job are labelled with its name, a Service is a name in DNS.
    let release = "a".repeat(53);
    for object in render_as(&release, NAMESPACE, &everything(), &[]).objects {
        let name = object["metadata"]["name"].as_str().expect("a name");
        let kind = object["kind"].as_str().expect("a kind");
        let most = if ["Deployment", "Job", "Pod", "Service"].contains(&kind) { 63 } else { 253 };
        assert!(name.len() <= most, "{kind} {name} has {} characters", name.len());
    }
}

/// YAML reads words such as `on` and numbers as what they are not, where they are not quoted.
#[test]
fn a_name_is_a_name_whatever_yaml_thinks_of_it() {
    let values = json!({
        "watchNamespaces": ["null", "123"], "serviceAccount": {"name": "true"}, "leaderElection": {"enabled": true, "leaseName": "1e3"},
        "priorityClassName": "on", "caBundle": {"configMap": "12", "key": "no"}, "nameOverride": "y",
        "metrics": {"podMonitor": {"enabled": true}}, "networkPolicy": {"enabled": true},
    });
    let rendered = render_as("7", "0x1f", &values, &[]);
    for object in &rendered.objects {
        for field in ["name", "namespace", "labels", "annotations"] {
            let found = &object["metadata"][field];
            let texts: Vec<&Value> = found.as_object().map_or(vec![found], |map| map.values().collect());
            let missing = field != "name" && found.is_null();
            assert!(
                missing || texts.iter().all(|text| text.is_string()),
                "{} {field}: {found}",
                object["kind"]
            );
        }
    }
    let given = ["null", "123", "true", "1e3", "on", "12", "no", "7", "0x1f"];
    fn scalars<'value>(value: &'value Value, found: &mut Vec<&'value Value>) {
        match value {
            Value::Object(map) => map.values().for_each(|value| scalars(value, found)),
            Value::Array(list) => list.iter().for_each(|value| scalars(value, found)),
            scalar => found.push(scalar),
        }
    }
    let mut found = vec![];
    rendered
        .objects
        .iter()
        .filter(|object| object["kind"] != "CustomResourceDefinition")
        .for_each(|object| scalars(object, &mut found));
    for name in given {
        assert!(found.contains(&&json!(name)), "{name} is not among what is rendered");
    }
    assert!(!found.iter().any(|value| value.is_null()), "a null was made of a name");
}

/// Whether the labels of a pod are what `matchLabels` asks for.
fn selects(selector: &Value, pod: &Value) -> bool {
    let wanted = selector.as_object().expect("labels");
    !wanted.is_empty() && wanted.iter().all(|(label, value)| pod["metadata"]["labels"][label] == *value)
}

#[test]
fn only_the_operators_own_pods_are_selected() {
    let rendered = render(&everything());
    let selectors = [
        ("Deployment", FULL_NAME.to_owned(), "/spec/selector/matchLabels"),
        ("PodDisruptionBudget", FULL_NAME.to_owned(), "/spec/selector/matchLabels"),
        ("PodMonitor", FULL_NAME.to_owned(), "/spec/selector/matchLabels"),
        ("Service", format!("{FULL_NAME}-metrics"), "/spec/selector"),
    ];
    for (kind, name, pointer) in selectors {
        let selector = rendered.get(kind, &name).pointer(pointer).expect(pointer);
        for (owner, pod) in rendered.pods() {
            assert_eq!(selects(selector, pod), owner == "Deployment", "{kind} and the pod of {owner}");
        }
    }
    // All of them talk to others.
    let policy =
        rendered.get("NetworkPolicy", FULL_NAME).pointer("/spec/podSelector/matchLabels").expect("labels");
    assert!(rendered.pods().iter().all(|(_, pod)| selects(policy, pod)));
    let rendered = render(&json!({"metrics": {"serviceMonitor": {"enabled": true}}}));
    let selector =
        rendered.get("ServiceMonitor", FULL_NAME).pointer("/spec/selector/matchLabels").expect("labels");
    let services = rendered.of_kind("Service");
    assert!(services.iter().all(|service| selects(selector, service)) && services.len() == 1);
}

#[test]
fn selectors_survive_an_upgrade() {
    // A Deployment's selector can never change: no value may reach it that people change later.
    let selector = |values: &Value| {
        let rendered = render(values);
        let [deployment] = rendered.of_kind("Deployment")[..] else { panic!("one Deployment") };
        deployment.pointer("/spec/selector").expect("a selector").clone()
    };
    for (key, values) in each_value() {
        assert_eq!(selector(&values), selector(&json!({})), "{key} changes it");
    }
    let mut values = everything();
    values["image"]["tag"] = json!("other");
    values["podLabels"] = json!({"app.kubernetes.io/component": "mine", "a": "b"});
    values["commonLabels"] = json!({"app.kubernetes.io/instance": "mine"});
    assert_eq!(selector(&json!({})), selector(&values));
    let rendered = render(&values);
    let (_, pod) = rendered.pods().into_iter().find(|pod| pod.0 == "Deployment").expect("a Deployment");
    assert!(selects(&selector(&values)["matchLabels"], pod), "its own labels win over the given ones");
}

#[test]
fn the_hook_leaves_nothing_and_can_be_tried_again() {
    let rendered = render(&everything());
    let hooks: Vec<_> = rendered
        .objects
        .iter()
        .filter(|object| object["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete")
        .collect();
    // Only the Job: Helm deletes what a hook has when its own time-out is over, and the Job still needs its rights then.
    let [job] = hooks[..] else { panic!("one Job is the hook: {hooks:?}") };
    assert_eq!(job, rendered.get("Job", &format!("{FULL_NAME}-uninstall")));
    assert_eq!(
        job["metadata"]["annotations"]["helm.sh/hook-delete-policy"],
        "before-hook-creation,hook-succeeded"
    );
    assert_eq!(
        job["metadata"]["annotations"]["helm.sh/hook-output-log-policy"],
        "hook-succeeded,hook-failed"
    );
    assert_eq!(job["spec"]["backoffLimit"], 0);
    assert_eq!(job["spec"]["ttlSecondsAfterFinished"], 3600);
    assert_eq!(job["spec"]["activeDeadlineSeconds"], 150 + 120);
}

/// What the program makes of the arguments of a pod.
fn parsed(rendered: &Rendered, kind: &str) -> CommandLine {
    let arguments = rendered.arguments(kind);
    let line = ["agora-snapshot-operator"].iter().chain(&arguments);
    CommandLine::try_parse_from(line).unwrap_or_else(|error| panic!("{kind} {arguments:?}: {error}"))
}

/// Extra arguments are the operator's alone; the one of these tests is the namespace. Each has a log of its own.
fn without_its_own(reach: &Reach) -> String {
    let reach = Reach {
        operator_namespace: None,
        log_format: LogFormat::Text,
        log_level: String::new(),
        ..reach.clone()
    };
    format!("{reach:?}")
}

#[test]
fn the_program_takes_every_argument() {
    for values in [json!({}), everything(), json!({"watchNamespaces": ["one"], "bindAddress": "::"})] {
        let rendered = render(&values);
        let Command::Run(settings) = parsed(&rendered, "Deployment").command else {
            panic!("the Deployment runs")
        };
        settings.reach.check().expect("settings that go together");
        settings.leader_election.check().expect("times that go together");
        let Command::Drain(drain) = parsed(&rendered, "Job").command else { panic!("the Job drains") };
        assert_eq!(drain.deployment, FULL_NAME);
        assert_eq!(format!("{:?}", drain.sessions), "Refuse");
        assert_eq!(drain.timeout.as_secs(), 150);
        // It reaches Agora, and finds the jobs, as the operator does.
        assert_eq!(without_its_own(&drain.reach), without_its_own(&settings.reach));
        let Command::Check(check) = parsed(&rendered, "Pod").command else { panic!("the Pod checks") };
        assert_eq!(check.deployment.as_deref(), Some(FULL_NAME));
        // It asks for the rights that the operator uses.
        let watched = values["watchNamespaces"].as_array().map_or(0, Vec::len);
        assert_eq!(settings.reach.watch_namespaces.len(), watched);
        assert_eq!(check.watch_namespaces, settings.reach.watch_namespaces);
        assert_eq!(check.watch_secrets, settings.watch_secrets);
        assert_eq!(check.leader_election, settings.leader_election.leader_election);
        assert_eq!(check.leader_election_lease_name, settings.leader_election.leader_election_lease_name);
    }
}

#[test]
fn what_is_not_set_has_the_programs_own_default() {
    let Command::Run(chart) = parsed(&render(&json!({})), "Deployment").command else { panic!("run") };
    let Command::Run(own) = CommandLine::parse_from(["agora-snapshot-operator", "run"]).command else {
        panic!("run")
    };
    assert_eq!(format!("{chart:?}"), format!("{own:?}"));
}

#[test]
fn pods_are_restricted() {
    let rendered = render(&everything());
    assert_eq!(rendered.pods().len(), 3);
    for (owner, pod) in rendered.pods() {
        let spec = &pod["spec"];
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{owner}");
        assert!(spec["securityContext"]["runAsUser"].as_u64().is_some_and(|uid| uid > 0), "{owner}");
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{owner}");
        assert_eq!(spec["enableServiceLinks"], false, "{owner}");
        let [container] = &spec["containers"].as_array().expect("containers")[..] else {
            panic!("one container")
        };
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true, "{owner}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{owner}");
        assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{owner}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{owner}");
        for name in ["POD_NAME", "POD_NAMESPACE"] {
            let has =
                |variable: &Value| variable["name"] == name && variable["valueFrom"]["fieldRef"].is_object();
            assert!(container["env"].as_array().expect("variables").iter().any(has), "{owner} has no {name}");
        }
    }
    // No account gets a token but through a pod that asks for it.
    for account in rendered.of_kind("ServiceAccount") {
        assert_eq!(account["automountServiceAccountToken"], false);
    }
}

#[test]
fn probes_ask_the_port_that_the_program_serves() {
    let rendered = render(&json!({"health": {"port": 9001}}));
    let deployment = rendered.get("Deployment", FULL_NAME);
    let container = deployment.pointer("/spec/template/spec/containers/0").expect("a container");
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "health"}));
    }
    assert!(rendered.arguments("Deployment").contains(&"--health-bind-address=0.0.0.0:9001"));
}

#[test]
fn a_policy_opens_the_ports_of_the_urls_that_are_given() {
    let rendered = render(&json!({
        "networkPolicy": {"enabled": true},
        "agora": {"endpoints": ["http://simulator", "https://[2001:db8::1]:8443/base"]},
        "storage": {"endpoint": "http://s3.local:9000"},
        "proxy": {"https": "http://proxy:3128", "http": "https://proxy"},
    }));
    let egress = &rendered.get("NetworkPolicy", FULL_NAME)["spec"]["egress"];
    let ports = |rule: usize| -> Vec<u64> {
        let ports = egress[rule]["ports"].as_array().expect("ports");
        ports.iter().map(|port| port["port"].as_u64().expect("a number")).collect()
    };
    assert_eq!(ports(0), [53, 53, 5353, 5353]);
    assert_eq!(ports(1), [443, 6443]);
    assert_eq!(ports(2), [443, 80, 8443, 9000, 3128]);
    assert_eq!(egress.as_array().map(Vec::len), Some(3));
    // Only metrics and probes come in.
    let ingress = &rendered.get("NetworkPolicy", FULL_NAME)["spec"]["ingress"];
    let expected = json!([
        {"ports": [{"port": 8080, "protocol": "TCP"}]}, {"ports": [{"port": 8081, "protocol": "TCP"}]},
    ]);
    assert_eq!(*ingress, expected);
    let rendered = render(&json!({"networkPolicy": {"enabled": true}, "metrics": {"enabled": false}}));
    let ingress = &rendered.get("NetworkPolicy", FULL_NAME)["spec"]["ingress"];
    assert_eq!(*ingress, json!([{"ports": [{"port": 8081, "protocol": "TCP"}]}]));
}

#[test]
fn alerts_and_dashboard_are_the_files_themselves() {
    let rendered = render(&everything());
    let alerts: Value = serde_saphyr::from_str(&file("files/alerts.yaml")).expect("YAML");
    let wrapped = &rendered.get("PrometheusRule", FULL_NAME)["spec"];
    assert_eq!(wrapped["groups"], alerts["groups"]);
    let dashboard = &rendered.get("ConfigMap", &format!("{FULL_NAME}-dashboard"))["data"];
    assert_eq!(dashboard["agora-snapshot-operator.json"], file("files/dashboard.json").trim());
}
