//! `/`: whether everything is fine, since when, what changed, and what to do.

use std::collections::BTreeMap;

use axum::extract::State as Extracted;
use axum::http::Uri;
use axum::response::Response;
use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::components::{
    Fact, card, count, facts, is_or_are, list, note, only_note, prose, severity, tag, verdict,
    verdict_word, weight,
};
use super::layout::{Page, Section};
use super::view::{View, respond};
use super::{coverage, findings, rounds, strip, time};
use crate::printable::plain;
use crate::report::contract::live::PartState;
use crate::report::contract::round::Part;
use crate::report::contract::service::{Knowledge, Round, SignalState, Verdict};
use crate::serve::app::App;
use crate::serve::board::{self, Group};
use crate::words::counted;

/// How many groups of findings are listed.
const TO_DO: usize = 8;
/// How many organizational units are listed.
const UNITS: usize = 12;
/// How many changes are listed.
const CHANGES: usize = 6;
/// How many rounds are listed.
const ROUNDS: usize = 10;
/// The suppressions that end within this time are announced. Units: days.
const SOON_DAYS: i32 = 30;

/// `GET /`
pub(super) async fn page(Extracted(app): Extracted<App>, uri: Uri) -> Response {
    respond(&app, &uri, |view| Ok(overview(view))).await
}

/// The page.
pub(super) fn overview(view: &View) -> Markup {
    let groups = findings::groups(view);
    let newest = view.board.newest();
    let main = html! {
        (said(view, newest))
        (facts(&[
            verified_through(view),
            last_round(view),
            running(view),
            next(view),
            since_previous(view),
        ]))
        (to_do(view, &groups))
        div.two { (units(view)) (changes(view, &groups)) }
        (card("rounds", "Recent rounds", &html! { a href="/rounds" { "All rounds" } },
            &rounds::table(view, view.board.rounds.iter().take(ROUNDS))))
    };
    let word = newest.map_or("No round yet", |round| verdict_word(round.knowledge.verdict).0);
    Page::new(view, Section::Overview, format!("{word}. Overview")).render(&main)
}

/// The verdict in a sentence.
fn said(view: &View, newest: Option<&Round>) -> Markup {
    let Some(Round { knowledge, .. }) = newest else {
        let more = html! {
            @if let Some(next) = view.next_slot() {
                "The first starts at " (time::clock(next.at, view.now)) " UTC."
            } @else { "No schedule starts one: see the configuration." }
        };
        let line = tag("waiting", "Waiting");
        return verdict("run", &line, "No round has finished yet.", &more, &Markup::default());
    };
    let (word, class) = verdict_word(knowledge.verdict);
    let sentence = board::sentence(&view.board);
    let all = knowledge.accounts;
    let counted_accounts =
        all.proven + all.delivering + all.late + all.failed + all.dark + all.unreadable;
    let share = html! {
        @if counted_accounts > 0 {
            (count(all.proven)) " of " (counted(counted_accounts, "account"))
            " proven in every Region."
        }
        @if view.board.unreadable_rounds > 0 {
            " " (counted(view.board.unreadable_rounds, "stored round")) " could not be read."
        }
    };
    let since = html! {
        span.soft {
            "since " (time::with_weekday(knowledge.since, view.now)) ", "
            (time::ago(knowledge.since, view.now))
        }
    };
    if view.evidence_is_old() {
        let line = html! { (tag("late", "Old evidence")) " " (tag(class, word)) " " (since) };
        let more = html! { "The last result: " (plain(&sentence)) " " (share) };
        return verdict("bad", &line, &not_verified_since(view), &more, &strip::days(view));
    }
    let border = if knowledge.verdict == Verdict::Fine { "" } else { "bad" };
    let line = html! { (tag(class, word)) " " (since) };
    verdict(border, &line, &plain(&sentence), &share, &strip::days(view))
}

fn not_verified_since(view: &View) -> String {
    match last_verification(view) {
        Some(at) => format!("Not verified since {} UTC.", time::text(at, view.now)),
        None => "The digest chains have never been verified.".to_owned(),
    }
}

/// The start of the last verification with a result.
fn last_verification(view: &View) -> Option<jiff::Timestamp> {
    let parts = view.board.rounds.iter().flat_map(|round| &round.parts);
    let verified = parts.filter(|it| it.part == Part::Verify && it.report_bytes.is_some());
    verified.map(|part| part.started_at).max()
}

