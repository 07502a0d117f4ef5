//! The copy of the tree that the switches are set in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Not copied: what is built, and the history.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the copy is.
pub(crate) fn folder() -> PathBuf {
    target().join("fences/tree")
}

/// The folder that cargo builds in: the copy is built there, too, so that no dependency is compiled again.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("tmp is below target").to_owned()
}

/// Makes the copy what the tree is. What is in place already is not touched, for cargo goes by the times of files: an
/// unchanged tree is not compiled again.
pub(crate) fn copy() -> Tree {
    let mut tree = Tree::default();
    let mut pending = vec![PathBuf::new()];
    while let Some(below) = pending.pop() {
        let entries =
            fs::read_dir(root().join(&below)).unwrap_or_else(|error| panic!("{}: {error}", below.display()));
        for entry in entries {
            let entry = entry.expect("an entry");
            let path = below.join(entry.file_name());
            if LEFT_OUT.contains(&entry.file_name().to_string_lossy().as_ref()) {
                continue;
            }
            if entry.path().is_dir() {
                pending.push(path);
            } else {
                let content =
                    fs::read(entry.path()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                tree.files.push((path, content));
            }
        }
    }
    tree
}

/// Files by their path below the root, not yet written.
#[derive(Default)]
pub(crate) struct Tree {
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Tree {
    /// The text of a file, to be changed.
    pub(crate) fn edit(&mut self, path: &str, edit: impl FnOnce(String) -> String) {
        let (_, content) = self
            .files
            .iter_mut()
            .find(|(known, _)| known == Path::new(path))
            .unwrap_or_else(|| panic!("there is no file {path}"));
        *content = edit(String::from_utf8(content.clone()).expect("text")).into_bytes();
    }

    /// Takes a file out.
    pub(crate) fn remove(&mut self, path: &str) {
        self.files.retain(|(known, _)| known != Path::new(path));
    }

    /// Writes what differs from what is there, and removes what is not of the tree.
    pub(crate) fn write(&self) {
        let folder = folder();
        for (path, content) in &self.files {
            let path = folder.join(path);
            if fs::read(&path).is_ok_and(|present| present == *content) {
                continue;
            }
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder below target");
            fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let ours: BTreeSet<PathBuf> = self.files.iter().map(|(path, _)| folder.join(path)).collect();
        remove_others(&folder, &ours);
    }
}

fn remove_others(folder: &Path, ours: &BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the copy") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            remove_others(&path, ours);
        } else if !ours.contains(&path) {
            fs::remove_file(&path).expect("a file of the copy");
        }
    }
}
