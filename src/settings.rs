//! What the command line and the environment may say, checked, with words that help when it is wrong.
//!
//! Owns flags, their defaults and their limits; those of `drain` alone are in `drain.rs`. What the values do is told by
//! those who use them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use http::Uri;
use jiff::SignedDuration;
use tracing_subscriber::EnvFilter;

use crate::agora::endpoints::Region;

mod check;
mod drain;
mod leader_election;

pub use check::CheckSettings;
pub use drain::{DrainSettings, SessionsPolicy};
pub use leader_election::LeaderElection;

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "agora-snapshot-operator", version, about, disable_help_subcommand = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator until SIGTERM or SIGINT.
    Run(Box<Settings>),
    /// See whether what the operator needs is there: API server, CRD, rights, Deployment. Changes nothing.
    Check(CheckSettings),
    /// Before the operator is removed: look after the sessions that still run, and take the finalizers away.
    Drain(Box<DrainSettings>),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
    /// Print the version and how the program was built.
    Version,
}

/// How the vendor and the cluster are reached, and what is logged: the same for every command that visits jobs.
#[derive(Args, Clone, Debug)]
pub struct Reach {
    /// Namespace whose jobs are looked after; repeat it, or separate several with commas. Without it they are those of
    /// all namespaces.
    #[arg(long = "watch-namespace", value_name = "NAMESPACE", env = "AGORA_SNAPSHOT_WATCH_NAMESPACE",
          value_delimiter = ',', value_parser = namespace)]
    pub watch_namespaces: Vec<String>,

    /// Base URL of the cloud recording service instead of Agora's own; repeatable, further ones are alternatives.
    #[arg(long = "agora-endpoint", value_name = "URL", env = "AGORA_SNAPSHOT_AGORA_ENDPOINT",
          value_delimiter = ',', value_parser = base_url)]
    pub agora_endpoints: Vec<Uri>,

    /// Region of Agora that its primary domains lead to from here: decides which domain is asked first, and which
    /// region when it does not answer. In mainland China give cn-east-1 or cn-north-1.
    #[arg(long, value_name = "REGION", env = "AGORA_SNAPSHOT_AGORA_REGION", default_value = "us-east-1")]
    pub agora_region: Region,

    /// Base URL of an S3 service through which every bucket is listed, where the storage vendor's own cannot be
    /// reached.
    #[arg(long, value_name = "URL", env = "AGORA_SNAPSHOT_STORAGE_ENDPOINT", value_parser = base_url)]
    pub storage_endpoint: Option<Uri>,

    /// File with more certificate authorities in PEM, beside those of the system, for Agora and for buckets. It is
    /// read once.
    #[arg(long, value_name = "PATH", env = "AGORA_SNAPSHOT_CA_BUNDLE")]
    pub ca_bundle: Option<PathBuf>,

    /// Namespace of the operator itself: for events about sessions whose own namespace is going. Default:
    /// $POD_NAMESPACE, else that of the service account or of the kubeconfig context.
    #[arg(long, value_name = "NAMESPACE", env = "AGORA_SNAPSHOT_OPERATOR_NAMESPACE", value_parser = namespace)]
    pub operator_namespace: Option<String>,

    /// Form of the log on standard error.
    #[arg(long, value_enum, env = "AGORA_SNAPSHOT_LOG_FORMAT", default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,

    /// What is logged: a level, or directives such as `info,agora_snapshot_operator=debug`.
    #[arg(long, value_name = "DIRECTIVES", env = "AGORA_SNAPSHOT_LOG_LEVEL", default_value = "info",
          value_parser = log_level)]
    pub log_level: String,

    /// Divides every waiting time; for tests against a simulator that runs as much faster.
    #[arg(long, value_name = "N", env = "AGORA_SNAPSHOT_TIME_SCALE", default_value_t = 1, hide = true,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub time_scale: u32,
}

