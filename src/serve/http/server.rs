//! Connections: how many there are, how long they last, and their end.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::bound::{Bound, Listener};
use super::stall::Stalling;
use super::tls::{Tls, client_id};
use crate::ops::OpError;
use crate::stop::Stop;

/// The most connections at once.
const MOST_CONNECTIONS: usize = 512;
/// How long a client may take to send a request's head, and be idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may read nothing.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests may go on after a stop was requested.
const DRAIN: Duration = Duration::from_secs(8);
/// The longest head of a request. Units: bytes.
const LONGEST_HEAD: usize = 16 << 10;
/// The most headers of a request.
const MOST_HEADERS: usize = 64;
/// How long to wait after the operating system refused a connection, as without free files.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);
/// The answer to a connection too many.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\
    retry-after: 5\r\nconnection: close\r\n\r\n";

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Peer {
    /// Its address; none on a Unix socket.
    pub(super) address: Option<IpAddr>,
    /// Whether the connection is encrypted here.
    pub(super) is_encrypted: bool,
    /// The verified certificate that the client presented, as logs name it.
    pub(super) certificate: Option<String>,
}

/// A connection that was accepted.
enum Stream {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

/// Answers requests until a stop is requested.
pub(super) async fn run(bound: Bound, router: Router, stop: Stop) -> Result<(), OpError> {
    let Bound { listener, tls, .. } = bound;
    let tls = tls.map(Arc::new);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = stop.requested() => break,
            // Ended connections leave nothing behind.
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(AFTER_REFUSAL).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                connections.spawn(connection(
                    stream,
                    tls.clone(),
                    router.clone(),
                    stop.clone(),
                    place,
                ));
            }
            Err(_) => refuse(&stream, tls.is_some()),
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, ended).await.is_err() {
        tracing::warn!("ended requests that took too long");
        connections.shutdown().await;
    }
    Ok(())
}

async fn accept(listener: &Listener) -> io::Result<Stream> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            // Answers are written at once; waiting to fill packets only delays them.
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream, address.ip().to_canonical()))
        }
        Listener::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
    }
}

/// Ends a connection too many, without waiting for it.
fn refuse(stream: &Stream, is_encrypted: bool) {
    tracing::warn!("refused a connection: there are {MOST_CONNECTIONS}");
    if !is_encrypted {
        // A client that cannot be written to at once gets no answer.
        let _ = match stream {
            Stream::Tcp(stream, _) => stream.try_write(FULL),
            Stream::Unix(stream) => stream.try_write(FULL),
        };
    }
}

async fn connection(
    stream: Stream,
    tls: Option<Arc<Tls>>,
    router: Router,
    stop: Stop,
    _place: OwnedSemaphorePermit,
) {
    match stream {
        Stream::Unix(stream) => answer(stream, Peer::default(), router, stop).await,
        Stream::Tcp(stream, address) => {
            let peer = Peer { address: Some(address), ..Peer::default() };
            let Some(tls) = tls else { return answer(stream, peer, router, stop).await };
            let Some(config) = tls.current() else { return };
            let handshake = TlsAcceptor::from(config).accept(stream);
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
                Ok(Ok(stream)) => {
                    let certificate = client_id(stream.get_ref().1.peer_certificates());
                    let peer = Peer { is_encrypted: true, certificate, ..peer };
                    answer(stream, peer, router, stop).await;
                }
                Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
            }
        }
    }
}

/// Answers the requests of one connection.
async fn answer<S>(stream: S, peer: Peer, router: Router, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request)
    });
    let stream = TokioIo::new(Stalling::new(stream, STALL_TIMEOUT));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(LONGEST_HEAD)
            .max_headers(MOST_HEADERS)
            .serve_connection(stream, service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
