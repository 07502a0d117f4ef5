//! The command line of the plugin. What the values do is told by those who use them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use http::Uri;
use jiff::{SignedDuration, Timestamp};

use crate::agora::endpoints::Region;
use crate::settings::base_url;

/// Shows SnapshotJobs and their snapshots, with your own kubeconfig and rights.
#[derive(Debug, Parser)]
#[command(name = "kubectl-snapshotjob", bin_name = "kubectl snapshotjob", version, about)]
pub struct CommandLine {
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) reach: ReachFlags,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Which cluster, which namespace.
#[derive(Args, Debug)]
pub(super) struct Place {
    /// Namespace; default: that of the kubeconfig's context.
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub(super) namespace: Option<String>,
    /// Context of the kubeconfig; default: its current one.
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// kubeconfig file; default: $KUBECONFIG, else ~/.kube/config.
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) kubeconfig: Option<PathBuf>,
}

/// How buckets and the vendor are reached; the same flags and variables as the operator's.
#[derive(Args, Clone, Debug)]
pub(super) struct ReachFlags {
    /// Base URL of an S3 service through which every bucket is read, instead of the storage vendor's own.
    #[arg(long, global = true, value_name = "URL", env = "AGORA_SNAPSHOT_STORAGE_ENDPOINT", value_parser = base_url)]
    pub(super) storage_endpoint: Option<Uri>,
    /// Base URL of the cloud recording service instead of Agora's own, for `doctor`; repeatable.
    #[arg(long = "agora-endpoint", global = true, value_name = "URL", env = "AGORA_SNAPSHOT_AGORA_ENDPOINT",
          value_delimiter = ',', value_parser = base_url)]
    pub(super) agora_endpoints: Vec<Uri>,
    /// Region of Agora that its primary domains lead to from here, for `doctor`.
    #[arg(
        long,
        global = true,
        value_name = "REGION",
        env = "AGORA_SNAPSHOT_AGORA_REGION",
        default_value = "us-east-1"
    )]
    pub(super) agora_region: Region,
    /// File with more certificate authorities in PEM, for Agora and for buckets.
    #[arg(long, global = true, value_name = "PATH", env = "AGORA_SNAPSHOT_CA_BUNDLE")]
    pub(super) ca_bundle: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Something with jobs, for which the cluster is asked.
    #[command(flatten)]
    Jobs(Action),
    /// Print completions for a shell, or the program by which kubectl itself completes.
    Completion {
        /// For whom.
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// Something with jobs.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List jobs with the age of their newest snapshot.
    Ls(List),
    /// Show one job: sessions, history, users, cost so far, what comes next.
    Describe {
        /// Name of the job.
        job: String,
    },
    /// List or download the snapshots that are in the bucket.
    #[command(visible_alias = "snapshots")]
    Pictures(Wanted),
    /// Keep the list up to date until Ctrl-C; where standard output is no terminal, print a line for each change.
    Watch {
        /// Jobs of all namespaces.
        #[arg(short = 'A', long)]
        all_namespaces: bool,
        /// Only jobs with these labels.
        #[arg(short = 'l', long, value_name = "SELECTOR")]
        selector: Option<String>,
    },
    /// Look for the reason why there are no snapshots; exits with 1 when something is wrong. Bills nothing.
    Doctor {
        /// Name of the job.
        job: String,
    },
    /// Show the snapshots on a page of this machine's loopback address until Ctrl-C; prints the address.
    Open {
        /// Name of the job.
        job: String,
        /// Port of the page; 0 is any that is free.
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
    },
    /// Save the newest snapshot.
    Latest {
        /// Name of the job.
        job: String,
        /// File to write; `-` is standard output.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

/// Which jobs, and how they are shown.
#[derive(Args, Debug)]
pub struct List {
    /// Jobs of all namespaces.
    #[arg(short = 'A', long)]
    pub(super) all_namespaces: bool,
    /// Only jobs with these labels, as `team=video,env!=test`.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(super) selector: Option<String>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    pub(super) output: Form,
}

/// Form of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Form {
    Table,
    Json,
}

/// Which snapshots, and what to do with them.
#[derive(Args, Debug)]
pub struct Wanted {
    /// Name of the job.
    pub(super) job: String,
    /// Only of the user with this RTC uid.
    #[arg(long, value_name = "UID")]
    pub(super) user: Option<u32>,
    /// Only those taken since then: a time as 2026-07-01T08:00:00Z, or a while ago as 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) since: Option<Timestamp>,
    /// Save them here. What is there already is not read again.
    #[arg(long, value_name = "DIR")]
    pub(super) download: Option<PathBuf>,
}

/// Whose completions.
#[expect(clippy::enum_variant_names, reason = "PowerShell is its name")]
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Shell {
    /// For `kubectl-snapshotjob` in bash.
    Bash,
    /// In zsh.
    Zsh,
    /// In fish.
    Fish,
    /// In PowerShell.
    #[value(name = "powershell")]
    PowerShell,
    /// `kubectl_complete-snapshotjob`, which kubectl runs to complete `kubectl snapshotjob`.
    Kubectl,
}

/// A time, or a while before now.
fn moment(text: &str) -> Result<Timestamp, String> {
    let rule = "must be a time as 2026-07-01T08:00:00Z or a while ago as 90s, 10m or 2h";
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let while_ago = text.parse::<SignedDuration>().ok().filter(|it| it.is_positive());
    while_ago.and_then(|it| Timestamp::now().checked_sub(it).ok()).ok_or_else(|| rule.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_a_moment_is_a_time_or_a_while_ago() {
        CommandLine::command().debug_assert();
        assert_eq!(
            moment("2026-07-01T08:00:00Z").map(|it| it.to_string()),
            Ok("2026-07-01T08:00:00Z".into())
        );
        let ago = Timestamp::now().duration_since(moment("90m").unwrap());
        assert!((5_399..5_500).contains(&ago.as_secs()), "{ago}");
        for wrong in ["", "yesterday", "-5m", "0s", "12"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
