//! The way of a notification to its receiver over HTTP [API §9.1]. Owns the client and what an answer is read as;
//! whether it is sent again is the outbox's to say.

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::{ANSWER_LIMIT, Delivery, Outcome};

/// Attempts that are under way at the same time; a receiver that answers slowly must not use up the sockets.
const AT_ONCE: usize = 256;
/// Bytes of an answer that are read; a longer one counts as no JSON.
const ANSWER_BYTES: usize = 64 * 1024;

/// Why there is no sender.
#[derive(Debug, Error)]
pub enum SenderError {
    /// Not made.
    #[error("the HTTP client for notifications could not be made: {0}")]
    Client(#[from] reqwest::Error),
    /// A bundle that would change nothing.
    #[error("the bundle of authorities for notifications has no certificate in it; it must be PEM")]
    NoCertificate,
}

/// Sends notifications.
#[derive(Debug)]
pub struct Sender {
    client: Client,
    slots: Semaphore,
}

impl Sender {
    /// A sender that trusts the usual authorities and those of a PEM bundle.
    pub fn new(authorities: Option<&[u8]>) -> Result<Self, SenderError> {
        let given = authorities.map(Certificate::from_pem_bundle).transpose()?;
        if given.as_ref().is_some_and(Vec::is_empty) {
            return Err(SenderError::NoCertificate);
        }
        let authorities = given.unwrap_or_default();
        // A redirect is an answer that is not 200. Proxies are for the world outside, where no test's receiver is.
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(ANSWER_LIMIT)
            .tls_certs_merge(authorities)
            .build()?;
        Ok(Self { client, slots: Semaphore::new(AT_ONCE) })
    }

    /// Makes one attempt.
    pub async fn send(&self, delivery: Delivery) -> Outcome {
        let Ok(_slot) = self.slots.acquire().await else {
            return Outcome::Unreachable("the simulator ends".to_owned());
        };
        let mut request = self.client.post(&delivery.url).body(delivery.body);
        for (name, value) in delivery.headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => read(response).await,
            Err(error) => failed(&error),
        }
    }
}

async fn read(mut response: Response) -> Outcome {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(_)) if body.len() > ANSWER_BYTES => return Outcome::Answered { status, json: false },
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return failed(&error),
        }
    }
    let json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
    Outcome::Answered { status, json }
}

fn failed(error: &reqwest::Error) -> Outcome {
    if error.is_timeout() {
        return Outcome::TimedOut;
    }
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    Outcome::Unreachable(words)
}
