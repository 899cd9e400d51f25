//! A hand-made AWS on a loopback socket: answers what a test tells it to, and
//! remembers what it was asked.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

/// One request, as far as tests care.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The API operation, for the query and JSON protocols; else the path.
    pub(crate) operation: String,
    /// What stands behind the path.
    pub(crate) query: String,
    /// The access key id that signed.
    pub(crate) key: String,
    /// The Region of the credential scope.
    pub(crate) region: String,
    /// The body as text.
    pub(crate) body: String,
    /// The form's fields of a query request.
    pub(crate) form: BTreeMap<String, String>,
}

/// What to answer; `None` is never to answer at all.
pub(crate) type Answer = Option<Response<Full<Bytes>>>;

#[derive(Clone)]
pub(crate) struct Loopback {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Loopback {
    pub(crate) async fn start(
        answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, asked: Arc::default() };
        let asked = Arc::clone(&server.asked);
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                let service = service_fn(move |request| {
                    let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                    async move {
                        let one = read(request).await;
                        let before = {
                            let mut asked = asked.lock().unwrap();
                            let same = asked.iter().filter(|a| a.operation == one.operation);
                            let before = same.count();
                            asked.push(one.clone());
                            before
                        };
                        match answer(&one, before) {
                            Some(response) => Ok::<_, Infallible>(response),
                            None => std::future::pending().await,
                        }
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    /// What was asked for an operation, in order.
    pub(crate) fn asked(&self, operation: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|one| one.operation == operation).cloned().collect()
    }

    /// An SDK configuration that leads here, with the key `BASE`.
    pub(crate) fn config(&self) -> aws_types::sdk_config::Builder {
        let base = Credentials::new("BASE", "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .credentials_provider(SharedCredentialsProvider::new(base))
            .identity_cache(aws_config::identity::IdentityCache::lazy().build())
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .time_source(aws_smithy_async::time::SystemTimeSource::new())
    }
}

async fn read(request: Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    let authorization = header("authorization").unwrap_or_default();
    let scope = authorization
        .split_once("Credential=")
        .map_or("", |(_, rest)| rest.split(',').next().unwrap_or_default());
    let scope: Vec<&str> = scope.split('/').collect();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    let form: BTreeMap<String, String> = body
        .split('&')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.replace("%3A", ":").replace("%2F", "/")))
        .collect();
    let target = header("x-amz-target").and_then(|t| t.rsplit('.').next().map(str::to_owned));
    let operation = target
        .or_else(|| form.get("Action").cloned())
        .unwrap_or_else(|| head.uri.path().trim_end_matches('/').to_owned());
    Asked {
        operation,
        query: head.uri.query().unwrap_or_default().to_owned(),
        key: (*scope.first().unwrap_or(&"")).to_owned(),
        region: (*scope.get(2).unwrap_or(&"")).to_owned(),
        body,
        form,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "an `Answer` is what a test's closure returns")]
pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    let response = Response::builder().status(status).header("x-amzn-requestid", "REQ-1");
    Some(response.body(Full::new(body.into())).unwrap())
}

/// STS's answer to `GetCallerIdentity`.
pub(crate) fn caller(arn: &str) -> Answer {
    let account = arn.split(':').nth(4).unwrap();
    answer(
        200,
        format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn>\
             <UserId>U</UserId><Account>{account}</Account></GetCallerIdentityResult>\
             </GetCallerIdentityResponse>"
        ),
    )
}

/// STS's answer to `AssumeRole`.
pub(crate) fn session(key: &str, expiration: &str) -> Answer {
    answer(
        200,
        format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId>\
             <SecretAccessKey>s</SecretAccessKey><SessionToken>t-{key}</SessionToken>\
             <Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult>\
             </AssumeRoleResponse>"
        ),
    )
}

/// An error of the query protocols.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Answer {
    answer(
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>{message}</Message></Error><RequestId>REQ-1</RequestId></ErrorResponse>"
        ),
    )
}
