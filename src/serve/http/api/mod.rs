//! The API: one file for each resource.
//!
//! An [`Endpoint`] says what a route is, who may use it, what it takes and what it answers.
//! The router and the OpenAPI document are made from the same list, so they agree.

mod chains;
mod coverage;
mod diff;
mod endpoint;
mod events;
mod evidence;
mod findings;
mod landing_zone;
mod openapi;
mod query;
mod reports;
mod respond;
mod rounds;
mod schedules;
mod sources;
mod start;
mod state;
mod status;

use axum::Router;
use axum::response::IntoResponse as _;
use http::StatusCode;

pub(super) use self::endpoint::{Answer, Content, Endpoint, emitted};
pub(super) use self::respond::document_with;
pub(super) use self::state::Service;
use super::problem::Problem;

/// Every endpoint.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let of_resources = [
        status::ENDPOINTS,
        rounds::ENDPOINTS,
        start::ENDPOINTS,
        reports::ENDPOINTS,
        diff::ENDPOINTS,
        coverage::ENDPOINTS,
        chains::ENDPOINTS,
        findings::ENDPOINTS,
        landing_zone::ENDPOINTS,
        sources::ENDPOINTS,
        schedules::ENDPOINTS,
        evidence::ENDPOINTS,
        events::ENDPOINTS,
        openapi::ENDPOINTS,
        super::health::ENDPOINTS,
        super::metrics::ENDPOINTS,
    ];
    of_resources.concat()
}

/// The routes of all endpoints.
pub(super) fn router() -> Router<Service> {
    let mut router = Router::new();
    for endpoint in endpoints() {
        router = router.route(endpoint.path, (endpoint.handler)());
    }
    let unknown = |uri: http::Uri| async move {
        Problem::not_found(format!("the API has no `{}`", uri.path())).into_response()
    };
    router
        .route("/api", axum::routing::any(unknown))
        .route("/api/", axum::routing::any(unknown))
        .route("/api/{*path}", axum::routing::any(unknown))
        .method_not_allowed_fallback(async || {
            let detail = "the API has no such method here; see /api/v1/openapi.json";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
        })
}
