//! The client of the API server, and the limit on every call to it.
//!
//! kube's own silent retries are off: up to fifteen of them would hold a job's visit for minutes, and the lifecycle
//! repeats by itself with what it then knows. A watch is not a call; the watcher has an idle limit of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use kube::client::ClientBuilder;
use kube::core::Status;
use kube::{Client, Config};
use tower::{Layer, Service};

use crate::metrics::Metrics;

/// How long one call to the API server may take; its own limit for most requests is 60 s, which would hold a visit
/// too long.
pub const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Name under which the API server's audit log knows the operator.
pub const USER_AGENT: &str = concat!("agora-snapshot-operator/", env!("CARGO_PKG_VERSION"));

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a service account was found.
    #[error("no cluster: set KUBECONFIG, or run in a pod with a service account token: {0}")]
    Configuration(#[from] kube::config::InferConfigError),
    /// What was found cannot be used.
    #[error("the cluster's configuration cannot be used: {0}")]
    Client(#[from] kube::Error),
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The limit passed; the call may have had its effect.
    #[error("the API server did not answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The API server refused, or could not be reached.
    #[error(transparent)]
    Failed(#[from] kube::Error),
}

impl CallError {
    /// What the API server said, where it said something.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Failed(kube::Error::Api(status)) => Some(status),
            Self::Failed(_) | Self::TimedOut(_) => None,
        }
    }

    /// 404.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }

    /// 409 because the object has changed since it was read.
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(Status::is_conflict)
    }

    /// 403.
    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(Status::is_forbidden)
    }

    /// 422: the object breaks a rule of its schema.
    pub fn is_invalid(&self) -> bool {
        self.status().is_some_and(Status::is_invalid)
    }

    /// No answer, or an answer that says nothing of the effect: the call may have been done.
    pub fn is_unknown(&self) -> bool {
        self.status().is_none_or(|status| status.code >= 500)
    }
}

/// Waits for a call, no longer than `limit`.
///
/// # Errors
/// [`CallError::TimedOut`] at the limit, else what the call came to.
pub async fn within<T>(limit: Duration, call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(CallError::from),
        Err(_elapsed) => Err(CallError::TimedOut(limit)),
    }
}

/// A client from `$KUBECONFIG` or `~/.kube/config`, else from the pod's service account. The API server is reached
/// without the proxy of the environment.
///
/// # Errors
/// Neither is there, or what is there cannot be used. An API server that cannot be reached is no error here.
pub async fn connect(metrics: &Metrics) -> Result<Client, ConnectError> {
    let mut config = Config::infer().await?;
    if config.proxy_url.as_ref().is_some_and(is_of_the_environment) {
        config.proxy_url = None;
    }
    Ok(client(config, metrics)?)
}

/// kube takes `$HTTPS_PROXY` for the way to the API server where there is a kubeconfig, and none in a pod. That
/// variable is for what is outside the cluster: the vendor and buckets.
fn is_of_the_environment(proxy: &http::Uri) -> bool {
    let variable = |name| std::env::var(name).ok().and_then(|text| text.parse::<http::Uri>().ok());
    ["HTTPS_PROXY", "https_proxy"].into_iter().filter_map(variable).any(|found| found == *proxy)
}

/// A client after a configuration, with retries off and requests counted.
///
/// # Errors
/// The configuration cannot be used (a certificate, a token file).
pub fn client(mut config: Config, metrics: &Metrics) -> kube::Result<Client> {
    config.default_retry = false;
    config.headers.push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
    Ok(ClientBuilder::try_from(config)?.with_layer(&CountRequests(metrics.clone())).build())
}

/// Counts requests by method and status.
struct CountRequests(Metrics);

struct Counted<S> {
    inner: S,
    metrics: Metrics,
}

impl<S> Layer<S> for CountRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.0.clone() }
    }
}

impl<S, Body, Answer> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<Answer>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (method, metrics) = (request.method().clone(), self.metrics.clone());
        let call = self.inner.call(request);
        Box::pin(async move {
            let answer = call.await;
            metrics.kubernetes_request(&method, answer.as_ref().ok().map(|answer| answer.status().as_u16()));
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    use k8s_openapi::api::core::v1::Secret;
    use kube::Api;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// An API server that answers every request with 503 and closes; returns its address, a counter and the last
    /// request's head.
    async fn always_503() -> (http::Uri, Arc<AtomicU32>, Arc<Mutex<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (requests, head) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(String::new())));
        let (counter, last) = (requests.clone(), head.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = vec![0; 8192];
                let length = stream.read(&mut buffer).await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                *last.lock().unwrap() = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let body = r#"{"kind":"Status","status":"Failure","reason":"ServiceUnavailable","code":503}"#;
                let answer = format!(
                    "HTTP/1.1 503 x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (uri, requests, head)
    }

    #[tokio::test]
    async fn a_refused_call_is_not_repeated_silently_and_is_counted() {
        crate::telemetry::install_tls_provider();
        let (uri, requests, head) = always_503().await;
        let metrics = Metrics::new(false);
        let client = client(Config::new(uri), &metrics).unwrap();
        let secrets: Api<Secret> = Api::namespaced(client, "team");
        let error = within(CALL_LIMIT, secrets.get("agora")).await.unwrap_err();
        assert_eq!(error.status().unwrap().code, 503);
        assert!(error.is_unknown() && !error.is_conflict());
        assert_eq!(requests.load(Ordering::SeqCst), 1, "kube's own retries are off");
        assert!(metrics.exposition().contains(r#"rest_client_requests_total{code="503",method="GET"} 1"#));
        assert!(head.lock().unwrap().contains(&format!("user-agent: {USER_AGENT}")), "{head:?}");
    }

    #[tokio::test]
    async fn an_unreachable_server_is_counted_as_an_error() {
        crate::telemetry::install_tls_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        drop(listener);
        let metrics = Metrics::new(false);
        let secrets: Api<Secret> = Api::namespaced(client(Config::new(uri), &metrics).unwrap(), "team");
        let error = within(CALL_LIMIT, secrets.get("agora")).await.unwrap_err();
        assert!(error.status().is_none() && error.is_unknown());
        assert!(
            metrics.exposition().contains(r#"rest_client_requests_total{code="<error>",method="GET"} 1"#)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_costs_no_more_than_the_limit() {
        let before = tokio::time::Instant::now();
        let error = within::<()>(CALL_LIMIT, std::future::pending()).await.unwrap_err();
        assert_eq!(before.elapsed(), CALL_LIMIT);
        assert_eq!(error.to_string(), "the API server did not answer within 10 s");
        assert!(error.is_unknown());
    }
}
