//! Flags of leader election, with client-go's names and defaults.

use std::time::Duration;

use clap::Args;

use super::{DurationRange, SettingsError};

/// The renewal after a failed one must still come in time: client-go's rule, with its factor.
const JITTER_FACTOR: f64 = 1.2;

/// Whether and how of several replicas one leads.
#[derive(Args, Clone, Debug)]
pub struct LeaderElection {
    /// Work only while holding a Lease; needed as soon as there is more than one replica.
    #[arg(long = "leader-election", env = "AGORA_SNAPSHOT_LEADER_ELECTION", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub leader_election: bool,

    /// Name of the Lease, in the operator's namespace. Operators that share it take turns.
    #[arg(long, value_name = "NAME", env = "AGORA_SNAPSHOT_LEADER_ELECTION_LEASE_NAME",
          default_value = "agora-snapshot-operator", value_parser = lease_name)]
    pub leader_election_lease_name: String,

    /// How long another replica waits after the leader's last sign of life before it takes over; between 1s and 1h.
    #[arg(long, value_name = "DURATION", env = "AGORA_SNAPSHOT_LEADER_ELECTION_LEASE_DURATION", default_value = "15s",
          value_parser = DurationRange(Duration::from_secs(1), Duration::from_secs(3_600)))]
    pub leader_election_lease_duration: Duration,

    /// How long the leader goes on without being able to renew the Lease; it must be shorter than the lease duration.
    #[arg(long, value_name = "DURATION", env = "AGORA_SNAPSHOT_LEADER_ELECTION_RENEW_DEADLINE", default_value = "10s",
          value_parser = DurationRange(Duration::from_millis(500), Duration::from_secs(3_600)))]
    pub leader_election_renew_deadline: Duration,

    /// Wait between two looks at the Lease, or two renewals; it must be well below the renew deadline.
    #[arg(long, value_name = "DURATION", env = "AGORA_SNAPSHOT_LEADER_ELECTION_RETRY_PERIOD", default_value = "2s",
          value_parser = DurationRange(Duration::from_millis(100), Duration::from_secs(600)))]
    pub leader_election_retry_period: Duration,
}

impl LeaderElection {
    /// What no single flag can know.
    ///
    /// # Errors
    /// The times do not fit together.
    pub fn check(&self) -> Result<(), SettingsError> {
        let (lease, deadline, retry) = (
            self.leader_election_lease_duration,
            self.leader_election_renew_deadline,
            self.leader_election_retry_period,
        );
        if deadline >= lease {
            return Err(SettingsError::RenewDeadline { deadline, lease });
        }
        if retry.mul_f64(JITTER_FACTOR) >= deadline {
            return Err(SettingsError::RetryPeriod { retry, deadline });
        }
        Ok(())
    }
}

/// As the API server judges names of Leases.
fn lease_name(name: &str) -> Result<String, String> {
    let label = |label: &str| {
        let edge =
            |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        edge(label.bytes().next())
            && edge(label.bytes().last())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        Ok(name.to_owned())
    } else {
        Err("must be the name of a Lease: lower-case letters, digits, dashes and dots, at most 253".into())
    }
}
