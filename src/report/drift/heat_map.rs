use std::collections::BTreeMap;

use maud::{Markup, html as markup};

use super::{Cells, plain, plural};
use crate::checks::{Cell, Coverage, CoveredAccount};
use crate::names::Region;

/// How a cell is shown: its class, its mark and its word. The mark distinguishes the
/// state as the color does.
fn shown(cell: &Cell) -> (&'static str, &'static str, &'static str) {
    match cell {
        Cell::Covered { .. } => ("ok", "✓", "delivering"),
        Cell::Stale { .. } => ("stale", "!", "stale"),
        Cell::Uncovered { .. } => ("none", "✕", "no trail"),
        Cell::Unknown { .. } => ("open", "?", "unknown"),
        Cell::NotEnabled => ("off", "·", "Region not enabled"),
        Cell::Excluded { .. } => ("out", "–", "excluded"),
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
pub(super) fn tile(coverage: &Coverage) -> Markup {
    let cells = Cells::of_all(coverage);
    markup! {
        section.tile aria-labelledby="delivering" {
            h2 #delivering { "Coverage" }
            p.big { (percent(cells)) }
            p {
                (cells.covered) " of " (plural(cells.expected(), "account × Region", "accounts × Regions"))
                " deliver"
            }
            dl.numbers {
                div { dt { "Stale" } dd.some[cells.stale > 0] { (cells.stale) } }
                div { dt { "No trail" } dd.some[cells.uncovered > 0] { (cells.uncovered) } }
                div { dt { "Unknown" } dd { (cells.unknown) } }
            }
        }
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
    let few = coverage.accounts.len() <= FEW;
    markup! {
        section aria-labelledby="coverage" {
            h2 #coverage { "Coverage by account and Region" }
            ul.legend {
                @for cell in legend() {
                    @let (class, mark, word) = shown(&cell);
                    li { span.cell.(class) aria-hidden="true" { (mark) } " " (word) }
                }
            }
            (regions(coverage))
            @for (unit, accounts) in units { (unit_section(unit, coverage, &accounts, few)) }
        }
    }
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
        details.unit open[few || !lacking.is_empty()] {
            summary {
                b { (plain(unit)) } " "
                span.more { (plural(accounts.len(), "account", "accounts")) }
                @if !lacking.is_empty() {
                    " " span.short { (lacking.len()) " not delivering everywhere" }
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
    markup! {
        details.unit open {
            summary { b { "Every Region" } }
            div.scroll { table.map {
                caption.hidden { "Accounts that deliver, by Region" }
                (head(&coverage.regions, "All accounts"))
                tbody { tr {
                    th scope="row" { (plural(coverage.accounts.len(), "account", "accounts")) }
                    @for index in 0..coverage.regions.len() {
                        @let cells = of_region(index);
                        @let is_complete = cells.covered == cells.expected();
                        td.share.ok[is_complete].stale[!is_complete]
                            title={ (cells.covered) " of " (cells.expected()) } { (percent(cells)) }
                    }
                } }
            } }
        }
    }
}

fn head(regions: &[Region], first: &str) -> Markup {
    markup! {
        thead { tr {
            th scope="col" { (first) }
            @for region in regions { th.region scope="col" { span { (region) } } }
        } }
    }
}

fn map(unit: &str, regions: &[Region], accounts: &[&CoveredAccount]) -> Markup {
    markup! {
        div.scroll { table.map {
            caption.hidden { "Coverage of " (plain(unit)) }
            (head(regions, "Account"))
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
        } }
    }
}

fn shown_cell(region: &Region, cell: &Cell) -> Markup {
    let (class, mark, word) = shown(cell);
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
            span aria-hidden="true" { (mark) }
            span.hidden { (word) }
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
            let hidden = format!("<span class=\"hidden\">{cell}</span>");
            assert_eq!(page.matches(&hidden).count(), count, "{cell}");
        }
    }

    #[test]
    fn incomplete_coverage_is_never_100_percent() {
        let cells = Cells { covered: 16_999, stale: 1, ..Cells::default() };
        assert_eq!(percent(cells), "99 %");
        assert_eq!(percent(Cells::default()), "–");
    }
}
