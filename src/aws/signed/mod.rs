//! Calls of services whose SDK clients would take longer to build than all others together:
//! requests in JSON or in the Query protocol, signed like those of the SDK, with its retries and
//! time limits.
//!
//! [`signed_actions`] lists what all of them need: each is an action that a generated role allows.

mod calls;
mod reads;
mod stacks;

use std::fmt;

use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{HttpSignatureType, SigV4OperationSigningConfig, SigningOptions};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::retry::ErrorKind;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use http::Method;
use orgtrail_base::percent::encode;
use serde_json::Value;

pub use self::calls::SignedCall;
pub use self::reads::SignedRead;
pub use self::stacks::{QueryParameters, StackRead, StackWrite};
use super::clients::At as _;
use super::endpoint::endpoint_of;
use super::{AwsError, Clients, WriteClients};
use crate::names::Partition;

/// The actions of every call that is sent without an SDK client.
pub fn signed_actions() -> impl Iterator<Item = &'static str> {
    let calls = SignedCall::ALL.iter().map(|call| call.action());
    let reads = SignedRead::ALL.iter().map(|call| call.action());
    let stacks = StackRead::ALL.iter().map(|call| call.action());
    let stacks = stacks.chain(StackWrite::ALL.iter().map(|call| call.action()));
    calls.chain(reads).chain(stacks)
}

/// How a call is made.
struct Form {
    /// The IAM action that it needs.
    action: &'static str,
    /// The service by the SDK's id, which names the variable of its endpoint.
    service_id: &'static str,
    /// The service in signatures and in the names of its endpoints.
    signing_name: &'static str,
    method: Method,
    /// Members of the input in braces are parts of the path: `/detector/{detectorId}`.
    path: &'static str,
    content_type: &'static str,
    /// The value of `X-Amz-Target`.
    target: Option<&'static str>,
}

impl Form {
    /// A call of a service's REST JSON protocol.
    const fn rest(
        action: &'static str,
        (service_id, signing_name): (&'static str, &'static str),
        method: Method,
        path: &'static str,
    ) -> Self {
        let content_type = "application/json";
        Self { action, service_id, signing_name, method, path, content_type, target: None }
    }

    /// A call of a service's AWS JSON protocol.
    const fn json(
        action: &'static str,
        (service_id, signing_name): (&'static str, &'static str),
        content_type: &'static str,
        target: &'static str,
    ) -> Self {
        let (method, path, target) = (Method::POST, "/", Some(target));
        Self { action, service_id, signing_name, method, path, content_type, target }
    }

    /// Source: the Smithy model `eventbridge` (AWS JSON 1.1).
    const fn event_bridge(action: &'static str, target: &'static str) -> Self {
        Self::json(action, ("EventBridge", "events"), "application/x-amz-json-1.1", target)
    }

    /// Source: the Smithy model `glue` (AWS JSON 1.1).
    const fn glue(action: &'static str, target: &'static str) -> Self {
        Self::json(action, ("Glue", "glue"), "application/x-amz-json-1.1", target)
    }

    /// Source: the Smithy model `athena` (AWS JSON 1.1).
    const fn athena(action: &'static str, target: &'static str) -> Self {
        Self::json(action, ("Athena", "athena"), "application/x-amz-json-1.1", target)
    }

    /// Source: the Smithy model `sqs` (AWS JSON 1.0).
    const fn sqs(action: &'static str, target: &'static str) -> Self {
        Self::json(action, ("SQS", "sqs"), "application/x-amz-json-1.0", target)
    }

    /// The name of the operation.
    fn operation(&self) -> &'static str {
        self.action.split_once(':').map_or(self.action, |(_, operation)| operation)
    }
}

impl WriteClients {
    /// Makes a call with a JSON document, and returns the response's.
    ///
    /// # Errors
    /// The call's own.
    pub async fn send(&self, call: SignedCall, input: &Value) -> Result<Value, AwsError> {
        send_json(self, call.form(), input).await
    }
}

impl Clients {
    /// Makes a call that only reads with a JSON document, and returns the response's.
    ///
    /// # Errors
    /// The call's own.
    pub async fn read(&self, call: SignedRead, input: &Value) -> Result<Value, AwsError> {
        send_json(self, call.form(), input).await
    }
}

async fn send_json(clients: &Clients, form: Form, input: &Value) -> Result<Value, AwsError> {
    let path = filled(form.path, input);
    let body = serde_json::to_vec(input).unwrap_or_default();
    transmit(clients, form, path, body, deserialize).await
}

/// A path with the members of the input that it names.
fn filled(path: &str, input: &Value) -> String {
    let mut text = String::new();
    for (at, part) in path.split(['{', '}']).enumerate() {
        if at % 2 == 0 {
            text.push_str(part);
        } else {
            text.push_str(&encode(input[part].as_str().unwrap_or_default()));
        }
    }
    text
}

