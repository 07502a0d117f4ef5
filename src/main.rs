//! The program: reads the command line and hands over.

use std::error::Error;
use std::process::ExitCode;

use agora_snapshot_operator::settings::{
    CheckSettings, Command, CommandLine, DrainSettings, Reach, Settings,
};
use agora_snapshot_operator::{api, check, controller, drain, telemetry};
use clap::Parser;
use kube::Resource;

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Run(settings) => run(*settings),
        Command::Check(settings) => check(&settings),
        Command::Drain(settings) => drain(&settings),
        Command::Crd => {
            print!("{}", api::crd_yaml());
            Ok(ExitCode::SUCCESS)
        }
        Command::Version => {
            print_version();
            Ok(ExitCode::SUCCESS)
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("agora-snapshot-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<ExitCode, Box<dyn Error>> {
    settings.leader_election.check()?;
    let runtime = begin(&settings.reach)?;
    runtime
        .block_on(controller::run(settings))
        .inspect_err(|error| tracing::error!(%error, "the operator ended"))?;
    Ok(ExitCode::SUCCESS)
}

fn drain(settings: &DrainSettings) -> Result<ExitCode, Box<dyn Error>> {
    let runtime = begin(&settings.reach)?;
    let drained = runtime.block_on(drain::run(settings))?;
    Ok(if drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What every command that visits jobs does first.
fn begin(reach: &Reach) -> Result<tokio::runtime::Runtime, Box<dyn Error>> {
    reach.check()?;
    telemetry::install_log(reach.log_format, &reach.log_level)?;
    telemetry::install_tls_provider();
    for warning in reach.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn check(settings: &CheckSettings) -> Result<ExitCode, Box<dyn Error>> {
    telemetry::install_tls_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(check::run(settings))?;
    Ok(ExitCode::SUCCESS)
}

/// Facts about the build only; nothing is asked of a cluster or of the vendor.
fn print_version() {
    println!("agora-snapshot-operator {}", env!("CARGO_PKG_VERSION"));
    println!("target {}-{}", std::env::consts::ARCH, std::env::consts::OS);
    println!("profile {}", if cfg!(debug_assertions) { "debug" } else { "release" });
    println!("commit {}", option_env!("AGORA_SNAPSHOT_COMMIT").unwrap_or("unknown"));
    println!("resource {} {}", api::SnapshotJob::api_version(&()), api::SnapshotJob::kind(&()));
}
