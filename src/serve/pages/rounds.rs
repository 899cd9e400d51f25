//! `/rounds`: the schedules, and the rounds that have finished.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State as Extracted;
use axum::http::Uri;
use axum::response::Response;
use jiff::SignedDuration;
use maud::{Markup, html};
use orgtrail_base::percent::encode;

use super::components::{capital, card, list, only_note, outcome, pages, tag, verdict};
use super::layout::{Page, Section};
use super::query::Part as Slice;
use super::time;
use super::view::{Allowed, View, respond_to};
use crate::printable::plain;
use crate::report::contract::round::Part;
use crate::report::contract::service::{Round, Trigger};
use crate::serve::app::App;
use crate::words::counted;

/// How many rounds a page lists.
const ON_PAGE: usize = 50;

/// `GET /rounds`
pub(super) async fn page(
    Extracted(app): Extracted<App>,
    allowed: Option<Extension<Allowed>>,
    uri: Uri,
) -> Response {
    respond_to(&app, &uri, allowed, rounds).await
}

/// The path of a round's page.
pub(super) fn path(id: &str) -> String {
    format!("/rounds/{}", encode(id))
}

/// The name of a schedule at the beginning of a line.
pub(super) fn name(schedule: &str) -> String {
    capital(&plain(schedule))
}

/// The page.
pub(super) fn rounds(view: &View) -> Markup {
    let rounds = &view.board.rounds;
    let part = Slice::of(&view.query, rounds.len(), ON_PAGE);
    let shown = part.slice(rounds);
    let aside = html! { a href="/api/v1/rounds" { "JSON" } };
    let finished = html! {
        (table(view, shown.iter()))
        (pages(part, |page| view.query.link("/rounds", &[], &[("page", page)])))
        @if view.board.unreadable_rounds > 0 {
            (only_note(&html! {
                (counted(view.board.unreadable_rounds, "stored round"))
                " could not be read, and the log of the service names each."
            }))
        }
    };
    let heading = format!("Finished: {}, newest first", counted(rounds.len(), "round"));
    let main = html! {
        (said(view))
        (card("schedules", "Schedules", &html! { a href="/api/v1/schedules" { "JSON" } },
            &schedules(view)))
        (card("rounds", &heading, &aside, &finished))
    };
    Page::new(view, Section::Rounds, "Rounds").render(&main)
}

fn said(view: &View) -> Markup {
    let more = html! {
        @if let Some(next) = view.next_slot() {
            "Next: " (plain(next.schedule.name.as_str())) ", " (time::clock(next.at, view.now))
            ", " (time::ago(next.at, view.now)) "."
        } @else { "No schedule is due: all are paused, or match no time." }
    };
    if let Some(live) = &view.live {
        let line = html! {
            (tag("running", "Running")) " "
            span.soft { "since " (time::clock(live.started_at, view.now)) }
        };
        let sentence = format!("A round of the schedule {} is running.", plain(&live.schedule));
        let aside = super::components::button(&path(&live.id), "Show its progress");
        return verdict("run", &line, &sentence, &more, &aside);
    }
    let Some(newest) = view.board.newest() else {
        let line = tag("waiting", "Waiting");
        return verdict("run", &line, "No round has finished yet.", &more, &Markup::default());
    };
    let line = html! {
        (outcome(newest.outcome)) " "
        span.soft { (time::recent(newest.ended_at, view.now)) ", "
            (time::ago(newest.ended_at, view.now)) }
    };
    let sentence = format!(
        "The newest round, {}, ended with exit code {}.",
        plain(&newest.schedule),
        newest.exit_code
    );
    let border = if newest.exit_code == 0 { "" } else { "bad" };
    verdict(border, &line, &sentence, &more, &Markup::default())
}

