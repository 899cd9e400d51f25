//! `GET /api/v1/landing-zone`

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::endpoint::{Answer, Endpoint, emitted, schema};
use super::query::{NoParameters, Parameters};
use super::respond::document;
use crate::report::contract::new_accounts::LandingZone;
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    query: Some(schema::<NoParameters>),
    answers: &[Answer::ok(emitted::<LandingZone>)],
    ..Endpoint::read(
        "/api/v1/landing-zone",
        "landing_zone",
        "Accounts that joined and left the organization, and when they were covered.",
        || get(landing_zone),
    )
}];

async fn landing_zone(
    State(service): Here,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    let app = &service.app;
    document(app.accounts().document(&app.config(), app.now()))
}
