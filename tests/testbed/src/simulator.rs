//! The vendor's simulator as a process, and its control interface under `/_sim/`.
//! What it does is with the program itself; the shapes of its answers are JSON values here, so that a test reads
//! the fields it is about.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::control_plane::again_if_port_was_taken;
use crate::error::{Error, Result};
use crate::processes::{Process, Program};

/// It has nothing to load; a loaded machine is what this allows for.
const START: Duration = Duration::from_secs(30);

/// What a simulator is started with.
#[derive(Debug, Clone, Default)]
pub struct SimulatorOptions {
    /// The App ID it serves, 32 hexadecimal digits; a random one if `None`.
    pub app_id: Option<String>,
    /// The app certificate that tokens are checked with; an app without one takes no token.
    pub app_certificate: Option<String>,
    /// The S3 server it uploads to, whatever vendor and region a start names; if `None` it keeps files in memory.
    pub s3_endpoint: Option<String>,
    /// All its waits are divided by this; 1 if `None`.
    pub speed: Option<u32>,
    /// What its random choices begin with.
    pub seed: Option<u64>,
    /// `name=value` of unconfirmed facts of the vendor that are to differ from the default.
    pub settings: Vec<String>,
    /// Where it sends its App ID's notifications from the start on; [`SimulatorControl::notify`] tells it later.
    pub notifications: Option<NotificationEndpoint>,
    /// Further arguments.
    pub arguments: Vec<String>,
}

/// A receiver of notifications: plain http on a loopback address, or https under an authority that is given by
/// `--notification-ca`.
#[derive(Debug, Clone)]
pub struct NotificationEndpoint {
    /// Address, path included: `http://127.0.0.1:PORT/ncs/APP_ID` for the operator.
    pub url: String,
    /// What they are signed with: `notificationSecret` of the credentials Secret.
    pub secret: String,
}

/// The setting that lets plain http in on loopback addresses; the vendor takes https only.
const LOOPBACK_HTTP: (&str, &str) = ("endpointAddresses", "loopbackHttp");

/// A running simulator with customer credentials of its own; what its [`SimulatorControl`] can do, it can.
#[derive(Debug)]
pub struct Simulator {
    process: Process,
    control: SimulatorControl,
    app_id: String,
    customer_id: String,
    customer_secret: String,
}

/// The control interface of a simulator, wherever that runs.
#[derive(Debug)]
pub struct SimulatorControl {
    url: String,
    http: reqwest::Client,
}

impl Simulator {
    /// Starts the program with its log in `folder` and waits until it listens.
    pub async fn start(program: &Path, folder: &Path, options: SimulatorOptions) -> Result<Self> {
        let app_id = options.app_id.clone().unwrap_or_else(crate::random_hex);
        let (customer_id, customer_secret) = (crate::random_hex(), crate::random_hex());
        let log = folder.join(format!("simulator-{}.log", &crate::random_hex()[..8]));
        let (process, url) = again_if_port_was_taken(async || {
            let mut arguments = vec![
                "--listen=127.0.0.1:0".to_owned(),
                format!("--app-id={app_id}"),
                format!("--customer-id={customer_id}"),
                format!("--customer-secret={customer_secret}"),
            ];
            arguments.extend(options.app_certificate.iter().map(|it| format!("--app-certificate={it}")));
            arguments.extend(options.s3_endpoint.iter().map(|endpoint| format!("--s3-endpoint={endpoint}")));
            arguments.extend(options.speed.iter().map(|speed| format!("--speed={speed}")));
            arguments.extend(options.seed.iter().map(|seed| format!("--seed={seed}")));
            if let Some(NotificationEndpoint { url, secret }) = &options.notifications {
                arguments.extend([
                    format!("--set={}={}", LOOPBACK_HTTP.0, LOOPBACK_HTTP.1),
                    format!("--notification-endpoint={app_id}={url}"),
                    format!("--notification-secret={app_id}={secret}"),
                ]);
            }
            arguments.extend(options.settings.iter().map(|setting| format!("--set={setting}")));
            let mut process = Program::new("agora-simulator", program, log.clone())
                .args(arguments)
                .args(&options.arguments)
                .start()?;
            let url = process.printed("listening on ", START).await?;
            Ok((process, url))
        })
        .await?;
        let control = SimulatorControl::of(url)?;
        Ok(Self { process, control, app_id, customer_id, customer_secret })
    }

