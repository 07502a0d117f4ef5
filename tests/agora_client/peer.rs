//! What stands at the other end of a connection when something goes wrong below HTTP: it breaks off, keeps silent,
//! sends half an answer. The vendor's own behaviour is the simulator's.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// What is done with a request.
#[derive(Clone)]
pub(crate) enum Reaction {
    /// Status line, headers and body, with the length that goes with them.
    Answer { status: &'static str, headers: &'static str, body: String },
    /// The head of a longer answer, and then nothing more.
    HalfAnswer,
    /// The head of a longer answer, and then the connection ends.
    CutAnswer,
    /// Nothing, for ever.
    Silence,
    /// The connection ends.
    Close,
    /// The connection is reset, before the request is read.
    Reset,
    /// HTTP, whatever is spoken to it.
    Babble,
}

/// A 200 with this body.
pub(crate) fn ok(body: impl ToString) -> Reaction {
    Reaction::Answer {
        status: "200 OK",
        headers: "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
        body: body.to_string(),
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Number of its connection, from 0.
    pub(crate) connection: usize,
    /// Request line and headers as they came.
    pub(crate) head: String,
    /// Body.
    pub(crate) body: String,
}

#[derive(Default)]
struct Shared {
    reactions: Mutex<Vec<Reaction>>,
    received: Mutex<Vec<Received>>,
    over: Mutex<bool>,
    ended: Condvar,
}

/// A listening peer; its connections end with it.
pub(crate) struct Peer {
    port: u16,
    shared: Arc<Shared>,
}

impl Peer {
    /// One reaction for each request, over all connections; the last one for all that follow.
    pub(crate) fn start(reactions: impl IntoIterator<Item = Reaction>) -> Self {
        Self::serve(reactions, None)
    }

    /// The same behind TLS.
    pub(crate) fn with_tls(reactions: impl IntoIterator<Item = Reaction>, tls: rustls::ServerConfig) -> Self {
        Self::serve(reactions, Some(Arc::new(tls)))
    }

    fn serve(reactions: impl IntoIterator<Item = Reaction>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        *shared.reactions.lock().unwrap() = reactions.into_iter().collect();
        let serving = shared.clone();
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (shared, tls) = (serving.clone(), tls.clone());
                let stream = stream.unwrap();
                thread::spawn(move || match tls {
                    None => shared.converse(connection, stream),
                    Some(config) => {
                        let tls = rustls::ServerConnection::new(config).unwrap();
                        shared.converse(connection, rustls::StreamOwned::new(tls, stream));
                    }
                });
            }
        });
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn https_url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        *self.shared.over.lock().unwrap() = true;
        self.shared.ended.notify_all();
    }
}

trait Wire: std::io::Read + std::io::Write {
    /// Reads one byte, so that more is left unread, and ends: the kernel answers that with a reset.
    fn reset(self);

    /// Reads until the other side ends.
    fn drain(&mut self) {
        while matches!(self.read(&mut [0; 1024]), Ok(1..)) {}
    }
}

impl Wire for TcpStream {
    fn reset(mut self) {
        let _ = self.read(&mut [0]);
    }
}

impl Wire for rustls::StreamOwned<rustls::ServerConnection, TcpStream> {
    fn reset(mut self) {
        let _ = self.conn.complete_io(&mut self.sock);
        self.sock.reset();
    }
}

impl Shared {
    fn converse(&self, connection: usize, mut stream: impl Wire) {
        loop {
            let first = self.reactions.lock().unwrap()[0].clone();
            match first {
                Reaction::Reset => {
                    self.next();
                    return stream.reset();
                }
                Reaction::Babble => {
                    self.next();
                    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                    return stream.drain();
                }
                _ => {}
            }
            let Some((head, body)) = request(&mut stream) else { return };
            self.received.lock().unwrap().push(Received { connection, head, body });
            let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
            match self.next() {
                Reaction::Answer { status, headers, body } => {
                    let length = body.len();
                    let answer =
                        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
                    // The client may be gone by now.
                    let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
                }
                Reaction::HalfAnswer => {
                    stream.write_all(half.as_bytes()).and_then(|()| stream.flush()).unwrap();
                    return self.wait_for_end();
                }
                Reaction::CutAnswer => {
                    return stream.write_all(half.as_bytes()).and_then(|()| stream.flush()).unwrap();
                }
                Reaction::Silence => return self.wait_for_end(),
                Reaction::Close | Reaction::Reset | Reaction::Babble => return,
            }
        }
    }

    fn next(&self) -> Reaction {
        let mut reactions = self.reactions.lock().unwrap();
        if reactions.len() > 1 { reactions.remove(0) } else { reactions[0].clone() }
    }

    fn wait_for_end(&self) {
        let over = self.over.lock().unwrap();
        drop(self.ended.wait_while(over, |over| !*over).unwrap());
    }
}

/// One request, or `None` at the end of the connection.
fn request(stream: &mut impl std::io::Read) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) | Err(_) => return None,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}