fn verified_through(view: &View) -> Fact {
    let (value, more) = match view.proven_through() {
        (Some(through), unproven) => (
            time::recent(through, view.now),
            html! {
                (time::ago(through, view.now)) ", "
                @match unproven {
                    0 => { "in every account and Region" },
                    _ => { "except " (counted(unproven, "cell")) " not proven at all" },
                }
            },
        ),
        (None, _) => (html! { "Nothing yet" }, Markup::default()),
    };
    Fact { name: html! { "Verified through" }, value, more }
}

fn last_round(view: &View) -> Fact {
    let (value, more) = match view.board.newest() {
        Some(round) => (
            html! { a href=(rounds::path(&round.id)) {
                (rounds::name(&round.schedule)) ", " (time::clock(round.started_at, view.now))
            } },
            html! {
                "exit code " (round.exit_code) ", took "
                (time::between(round.started_at, round.ended_at))
            },
        ),
        None => (html! { "None yet" }, Markup::default()),
    };
    Fact { name: html! { "Last finished round" }, value, more }
}

fn running(view: &View) -> Fact {
    let (value, more) = match &view.live {
        Some(live) => (
            html! { a href=(rounds::path(&live.id)) {
                (rounds::name(&live.schedule)) ", since " (time::clock(live.started_at, view.now))
            } },
            html! {
                @match live.parts.iter().find(|part| part.state == PartState::Running) {
                    Some(part) => { (part.part.name()) },
                    None => { "between two parts" },
                }
                @if let Some(phase) = &live.phase { ": " (plain(&phase.name)) }
            },
        ),
        None => (html! { "No round" }, html! { "on this replica, " (plain(&view.replica)) }),
    };
    Fact { name: html! { "Running" }, value, more }
}

fn next(view: &View) -> Fact {
    let (value, more) = match view.next_slot() {
        Some(next) => (
            html! {
                (rounds::name(next.schedule.name.as_str())) ", " (time::clock(next.at, view.now))
            },
            html! { (time::ago(next.at, view.now)) },
        ),
        None => (html! { "None" }, html! { "every schedule is paused, or never due" }),
    };
    Fact { name: html! { "Next slot" }, value, more }
}

fn since_previous(view: &View) -> Fact {
    let (value, more) = match (view.board.rounds.first(), view.board.rounds.get(1)) {
        (Some(newest), Some(previous)) => {
            let Knowledge { new, resolved, .. } = newest.knowledge;
            let value = html! {
                @if new + resolved == 0 { "Nothing changed" }
                @else { (count(new)) " new, " (count(resolved)) " resolved" }
            };
            let more = html! {
                (time::clock(previous.started_at, view.now)) " to "
                (time::clock(newest.started_at, previous.started_at)) ", "
                a href="#changes" { "details below" }
            };
            (value, more)
        }
        _ => (html! { "Unknown" }, html! { "no two rounds have finished" }),
    };
    Fact { name: html! { "Since the previous round" }, value, more }
}