    /// The App ID it serves.
    pub fn app_id(&self) -> &str {
        &self.app_id
    }

    /// Customer ID of the REST API.
    pub fn customer_id(&self) -> &str {
        &self.customer_id
    }

    /// Customer secret of the REST API.
    pub fn customer_secret(&self) -> &str {
        &self.customer_secret
    }

    /// The process, to stop, suspend or kill it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl std::ops::Deref for Simulator {
    type Target = SimulatorControl;

    fn deref(&self) -> &SimulatorControl {
        &self.control
    }
}

impl SimulatorControl {
    /// The interface of the simulator that listens at `url` (`http://HOST:PORT`).
    pub fn of(url: String) -> Result<Self> {
        Ok(Self { url, http: crate::http_client()? })
    }

    /// `http://HOST:PORT`, for `--agora-endpoint`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets a host join a channel and send video and audio.
    pub async fn join(&self, channel: &str, uid: u32) -> Result<()> {
        self.put_user(channel, uid, json!({"video": true, "audio": true, "host": true})).await
    }

    /// Puts a user with these properties (`video`, `audio`, `host`) into a channel, or changes them.
    pub async fn put_user(&self, channel: &str, uid: u32, user: Value) -> Result<()> {
        self.send(http::Method::PUT, &["channels", channel, "users", &uid.to_string()], Some(user)).await?;
        Ok(())
    }

    /// Lets a user leave a channel.
    pub async fn leave(&self, channel: &str, uid: u32) -> Result<()> {
        self.send(http::Method::DELETE, &["channels", channel, "users", &uid.to_string()], None).await?;
        Ok(())
    }

    /// The sessions that ever ran, narrowed by query parameters of the interface: `state=live` for example, or
    /// `wait=1` to have the answer when there is one; refused with status 408 if that takes too long.
    pub async fn sessions(&self, narrow: &[(&str, &str)]) -> Result<Vec<Value>> {
        self.ask("sessions", narrow).await
    }

    /// The journal of the requests to the vendor's interface, narrowed likewise: `verb=start` for example.
    pub async fn requests(&self, narrow: &[(&str, &str)]) -> Result<Vec<Value>> {
        self.ask("requests", narrow).await
    }

    /// Arranges a fault.
    pub async fn fault(&self, fault: Value) -> Result<Value> {
        self.send(http::Method::POST, &["faults"], Some(fault)).await
    }

    /// Takes back the faults that have not happened yet.
    pub async fn clear_faults(&self) -> Result<()> {
        self.send(http::Method::DELETE, &["faults"], None).await?;
        Ok(())
    }

    /// The unconfirmed facts of the vendor, as they are set.
    pub async fn settings(&self) -> Result<Value> {
        self.send(http::Method::GET, &["settings"], None).await
    }

    /// Changes some of them.
    pub async fn set(&self, settings: Value) -> Result<Value> {
        self.send(http::Method::PUT, &["settings"], Some(settings)).await
    }

    /// Sends the notifications of an App ID to an endpoint from now on; lets plain http in on loopback addresses.
    pub async fn notify(&self, app_id: &str, to: &NotificationEndpoint) -> Result<()> {
        self.set(json!({ LOOPBACK_HTTP.0: LOOPBACK_HTTP.1 })).await?;
        let endpoint = json!({"url": to.url, "secret": to.secret});
        self.send(http::Method::PUT, &["endpoints", app_id], Some(endpoint)).await?;
        Ok(())
    }

    /// Sends the notifications of an App ID nowhere from now on.
    pub async fn notify_nobody(&self, app_id: &str) -> Result<()> {
        self.send(http::Method::DELETE, &["endpoints", app_id], None).await?;
        Ok(())
    }

    /// Lets something happen to coming notifications: `{"eventTypes": [45], "percent": 50, "lose": true}` for example.
    pub async fn notice_rule(&self, rule: Value) -> Result<()> {
        self.send(http::Method::POST, &["notices", "rules"], Some(rule)).await?;
        Ok(())
    }

    /// Takes all rules for notifications back.
    pub async fn clear_notice_rules(&self) -> Result<()> {
        self.send(http::Method::DELETE, &["notices", "rules"], None).await?;
        Ok(())
    }

