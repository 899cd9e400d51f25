//! `/coverage`: accounts and Regions, by organizational unit, the worst first.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use axum::extract::State as Extracted;
use axum::http::Uri;
use axum::response::Response;
use maud::{Markup, html};

use super::components::{
    account_path, button, card, count, field, is_or_are, note, only_note, pages, select, tag,
    verdict, verdict_word,
};
use super::layout::{Page, Section};
use super::query::{Part, Query, link};
use super::view::{View, respond};
use super::{heat_map, time};
use crate::names::Region;
use crate::printable::plain;
use crate::report::contract::service::CellStates;
use crate::serve::app::App;
use crate::serve::board::{Account, Cell, Coverage, State};
use crate::words::counted;

/// Up to how many accounts everything is on one page.
pub(super) const ON_ONE_PAGE: usize = 500;
/// How many accounts a page has, if there are more.
const ON_PAGE: usize = 100;
/// The parameters of the filter.
const FILTER: [&str; 4] = ["account", "ou", "region", "state"];

/// `GET /coverage`
pub(super) async fn page(Extracted(app): Extracted<App>, uri: Uri) -> Response {
    respond(&app, &uri, |view| Ok(coverage(view))).await
}

/// The accounts of an organizational unit, in numbers.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    /// Its names from the root down; empty for the root.
    pub name: &'a str,
    /// Its accounts, by their worst state.
    pub accounts: CellStates,
    /// The worst state.
    pub worst: State,
}

impl Unit<'_> {
    /// How many accounts it has.
    pub(super) fn number(&self) -> usize {
        let CellStates { proven, delivering, late, failed, dark, unreadable, excluded } =
            self.accounts;
        proven + delivering + late + failed + dark + unreadable + excluded
    }

    /// Its name, for people.
    pub(super) fn shown_name(&self) -> Cow<'_, str> {
        shown_unit(self.name)
    }

    /// Which accounts are not proven: `1 failed, 5 late`.
    pub(super) fn lacking(&self) -> Markup {
        let CellStates { delivering, late, failed, dark, unreadable, excluded, .. } = self.accounts;
        let parts = [
            (failed, "failed"),
            (dark, "dark"),
            (unreadable, "unreadable"),
            (late, "late"),
            (delivering, "not yet verified"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{} {word}", count(number)))
            .collect();
        let all_excluded = excluded == self.number();
        html! {
            @if !parts.is_empty() { (parts.join(", ")) }
            @else { span.soft { @if all_excluded { "excluded" } @else { "none" } } }
        }
    }
}

/// The organizational units, the worst first.
pub(super) fn units(coverage: &Coverage) -> Vec<Unit<'_>> {
    let mut units: BTreeMap<&str, Vec<State>> = BTreeMap::new();
    for account in &coverage.accounts {
        units.entry(&account.unit_path).or_default().push(account.worst());
    }
    let mut units: Vec<_> = units
        .into_iter()
        .map(|(name, states)| Unit {
            name,
            worst: states.iter().copied().max().unwrap_or(State::Excluded),
            accounts: heat_map::count_states(states),
        })
        .collect();
    units.sort_by_key(|unit| (Reverse(unit.worst), unit.name));
    units
}

/// The path of the accounts of a unit.
pub(super) fn unit_link(unit: &str) -> String {
    link("/coverage", [("ou", &*shown_unit(unit))])
}

/// The name of a unit, for people and for the filter.
pub(super) fn shown_unit(unit: &str) -> Cow<'_, str> {
    if unit.is_empty() { Cow::Borrowed("Root") } else { plain(unit) }
}

/// The page.
pub(super) fn coverage(view: &View) -> Markup {
    let render = |title: &str, main: &Markup| {
        Page::new(view, Section::Coverage, title.to_owned()).render(main)
    };
    let Some(known) = &view.board.coverage else { return render("Coverage", &not_checked(view)) };
    let filter = Filter::of(&view.query, known);
    let mut problems = Vec::new();
    let mut others = Vec::new();
    for account in known.accounts.iter().filter(|account| filter.matches(account)) {
        let worst = filter.worst(account);
        let list = if worst > State::Proven { &mut problems } else { &mut others };
        list.push(account);
    }
    let mut worst_of_unit: BTreeMap<&str, State> = BTreeMap::new();
    for account in &problems {
        let worst = worst_of_unit.entry(&account.unit_path).or_insert(State::Excluded);
        *worst = (*worst).max(filter.worst(account));
    }
    problems.sort_by_key(|account| {
        let unit: &str = &account.unit_path;
        (Reverse(worst_of_unit.get(unit).copied()), unit, Reverse(filter.worst(account)))
    });
    let cells = known.cells();
    let main = html! {
        (said(view, known, &cells, &problems))
        (form(view, known))
        @if problems.is_empty() && others.is_empty() {
            (card("problems", "Accounts", &json_link(view), &html! { div.pad {
                (heat_map::legend(&cells))
                (note(&html! { "No account matches. " a href="/coverage" { "Clear the filter" } "." }))
            } }))
        } @else if known.accounts.len() <= ON_ONE_PAGE {
            (problem_card(view, known, &filter, &cells, &problems, problems.len()))
            (all_others(known, &filter, &others))
        } @else {
            (paged(view, known, &filter, &cells, (&problems, &others)))
        }
    };
    let word = view.board.newest().map_or("Unknown", |it| verdict_word(it.knowledge.verdict).0);
    render(&format!("{word}: {} not proven. Coverage", counted(problems.len(), "account")), &main)
}

