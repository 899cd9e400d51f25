//! Objects, read many at a time.
//!
//! What the SDK does anew for every call (configuration, endpoint, interceptors)
//! costs more than the rest of a small object's GET. So the SDK's first GET of a
//! bucket is captured: endpoint, signing scope, credentials and HTTP client are taken
//! from it, and later GETs are sent directly. After any response other than a complete
//! object, the object is requested again through the SDK, whose retries and errors apply.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector as _, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::{
    ResolveCachedIdentity as _, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{
    GetIdentityResolver as _, RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use parking_lot::Mutex;

use super::bucket_owner::EXPECTED_OWNER;
use super::transport::AnswerIsObject;
use super::{At as _, AwsError, Clients};

const ACTION: &str = "s3:GetObject";
/// What user metadata's headers begin with.
const METADATA: &str = "x-amz-meta-";
/// After so many direct GETs in a row that gave nothing, none is tried any more.
const TRIES: u32 = 16;

/// The objects of buckets that one account's clients can read.
#[derive(Debug, Clone)]
pub struct Objects {
    clients: Clients,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By bucket.
    ways: Mutex<HashMap<Box<str>, Arc<Way>>>,
    /// Direct GETs that gave nothing since the last one that did.
    in_vain: AtomicU32,
}

/// An object whose head has arrived.
#[derive(Debug)]
pub struct Object {
    /// How long it is, as stored.
    pub size_bytes: u64,
    /// Its metadata, by name without `x-amz-meta-`.
    pub metadata: HashMap<String, String>,
    body: ByteStream,
    /// How long the body is waited for; the SDK's own bodies watch themselves.
    patience: Option<Duration>,
}

/// What direct GETs of a bucket's objects need.
#[derive(Debug)]
struct Way {
    /// All of the address before the key.
    base: String,
    user_agent: String,
    /// The account that must own the bucket, as the SDK's GET states it.
    owner: String,
    region: String,
    identities: SharedIdentityResolver,
    components: RuntimeComponents,
    connector: SharedHttpConnector,
    patience: Duration,
}

impl Object {
    /// The object's bytes, all of them.
    pub async fn bytes(self) -> Result<Bytes, BoxError> {
        let body = self.body.collect();
        let body = match self.patience {
            Some(patience) => tokio::time::timeout(patience, body).await??,
            None => body.await?,
        };
        let bytes = body.into_bytes();
        if bytes.len() as u64 == self.size_bytes {
            return Ok(bytes);
        }
        Err(format!("received {} bytes, expected {}", bytes.len(), self.size_bytes).into())
    }
}

impl Objects {
    /// The objects that the clients of a bucket's Region can read.
    #[must_use]
    pub fn new(clients: Clients) -> Self {
        Self { clients, shared: Arc::default() }
    }

    /// The clients.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Asks for an object, directly where the way is known.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Object, AwsError> {
        let way = self.shared.ways.lock().get(bucket).map(Arc::clone);
        if let Some(way) = way.filter(|_| is_plain(key))
            && self.shared.in_vain.load(Ordering::Relaxed) < TRIES
        {
            if let Some(object) = way.get(key).await {
                self.shared.in_vain.store(0, Ordering::Relaxed);
                return Ok(object);
            }
            self.shared.in_vain.fetch_add(1, Ordering::Relaxed);
        }
        self.get_again(bucket, key).await
    }

    /// Asks for an object through the SDK.
    pub async fn get_again(&self, bucket: &str, key: &str) -> Result<Object, AwsError> {
        let show = ShowWay {
            bucket: bucket.into(),
            key: key.into(),
            shared: Arc::clone(&self.shared),
            connect: self.clients.settings().timeouts.connect,
            attempt: self.clients.settings().timeouts.s3_attempt,
        };
        let answer = self
            .clients
            .s3()
            .get_object()
            .bucket(bucket)
            .key(key)
            .customize()
            .interceptor(show)
            .send()
            .await
            .at(&self.clients, ACTION)?;
        let size_bytes = answer
            .content_length
            .and_then(|length| u64::try_from(length).ok())
            .ok_or_else(|| self.clients.malformed(ACTION, "an object without its length"))?;
        let metadata = answer.metadata.unwrap_or_default();
        Ok(Object { size_bytes, metadata, body: answer.body, patience: None })
    }
}