/// How the operator runs. Every flag has an environment variable; the flag wins.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// What it shares with other commands.
    #[command(flatten)]
    pub reach: Reach,

    /// How many jobs are worked on at the same time.
    #[arg(long, value_name = "N", env = "AGORA_SNAPSHOT_MAX_CONCURRENT_RECONCILES", default_value_t = 64,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub max_concurrent_reconciles: u16,

    /// Address that serves /metrics. Port 0 takes a free one.
    #[arg(
        long,
        value_name = "IP:PORT",
        env = "AGORA_SNAPSHOT_METRICS_BIND_ADDRESS",
        default_value = "0.0.0.0:8080"
    )]
    pub metrics_bind_address: SocketAddr,

    /// Address that serves /healthz and /readyz. Port 0 takes a free one.
    #[arg(
        long,
        value_name = "IP:PORT",
        env = "AGORA_SNAPSHOT_HEALTH_BIND_ADDRESS",
        default_value = "0.0.0.0:8081"
    )]
    pub health_bind_address: SocketAddr,

    /// Address that takes Agora's notifications, under /ncs/APP_ID. Without it they are not listened to. Port 0 takes a
    /// free one.
    #[arg(long, value_name = "IP:PORT", env = "AGORA_SNAPSHOT_NOTIFICATIONS_BIND_ADDRESS")]
    pub notifications_bind_address: Option<SocketAddr>,

    /// Address under which other replicas reach this one's receiver of notifications, for they hand theirs to the one
    /// that leads. Default: $POD_IP, else the address that is listened on, with the port that is listened on.
    #[arg(long, value_name = "IP:PORT", env = "AGORA_SNAPSHOT_NOTIFICATIONS_ADVERTISE_ADDRESS")]
    pub notifications_advertise_address: Option<SocketAddr>,

    /// File to write the bound addresses to, as `METRICS_ADDRESS=...`, `HEALTH_ADDRESS=...` and, with a receiver,
    /// `NOTIFICATIONS_ADDRESS=...`.
    #[arg(long, value_name = "PATH", env = "AGORA_SNAPSHOT_BOUND_ADDRESSES_FILE")]
    pub bound_addresses_file: Option<PathBuf>,

    /// How long a deleted job whose session cannot be stopped, as Agora is unreachable, keeps its finalizer before
    /// it is reported as an orphan and let go; between 1m and 30d.
    #[arg(long, value_name = "DURATION", env = "AGORA_SNAPSHOT_ORPHAN_AFTER", default_value = "24h",
          value_parser = DurationRange(Duration::from_secs(60), Duration::from_secs(30 * 86_400)))]
    pub orphan_after: Duration,

    /// How often at most the count of arrived snapshots is looked up and written to a job's status; between 10s
    /// and 24h.
    #[arg(long, value_name = "DURATION", env = "AGORA_SNAPSHOT_SNAPSHOT_STATUS_INTERVAL", default_value = "5m",
          value_parser = DurationRange(Duration::from_secs(10), Duration::from_secs(86_400)))]
    pub snapshot_status_interval: Duration,

    /// Fetch the initial list of jobs as one stream instead of pages: less memory, needs Kubernetes 1.33.
    #[arg(long, env = "AGORA_SNAPSHOT_STREAMING_LISTS", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub streaming_lists: bool,

    /// Export the age of the newest snapshot of each job. It is the only metric labelled by job.
    #[arg(long, env = "AGORA_SNAPSHOT_LAST_FILE_AGE_METRIC", default_value_t = true,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub last_file_age_metric: bool,

    /// Whether and how of several replicas one leads.
    #[command(flatten)]
    pub leader_election: LeaderElection,

    /// Watch Secrets, so that a new or changed one is used at once instead of within 30 s. The operator's role must
    /// then allow list and watch on all Secrets of the watched namespaces; without this it needs get alone.
    #[arg(long, env = "AGORA_SNAPSHOT_WATCH_SECRETS", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub watch_secrets: bool,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Why settings that are right one by one are wrong together.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// Scaled times would hammer the real vendor.
    #[error(
        "--time-scale {0} is only for tests and would exceed Agora's request limits: it must come with at least one \
         --agora-endpoint that names a simulator"
    )]
    TimeScaleWithoutEndpoint(u32),
    /// Two could lead at once.
    #[error(
        "--leader-election-renew-deadline {deadline:?} must be shorter than --leader-election-lease-duration {lease:?}, \
         or another replica takes over while this one still works"
    )]
    RenewDeadline {
        /// What was given.
        deadline: Duration,
        /// What it must be shorter than.
        lease: Duration,
    },
    /// One failed renewal would end leadership.
    #[error(
        "--leader-election-retry-period {retry:?} must be less than five sixths of --leader-election-renew-deadline \
         {deadline:?}, or one failed renewal ends leadership"
    )]
    RetryPeriod {
        /// What was given.
        retry: Duration,
        /// What it must be shorter than.
        deadline: Duration,
    },
}

impl Reach {
    /// What no single flag can know.
    ///
    /// # Errors
    /// [`SettingsError`], whose words name the flags.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.time_scale != 1 && self.agora_endpoints.is_empty() {
            return Err(SettingsError::TimeScaleWithoutEndpoint(self.time_scale));
        }
        Ok(())
    }

    /// What an administrator should know of these settings, one sentence each, for the log.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.time_scale != 1 {
            warnings.push(format!(
                "--time-scale {} divides every waiting time; never use it outside tests",
                self.time_scale
            ));
        }
        for endpoint in self.agora_endpoints.iter().chain(&self.storage_endpoint) {
            if endpoint.scheme_str() == Some("http") {
                warnings.push(format!("{endpoint} is not encrypted; credentials can be read on the way"));
            }
        }
        warnings
    }

    /// The namespace for events about namespaces that are going: the flag, then `$POD_NAMESPACE`, then what the
    /// cluster's client came with.
    pub fn operator_namespace(&self, client_default: &str) -> String {
        operator_namespace(self.operator_namespace.as_ref(), client_default)
    }
}

