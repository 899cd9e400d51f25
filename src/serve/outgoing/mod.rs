//! Requests to servers that are not AWS's: encrypted or in a private network that the configuration allows, to
//! addresses that were checked, without redirects, and bounded in time and size.

mod address;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout};

use self::address::Network;
use crate::config::{Secret, WebUrl};
use crate::printable::plain;

/// How long requests are waited for, and how often they are tried.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve) struct Limits {
    /// Tries in all.
    pub(in crate::serve) tries: u32,
    /// The wait before the second try; it doubles.
    pub(in crate::serve) first_wait: Duration,
    /// One try, with its response.
    pub(in crate::serve) one: Duration,
    /// All tries.
    pub(in crate::serve) all: Duration,
    /// The longest response that is read. Units: bytes.
    pub(in crate::serve) response: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tries: 4,
            first_wait: Duration::from_millis(500),
            one: Duration::from_secs(10),
            all: Duration::from_secs(45),
            response: 1 << 20,
        }
    }
}

/// A server that requests are sent to. Debug output leaves out the path, which may be a secret.
#[derive(Debug, Clone)]
pub(in crate::serve) struct Server {
    url: WebUrl,
    allow_private: bool,
    limits: Limits,
    /// What no error contains, also if the server repeats it.
    secret: Option<Secret>,
    connector: Arc<Connector>,
}

/// A request.
#[derive(Clone)]
pub(in crate::serve) struct Post {
    /// The whole address.
    pub(in crate::serve) url: String,
    pub(in crate::serve) headers: Vec<(&'static str, String)>,
    pub(in crate::serve) body: Bytes,
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// A request that failed. No message contains the path of the address, or a header.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{origin}: {fault}")]
pub(in crate::serve) struct HttpError {
    origin: String,
    fault: Fault,
}

#[derive(Debug, Clone, thiserror::Error)]
pub(in crate::serve) enum Fault {
    #[error("the URL is not encrypted: expected https:// (or `allow_private = true`)")]
    NotEncrypted,
    #[error(
        "{address} is on this machine or in a private network (`allow_private = true` allows it)"
    )]
    Private { address: IpAddr },
    #[error("{address} is public, and the URL is not encrypted: expected https://")]
    PublicPlain { address: IpAddr },
    #[error("{address} is no address of a server")]
    Address { address: IpAddr },
    #[error("the address of the host could not be found")]
    NotFound,
    #[error("no connection: {reason}")]
    Connection { reason: String },
    #[error("no response within {} seconds", .after.as_secs())]
    Slow { after: Duration },
    #[error("the response is longer than {limit} bytes")]
    Long { limit: usize },
    #[error("it redirects ({status}), and redirects are not followed")]
    Redirect { status: u16 },
    #[error("it responded with {status}{}{said}", if .said.is_empty() { "" } else { ": " })]
    Status { status: u16, said: String },
    #[error("the request is invalid")]
    Request,
}

