//! The program: reads the command line and hands over.

use std::error::Error;
use std::process::ExitCode;

use agora_snapshot_operator::settings::{CheckSettings, Command, CommandLine, Settings};
use agora_snapshot_operator::{api, check, controller, telemetry};
use clap::Parser;
use kube::Resource;

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Run(settings) => run(*settings),
        Command::Check(settings) => check(&settings),
        Command::Crd => {
            print!("{}", api::crd_yaml());
            Ok(())
        }
        Command::Version => {
            print_version();
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agora-snapshot-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    settings.check()?;
    telemetry::install_log(settings.log_format, &settings.log_level)?;
    telemetry::install_tls_provider();
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime
        .block_on(controller::run(settings))
        .inspect_err(|error| tracing::error!(%error, "the operator ended"))?;
    Ok(())
}

fn check(settings: &CheckSettings) -> Result<(), Box<dyn Error>> {
    telemetry::install_tls_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(check::run(settings))?;
    Ok(())
}

/// Facts about the build only; nothing is asked of a cluster or of the vendor.
fn print_version() {
    println!("agora-snapshot-operator {}", env!("CARGO_PKG_VERSION"));
    println!("target {}-{}", std::env::consts::ARCH, std::env::consts::OS);
    println!("profile {}", if cfg!(debug_assertions) { "debug" } else { "release" });
    println!("commit {}", option_env!("AGORA_SNAPSHOT_COMMIT").unwrap_or("unknown"));
    println!("resource {} {}", api::SnapshotJob::api_version(&()), api::SnapshotJob::kind(&()));
}
