//! Flags of `drain`. What its modes do is in the room of that name.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{DurationRange, Reach, object_name};

/// How the operator is removed. Every flag has an environment variable; the flag wins.
#[derive(Args, Clone, Debug)]
pub struct DrainSettings {
    /// What it shares with other commands.
    #[command(flatten)]
    pub reach: Reach,

    /// What becomes of the sessions that still run, and are billed.
    #[arg(long, value_enum, env = "AGORA_SNAPSHOT_SESSIONS", default_value_t = SessionsPolicy::Refuse)]
    pub sessions: SessionsPolicy,

    /// The operator's Deployment, in the operator's namespace: it is scaled to 0, so that nothing starts meanwhile, and
    /// up again if the drain fails.
    #[arg(long, value_name = "NAME", env = "AGORA_SNAPSHOT_DEPLOYMENT", value_parser = object_name)]
    pub deployment: String,

    /// How long all of it may take, by the clock on the wall; between 1s and 24h. Visits under way are finished even
    /// then, which may take another 45 s.
    #[arg(long, value_name = "DURATION", env = "AGORA_SNAPSHOT_TIMEOUT", default_value = "10m",
          value_parser = DurationRange(Duration::from_secs(1), Duration::from_secs(86_400)))]
    pub timeout: Duration,
}

/// What becomes of running sessions when the operator is removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum SessionsPolicy {
    /// They are stopped. The jobs stay, and an operator that is installed again goes on with them.
    #[value(name = "Stop")]
    Stop,
    /// The operator is not removed while one runs: the command lists them and fails.
    #[value(name = "Refuse")]
    Refuse,
    /// They go on, billed and looked after by nobody: the command lists them, and changes nothing.
    #[value(name = "Leave")]
    Leave,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::settings::{Command, CommandLine};

    fn drain(arguments: &[&str]) -> Result<DrainSettings, String> {
        let line = ["agora-snapshot-operator", "drain"].iter().chain(arguments);
        match CommandLine::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Command::Drain(settings) => Ok(*settings),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn what_is_not_said_is_careful() {
        let settings = drain(&["--deployment", "operator"]).unwrap();
        assert_eq!(settings.sessions, SessionsPolicy::Refuse);
        assert_eq!(settings.timeout, Duration::from_secs(600));
        assert!(settings.reach.watch_namespaces.is_empty());
    }

    #[test]
    fn every_flag_is_understood() {
        let settings = drain(&[
            "--deployment=operator",
            "--sessions=Stop",
            "--timeout=90s",
            "--watch-namespace=a,b",
            "--agora-endpoint=https://example.com",
            "--agora-region=eu-west-1",
            "--operator-namespace=agora",
            "--log-format=text",
            "--log-level=warn",
        ])
        .unwrap();
        assert_eq!((settings.sessions, settings.timeout), (SessionsPolicy::Stop, Duration::from_secs(90)));
        assert_eq!(settings.reach.watch_namespaces, ["a", "b"]);
        assert_eq!(settings.reach.operator_namespace("default"), "agora");
        assert_eq!(drain(&["--deployment=o", "--sessions=Leave"]).unwrap().sessions, SessionsPolicy::Leave);
    }

    #[test]
    fn wrong_values_are_told_what_must_be() {
        for (arguments, words) in [
            (&[][..], "--deployment"),
            (&["--deployment=My_Operator"], "must be the name of an object"),
            (&["--deployment="], "must be the name of an object"),
            (&["--deployment=o", "--sessions=Kill"], "possible values: Stop, Refuse, Leave"),
            (&["--deployment=o", "--timeout=0s"], "must be between"),
            (&["--deployment=o", "--timeout=10"], "must be a duration with units"),
            (&["--deployment=o", "--metrics-bind-address=0.0.0.0:1"], "--metrics-bind-address"),
        ] {
            let error = drain(arguments).expect_err(words);
            assert!(error.contains(words), "{arguments:?} said: {error}");
        }
    }
}
