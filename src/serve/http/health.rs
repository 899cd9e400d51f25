//! `/livez` and `/readyz`. Drift and broken chains are no matter of health.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::Here;
use super::access::Identity;
use super::api::{Answer, Content, Endpoint, document_with, emitted};
use super::problem::Problem;
use crate::config::AccessScope;
use crate::report::contract::api::{Dependency, FailingPart, Readiness};
use crate::serve::app::Health;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        scope: None,
        answers: &[Answer {
            status: 200,
            description: "The process answers.",
            content: Content::Media(&["text/plain"]),
        }],
        ..Endpoint::read("/livez", "livez", "Whether the process answers.", || get(async || "ok\n"))
    },
    Endpoint {
        scope: None,
        answers: &[
            Answer::ok(emitted::<Readiness>),
            Answer {
                status: 503,
                description: "The configuration, the credentials or the state fail.",
                content: Content::Document(emitted::<Readiness>),
            },
        ],
        ..Endpoint::read("/readyz", "readyz", "Whether the service can work.", || get(ready))
    },
];

async fn ready(
    State(service): Here,
    Extension(identity): Extension<Identity>,
) -> Result<Response, Problem> {
    let Health { state, state_at, configuration, credentials, .. } = service.app.health();
    let never = "the state has not been read yet".to_owned();
    let state = state.or_else(|| state_at.is_none().then_some(never));
    // Reasons name accounts, buckets and roles.
    let shows_reasons = identity.has(AccessScope::Read);
    let failing: Vec<FailingPart> = [
        (Dependency::Configuration, configuration),
        (Dependency::Credentials, credentials),
        (Dependency::State, state),
    ]
    .into_iter()
    .filter_map(|(part, reason)| {
        let reason = reason?;
        Some(FailingPart { part, reason: shows_reasons.then_some(reason) })
    })
    .collect();
    let status = if failing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    document_with(status, Readiness { ready: failing.is_empty(), failing })
}
