//! What actionlint does not ask of the workflows: that nothing runs in them which can be changed behind our back, and
//! that no job may more than it needs.

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};

/// Name and text of each.
fn workflows() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let entries = std::fs::read_dir(folder).expect("workflows").map(|entry| entry.expect("an entry").path());
    let workflows = entries.map(|path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("a workflow"))
    });
    workflows.collect()
}

fn parsed() -> Vec<(String, Value)> {
    let parse = |(name, text): (String, String)| (name, serde_saphyr::from_str(&text).expect("YAML"));
    workflows().into_iter().map(parse).collect()
}

fn steps(job: &Value) -> impl Iterator<Item = &Value> {
    job["steps"].as_array().into_iter().flatten()
}

#[test]
fn actions_are_pinned_by_commit_and_say_which_version_that_is() {
    let pinned = Regex::new(r"^[a-z-]+/[a-z-]+(/[a-z-]+)*@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$")
        .expect("a pattern");
    let mut commits: BTreeMap<String, String> = BTreeMap::new();
    for (name, text) in workflows() {
        for line in
            text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "))
        {
            if line.starts_with("./.github/workflows/") {
                continue;
            }
            assert!(
                pinned.is_match(line),
                "{name}: {line} must be pinned by its full commit, with its version behind it"
            );
            let (action, commit) = line.split_once('@').expect("a commit");
            let known = commits.entry(action.to_owned()).or_insert_with(|| commit.to_owned());
            assert_eq!(known, commit, "{action} has two versions");
        }
    }
    assert!(commits.len() > 7, "{commits:?}");
}

#[test]
fn a_job_has_the_rights_that_it_needs_and_an_end() {
    for (name, workflow) in parsed() {
        assert_eq!(workflow["permissions"], json!({}), "{name}: rights are given job by job");
        for (job, value) in workflow["jobs"].as_object().expect("jobs") {
            let rights =
                value["permissions"].as_object().unwrap_or_else(|| panic!("{name}: {job} names no rights"));
            assert!(
                value["uses"].is_string() || value["timeout-minutes"].is_u64(),
                "{name}: {job} has no time limit"
            );
            let writes = |right: &str| rights.get(right) == Some(&json!("write"));
            let does = |what: &str| {
                steps(value).any(|step| {
                    ["uses", "run"]
                        .iter()
                        .any(|key| step[*key].as_str().is_some_and(|text| text.contains(what)))
                })
            };
            assert_eq!(writes("contents"), does("gh release create"), "{name}: {job}: contents");
            assert_eq!(writes("packages"), does("docker/login-action"), "{name}: {job}: packages");
            assert_eq!(writes("id-token"), does("cosign sign"), "{name}: {job}: id-token");
            assert_eq!(writes("attestations"), does("actions/attest@"), "{name}: {job}: attestations");
        }
    }
}

#[test]
fn nothing_of_a_checkout_or_of_the_event_gets_where_it_should_not() {
    for (name, workflow) in parsed() {
        for (job, value) in workflow["jobs"].as_object().expect("jobs") {
            for step in steps(value) {
                if step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout@")) {
                    assert_eq!(
                        step["with"]["persist-credentials"], false,
                        "{name}: {job} leaves a token on the disk"
                    );
                }
                // What somebody else chose (a branch's name, a title) must not become part of a script.
                let script = step["run"].as_str().unwrap_or_default();
                assert!(!script.contains("${{ github."), "{name}: {job} pastes into a script: {script}");
            }
        }
    }
}

#[test]
fn a_release_waits_for_ci_and_advisories_and_goes_out_last() {
    let workflows: BTreeMap<String, Value> = parsed().into_iter().collect();
    let release = &workflows["release.yaml"];
    assert_eq!(release["on"], json!({"push": {"tags": ["v*"]}}));
    let needs = |job: &str| match &release["jobs"][job]["needs"] {
        Value::String(one) => vec![one.clone()],
        several => several
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| one.as_str().expect("a job").to_owned())
            .collect(),
    };
    let mut before = vec!["release".to_owned()];
    let mut n = 0;
    while n < before.len() {
        for job in needs(&before[n]) {
            if !before.contains(&job) {
                before.push(job);
            }
        }
        n += 1;
    }
    before.sort_unstable();
    let all: Vec<String> = release["jobs"].as_object().expect("jobs").keys().cloned().collect();
    let mut all_sorted = all;
    all_sorted.sort_unstable();
    assert_eq!(before, all_sorted, "the release on GitHub is the last of all jobs");
    let checks = steps(&release["jobs"]["check"]).any(|step| step["run"] == "make deny advisories");
    assert!(checks && needs("build").contains(&"ci".to_owned()));
    assert_eq!(release["jobs"]["ci"]["uses"], "./.github/workflows/ci.yaml");
}
