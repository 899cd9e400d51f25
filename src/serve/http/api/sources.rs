//! `GET /api/v1/sources`

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::endpoint::{Answer, Endpoint, emitted, schema};
use super::query::{NoParameters, Parameters};
use super::respond::document;
use crate::report::contract::api::SourceList;
use crate::serve::board::Sources;
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    query: Some(schema::<NoParameters>),
    answers: &[Answer::ok(emitted::<SourceList>)],
    ..Endpoint::read(
        "/api/v1/sources",
        "list_sources",
        "The result of the newest consolidation, by source.",
        || get(sources),
    )
}];

async fn sources(
    State(service): Here,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    let board = service.app.board();
    document(match &board.sources {
        None => SourceList {
            as_of: None,
            round: None,
            seconds: 0,
            complete: false,
            by_source: BTreeMap::new(),
            failures: Vec::new(),
            unreadable_regions: 0,
        },
        Some(Sources { as_of, seconds, round, report }) => SourceList {
            as_of: Some(*as_of),
            round: Some(round.clone()),
            seconds: *seconds,
            complete: report.complete,
            by_source: report.by_source.clone(),
            failures: report.failures.clone(),
            unreadable_regions: report.unreadable_regions.len(),
        },
    })
}
