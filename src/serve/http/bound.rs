//! Where the service listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::access::Access;
use super::tls::{self, Tls};
use crate::config::{Config, ListenAddress, ListenPlace};
use crate::ops::{OpError, Outcome};

/// The permissions of a Unix socket: its owner and group.
const SOCKET_MODE: u32 = 0o660;

/// A service that listens, and does not answer yet.
#[derive(Debug)]
pub struct Bound {
    pub(super) listener: Listener,
    pub(super) tls: Option<Tls>,
    pub(super) access: Arc<Access>,
    url: String,
}

#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // What is left of the socket would refuse every connection.
            let _ = fs::remove_file(path);
        }
    }
}

impl Bound {
    /// Where clients of this machine reach it: a URL, or the path of a Unix socket.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address; none for a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }
}

/// Listens where the configuration says.
///
/// # Errors
/// Other machines could use it without authentication, a file of certificates or tokens
/// cannot be used, or the address is taken.
pub async fn bind(config: &Config) -> Result<Bound, OpError> {
    let (listen, settings) = (&config.service.listen, &config.service.access);
    if !listen.is_local() && !settings.authenticates() {
        let message = format!(
            "other machines can reach {}, and no client has to authenticate",
            listen.as_str()
        );
        return Err(OpError::usage(message).with_hint(
            "set `service.access.tokens`, `client_ca`, `load_balancer`, or `trusted_proxies` with \
             `identity_header`; or listen on 127.0.0.1 or a Unix socket",
        ));
    }
    let tls = tls::of(settings).map_err(|error| OpError::usage(format!("TLS: {error}")))?;
    let listener = listen_on(listen).await.map_err(|error| {
        OpError::new(format!("listening on {}: {error}", listen.as_str()), Outcome::Usage)
            .with_hint("set `service.listen` to an address that is free")
    })?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = match &listener {
        Listener::Tcp(tcp) => match tcp.local_addr() {
            Ok(address) => format!("{scheme}://{address}/"),
            Err(_) => listen.as_str().to_owned(),
        },
        Listener::Unix(..) => listen.as_str().to_owned(),
    };
    let access = Arc::new(Access::new(config, tls.is_some())?);
    Ok(Bound { listener, tls, access, url })
}

async fn listen_on(listen: &ListenAddress) -> io::Result<Listener> {
    match listen.place() {
        ListenPlace::Tcp(address) => TcpListener::bind(address).await.map(Listener::Tcp),
        ListenPlace::Unix(path) => {
            remove_stale(path).await?;
            let listener = UnixListener::bind(path)?;
            set_mode(path)?;
            Ok(Listener::Unix(listener, path.clone()))
        }
    }
}

/// Removes what an earlier process left of its socket. Nothing else is removed.
async fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    let Ok(about) = fs::symlink_metadata(path) else { return Ok(()) };
    if !about.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

fn set_mode(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))
}
