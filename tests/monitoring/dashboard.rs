//! The dashboard: Grafana can load it, people can read it, and its queries are PromQL over metrics that are there.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};

use crate::expression::problems;
use crate::promtool::{promtool, root, scratch};

fn dashboard() -> Value {
    let path = root().join("charts/agora-snapshot-operator/files/dashboard.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("a dashboard")).expect("JSON")
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().expect("panels")
}

/// Every query, as Prometheus gets it, with the title of its panel.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut queries = vec![];
    for panel in panels(dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = target["expr"].as_str().expect("a query");
            let text = text.replace("$__rate_interval", "5m").replace("$namespace", "a").replace("$job", "b");
            assert!(!text.contains('$'), "a variable that is not there: {text}");
            queries.push((panel["title"].as_str().expect("a title").to_owned(), text));
        }
    }
    assert!(queries.len() > 25, "{}", queries.len());
    queries
}

#[test]
fn grafana_can_load_it() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "agora-snapshot-operator");
    assert!(dashboard["schemaVersion"].as_u64() >= Some(36) && dashboard["title"].is_string());
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<&Value> = variables.iter().map(|variable| &variable["name"]).collect();
    assert_eq!(names, ["datasource", "namespace", "job"]);
    assert_eq!((&variables[0]["type"], &variables[0]["query"]), (&json!("datasource"), &json!("prometheus")));
    let mut ids = BTreeSet::new();
    for panel in panels(&dashboard) {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "two panels have the id {}", panel["id"]);
        if panel["type"] == "row" {
            continue;
        }
        let source = json!({"type": "prometheus", "uid": "${datasource}"});
        let targets = panel["targets"].as_array().expect("queries");
        let letters: BTreeSet<&str> = targets.iter().filter_map(|target| target["refId"].as_str()).collect();
        assert_eq!(letters.len(), targets.len(), "{}", panel["title"]);
        let sources = targets.iter().chain([panel]).map(|part| &part["datasource"]);
        assert!(sources.clone().all(|one| *one == source), "{}: {sources:?}", panel["title"]);
        assert!(
            ["stat", "timeseries"].contains(&panel["type"].as_str().expect("a type")),
            "{}",
            panel["title"]
        );
    }
}

#[test]
fn people_can_read_it() {
    let dashboard = dashboard();
    let rows = panels(&dashboard).iter().filter(|panel| panel["type"] == "row").map(|row| &row["title"]);
    assert_eq!(
        rows.collect::<Vec<_>>(),
        ["Fleet", "Sessions and cost", "Snapshots", "Agora's API", "Controller"]
    );
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let place = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        assert!(place("x") + place("w") <= 24, "{} is too wide", panel["title"]);
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{} lies over another", panel["title"]);
            }
        }
        if panel["type"] != "row" {
            let words = panel["description"].as_str().expect("a description");
            assert!(words.len() > 15 && words.ends_with(['.', '>']), "{}", panel["title"]);
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{} has no unit", panel["title"]);
        }
    }
}

#[test]
fn its_queries_are_over_metrics_that_are_there() {
    let dashboard = dashboard();
    for (title, query) in queries(&dashboard) {
        assert_eq!(problems(&query), Vec::<String>::new(), "{title}: {query}");
    }
    let lists = dashboard["templating"]["list"].as_array().expect("variables");
    let list = Regex::new(r"^label_values\((.*), (namespace|job)\)$").expect("a pattern");
    for variable in &lists[1..] {
        let text = variable["query"]["query"].as_str().expect("a query").replace("$namespace", "a");
        let found = list.captures(&text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(problems(&found[1]), Vec::<String>::new());
    }
}

#[test]
fn its_queries_are_promql() {
    let rule =
        |(n, (_, query)): (usize, (String, String))| json!({"record": format!("panel:{n}"), "expr": query});
    let rules: Vec<Value> = queries(&dashboard()).into_iter().enumerate().map(rule).collect();
    let count = format!("{} rules found", rules.len());
    let file = scratch("dashboard").join("rules.yaml");
    std::fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string())
        .expect("a file");
    let (accepted, words) = promtool(["check", "rules", &file.display().to_string()]);
    assert!(accepted && words.contains(&count), "{words}");
}
