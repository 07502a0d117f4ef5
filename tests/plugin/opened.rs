//! A running `kubectl snapshotjob open`.

use std::time::Duration;

use agora_snapshot_testbed::Process;

use crate::user::User;
use crate::world::{SOON, World};

/// A gallery that somebody opened.
pub struct Gallery {
    process: Process,
    address: String,
}

impl Gallery {
    /// Opens it and waits until it says where it is.
    pub async fn of(world: &World, user: &User, job: &str) -> Self {
        let log = world.testbed.folder().join(format!("{}-gallery.log", world.namespace));
        let mut process = user.start(&["open", job], log);
        let rest = process.printed("http://127.0.0.1:", SOON).await.expect("an address");
        Self { process, address: format!("http://127.0.0.1:{rest}") }
    }

    /// The address that it printed.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ctrl-C, after which it has to be gone at once and well; returns all that it printed.
    pub async fn end(&mut self) -> String {
        let pid = self.process.pid().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
        let status = self.process.ended_within(Duration::from_secs(10)).await.expect("it ends");
        assert!(status.success(), "{status}: {}", self.process.log());
        self.process.log()
    }
}
