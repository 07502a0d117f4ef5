//! Flags of `check`.

use clap::Args;

use super::{namespace, operator_namespace};

/// What `check` looks at. The flags that `run` has too must be given as they are given there.
#[derive(Args, Clone, Debug)]
pub struct CheckSettings {
    /// Name of the operator's Deployment, in the operator's namespace; without it none is looked at.
    #[arg(long, value_name = "NAME", env = "AGORA_SNAPSHOT_DEPLOYMENT")]
    pub deployment: Option<String>,

    /// Namespace that the operator watches; repeat it, or separate several with commas. Without it all of them.
    #[arg(long = "watch-namespace", value_name = "NAMESPACE", env = "AGORA_SNAPSHOT_WATCH_NAMESPACE",
          value_delimiter = ',', value_parser = namespace)]
    pub watch_namespaces: Vec<String>,

    /// Namespace of the operator. Default: $POD_NAMESPACE, else that of the service account or of the kubeconfig
    /// context.
    #[arg(long, value_name = "NAMESPACE", env = "AGORA_SNAPSHOT_OPERATOR_NAMESPACE", value_parser = namespace)]
    pub operator_namespace: Option<String>,

    /// The operator elects a leader.
    #[arg(long, env = "AGORA_SNAPSHOT_LEADER_ELECTION", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub leader_election: bool,

    /// Name of its Lease.
    #[arg(
        long,
        value_name = "NAME",
        env = "AGORA_SNAPSHOT_LEADER_ELECTION_LEASE_NAME",
        default_value = "agora-snapshot-operator"
    )]
    pub leader_election_lease_name: String,

    /// The operator watches Secrets.
    #[arg(long, env = "AGORA_SNAPSHOT_WATCH_SECRETS", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub watch_secrets: bool,
}

impl CheckSettings {
    /// The operator's namespace: the flag, then `$POD_NAMESPACE`, then what the cluster's client came with.
    pub fn operator_namespace(&self, client_default: &str) -> String {
        operator_namespace(self.operator_namespace.as_ref(), client_default)
    }
}
