//! The folder that one run keeps its files in: data of the servers, kubeconfigs, logs.
//! It owns where that folder is and when it goes; what is in it is with the modules that write there.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A fresh folder, removed with this value unless `AGORA_TESTBED_KEEP` is set.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    keep: Keep,
}

#[derive(Debug, PartialEq, Eq)]
enum Keep {
    No,
    /// It is to be looked at afterwards.
    Yes,
    /// It is another process's affair.
    Others,
}

impl Folder {
    /// Makes a folder among the temporary files whose name starts with `name`.
    pub fn new(name: &str) -> Result<Self> {
        let path = tempfile::Builder::new()
            .prefix(&format!("agora-{name}-"))
            .tempdir()
            .map_err(Error::file("cannot make a folder below", &std::env::temp_dir()))?
            .keep();
        let keep = if std::env::var_os("AGORA_TESTBED_KEEP").is_some() { Keep::Yes } else { Keep::No };
        Ok(Self { path, keep })
    }

    /// A folder that another process made and removes.
    pub(crate) fn of_another(path: PathBuf) -> Self {
        Self { path, keep: Keep::Others }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that a watchdog is to remove if we are killed; none if it is to be kept.
    pub(crate) fn doomed(&self) -> Option<&Path> {
        (self.keep == Keep::No).then_some(self.path.as_path())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        match self.keep {
            Keep::No => {
                let _ = std::fs::remove_dir_all(&self.path);
            }
            Keep::Yes => eprintln!("testbed: kept {}", self.path.display()),
            Keep::Others => {}
        }
    }
}

/// Writes `content` to `name` in `folder`, readable by nobody else: most of these files hold a token or key.
pub(crate) fn write_private(folder: &Path, name: &str, content: &str) -> Result<PathBuf> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join(name);
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(Error::file("cannot write", &path))?;
    Ok(path)
}
