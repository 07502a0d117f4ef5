//! The program as a process of its own, and its interfaces.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{APP, UID};

pub struct Program {
    pub child: Child,
    pub url: String,
    pub http: Client,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    pub fn run(more: &[&str]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = Command::new(env!("CARGO_BIN_EXE_agora-simulator"))
            .args([
                "--app-id",
                APP,
                "--customer-id",
                "customer",
                "--customer-secret",
                "secret",
                "--seed",
                "1",
            ])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect(&line).to_owned();
        Self { child, url, http: Client::builder().no_proxy().build().unwrap() }
    }

    pub fn api(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}/v1/apps/{APP}/cloud_recording/{path}", self.url);
        let request = if method == "GET" { self.http.get(url) } else { self.http.post(url) };
        request.basic_auth("customer", Some("secret"))
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), reqwest::Error> {
        read(self.api("POST", path).json(body).send().await?).await
    }

    pub async fn sim(&self, path: &str) -> Value {
        self.http.get(format!("{}/_sim/{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    pub async fn join(&self, cname: &str) {
        let url = format!("{}/_sim/channels/{cname}/users/7", self.url);
        assert_eq!(self.http.put(url).send().await.unwrap().status(), 200);
    }

    pub async fn fault(&self, fault: Value) -> u16 {
        let url = format!("{}/_sim/faults", self.url);
        self.http.post(url).json(&fault).send().await.unwrap().status().as_u16()
    }

    pub async fn resource(&self) -> String {
        let (status, body) = self.post("acquire", &plain()).await.unwrap();
        assert_eq!(status, 200, "{body}");
        body["resourceId"].as_str().unwrap().to_owned()
    }

    pub async fn started(&self) -> (String, String) {
        let resource = self.resource().await;
        let (status, body) =
            self.post(&format!("resourceid/{resource}/mode/individual/start"), &start()).await.unwrap();
        assert_eq!(status, 200, "{body}");
        (resource, body["sid"].as_str().unwrap().to_owned())
    }
}

pub async fn read(response: Response) -> Result<(u16, Value), reqwest::Error> {
    let status = response.status().as_u16();
    let text = response.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

pub fn plain() -> Value {
    json!({"cname": "lobby", "uid": UID, "clientRequest": {}})
}

pub fn start() -> Value {
    json!({"cname": "lobby", "uid": UID, "clientRequest": {
        "token": "T0KEN",
        "recordingConfig": {"channelType": 1, "streamTypes": 1},
        "snapshotConfig": {"captureInterval": 5, "fileType": ["jpg"]},
        "storageConfig": {"vendor": 1, "region": 0, "bucket": "snapshots", "accessKey": "AKEY", "secretKey": "SKEY",
            "fileNamePrefix": ["a"]},
    }})
}
