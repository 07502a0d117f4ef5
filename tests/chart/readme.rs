//! The chart's README.md: its table of values is made from values.yaml, and what it says of rights is what is rendered.

use std::fmt::Write;

use serde_json::json;

use crate::helm::{NAMESPACE, chart, file, render};
use crate::programs::assert_generated;
use crate::values::keys;

const BEGIN: &str = "<!-- Made from values.yaml by `make generate`. -->\n";
const END: &str = "<!-- End of what is made from values.yaml. -->\n";

fn table() -> String {
    let mut table = String::from("| value | default | meaning |\n|---|---|---|\n");
    for key in keys() {
        // As YAML in one line, which JSON is.
        writeln!(table, "| `{}` | `{}` | {} |", key.path, key.default, key.comment.replace('|', "\\|"))
            .expect("a string takes text");
    }
    table
}

#[test]
fn the_table_of_values_is_that_of_the_file() {
    let readme = file("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("README.md has the mark of the table's begin");
    let (_, after) = rest.split_once(END).expect("README.md has the mark of the table's end");
    assert_generated(&chart().join("README.md"), &format!("{before}{BEGIN}\n{}\n{END}{after}", table()));
}

/// Those who bind rights themselves (`rbac.create: false`) copy them from here.
#[test]
fn the_rights_it_lists_are_those_that_are_rendered() {
    let values = json!({
        "watchNamespaces": ["jobs"], "leaderElection": {"enabled": true}, "fullnameOverride": "agora-snapshot-operator",
    });
    let rendered = render(&values);
    let readme = file("README.md");
    for role in rendered.of_kind("Role") {
        let name = role["metadata"]["name"].as_str().expect("a name");
        let place = if role["metadata"]["namespace"] == NAMESPACE { "release" } else { "jobs" };
        for rule in role["rules"].as_array().expect("rules") {
            let list = |key: &str| {
                let words =
                    rule[key].as_array().into_iter().flatten().map(|word| word.as_str().expect("a word"));
                words.collect::<Vec<_>>().join(", ")
            };
            let names = list("resourceNames");
            let named = if names.is_empty() { String::new() } else { format!(" `{names}`") };
            let group = rule["apiGroups"][0].as_str().expect("a group");
            let group = if group.is_empty() { "core" } else { group };
            let line = format!("| {place} | {group} | {}{named} | {} |", list("resources"), list("verbs"));
            assert!(readme.contains(&line), "README.md does not list what the Role {name} grants:\n{line}");
        }
    }
}
