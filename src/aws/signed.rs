//! Calls of services whose SDK clients would take longer to build than all others together:
//! requests in JSON or in the Query protocol, signed like those of the SDK, with its retries and
//! time limits.
//!
//! [`signed_calls`] lists all of them: each is of an action that a generated role allows.

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
use serde_json::Value;

use super::clients::At as _;
use super::endpoint::endpoint_of;
use super::xml::XmlElement;
use super::{AwsError, Clients, WriteClients};
use crate::names::Partition;

/// A call that is sent without an SDK client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedCall {
    /// Amazon EventBridge: puts events on an event bus.
    PutEvents,
    /// AWS Security Hub: imports and updates findings.
    BatchImportFindings,
    /// AWS CloudFormation: a call that reads.
    Read(StackRead),
    /// AWS CloudFormation: a call that changes something.
    Write(StackWrite),
}

/// Declares the calls of CloudFormation: each variant is an operation.
macro_rules! stack_calls {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The IAM action that the call needs.
            #[must_use]
            pub fn action(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!("cloudformation:", stringify!($variant)),)*
                }
            }
        }
    };
}

stack_calls! {
    /// A call of AWS CloudFormation that reads.
    StackRead {
        /// Whether stack sets may work in the organization.
        DescribeOrganizationsAccess,
        /// A stack's status and parameters.
        DescribeStacks,
        /// What happened to a stack's resources.
        DescribeStackEvents,
        /// A stack's template.
        GetTemplate,
        /// A stack set's template and parameters.
        DescribeStackSet,
        /// An operation's status.
        DescribeStackSetOperation,
        /// A stack set's stacks.
        ListStackInstances,
        /// A stack set's operations.
        ListStackSetOperations,
    }
}

stack_calls! {
    /// A call of AWS CloudFormation that changes something.
    StackWrite {
        /// Lets stack sets work in the organization.
        ActivateOrganizationsAccess,
        /// Creates a stack.
        CreateStack,
        /// Changes a stack.
        UpdateStack,
        /// Deletes a stack.
        DeleteStack,
        /// Creates a stack set.
        CreateStackSet,
        /// Changes a stack set.
        UpdateStackSet,
        /// Deletes a stack set.
        DeleteStackSet,
        /// Deploys a stack set to accounts.
        CreateStackInstances,
        /// Deploys a stack set again.
        UpdateStackInstances,
        /// Deletes a stack set's stacks.
        DeleteStackInstances,
    }
}

/// Every call that is sent without an SDK client.
pub fn signed_calls() -> impl Iterator<Item = SignedCall> {
    let reads = StackRead::ALL.iter().map(|call| SignedCall::Read(*call));
    let writes = StackWrite::ALL.iter().map(|call| SignedCall::Write(*call));
    [SignedCall::PutEvents, SignedCall::BatchImportFindings].into_iter().chain(reads).chain(writes)
}

/// How a call is made.
struct Form {
    /// The IAM action that it needs.
    action: &'static str,
    /// The service by the SDK's id, which names the variable of its endpoint.
    service_id: &'static str,
    /// The service in signatures and in the names of its endpoints.
    signing_name: &'static str,
    path: &'static str,
    content_type: &'static str,
    /// The value of `X-Amz-Target`.
    target: Option<&'static str>,
}

/// The version of CloudFormation's API.
const CLOUDFORMATION_VERSION: &str = "2010-05-15";

impl SignedCall {
    /// The IAM action that the call needs.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            Self::Read(call) => call.action(),
            Self::Write(call) => call.action(),
            Self::PutEvents => "events:PutEvents",
            Self::BatchImportFindings => "securityhub:BatchImportFindings",
        }
    }

    /// Source: the Smithy models `eventbridge` (AWS JSON 1.1), `securityhub` (REST JSON) and
    /// `cloudformation` (AWS Query).
    fn form(self) -> Form {
        let action = self.action();
        match self {
            Self::PutEvents => Form {
                action,
                service_id: "EventBridge",
                signing_name: "events",
                path: "/",
                content_type: "application/x-amz-json-1.1",
                target: Some("AWSEvents.PutEvents"),
            },
            Self::BatchImportFindings => Form {
                action,
                service_id: "SecurityHub",
                signing_name: "securityhub",
                path: "/findings/import",
                content_type: "application/json",
                target: None,
            },
            Self::Read(_) | Self::Write(_) => Form {
                action,
                service_id: "CloudFormation",
                signing_name: "cloudformation",
                path: "/",
                content_type: "application/x-www-form-urlencoded",
                target: None,
            },
        }
    }
}

