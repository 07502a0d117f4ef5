//! The parts of the demo, each a real process: API server, S3 server, the vendor's simulator, the operator.
//! What happens on them is with [`super::story`].

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::{Error, Result};
use crate::{
    NotificationEndpoint, Operator, OperatorOptions, Simulator, SimulatorOptions, Testbed, operator_program,
    simulator_program,
};

/// The App ID of the examples.
pub(super) const APP_ID: &str = "0123456789abcdef0123456789abcdef";
/// The bucket of the examples.
pub(super) const BUCKET: &str = "snapshots";
/// The channels of the examples, and who is in them.
pub(super) const USERS: [(&str, u32); 3] =
    [("httpClient463224", 101), ("httpClient463224", 102), ("httpClient463224-call", 201)];
/// How long the operator may take to end: `terminationGracePeriodSeconds` of the chart.
const GRACE: Duration = Duration::from_secs(75);

/// Everything that runs.
pub(super) struct Stage {
    pub(super) testbed: Testbed,
    pub(super) simulator: Simulator,
    pub(super) operator: Operator,
    /// What the vendor signs its notifications with.
    pub(super) notification_secret: String,
    kubeconfig: PathBuf,
}

impl Stage {
    /// Starts everything and installs the CRD.
    pub(super) async fn build() -> Result<Self> {
        chapter("A Kubernetes API server (etcd, kube-apiserver, kube-controller-manager) and an S3 server");
        let started = Instant::now();
        let testbed = Testbed::start().await?;
        let kubeconfig = testbed.control_plane().kubeconfig("admin")?;
        testbed.s3().create_bucket(BUCKET).await?;
        println!(
            "  ready after {:.1} s: {} and {}",
            started.elapsed().as_secs_f64(),
            testbed.control_plane().url(),
            testbed.s3().endpoint()
        );

        chapter("Agora's service, simulated, with people in two channels");
        let options = SimulatorOptions {
            app_id: Some(APP_ID.into()),
            s3_endpoint: Some(testbed.s3().endpoint().into()),
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(&simulator_program()?, testbed.folder(), options).await?;
        for (channel, uid) in USERS {
            simulator.join(channel, uid).await?;
            println!("  user {uid} sends video in channel {channel}");
        }

        chapter("The resource and the operator");
        kubectl(&kubeconfig, &["apply", "--server-side", "-f", "crds/agora-snapshot.dev_snapshotjobs.yaml"])
            .await?;
        let established = ["wait", "--for=condition=Established", "crd/snapshotjobs.agora-snapshot.dev"];
        kubectl(&kubeconfig, &established).await?;
        let options = OperatorOptions {
            kubeconfig: kubeconfig.clone(),
            agora_endpoints: vec![simulator.url().to_owned()],
            storage_endpoint: Some(testbed.s3().endpoint().to_owned()),
            notifications: true,
            arguments: vec!["--log-format=text".into()],
            ..OperatorOptions::default()
        };
        let mut operator = Operator::start(&operator_program()?, testbed.folder(), options).await?;
        println!("  agora-snapshot-operator run  (pid {}), ready", operator.process().pid());
        let url = format!("{}/ncs/{APP_ID}", operator.notifications_url().unwrap_or_default());
        println!("  Agora sends its notifications to {url}");
        let notification_secret = crate::random_hex();
        let endpoint = NotificationEndpoint { url, secret: notification_secret.clone() };
        simulator.notify(APP_ID, &endpoint).await?;
        Ok(Self { testbed, simulator, operator, notification_secret, kubeconfig })
    }

    /// Runs kubectl as a user would, showing the command and what it prints.
    pub(super) async fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        kubectl(&self.kubeconfig, arguments).await
    }

    /// Hands a document to `kubectl apply -f -`.
    pub(super) async fn apply(&self, document: &str) -> Result<()> {
        let mut child = command(&self.kubeconfig)
            .args(["apply", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Spawn { program: "kubectl".into(), source })?;
        let mut input = child.stdin.take().expect("it is piped");
        let failed = |source| Error::Spawn { program: "kubectl".into(), source };
        input.write_all(document.as_bytes()).await.map_err(failed)?;
        drop(input);
        judge("kubectl apply -f -", child.wait().await.map_err(failed)?.success())
    }

    /// What kubectl prints, not shown.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<String> {
        let output = command(&self.kubeconfig).args(arguments).stderr(Stdio::inherit()).output().await;
        let output = output.map_err(|source| Error::Spawn { program: "kubectl".into(), source })?;
        judge(&format!("kubectl {}", arguments.join(" ")), output.status.success())?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// How another process finds everything, in shell syntax. The one place where the demo's own secrets are shown.
    pub(super) fn environment(&mut self) -> String {
        let keys = self.testbed.s3().root().clone();
        let pairs = [
            ("KUBECONFIG", self.kubeconfig.display().to_string()),
            ("SIMULATOR_URL", self.simulator.url().to_owned()),
            ("S3_ENDPOINT", self.testbed.s3().endpoint().to_owned()),
            ("S3_BUCKET", BUCKET.to_owned()),
            ("S3_ACCESS_KEY", keys.access_key),
            ("S3_SECRET_KEY", keys.secret_key),
            ("AGORA_APP_ID", APP_ID.to_owned()),
            ("AGORA_CUSTOMER_ID", self.simulator.customer_id().to_owned()),
            ("AGORA_CUSTOMER_SECRET", self.simulator.customer_secret().to_owned()),
            // By these the kubectl plugin reaches the same services as the operator.
            ("AGORA_SNAPSHOT_AGORA_ENDPOINT", self.simulator.url().to_owned()),
            ("AGORA_SNAPSHOT_STORAGE_ENDPOINT", self.testbed.s3().endpoint().to_owned()),
            ("OPERATOR_PID", self.operator.process().pid().to_string()),
        ];
        pairs.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect()
    }

    /// Ends everything, the operator first, for it may have sessions to save.
    pub(super) async fn clear(mut self) -> Result<()> {
        self.operator.process().stop(GRACE).await?;
        self.simulator.process().stop(GRACE).await?;
        Ok(())
    }
}

/// The folder of this checkout, where the examples are.
pub(super) fn checkout() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// A heading of the story.
pub(super) fn chapter(text: &str) {
    println!("\n==> {text}");
}

async fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> Result<()> {
    println!("  $ kubectl {}", arguments.join(" "));
    let status = command(kubeconfig).args(arguments).status().await;
    let status = status.map_err(|source| Error::Spawn { program: "kubectl".into(), source })?;
    judge(&format!("kubectl {}", arguments.join(" ")), status.success())
}

fn command(kubeconfig: &Path) -> Command {
    let mut command = Command::new("kubectl");
    command.env("KUBECONFIG", kubeconfig).current_dir(checkout()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn judge(what: &str, success: bool) -> Result<()> {
    if success { Ok(()) } else { Err(Error::Demo(format!("`{what}` failed; it says above why"))) }
}
