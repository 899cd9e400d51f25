//! `GET /api/v1/schedules`

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::endpoint::{Answer, Endpoint, emitted, schema};
use super::query::{NoParameters, Parameters};
use super::respond::document;
use crate::report::contract::api::ScheduleList;
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    query: Some(schema::<NoParameters>),
    answers: &[Answer::ok(emitted::<ScheduleList>)],
    ..Endpoint::read(
        "/api/v1/schedules",
        "list_schedules",
        "The schedules, and when their next rounds start.",
        || get(schedules),
    )
}];

async fn schedules(
    State(service): Here,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    document(ScheduleList { schedules: service.status().await?.schedules.clone() })
}
