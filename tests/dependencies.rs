//! `docs/dependencies.md` tells of every direct dependency of the four crates, and of no other.

use std::collections::BTreeSet;

/// Names below the `...dependencies` tables of a manifest.
fn direct(manifest: &str) -> BTreeSet<String> {
    let mut table = "";
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            table = line.trim();
        } else if table.ends_with("dependencies]")
            && table != "[workspace.dependencies]"
            && let Some((name, _)) = line.split_once(['.', ' ', '='])
            && !name.is_empty()
            && !name.starts_with('#')
        {
            names.insert(name.to_owned());
        }
    }
    names
}

/// Names of the list items of the document.
fn told(document: &str) -> BTreeSet<String> {
    document
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split_once("`: "))
        .map(|(name, reason)| {
            assert!(reason.len() > 10, "{name} needs a reason, not {reason:?}");
            name.to_owned()
        })
        .collect()
}

#[test]
fn every_direct_dependency_has_a_reason() {
    let used: BTreeSet<_> = [
        include_str!("../Cargo.toml"),
        include_str!("../simulator/Cargo.toml"),
        include_str!("testbed/Cargo.toml"),
        include_str!("gallery/Cargo.toml"),
    ]
    .into_iter()
    .flat_map(direct)
    .collect();
    let told = told(include_str!("../docs/dependencies.md"));
    assert!(used.contains("kube") && used.contains("procfs") && used.len() > 20, "{used:?}");
    let without: Vec<_> = used.difference(&told).collect();
    assert!(without.is_empty(), "docs/dependencies.md gives no reason for {without:?}");
    let unused: Vec<_> = told.difference(&used).collect();
    assert!(unused.is_empty(), "docs/dependencies.md still tells of {unused:?}");
}
