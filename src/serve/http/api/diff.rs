//! `GET /api/v1/rounds/{id}/diff/{other}`

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::endpoint::{Answer, Endpoint, emitted, schema};
use super::query::{Names, NoParameters, Parameters, RoundId};
use super::respond::document;
use super::rounds::{NO_ROUND, ROUND, find};
use super::state::Service;
use crate::report::contract::api::RoundDiff;
use crate::report::contract::service::Signals;
use crate::serve::board::Changes;
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    path_parameters: &[ROUND, ("other", "The id of another round.", schema::<RoundId>)],
    query: Some(schema::<NoParameters>),
    answers: &[Answer::ok(emitted::<RoundDiff>), NO_ROUND],
    ..Endpoint::read(
        "/api/v1/rounds/{id}/diff/{other}",
        "diff_rounds",
        "What the later of two rounds found that the earlier did not, and the reverse.",
        || get(diff),
    )
}];

async fn diff(
    State(service): Here,
    Names((one, other)): Names<(RoundId, RoundId)>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    // Ids sort the newest round first.
    let (later, earlier) = if one.as_str() <= other.as_str() { (one, other) } else { (other, one) };
    let before = signals(&service, &earlier).await?;
    let after = signals(&service, &later).await?;
    let Changes { new, changed, unreadable, resolved, unchanged } =
        Changes::between(&before, &after);
    let (earlier, later) = (earlier.as_str().to_owned(), later.as_str().to_owned());
    document(RoundDiff { earlier, later, new, changed, unreadable, resolved, unchanged })
}

async fn signals(service: &Service, id: &RoundId) -> Result<Signals, Problem> {
    let round = find(service, id).await?;
    let signals = service.app.rounds().signals(&round.id).await?;
    signals.ok_or_else(|| Problem::not_found(format!("the round `{}` stored no signals", round.id)))
}
