//! `GET /api/v1/coverage` and `/api/v1/accounts`

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Deserialize;

use super::endpoint::{Answer, Endpoint, emitted, schema};
use super::query::{Limit, Parameters};
use super::respond::document;
use crate::names::AccountId;
use crate::report::contract::api::{
    AccountList, AccountState, CellState, CoverageAccount, CoverageCell, CoverageList,
};
use crate::report::contract::service::CellStates;
use crate::serve::board::{Account, Cell, State as BoardState};
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        query: Some(schema::<Filter>),
        answers: &[Answer::ok(emitted::<CoverageList>)],
        ..Endpoint::read(
            "/api/v1/coverage",
            "coverage",
            "The accounts and Regions, with the state of each.",
            || get(coverage),
        )
    },
    Endpoint {
        query: Some(schema::<Page>),
        answers: &[Answer::ok(emitted::<AccountList>)],
        ..Endpoint::read(
            "/api/v1/accounts",
            "list_accounts",
            "The accounts of the organization, with the worst state of each.",
            || get(accounts),
        )
    },
];

/// Which accounts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only accounts with a Region in this state.
    state: Option<CellState>,
    /// Only accounts of this organizational unit and of those below it, as `Root/Workloads`.
    ou: Option<String>,
    /// Only this account.
    account: Option<AccountId>,
    /// How many accounts.
    limit: Option<Limit>,
    /// Only accounts that follow this one.
    after: Option<AccountId>,
}

/// A page of accounts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Page {
    /// How many accounts.
    limit: Option<Limit>,
    /// Only accounts that follow this one.
    after: Option<AccountId>,
}

async fn coverage(
    State(service): Here,
    Parameters(Filter { state, ou, account, limit, after }): Parameters<Filter>,
) -> Result<Response, Problem> {
    let board = service.app.board();
    let Some(coverage) = &board.coverage else {
        return document(CoverageList {
            as_of: None,
            cells: CellStates::default(),
            regions: Vec::new(),
            accounts: Vec::new(),
            matching: 0,
            next: None,
        });
    };
    let is_wanted = |it: &&Account| {
        state.is_none_or(|state| it.cells.iter().any(|cell| CellState::from(cell.state) == state))
            && ou.as_deref().is_none_or(|unit| is_within(&it.unit_path, unit))
            && account.as_ref().is_none_or(|account| it.account == *account)
    };
    let matching: Vec<&Account> = coverage.accounts.iter().filter(is_wanted).collect();
    let (page, next) = page(&matching, limit, after.as_ref());
    document(CoverageList {
        as_of: Some(coverage.as_of),
        cells: coverage.cells(),
        regions: coverage.regions.clone(),
        accounts: page.iter().map(|account| CoverageAccount::from(*account)).collect(),
        matching: matching.len(),
        next,
    })
}

async fn accounts(
    State(service): Here,
    Parameters(Page { limit, after }): Parameters<Page>,
) -> Result<Response, Problem> {
    let board = service.app.board();
    let Some(coverage) = &board.coverage else {
        let states = CellStates::default();
        return document(AccountList { as_of: None, states, accounts: Vec::new(), next: None });
    };
    let all: Vec<&Account> = coverage.accounts.iter().collect();
    let (page, next) = page(&all, limit, after.as_ref());
    document(AccountList {
        as_of: Some(coverage.as_of),
        states: coverage.worst(),
        accounts: page.iter().map(|account| AccountState::from(*account)).collect(),
        next,
    })
}

/// The accounts that follow one, and the last of them if more follow.
fn page<'a, 'b>(
    accounts: &'a [&'b Account],
    limit: Option<Limit>,
    after: Option<&AccountId>,
) -> (&'a [&'b Account], Option<AccountId>) {
    let at = after.map(|after| accounts.iter().position(|it| it.account == *after));
    // An account that has left the organization: nothing is known to follow it.
    let from = at.map_or(0, |at| at.map_or(accounts.len(), |at| at + 1));
    let rest = accounts.get(from..).unwrap_or_default();
    let page = rest.get(..Limit::items(limit)).unwrap_or(rest);
    let next = (page.len() < rest.len()).then(|| page.last()).flatten();
    (page, next.map(|account| account.account.clone()))
}

fn is_within(path: &str, unit: &str) -> bool {
    path.strip_prefix(unit).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl From<&Account> for CoverageAccount {
    fn from(account: &Account) -> Self {
        Self {
            account: account.account.clone(),
            name: account.name.clone(),
            unit_path: account.unit_path.to_string(),
            state: account.worst().into(),
            cells: account.cells.iter().map(CoverageCell::from).collect(),
        }
    }
}

impl From<&Cell> for CoverageCell {
    fn from(cell: &Cell) -> Self {
        Self {
            state: cell.state.into(),
            reason: cell.reason.as_deref().map(str::to_owned),
            newest_log_file_at: cell.newest_log_file_at,
            newest_digest_at: cell.newest_digest_at,
            proven_through: cell.proven_through,
        }
    }
}

impl From<&Account> for AccountState {
    fn from(account: &Account) -> Self {
        let cells = account.cells.iter().filter(|cell| cell.state != BoardState::Excluded);
        Self {
            account: account.account.clone(),
            name: account.name.clone(),
            unit_path: account.unit_path.to_string(),
            state: account.worst().into(),
            verified_through: cells.map(|cell| cell.proven_through).min().flatten(),
        }
    }
}

impl From<BoardState> for CellState {
    fn from(state: BoardState) -> Self {
        match state {
            BoardState::Excluded => Self::Excluded,
            BoardState::Proven => Self::Proven,
            BoardState::Delivering => Self::Delivering,
            BoardState::Late => Self::Late,
            BoardState::Unreadable => Self::Unreadable,
            BoardState::Dark => Self::Dark,
            BoardState::Failed => Self::Failed,
        }
    }
}
