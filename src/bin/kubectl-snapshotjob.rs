//! The plugin `kubectl snapshotjob`: reads the command line and hands over.

use std::process::ExitCode;

use agora_snapshot_operator::plugin::{self, CommandLine};
use agora_snapshot_operator::telemetry;
use clap::Parser;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    telemetry::install_tls_provider();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(plugin::run(line)).map_err(|error| error.to_string()));
    ended.unwrap_or_else(|error| {
        eprintln!("kubectl snapshotjob: {error}");
        ExitCode::FAILURE
    })
}
