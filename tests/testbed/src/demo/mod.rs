//! The demo: the product's main job on real parts, told step by step.
//! `stage` starts the parts, `story` tells what happens on them, `background` leaves them running.

mod background;
mod stage;
mod story;

pub use background::{down, serve, up};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Result};
use stage::Stage;

/// From nothing to snapshots in a bucket and back to nothing; fails when a step of it does not happen.
pub async fn run() -> Result<()> {
    let stage = Stage::build().await?;
    story::capture(&stage).await?;
    story::end(&stage).await?;
    stage.clear().await?;
    println!("\nDone: the snapshots were taken, the sessions are over, every process of the demo has ended.");
    println!(
        "To look around yourself, and to see the snapshots in a gallery: make demo-up, which prints the commands"
    );
    Ok(())
}

/// Runs it until it is done, or until Ctrl-C or SIGTERM, after which everything it started is taken down. Returns the
/// exit code.
pub async fn interruptible(demo: impl Future<Output = Result<()>>) -> Result<u8> {
    let failed = |source| Error::Spawn { program: "testbed".into(), source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        ended = demo => ended.map(|()| 0),
        _ = interrupt.recv() => Ok(130),
        _ = terminate.recv() => Ok(143),
    }
}
