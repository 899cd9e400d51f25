//! The only access to the network: encrypted or on this machine, with limits for the size
//! and duration of responses.
//!
//! Every client uses it, including those that read credentials: the environment decides
//! where calls go, so responses are untrusted.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// The longest answer that is no object: a page of 1,000 keys has at most 5 MiB.
/// Units: bytes.
const ANSWER_LIMIT: u64 = 32 << 20;
/// How long a body may take, however short it is.
const PATIENCE: Duration = Duration::from_mins(1);
/// The slowest that an object may come. Units: bytes per second.
const SLOWEST: u64 = 16 << 10;

/// Where the SDK asks for the credentials of instances and containers: AWS answers there
/// without encryption, and no packet leaves the machine's own link.
///
/// Source: the EC2 user guide, the ECS developer guide and the EKS user guide.
const METADATA: [&str; 5] =
    ["169.254.169.254", "fd00:ec2::254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// An address that is reached without encryption, and is not on this machine.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the endpoint {address} is not encrypted and not on this machine")]
pub(super) struct PlainHttp {
    pub(super) address: String,
}

/// Marks a request whose answer is an object: as long as it states.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerIsObject;

/// The one HTTP client: TLS by rustls, proxies from the environment, no
/// decompression of contents.
pub(super) fn http_client(allow_plain_http: bool) -> SharedHttpClient {
    let through = |proxy: fn() -> ProxyConfig| {
        HttpBuilder::new().build_with_connector_fn(move |settings, components| {
            let mut builder = Connector::builder().proxy_config(proxy());
            if let Some(settings) = settings {
                builder = builder.connector_settings(settings.clone());
            }
            builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build()
        })
    };
    SharedHttpClient::new(Guarded {
        proxied: through(ProxyConfig::from_env),
        direct: through(ProxyConfig::disabled),
        allow_plain_http,
    })
}

/// The address where it is neither encrypted nor on this machine.
pub(super) fn plain_http(url: &str) -> Option<PlainHttp> {
    let is_encrypted = url
        .parse::<http::Uri>()
        .is_ok_and(|url| url.scheme() == Some(&http::uri::Scheme::HTTPS) && url.host().is_some());
    (!is_encrypted && !is_loopback(url) && !is_metadata(url)).then(|| {
        // The path of a request may have names; whom it goes to is what matters.
        let address = url.split('/').take(3).collect::<Vec<_>>().join("/");
        PlainHttp { address }
    })
}

/// Whether an address leads to this machine: its host is an IP address of
/// loopback, or a name that stands for it.
pub(super) fn is_loopback(url: &str) -> bool {
    host(url).is_some_and(|host| {
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

fn is_metadata(url: &str) -> bool {
    host(url).is_some_and(|host| METADATA.contains(&host.as_str()))
}

fn host(url: &str) -> Option<String> {
    let url = url.parse::<http::Uri>().ok()?;
    Some(url.host()?.trim_matches(['[', ']']).to_owned())
}

#[derive(Debug, Clone)]
struct Guarded {
    proxied: SharedHttpClient,
    /// Goes through no proxy.
    direct: SharedHttpClient,
    allow_plain_http: bool,
}

impl HttpClient for Guarded {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(GuardedConnector {
            proxied: self.proxied.http_connector(settings, components),
            direct: self.direct.http_connector(settings, components),
            allow_plain_http: self.allow_plain_http,
        })
    }
}

#[derive(Debug)]
struct GuardedConnector {
    proxied: SharedHttpConnector,
    direct: SharedHttpConnector,
    allow_plain_http: bool,
}

impl HttpConnector for GuardedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = request.uri();
        if let Some(refused) = plain_http(url).filter(|_| !self.allow_plain_http) {
            return HttpConnectorFuture::ready(Err(ConnectorError::user(refused.into())));
        }
        // What is meant for this machine goes through no proxy, which may be another.
        let is_here = is_loopback(url) || is_metadata(url);
        let connector = if is_here { &self.direct } else { &self.proxied };
        let is_object = request.extension::<AnswerIsObject>().is_some()
            || request.extension::<Metadata>().is_some_and(|operation| {
                operation.service() == "S3" && operation.name() == "GetObject"
            });
        let answer = connector.call(request);
        HttpConnectorFuture::new(async move { bounded(answer.await?, is_object, PATIENCE) })
    }
}

/// An answer that ends, by its length and by its time.
fn bounded(
    answer: HttpResponse,
    is_object: bool,
    patience: Duration,
) -> Result<HttpResponse, ConnectorError> {
    let stated = answer.headers().get("content-length").and_then(|length| length.parse().ok());
    let (limit, patience) = match stated {
        Some(length) if is_object && answer.status().is_success() => {
            (length, patience + Duration::from_secs(length / SLOWEST))
        }
        _ => (ANSWER_LIMIT, patience),
    };
    if stated.is_some_and(|length: u64| length > limit) {
        return Err(ConnectorError::other(Endless::Long { limit }.into(), None));
    }
    Ok(answer.map(|body| {
        SdkBody::from_body_1_x(Bounded {
            inner: body,
            left: limit,
            limit,
            patience,
            over: Box::pin(sleep_until(Instant::now() + patience)),
        })
    }))
}

