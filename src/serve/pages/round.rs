//! `/rounds/{id}`: a round that runs, with its progress, or one that has finished.

use std::sync::Arc;

use axum::extract::{Path, State as Extracted};
use axum::http::Uri;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use orgtrail_base::percent::encode;

use super::components::{button, card, crumbs, list, only_note, outcome, size, tag, verdict};
use super::errors::{not_found, unreadable_state};
use super::layout::{Page, Section, response};
use super::view::View;
use super::{changes, rounds, running, time};
use crate::compute::of_pages;
use crate::printable::plain;
use crate::report::contract::round::Part;
use crate::report::contract::service::{Round, RoundPart, Signals};
use crate::serve::app::{App, Health};
use crate::serve::board::Changes;
use crate::serve::rounds::{Rounds, RoundsError};
use crate::store::StoreError;
use crate::words::with_causes;

/// How many rounds can be chosen for a comparison.
const CHOICES: usize = 50;

/// `GET /rounds/{id}`
pub(super) async fn page(
    Extracted(app): Extracted<App>,
    Path(id): Path<String>,
    uri: Uri,
) -> Response {
    let view = match View::of(&app, &uri) {
        Ok(view) => view,
        Err(response) => return *response,
    };
    if let Some(live) = view.live.as_ref().filter(|live| live.id == id) {
        return response(running::running(&view, live));
    }
    match load(&app, &view, &id).await {
        Ok(Some(finished)) => {
            // Many changes take a while to render.
            let page = of_pages(move || finished_page(&view, &finished));
            page.await.map_or_else(
                |_| {
                    axum::response::IntoResponse::into_response(
                        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                    )
                },
                response,
            )
        }
        Ok(None) => match requested_at(&view, &id) {
            Some(at) => response(not_stored(&view, &id, at)),
            None => not_found(Some(&view), &format!("There is no round `{id}`.")),
        },
        Err(error) => {
            let health = Health { state: Some(with_causes(&error)), ..app.health() };
            unreadable_state(&view, &health)
        }
    }
}

/// When a round was requested or started, according to its id: within the last day, of a
/// schedule of the configuration.
fn requested_at(view: &View, id: &str) -> Option<Timestamp> {
    let at = Rounds::started_at(id)?;
    let schedules = &view.config.service.schedule;
    let is_known = schedules.iter().any(|schedule| {
        let middle = format!("-{}-", schedule.name.as_str());
        id.get(12..).is_some_and(|rest| rest.starts_with(&middle))
    });
    let age = view.now.duration_since(at);
    let is_recent = age >= SignedDuration::from_mins(-1) && age <= SignedDuration::from_hours(24);
    (is_known && is_recent).then_some(at)
}

/// The page of a round that this replica does not run, and that is not in the state.
pub(super) fn not_stored(view: &View, id: &str, at: Timestamp) -> Markup {
    let line = html! {
        (tag("waiting", "No report yet")) " "
        span.soft { "requested at " (time::clock(at, view.now)) ", " (time::ago(at, view.now)) }
    };
    let more = html! {
        "It waits to start, or another replica runs it. If its replica was stopped without a \
         report, the next slot finishes the work."
    };
    let main = html! {
        (crumbs(&[("/rounds", "Rounds")], &html! { code { (plain(id)) } }))
        (verdict(
            "run",
            &line,
            "This round has no report yet.",
            &more,
            &button(&view.address, "Reload"),
        ))
    };
    Page { is_top: false, ..Page::new(view, Section::Rounds, "No report yet") }.render(&main)
}

/// A round, and what it is compared with.
#[derive(Debug)]
pub(super) struct Finished {
    /// The round.
    pub round: Arc<Round>,
    /// The round that it is compared with.
    pub other: Option<Arc<Round>>,
    /// What is different; none where either round has no stored findings.
    pub changes: Option<Changes>,
}

