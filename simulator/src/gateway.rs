//! The gateway in front of the service [API §1, §7]: routes, credentials, request rate, known App IDs, content type.
//! Its refusals have another shape than the service's and come first. Pure: the HTTP layer passes in what it read.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::answer::Answer;
use crate::clock::Millis;
use crate::service::Target;
use crate::settings::{Settings, name};

/// A call of the API.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verb {
    /// `acquire`.
    Acquire,
    /// `start`.
    Start,
    /// `query`.
    Query,
    /// `update`.
    Update,
    /// `updateLayout`.
    UpdateLayout,
    /// `stop`.
    Stop,
}

impl Verb {
    /// As paths write it.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Acquire => "acquire",
            Verb::Start => "start",
            Verb::Query => "query",
            Verb::Update => "update",
            Verb::UpdateLayout => "updateLayout",
            Verb::Stop => "stop",
        }
    }
}

/// Which call a method and path mean; nothing if no route fits. A region before the version is allowed [API §1].
pub fn route(method: &str, path: &str) -> Option<(Verb, Target)> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let parts = match parts.as_slice() {
        ["cn" | "eu" | "ap" | "us", rest @ ..] => rest,
        all => all,
    };
    let ["v1", "apps", app_id, "cloud_recording", rest @ ..] = parts else { return None };
    let target = |resource_id: &str, sid: &str, mode: &str| Target {
        app_id: (*app_id).to_owned(),
        resource_id: resource_id.to_owned(),
        sid: sid.to_owned(),
        mode: mode.to_owned(),
    };
    let (verb, target) = match *rest {
        ["acquire"] => (Verb::Acquire, target("", "", "")),
        ["resourceid", resource_id, "mode", mode, "start"] => (Verb::Start, target(resource_id, "", mode)),
        ["resourceid", resource_id, "sid", sid, "mode", mode, verb] => {
            let verb = match verb {
                "query" => Verb::Query,
                "update" => Verb::Update,
                "updateLayout" => Verb::UpdateLayout,
                "stop" => Verb::Stop,
                _ => return None,
            };
            (verb, target(resource_id, sid, mode))
        }
        _ => return None,
    };
    let wanted = if verb == Verb::Query { "GET" } else { "POST" };
    (method == wanted).then_some((verb, target))
}

/// The gateway's answer where no route fits.
pub fn no_route() -> Answer {
    Answer::gateway(404, "no Route matched with those values")
}

/// Who may call.
#[derive(Clone)]
pub struct Credentials {
    /// App IDs for which the service is enabled.
    pub app_ids: Vec<String>,
    /// Customer ID.
    pub customer_id: String,
    /// Customer secret.
    pub customer_secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("app_ids", &self.app_ids).finish_non_exhaustive()
    }
}

/// The gateway, with what it remembers of each App ID's requests.
#[derive(Debug)]
pub struct Gateway {
    credentials: Credentials,
    requests: BTreeMap<String, Tokens>,
    /// Counted apart, against the concurrency quota.
    quota_requests: BTreeMap<String, Tokens>,
}

#[derive(Clone, Copy, Debug)]
struct Tokens {
    /// Thousandths of a request.
    left: u64,
    counted_at: Millis,
}

impl Gateway {
    /// A gateway that nobody has called yet.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, requests: BTreeMap::new(), quota_requests: BTreeMap::new() }
    }

    /// Lets a routed call through, or says what the gateway answers instead. `running` says whether sessions of the App
    /// ID run, for only then its concurrency quota limits the request rate too.
    pub fn admit(
        &mut self,
        now: Millis,
        app_id: &str,
        authorization: Option<&str>,
        running: bool,
        settings: &Settings,
    ) -> Result<(), Answer> {
        let Some(authorization) = authorization else { return Err(Answer::gateway(401, "Unauthorized")) };
        if !self.authorizes(authorization) {
            return Err(unauthorized());
        }
        if !has_token(&mut self.requests, now, app_id, settings.number(name::REQUESTS_PER_SECOND)) {
            return Err(Answer::gateway(429, "API rate limit exceeded"));
        }
        // A tenth of the quota per second [API §8]; the body of the refusal is not documented.
        let tenth = (settings.number(name::CONCURRENCY_QUOTA) / 10).max(1);
        if running
            && settings.is(name::QUOTA_RATE, "refuse")
            && !has_token(&mut self.quota_requests, now, app_id, tenth)
        {
            return Err(Answer::gateway(400, "request rate exceeds 10% of the concurrency quota"));
        }
        if !self.credentials.app_ids.iter().any(|known| known == app_id) {
            return Err(Answer::gateway(400, "appid is invalid"));
        }
        Ok(())
    }

    fn authorizes(&self, authorization: &str) -> bool {
        let expected = format!("{}:{}", self.credentials.customer_id, self.credentials.customer_secret);
        authorization
            .strip_prefix("Basic ")
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .is_some_and(|sent| sent == expected.as_bytes())
    }
}

/// A token bucket that holds one second's worth of requests.
fn has_token(buckets: &mut BTreeMap<String, Tokens>, now: Millis, app_id: &str, per_second: u64) -> bool {
    let full = per_second * 1000;
    let bucket = buckets.entry(app_id.to_owned()).or_insert(Tokens { left: full, counted_at: now });
    let earned = now.saturating_sub(bucket.counted_at).saturating_mul(per_second);
    bucket.left = bucket.left.saturating_add(earned).min(full);
    bucket.counted_at = bucket.counted_at.max(now);
    match bucket.left.checked_sub(1000) {
        Some(left) => {
            bucket.left = left;
            true
        }
        None => false,
    }
}

