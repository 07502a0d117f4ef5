//! Who is answered: a browser that was given the address, and no page of anybody else.
//!
//! The loopback address is open to every program of this machine and, through the browser, to every site: the token in
//! the address keeps out whoever was not given it, the `Host` header sites whose name was turned to 127.0.0.1.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use sha2::{Digest, Sha256};

/// Names of the loopback address. `localhost` is what a forwarded port (`ssh -L`) may be called.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// The port that a browser leaves out.
const HTTP: u16 = 80;

/// On every answer. Snapshots are private: no cache keeps them, no other site gets them, and whatever lies in the bucket
/// under the name of a snapshot is shown as an image or not at all.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Keeps the gate of one gallery. Cheap to clone.
#[derive(Clone)]
pub(super) struct Gate {
    port: u16,
    token: Arc<str>,
    hosts: Arc<[String]>,
}

impl Gate {
    /// With a new token of 128 random bits.
    pub(super) fn new(port: u16) -> Self {
        let suffix = if port == HTTP { String::new() } else { format!(":{port}") };
        Self {
            port,
            token: hex::encode(rand::random::<[u8; 16]>()).into(),
            hosts: NAMES.iter().map(|name| format!("{name}{suffix}")).collect(),
        }
    }

    /// The address of the page.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.token)
    }

    /// Whether a request is answered; else with what it is refused.
    fn admit(&self, request: &Request) -> Result<(), (StatusCode, &'static str)> {
        let mut named = request.headers().get_all(header::HOST).iter();
        let named = (named.next(), named.next());
        let known = |host: &str| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        let ours = matches!(named, (Some(host), None) if host.to_str().is_ok_and(known))
            && request.uri().authority().is_none_or(|authority| known(authority.as_str()));
        if !ours {
            return Err((StatusCode::FORBIDDEN, "This is not the host that the gallery was opened at.\n"));
        }
        let token = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
        // Of the digests: how long it takes says nothing about how much of the token was right.
        if Sha256::digest(token) != Sha256::digest(&*self.token) {
            return Err((
                StatusCode::FORBIDDEN,
                "The token in this address is not that of the gallery which runs here. Take the address that \
                 `kubectl snapshotjob open` printed last.\n",
            ));
        }
        match *request.method() {
            Method::GET | Method::HEAD => Ok(()),
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "There is nothing here but to look.\n")),
        }
    }
}

/// Lets a request in or refuses it, and sets [`HEADERS`] in either case.
pub(super) async fn keep(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let mut response = match gate.admit(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn asked(gate: &Gate, method: &str, path: &str, hosts: &[&str]) -> u16 {
        let mut request = Request::builder().method(method).uri(path);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let request = request.body(Body::empty()).unwrap();
        gate.admit(&request).map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn only_who_has_the_address_and_asks_for_it_by_its_name_is_let_in() {
        let gate = Gate::new(4_711);
        let (token, host) = (gate.token.to_string(), "127.0.0.1:4711");
        let (page, state) = (format!("/{token}/"), format!("/{token}/state"));
        assert_eq!(gate.address(), format!("http://{host}{page}"));
        for (method, path, hosts, expected) in [
            ("GET", page.as_str(), &[host][..], 200),
            ("HEAD", &state, &["localhost:4711"], 200),
            ("GET", &state, &["LocalHost:4711"], 200),
            ("POST", &state, &[host], 405),
            ("DELETE", &page, &[host], 405),
            ("GET", "/", &[host], 403),
            ("GET", "/state", &[host], 403),
            ("GET", &page[..page.len() - 2], &[host], 403),
            ("GET", &page.to_uppercase(), &[host], if token == token.to_uppercase() { 200 } else { 403 }),
            ("POST", "/", &[host], 403),
            ("GET", &state, &[], 403),
            ("GET", &state, &[host, "evil.example"], 403),
            ("GET", &state, &["evil.example:4711"], 403),
            ("GET", &state, &["127.0.0.1"], 403),
            ("GET", &state, &["127.0.0.1:4712"], 403),
            ("GET", &state, &["127.0.0.1:4711.evil.example"], 403),
            ("GET", &format!("http://evil.example{state}"), &[host], 403),
            ("GET", &format!("http://{host}{state}"), &[host], 200),
        ] {
            assert_eq!(asked(&gate, method, path, hosts), expected, "{method} {path} {hosts:?}");
        }
        let other = Gate::new(4_711);
        assert_ne!(other.token, gate.token);
        assert_eq!((token.len(), asked(&other, "GET", &page, &[host])), (32, 403));
        let usual = Gate::new(80);
        assert_eq!(asked(&usual, "GET", &format!("/{}/", usual.token), &["127.0.0.1"]), 200);
    }
}
