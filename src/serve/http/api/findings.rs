//! `GET /api/v1/findings`

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::endpoint::{Answer, Endpoint, emitted, schema};
use super::query::{Limit, Parameters};
use super::respond::document;
use crate::report::contract::api::FindingList;
use crate::report::contract::checks::Severity;
use crate::report::contract::service::{Signal, SignalState};
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    query: Some(schema::<Filter>),
    answers: &[
        Answer::ok(emitted::<FindingList>),
        Answer::problem(410, "`after` names a finding that is gone: start again without it."),
    ],
    ..Endpoint::read(
        "/api/v1/findings",
        "list_findings",
        "Everything that is wrong or unreadable, the most severe first.",
        || get(findings),
    )
}];

/// Which findings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only findings of rounds that started at this time or later.
    since: Option<Timestamp>,
    /// Only findings of this severity or higher.
    severity: Option<Severity>,
    /// Only findings in this state.
    state: Option<SignalState>,
    /// Only suppressed findings, or only others.
    suppressed: Option<bool>,
    /// How many findings.
    limit: Option<Limit>,
    /// Only findings that follow the one of this fingerprint.
    after: Option<String>,
}

async fn findings(
    State(service): Here,
    Parameters(filter): Parameters<Filter>,
) -> Result<Response, Problem> {
    let Filter { since, severity, state, suppressed, limit, after } = filter;
    let board = service.app.board();
    let Some(signals) = &board.signals else {
        let findings = Vec::new();
        return document(FindingList { round: None, findings, matching: 0, next: None });
    };
    let is_wanted = |signal: &&Signal| {
        since.is_none_or(|since| signal.since >= since)
            && severity.is_none_or(|severity| signal.severity >= severity)
            && state.is_none_or(|state| signal.state == state)
            && suppressed.is_none_or(|suppressed| signal.suppressed == suppressed)
    };
    let matching: Vec<&Signal> = signals.signals.iter().filter(is_wanted).collect();
    let from = match &after {
        None => 0,
        Some(after) => {
            let at = matching.iter().position(|it| it.fingerprint == *after);
            let detail = "the finding that `after` names is gone: start again without it";
            at.ok_or_else(|| Problem::new(http::StatusCode::GONE, detail))? + 1
        }
    };
    let rest = matching.get(from..).unwrap_or_default();
    let page = rest.get(..Limit::items(limit)).unwrap_or(rest);
    let next = (page.len() < rest.len()).then(|| page.last()).flatten();
    document(FindingList {
        round: Some(signals.round.clone()),
        findings: page.iter().map(|signal| (*signal).clone()).collect(),
        matching: matching.len(),
        next: next.map(|signal| signal.fingerprint.clone()),
    })
}
