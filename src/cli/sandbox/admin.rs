//! The admin calls of a sandbox.

use http::Method;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cli::{Explain, Outcome};

/// The response to a tick.
#[derive(Debug, Deserialize)]
pub(super) struct Ticked {
    pub(super) now: Timestamp,
}

/// The response to a confirmation.
#[derive(Debug, Deserialize)]
pub(super) struct Confirmed {
    pub(super) confirmed: u64,
}

/// The process of a sandbox.
#[derive(Debug, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: u32,
}

/// Advances a sandbox's clock.
pub(super) async fn tick(endpoint: &str, hours: u32) -> Result<Ticked, AdminError> {
    let body = format!("{{\"seconds\":{}}}", u64::from(hours) * 3600);
    call(endpoint, Method::POST, "/_sandbox/tick", body).await
}

/// Confirms every pending subscription.
pub(super) async fn confirm(endpoint: &str) -> Result<Confirmed, AdminError> {
    call(endpoint, Method::POST, "/_sandbox/confirm", String::new()).await
}

/// The process id of a sandbox.
pub(super) async fn identity(endpoint: &str) -> Result<Identity, AdminError> {
    call(endpoint, Method::GET, "/_sandbox/state", String::new()).await
}

/// Why a call of a sandbox failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// Only a sandbox has these calls, and it listens on loopback alone.
    #[error("`{found}` is not a sandbox endpoint: expected `http://127.0.0.1:PORT`")]
    Endpoint { found: String },
    /// Nothing listens there.
    #[error("calling the sandbox at {endpoint}")]
    Connect { endpoint: String, source: std::io::Error },
    /// The connection broke.
    #[error("calling the sandbox at {endpoint}")]
    Http { endpoint: String, source: hyper::Error },
    /// The sandbox refused the call.
    #[error("the sandbox returned {status}: {answer}")]
    Refused { status: u16, answer: String },
}

impl Explain for AdminError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Connect { .. } => Some("start one with `orgtrail sandbox up`".to_owned()),
            Self::Endpoint { .. } => {
                Some("`orgtrail sandbox up` prints it as AWS_ENDPOINT_URL".to_owned())
            }
            _ => None,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Endpoint { .. } => Outcome::Usage,
            _ => Outcome::Unexpected,
        }
    }
}

async fn call<T: DeserializeOwned>(
    endpoint: &str,
    method: Method,
    path: &str,
    body: String,
) -> Result<T, AdminError> {
    let bad = || AdminError::Endpoint { found: endpoint.to_owned() };
    let address = endpoint.strip_prefix("http://").ok_or_else(bad)?.trim_end_matches('/');
    let address = address.replace("localhost:", "127.0.0.1:");
    let address: std::net::SocketAddr = address.parse().map_err(|_| bad())?;
    if !address.ip().is_loopback() {
        return Err(bad());
    }
    let connect = |source| AdminError::Connect { endpoint: endpoint.to_owned(), source };
    let http = |source| AdminError::Http { endpoint: endpoint.to_owned(), source };
    let stream = tokio::net::TcpStream::connect(address).await.map_err(connect)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let connection = tokio::spawn(connection);
    let mut request = http::Request::new(Full::<bytes::Bytes>::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|_| bad())?;
    if let Ok(host) = address.to_string().parse() {
        request.headers_mut().insert(http::header::HOST, host);
    }
    let response = sender.send_request(request).await.map_err(http)?;
    let status = response.status();
    let answer = response.into_body().collect().await.map_err(http)?.to_bytes();
    drop(sender);
    // The end of the connection adds nothing to the response.
    drop(connection.await);
    let refused = || AdminError::Refused {
        status: status.as_u16(),
        answer: String::from_utf8_lossy(&answer).into_owned(),
    };
    if !status.is_success() {
        return Err(refused());
    }
    serde_json::from_slice(&answer).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_env::TestEnv;

    #[tokio::test]
    async fn a_tick_reaches_the_sandbox() {
        let sandbox = TestEnv::start().await.sandbox;
        let before = sandbox.now();
        let answer = tick(&sandbox.endpoint(), 2).await.unwrap();
        assert_eq!(answer.now, sandbox.now());
        assert_eq!(sandbox.now().duration_since(before).as_hours(), 2);
        let identity = identity(&sandbox.endpoint()).await.unwrap();
        assert_eq!(identity.pid, std::process::id());
    }

    #[tokio::test]
    async fn what_is_no_sandbox_is_refused() {
        for endpoint in ["https://127.0.0.1:1", "http://192.0.2.1:80", "127.0.0.1:80", "http://x"] {
            let error = tick(endpoint, 1).await.unwrap_err();
            assert!(matches!(error, AdminError::Endpoint { .. }), "{endpoint}: {error}");
        }
        // Another response is not taken for a sandbox's.
        let sandbox = TestEnv::start().await.sandbox;
        let path = "/_sandbox/confirm";
        let answer = call::<Ticked>(&sandbox.endpoint(), Method::POST, path, String::new()).await;
        assert!(matches!(answer, Err(AdminError::Refused { status: 200, .. })), "{answer:?}");
    }
}
