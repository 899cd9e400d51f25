//! `/chains/{account}`: an account in all its Regions.

use axum::extract::{Path, State as Extracted};
use axum::http::Uri;
use axum::response::Response;
use maud::{Markup, html};

use super::components::{
    Fact, account_path, card, count, crumbs, facts, is_or_are, list, only_note, state, tag,
    verdict, weight,
};
use super::coverage::{shown_unit, unit_link};
use super::errors::not_found;
use super::layout::{Page, Section};
use super::view::{View, respond};
use super::{findings, time};
use crate::names::{AccountId, Region};
use crate::printable::plain;
use crate::report::contract::service::Signal;
use crate::serve::app::App;
use crate::serve::board::{Account, Cell, Coverage, State, account_of};
use crate::words::counted;

/// How many findings are listed.
const FINDINGS: usize = 100;

/// `GET /chains/{account}`
pub(super) async fn page(
    Extracted(app): Extracted<App>,
    Path(id): Path<String>,
    uri: Uri,
) -> Response {
    respond(&app, &uri, move |view| account(view, &id)).await
}

/// The page.
///
/// # Errors
/// Nothing is known about the account: 404.
pub(super) fn account(view: &View, id: &str) -> Result<Markup, Box<Response>> {
    let known = id.parse::<AccountId>().ok().and_then(|id| {
        let coverage = view.board.coverage.as_ref()?;
        Some((coverage, coverage.account(&id)?))
    });
    let Some((coverage, account)) = known else {
        return Err(Box::new(not_found(
            Some(view),
            &format!("Nothing is known about an account `{id}`."),
        )));
    };
    let unit = shown_unit(&account.unit_path);
    let main = html! {
        (crumbs(
            &[("/coverage", "Coverage"), (&unit_link(&account.unit_path), &unit)],
            &html! { (plain(&account.name)) },
        ))
        (said(view, coverage, account))
        (facts(&numbers(account)))
        (regions(view, coverage, account))
        (findings_of(view, account))
    };
    let title = format!("{}: {}", account.worst().word(), plain(&account.name));
    let page = Page { is_top: false, ..Page::new(view, Section::Coverage, title) };
    Ok(page.render(&main))
}

fn said(view: &View, coverage: &Coverage, account: &Account) -> Markup {
    let worst = account.worst();
    let number = account.cells.iter().filter(|cell| cell.state == worst).count();
    let name = plain(&account.name);
    let all = account.cells.len();
    let is = match worst {
        State::Failed => "fails verification".to_owned(),
        State::Delivering => "is not fully verified".to_owned(),
        _ => format!("is {}", worst.word()),
    };
    let sentence = match number {
        _ if number == all => format!("{name} {is} in every Region."),
        _ => format!("{name} {is} in {} of {}.", count(number), counted(all, "Region")),
    };
    let line = html! {
        (state(worst)) " "
        span.soft { "from the check of " (time::clock(coverage.as_of, view.now)) ", "
            (time::ago(coverage.as_of, view.now)) }
    };
    let more = html! { code { (account.account) } ", " (shown_unit(&account.unit_path)) };
    let border = if worst > State::Proven { "bad" } else { "" };
    verdict(border, &line, &sentence, &more, &Markup::default())
}

fn numbers(account: &Account) -> Vec<Fact> {
    let of_state = |state: State| {
        let number = account.cells.iter().filter(|cell| cell.state == state).count();
        (number > 0).then(|| Fact {
            name: super::components::state(state),
            value: html! { (counted(number, "Region")) },
            more: Markup::default(),
        })
    };
    State::ALL.into_iter().filter_map(of_state).collect()
}

fn regions(view: &View, coverage: &Coverage, account: &Account) -> Markup {
    let mut rows: Vec<(&Region, &Cell)> = coverage.regions.iter().zip(&account.cells).collect();
    rows.sort_by_key(|(_, cell)| std::cmp::Reverse(cell.state));
    let time = |at: Option<jiff::Timestamp>| {
        html! { @match at {
            Some(at) => { (time::recent(at, view.now)) },
            None => { "–" },
        } }
    };
    let rows = html! {
        @for (region, cell) in rows {
            tr {
                td { (state(cell.state)) }
                th scope="row" {
                    a href={ (account_path(&account.account)) "/" (region) } { (region) }
                }
                td { (time(cell.proven_through)) }
                td { (time(cell.newest_digest_at)) }
                td { (time(cell.newest_log_file_at)) }
                td.wide { @if let Some(reason) = &cell.reason { (plain(reason)) } }
            }
        }
    };
    let columns =
        ["State", "Region", "Verified through", "Newest digest", "Newest log file", "Found"];
    card("regions", "Regions, worst first", &Markup::default(), &list("Regions", &columns, &rows))
}

fn findings_of(view: &View, account: &Account) -> Markup {
    let signals = view.board.signals.iter().flat_map(|signals| &signals.signals);
    let own: Vec<&Signal> =
        signals.filter(|signal| account_of(&signal.scope) == Some(&account.account)).collect();
    let heading = format!("Findings: {}", count(own.len()));
    if own.is_empty() {
        let body = only_note(&html! { "None. Nothing is wrong or unreadable in this account." });
        return card("findings", &heading, &Markup::default(), &body);
    }
    let rows = html! {
        @for signal in own.iter().take(FINDINGS) {
            tr {
                td {
                    (weight(signal.severity, signal.state))
                    @if signal.suppressed { " " (tag("excluded", "suppressed")) }
                }
                td { (findings::scope(view, &signal.scope)) }
                th.wide scope="row" { code { (plain(&signal.check)) } " " (plain(&signal.title)) }
                td.wide { (plain(&signal.found)) }
                td { (time::at(signal.since, view.now)) }
            }
        }
    };
    let more = own.len().saturating_sub(FINDINGS);
    let body = html! {
        (list("Findings", &["Severity", "Scope", "Check", "Found", "Since"], &rows))
        @if more > 0 {
            (only_note(&html! {
                (counted(more, "more finding")) " " (is_or_are(more)) " in the "
                a href="/api/v1/findings" { "API" } "."
            }))
        }
    };
    let aside = html! { a href="/drift" { "All drift" } };
    card("findings", &heading, &aside, &body)
}
