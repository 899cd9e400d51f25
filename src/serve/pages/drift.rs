//! `/drift`: what does not match the configuration, by cause, the worst first.

use std::collections::BTreeMap;

use axum::extract::State as Extracted;
use axum::http::Uri;
use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::components::{
    Fact, button, capital, card, command, count, facts, field, list, note, only_note, pages, prose,
    select, severity, severity_word, tag, verdict, weight,
};
use super::coverage::shown_unit;
use super::events::span_link;
use super::layout::{Page, Section};
use super::query::Part as Slice;
use super::view::{View, respond};
use super::{findings, time};
use crate::printable::plain;
use crate::report::contract::checks::{Check, Severity};
use crate::report::contract::drift::Finding;
use crate::report::contract::round::Part;
use crate::report::contract::service::{Signal, SignalState};
use crate::serve::app::App;
use crate::serve::board::{self, Group, scope_text};
use crate::words::counted;

/// How many findings of a cause are listed.
const FINDINGS: usize = 100;
/// How many causes a page has.
const ON_PAGE: usize = 50;
/// How many causes are open.
const OPEN: usize = 3;
/// How many suppressions are listed.
const SUPPRESSED: usize = 200;
/// A suppression that ends within this time is marked. Units: days.
const SOON_DAYS: i64 = 14;
const FILTER: [&str; 4] = ["q", "severity", "ou", "since"];
const SEVERITIES: [Severity; 4] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];

/// `GET /drift`
pub(super) async fn page(Extracted(app): Extracted<App>, uri: Uri) -> Response {
    respond(&app, &uri, |view| Ok(drift(view))).await
}

/// The page.
pub(super) fn drift(view: &View) -> Markup {
    let all: Vec<&Signal> =
        view.board.signals.iter().flat_map(|signals| &signals.signals).collect();
    let filter = Filter::of(view);
    let groups = board::groups(all.iter().copied().filter(|signal| filter.matches(signal)));
    let every = if filter.is_set { board::groups(all.iter().copied()) } else { Vec::new() };
    let unfiltered = if filter.is_set { &every } else { &groups };
    let part = Slice::of(&view.query, groups.len(), ON_PAGE);
    let first = part.from;
    let main = html! {
        (said(view, unfiltered))
        @if view.board.signals.is_some() {
            (facts(&numbers(&all, unfiltered)))
            (form(view, &all))
            @if groups.is_empty() {
                (card("causes", "By cause, worst first", &Markup::default(), &only_note(&html! {
                    @if filter.is_set {
                        "No finding matches. " a href="/drift" { "Clear the filter" } "."
                    } @else { "Nothing is wrong, and everything could be read." }
                })))
            } @else {
                h2 #causes { "By cause, worst first" }
                div.card {
                    @for (number, group) in part.slice(&groups).iter().enumerate() {
                        (cause(view, group, first + number < OPEN))
                    }
                    (pages(part, |page| view.query.link("/drift", &FILTER, &[("page", page)])))
                }
            }
            (suppressed(view))
            (others(view))
        }
    };
    let number: usize = unfiltered.iter().map(|group| group.signals.len()).sum();
    let title =
        format!("{}, {}. Drift", counted(number, "finding"), counted(unfiltered.len(), "cause"));
    Page::new(view, Section::Drift, title).render(&main)
}

fn of_state<'a>(
    groups: &'a [Group<'a>],
    state: SignalState,
) -> impl Iterator<Item = &'a Group<'a>> {
    groups.iter().filter(move |group| group.problem.state == state)
}

