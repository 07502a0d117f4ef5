//! Gives every fence a switch: in the copy, the text of the fence becomes one that asks first whether it is removed. The
//! product's own source knows nothing of it.

use super::table::Fence;
use super::tree::Tree;

/// Names the fence that is removed, for a run of the copy.
pub(crate) const VARIABLE: &str = "AGORA_SNAPSHOT_REMOVED_FENCE";

/// Stands for the question in the texts of the table.
const REMOVED: &str = "REMOVED";

/// Sets the switches of all fences.
pub(crate) fn set_in(tree: &mut Tree, fences: &[Fence]) {
    for fence in fences {
        let has_switch = fence.changes.iter().any(|(_, _, instead)| instead.contains(REMOVED));
        assert!(has_switch, "{}: nothing of it can be switched", fence.name);
        for (file, found, instead) in fence.changes {
            let question = format!("crate::is_fence_removed({:?})", fence.name);
            tree.edit(file, |text| {
                let times = text.matches(found).count();
                assert_eq!(
                    times, 1,
                    "{}: this has to stand once in {file}; was the fence moved or mended? Tell tests/fences/table.rs:\n{found}",
                    fence.name
                );
                text.replacen(found, &instead.replace(REMOVED, &question), 1)
            });
        }
    }
    tree.edit("src/lib.rs", |text| text + QUESTION);
    without_program(tree);
    as_another_version(tree);
}

const QUESTION: &str = "
/// Whether this run is without the fence of this name.
pub fn is_fence_removed(name: &str) -> bool {
    static REMOVED: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var(\"AGORA_SNAPSHOT_REMOVED_FENCE\").ok());
    REMOVED.as_deref() == Some(name)
}
";

/// The copy is built in the same folder as the tree: it must not put its program in place of the real one.
fn without_program(tree: &mut Tree) {
    tree.remove("src/main.rs");
    tree.edit("Cargo.toml", |text| {
        let default = "default-run = \"agora-snapshot-operator\"\n";
        assert!(text.contains(default), "Cargo.toml names its program otherwise than tests/fences expects");
        text.replacen(default, "autobins = false\n", 1)
    });
}

/// Cargo tells packages apart by name, version and place in their workspace: of one version, the libraries of the copy
/// would be written over those of the tree, and be linked into its tests and programs from then on.
fn as_another_version(tree: &mut Tree) {
    let version = |version: &str| format!("version = \"{version}\"");
    let (own, other) =
        (version(env!("CARGO_PKG_VERSION")), version(concat!(env!("CARGO_PKG_VERSION"), "-fences")));
    tree.edit("Cargo.toml", |text| {
        let package = format!("[workspace.package]\n{own}\n");
        assert!(text.contains(&package), "Cargo.toml has its version elsewhere than tests/fences expects");
        text.replacen(&package, &format!("[workspace.package]\n{other}\n"), 1)
    });
    tree.edit("Cargo.lock", |text| {
        ["agora-simulator", "agora-snapshot-operator", "agora-snapshot-testbed"].iter().fold(
            text,
            |text, name| {
                let locked = format!("name = \"{name}\"\n{own}\n");
                assert!(text.contains(&locked), "Cargo.lock has no {name} of our version");
                text.replacen(&locked, &format!("name = \"{name}\"\n{other}\n"), 1)
            },
        )
    });
}
