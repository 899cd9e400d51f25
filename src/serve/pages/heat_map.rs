//! The heat map: a row for each account, a column for each Region.

use std::collections::BTreeMap;
use std::sync::Arc;

use maud::{Markup, html as markup};

use super::components::{account_path, count, tag};
use super::coverage::shown_unit;
use crate::names::Region;
use crate::printable::plain;
use crate::report::contract::service::CellStates;
use crate::report::html;
use crate::serve::board::{Account, Cell, Coverage, State};
use crate::words::counted;

/// What the states mean, and how many cells have each.
pub(super) fn legend(cells: &CellStates) -> Markup {
    let states = [
        (State::Proven, cells.proven, "proven"),
        (State::Delivering, cells.delivering, "delivering, not yet verified"),
        (State::Late, cells.late, "late: the newest delivery is too old"),
        (State::Failed, cells.failed, "failed verification"),
        (State::Dark, cells.dark, "dark: not recorded"),
        (State::Unreadable, cells.unreadable, "unreadable"),
        (State::Excluded, cells.excluded, "excluded"),
    ];
    markup! {
        ul.legend role="list" aria-label="Legend and number of cells" {
            @for (state, number, meaning) in states {
                li { (tag(state.word(), &count(number))) " " (meaning) }
            }
        }
    }
}

/// Counts by state.
pub(super) fn count_states(states: impl IntoIterator<Item = State>) -> CellStates {
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

/// A map of some accounts, whose units follow one another. `with_units` adds a row for each
/// unit, and one with sums.
pub(super) fn map(
    caption: &str,
    known: &Coverage,
    columns: &[usize],
    accounts: &[&Account],
    with_units: bool,
) -> Markup {
    let regions: Vec<&Region> =
        columns.iter().filter_map(|position| known.regions.get(*position)).collect();
    let units = accounts.chunk_by(|one, other| one.unit_path == other.unit_path);
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    if with_units {
        for account in &known.accounts {
            *sizes.entry(&account.unit_path).or_default() += 1;
        }
    }
    let body = markup! {
        @for unit in units {
            tbody {
                @if with_units {
                    @let name = unit.first().map_or("", |account| &account.unit_path);
                    @let size = sizes.get(name).copied().unwrap_or_default();
                    tr.ou {
                        th scope="rowgroup" { (shown_unit(name)) }
                        td.none colspan=(regions.len()) {
                            (count(unit.len())) " of " (counted(size, "account"))
                        }
                    }
                }
                @for account in unit { (row(account, columns, &regions)) }
            }
        }
        @if with_units { (sums(columns, accounts)) }
    };
    html::map(caption, "Account", regions.iter().copied(), &body)
}

fn row(account: &Account, columns: &[usize], regions: &[&Region]) -> Markup {
    let path = account_path(&account.account);
    let cells: Vec<&Cell> =
        columns.iter().filter_map(|position| account.cells.get(*position)).collect();
    markup! {
        tr {
            th scope="row" {
                a href=(path) { (plain(&account.name)) } " " code { (account.account) }
            }
            @match shared(&cells) {
                Some((state, reason)) => {
                    td colspan=(regions.len()) class=(state.word()) {
                        @if state.is_problem() { a href=(path) { (whole(state, &cells, reason)) } }
                        @else { (whole(state, &cells, reason)) }
                    }
                },
                None => {
                    @for (cell, region) in cells.iter().zip(regions) { (one(cell, &path, region)) }
                },
            }
        }
    }
}

/// The state that all cells share, other than proven, and its reason.
fn shared<'a>(cells: &[&'a Cell]) -> Option<(State, Option<&'a Arc<str>>)> {
    let (first, others) = cells.split_first()?;
    let is_shared = !others.is_empty()
        && first.state != State::Proven
        && others.iter().all(|cell| cell.state == first.state);
    is_shared.then_some((first.state, first.reason.as_ref()))
}

fn whole(state: State, cells: &[&Cell], reason: Option<&Arc<str>>) -> Markup {
    markup! {
        (state.word()) " in all " (count(cells.len())) " Regions"
        @if let Some(reason) = reason { ": " (plain(reason)) }
    }
}

fn one(cell: &Cell, path: &str, region: &Region) -> Markup {
    markup! {
        @match cell.state {
            // Most cells: short, and the style sheet knows it.
            State::Proven => { td { "proven" } },
            state if state.is_problem() => {
                td class=(state.word()) { a href={ (path) "/" (region) } { (state.word()) } }
            },
            state => { td class=(state.word()) { (state.word()) } },
        }
    }
}

fn sums(columns: &[usize], accounts: &[&Account]) -> Markup {
    let lacking = |position: usize| {
        let cells = accounts.iter().filter_map(|account| account.cells.get(position));
        cells.filter(|cell| cell.state > State::Proven).count()
    };
    markup! {
        tfoot { tr {
            th scope="row" { "Not proven, of " (counted(accounts.len(), "account")) }
            @for position in columns { td.count { (count(lacking(*position))) } }
        } }
    }
}