    /// Sends the console's test to an App ID's endpoint: one notification for each event. Gives their numbers.
    pub async fn test_endpoint(&self, app_id: &str) -> Result<Vec<u64>> {
        self.numbers(app_id, "test", json!({})).await
    }

    /// Sends a body to an App ID's endpoint: `{"body": TEXT or JSON}` or `{"bodyHex": DIGITS}`, signed with its secret
    /// unless there is `"forge"`. Gives its number.
    pub async fn send_raw(&self, app_id: &str, body: Value) -> Result<u64> {
        let numbers = self.numbers(app_id, "raw", body).await?;
        numbers.first().copied().ok_or_else(|| Error::Http {
            what: "simulator: POST /_sim/endpoints/APP_ID/raw".to_owned(),
            detail: "the answer has no number".to_owned(),
        })
    }

    /// Begins a storm of snapshot events to an App ID's endpoint: `{"perSecond": 2000, "count": 20000}` for example.
    pub async fn storm(&self, app_id: &str, storm: Value) -> Result<()> {
        self.send(http::Method::POST, &["endpoints", app_id, "storm"], Some(storm)).await?;
        Ok(())
    }

    /// Every notification with its attempts, narrowed by query parameters: `eventType=45&state=delivered&wait=3`.
    pub async fn notices(&self, narrow: &[(&str, &str)]) -> Result<Vec<Value>> {
        self.ask("notices", narrow).await
    }

    /// Totals of notifications as soon as none is open and no storm has more to come, within `limit`.
    pub async fn settled_notice_counts(&self, limit: std::time::Duration) -> Result<Value> {
        let mut url = self.control(&["notices", "counts"])?;
        let limit = limit.as_millis().to_string();
        url.query_pairs_mut().extend_pairs([("waitOpenAtMost", "0"), ("timeoutMs", limit.as_str())]);
        self.exchange(self.http.get(url), "simulator: GET /_sim/notices/counts".to_owned()).await
    }

    async fn numbers(&self, app_id: &str, what: &str, body: Value) -> Result<Vec<u64>> {
        let answer = self.send(http::Method::POST, &["endpoints", app_id, what], Some(body)).await?;
        let numbers = answer["numbers"].as_array().cloned().unwrap_or_default();
        Ok(numbers.iter().filter_map(Value::as_u64).collect())
    }

    async fn ask(&self, list: &str, narrow: &[(&str, &str)]) -> Result<Vec<Value>> {
        let mut url = self.control(&[list])?;
        if !narrow.is_empty() {
            url.query_pairs_mut().extend_pairs(narrow);
        }
        let what = format!("simulator: GET /_sim/{list} {narrow:?}");
        let mut answer = self.exchange(self.http.get(url), what.clone()).await?;
        match answer.get_mut(list).map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(Error::Http { what, detail: format!("the answer has no list {list:?}: {answer}") }),
        }
    }

    async fn send(&self, method: http::Method, segments: &[&str], body: Option<Value>) -> Result<Value> {
        let what = format!("simulator: {method} /_sim/{}", segments.join("/"));
        let request = self.http.request(method, self.control(segments)?);
        self.exchange(if let Some(body) = body { request.json(&body) } else { request }, what).await
    }

    /// The address of `/_sim/` followed by `segments`.
    fn control(&self, segments: &[&str]) -> Result<reqwest::Url> {
        let mut url = reqwest::Url::parse(&self.url)
            .map_err(Error::http(format!("this is no address of a simulator: {:?}", self.url)))?;
        // Pushed one by one, as a channel name may have a slash or a question mark in it.
        url.path_segments_mut().expect("an http URL has a path").pop_if_empty().push("_sim").extend(segments);
        Ok(url)
    }

    /// The JSON value of the answer, `Null` if it has no body.
    async fn exchange(&self, request: reqwest::RequestBuilder, what: String) -> Result<Value> {
        let answer = request.send().await.map_err(Error::http(&what))?;
        let status = answer.status();
        let text = answer.text().await.map_err(Error::http(&what))?;
        if !status.is_success() {
            return Err(Error::Refused { what, status: status.as_u16(), body: text });
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(Error::http(&what))
    }
}