fn to_do(view: &View, groups: &[Group<'_>]) -> Markup {
    let number: usize = groups.iter().map(|group| group.signals.len()).sum();
    let aside = html! {
        @if !groups.is_empty() {
            a href="/drift" {
                "All " (counted(groups.len(), "cause")) ", " (counted(number, "finding"))
            }
        }
    };
    let delivering = view.board.newest().map(|round| round.knowledge.accounts.delivering);
    let body = if groups.is_empty() {
        only_note(&html! {
            @match (view.board.newest(), view.next_slot()) {
                (None, _) => { "Nothing is known yet." },
                (_, Some(next)) => {
                    "Nothing. Next round at " (time::clock(next.at, view.now)) "."
                },
                (_, None) => { "Nothing." },
            }
            @if let Some(delivering) = delivering.filter(|number| *number > 0) {
                " " (counted(delivering, "account")) " " (is_or_are(delivering))
                " not verified everywhere yet: "
                a href="/coverage?state=delivering" { "which ones" } "."
            }
        })
    } else {
        html! {
            ol.todo role="list" {
                @for group in groups.iter().take(TO_DO) { (one_to_do(view, group)) }
            }
            @if groups.len() > TO_DO {
                div.pad { p { a href="/drift" {
                    (counted(groups.len() - TO_DO, "more cause")) ", less severe"
                } } }
            }
        }
    };
    card("todo", "What to do", &aside, &body)
}

fn one_to_do(view: &View, group: &Group<'_>) -> Markup {
    let problem = &group.problem;
    html! {
        li {
            span { (weight(problem.severity, problem.state)) }
            a href=(findings::link(group)) { (prose(&findings::headline(view, group))) }
            span { "since " (time::at(problem.since, view.now)) }
            span { (prose(&findings::next_step(group))) }
        }
    }
}

fn units(view: &View) -> Markup {
    let aside = html! { a href="/coverage" { "Heat map" } };
    let Some(known) = &view.board.coverage else {
        let body = only_note(&html! {
            "No round has checked the coverage yet. A round with " code { "drift" } " does."
        });
        return card("units", "Coverage by OU", &aside, &body);
    };
    let units = coverage::units(known);
    let rows = html! {
        @for unit in units.iter().take(UNITS) {
            tr {
                th scope="row" {
                    a href=(coverage::unit_link(unit.name)) { (unit.shown_name()) }
                }
                td { (unit.lacking()) }
                td.num { (count(unit.accounts.proven)) }
                td.num { (count(unit.number())) }
                td { (strip::stack(&unit.accounts)) }
            }
        }
    };
    let columns = ["OU", "Not proven", "#Proven", "#Accounts", "Share"];
    let body = html! {
        (list("Coverage by OU", &columns, &rows))
        @if units.len() > UNITS {
            div.pad { p { a href="/coverage" { (counted(units.len() - UNITS, "more OU")) } } }
        }
    };
    card("units", "Coverage by OU, worst first", &aside, &body)
}

fn changes(view: &View, groups: &[Group<'_>]) -> Markup {
    let heading = "Changes since the previous round";
    let (Some(newest), Some(previous)) = (view.board.rounds.first(), view.board.rounds.get(1))
    else {
        let body = only_note(&html! { "There is no earlier round to compare with." });
        return card("changes", heading, &Markup::default(), &body);
    };
    let aside = html! {
        a href=(rounds::path(&newest.id)) {
            (time::clock(previous.started_at, view.now)) " to "
            (time::clock(newest.started_at, view.now))
        }
    };
    let is_new = |group: &&Group<'_>| group.problem.since >= newest.started_at;
    let new: Vec<_> = groups.iter().filter(is_new).collect();
    let unchanged: usize =
        groups.iter().filter(|group| !is_new(group)).map(|group| group.signals.len()).sum();
    let unreadable = |group: &&Group<'_>| group.problem.state == SignalState::Unreadable;
    let unreadable: usize = groups.iter().filter(unreadable).map(|group| group.signals.len()).sum();
    let resolved = newest.knowledge.resolved;
    let soon = expiring(view);
    let body = html! {
        div.pad {
            ul.plain role="list" {
                @for group in new.iter().take(CHANGES) {
                    li {
                        (tag("new", "new")) " "
                        a href=(findings::link(group)) { (prose(&findings::headline(view, group))) }
                        " " (severity(group.problem.severity))
                    }
                }
                @if new.len() > CHANGES {
                    li { (tag("new", "new")) " " (counted(new.len() - CHANGES, "more cause")) }
                }
                @if resolved > 0 {
                    li {
                        (tag("resolved", "resolved")) " "
                        a href=(rounds::path(&newest.id)) { (counted(resolved, "finding")) }
                    }
                }
                @if unchanged > 0 || new.is_empty() {
                    li { (tag("same", "unchanged")) " " (counted(unchanged, "finding")) }
                }
                @if unreadable > 0 {
                    li {
                        (tag("unreadable", "unreadable")) " " (counted(unreadable, "finding"))
                        ". They count as neither passed nor resolved."
                    }
                }
            }
            @if !soon.is_empty() {
                h3 { "Coming up" }
                ul.plain role="list" {
                    @for (day, checks) in soon {
                        li {
                            (time::day(day)) ": " a href="/drift#suppressed" {
                                "the suppression of " (plain(&checks.join(", "))) " ends"
                            }
                        }
                    }
                }
            }
            @if newest.attempt > 1 {
                (note(&html! {
                    "An earlier attempt at the slot of " (time::at(newest.scheduled_at, view.now))
                    " stopped without a report; this round finished it."
                }))
            }
        }
    };
    card("changes", heading, &aside, &body)
}

/// The suppressions that end soon: their last days, and their checks.
fn expiring(view: &View) -> BTreeMap<Date, Vec<String>> {
    let today = view.now.to_zoned(TimeZone::UTC).date();
    let last = today.saturating_add(SignedDuration::from_hours(24 * i64::from(SOON_DAYS)));
    let mut soon: BTreeMap<Date, Vec<String>> = BTreeMap::new();
    for finding in view.board.drift.iter().flat_map(|drift| &drift.findings) {
        let Some(suppression) = &finding.suppression else { continue };
        if !(today..=last).contains(&suppression.last_day) {
            continue;
        }
        let checks = soon.entry(suppression.last_day).or_default();
        if !checks.contains(&finding.check) {
            checks.push(finding.check.clone());
        }
    }
    soon
}
