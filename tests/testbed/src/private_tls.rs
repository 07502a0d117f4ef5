//! TLS by an authority that nobody knows unless told: for what is to be reached over https although its server speaks
//! plain HTTP. Owns the authority's certificates and the way through; trusting it is the caller's part.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An authority of this run alone, and a certificate that it gave to `localhost`.
#[derive(Clone)]
pub struct PrivateTls {
    root: String,
    acceptor: TlsAcceptor,
}

impl PrivateTls {
    /// A new authority.
    ///
    /// # Panics
    /// Keys, certificates or TLS cannot be made: there is no input that could be at fault.
    pub fn generate() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("an authority").pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().expect("a key");
        let localhost = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = localhost.signed_by(&key, &issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate and its key");
        Self { root, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// The authority's certificate, PEM.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Speaks TLS for the server of an `http` URL, as long as the runtime lives. Gives the same URL, path included, as
    /// `https://localhost:PORT`.
    ///
    /// # Panics
    /// The URL is none of `http`, or no port of loopback is free.
    pub async fn in_front_of(&self, url: &str) -> String {
        let rest = url.strip_prefix("http://").expect("an http URL").trim_end_matches('/');
        let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let acceptor = self.acceptor.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await?;
                    let mut server = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        format!("https://localhost:{port}{path}")
    }
}