async fn load(app: &App, view: &View, id: &str) -> Result<Option<Finished>, RoundsError> {
    let Some(round) = find(app, view, id).await? else { return Ok(None) };
    let other = match view.query.get("other") {
        Some(other) => find(app, view, other).await?,
        None => previous(view, &round),
    };
    let changes = match &other {
        Some(other) => changes_between(app, other, &round).await?,
        None => None,
    };
    Ok(Some(Finished { round, other, changes }))
}

async fn find(app: &App, view: &View, id: &str) -> Result<Option<Arc<Round>>, RoundsError> {
    if let Some(known) = view.board.rounds.iter().find(|round| round.id == id) {
        return Ok(Some(Arc::clone(known)));
    }
    match app.rounds().read(id).await {
        Ok(round) => Ok(round.map(Arc::new)),
        // No round can have this id.
        Err(RoundsError::Store(StoreError::NotAKey { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The round before another one.
fn previous(view: &View, round: &Round) -> Option<Arc<Round>> {
    let before = view.board.rounds.iter().find(|it| it.started_at < round.started_at);
    before.map(Arc::clone)
}

async fn changes_between(
    app: &App,
    one: &Round,
    other: &Round,
) -> Result<Option<Changes>, RoundsError> {
    let (earlier, later) =
        if one.started_at <= other.started_at { (one, other) } else { (other, one) };
    let earlier: Option<Signals> = app.rounds().signals(&earlier.id).await?;
    let later: Option<Signals> = app.rounds().signals(&later.id).await?;
    let both = earlier.zip(later);
    Ok(both.map(|(earlier, later)| Changes::between(&earlier, &later)))
}

/// The page of a round that has finished.
pub(super) fn finished_page(view: &View, finished: &Finished) -> Markup {
    let round = &*finished.round;
    let name = rounds::name(&round.schedule);
    let failed: Vec<&str> = round
        .parts
        .iter()
        .filter(|part| part.exit_code != 0)
        .map(|part| part.part.name())
        .collect();
    let sentence = match failed.as_slice() {
        [] if round.exit_code == 0 => format!("{name} round: every part is clean."),
        [] => format!("{name} round: it ended with exit code {}.", round.exit_code),
        parts => format!("{name} round: {} found problems.", and(parts)),
    };
    let line = html! {
        (outcome(round.outcome)) " "
        span.soft {
            (time::with_weekday(round.started_at, view.now)) ", took "
            (time::between(round.started_at, round.ended_at))
        }
    };
    let more = html! {
        "Exit code " (round.exit_code) "."
        @if round.attempt > 1 {
            " Attempt " (round.attempt) ": an earlier one stopped without a report."
        }
    };
    let border = if round.exit_code == 0 { "" } else { "bad" };
    let main = html! {
        (crumbs(&[("/rounds", "Rounds"), ("", &name)], &html! { code { (plain(&round.id)) } }))
        (verdict(border, &line, &sentence, &more, &Markup::default()))
        (card("parts", "Parts", &Markup::default(), &parts(view, &round.parts)))
        (diff(view, finished))
        div.two { (downloads(round)) (about(view, round)) }
    };
    let title = format!("Exit code {}. {name} round", round.exit_code);
    Page { is_top: false, ..Page::new(view, Section::Rounds, title) }.render(&main)
}

/// `consolidate, verify and drift`
fn and(parts: &[&str]) -> String {
    match parts {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        parts => parts.join(", "),
    }
}

/// The columns of a table of parts.
pub(super) const PARTS: [&str; 6] = ["Part", "State", "Started", "#Took", "Result", "Exit code"];

fn parts(view: &View, parts: &[RoundPart]) -> Markup {
    let rows = html! {
        @for part in parts {
            tr {
                th scope="row" { (rounds::name(part.part.name())) }
                td { (outcome(part.outcome)) }
                td { (time::clock(part.started_at, view.now)) }
                td.num { (time::between(part.started_at, part.ended_at)) }
                td.wide {
                    (plain(&part.summary))
                    @if let Some(from) = part.verified_from {
                        " " small { "verified from " (time::at(from, view.now)) }
                    }
                }
                td { (part.exit_code) }
            }
        }
    };
    list("Parts", &PARTS, &rows)
}

fn diff(view: &View, finished: &Finished) -> Markup {
    let round = &finished.round;
    let current = finished.other.as_ref().map(|other| other.id.as_str());
    let near = view.board.rounds.iter().filter(|other| other.id != round.id).take(CHOICES);
    let mut choices: Vec<&Round> = near.map(|other| &**other).collect();
    if let Some(other) = &finished.other
        && !choices.iter().any(|choice| choice.id == other.id)
    {
        choices.insert(0, other);
    }
    let form = html! {
        @if !choices.is_empty() {
            div.pad { form.filter method="get" action=(rounds::path(&round.id)) {
                label {
                    "Compare with "
                    select name="other" {
                        @for choice in choices {
                            option value=(plain(&choice.id)) selected[current == Some(&*choice.id)] {
                                (rounds::name(&choice.schedule)) ", "
                                (time::text(choice.started_at, view.now))
                            }
                        }
                    }
                }
                button { "Compare" }
            } }
        }
    };
    let heading = match &finished.other {
        Some(other) => {
            let order = if other.started_at <= round.started_at { "since" } else { "until" };
            format!("Changes {order} the round of {}", time::text(other.started_at, view.now))
        }
        None => "Changes".to_owned(),
    };
    let body = html! {
        (form)
        @match (&finished.other, &finished.changes) {
            (Some(_), Some(changes)) => { (changes::table(view, changes)) },
            (Some(_), None) => {
                (only_note(&html! { "One of the rounds has no stored findings to compare." }))
            },
            (None, _) if view.query.get("other").is_some() => {
                (only_note(&html! { "The other round is not in the state." }))
            },
            (None, _) => { (only_note(&html! { "There is no earlier round to compare with." })) },
        }
    };
    card("diff", &heading, &Markup::default(), &body)
}

/// The formats of a part's report.
const fn formats(part: Part) -> &'static [(&'static str, &'static str)] {
    match part {
        Part::Consolidate | Part::Verify | Part::Reconcile | Part::Detect => &[("json", "JSON")],
        Part::Drift => &[
            ("html", "HTML"),
            ("json", "JSON"),
            ("sarif", "SARIF"),
            ("junit", "JUnit"),
            ("ocsf", "OCSF"),
            ("csv", "CSV"),
        ],
    }
}

fn downloads(round: &Round) -> Markup {
    let id = encode(&round.id);
    let rows = html! {
        @for part in &round.parts {
            tr {
                th scope="row" { (rounds::name(part.part.name())) }
                @match part.report_bytes {
                    Some(bytes) => {
                        td.nowrap {
                            @for (format, name) in formats(part.part) {
                                a href={
                                    "/api/v1/rounds/" (id) "/report?part=" (part.part.name())
                                    "&format=" (format)
                                } { (name) } " "
                            }
                        }
                        td.num { (size(bytes)) }
                    },
                    None => { td.soft { "no report: the part failed" } td.num { "–" } },
                }
            }
        }
    };
    card(
        "downloads",
        "Reports",
        &Markup::default(),
        &list("Reports", &["Report", "Formats", "#Size as JSON"], &rows),
    )
}

fn about(view: &View, round: &Round) -> Markup {
    let body = html! { div.pad { dl.pairs {
        dt { "Schedule" } dd { (plain(&round.schedule)) }
        dt { "Slot" } dd { (time::full(round.scheduled_at)) ", attempt " (round.attempt) }
        dt { "Why" } dd { (rounds::trigger(round.trigger).unwrap_or("its time had come")) }
        dt { "Ran on" } dd { (plain(&round.replica)) }
        dt { "Program" } dd { (plain(&round.program)) }
        dt { "Started" } dd { (time::full(round.started_at)) }
        dt { "Ended" } dd { (time::full(round.ended_at)) ", " (time::ago(round.ended_at, view.now)) }
    } } };
    card("about", "This round", &Markup::default(), &body)
}
