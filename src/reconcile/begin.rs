//! The starts of a visit: acquire, claim and start belong together, for the vendor wants the start within 2 s of the
//! acquire; and the start of a claim that is sent again.

use kube::ResourceExt;

use super::Visit;
use super::observe::with_channel_of;
use super::perform::Happened;
use crate::agora::bodies;
use crate::agora::client::StartVia;
use crate::agora::endpoints::Route;
use crate::api::Reason;
use crate::api::status::Session;
use crate::cluster::jobs::KubeError;
use crate::lifecycle::claims::{self, Reserved};
use crate::lifecycle::notice::Notice;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::report::report;
use crate::lifecycle::start::NextStart;
use crate::lifecycle::{spec_hash, timing, words};

impl Visit<'_> {
    pub(super) async fn start(&mut self, next: NextStart) -> Result<Happened, KubeError> {
        let (Ok(wanted), Some(material)) = (self.seen.spec.clone(), self.material.clone()) else {
            return Ok(Happened::Nothing);
        };
        let spec = self.to_be_sent(&wanted, next);
        let recorder_uid = next.recorder_uid;
        let Ok(body) = bodies::start_body(&spec, recorder_uid, &material) else {
            return Ok(Happened::Nothing);
        };
        let agora = &self.context.agora;
        let app_id = &spec.channel.app_id;
        let job = self.job_key();
        let acquire = bodies::acquire_body(&spec, recorder_uid);
        let outcome = agora.acquire(&material.account, app_id, &acquire, &job).await;
        self.seen.now = self.context.clock.now();
        let acquired = match outcome {
            Outcome::Confirmed(acquired) => acquired,
            Outcome::Rejected(answer) => return Ok(Happened::NotAcquired(Outcome::Rejected(answer))),
            Outcome::Unknown(answer) => return Ok(Happened::NotAcquired(Outcome::Unknown(answer))),
            Outcome::NotSent(answer) => return Ok(Happened::NotAcquired(Outcome::NotSent(answer))),
        };
        // The later of two clocks: a claim must not look older than it is, or it would be given up too early.
        let here = self.seen.now.wall;
        let acquire_time = timing::stored(acquired.server_date.map_or(here, |vendor| vendor.max(here)));
        let reserved = Reserved {
            resource_id: acquired.resource_id.clone(),
            region: region(acquired.via.route),
            nonce: format!("{:016x}", self.context.chance.draw::<u64>()),
            app_id: app_id.clone(),
            channel: spec.channel.name.clone(),
            recorder_uid,
            spec_hash: spec_hash::of(&spec),
            acquire_time,
            token_end: material.token_end,
        };
        let nonce = reserved.nonce.clone();
        let attempt = claims::claim(&mut self.seen, reserved);
        report(&mut self.seen);
        if let Some(happened) = self.write_claim(attempt, &nonce).await? {
            return Ok(happened);
        }
        if let Some(words) = words::short_interval(&spec) {
            self.notices.push(Notice::warning(Reason::IntervalBelowDocumentedMinimum, words));
        }
        let Some(claim) = self.session(attempt) else { return Ok(Happened::LookAgain) };
        let (account, resource_id) = (&material.account, &acquired.resource_id);
        let outcome = agora.start(account, app_id, resource_id, &body, acquired.via, &job).await;
        self.seen.now = self.context.clock.now();
        Ok(Happened::Started { claim: Box::new(claim), hash: spec_hash::of(&spec), outcome })
    }

    /// Writes the claim, with the resourceVersion that the decision was made on. What comes back is where the visit goes
    /// on; `Some` means that it must not.
    async fn write_claim(&mut self, attempt: i64, nonce: &str) -> Result<Option<Happened>, KubeError> {
        let Err(error) = self.write_status().await else { return Ok(None) };
        if let KubeError::Other(_) = &error {
            // The answer was lost, not necessarily the write: the nonce tells.
            let now = self.context.jobs.get(&self.seen.job.namespace, &self.seen.job.name).await;
            if let Ok(stored) = now
                && stored.uid() == self.stored.uid()
                && stored.status().sessions.iter().any(|session| session.nonce == nonce)
            {
                self.stored = stored;
                return Ok(None);
            }
        }
        // Nothing was started with the resourceId, and nothing is billed for it.
        self.seen.memory.sessions.remove(&attempt);
        match error {
            KubeError::Conflict => self.look_anew(Happened::ClaimLost).await.map(Some),
            KubeError::Gone | KubeError::Invalid(_) | KubeError::Other(_) => Err(error),
        }
    }

    pub(super) async fn start_again(&mut self, attempt: i64) -> Result<Happened, KubeError> {
        let (Some(claim), Ok(wanted), Some(material)) =
            (self.session(attempt), self.seen.spec.clone(), self.material.clone())
        else {
            return Ok(Happened::Nothing);
        };
        let spec = with_channel_of(&wanted, &claim);
        let Ok(body) = bodies::start_body(&spec, claim.recorder_uid, &material) else {
            return Ok(Happened::Nothing);
        };
        let hash = spec_hash::of(&spec);
        if claims::starting_again(&mut self.seen, attempt, &hash, material.token_end)
            && let Some(happened) = self.store_first().await?
        {
            return Ok(happened);
        }
        let agora = &self.context.agora;
        let (app_id, resource_id) = (&claim.app_id, &claim.resource_id);
        let via = StartVia::from(route(&claim));
        let outcome = agora.start(&material.account, app_id, resource_id, &body, via, &self.job_key()).await;
        self.seen.now = self.context.clock.now();
        Ok(Happened::Started { hash, claim: Box::new(claim), outcome })
    }
}

/// The region of a route as a claim keeps it.
fn region(route: Route) -> Option<String> {
    match route {
        Route::Primary => None,
        Route::Region(_) => Some(route.to_string()),
    }
}

/// The way that a repeated start takes. A name that only a newer operator knows leads to the primary.
fn route(claim: &Session) -> Route {
    claim.region.as_deref().and_then(|region| region.parse().ok()).unwrap_or_default()
}
