//! `GET /api/v1/chains`

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Deserialize;

use super::endpoint::{Answer, Endpoint, emitted, schema};
use super::query::Parameters;
use super::respond::document;
use crate::names::{AccountId, Region};
use crate::report::contract::api::{Chain, ChainFinding, ChainList};
use crate::serve::board;
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    query: Some(schema::<Scope>),
    answers: &[
        Answer::ok(emitted::<ChainList>),
        Answer::problem(404, "No digests of the account, or of the Region, are known."),
    ],
    ..Endpoint::read(
        "/api/v1/chains",
        "list_chains",
        "The digest chains of an account: what is proven, and what is not.",
        || get(chains),
    )
}];

/// Whose chains.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Scope {
    /// The account.
    account: AccountId,
    /// The Region; all Regions if absent.
    region: Option<Region>,
}

async fn chains(
    State(service): Here,
    Parameters(Scope { account, region }): Parameters<Scope>,
) -> Result<Response, Problem> {
    let board = service.app.board();
    let scopes = board.chains.scopes.iter().filter(|((of, in_region), _)| {
        *of == account && region.as_ref().is_none_or(|region| in_region == region)
    });
    let chains: Vec<Chain> = scopes
        .map(|((account, region), chains)| Chain {
            account: account.clone(),
            region: region.clone(),
            trails: chains.trails.iter().map(|chain| chain.trail.to_string()).collect(),
            proven: chains.proven.clone(),
            findings: chains.findings.iter().map(ChainFinding::from).collect(),
        })
        .collect();
    if chains.is_empty() {
        let region = region.map(|region| format!(" in {region}")).unwrap_or_default();
        return Err(Problem::not_found(format!("no digests of {account}{region} are known")));
    }
    let general = board.chains.general.iter().map(ChainFinding::from).collect();
    document(ChainList { as_of: board.chains.as_of, chains, general })
}

impl From<&board::ChainFinding> for ChainFinding {
    fn from(finding: &board::ChainFinding) -> Self {
        let board::ChainFinding { kind, is_broken, meaning, key, expected, found, period, objects } =
            finding.clone();
        Self {
            kind: kind.to_string(),
            broken: is_broken,
            meaning: meaning.to_string(),
            key,
            expected,
            found,
            period,
            objects,
        }
    }
}