fn said(view: &View, groups: &[Group<'_>]) -> Markup {
    let next = view.next_slot();
    let next = html! {
        @if let Some(next) = &next { "; next round " (time::clock(next.at, view.now)) }
    };
    let Some(newest) = view.board.newest().filter(|_| view.board.signals.is_some()) else {
        let line = html! { (tag("waiting", "Waiting")) span.soft { (next) } };
        let sentence = "No round has checked for drift yet.";
        return verdict("run", &line, sentence, &Markup::default(), &Markup::default());
    };
    let sum = |state| of_state(groups, state).map(|group| group.signals.len()).sum::<usize>();
    let (failing, unreadable) = (sum(SignalState::Failing), sum(SignalState::Unreadable));
    let causes = of_state(groups, SignalState::Failing).count();
    let findings = || format!("{} with {}", counted(failing, "finding"), counted(causes, "cause"));
    let sentence = match (failing, unreadable) {
        (0, 0) => "No drift: everything matches the configuration.".to_owned(),
        (_, 0) => format!("{}.", findings()),
        (0, _) => format!("No check fails, but {} unreadable.", plural_are(unreadable)),
        _ => format!("{}, and {} unreadable.", findings(), plural_are(unreadable)),
    };
    let (border, tag) = match (failing, unreadable) {
        (0, 0) => ("", tag("resolved", "No drift")),
        (0, _) => ("bad", tag("unreadable", "Incomplete")),
        _ => ("bad", tag("failed", "Drift")),
    };
    let oldest = groups.iter().map(|group| group.problem.since).min();
    let line = html! {
        (tag) " "
        span.soft {
            "from the round of " (time::clock(newest.started_at, view.now)) (next)
            @if let Some(oldest) = oldest { "; oldest since " (time::at(oldest, view.now)) }
        }
    };
    let new = groups.iter().filter(|group| group.problem.since >= newest.started_at).count();
    let fixed = groups
        .iter()
        .filter(|group| group.problem.fix.as_ref().is_some_and(|fix| fix.contains("drift --fix")))
        .count();
    let more = html! {
        @if !groups.is_empty() { (counted(new, "cause")) " new in this round. " }
        @if fixed > 0 {
            (counted(fixed, "cause")) " can be fixed by " code { "orgtrail drift --fix" } ". "
        }
        @if let Some(drift) = &view.board.drift { (counted(drift.summary.passed, "check")) " passed." }
    };
    let aside = html! {
        @if let Some(worst) = groups.first() {
            (button(&format!("#{}", findings::anchor(worst)), "Go to the worst cause"))
        }
    };
    verdict(border, &line, &sentence, &more, &aside)
}

fn plural_are(number: usize) -> String {
    format!("{} {}", counted(number, "finding"), super::components::is_or_are(number))
}

fn numbers(all: &[&Signal], groups: &[Group<'_>]) -> Vec<Fact> {
    let mut shown: Vec<Fact> = Vec::new();
    for of in SEVERITIES {
        let of_severity = |group: &&Group<'_>| {
            group.problem.severity == of && group.problem.state == SignalState::Failing
        };
        let causes = groups.iter().filter(of_severity).count();
        let number: usize =
            groups.iter().filter(of_severity).map(|group| group.signals.len()).sum();
        shown.push(Fact {
            name: severity(of),
            value: html! { (counted(number, "finding")) },
            more: html! { (counted(causes, "cause")) },
        });
    }
    let unreadable = of_state(groups, SignalState::Unreadable);
    let number: usize = unreadable.map(|group| group.signals.len()).sum();
    shown.push(Fact {
        name: tag("unreadable", "unreadable"),
        value: html! { (counted(number, "finding")) },
        more: html! { (counted(of_state(groups, SignalState::Unreadable).count(), "cause")) },
    });
    let suppressed = all.iter().filter(|signal| signal.suppressed).count();
    shown.push(Fact {
        name: tag("excluded", "suppressed"),
        value: html! { (counted(suppressed, "finding")) },
        more: html! { @if suppressed > 0 { a href="#suppressed" { "reasons and last days" } } },
    });
    shown
}

fn form(view: &View, all: &[&Signal]) -> Markup {
    let query = &view.query;
    let mut units: Vec<_> =
        all.iter().filter_map(|signal| signal.unit_path.as_deref()).map(shown_unit).collect();
    units.sort_unstable();
    units.dedup();
    let severities = SEVERITIES.map(severity_word);
    let since = [("round", "Previous round"), ("24h", "Last 24 hours"), ("7d", "Last 7 days")];
    html! {
        form.card.filter method="get" action="/drift" role="search" aria-label="Filter findings" {
            (field("Check, account or resource", "q", query.get("q").unwrap_or_default()))
            (select("Severity", "severity", "All", severities.map(|word| (word, word)), query))
            (select("OU", "ou", "All", units.iter().map(|unit| (&**unit, &**unit)), query))
            (select("Changed since", "since", "Any time", since, query))
            button { "Filter" }
        }
    }
}

/// A cause, with its findings.
fn cause(view: &View, group: &Group<'_>, is_open: bool) -> Markup {
    let problem = &group.problem;
    let newest = view.board.newest().map_or(Timestamp::MAX, |round| round.started_at);
    let title = findings::headline(view, group);
    let id = findings::anchor(group);
    let more = group.signals.len().saturating_sub(FINDINGS);
    let checks = view.board.drift.as_ref().map_or(&[][..], |drift| &drift.checks);
    let check = checks.iter().find(|check| check.id == problem.check);
    let expected = match problem.state {
        SignalState::Failing => "Expected",
        SignalState::Unreadable => "Check",
    };
    let rows = html! {
        @for signal in group.signals.iter().take(FINDINGS) {
            tr {
                th scope="row" { (findings::scope(view, &signal.scope)) }
                td.wide { @match (&signal.expected, problem.state, signal.part) {
                    (Some(expected), SignalState::Failing, _) => { (plain(expected)) },
                    (None, SignalState::Failing, Part::Verify) => { "what CloudTrail signed" },
                    (None, SignalState::Failing, _) => { "–" },
                    (_, SignalState::Unreadable, _) => { (plain(&signal.title)) },
                } }
                td.wide {
                    (plain(&signal.found))
                    @if let Some(events) = &signal.events {
                        " " br; a href=(span_link(events)) { "Events of that time" }
                    }
                }
                td { (time::at(signal.since, view.now)) }
            }
        }
    };
    html! {
        details open[is_open] {
            summary {
                (weight(problem.severity, problem.state)) " "
                @if problem.since >= newest { (tag("new", "new")) " " }
                h3 { (prose(&title)) } " "
                small {
                    (counted(group.signals.len(), "finding"))
                    @if problem.account_count > 0 {
                        ", " (counted(problem.account_count, "account"))
                    }
                    ", since " (time::at(problem.since, view.now))
                }
            }
            div.pad id=(id) {
                (about(group, check))
                (list(
                    &format!("Findings: {title}"),
                    &["Scope", expected, "→ Actual", "Since"],
                    &rows,
                ))
                @if more > 0 {
                    (note(&html! { (counted(more, "more finding")) ", all in the "
                        a href="/api/v1/findings" { "API" } " and in the reports of the round." }))
                }
                (fix(group))
                @if problem.part == Part::Drift { (accept(group)) }
            }
        }
    }
}

fn about(group: &Group<'_>, check: Option<&Check>) -> Markup {
    let mut checks: Vec<&str> = group.signals.iter().map(|signal| &*signal.check).collect();
    checks.sort_unstable();
    checks.dedup();
    let rules = check.map_or(&[][..], |check| &check.mappings);
    html! {
        p {
            @if let Some(check) = check { (prose(&capital(&check.why))) ". " }
            @if checks.len() == 1 { "Check " } @else { "Checks " }
            @for (number, check) in checks.iter().enumerate() {
                @if number > 0 { ", " }
                code { (plain(check)) }
            }
            @for (number, rule) in rules.iter().enumerate() {
                @if number == 0 { ": " } @else { ", " }
                (crate::checks::Framework::from(rule.framework).name()) " " (plain(&rule.id))
            }
            "."
        }
    }
}

/// How to fix a cause: the texts of checks begin with a command, or explain.
fn fix(group: &Group<'_>) -> Markup {
    let problem = &group.problem;
    let is_command = |text: &str| {
        (text.starts_with("orgtrail ") || text.starts_with("aws "))
            && !text.contains([',', ';', '.'])
    };
    html! {
        @match (&problem.fix, problem.part) {
            (Some(fix), _) if fix.starts_with("orgtrail drift --fix") => {
                p { "Fix. It shows the changes and asks before it makes them:" }
                (command(&format!("Fix: {}", problem.check),
                    &format!("orgtrail drift --check {} --fix", problem.check)))
                @if fix.len() > "orgtrail drift --fix".len() { p { (prose(&capital(fix))) "." } }
            },
            (Some(fix), _) if is_command(fix) => {
                p { "Fix:" }
                (command(&format!("Fix: {}", problem.check), fix))
            },
            (Some(fix), _) => { (note(&html! { b { "Fix." } " " (prose(&capital(fix))) "." })) },
            (None, Part::Verify) if problem.state == SignalState::Unreadable => {
                (note(&html! {
                    "A later round verifies it again. The page of each chain has the command to \
                     do it now. It cannot be suppressed."
                }))
            },
            (None, Part::Verify) => {
                (note(&html! {
                    b { "orgtrail does not fix this." }
                    " Keep the proof first; the page of each chain has the steps. It cannot be \
                     suppressed."
                }))
            },
            (None, Part::Consolidate) => {
                (note(&html! { "See the " a href="/sources" { "sources" } "." }))
            },
            (None, Part::Reconcile) => {
                p { "Compare again:" }
                (command("Compare again", "orgtrail events reconcile"))
            },
            (None, Part::Detect) => {
                p { "List the events:" }
                (command("List the events", "orgtrail events detect"))
            },
            (None, Part::Drift) => {
                p { "What the check tests, and how to fix it:" }
                (command(&format!("Explain: {}", problem.check),
                    &format!("orgtrail explain {}", problem.check)))
            },
        }
    }
}

/// How to suppress a cause for some time.
fn accept(group: &Group<'_>) -> Markup {
    let Some(first) = group.signals.first() else { return Markup::default() };
    let scope = match group.signals.as_slice() {
        [one] if !matches!(one.scope, crate::report::contract::drift::Scope::Organization) => {
            format!("scope = {:?}\n", scope_text(&one.scope))
        }
        _ => String::new(),
    };
    let text = format!(
        "[[drift.suppress]]\ncheck = {:?}\n{scope}reason = \"WHY, AND WHO AGREED\"\n\
         until = \"YYYY-MM-DD\"",
        first.check
    );
    html! {
        details {
            summary { "Accept this for a while" }
            div.pad {
                p {
                    "Add this to " code { "orgtrail.toml" } ". The finding stays in every report, \
                     and counts again after its last day."
                }
                (command(&format!("Suppression of {}", first.check), &text))
            }
        }
    }
}

fn suppressed(view: &View) -> Markup {
    let today = view.now.to_zoned(TimeZone::UTC).date();
    let all = view.board.drift.iter().flat_map(|drift| &drift.findings);
    let mut by_day: BTreeMap<Date, Vec<&Finding>> = BTreeMap::new();
    for finding in all {
        if let Some(suppression) = &finding.suppression {
            by_day.entry(suppression.last_day).or_default().push(finding);
        }
    }
    let number: usize = by_day.values().map(Vec::len).sum();
    let heading = format!("Suppressed: {}", counted(number, "finding"));
    if number == 0 {
        let body = only_note(&html! { "The configuration suppresses no finding." });
        return card("suppressed", &heading, &Markup::default(), &body);
    }
    let rows = html! {
        @for finding in by_day.values().flatten().take(SUPPRESSED) {
            @if let Some(suppression) = &finding.suppression {
                tr {
                    th scope="row" { code { (plain(&finding.check)) } }
                    td { (findings::scope(view, &finding.scope)) }
                    td.wide { (plain(&suppression.reason)) }
                    td { (last_day(suppression.last_day, today)) }
                }
            }
        }
    };
    let more = number.saturating_sub(SUPPRESSED);
    let body = html! {
        (list("Suppressed findings", &["Check", "Scope", "Reason", "Last day"], &rows))
        @if more > 0 { (only_note(&html! { (counted(more, "more finding")) " in the reports." })) }
    };
    card("suppressed", &heading, &Markup::default(), &body)
}

fn last_day(day: Date, today: Date) -> Markup {
    let days = day.duration_since(today).as_secs() / 86_400;
    html! {
        @match days {
            ..0 => { (tag("failed", "ended")) " " },
            0 => { (tag("late", "ends today")) " " },
            1..=SOON_DAYS => { (tag("late", &format!("in {}", counted(days, "day")))) " " },
            _ => {},
        }
        (time::day(day))
    }
}

fn others(view: &View) -> Markup {
    let Some(drift) = &view.board.drift else { return Markup::default() };
    let counts = &drift.summary;
    let body = html! {
        div.pad {
            ul.plain role="list" {
                li { (tag("resolved", "passed")) " " (count(counts.passed)) }
                li {
                    (tag("excluded", "not checked")) " " (count(counts.not_configured))
                    ": the configuration does not require them. "
                    code { "orgtrail explain" } " names the setting of each."
                }
            }
            p {
                "The full list is in the "
                a href={ "/api/v1/rounds/" (orgtrail_base::percent::encode(&drift.round))
                    "/report?part=drift&format=csv" } { "CSV report" } "."
            }
        }
    };
    card("others", "Everything else", &Markup::default(), &body)
}

/// Which findings are shown.
#[derive(Debug)]
struct Filter<'a> {
    view: &'a View,
    text: Option<String>,
    severity: Option<&'a str>,
    unit: Option<&'a str>,
    since: Option<Timestamp>,
    is_set: bool,
}