fn schedules(view: &View) -> Markup {
    if view.config.service.schedule.is_empty() {
        return only_note(&html! {
            "The configuration has no schedule: add " code { "[[service.schedule]]" } "."
        });
    }
    // The API refuses a second round while one runs.
    let may_start = view.allowed.run && view.live.is_none();
    let rows = html! {
        @for (schedule, timetable) in view.timetables() {
            tr {
                th scope="row" { (plain(schedule.name.as_str())) }
                td {
                    @for (position, part) in schedule.run.iter().enumerate() {
                        @if position > 0 { ", " }
                        (Part::from(*part).name())
                    }
                    @match schedule.verify_days {
                        Some(days) => { " (" (counted(days, "day")) ")" },
                        None if schedule.incremental => { " (what is new)" },
                        None => {},
                    }
                }
                td { code { (plain(schedule.cron.as_str())) } " "
                    span.soft { (plain(schedule.time_zone.as_str())) } }
                td {
                    @match view.next_of(schedule, &timetable) {
                        Some(next) => { (time::recent(next, view.now)) " "
                            small { (time::ago(next, view.now)) } },
                        None if schedule.paused => { (tag("excluded", "paused")) },
                        None => { "never due" },
                    }
                }
                td.num {
                    (time::duration(SignedDuration::from_mins(schedule.deadline_minutes.into())))
                }
                @if may_start {
                    td { form method="post" action="/api/v1/rounds" {
                        input type="hidden" name="schedule" value=(schedule.name.as_str());
                        button aria-label={ "Run " (schedule.name.as_str()) " now" } { "Run now" }
                    } }
                }
            }
        }
    };
    let mut columns = vec!["Schedule", "Parts", "Time", "Next round", "#Deadline"];
    if may_start {
        columns.push("Start a round");
    }
    list("Schedules", &columns, &rows)
}

/// A table of rounds; the one that runs first, if there is one.
pub(super) fn table<'a>(view: &View, rounds: impl Iterator<Item = &'a Arc<Round>>) -> Markup {
    let mut rounds = rounds.peekable();
    if rounds.peek().is_none() && view.live.is_none() {
        return only_note(&html! {
            "No round has finished yet."
            @if let Some(next) = view.next_slot() {
                " The first starts at " (time::clock(next.at, view.now)) "."
            }
        });
    }
    let rows = html! {
        @if let Some(live) = view.live.as_ref().filter(|_| view.query.page() == 1) {
            tr {
                th scope="row" { a href=(path(&live.id)) { (name(&live.schedule)) } }
                td { (tag("running", "running")) }
                td { (time::recent(live.started_at, view.now)) }
                td.num { (time::between(live.started_at, view.now)) }
                @for part in Part::ALL {
                    td {
                        @match live.parts.iter().find(|it| it.part == part) {
                            Some(part) => {
                                @match &part.summary {
                                    Some(summary) => { (plain(summary)) },
                                    None => { (super::running::part_word(part.state)) },
                                }
                            },
                            None => { "–" },
                        }
                    }
                }
                td { "–" }
            }
        }
        @for round in rounds { (row(view, round)) }
    };
    let columns = [
        "Round",
        "Result, exit code",
        "Started",
        "#Took",
        "Consolidate",
        "Verify",
        "Drift",
        "Reconcile",
        "Detect",
        "Changes",
    ];
    list("Rounds", &columns, &rows)
}

fn row(view: &View, round: &Round) -> Markup {
    let summary = |part: Part| round.parts.iter().find(|it| it.part == part);
    html! {
        tr {
            th scope="row" {
                a href=(path(&round.id)) { (name(&round.schedule)) }
                @if let Some(why) = trigger(round.trigger) { " " br; small { (why) } }
                @if round.attempt > 1 { " " br; small { "attempt " (round.attempt) } }
            }
            td { span.nowrap { (outcome(round.outcome)) " " (round.exit_code) } }
            td { (time::recent(round.started_at, view.now)) }
            td.num { (time::between(round.started_at, round.ended_at)) }
            @for part in Part::ALL {
                td { @match summary(part) {
                    Some(part) => { (plain(&part.summary)) },
                    None => { "–" },
                } }
            }
            td { @match (round.knowledge.new, round.knowledge.resolved) {
                (0, 0) => { "none" },
                (new, resolved) => { (new) " new, " (resolved) " resolved" },
            } }
        }
    }
}

/// Why a round ran, where it was not its time.
pub(super) fn trigger(trigger: Trigger) -> Option<&'static str> {
    match trigger {
        Trigger::Schedule => None,
        Trigger::CatchUp => Some("catches up on a missed slot"),
        Trigger::Request => Some("requested"),
    }
}
