//! The program `agora-simulator`: flags, start and clean end. Everything else is the library's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use agora_simulator::clock::Clock;
use agora_simulator::gateway::{Credentials, Gateway};
use agora_simulator::http::{Simulator, serve};
use agora_simulator::notices::Endpoint;
use agora_simulator::notices::sender::Sender;
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
    /// Where the notifications of an App ID go, as APP_ID=URL (repeatable). https only, unless the setting
    /// endpointAddresses lets plain http in.
    #[arg(
        long,
        env = "AGORA_SIMULATOR_NOTIFICATION_ENDPOINT",
        value_delimiter = ',',
        value_name = "APP_ID=URL"
    )]
    notification_endpoint: Vec<String>,
    /// What the notifications of an App ID are signed with, as APP_ID=SECRET (repeatable): one for each endpoint.
    #[arg(
        long,
        env = "AGORA_SIMULATOR_NOTIFICATION_SECRET",
        value_delimiter = ',',
        value_name = "APP_ID=SECRET",
        hide_env_values = true
    )]
    notification_secret: Vec<String>,
    /// PEM file of authorities that endpoints' certificates may be signed by, besides the usual ones.
    #[arg(long, env = "AGORA_SIMULATOR_NOTIFICATION_CA")]
    notification_ca: Option<PathBuf>,
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

/// Endpoint and secret of each App ID.
fn endpoints(flags: &Flags) -> Result<BTreeMap<String, Endpoint>, Failure> {
    // The values are not quoted: one of the two is a secret.
    fn pairs<'a>(flag: &str, values: &'a [String]) -> Result<BTreeMap<&'a str, &'a str>, Failure> {
        let pair = |value: &'a String| value.split_once('=');
        let all: Option<_> = values.iter().map(pair).collect();
        all.ok_or_else(|| format!("{flag} must have the form APP_ID=VALUE").into())
    }
    let urls = pairs("--notification-endpoint", &flags.notification_endpoint)?;
    let mut secrets = pairs("--notification-secret", &flags.notification_secret)?;
    let mut endpoints = BTreeMap::new();
    for (app_id, url) in urls {
        if !flags.app_ids.iter().any(|known| known == app_id) {
            return Err(
                format!("--notification-endpoint names the App ID {app_id}, --app-id does not").into()
            );
        }
        let secret = secrets.remove(app_id).ok_or_else(|| {
            format!("--notification-endpoint {app_id}=... needs a --notification-secret {app_id}=...")
        })?;
        let endpoint = Endpoint { url: url.to_owned(), secret: secret.to_owned(), events: None };
        endpoints.insert(app_id.to_owned(), endpoint);
    }
    match secrets.keys().next() {
        Some(app_id) => {
            Err(format!("--notification-secret {app_id}=... has no --notification-endpoint").into())
        }
        None => Ok(endpoints),
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
    let endpoints = endpoints(&flags)?;
    let mut service = Service::new(Config { clock, seed, app_certificate: flags.app_certificate, settings });
    for (app_id, endpoint) in endpoints {
        service.set_endpoint(wall, &app_id, endpoint)?;
    }
    let authorities = flags.notification_ca.as_ref().map(|path| {
        std::fs::read(path).map_err(|error| format!("--notification-ca {}: {error}", path.display()))
    });
    let sender = Sender::new(authorities.transpose()?.as_deref())?;
    let buckets = match &flags.s3_endpoint {
        Some(endpoint) => Buckets::s3(endpoint, &flags.s3_region)?,
        None => Buckets::memory(),
    };
    let credentials = Credentials {
        app_ids: flags.app_ids,
        customer_id: flags.customer_id.unwrap_or_default(),
        customer_secret: flags.customer_secret.unwrap_or_default(),
    };
    let world = World::new(service, clock, wall, buckets, sender);
    let simulator = Simulator::new(world, Gateway::new(credentials));

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
