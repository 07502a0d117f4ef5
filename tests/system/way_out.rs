//! The way to the vendor and to buckets: through the proxy of the environment, and over TLS by a private authority.
//! The API server is not reached that way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use agora_snapshot_testbed::PrivateTls;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::telling::assert_has;
use crate::world::{CANARY, Plan, SOON, World, condition};

/// A proxy that does as it is asked and remembers what that was.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = heads.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, seen.clone()));
            }
        });
        Self { address, heads }
    }

    /// With a user and a password, as administrators write it.
    fn url(&self) -> String {
        format!("http://user:{CANARY}@{}", self.address)
    }

    /// The request lines so far.
    fn asked(&self) -> Vec<String> {
        let heads = self.heads.lock().expect("no panic under the lock");
        heads.iter().filter_map(|head| head.lines().next().map(str::to_owned)).collect()
    }

    /// All requests carried the user and the password.
    fn assert_authorized(&self) {
        let expected = format!("basic {}", BASE64_STANDARD.encode(format!("user:{CANARY}"))).to_lowercase();
        for head in self.heads.lock().expect("no panic under the lock").iter() {
            let head = head.to_lowercase();
            assert!(head.contains(&format!("proxy-authorization: {expected}")), "{head}");
        }
    }
}

/// One connection: a tunnel after CONNECT, else HTTP whose first request names where it all goes.
async fn pass_on(mut client: TcpStream, seen: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    seen.lock().expect("no panic under the lock").push(text.clone());
    let target = text.split(' ').nth(1).unwrap_or_default();
    let tunnel = text.starts_with("CONNECT ");
    let authority = target.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let mut server = TcpStream::connect(authority).await?;
    if tunnel {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    } else {
        server.write_all(&head).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

/// A job takes snapshots and they are counted: the vendor and the bucket are reached.
async fn works(world: &World) {
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    let counts = |job: &Value| job["status"]["snapshots"]["count"].as_i64() > Some(0);
    world.until("lobby", "snapshots to be counted", SOON, counts).await;
}

fn host(url: &str) -> &str {
    url.split("://").nth(1).expect("a URL").trim_end_matches('/')
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_by_a_private_authority_and_tunnels_of_a_proxy_lead_to_the_vendor_and_to_buckets() {
    let plan = Plan::new("tls").faster(20).operator_argument("--snapshot-status-interval=10s");
    let mut world = plan.make_without_operator().await;
    let tls = PrivateTls::generate();
    let bundle = world.testbed.folder().join(format!("{}.pem", world.namespace));
    std::fs::write(&bundle, tls.root()).expect("a file");
    let vendor = tls.in_front_of(world.simulator.url()).await;
    let storage = tls.in_front_of(world.testbed.s3().endpoint()).await;
    let proxy = Proxy::start().await;
    world.operator_options.agora_endpoints = vec![vendor.clone()];
    world.operator_options.storage_endpoint = Some(storage.clone());
    world.operator_options.environment =
        vec![("HTTPS_PROXY".into(), proxy.url()), ("NO_PROXY".into(), "no-such-host.example".into())];

    // Without the authority the vendor is not trusted, and that is told.
    world.start_operator().await;
    world.create("stranger", world.spec("stranger")).await;
    let job = world.until_ready_is("stranger", "False", "VendorUnavailable").await;
    let told = condition(&job, "Ready").expect("Ready")["message"].as_str().expect("words").to_owned();
    assert_has(&told, &["unknown authority"]);
    world.delete("stranger").await;
    world.until_gone("stranger", SOON).await;
    world.stop_operator().await;

    world.operator_options.arguments.push(format!("--ca-bundle={}", bundle.display()));
    world.start_operator().await;
    works(&world).await;
    let asked = proxy.asked();
    for url in [&vendor, &storage] {
        let tunnel = format!("CONNECT {} ", host(url));
        assert!(asked.iter().any(|line| line.starts_with(&tunnel)), "{tunnel}: {asked:#?}");
    }
    let cluster = host(world.testbed.control_plane().url()).to_owned();
    assert!(
        !asked.iter().any(|line| line.contains(&cluster)),
        "the API server is in the cluster: {asked:#?}"
    );
    proxy.assert_authorized();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_for_plain_http_is_asked_except_for_what_needs_none() {
    let plan = Plan::new("proxy").faster(20).operator_argument("--snapshot-status-interval=10s");
    let mut world = plan.make_without_operator().await;
    let proxy = Proxy::start().await;
    // The simulator as `localhost`, so that it can be told apart from the bucket's server.
    let vendor = world.simulator.url().replace("127.0.0.1", "localhost");
    world.operator_options.agora_endpoints = vec![vendor.clone()];
    let storage = world.testbed.s3().endpoint().to_owned();
    assert!(host(&storage).starts_with("127.0.0.1"), "{storage}");
    world.operator_options.environment =
        vec![("HTTP_PROXY".into(), proxy.url()), ("NO_PROXY".into(), "127.0.0.1".into())];
    world.start_operator().await;
    works(&world).await;
    let asked = proxy.asked();
    assert!(asked.iter().any(|line| line.starts_with(&format!("POST {vendor}/v1/apps/"))), "{asked:#?}");
    assert!(asked.iter().all(|line| line.contains(host(&vendor))), "{asked:#?}");
    proxy.assert_authorized();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_no_use_ends_the_start_with_words() {
    let world = Plan::new("bad-bundle").make_without_operator().await;
    let empty = world.testbed.folder().join(format!("{}.pem", world.namespace));
    std::fs::write(&empty, "").expect("a file");
    for (path, words) in
        [(empty.as_path(), "no certificate in it"), ("/nowhere/ca.pem".as_ref(), "cannot be read")]
    {
        let program = agora_snapshot_testbed::operator_program().expect("the operator is built");
        let output = std::process::Command::new(program)
            .args(["run", "--metrics-bind-address=127.0.0.1:0", "--health-bind-address=127.0.0.1:0"])
            .arg(format!("--ca-bundle={}", path.display()))
            .env("KUBECONFIG", &world.operator_options.kubeconfig)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_has(&told, &["--ca-bundle", &path.display().to_string(), words]);
    }
    world.end().await;
}
