//! `GET /api/v1/status`

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::endpoint::{Answer, Endpoint, emitted, schema};
use super::query::{NoParameters, Parameters};
use super::respond::document;
use crate::report::contract::service::Status;
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    query: Some(schema::<NoParameters>),
    answers: &[Answer::ok(emitted::<Status>)],
    ..Endpoint::read(
        "/api/v1/status",
        "status",
        "The verdict, what is wrong, the newest rounds and the next ones.",
        || get(status),
    )
}];

async fn status(
    State(service): Here,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    document((*service.status().await?).clone())
}
