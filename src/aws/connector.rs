//! Where every request passes: the one place that paces and bounds it.
//!
//! It wraps the HTTP client, because that is the only asynchronous place no
//! call can go around; what operation a request belongs to is marked on it by
//! an interceptor.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, Metadata};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::ConfigBag;

use super::clock::ServiceClock;
use super::counts;
use super::pacing::Pacer;
use super::stopping::Gate;
use super::transport::is_loopback;

/// Marks a request with the operation it belongs to.
#[derive(Debug)]
pub(super) struct MarkOperation;

#[dyn_dispatch_hint]
impl Intercept for MarkOperation {
    fn name(&self) -> &'static str {
        "MarkOperation"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(metadata) = config.load::<Metadata>() {
            context.request_mut().add_extension(metadata.clone());
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(metadata), Some(response)) = (config.load::<Metadata>(), context.response()) {
            counts::answered(metadata.service(), response);
        }
        Ok(())
    }
}

/// How a request was sent, marked on its answer.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// The token of the session that signed it.
    pub(super) token: Option<Arc<str>>,
    /// Whether its answer has no body.
    pub(super) is_head: bool,
}

/// An HTTP client that waits for each request's turn before it sends it, and
/// waits no longer than `attempt_timeout` for the answer's head.
///
/// The SDK's own time-out of an attempt would count the wait for the turn.
#[derive(Debug, Clone)]
pub(super) struct PacedClient {
    pub(super) inner: SharedHttpClient,
    pub(super) pacer: Arc<Pacer>,
    pub(super) account: Arc<str>,
    pub(super) region: Arc<str>,
    pub(super) attempt_timeout: Duration,
    /// Learns AWS's time from every answer.
    pub(super) clock: Arc<ServiceClock>,
    /// Refuses calls once a command that only reads is to stop.
    pub(super) gate: Arc<Gate>,
}

impl HttpClient for PacedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(PacedConnector {
            inner: self.inner.http_connector(settings, components),
            client: self.clone(),
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_base_client_config(components, config)
    }

    fn validate_final_config(
        &self,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_final_config(components, config)
    }
}

#[derive(Debug)]
struct PacedConnector {
    inner: SharedHttpConnector,
    client: PacedClient,
}

impl HttpConnector for PacedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { inner, client } = self;
        let (inner, client) = (inner.clone(), client.clone());
        HttpConnectorFuture::new(async move {
            let operation = request.extension::<Metadata>().cloned();
            if let Some(operation) = &operation {
                let (service, name) = (operation.service(), operation.name());
                let turn = client.pacer.turn(&client.account, &client.region, service, name);
                client.gate.wait(turn).await?;
            }
            let count = |status| {
                let service = operation.as_ref().map_or("", Metadata::service);
                counts::sent(service, status);
            };
            let sent = Sent {
                token: request.headers().get("x-amz-security-token").map(Into::into),
                is_head: request.method() == "HEAD",
            };
            let is_loopback = is_loopback(request.uri());
            let at = client.clock.local();
            let call = tokio::time::timeout(client.attempt_timeout, inner.call(request));
            match client.gate.finish(call).await? {
                Ok(answer) => answer.inspect_err(|_| count(None)).map(|mut answer| {
                    count(Some(answer.status().as_u16()));
                    client.clock.read(&answer, at, is_loopback);
                    answer.add_extension(sent);
                    answer
                }),
                Err(elapsed) => {
                    count(None);
                    Err(ConnectorError::timeout(elapsed.into()))
                }
            }
        })
    }
}
