//! `GET /api/v1/rounds`, `/api/v1/rounds/{id}` and `/api/v1/rounds/running`

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Deserialize;

use super::endpoint::{Answer, Endpoint, SchemaOf, emitted, schema};
use super::query::{Limit, Names, NoParameters, Parameters, RoundId};
use super::respond::document;
use super::state::Service;
use crate::report::contract::api::RoundList;
use crate::report::contract::live::LiveRound;
use crate::report::contract::service::Round;
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

/// The id of a round in a path.
pub(super) const ROUND: (&str, &str, SchemaOf) = ("id", "The id of a round.", schema::<RoundId>);
pub(super) const NO_ROUND: Answer = Answer::problem(404, "There is no such round.");

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        query: Some(schema::<Page>),
        answers: &[Answer::ok(emitted::<RoundList>)],
        ..Endpoint::read(
            "/api/v1/rounds",
            "list_rounds",
            "The rounds that have ended, the newest first.",
            || get(list),
        )
    },
    Endpoint {
        query: Some(schema::<NoParameters>),
        answers: &[
            Answer::ok(emitted::<LiveRound>),
            Answer::problem(404, "This replica runs no round."),
        ],
        ..Endpoint::read(
            "/api/v1/rounds/running",
            "running_round",
            "The round that this replica runs, with its progress.",
            || get(running),
        )
    },
    Endpoint {
        path_parameters: &[ROUND],
        query: Some(schema::<NoParameters>),
        answers: &[Answer::ok(emitted::<Round>), NO_ROUND],
        ..Endpoint::read("/api/v1/rounds/{id}", "round", "A round that has ended.", || get(one))
    },
];

/// A page of rounds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Page {
    /// How many rounds.
    limit: Option<Limit>,
    /// Only rounds older than the one of this id.
    before: Option<RoundId>,
}

async fn list(
    State(service): Here,
    Parameters(Page { limit, before }): Parameters<Page>,
) -> Result<Response, Problem> {
    let board = service.app.board();
    // Ids sort the newest round first.
    let is_older = |id: &str| before.as_ref().is_none_or(|before| id > before.as_str());
    let mut rounds = board.rounds.iter().filter(|round| is_older(&round.id));
    let page: Vec<Round> =
        rounds.by_ref().take(Limit::items(limit)).map(|round| (**round).clone()).collect();
    let next = rounds.next().and_then(|_| page.last()).map(|round| round.id.clone());
    document(RoundList { rounds: page, next, unreadable_rounds: board.unreadable_rounds })
}

async fn running(
    State(service): Here,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    match service.app.live().round() {
        Some(round) => document(round),
        None => Err(Problem::not_found("this replica runs no round")),
    }
}

async fn one(
    State(service): Here,
    Names(id): Names<RoundId>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    document(find(&service, &id).await?)
}

/// A round that has ended.
pub(super) async fn find(service: &Service, id: &RoundId) -> Result<Round, Problem> {
    let id = id.as_str();
    let board = service.app.board();
    if let Some(round) = board.rounds.iter().find(|round| round.id == id) {
        return Ok((**round).clone());
    }
    let found = service.app.rounds().read(id).await?;
    let found = found.ok_or_else(|| Problem::not_found(format!("there is no round `{id}`")))?;
    // A client that waits for the end of a round then opens the pages, which must show it. Newer
    // ids sort first.
    if board.newest().is_none_or(|newest| found.id < newest.id) {
        service.app.refresh().await?;
    }
    Ok(found)
}
