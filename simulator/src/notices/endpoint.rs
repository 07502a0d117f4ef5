//! The address that an App ID's notifications go to, with the secret they are signed with and the events that were
//! subscribed to: what a user enters in the vendor's console. Owns which addresses are taken.

use std::collections::BTreeSet;
use std::fmt;

use reqwest::Url;
use serde::Deserialize;
use thiserror::Error;

use crate::settings::{Settings, name};

/// Where notifications of one App ID go.
#[derive(Clone, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// Address.
    pub url: String,
    /// What bodies are signed with.
    pub secret: String,
    /// `eventType`s that are sent; all of them if absent.
    #[serde(default)]
    pub events: Option<BTreeSet<u32>>,
}

/// Why an endpoint is not taken.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum EndpointError {
    /// No address of a server.
    #[error("`{0}` is no address; it must have the form https://HOST[:PORT]/PATH")]
    BadAddress(String),
    /// The vendor's rule, or what a setting left of it.
    #[error(
        "`{url}` is not taken: the vendor takes https only; the setting endpointAddresses, now {setting}, lets plain \
         http in for tests (loopbackHttp | anyHttp)"
    )]
    PlainHttp {
        /// The address.
        url: String,
        /// Value of the setting.
        setting: String,
    },
    /// A signature that everybody can make.
    #[error("the secret of an endpoint must not be empty")]
    NoSecret,
}

impl Endpoint {
    /// Whether the vendor would take it [API §9.1].
    pub(super) fn check(&self, settings: &Settings) -> Result<(), EndpointError> {
        if self.secret.is_empty() {
            return Err(EndpointError::NoSecret);
        }
        let bad = || EndpointError::BadAddress(self.url.clone());
        let url = Url::parse(&self.url).map_err(|_| bad())?;
        let host = url.host_str().ok_or_else(bad)?;
        let setting = settings.text(name::ENDPOINT_ADDRESSES);
        match (url.scheme(), setting.as_str()) {
            ("https", _) | ("http", "anyHttp") => Ok(()),
            ("http", "loopbackHttp") if is_loopback(host) => Ok(()),
            ("http", _) => Err(EndpointError::PlainHttp { url: self.url.clone(), setting }),
            _ => Err(bad()),
        }
    }

    /// Whether an event of this type was subscribed to.
    pub(super) fn wants(&self, event_type: u32) -> bool {
        self.events.as_ref().is_none_or(|events| events.contains(&event_type))
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl fmt::Debug for Endpoint {
    /// Without the secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Endpoint")
            .field("url", &self.url)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_taken_only_where_a_setting_lets_it_in() {
        let table = [
            ("https://example.com/ncs/a", [true, true, true]),
            ("http://127.0.0.1:8080/ncs/a", [false, true, true]),
            ("http://[::1]:8080/", [false, true, true]),
            ("http://localhost:8080/", [false, true, true]),
            ("http://example.com/", [false, false, true]),
            ("http://127.0.0.1.example.com/", [false, false, true]),
            ("ftp://127.0.0.1/", [false; 3]),
            ("127.0.0.1:8080", [false; 3]),
        ];
        for (url, taken) in table {
            for (setting, taken) in ["https", "loopbackHttp", "anyHttp"].into_iter().zip(taken) {
                let mut settings = Settings::default();
                settings.set(name::ENDPOINT_ADDRESSES, setting).unwrap();
                let endpoint = Endpoint { url: url.into(), secret: "s".into(), events: None };
                assert_eq!(endpoint.check(&settings).is_ok(), taken, "{url} {setting}");
            }
        }
    }

    #[test]
    fn a_secret_is_wanted_and_not_shown() {
        let mut endpoint = Endpoint { url: "https://a".into(), secret: "SECRET".into(), events: None };
        assert!(!format!("{endpoint:?}").contains("SECRET"));
        endpoint.secret.clear();
        assert_eq!(endpoint.check(&Settings::default()), Err(EndpointError::NoSecret));
    }
}
