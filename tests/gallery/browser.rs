//! A headless Chromium that shows one page, driven by chromedriver: what is on the page, what it asked for, how it looks.

use std::path::Path;

use agora_snapshot_testbed::{Process, Program, install_crypto_provider, repository};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thirtyfour::prelude::{ChromiumLikeCapabilities as _, DesiredCapabilities, WebDriver};
use thirtyfour::{BrowserLogEntry, LoggingPrefsLogLevel};

use crate::opened::Gallery;
use crate::world::{SOON, World};

/// A browser with a gallery open.
pub struct Browser<'a> {
    world: &'a World,
    address: String,
    driver: WebDriver,
    _chromedriver: Process,
}

impl<'a> Browser<'a> {
    /// Opens the gallery in a window for a desk.
    pub async fn open(world: &'a World, gallery: &Gallery) -> Self {
        install_crypto_provider();
        let name = |variable| {
            std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is set; run `make gallery`"))
        };
        let log = world.testbed.folder().join(format!("{}-chromedriver.log", world.namespace));
        let mut chromedriver = Program::new("chromedriver", Path::new(&name("CHROMEDRIVER")), log)
            .arg("--port=0")
            .start()
            .expect("chromedriver starts");
        let port = chromedriver.printed("ChromeDriver was started successfully on port ", SOON).await;
        let port = port.expect("a port").trim_end_matches('.').to_owned();
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(&name("CHROMIUM")).expect("a capability");
        for argument in [
            "--headless=new",
            // The tests may run as root, and the page is our own.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-proxy-server",
            "--force-color-profile=srgb",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ] {
            capabilities.add_arg(argument).expect("a capability");
        }
        for log in ["browser", "performance"] {
            capabilities.set_logging_prefs(log, LoggingPrefsLogLevel::All).expect("a capability");
        }
        let driver =
            WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await.expect("a browser");
        let browser =
            Self { world, address: gallery.address().to_owned(), driver, _chromedriver: chromedriver };
        browser.width(1_280, 900).await;
        browser.media("light", "no-preference").await;
        browser.driver.goto(gallery.address()).await.expect("the page is there");
        browser
    }

    /// Gives the window another size, in pixels of CSS.
    pub async fn width(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.command("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// The colour scheme and the wish for less motion that the user has set.
    pub async fn media(&self, scheme: &str, motion: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion}]);
        self.command("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    async fn command(&self, method: &str, parameters: Value) -> Value {
        self.driver
            .cdp()
            .send_raw(method, parameters)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// What an expression is in the page.
    pub async fn is(&self, expression: &str) -> Value {
        let script =
            format!("const $ = (selector) => document.querySelector(selector); return ({expression});");
        let value = self.driver.execute(script, vec![]).await;
        value.unwrap_or_else(|error| panic!("{expression}: {error}")).json().clone()
    }

    /// Waits until an expression is true in the page.
    pub async fn until(&self, expression: &str) {
        self.world
            .eventually(&format!("{expression} in the page"), SOON, async || {
                (self.is(expression).await == Value::Bool(true)).then_some(())
            })
            .await;
    }

    /// Types keys where the focus is.
    pub async fn press(&self, keys: &str) {
        self.driver.action_chain().send_keys(keys).perform().await.expect("keys");
    }

    /// Reads the whole page's looks into target/gallery.
    pub async fn picture(&self, name: &str) {
        let parameters = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.command("Page.captureScreenshot", parameters).await;
        let bytes = STANDARD.decode(shot["data"].as_str().expect("data")).expect("base64");
        let folder = repository().join("target/gallery");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), bytes).expect("a file");
    }

    /// Addresses of all that the page asked for since the last time.
    pub async fn requests(&self) -> Vec<String> {
        let address = |entry: BrowserLogEntry| {
            let message: Value = serde_json::from_str(&entry.message).ok()?;
            let message = &message["message"];
            (message["method"] == "Network.requestWillBeSent")
                .then(|| message["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
        };
        self.driver.get_log("performance").await.expect("a log").into_iter().filter_map(address).collect()
    }

    /// What the browser complained of since the last time.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.expect("a log");
        log.into_iter().map(|entry| format!("{} {}", entry.level, entry.message)).collect()
    }

    /// Checks that the page asked nothing of anybody but its gallery, with nothing to complain of. Gives what it asked for.
    pub async fn assert_alone_and_content(&self) -> Vec<String> {
        let (asked, complaints) = (self.requests().await, self.complaints().await);
        let elsewhere: Vec<_> = asked.iter().filter(|url| !url.starts_with(&self.address)).collect();
        assert!(elsewhere.is_empty() && !asked.is_empty(), "{elsewhere:#?} of {}", asked.len());
        assert!(complaints.is_empty(), "{complaints:#?}");
        asked
    }

    /// Ends the browser.
    pub async fn close(self) {
        self.driver.quit().await.expect("it ends");
    }
}