fn operator_namespace(given: Option<&String>, client_default: &str) -> String {
    given
        .cloned()
        .or_else(|| std::env::var("POD_NAMESPACE").ok().filter(|name| namespace(name).is_ok()))
        .unwrap_or_else(|| client_default.to_owned())
}

/// A duration as people write it, within limits.
#[derive(Clone, Debug)]
struct DurationRange(Duration, Duration);

impl clap::builder::TypedValueParser for DurationRange {
    type Value = Duration;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let (least, most) = (self.0, self.1);
        let parse = move |text: &str| -> Result<Duration, String> {
            let signed = SignedDuration::from_str(text).map_err(|_| {
                format!("must be a duration with units, such as 30s, 5m or 1h30m, not {text:?}")
            })?;
            match Duration::try_from(signed) {
                Ok(duration) if (least..=most).contains(&duration) => Ok(duration),
                Ok(_) | Err(_) => Err(format!("must be between {least:?} and {most:?}")),
            }
        };
        clap::builder::TypedValueParser::parse_ref(&parse, command, arg, value)
    }
}

fn namespace(name: &str) -> Result<String, String> {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let valid = (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
        && edge(bytes.first())
        && edge(bytes.last());
    if valid {
        Ok(name.to_owned())
    } else {
        Err("must be a namespace: 1 to 63 lower-case letters, digits and dashes, with no dash at either end"
            .into())
    }
}

/// As most objects of Kubernetes are named: a DNS subdomain.
fn object_name(name: &str) -> Result<String, String> {
    let valid =
        name.len() <= 253 && !name.is_empty() && name.split('.').all(|label| namespace(label).is_ok());
    if valid {
        Ok(name.to_owned())
    } else {
        Err("must be the name of an object: lower-case letters, digits, dashes and dots, as in kubectl get"
            .into())
    }
}

/// A base URL of the command line, without a slash at its end.
pub(crate) fn base_url(text: &str) -> Result<Uri, String> {
    let rule =
        "must be a URL such as https://host:port or http://host:port/path, without query and without a user";
    let uri = text.trim_end_matches('/').parse::<Uri>().map_err(|_| rule.to_owned())?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    if scheme && authority && uri.query().is_none() { Ok(uri) } else { Err(rule.into()) }
}

fn log_level(directives: &str) -> Result<String, String> {
    EnvFilter::builder().parse(directives).map(|_| directives.to_owned()).map_err(|error| {
        format!(
            "must be a level (error, warn, info, debug, trace) or directives like info,kube=warn: {error}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<Settings, String> {
        let line = ["agora-snapshot-operator", "run"].iter().chain(arguments);
        match CommandLine::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Command::Run(settings) => {
                settings.reach.check().map_err(|error| error.to_string())?;
                settings.leader_election.check().map_err(|error| error.to_string())?;
                Ok(*settings)
            }
            Command::Drain(_) | Command::Check(_) | Command::Crd | Command::Version => {
                unreachable!("asked for run")
            }
        }
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let settings = run(&[]).unwrap();
        let reach = &settings.reach;
        assert!(reach.watch_namespaces.is_empty() && reach.agora_endpoints.is_empty());
        assert_eq!(settings.max_concurrent_reconciles, 64);
        assert_eq!(settings.metrics_bind_address.to_string(), "0.0.0.0:8080");
        assert_eq!(settings.health_bind_address.to_string(), "0.0.0.0:8081");
        assert_eq!(reach.log_format, LogFormat::Json);
        assert_eq!(settings.orphan_after, Duration::from_secs(86_400));
        assert_eq!(settings.snapshot_status_interval, Duration::from_secs(300));
        assert!(!settings.streaming_lists && settings.last_file_age_metric);
        let election = &settings.leader_election;
        assert!(!election.leader_election && !settings.watch_secrets && reach.ca_bundle.is_none());
        assert_eq!(election.leader_election_lease_name, "agora-snapshot-operator");
        assert_eq!(election.leader_election_lease_duration, Duration::from_secs(15));
        assert_eq!(election.leader_election_renew_deadline, Duration::from_secs(10));
        assert_eq!(election.leader_election_retry_period, Duration::from_secs(2));
        assert_eq!(reach.time_scale, 1);
        assert!(reach.warnings().is_empty());
    }

    #[test]
    fn every_flag_is_understood() {
        let settings = run(&[
            "--watch-namespace",
            "a,b",
            "--watch-namespace",
            "c",
            "--agora-endpoint",
            "http://127.0.0.1:9/",
            "--agora-endpoint",
            "https://example.com/base",
            "--storage-endpoint",
            "http://127.0.0.1:10",
            "--metrics-bind-address",
            "127.0.0.1:0",
            "--health-bind-address",
            "[::1]:0",
            "--log-format",
            "text",
            "--log-level",
            "info,kube=warn",
            "--orphan-after",
            "1h30m",
            "--snapshot-status-interval",
            "PT1M",
            "--operator-namespace",
            "agora",
            "--streaming-lists",
            "--last-file-age-metric=false",
            "--leader-election",
            "--leader-election-lease-name=team.a",
            "--leader-election-lease-duration=30s",
            "--leader-election-renew-deadline=20s",
            "--leader-election-retry-period=500ms",
            "--watch-secrets",
            "--ca-bundle",
            "/etc/ca.pem",
            "--time-scale",
            "60",
        ])
        .unwrap();
        let reach = &settings.reach;
        assert_eq!(reach.watch_namespaces, ["a", "b", "c"]);
        assert_eq!(reach.agora_endpoints[0].to_string(), "http://127.0.0.1:9/");
        assert_eq!(reach.agora_endpoints[1].path(), "/base");
        assert_eq!(settings.orphan_after, Duration::from_secs(5_400));
        assert_eq!(settings.snapshot_status_interval, Duration::from_secs(60));
        assert_eq!(reach.operator_namespace("default"), "agora");
        assert!(settings.streaming_lists && !settings.last_file_age_metric);
        let election = &settings.leader_election;
        assert!(election.leader_election && settings.watch_secrets);
        assert_eq!(election.leader_election_lease_name, "team.a");
        assert_eq!(election.leader_election_lease_duration, Duration::from_secs(30));
        assert_eq!(election.leader_election_renew_deadline, Duration::from_secs(20));
        assert_eq!(election.leader_election_retry_period, Duration::from_millis(500));
        assert_eq!(reach.ca_bundle.as_deref(), Some(std::path::Path::new("/etc/ca.pem")));
        assert_eq!(reach.warnings().len(), 3, "time scale and two unencrypted endpoints");
    }

    #[test]
    fn wrong_values_are_told_what_must_be() {
        for (arguments, words) in [
            (&["--watch-namespace", "Team_A"][..], "must be a namespace"),
            (&["--watch-namespace=-a"], "must be a namespace"),
            (&["--max-concurrent-reconciles", "0"], "1..=1000"),
            (&["--agora-endpoint", "example.com"], "must be a URL"),
            (&["--agora-endpoint", "https://user:pw@example.com"], "without a user"),
            (&["--storage-endpoint", "https://example.com?a=b"], "without query"),
            (&["--metrics-bind-address", "8080"], "invalid socket address"),
            (&["--log-level", "kube=loud"], "must be a level"),
            (&["--log-format", "xml"], "possible values: json, text"),
            (&["--orphan-after", "24"], "must be a duration with units"),
            (&["--orphan-after", "10s"], "must be between"),
            (&["--orphan-after=-24h"], "must be between"),
            (&["--snapshot-status-interval", "1s"], "must be between"),
            (&["--time-scale", "60"], "--agora-endpoint"),
            (&["--time-scale", "0", "--agora-endpoint", "http://127.0.0.1:1"], "1..=10000"),
            (&["--leader-election=perhaps"], "true, false"),
            (&["--leader-election-lease-name", "Team_A"], "must be the name of a Lease"),
            (&["--leader-election-lease-duration", "0s"], "must be between"),
            (
                &["--leader-election-lease-duration", "10s"],
                "must be shorter than --leader-election-lease-duration 10s",
            ),
            (
                &["--leader-election-renew-deadline", "2400ms"],
                "five sixths of --leader-election-renew-deadline 2.4s",
            ),
            (&["--no-such-flag"], "--no-such-flag"),
        ] {
            let error = run(arguments).expect_err(words);
            assert!(error.contains(words), "{arguments:?} said: {error}");
        }
    }

    #[test]
    fn help_names_default_and_variable_of_each_flag_and_hides_the_test_flag() {
        use clap::CommandFactory;
        let mut command = CommandLine::command();
        let run = command.find_subcommand_mut("run").unwrap();
        for argument in run.get_arguments().filter(|argument| argument.get_id() != "help") {
            assert!(argument.get_help().is_some(), "{} has no help", argument.get_id());
            let variable =
                argument.get_env().and_then(|name| name.to_str()).expect("an environment variable");
            assert!(variable.starts_with("AGORA_SNAPSHOT_"), "{variable}");
        }
        let help = run.render_long_help().to_string();
        assert!(
            help.contains("[env: AGORA_SNAPSHOT_ORPHAN_AFTER=") && help.contains("[default: 24h]"),
            "{help}"
        );
        assert!(!help.contains("time-scale"), "{help}");
    }
}