/// Whether a key stands in an address as it is.
fn is_plain(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte))
}

impl Way {
    /// Captures a request that is about to be sent; `None` unless it is a signed GET of an
    /// object.
    fn of(request: &HttpRequest, show: &ShowWay, components: &RuntimeComponents) -> Option<Self> {
        let header = |name: &str| request.headers().get(name);
        let address = request.uri().split('?').next()?;
        let base = address.strip_suffix(&*show.key).filter(|base| base.ends_with('/'))?;
        let credential = header("authorization")?.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
        let mut scope = credential.split(',').next()?.split('/').skip(2);
        let region = scope.next()?;
        if scope.next()? != "s3" {
            return None;
        }
        let waits = HttpConnectorSettings::builder()
            .connect_timeout(show.connect)
            .read_timeout(show.attempt)
            .build();
        Some(Self {
            base: base.to_owned(),
            user_agent: header("user-agent").unwrap_or_default().to_owned(),
            // INVARIANT: no direct GET without an expected owner.
            owner: header(EXPECTED_OWNER)?.to_owned(),
            region: region.to_owned(),
            identities: components.identity_resolver(AuthSchemeId::from("sigv4"))?,
            connector: components.http_client()?.http_connector(&waits, components),
            components: components.clone(),
            patience: show.attempt,
        })
    }

    /// The object where it comes as it should.
    async fn get(&self, key: &str) -> Option<Object> {
        let request = self.signed(&format!("{}{key}", self.base)).await.ok()?;
        let mut request = request;
        request.add_extension(AnswerIsObject);
        let mut answer = self.connector.call(request).await.ok()?;
        if answer.status().as_u16() != 200 {
            return None;
        }
        let size_bytes = answer.headers().get("content-length")?.parse().ok()?;
        let metadata = answer
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(METADATA)?, value)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body = ByteStream::new(answer.take_body());
        Some(Object { size_bytes, metadata, body, patience: Some(self.patience) })
    }

    async fn signed(&self, address: &str) -> Result<HttpRequest, BoxError> {
        let (cache, bag) = (self.components.identity_cache(), ConfigBag::base());
        let identity =
            cache.resolve_cached_identity(self.identities.clone(), &self.components, &bag).await?;
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let time = self.components.time_source().ok_or("no clock")?.now();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(time)
            .settings(settings)
            .build()?
            .into();
        let body = SignableBody::Bytes(&[]);
        let owner = std::iter::once((EXPECTED_OWNER, self.owner.as_str()));
        let signable = SignableRequest::new("GET", address, owner, body)?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut request = http::Request::get(address)
            .header(http::header::USER_AGENT, &self.user_agent)
            .header(EXPECTED_OWNER, &self.owner)
            .body(SdkBody::empty())?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(HttpRequest::try_from(request)?)
    }
}

/// Takes the way from the SDK's own GET.
#[derive(Debug)]
struct ShowWay {
    bucket: Box<str>,
    key: Box<str>,
    shared: Arc<Shared>,
    connect: Duration,
    attempt: Duration,
}

#[dyn_dispatch_hint]
impl Intercept for ShowWay {
    fn name(&self) -> &'static str {
        "ShowWay"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(way) = Way::of(context.request(), self, components) {
            self.shared.ways.lock().insert(self.bucket.clone(), Arc::new(way));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_an_address_would_change_go_through_the_sdk() {
        assert!(is_plain(
            "p/AWSLogs/1/CloudTrail/us-east-1/2026/01/02/1_x_20260102T0304Z_a.json.gz"
        ));
        for key in ["a b", "a+b", "a%20b", "a?b", "a#b", "ä"] {
            assert!(!is_plain(key), "{key}");
        }
    }
}