impl Fault {
    /// Whether another try may succeed.
    fn is_passing(&self) -> bool {
        match self {
            Self::NotFound | Self::Connection { .. } | Self::Slow { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }
}

impl Server {
    pub(in crate::serve) fn new(
        url: WebUrl,
        allow_private: bool,
        limits: Limits,
    ) -> Result<Self, HttpError> {
        let resolver = CheckedResolver { allow_private, is_encrypted: url.is_encrypted() };
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(limits.one)
            .read_timeout(limits.one)
            .build();
        // No proxy: it would connect to addresses that nobody checked.
        let connector = Connector::builder()
            .connector_settings(settings)
            .sleep_impl(TokioSleep::new())
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_with_resolver(resolver);
        let connector = Arc::new(connector);
        let server = Self { url, allow_private, limits, secret: None, connector };
        server.check()?;
        Ok(server)
    }

    /// The same with a secret that requests contain.
    pub(in crate::serve) fn with_secret(self, secret: Option<Secret>) -> Self {
        Self { secret, ..self }
    }

    pub(in crate::serve) fn url(&self) -> &WebUrl {
        &self.url
    }

    /// Sends a request until it succeeds, or no try is left.
    pub(in crate::serve) async fn post(&self, post: Post) -> Result<Bytes, HttpError> {
        self.send(|| post_request(&post)).await
    }

    /// Reads what is at an address of the server.
    pub(in crate::serve) async fn get(&self, url: &str) -> Result<Bytes, HttpError> {
        self.send(|| http_request(http::Request::get(url), SdkBody::empty())).await
    }

    async fn send(&self, request: impl Fn() -> Option<HttpRequest>) -> Result<Bytes, HttpError> {
        self.check()?;
        let Limits { tries, first_wait, all, .. } = self.limits;
        let until = Instant::now() + all;
        let mut wait = first_wait;
        for tried in 1.. {
            let left = until.saturating_duration_since(Instant::now());
            let limit = self.limits.one.min(left);
            let answer = timeout(limit, self.once(request())).await;
            let fault = match answer.unwrap_or(Err(Fault::Slow { after: limit })) {
                Ok(body) => return Ok(body),
                Err(fault) => fault,
            };
            let jittered = wait.mul_f64(0.5 + fastrand::f64());
            if tried >= tries || !fault.is_passing() || Instant::now() + jittered >= until {
                return Err(self.error(fault));
            }
            tokio::time::sleep(jittered).await;
            wait *= 2;
        }
        Err(self.error(Fault::Request))
    }

    async fn once(&self, request: Option<HttpRequest>) -> Result<Bytes, Fault> {
        let request = request.ok_or(Fault::Request)?;
        let answer = self.connector.call(request).await.map_err(|error| {
            if error.is_timeout() {
                Fault::Slow { after: self.limits.one }
            } else {
                fault_of(&error)
            }
        })?;
        let status = answer.status().as_u16();
        match status {
            200..=299 => read(answer, self.limits.response).await,
            300..=399 => Err(Fault::Redirect { status }),
            _ => {
                let said = read(answer, SAID).await.unwrap_or_default();
                let said = String::from_utf8_lossy(&said);
                let said: String =
                    said.lines().next().unwrap_or_default().chars().take(200).collect();
                // A server may repeat what it was sent.
                let said =
                    if self.is_secret(&said) { String::new() } else { plain(&said).into_owned() };
                Err(Fault::Status { status, said })
            }
        }
    }

    /// Whether a text has a part of the address or of the secret.
    fn is_secret(&self, text: &str) -> bool {
        let path = self.url.as_str().splitn(4, '/').nth(3).unwrap_or_default();
        let of_path = path.split(['/', '?', '&', '=']).filter(|part| part.len() >= 6);
        let secret = self.secret.as_ref().map(Secret::expose).unwrap_or_default();
        let of_secret = secret.split(':').filter(|part| !part.is_empty());
        of_path.chain(of_secret).any(|part| text.contains(part))
    }

    /// Checks what is known before a connection: the scheme, and an address that is no name.
    fn check(&self) -> Result<(), HttpError> {
        if !self.url.is_encrypted() && !self.allow_private {
            return Err(self.error(Fault::NotEncrypted));
        }
        match self.url.host().parse() {
            Ok(address) => permitted(address, self.allow_private, self.url.is_encrypted())
                .map_err(|fault| self.error(fault)),
            Err(_) => Ok(()),
        }
    }

    fn error(&self, fault: Fault) -> HttpError {
        HttpError { origin: self.url.origin(), fault }
    }
}

/// How much of the response to a failed request is read. Units: bytes.
const SAID: usize = 16 << 10;

fn post_request(post: &Post) -> Option<HttpRequest> {
    let mut request = http::Request::post(&post.url).header("content-length", post.body.len());
    for (name, value) in &post.headers {
        let mut value = http::HeaderValue::from_str(value).ok()?;
        value.set_sensitive(*name == "authorization");
        request = request.header(*name, value);
    }
    http_request(request, SdkBody::from(post.body.clone()))
}

fn http_request(request: http::request::Builder, body: SdkBody) -> Option<HttpRequest> {
    let request = request.header("user-agent", concat!("orgtrail/", env!("CARGO_PKG_VERSION")));
    HttpRequest::try_from(request.body(body).ok()?).ok()
}

async fn read(answer: HttpResponse, limit: usize) -> Result<Bytes, Fault> {
    let mut body = answer.into_body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::Connection { reason: reason(&*error) })?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(Fault::Long { limit });
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes.freeze())
}

/// Whether a server may be at an address.
fn permitted(address: IpAddr, allow_private: bool, is_encrypted: bool) -> Result<(), Fault> {
    match Network::of(address) {
        Network::Refused => Err(Fault::Address { address }),
        Network::Private if !allow_private => Err(Fault::Private { address }),
        Network::Public if !is_encrypted => Err(Fault::PublicPlain { address }),
        Network::Private | Network::Public => Ok(()),
    }
}

/// Resolves names, and refuses those of which an address is not permitted: what it returns
/// is what is connected to.
#[derive(Debug, Clone, Copy)]
struct CheckedResolver {
    allow_private: bool,
    is_encrypted: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(Fault);

impl ResolveDns for CheckedResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await;
            let found = found.map_err(|_| ResolveDnsError::new(Refused(Fault::NotFound)))?;
            let addresses: Vec<IpAddr> = found.map(|it| it.ip()).collect();
            let refused = addresses
                .iter()
                .find_map(|it| permitted(*it, self.allow_private, self.is_encrypted).err());
            match refused {
                Some(fault) => Err(ResolveDnsError::new(Refused(fault))),
                None if addresses.is_empty() => Err(ResolveDnsError::new(Refused(Fault::NotFound))),
                None => Ok(addresses),
            }
        })
    }
}

fn fault_of(error: &(dyn std::error::Error + 'static)) -> Fault {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let refused = chain.clone().find_map(|error| error.downcast_ref::<Refused>());
    refused.map_or_else(|| Fault::Connection { reason: reason(error) }, |it| it.0.clone())
}

/// The innermost cause: those around it are of libraries.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let innermost = std::iter::successors(Some(error), |error| error.source()).last();
    let text = innermost.map(ToString::to_string).unwrap_or_default();
    let text: String = text.chars().take(200).collect();
    plain(&text).into_owned()
}

/// The value of the header `authorization` for a secret: a bearer token, or `USER:PASSWORD`.
pub(in crate::serve) fn authorization(secret: &Secret) -> String {
    use base64::Engine as _;
    let text = secret.expose();
    if text.contains(':') {
        return format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    }
    format!("Bearer {text}")
}

#[cfg(test)]
mod tests;
