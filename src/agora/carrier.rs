//! The way to the vendor: carries one HTTP request there and its whole answer back. In production it is the network.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, Url};

use super::reply::LONGEST_BODY;
use super::transport::Fault;

/// A request. Not to be shown: its body may hold secrets.
#[derive(Clone)]
pub struct Outbound {
    /// Method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers. Those that hold secrets are marked as sensitive.
    pub headers: HeaderMap,
    /// Body, of a POST.
    pub body: Option<Vec<u8>>,
    /// How long all of it may take.
    pub limit: Duration,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// HTTP status.
    pub http: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; `None` if it is longer than any of the vendor's.
    pub body: Option<Vec<u8>>,
}

/// Carries requests. Follows nothing and repeats nothing.
pub trait Carrier: Send + Sync + 'static {
    /// Sends a request, once, and waits for its answer no longer than its limit.
    fn carry(&self, outbound: Outbound) -> BoxFuture<'_, Result<Inbound, Fault>>;
}

/// The network.
pub(super) struct Network {
    pub(super) http: reqwest::Client,
    /// How long a connection may take, as `http` has it, to tell of it.
    pub(super) connect: Duration,
}

impl Carrier for Network {
    fn carry(&self, outbound: Outbound) -> BoxFuture<'_, Result<Inbound, Fault>> {
        self.exchange(outbound).boxed()
    }
}

impl Network {
    async fn exchange(&self, outbound: Outbound) -> Result<Inbound, Fault> {
        let Outbound { method, url, headers, body, limit } = outbound;
        let request = self.http.request(method, url).headers(headers).timeout(limit);
        let request = match body {
            Some(body) => request.body(body),
            None => request,
        };
        let fault = |error: &reqwest::Error, http| Fault::of(error, self.connect, limit, http);
        let mut response = request.send().await.map_err(|error| fault(&error, None))?;
        let http = response.status().as_u16();
        let body = read(&mut response).await.map_err(|error| fault(&error, Some(http)))?;
        Ok(Inbound { http, headers: std::mem::take(response.headers_mut()), body })
    }
}

/// The body, or `None` if it is longer than any of the vendor's.
async fn read(response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