fn not_checked(view: &View) -> Markup {
    let next = html! {
        @if let Some(next) = view.next_slot() {
            "The next round starts at " (time::clock(next.at, view.now)) " UTC."
        } @else { "No schedule starts one." }
    };
    let line = tag("waiting", "Waiting");
    html! {
        (verdict("run", &line, "No round has checked the coverage yet.", &next, &Markup::default()))
        (card("problems", "Accounts", &Markup::default(), &only_note(&html! {
            "A round whose schedule runs " code { "drift" } " lists the accounts and Regions."
        })))
    }
}

fn said(view: &View, known: &Coverage, cells: &CellStates, problems: &[&Account]) -> Markup {
    let all =
        cells.proven + cells.delivering + cells.late + cells.failed + cells.dark + cells.unreadable;
    let not_proven = known.accounts.iter().filter(|it| it.worst() > State::Proven).count();
    let through = known.proven_through().into_iter().flatten().next();
    let sentence = match not_proven {
        0 if all == 0 => "Every account is excluded.".to_owned(),
        0 => format!("All {} are proven.", counted(all, "cell")),
        number => format!(
            "{} of {} are proven. {} {} not proven everywhere.",
            count(cells.proven),
            counted(all, "cell"),
            counted(number, "account"),
            is_or_are(number)
        ),
    };
    let (word, class) = match view.board.newest() {
        Some(round) => verdict_word(round.knowledge.verdict),
        None => ("Unknown", "unreadable"),
    };
    let line = html! {
        (tag(class, word)) " "
        span.soft { "from the check of " (time::clock(known.as_of, view.now)) ", "
            (time::ago(known.as_of, view.now)) }
    };
    let more = html! {
        @if let Some(through) = through {
            "What is proven is proven at least through " (time::clock(through, view.now)) ". "
        }
        "A cell is one account in one Region."
    };
    let worst = problems.first().and_then(|account| {
        let cells = known.regions.iter().zip(&account.cells);
        cells.max_by_key(|(_, cell)| cell.state).map(|(region, cell)| (account, region, cell.state))
    });
    let aside = html! {
        @if let Some((account, region, state)) = worst {
            @let path = format!("{}/{region}", account_path(&account.account));
            @if state == State::Failed { (button(&path, "Open the failed chain")) }
            @else { (button(&account_path(&account.account), "Open the worst account")) }
        }
    };
    verdict(if not_proven == 0 { "" } else { "bad" }, &line, &sentence, &more, &aside)
}

fn form(view: &View, known: &Coverage) -> Markup {
    let query = &view.query;
    let units = units(known);
    let mut names: Vec<_> = units.iter().map(Unit::shown_name).collect();
    names.sort_unstable();
    let regions: Vec<&str> = known.regions.iter().map(Region::as_str).collect();
    let states = State::ALL.map(State::word);
    let same = |text: &'_ &'static str| (*text, *text);
    html! {
        form.card.filter method="get" action="/coverage" role="search" aria-label="Filter coverage" {
            (field("Account name or ID", "account", query.get("account").unwrap_or_default()))
            (select("OU", "ou", "All", names.iter().map(|name| (&**name, &**name)), query))
            (select("Region", "region", "All", regions.iter().map(|name| (*name, *name)), query))
            (select("State", "state", "All", states.iter().map(same), query))
            button { "Filter" }
        }
    }
}

fn json_link(view: &View) -> Markup {
    html! { a href=(view.query.link("/api/v1/coverage", &FILTER, &[])) { "JSON" } }
}

/// The accounts that are not proven everywhere. `all` is their number on all pages.
fn problem_card(
    view: &View,
    known: &Coverage,
    filter: &Filter<'_>,
    cells: &CellStates,
    problems: &[&Account],
    all: usize,
) -> Markup {
    let heading = format!("Not proven: {}, worst first", counted(all, "account"));
    let body = html! {
        div.pad {
            (heat_map::legend(cells))
            @if problems.is_empty() {
                (note(&html! { "Every account that matches is proven or excluded." }))
            } @else {
                (heat_map::map(
                    "Accounts that are not proven in every Region",
                    known,
                    &filter.columns,
                    problems,
                    true,
                ))
            }
        }
    };
    card("problems", &heading, &json_link(view), &body)
}

