//! `open`: the gallery, a page on this machine's loopback address that shows the snapshots of one job.
//!
//! `gate` decides who is answered, `routes` what there is to ask for, `album` knows the snapshots, `told` is the shape in
//! which the page is told of them. The page itself is in `page/`: it loads nothing from anywhere else.

mod album;
mod gate;
mod routes;
mod told;

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::cluster::Cluster;
use super::ls::print;
use super::problem::PluginError;
use super::reach::Reach;
use album::Album;
use gate::Gate;

/// Shows the job until Ctrl-C. Port 0 is any that is free.
pub(super) async fn run(cluster: Cluster, reach: Reach, job: &str, port: u16) -> Result<(), PluginError> {
    let album = Arc::new(Album::of(cluster, reach, job).await?);
    let taken = |source| PluginError::Listen { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(taken)?;
    let port = listener.local_addr().map_err(taken)?.port();
    let gate = Gate::new(port);
    // Alone on standard output, for whoever hands it on to a browser.
    print(&format!("{}\n", gate.address()))?;
    eprintln!(
        "Open it in a browser on this machine. Whoever has this address sees the snapshots, as long as this runs; Ctrl-C ends it."
    );
    let serving = axum::serve(listener, routes::of(album, gate));
    // What is under way is dropped: nothing of it is half done anywhere.
    tokio::select! {
        served = serving.into_future() => served.map_err(|source| PluginError::Listen { port, source }),
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(PluginError::file("Ctrl-C")),
    }
}
