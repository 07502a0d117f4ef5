//! A real API server, S3 server, simulator and operator on free ports, for the tests and the demo.
//!
//! [`Testbed`] is what tests begin with: it joins the servers that `testbed exec` started for the whole test run,
//! or starts them for this test binary. Each test then takes a namespace, a bucket, a [`Simulator`] and an
//! [`Operator`] of its own, so that all of them run side by side. Nothing here imitates a server: each is a process.

mod audit;
mod control_plane;
pub mod demo;
mod error;
mod evidence;
mod folder;
#[cfg(target_os = "linux")]
pub mod node;
mod operator;
mod private_tls;
mod processes;
mod programs;
mod runner;
mod s3;
mod samples;
mod simulator;
mod testbed;
mod users;
mod watchdog;

pub use audit::{AuditLog, Marker, Write, Writes};
pub use control_plane::{ControlPlane, Reach};
pub use error::{Error, Result};
pub use evidence::evidence;
pub use folder::Folder;
pub use operator::{Operator, OperatorOptions};
pub use private_tls::PrivateTls;
pub use processes::{Process, Program};
pub use programs::{
    NodePrograms, Servers, helm_program, operator_program, plugin_program, simulator_program,
};
pub use runner::exec;
pub use s3::{Keys, REGION, Rights, S3};
pub use samples::samples;
pub use simulator::{NotificationEndpoint, Simulator, SimulatorControl, SimulatorOptions};
pub use testbed::Testbed;

/// Makes ring the crypto provider of this process. Every TLS client wants one, also for plain HTTP, and the
/// first caller wins, so that this may be called any number of times.
pub fn install_crypto_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The folder of the repository.
pub fn repository() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the testbed is two folders down").to_owned()
}

/// A client for the plain HTTP interfaces of the testbed; a proxy of the environment is not for them.
pub(crate) fn http_client() -> Result<reqwest::Client> {
    install_crypto_provider();
    reqwest::Client::builder().no_proxy().build().map_err(Error::http("cannot make an HTTP client"))
}

/// A port of the loopback address that was free a moment ago. Another process may take it before ours does, so
/// whoever starts a server on it starts again with another port when the server reports that.
pub(crate) fn free_port() -> Result<u16> {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::file("cannot find a free port on", std::path::Path::new("127.0.0.1")))
}

/// 16 bytes that nobody guesses, as 32 hexadecimal digits: a token or key for this run alone.
pub(crate) fn random_hex() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    hex::encode(bytes)
}
