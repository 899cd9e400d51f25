//! Accounts and Regions, with what the checks and the chains know about each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::chains::{Chains, ScopeChains};
use crate::names::{AccountId, Region};
use crate::report::contract::coverage::{self, Deliveries};
use crate::report::contract::events::ReconcileReport;
use crate::report::contract::service::CellStates;

/// The accounts and Regions of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// When AWS was asked.
    pub as_of: Timestamp,
    /// The Regions, sorted.
    pub regions: Vec<Region>,
    /// The accounts, by organizational unit, then by id.
    pub accounts: Vec<Account>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The names of its organizational units from the root down.
    pub unit_path: Arc<str>,
    /// One cell for each Region, in their order.
    pub cells: Vec<Cell>,
}

/// An account in a Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its state.
    pub state: State,
    /// What was found, or why it could not be read or is excluded.
    pub reason: Option<Arc<str>>,
    /// When the newest log file was delivered, where it is known.
    pub newest_log_file_at: Option<Timestamp>,
    /// When the newest digest was delivered, where it is known.
    pub newest_digest_at: Option<Timestamp>,
    /// The end of the newest proven period.
    pub proven_through: Option<Timestamp>,
}

/// The state of an account in a Region, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Excluded by the configuration, or a Region that the account has not enabled.
    Excluded,
    /// Recorded, delivered in time, and verified.
    Proven,
    /// Recorded and delivered in time; not verified yet.
    Delivering,
    /// Recorded, and the newest delivery is too old.
    Late,
    /// Could not be read.
    Unreadable,
    /// Not recorded.
    Dark,
    /// A digest, signature or log file fails verification, or Event history has events that
    /// the archive lacks.
    Failed,
}

impl State {
    /// All states, the worst first.
    pub const ALL: [Self; 7] = [
        Self::Failed,
        Self::Dark,
        Self::Unreadable,
        Self::Late,
        Self::Delivering,
        Self::Proven,
        Self::Excluded,
    ];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Excluded => "excluded",
            Self::Proven => "proven",
            Self::Delivering => "delivering",
            Self::Late => "late",
            Self::Unreadable => "unreadable",
            Self::Dark => "dark",
            Self::Failed => "failed",
        }
    }

    /// Whether something has to be done about it.
    #[must_use]
    pub const fn is_problem(self) -> bool {
        matches!(self, Self::Late | Self::Unreadable | Self::Dark | Self::Failed)
    }
}

impl Account {
    /// The worst state of its cells.
    #[must_use]
    pub fn worst(&self) -> State {
        self.cells.iter().map(|cell| cell.state).max().unwrap_or(State::Excluded)
    }
}

impl Coverage {
    /// The coverage of a drift report, with what is known about the chains, and what Event
    /// history shows.
    #[must_use]
    pub fn of(
        report: coverage::Coverage,
        as_of: Timestamp,
        chains: &Chains,
        reconciliation: Option<&ReconcileReport>,
    ) -> Self {
        let mut texts = Texts::default();
        let compared = reconciliation.iter().flat_map(|report| &report.places);
        let lacking: HashMap<_, _> = compared
            .filter_map(|place| Some(((&place.account, &place.region), place.lacks()?)))
            .collect();
        let coverage::Coverage { regions, accounts } = report;
        let accounts = accounts.into_iter().map(|account| {
            let coverage::Account { account, name, unit_path, cells } = account;
            let cells = regions.iter().zip(cells).map(|(region, cell)| {
                let scope = chains.scopes.get(&(account.clone(), region.clone()));
                let mut cell = Cell::of(cell, &mut texts);
                cell.proven_through = scope.and_then(ScopeChains::proven_through);
                let is_recorded = matches!(cell.state, State::Delivering | State::Late);
                match scope {
                    Some(scope) if scope.is_broken() && cell.state != State::Excluded => {
                        cell.state = State::Failed;
                        let worst = scope.findings.first();
                        cell.reason = worst.map(|finding| Arc::clone(&finding.meaning));
                    }
                    Some(scope) if is_recorded && !scope.findings.is_empty() => {
                        let worst = scope.findings.first();
                        cell.reason = worst.map(|finding| Arc::clone(&finding.meaning));
                    }
                    Some(_) if cell.state == State::Delivering && cell.proven_through.is_some() => {
                        cell.state = State::Proven;
                    }
                    _ => {}
                }
                let is_compared =
                    matches!(cell.state, State::Proven | State::Delivering | State::Late);
                if let Some(lacks) = lacking.get(&(&account, region)).filter(|_| is_compared) {
                    cell.state = State::Failed;
                    cell.reason = Some(texts.text(lacks.clone()));
                }
                cell
            });
            let cells = cells.collect();
            Account { account, name, unit_path: texts.text(unit_path), cells }
        });
        let accounts = accounts.collect();
        Self { as_of, regions, accounts }
    }

    /// All cells by state.
    #[must_use]
    pub fn cells(&self) -> CellStates {
        count(self.accounts.iter().flat_map(|account| &account.cells).map(|cell| cell.state))
    }

    /// The accounts by their worst state.
    #[must_use]
    pub fn worst(&self) -> CellStates {
        count(self.accounts.iter().map(Account::worst))
    }

    /// The account of an id.
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.account == *id)
    }

    /// The ends of the proven periods of all cells that are not excluded, the earliest
    /// first. None for cells of which nothing is proven.
    #[must_use]
    pub fn proven_through(&self) -> Vec<Option<Timestamp>> {
        let cells = self.accounts.iter().flat_map(|account| &account.cells);
        let mut ends: Vec<_> = cells
            .filter(|cell| cell.state != State::Excluded)
            .map(|cell| cell.proven_through)
            .collect();
        ends.sort_unstable();
        ends
    }
}

impl Cell {
    fn of(cell: coverage::Cell, texts: &mut Texts) -> Self {
        let (state, reason, deliveries) = match cell {
            coverage::Cell::Covered(deliveries) => (State::Delivering, None, Some(deliveries)),
            coverage::Cell::Stale(deliveries) => (State::Late, None, Some(deliveries)),
            coverage::Cell::Uncovered { found } => (State::Dark, Some(found), None),
            coverage::Cell::Unknown { reason } => (State::Unreadable, Some(reason), None),
            coverage::Cell::NotEnabled => {
                (State::Excluded, Some("the account has not enabled the Region".to_owned()), None)
            }
            coverage::Cell::Excluded { reason } => (State::Excluded, Some(reason), None),
        };
        let none = Deliveries { newest_log_file_at: None, newest_digest_at: None };
        let Deliveries { newest_log_file_at, newest_digest_at } = deliveries.unwrap_or(none);
        let reason = reason.map(|reason| texts.text(reason));
        Self { state, reason, newest_log_file_at, newest_digest_at, proven_through: None }
    }
}

/// Texts that many cells share.
#[derive(Debug, Default)]
struct Texts(BTreeMap<String, Arc<str>>);

impl Texts {
    fn text(&mut self, text: String) -> Arc<str> {
        Arc::clone(self.0.entry(text).or_insert_with_key(|text| text.as_str().into()))
    }
}

fn count(states: impl Iterator<Item = State>) -> CellStates {
    let mut counts = CellStates::default();
    for state in states {
        *match state {
            State::Proven => &mut counts.proven,
            State::Delivering => &mut counts.delivering,
            State::Late => &mut counts.late,
            State::Failed => &mut counts.failed,
            State::Dark => &mut counts.dark,
            State::Unreadable => &mut counts.unreadable,
            State::Excluded => &mut counts.excluded,
        } += 1;
    }
    counts
}
