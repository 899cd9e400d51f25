use std::collections::BTreeMap;

use maud::{Markup, html as markup};

use super::{Cells, plain, plural};
use crate::checks::{Cell, Coverage, CoveredAccount};
use crate::names::Region;
use crate::report::html::{self, Fact, card, count, tag};

/// How a cell is shown: its class, which has a color and a symbol, and its word.
fn shown(cell: &Cell) -> (&'static str, &'static str) {
    match cell {
        Cell::Covered { .. } => ("delivering", "delivering"),
        Cell::Stale { .. } => ("late", "stale"),
        Cell::Uncovered { .. } => ("dark", "no trail"),
        Cell::Unknown { .. } => ("unreadable", "unknown"),
        Cell::NotEnabled => ("excluded", "Region not enabled"),
        Cell::Excluded { .. } => ("excluded", "excluded"),
    }
}

/// A cell of each state, for the legend.
fn legend() -> [Cell; 6] {
    [
        Cell::Covered { newest_log: None, newest_digest: None },
        Cell::Stale { newest_log: None, newest_digest: None },
        Cell::Uncovered { found: String::new() },
        Cell::Unknown { reason: String::new() },
        Cell::NotEnabled,
        Cell::Excluded { reason: String::new() },
    ]
}

/// The coverage in numbers.
pub(super) fn delivering(coverage: &Coverage) -> Fact {
    let cells = Cells::of_all(coverage);
    Fact {
        name: markup! { "Delivering" },
        value: markup! { (percent(cells)) },
        more: markup! {
            (count(cells.covered)) " of "
            (plural(cells.expected(), "account × Region", "accounts × Regions")) ", "
            (count(cells.stale)) " stale, " (count(cells.uncovered)) " without a trail, "
            (count(cells.unknown)) " unknown"
        },
    }
}

/// Rounded down: only complete coverage is shown as 100 %.
fn percent(cells: Cells) -> String {
    match cells.expected() {
        0 => "–".to_owned(),
        expected => format!("{} %", cells.covered * 100 / expected),
    }
}

/// Up to how many accounts those that deliver everywhere are expanded too.
const FEW: usize = 50;

/// The heat map, a table per organizational unit. With many accounts, those that deliver
/// everywhere are collapsed.
pub(super) fn section(coverage: &Coverage) -> Markup {
    let mut units: BTreeMap<&str, Vec<&CoveredAccount>> = BTreeMap::new();
    for account in &coverage.accounts {
        units.entry(account.unit_path.as_str()).or_default().push(account);
    }
    // Those that lack something come first.
    let mut units: Vec<_> = units.into_iter().collect();
    units.sort_by_key(|(_, accounts)| !accounts.iter().any(|account| is_lacking(account)));
    let few = coverage.accounts.len() <= FEW;
    let body = markup! {
        div.pad { ul.legend role="list" aria-label="Legend" {
            @for cell in legend() {
                @let (class, word) = shown(&cell);
                li { (tag(class, word)) }
            }
        } }
        (regions(coverage))
        @for (unit, accounts) in units { (unit_section(unit, coverage, &accounts, few)) }
    };
    card("coverage", "Coverage by account and Region", &Markup::default(), &body)
}

fn unit_section(
    unit: &str,
    coverage: &Coverage,
    accounts: &[&CoveredAccount],
    few: bool,
) -> Markup {
    let (lacking, complete): (Vec<_>, Vec<_>) =
        accounts.iter().partition(|account| is_lacking(account));
    markup! {
        details open[few || !lacking.is_empty()] {
            summary {
                h3 { (plain(unit)) } " "
                small {
                    (plural(accounts.len(), "account", "accounts"))
                    @if !lacking.is_empty() {
                        ", " (count(lacking.len())) " not delivering everywhere"
                    }
                }
            }
            @if few || lacking.is_empty() {
                (map(unit, &coverage.regions, accounts))
            } @else {
                (map(unit, &coverage.regions, &lacking))
                @if !complete.is_empty() {
                    details {
                        summary { (plural(complete.len(), "account delivers", "accounts deliver")) " everywhere" }
                        (map(unit, &coverage.regions, &complete))
                    }
                }
            }
        }
    }
}

/// Whether a Region that should deliver does not.
fn is_lacking(account: &CoveredAccount) -> bool {
    let cells = Cells::of(&account.cells);
    cells.covered < cells.expected()
}

fn regions(coverage: &Coverage) -> Markup {
    let of_region = |index: usize| {
        Cells::of(coverage.accounts.iter().filter_map(|account| account.cells.get(index)))
    };
    let body = markup! {
        tbody { tr {
            th scope="row" { (plural(coverage.accounts.len(), "account", "accounts")) }
            @for index in 0..coverage.regions.len() {
                @let cells = of_region(index);
                td.count title={ (cells.covered) " of " (cells.expected()) } { (percent(cells)) }
            }
        } }
    };
    markup! {
        details open {
            summary { h3 { "Every Region" } }
            (html::map("Accounts that deliver, by Region", "All accounts", &coverage.regions, &body))
        }
    }
}

fn map(unit: &str, regions: &[Region], accounts: &[&CoveredAccount]) -> Markup {
    let body = markup! {
        tbody {
            @for account in accounts {
                tr {
                    th scope="row" {
                        code { (account.account) } " " (plain(&account.name))
                    }
                    @for (region, cell) in regions.iter().zip(&account.cells) {
                        (shown_cell(region, cell))
                    }
                }
            }
        }
    };
    html::map(&format!("Coverage of {unit}"), "Account", regions, &body)
}

fn shown_cell(region: &Region, cell: &Cell) -> Markup {
    let (class, word) = shown(cell);
    let more = match cell {
        Cell::Covered { newest_log, .. } | Cell::Stale { newest_log, .. } => {
            newest_log.map(|time| format!("newest log {time}")).unwrap_or_default()
        }
        Cell::Uncovered { found: reason }
        | Cell::Unknown { reason }
        | Cell::Excluded { reason } => plain(reason).into_owned(),
        Cell::NotEnabled => String::new(),
    };
    markup! {
        td.(class) title={ (region) ": " (word) @if !more.is_empty() { "; " (more) } } {
            (word)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn every_cell_names_its_state() {
        let run = samples::drifted();
        let page = section(&run.coverage).into_string();
        for (cell, count) in [("delivering", 2), ("stale", 1), ("no trail", 1), ("excluded", 1)] {
            let shown = format!(">{cell}</td>");
            assert_eq!(page.matches(&shown).count(), count, "{cell}");
        }
    }

    #[test]
    fn incomplete_coverage_is_never_100_percent() {
        let cells = Cells { covered: 16_999, stale: 1, ..Cells::default() };
        assert_eq!(percent(cells), "99 %");
        assert_eq!(percent(Cells::default()), "–");
    }
}
