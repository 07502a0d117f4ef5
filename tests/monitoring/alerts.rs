//! The alerts: their names exist, their tests pass, and their tests fail when anything of an alert is changed.

use regex::Regex;
use serde_json::{Value, json};

use crate::expression::{matchers, problems};
use crate::promtool::{promtool, root, scratch};
use crate::runbooks::stems;

const RULES: &str = "charts/agora-snapshot-operator/files/alerts.yaml";

/// Critical ones wake somebody: money runs, or nobody watches. All others can wait for the morning.
const CRITICAL: [&str; 3] = ["AgoraSnapshotOperatorDown", "AgoraSnapshotNoLeader", "AgoraSnapshotOrphanRisk"];

/// One alert.
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) value: Value,
}

impl Rule {
    fn expression(&self) -> &str {
        self.value["expr"].as_str().expect("an expression")
    }

    /// The same alert with another value of `key`, or without it.
    fn with(&self, key: &str, value: Option<String>) -> Value {
        let mut rule = self.value.clone();
        let object = rule.as_object_mut().expect("an object");
        match value {
            Some(value) => object.insert(key.into(), value.into()),
            None => object.remove(key),
        };
        rule
    }
}

/// All alerts of the file.
pub(crate) fn rules() -> Vec<Rule> {
    let text = std::fs::read_to_string(root().join(RULES)).expect(RULES);
    let file: Value = serde_saphyr::from_str(&text).expect("YAML");
    let groups = file["groups"].as_array().expect("groups");
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules"));
    rules
        .map(|rule| Rule { name: rule["alert"].as_str().expect("alert").into(), value: rule.clone() })
        .collect()
}

fn test_file(name: &str) -> String {
    format!("tests/monitoring/alerts/{name}.yaml")
}

#[test]
fn the_rules_are_rules() {
    let (accepted, words) = promtool(["check", "rules", &root().join(RULES).display().to_string()]);
    assert!(accepted && words.contains("11 rules found"), "{words}");
}

#[test]
fn alerts_rest_on_metrics_that_are_there() {
    for rule in rules() {
        assert_eq!(problems(rule.expression()), Vec::<String>::new(), "{}: {}", rule.name, rule.expression());
        let severity = if CRITICAL.contains(&rule.name.as_str()) { "critical" } else { "warning" };
        assert_eq!(rule.value["labels"], json!({"severity": severity}), "{}", rule.name);
        for words in ["summary", "description"] {
            let words = rule.value["annotations"][words].as_str().expect("words");
            assert!(words.ends_with('.'), "{}: {words}", rule.name);
        }
    }
}

#[test]
fn each_alert_has_a_test_that_passes() {
    let alerts = rules().into_iter().map(|rule| rule.name).collect();
    assert_eq!(stems("tests/monitoring/alerts", ".yaml"), alerts);
    for name in &alerts {
        let file = root().join(test_file(name));
        let (passed, words) = promtool(["test", "rules", &file.display().to_string()]);
        assert!(passed, "{name}: {words}");
    }
}

/// Ways to break an alert, each with a name. The number of a comparison is loosened by a tenth, so a test has to have a
/// case that is just not bad enough.
fn broken(rule: &Rule) -> Vec<(String, Value)> {
    let expression = rule.expression();
    let mut broken = vec![("it never fires".to_owned(), rule.with("expr", Some("vector(0) > 1".into())))];
    let mut change = |what: String, changed: String| {
        assert_ne!(changed, expression, "{what}");
        broken.push((what, rule.with("expr", Some(changed))));
    };
    let pattern = |text: &str| Regex::new(text).expect("a pattern");

    let parts: Vec<&str> = expression.split("\nor\n").collect();
    for (n, part) in parts.iter().enumerate().filter(|_| parts.len() > 1) {
        let others = parts.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, part)| *part);
        change(format!("without the part {part:?}"), others.collect::<Vec<_>>().join("\nor\n"));
    }
    for found in pattern(r"(>=|>|==) (\d+)").captures_iter(expression) {
        let number: u32 = found[2].parse().expect("a number");
        let looser = match (&found[1], number) {
            (">", 0) | ("==", 0) => ">= 0".to_owned(),
            (">=", number) => format!(">= {}", number - 1),
            (_, number) => format!("> {}", f64::from(number) * 0.9),
        };
        let place = found.get(0).expect("the whole").range();
        change(
            format!("with {looser} for {}", &found[0]),
            format!("{}{looser}{}", &expression[..place.start], &expression[place.end..]),
        );
    }
    for found in pattern(r"\{([^}]*)\}").captures_iter(expression) {
        change(format!("without {}", &found[0]), expression.replace(&found[0], ""));
        for (label, values) in matchers(&found[1]).into_iter().filter(|(_, values)| values.len() > 1) {
            for value in &values {
                let others: Vec<&str> =
                    values.iter().filter(|other| *other != value).map(String::as_str).collect();
                change(
                    format!("without {label} {value}"),
                    expression.replace(&values.join("|"), &others.join("|")),
                );
            }
        }
    }
    if let Some(wait) = rule.value["for"].as_str() {
        let minutes: u32 = wait.strip_suffix('m').and_then(|wait| wait.parse().ok()).expect("minutes");
        broken.push(("at once".into(), rule.with("for", None)));
        broken.push(("a minute earlier".into(), rule.with("for", Some(format!("{}m", minutes - 1)))));
        broken.push(("a minute later".into(), rule.with("for", Some(format!("{}m", minutes + 1)))));
    }
    broken
}

#[test]
fn the_test_of_an_alert_notices_when_it_is_broken() {
    for rule in rules() {
        let test = std::fs::read_to_string(root().join(test_file(&rule.name))).expect("a test");
        let broken = broken(&rule);
        assert!(broken.len() > 1, "{}", rule.name);
        let folder = scratch(&rule.name);
        let mutant = folder.join("test.yaml");
        std::fs::write(&mutant, test.replace(&format!("../../../{RULES}"), "rules.yaml")).expect("a file");
        for (how, changed) in broken {
            let rules = json!({"groups": [{"name": "broken", "rules": [changed]}]});
            std::fs::write(folder.join("rules.yaml"), rules.to_string()).expect("a file");
            let (passed, words) = promtool(["test", "rules", &mutant.display().to_string()]);
            assert!(!passed, "the test of {} passes {how}: {}", rule.name, changed["expr"]);
            assert!(
                words.contains("FAILED") && words.contains("exp:"),
                "{} {how} is no rule: {words}",
                rule.name
            );
        }
    }
}
