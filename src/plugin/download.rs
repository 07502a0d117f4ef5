//! Saving snapshots: a file is there whole or not at all, and what is there is never written over.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;

use super::problem::PluginError;
use crate::snapshots::{Content, Stored};

/// Snapshots that are read side by side.
const SIDE_BY_SIDE: usize = 8;

/// What became of a download.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Saved {
    /// Files that were written.
    pub(super) written: usize,
    /// Files that were there already.
    pub(super) there: usize,
}

/// Saves snapshots into a folder. After an interruption the same command goes on where it was.
pub(super) async fn save_all(
    content: &Content,
    snapshots: &[Stored],
    folder: &Path,
) -> Result<Saved, PluginError> {
    std::fs::create_dir_all(folder).map_err(PluginError::file(folder))?;
    let mut saved = Saved::default();
    let mut missing = vec![];
    for snapshot in snapshots {
        let path = folder.join(file_name(&snapshot.key));
        match path.try_exists().map_err(PluginError::file(&path))? {
            true => saved.there += 1,
            false => missing.push((snapshot, path)),
        }
    }
    let mut reading = futures::stream::iter(missing)
        .map(async |(snapshot, path)| Ok::<_, PluginError>((content.read(&snapshot.key).await?, path)))
        .buffer_unordered(SIDE_BY_SIDE);
    while let Some(read) = reading.next().await {
        let (bytes, path) = read?;
        write_whole(&path, &bytes)?;
        saved.written += 1;
    }
    Ok(saved)
}

/// Writes beside the file and then moves it there: nobody sees half a snapshot under its name.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PluginError> {
    let unfinished = path.with_added_extension("unfinished");
    let written = (|| {
        // What an interrupted run left, or anything else under that name, is not written through.
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = std::fs::File::create_new(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    })();
    written.map_err(PluginError::file(path))
}

/// The name of an object as the name of a file, on any system: letters, digits, `-`, `_` and `.`; all else, which only a
/// channel's name brings in, is `_`. Session, user and time keep names apart.
pub(super) fn file_name(key: &str) -> PathBuf {
    let name = key.rsplit_once('/').map_or(key, |(_folder, name)| name);
    let safe = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => character,
        _ => '_',
    };
    PathBuf::from(name.chars().map(safe).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_safe() {
        for (key, expected) in [
            ("a/b/1cd3_lobby__uid_s_7__uid_e_video_2.jpg", "1cd3_lobby__uid_s_7__uid_e_video_2.jpg"),
            ("1cd3_a:b?<c>|d \u{1b}é__uid_s_7.jpg", "1cd3_a_b__c__d_____uid_s_7.jpg"),
            ("x/..\\..\\evil.jpg", ".._.._evil.jpg"),
        ] {
            assert_eq!(file_name(key), PathBuf::from(expected));
        }
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("snapshotjob-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.jpg");
        std::fs::write(path.with_added_extension("unfinished"), "half").unwrap();
        write_whole(&path, b"whole").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        assert!(write_whole(&folder.join("none/a.jpg"), b"").unwrap_err().to_string().contains("none"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
