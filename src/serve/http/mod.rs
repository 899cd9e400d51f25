//! The HTTP server of the service: pages, API, metrics and health, for those who may use
//! them.
//!
//! Every request passes `access::guard` before a handler sees it. No handler changes AWS:
//! a client can ask for a round of a schedule, or for an evidence bundle, and nothing else.

mod access;
mod api;
mod bound;
mod headers;
mod health;
mod metrics;
mod problem;
mod server;
mod stall;
#[cfg(test)]
mod tests;
mod tls;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use self::access::{Access, Identity};
use self::api::Service;
pub use self::bound::{Bound, bind};
use self::problem::Problem;
use super::app::App;
use super::evidence::Bundles;
use super::pages;
use crate::config::AccessScope;
use crate::ops::OpError;
use crate::stop::Stop;

/// The longest body of a request. Units: bytes.
const LONGEST_BODY: usize = 64 << 10;
/// How long a handler may take until it responds; a stream of events has responded then.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves until a stop is requested, then finishes the requests that are being answered.
///
/// # Errors
/// The listener fails.
pub async fn serve(app: App, bound: Bound, bundles: Bundles, stop: Stop) -> Result<(), OpError> {
    let router = router(app, &bound.access, bundles, &stop);
    server::run(bound, router, stop).await
}

/// Everything that is served.
fn router(app: App, access: &Arc<Access>, bundles: Bundles, stop: &Stop) -> Router {
    let service = Service::new(app.clone(), bundles.clone(), stop.clone());
    let gate = access::Gate { app: app.clone(), access: Arc::clone(access) };
    let pages = pages::routes().with_state(app).layer(from_fn_with_state(bundles, allow));
    Router::new()
        .merge(api::router().with_state(service))
        .merge(access::sign_in::router().with_state(gate.clone()))
        .merge(pages)
        .fallback(async |uri: http::Uri| pages::not_found_at(&uri))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(gate, access::guard))
        .layer(from_fn(headers::add))
}

/// Lets pages know what the client may do.
async fn allow(State(bundles): State<Bundles>, mut request: Request, next: Next) -> Response {
    let identity = request.extensions().get::<Identity>();
    let has = |scope| identity.is_some_and(|identity| identity.has(scope));
    let allowed = pages::Allowed {
        run: has(AccessScope::Run),
        bundles: Some(bundles).filter(|_| has(AccessScope::Evidence)),
    };
    request.extensions_mut().insert(allowed);
    next.run(request).await
}

/// Gives up on a handler that takes too long: on a slow body, or on an unreachable state.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(RESPONSE_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("no answer within {} seconds", RESPONSE_TIMEOUT.as_secs()),
        )
        .into_response(),
    }
}

/// The state of a handler.
type Here = State<Service>;
