//! The program `agora-simulator`: flags, start and clean end. Everything else is the library's.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;

use agora_simulator::clock::Clock;
use agora_simulator::gateway::{Credentials, Gateway};
use agora_simulator::http::{Simulator, serve};
use agora_simulator::service::{Config, Service};
use agora_simulator::settings::{SETTINGS, Settings};
use agora_simulator::storage::Buckets;
use agora_simulator::world::{World, wall_clock};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A strict stand-in for the Agora cloud recording REST API that takes real snapshots of imaginary users.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Address to listen on; port 0 takes a free one, which is printed.
    #[arg(long, env = "AGORA_SIMULATOR_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// App ID for which the service is enabled (repeatable).
    #[arg(
        long = "app-id",
        env = "AGORA_SIMULATOR_APP_ID",
        value_delimiter = ',',
        required_unless_present = "list_settings"
    )]
    app_ids: Vec<String>,
    /// Customer ID that calls must carry.
    #[arg(long, env = "AGORA_SIMULATOR_CUSTOMER_ID", required_unless_present = "list_settings")]
    customer_id: Option<String>,
    /// Customer secret that calls must carry.
    #[arg(
        long,
        env = "AGORA_SIMULATOR_CUSTOMER_SECRET",
        hide_env_values = true,
        required_unless_present = "list_settings"
    )]
    customer_secret: Option<String>,
    /// App Certificate of the App IDs: with it, a session without a valid RTC token dies soon after start.
    #[arg(long, env = "AGORA_SIMULATOR_APP_CERTIFICATE", hide_env_values = true)]
    app_certificate: Option<String>,
    /// S3 server that stands for the storage of every vendor. Without it files stay in memory, whatever the keys.
    #[arg(long, env = "AGORA_SIMULATOR_S3_ENDPOINT")]
    s3_endpoint: Option<String>,
    /// Region with which the S3 server signs.
    #[arg(long, env = "AGORA_SIMULATOR_S3_REGION", default_value = "us-east-1")]
    s3_region: String,
    /// How many times as fast as the wall clock the simulator's time runs: all its waits and limits are divided by it.
    #[arg(long, env = "AGORA_SIMULATOR_SPEED", default_value = "1")]
    speed: NonZeroU32,
    /// Seed of all randomness; without it every run differs.
    #[arg(long, env = "AGORA_SIMULATOR_SEED")]
    seed: Option<u64>,
    /// Decides a fact that the vendor's documents leave open, as name=value (repeatable).
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Lists the settings with their values and ends.
    #[arg(long)]
    list_settings: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    if flags.list_settings {
        list_settings();
        return ExitCode::SUCCESS;
    }
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("agora-simulator: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn list_settings() {
    for setting in SETTINGS {
        println!(
            "{} = {} (of {})\n   {}",
            setting.name,
            setting.default_value(),
            setting.allowed(),
            setting.about.trim()
        );
    }
}

#[tokio::main]
async fn run(flags: Flags) -> Result<(), Failure> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "a second crypto provider is installed")?;
    let mut settings = Settings::default();
    for setting in &flags.settings {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| format!("--set {setting} must have the form name=value"))?;
        settings.set(name, value)?;
    }
    let wall = wall_clock();
    let clock = Clock::new(wall, flags.speed);
    let seed = flags.seed.unwrap_or_else(|| wall ^ (u64::from(std::process::id()) << 40));
    let service = Service::new(Config { clock, seed, app_certificate: flags.app_certificate, settings });
    let buckets = match &flags.s3_endpoint {
        Some(endpoint) => Buckets::s3(endpoint, &flags.s3_region)?,
        None => Buckets::memory(),
    };
    let credentials = Credentials {
        app_ids: flags.app_ids,
        customer_id: flags.customer_id.unwrap_or_default(),
        customer_secret: flags.customer_secret.unwrap_or_default(),
    };
    let simulator = Simulator::new(World::new(service, clock, wall, buckets), Gateway::new(credentials));

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(flags.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", flags.listen))?;
    println!("listening on http://{}", listener.local_addr()?);
    tokio::select! {
        ended = serve(Arc::clone(&simulator), listener) => match ended? {},
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
