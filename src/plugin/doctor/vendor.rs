//! Asks the vendor something that bills nothing, to see whether it takes the credentials.

use std::time::Duration;

use kube::ResourceExt;

use super::{Check, Finding, Verdict, recorder_uid};
use crate::agora::bodies::acquire_body;
use crate::agora::budget::{JobKey, Priority};
use crate::agora::client::{Client, SessionAddress};
use crate::agora::material::Account;
use crate::agora::settings::{ClientSettings, Limits};
use crate::api::SnapshotJob;
use crate::lifecycle::outcome::{Answer, Kind, Outcome};
use crate::lifecycle::words::refusal;
use crate::plugin::problem::PluginError;
use crate::plugin::reach::Reach;

/// Somebody waits for the answer.
const CALL: Duration = Duration::from_secs(10);

/// The state of the session that runs, else a resourceId for one that is never started: neither is billed.
pub(super) async fn ask(
    reach: &Reach,
    job: &SnapshotJob,
    account: &Account,
    namespace: &str,
) -> Result<Verdict, PluginError> {
    let settings = ClientSettings {
        endpoints: reach.agora_endpoints.iter().map(ToString::to_string).collect(),
        home: reach.agora_region,
        limits: Limits { call: CALL, ..Limits::default() },
        user_agent: concat!("kubectl-snapshotjob/", env!("CARGO_PKG_VERSION")).to_owned(),
        ca_bundle: reach.authorities.as_ref().map(|bundle| bundle.pem().to_vec()),
        ..ClientSettings::default()
    };
    let client = match Client::new(&settings) {
        Ok(client) => client,
        Err(problem) => return Ok(Verdict::Found(Finding::VendorUnreachable, problem.to_string())),
    };
    let key = JobKey::new(&job.uid().unwrap_or_else(|| format!("{namespace}/{}", job.name_any())));
    let running = job.status.iter().flat_map(|status| &status.sessions).find_map(SessionAddress::of);
    let outcome = match running {
        Some(session) => client
            .query(account, &session, Priority::Recover, &key)
            .await
            .map(|_| "a query of the running session"),
        None => {
            let body = acquire_body(&job.spec, recorder_uid(job));
            let acquired = client.acquire(account, &job.spec.channel.app_id, &body, &key).await;
            acquired.map(|_| "a resourceId that is not used")
        }
    };
    Ok(verdict(&outcome))
}

fn verdict(outcome: &Outcome<&str>) -> Verdict {
    let answer = match outcome {
        Outcome::Confirmed(asked) => {
            return Verdict::Ok(
                Check::Vendor,
                format!("Agora takes them (asked for {asked}, which bills nothing)"),
            );
        }
        Outcome::Rejected(answer) | Outcome::Unknown(answer) | Outcome::NotSent(answer) => answer,
    };
    match finding(answer) {
        Some(finding) => Verdict::Found(finding, refusal(answer).words),
        None => Verdict::Ok(
            Check::Vendor,
            "Agora takes them; it does not know the session that was asked for".into(),
        ),
    }
}

/// `None`: it says nothing against the credentials.
fn finding(answer: &Answer) -> Option<Finding> {
    match answer.kind {
        Kind::Unauthorized => Some(Finding::Unauthorized),
        Kind::AppIdInvalid => Some(Finding::AppIdInvalid),
        Kind::AccountSuspended => Some(Finding::AccountSuspended),
        Kind::QuotaExceeded
        | Kind::InvalidParameter
        | Kind::Conflict
        | Kind::ResourceInvalid
        | Kind::NoWorker
        | Kind::RateLimited
        | Kind::Late
        | Kind::BackendTimeout
        | Kind::ServerFault
        | Kind::Unreadable => Some(Finding::VendorRefused),
        Kind::NoRoute | Kind::TimedOut | Kind::ConnectionLost | Kind::Unreachable => {
            Some(Finding::VendorUnreachable)
        }
        Kind::NotFound => None,
    }
}
