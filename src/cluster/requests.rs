//! Requests that a command makes for itself, outside of a visit: repeated while their effect is unknown, and, where they
//! are refused, told with the right that is missing.

use std::future::Future;
use std::time::Duration;

use super::client::{CALL_LIMIT, CallError, within};

/// Waits between tries whose effect is not known.
const AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// SnapshotJobs in the words of RBAC.
pub const SNAPSHOT_JOBS: &str = "snapshotjobs.agora-snapshot.dev";

/// What to do about a watched namespace that is refused. The rights in a namespace go with it.
pub const IF_DELETED: &str =
    "if the namespace was deleted, take it out of the chart's watchNamespaces (--watch-namespace)";

/// A request in the words of RBAC.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// `get`, `list`, `watch`, `patch`.
    pub verb: &'static str,
    /// Resource with its group, as `deployments.apps` or `deployments.apps/scale`.
    pub resource: &'static str,
    /// Where; `None` is the whole cluster.
    pub namespace: Option<String>,
}

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// 403.
    #[error("the right to {verb} {resource} in {place} is missing: add it to the role of this service account{advice} ({said})", verb = .request.verb, resource = .request.resource, place = .request.place(), advice = .request.advice())]
    Forbidden {
        /// What was asked.
        request: Request,
        /// What the API server said.
        said: String,
    },
    /// Refused for another reason, or not answered.
    #[error("cannot {verb} {resource} in {place}: {said}", said = said(.source), verb = .request.verb, resource = .request.resource, place = .request.place())]
    Failed {
        /// What was asked.
        request: Request,
        /// What came of it.
        source: CallError,
    },
}

impl Request {
    /// A request in a namespace, or in all of them.
    pub fn new(verb: &'static str, resource: &'static str, namespace: Option<&str>) -> Self {
        Self { verb, resource, namespace: namespace.map(str::to_owned) }
    }

    /// What the API server's answer means for it.
    pub fn failed(&self, error: CallError) -> RequestError {
        match error.status() {
            Some(status) if status.code == 403 => {
                RequestError::Forbidden { request: self.clone(), said: status.message.clone() }
            }
            Some(_) | None => RequestError::Failed { request: self.clone(), source: error },
        }
    }

    /// Makes the request, which must be one that may be repeated.
    ///
    /// # Errors
    /// It was refused, or its effect was still unknown after some tries.
    pub async fn make<T, F>(&self, call: impl Fn() -> F) -> Result<T, RequestError>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let mut waits = AGAIN.iter();
        loop {
            let error = match within(CALL_LIMIT, call()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(wait) = waits.next().filter(|_| error.is_unknown()) else {
                return Err(self.failed(error));
            };
            tracing::warn!(%error, verb = self.verb, resource = self.resource, "it is tried again");
            tokio::time::sleep(*wait).await;
        }
    }

    /// What may be done about a missing right beside adding it.
    fn advice(&self) -> String {
        match &self.namespace {
            Some(_) if self.resource == SNAPSHOT_JOBS => format!(", or, {IF_DELETED}"),
            Some(_) | None => String::new(),
        }
    }

    fn place(&self) -> String {
        self.namespace.as_ref().map_or_else(|| "all namespaces".into(), |name| format!("namespace {name}"))
    }
}

impl RequestError {
    /// 404: there is no such object, or no such resource.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Forbidden { .. } => false,
            // Of a resource that it does not know, the API server says so in plain text: the code is all there is.
            Self::Failed { source, .. } => source.status().is_some_and(|status| status.code == 404),
        }
    }
}

/// The API server's words, without the rest of its answer.
fn said(error: &CallError) -> String {
    error.status().map_or_else(|| error.to_string(), |status| status.message.clone())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use kube::core::Status;

    use super::*;

    fn answered(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(Status { code, ..Status::failure("User \"drain\" cannot", "") }))
    }

    /// Makes a request that is answered so, one after the other; returns the result and how often it was made.
    async fn made(codes: &[u16]) -> (Result<&'static str, RequestError>, usize) {
        let tries = Cell::new(0);
        let request = Request::new("patch", "deployments.apps/scale", Some("agora"));
        let result = request.make(|| {
            let code = codes[tries.get()];
            tries.set(tries.get() + 1);
            async move { if code == 200 { Ok("done") } else { Err(answered(code)) } }
        });
        (result.await, tries.get())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unknown_is_asked_again_and_what_is_refused_is_not() {
        assert!(matches!(made(&[200]).await, (Ok("done"), 1)));
        assert!(matches!(made(&[503, 500, 504, 200]).await, (Ok("done"), 4)));
        let (result, tries) = made(&[503, 503, 503, 503]).await;
        assert!(matches!(result, Err(RequestError::Failed { .. })) && tries == 4);
        let (result, tries) = made(&[404]).await;
        assert!(result.is_err_and(|error| error.is_not_found()) && tries == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_api_server_said_is_told() {
        let (result, _) = made(&[409]).await;
        let words = result.expect_err("refused").to_string();
        assert_eq!(words, "cannot patch deployments.apps/scale in namespace agora: User \"drain\" cannot");
    }

    #[tokio::test]
    async fn a_missing_right_is_named() {
        let (result, tries) = made(&[403]).await;
        let words = result.expect_err("refused").to_string();
        assert!(
            words.contains("the right to patch deployments.apps/scale in namespace agora is missing"),
            "{words}"
        );
        assert_eq!(tries, 1);
    }
}