/// All other accounts, by unit.
fn all_others(known: &Coverage, filter: &Filter<'_>, others: &[&Account]) -> Markup {
    if others.is_empty() {
        return Markup::default();
    }
    let heading = format!("Proven or excluded: {}", counted(others.len(), "account"));
    let mut units: BTreeMap<&str, Vec<&Account>> = BTreeMap::new();
    for account in others {
        units.entry(&account.unit_path).or_default().push(account);
    }
    let body = html! {
        @for (unit, accounts) in &units {
            @let name = shown_unit(unit);
            @let proven = accounts.iter().filter(|it| filter.worst(it) == State::Proven).count();
            details open[filter.is_set] {
                summary {
                    h3 { (name) } " "
                    small {
                        (count(proven)) " proven"
                        @if proven < accounts.len() {
                            ", " (count(accounts.len() - proven)) " excluded"
                        }
                    }
                }
                div.pad {
                    (heat_map::map(
                        &format!("Proven and excluded accounts of {name}"),
                        known,
                        &filter.columns,
                        accounts,
                        false,
                    ))
                }
            }
        }
    };
    card("rest", &heading, &Markup::default(), &body)
}

/// Many accounts: a page of those that are selected, and the units as links.
fn paged(
    view: &View,
    known: &Coverage,
    filter: &Filter<'_>,
    cells: &CellStates,
    (problems, others): (&[&Account], &[&Account]),
) -> Markup {
    let selected: Vec<&Account> = if filter.is_set {
        problems.iter().chain(others).copied().collect()
    } else {
        problems.to_vec()
    };
    let part = Part::of(&view.query, selected.len(), ON_PAGE);
    let shown = part.slice(&selected);
    let pager = pages(part, |page| view.query.link("/coverage", &FILTER, &[("page", page)]));
    let heading = format!("Selected: {}, worst first", counted(selected.len(), "account"));
    html! {
        @if filter.is_set {
            (card("problems", &heading, &json_link(view), &html! {
                div.pad {
                    (heat_map::legend(cells))
                    (heat_map::map("Selected accounts", known, &filter.columns, shown, true))
                }
                (pager)
            }))
        } @else {
            (problem_card(view, known, filter, cells, shown, problems.len()))
            @if part.pages > 1 { section.card aria-label="More accounts" { (pager) } }
            (unit_links(known, others.len()))
        }
    }
}

fn unit_links(known: &Coverage, others: usize) -> Markup {
    let heading = format!("Proven or excluded: {}", counted(others, "account"));
    let of_unit = |unit: &Unit<'_>, state: State, number: usize| {
        let to = link("/coverage", [("ou", &*unit.shown_name()), ("state", state.word())]);
        html! { @if number > 0 { a href=(to) { (count(number)) " " (state.word()) } " " } }
    };
    let body = html! {
        div.pad { ul.plain role="list" {
            @for unit in units(known) {
                @if unit.accounts.proven + unit.accounts.excluded > 0 {
                    li {
                        (unit.shown_name()) ": "
                        (of_unit(&unit, State::Proven, unit.accounts.proven))
                        (of_unit(&unit, State::Excluded, unit.accounts.excluded))
                        span.soft { "of " (counted(unit.number(), "account")) }
                    }
                }
            }
        } }
    };
    card("rest", &heading, &Markup::default(), &body)
}

/// The state that a filter asks for.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Any,
    State(State),
    /// A word that is no state.
    Nothing,
}

/// Which accounts and Regions are shown.
#[derive(Debug)]
struct Filter<'a> {
    account: Option<String>,
    unit: Option<&'a str>,
    state: Wanted,
    /// The positions of the Regions.
    columns: Vec<usize>,
    is_set: bool,
}

impl<'a> Filter<'a> {
    fn of(query: &'a Query, known: &Coverage) -> Self {
        let region = query.get("region");
        let is_shown = |name: &Region| region.is_none_or(|wanted| name.as_str() == wanted);
        let columns = known.regions.iter().enumerate().filter(|(_, name)| is_shown(name));
        let state = query.get("state");
        Self {
            account: query.get("account").map(str::to_lowercase),
            unit: query.get("ou"),
            state: match state {
                None => Wanted::Any,
                Some(word) => State::ALL
                    .into_iter()
                    .find(|state| state.word() == word)
                    .map_or(Wanted::Nothing, Wanted::State),
            },
            columns: columns.map(|(position, _)| position).collect(),
            is_set: FILTER.iter().any(|name| query.get(name).is_some()),
        }
    }

    fn cells<'b>(&'b self, account: &'b Account) -> impl Iterator<Item = &'b Cell> {
        self.columns.iter().filter_map(|position| account.cells.get(*position))
    }

    /// The worst state in the Regions.
    fn worst(&self, account: &Account) -> State {
        self.cells(account).map(|cell| cell.state).max().unwrap_or(State::Excluded)
    }

    fn matches(&self, account: &Account) -> bool {
        let of_account = self.account.as_deref().is_none_or(|wanted| {
            account.account.as_str().contains(wanted)
                || account.name.to_lowercase().contains(wanted)
        });
        let of_unit = self.unit.is_none_or(|wanted| shown_unit(&account.unit_path) == wanted);
        let of_state = match self.state {
            Wanted::Any => true,
            Wanted::Nothing => false,
            Wanted::State(state) if state.is_problem() => {
                self.cells(account).any(|cell| cell.state == state)
            }
            Wanted::State(state) => self.worst(account) == state,
        };
        of_account && of_unit && of_state && !self.columns.is_empty()
    }
}