impl<'a> Filter<'a> {
    fn of(view: &'a View) -> Self {
        let query = &view.query;
        let before = |hours| view.now.checked_sub(SignedDuration::from_hours(hours)).ok();
        let since = match query.get("since") {
            Some("round") => view.board.newest().map(|round| round.started_at),
            Some("24h") => before(24),
            Some("7d") => before(7 * 24),
            Some(time) => time.parse().ok(),
            None => None,
        };
        Self {
            view,
            text: query.get("q").map(str::to_lowercase),
            severity: query.get("severity"),
            unit: query.get("ou"),
            since,
            is_set: FILTER.iter().any(|name| query.get(name).is_some()),
        }
    }

    fn matches(&self, signal: &Signal) -> bool {
        let of_severity = self.severity.is_none_or(|it| severity_word(signal.severity) == it);
        let of_unit = self.unit.is_none_or(|wanted| {
            signal.unit_path.as_deref().map(shown_unit).as_deref() == Some(wanted)
        });
        let of_time = self.since.is_none_or(|since| signal.since >= since);
        of_severity
            && of_unit
            && of_time
            && self.text.as_deref().is_none_or(|text| self.mentions(signal, text))
    }

    fn mentions(&self, signal: &Signal, text: &str) -> bool {
        let contains = |it: &str| it.to_lowercase().contains(text);
        let name = board::account_of(&signal.scope).and_then(|account| self.view.account(account));
        contains(&signal.check)
            || contains(&scope_text(&signal.scope))
            || contains(&signal.title)
            || name.is_some_and(|account| contains(&account.name))
    }
}
