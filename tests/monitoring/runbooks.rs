//! Each alert has a page that says what to do, and each page its alert.

use std::collections::BTreeSet;

use crate::alerts::rules;
use crate::promtool::root;

const PAGES: &str = "https://github.com/agora-snapshot/agora-snapshot-operator/blob/main/docs/runbooks/";

/// Names of the files with this ending in a folder, without it.
pub(crate) fn stems(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect(folder);
    let names = entries.map(|entry| entry.expect(folder).file_name().into_string().expect("UTF-8"));
    names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

#[test]
fn each_alert_has_its_page_and_each_page_its_alert() {
    let alerts: BTreeSet<String> = rules().iter().map(|rule| rule.name.clone()).collect();
    let mut pages = stems("docs/runbooks", ".md");
    assert!(pages.remove("README"), "the list of the pages");
    assert_eq!(pages, alerts);
    let list = std::fs::read_to_string(root().join("docs/runbooks/README.md")).expect("a list");
    for name in &alerts {
        assert!(list.contains(&format!("({name}.md)")), "docs/runbooks/README.md does not list {name}");
    }
}

#[test]
fn each_page_says_what_it_means_how_to_look_and_what_to_do() {
    for rule in rules() {
        assert_eq!(rule.value["annotations"]["runbook_url"], format!("{PAGES}{}.md", rule.name));
        let path = root().join("docs/runbooks").join(format!("{}.md", rule.name));
        let text = std::fs::read_to_string(&path).expect("a page");
        assert!(text.starts_with(&format!("# {}\n", rule.name)), "{}", path.display());
        let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(
            headings,
            ["What it means", "How to look", "Likely causes", "What to do"],
            "{}",
            rule.name
        );
        assert!(text.contains("```sh\nkubectl "), "{} has no command to look with", rule.name);
    }
}