async fn transmit<T: fmt::Debug + Send + Sync + 'static>(
    clients: &Clients,
    form: Form,
    path: String,
    body: Vec<u8>,
    deserialize: fn(&HttpResponse) -> Result<T, OrchestratorError<ErrorMetadata>>,
) -> Result<T, AwsError> {
    let operation = form.operation();
    let Form { action, service_id, signing_name, method, content_type, target, .. } = form;
    let parts = clients.signed_parts();
    let region = clients.region().as_str().to_owned();
    let replaced = endpoint_of(&parts.config, service_id);
    let endpoint = replaced.unwrap_or_else(|| {
        let fips = if parts.config.use_fips().unwrap_or(false) { "-fips" } else { "" };
        let suffix = Partition::of(clients.region()).dns_suffix();
        format!("https://{signing_name}{fips}.{region}.{suffix}")
    });
    let serialize = move |body: Vec<u8>| -> Result<HttpRequest, BoxError> {
        let mut request = http::Request::builder().method(&method).uri(&path);
        if method == Method::GET {
            return Ok(HttpRequest::try_from(request.body(SdkBody::empty())?)?);
        }
        request = request.header("content-type", content_type);
        request = request.header("content-length", body.len());
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        Ok(HttpRequest::try_from(request.body(SdkBody::from(body))?)?)
    };
    let mut builder = Operation::builder()
        .service_name(service_id)
        .operation_name(operation)
        .http_client(parts.http)
        .endpoint_url(&endpoint)
        .sleep_impl(TokioSleep::new())
        .time_source(parts.config.time_source().unwrap_or_default())
        .retry_classifier(Passing)
        .interceptor(super::connector::MarkOperation)
        .runtime_plugin(signing(signing_name, &region, &parts.config));
    if let Some(retries) = parts.config.retry_config() {
        builder = builder.standard_retry(retries);
    }
    if let Some(timeouts) = parts.config.timeout_config() {
        builder = builder.timeout_config(timeouts.clone());
    }
    if let Some(session) = parts.session {
        builder = builder.retry_classifier(super::role::RenewEnded(session));
    }
    let operation = builder.serializer(serialize).deserializer(deserialize).build();
    let sent: Result<T, SdkError<ErrorMetadata, HttpResponse>> = operation.invoke(body).await;
    sent.at(clients, action)
}

/// What signs requests as the SDK's clients do.
fn signing(
    name: &'static str,
    region: &str,
    config: &aws_config::SdkConfig,
) -> StaticRuntimePlugin {
    let mut components = RuntimeComponentsBuilder::new("signed calls");
    components.set_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
        StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
    )));
    components.push_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()));
    components
        .set_identity_cache(Some(config.identity_cache().unwrap_or_else(IdentityCache::no_cache)));
    if let Some(credentials) = config.credentials_provider() {
        components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
    }
    let mut options = SigningOptions::default();
    options.signature_type = HttpSignatureType::HttpRequestHeaders;
    let mut layer = Layer::new("signed calls");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigningName::from(name));
    layer.store_put(SigningRegion::from(aws_config::Region::new(region.to_owned())));
    layer.store_put(SigV4OperationSigningConfig { signing_options: options, ..Default::default() });
    StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components)
}

/// The response's document, or AWS's error.
fn deserialize(response: &HttpResponse) -> Result<Value, OrchestratorError<ErrorMetadata>> {
    let bytes = response.body().bytes().unwrap_or_default();
    let document = serde_json::from_slice::<Value>(bytes);
    if response.status().is_success() {
        // Some calls have nothing to answer.
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        return document.map_err(|error| OrchestratorError::other(Unreadable(error)));
    }
    let document = document.unwrap_or_default();
    let text = |names: &[&str]| {
        names.iter().find_map(|name| document.get(*name)?.as_str()).map(str::to_owned)
    };
    // `Code:details` in the header, `namespace#Code` in the body.
    let header = response.headers().get("x-amzn-errortype").map(str::to_owned);
    let code = header.or_else(|| text(&["__type", "code", "Code"]));
    let code = code.map(|code| {
        let code = code.split(':').next().unwrap_or_default();
        code.rsplit('#').next().unwrap_or_default().to_owned()
    });
    let mut error = ErrorMetadata::builder();
    if let Some(code) = code {
        error = error.code(code);
    }
    if let Some(message) = text(&["message", "Message"]) {
        error = error.message(message);
    }
    if let Some(id) = response.headers().get("x-amzn-requestid") {
        error = error.custom("aws_request_id", id);
    }
    Err(OrchestratorError::operation(error.build()))
}

#[derive(Debug)]
struct Unreadable(serde_json::Error);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response is unreadable: {}", crate::words::json_fault(&self.0))
    }
}

impl std::error::Error for Unreadable {}

/// Tries again what throttling, a failing server or the network prevented.
#[derive(Debug)]
struct Passing;

impl ClassifyRetry for Passing {
    fn name(&self) -> &'static str {
        "passing faults"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if let Some(Err(error)) = context.output_or_error() {
            let connector = error.as_connector_error();
            if connector.is_some_and(ConnectorError::is_timeout)
                || connector.is_some_and(ConnectorError::is_io)
            {
                return RetryAction::transient_error();
            }
            // Such as a connection that ended before the response did.
            if let Some(kind) = connector.and_then(ConnectorError::as_other) {
                return RetryAction::retryable_error(kind);
            }
            let operation = error.as_operation_error();
            let code = operation.and_then(|it| it.downcast_ref::<ErrorMetadata>()?.code());
            if code.is_some_and(|code| code.contains("Throttl") || code == "LimitExceededException")
            {
                return RetryAction::retryable_error(ErrorKind::ThrottlingError);
            }
        }
        match context.response().map(|response| response.status().as_u16()) {
            Some(429) => RetryAction::retryable_error(ErrorKind::ThrottlingError),
            Some(500 | 502 | 503 | 504) => RetryAction::server_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }
}
