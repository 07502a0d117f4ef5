//! `testbed`: real servers around a command. This file owns the command line; the rest is the library's.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use agora_snapshot_testbed::demo;
use clap::{Parser, Subcommand};

/// Real servers for tests and demos of agora-snapshot-operator.
#[derive(Debug, Parser)]
#[command(name = "testbed", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the servers, runs COMMAND with KUBECONFIG and AGORA_TESTBED_* set, and ends them with it.
    Exec {
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Starts a cluster of one node with these images, runs COMMAND beside it with KUBECONFIG set, and ends it.
    #[cfg(target_os = "linux")]
    NodeExec {
        /// Archive of an image, as `docker save` writes it (repeatable). One must be localhost/pause:dev.
        #[arg(long = "image", value_name = "TAR")]
        images: Vec<PathBuf>,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// The part of node-exec within the namespaces.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    NodeInside {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long = "image")]
        images: Vec<PathBuf>,
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Shows the operator's main job on real parts, and ends them.
    Demo,
    /// The same, and leaves everything running in the background.
    DemoUp,
    /// Ends what demo-up left running.
    DemoDown,
    /// The process in the background.
    #[command(hide = true)]
    DemoServe,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Exec { command } => agora_snapshot_testbed::exec(&command).await,
        #[cfg(target_os = "linux")]
        Command::NodeExec { images, command } => agora_snapshot_testbed::node::exec(&images, &command).await,
        #[cfg(target_os = "linux")]
        Command::NodeInside { folder, images, command } => {
            agora_snapshot_testbed::node::exec_inside(folder, &images, &command).await
        }
        Command::Demo => demo::interruptible(demo::run()).await,
        Command::DemoUp => demo::up().await.map(|()| 0),
        Command::DemoDown => demo::down().await.map(|()| 0),
        Command::DemoServe => demo::serve().await.map(|()| 0),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("testbed: {error}");
            ExitCode::FAILURE
        }
    }
}