#[derive(Debug, thiserror::Error)]
enum Endless {
    #[error("the response is longer than {limit} bytes")]
    Long { limit: u64 },
    #[error("the response takes longer than {} seconds", patience.as_secs())]
    Slow { patience: Duration },
}

/// A body that is cut off where it is too long or takes too long.
struct Bounded {
    inner: SdkBody,
    /// Units: bytes.
    left: u64,
    limit: u64,
    patience: Duration,
    over: Pin<Box<Sleep>>,
}

impl Body for Bounded {
    type Data = bytes::Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        let is_over = self.over.deadline() <= Instant::now();
        if is_over || self.over.as_mut().poll(context).is_ready() {
            let patience = self.patience;
            return Poll::Ready(Some(Err(Endless::Slow { patience }.into())));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let Some(left) = self.left.checked_sub(data.len() as u64) else {
                let limit = self.limit;
                return Poll::Ready(Some(Err(Endless::Long { limit }.into())));
            };
            self.left = left;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    fn answer(length: Option<u64>, body: SdkBody) -> HttpResponse {
        let mut answer = HttpResponse::new(200.try_into().unwrap(), body);
        if let Some(length) = length {
            answer.headers_mut().insert("content-length", length.to_string());
        }
        answer
    }

    fn pieces(count: usize, bytes: usize) -> SdkBody {
        let piece = bytes::Bytes::from(vec![b'x'; bytes]);
        let pieces = (0..count).map(move |_| Ok::<_, BoxError>(Frame::data(piece.clone())));
        SdkBody::from_body_1_x(StreamBody::new(stream::iter(pieces)))
    }

    async fn read(
        answer: HttpResponse,
        is_object: bool,
        patience: Duration,
    ) -> Result<usize, String> {
        let answer = bounded(answer, is_object, patience).map_err(|error| format!("{error:?}"))?;
        let read = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok(read.to_bytes().len())
    }

    #[tokio::test]
    async fn every_answer_ends_by_its_length_and_by_its_time() {
        let mib = 1 << 20;
        for is_object in [false, true] {
            assert_eq!(
                read(answer(None, pieces(32, mib)), is_object, PATIENCE).await,
                Ok(32 * mib)
            );
            let endless = read(answer(None, pieces(33, mib)), is_object, PATIENCE).await;
            assert!(endless.unwrap_err().contains("longer than 33554432 bytes"));
            let slow = read(answer(None, pieces(1, 1)), is_object, Duration::ZERO).await;
            assert!(slow.unwrap_err().contains("longer than 0 seconds"));
        }
        let stated = answer(Some(33 << 20), pieces(1, 1));
        assert!(read(stated, false, PATIENCE).await.unwrap_err().contains("33554432"));
        // An object is as long as it states, and a long one may take longer.
        let long = answer(Some(33 << 20), pieces(33, mib));
        assert_eq!(read(long, true, Duration::ZERO).await, Ok(33 * mib));
        let short = answer(Some(3), pieces(3, 1));
        assert!(read(short, true, Duration::ZERO).await.unwrap_err().contains("0 seconds"));
        let longer = answer(Some(3), pieces(2, 2));
        assert!(read(longer, true, PATIENCE).await.unwrap_err().contains("longer than 3 bytes"));
    }

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for url in ["http://127.0.0.1:5000/a", "http://[::1]:5000", "http://a.localhost:1/b?c"] {
            assert!(is_loopback(url), "{url}");
            assert!(plain_http(url).is_none(), "{url}");
        }
        for url in ["https://s3.amazonaws.com/127.0.0.1", "http://192.0.2.1:5000", "no url", ""] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn nothing_goes_unencrypted_to_another_machine() {
        for url in ["https://sts.amazonaws.com/", "HTTPS://a", "http://169.254.169.254/latest"] {
            assert!(plain_http(url).is_none(), "{url}");
        }
        for url in [
            "http://sts.amazonaws.com/",
            "HTTP://192.0.2.1:4566",
            "http://127.0.0.1@evil.example/",
            "http://localhost.evil.example/",
            "http://2130706433/",
            "http://169.254.169.25/",
            "ftp://127.0.0.2.example/",
            "//evil.example/",
            "evil.example",
        ] {
            assert!(plain_http(url).is_some(), "{url}");
        }
        let found = plain_http("http://evil.example/AWSLogs/1").unwrap();
        assert_eq!(found.address, "http://evil.example");
    }
}
