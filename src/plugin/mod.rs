//! `kubectl snapshotjob`: shows jobs and their snapshots, with the rights of whoever runs it.
//!
//! A room above all others, as `reconcile` is, and beside it: it changes nothing in the cluster, in the bucket or at
//! the vendor's. What it may see is decided by the API server and by the storage service.

mod age;
mod bucket;
mod cluster;
mod completion;
mod describe;
mod doctor;
mod download;
mod gallery;
mod latest;
mod ls;
mod problem;
mod reach;
mod session_time;
mod settings;
mod snapshots;
mod table;
mod watch;

pub use doctor::{Check, Finding};
pub use problem::PluginError;
pub use settings::{Command, CommandLine};

use std::process::ExitCode;

use reach::Reach;
use settings::Action;

/// Does what the command line says.
///
/// # Errors
/// [`PluginError`], whose words are for the one line on standard error.
pub async fn run(line: CommandLine) -> Result<ExitCode, PluginError> {
    let CommandLine { place, reach, command } = line;
    let action = match command {
        Command::Completion { shell } => {
            completion::print(shell);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Jobs(action) => action,
    };
    let cluster = cluster::connect(&place).await?;
    match action {
        Action::Ls(list) => ls::run(&cluster, &list).await?,
        Action::Describe { job } => describe::run(&cluster, &job).await?,
        Action::Pictures(wanted) => snapshots::run(&cluster, &Reach::of(reach)?, &wanted).await?,
        Action::Doctor { job } => {
            let well = doctor::run(&cluster, &Reach::of(reach)?, &job).await?;
            return Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Action::Watch { all_namespaces, selector } => {
            watch::run(&cluster, all_namespaces, selector.as_deref()).await?;
        }
        Action::Open { job, port } => gallery::run(cluster, Reach::of(reach)?, &job, port).await?,
        Action::Latest { job, output } => latest::run(&cluster, &Reach::of(reach)?, &job, &output).await?,
    }
    Ok(ExitCode::SUCCESS)
}