/// The parameters of a call in the Query protocol, in order.
pub type QueryParameters = Vec<(String, String)>;

impl Clients {
    /// Makes a call of CloudFormation that reads, and returns its result.
    ///
    /// # Errors
    /// The call's own.
    pub async fn read_stacks(
        &self,
        call: StackRead,
        parameters: &QueryParameters,
    ) -> Result<XmlElement, AwsError> {
        query(self, SignedCall::Read(call), parameters).await
    }
}

impl WriteClients {
    /// Makes a call with a JSON document, and returns the response's.
    ///
    /// # Errors
    /// The call's own.
    pub async fn send(&self, call: SignedCall, body: &Value) -> Result<Value, AwsError> {
        transmit(self, call, serde_json::to_vec(body).unwrap_or_default(), deserialize).await
    }

    /// Makes a call of CloudFormation that changes something, and returns its result.
    ///
    /// # Errors
    /// The call's own.
    pub async fn write_stacks(
        &self,
        call: StackWrite,
        parameters: &QueryParameters,
    ) -> Result<XmlElement, AwsError> {
        query(self, SignedCall::Write(call), parameters).await
    }
}

/// Makes a call in the Query protocol, and returns the `…Result` of its response.
async fn query(
    clients: &Clients,
    call: SignedCall,
    parameters: &QueryParameters,
) -> Result<XmlElement, AwsError> {
    let operation = call.action().split_once(':').map_or("", |(_, operation)| operation);
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.append_pair("Action", operation).append_pair("Version", CLOUDFORMATION_VERSION);
    for (name, value) in parameters {
        body.append_pair(name, value);
    }
    let response = transmit(clients, call, body.finish().into_bytes(), deserialize_xml).await?;
    Ok(response.into_child(&format!("{operation}Result")).unwrap_or_default())
}

async fn transmit<T: fmt::Debug + Send + Sync + 'static>(
    clients: &Clients,
    call: SignedCall,
    body: Vec<u8>,
    deserialize: fn(&HttpResponse) -> Result<T, OrchestratorError<ErrorMetadata>>,
) -> Result<T, AwsError> {
    let Form { action, service_id, signing_name, path, content_type, target } = call.form();
    let parts = clients.signed_parts();
    let region = clients.region().as_str().to_owned();
    let replaced = endpoint_of(&parts.config, service_id);
    let endpoint = replaced.unwrap_or_else(|| {
        let fips = if parts.config.use_fips().unwrap_or(false) { "-fips" } else { "" };
        let suffix = Partition::of(clients.region()).dns_suffix();
        format!("https://{signing_name}{fips}.{region}.{suffix}")
    });
    let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
    let serialize = move |body: Vec<u8>| -> Result<HttpRequest, BoxError> {
        let mut request = http::Request::post(path).header("content-type", content_type);
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

/// The response of the Query protocol, or AWS's error.
fn deserialize_xml(
    response: &HttpResponse,
) -> Result<XmlElement, OrchestratorError<ErrorMetadata>> {
    let bytes = response.body().bytes().unwrap_or_default();
    let document = XmlElement::parse(bytes);
    if response.status().is_success() {
        return document.map_err(OrchestratorError::other);
    }
    // What is not XML, such as the page of a proxy, has no code.
    let document = document.unwrap_or_default();
    let text = |name: &str| document.child("Error").and_then(|error| error.text(name));
    let mut error = ErrorMetadata::builder();
    if let Some(code) = text("Code") {
        error = error.code(code);
    }
    if let Some(message) = text("Message") {
        error = error.message(message);
    }
    let header = response.headers().get("x-amzn-requestid");
    if let Some(id) = document.text("RequestId").or(header) {
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