/// Judges the content type of a call with a body: a malformed one shows as a 401 or as code 8 [API §1, §18].
pub fn check_content_type(content_type: Option<&str>, settings: &Settings) -> Result<(), Answer> {
    let sent = content_type.unwrap_or_default();
    let exact = sent == "application/json" || sent == "application/json;charset=utf-8";
    let names_json = sent.to_ascii_lowercase().starts_with("application/json");
    match settings.text(name::CONTENT_TYPE).as_str() {
        _ if exact => Ok(()),
        "lenient" if names_json => Ok(()),
        "401" => Err(unauthorized()),
        _ => Err(Answer::service(400, 8, "Content-Type must be application/json;charset=utf-8")),
    }
}

fn unauthorized() -> Answer {
    Answer::gateway(401, "Invalid authentication credentials")
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "970ca35de60c44645bbae8a215061b33";
    /// `customer:secret`.
    const GOOD: Option<&str> = Some("Basic Y3VzdG9tZXI6c2VjcmV0");

    fn gateway() -> Gateway {
        Gateway::new(Credentials {
            app_ids: vec![APP.into()],
            customer_id: "customer".into(),
            customer_secret: "secret".into(),
        })
    }

    #[test]
    fn paths_mean_what_the_reference_says() {
        let base = format!("/v1/apps/{APP}/cloud_recording");
        let session = format!("{base}/resourceid/R/sid/S/mode/individual");
        let table = [
            ("POST", format!("{base}/acquire"), Some(Verb::Acquire)),
            ("POST", format!("/eu{base}/acquire"), Some(Verb::Acquire)),
            ("POST", format!("/na{base}/acquire"), None),
            ("GET", format!("{base}/acquire"), None),
            ("POST", format!("{base}/Acquire"), None),
            ("POST", format!("{base}/resourceid/R/mode/individual/start"), Some(Verb::Start)),
            ("GET", format!("{session}/query"), Some(Verb::Query)),
            ("POST", format!("{session}/query"), None),
            ("POST", format!("{session}/update"), Some(Verb::Update)),
            ("POST", format!("{session}/updateLayout"), Some(Verb::UpdateLayout)),
            ("POST", format!("{session}/stop"), Some(Verb::Stop)),
            ("POST", format!("{session}/stop/"), None),
            ("POST", "/v1".to_owned(), None),
        ];
        for (method, path, verb) in table {
            assert_eq!(route(method, &path).map(|(verb, _)| verb), verb, "{method} {path}");
        }
        let (_, target) = route("GET", &format!("{session}/query")).unwrap();
        assert_eq!((target.resource_id.as_str(), target.sid.as_str()), ("R", "S"));
    }

    #[test]
    fn refusals_come_in_the_gateways_order_and_words() {
        let settings = Settings::default();
        let refused =
            |app: &str, authorization| gateway().admit(0, app, authorization, false, &settings).unwrap_err();
        assert_eq!(refused("x", None), Answer::gateway(401, "Unauthorized"));
        for wrong in ["Basic eDp5", "Bearer x", "Basic %", ""] {
            assert_eq!(refused("x", Some(wrong)), Answer::gateway(401, "Invalid authentication credentials"));
        }
        assert_eq!(refused("x", GOOD), Answer::gateway(400, "appid is invalid"));
        assert_eq!(gateway().admit(0, APP, GOOD, false, &settings), Ok(()));
    }

    #[test]
    fn ten_requests_a_second_and_no_more() {
        let (mut gateway, settings) = (gateway(), Settings::default());
        let mut passed = |now| gateway.admit(now, APP, GOOD, false, &settings).is_ok();
        assert_eq!((0..20).filter(|_| passed(0)).count(), 10);
        assert!(!passed(99), "a token takes a tenth of a second");
        assert!(passed(100));
        assert_eq!((0..20).filter(|_| passed(60_000)).count(), 10, "unused tokens do not pile up");
    }

    #[test]
    fn the_quota_limits_the_rate_only_when_asked_and_only_while_something_runs() {
        let mut settings = Settings::default();
        let passed = |settings: &Settings, running| {
            let mut gateway = gateway();
            (0..10).filter(|_| gateway.admit(0, APP, GOOD, running, settings).is_ok()).count()
        };
        assert_eq!(passed(&settings, true), 10);
        settings.set(name::QUOTA_RATE, "refuse").unwrap();
        assert_eq!(passed(&settings, false), 10);
        assert_eq!(passed(&settings, true), 5, "a tenth of 50");
    }

    #[test]
    fn the_content_type_is_read_to_the_letter() {
        let mut settings = Settings::default();
        let judge =
            |settings: &Settings, sent| check_content_type(sent, settings).map_err(|a| (a.status, a.code()));
        for good in ["application/json", "application/json;charset=utf-8"] {
            assert_eq!(judge(&settings, Some(good)), Ok(()));
        }
        let spaced = Some("application/json; charset=utf-8");
        assert_eq!(judge(&settings, spaced), Err((401, None)));
        assert_eq!(judge(&settings, None), Err((401, None)));
        settings.set(name::CONTENT_TYPE, "8").unwrap();
        assert_eq!(judge(&settings, spaced), Err((400, Some(8))));
        settings.set(name::CONTENT_TYPE, "lenient").unwrap();
        assert_eq!(judge(&settings, spaced), Ok(()));
        assert_eq!(judge(&settings, Some("text/plain")), Err((400, Some(8))));
    }
}
