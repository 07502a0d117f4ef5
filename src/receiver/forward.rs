//! Hands a notification to the replica that leads, as it came: what is signed stays signed.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use crate::agora::notification::{SIGNATURE_HEADER, SIGNATURE_V2_HEADER};

/// Set on what is handed on, so that nothing goes round in circles.
pub(super) const FORWARDED_HEADER: &str = "agora-snapshot-forwarded";

/// Set on every answer of a receiver, so that a stranger at a former leader's address is not taken for one.
pub(super) const OURS_HEADER: &str = "agora-snapshot-receiver";

/// How long the other replica may take, so that the vendor is answered in time.
const WITHIN: Duration = Duration::from_secs(4);

/// And how long until it takes the connection: one that is gone does not.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// The way to the replica that leads.
pub(super) struct Forwarder {
    client: reqwest::Client,
    leader: watch::Receiver<Option<String>>,
}

impl Forwarder {
    pub(super) fn new(leader: watch::Receiver<Option<String>>) -> Result<Self, reqwest::Error> {
        // It is a pod of the same Deployment: no proxy stands between, nor would one know it.
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(WITHIN)
            .connect_timeout(CONNECT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, leader })
    }

    /// The answer of the replica that leads, or why there is none.
    pub(super) async fn forward(
        &self,
        app_id: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response, String> {
        let leader = self.leader.borrow().clone();
        let leader = leader.ok_or("no other replica says where it takes notifications")?;
        // The Lease may say anything.
        let leader: SocketAddr =
            leader.parse().map_err(|_| format!("the Lease names {leader:?}, which is no address"))?;
        // An App ID is 32 hexadecimal digits; whatever else it is goes nowhere.
        if !app_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("that is no App ID".to_owned());
        }
        let mut request = self.client.post(format!("http://{leader}/ncs/{app_id}"));
        for name in [SIGNATURE_HEADER, SIGNATURE_V2_HEADER] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let request = request
            .header(header::CONTENT_TYPE, "application/json")
            .header(HeaderName::from_static(FORWARDED_HEADER), "1")
            .body(body.clone());
        let failed = |error: reqwest::Error| {
            format!("the replica that leads ({leader}) did not answer: {}", error.without_url())
        };
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if !response.headers().contains_key(OURS_HEADER) {
            return Err(format!("who answers at {leader} is no receiver of notifications"));
        }
        if status != StatusCode::OK && status != StatusCode::UNAUTHORIZED {
            return Err(format!("the replica that leads ({leader}) cannot take it now"));
        }
        let body = response.bytes().await.map_err(failed)?;
        Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
    }
}
