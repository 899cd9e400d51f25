//! The endpoint: accepts, authenticates, routes, answers.

mod admin;
mod cbor;
mod damage;
mod form;
mod protocol;
mod route;
mod s3_call;
mod xml;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::simulation::Simulation;

/// How long no connection is taken after one could not be.
const ACCEPT_AGAIN: std::time::Duration = std::time::Duration::from_millis(50);
/// How long a stop waits for requests under way.
const GRACE: std::time::Duration = std::time::Duration::from_millis(500);

/// Binds the endpoint on loopback; port 0 takes any free one.
pub(super) async fn bind(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves until `stop` says so, then lets requests under way finish.
pub(super) async fn serve(
    listener: TcpListener,
    simulation: Arc<Simulation>,
    mut stop: watch::Receiver<bool>,
) {
    let endpoint = Arc::new(route::Endpoint::new(simulation));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // A broken connection does no harm; where no more can be open, some
            // must end first.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        connections.spawn(connection(stream, Arc::clone(&endpoint), stop.clone()));
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(
    stream: TcpStream,
    endpoint: Arc<route::Endpoint>,
    mut stop: watch::Receiver<bool>,
) {
    // Small answers must not wait for more to send.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let endpoint = Arc::clone(&endpoint);
        async move { endpoint.answer(request).await }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    tokio::select! {
        // How a connection ends is the client's business.
        _ = serving.as_mut() => {}
        () = stopped(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            drop(serving.await);
        }
    }
}

/// Waits until the sandbox is to stop, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
