//! A gate on the way to the API server: what is sent through it, or answered, can be held at a moment that the test knows.
//!
//! It passes on bytes and cannot read them, for they are encrypted; that something is held can be awaited.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::world::{SOON, World};

/// One way through the gate.
#[derive(Clone)]
pub struct Way {
    closed: watch::Sender<bool>,
    /// How often something had to wait since it was closed.
    held: watch::Sender<u64>,
}

/// Both ways, and a kubeconfig that leads through them.
pub struct Gate {
    /// To the API server.
    pub requests: Way,
    /// From it; watches, too.
    pub answers: Way,
    pub kubeconfig: PathBuf,
}

impl Way {
    fn new() -> Self {
        Self { closed: watch::Sender::new(false), held: watch::Sender::new(0) }
    }

    /// From now on all is held.
    pub fn close(&self) {
        self.held.send_replace(0);
        self.closed.send_replace(true);
    }

    /// What was held goes on.
    pub fn open(&self) {
        self.closed.send_replace(false);
    }

    /// Waits until something is held.
    pub async fn until_held(&self) {
        let mut held = self.held.subscribe();
        let wait = held.wait_for(|held| *held > 0);
        tokio::time::timeout(SOON, wait).await.expect("something to hold in time").expect("the gate stands");
    }

    async fn pass_on(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
        let mut closed = self.closed.subscribe();
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let count = from.read(&mut bytes).await?;
            if *closed.borrow_and_update() {
                self.held.send_modify(|held| *held += 1);
            }
            if closed.wait_for(|closed| !closed).await.is_err() || count == 0 {
                return to.shutdown().await;
            }
            to.write_all(&bytes[..count]).await?;
        }
    }
}

impl Gate {
    /// An open gate before the API server of this world, for its operator.
    pub async fn before(world: &World) -> Self {
        let server = world.testbed.control_plane().url().to_owned();
        let target = server.trim_start_matches("https://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (requests, answers) = (Way::new(), Way::new());
        tokio::spawn(accept(listener, target, requests.clone(), answers.clone()));
        Self { requests, answers, kubeconfig: kubeconfig(world, &server, address) }
    }
}

async fn accept(listener: TcpListener, target: String, requests: Way, answers: Way) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&target).await else { continue };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::spawn(requests.clone().pass_on(from_client, to_server));
        tokio::spawn(answers.clone().pass_on(from_server, to_client));
    }
}

/// The operator's kubeconfig with the gate in place of the server.
fn kubeconfig(world: &World, server: &str, address: SocketAddr) -> PathBuf {
    let text = std::fs::read_to_string(&world.operator_options.kubeconfig).expect("a kubeconfig");
    let through = text.replace(server, &format!("https://{address}"));
    assert_ne!(through, text, "the kubeconfig names {server}");
    let path = world.testbed.folder().join(format!("{}-gate.kubeconfig", world.namespace));
    std::fs::write(&path, through).expect("a file");
    path
}
