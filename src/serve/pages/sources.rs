//! `/sources`: the consolidation of legacy logs.

use axum::extract::State as Extracted;
use axum::http::Uri;
use axum::response::Response;
use maud::{Markup, html};

use super::components::{
    Fact, button, card, count, facts, is_or_are, list, only_note, size, tag, verdict,
};
use super::layout::{Page, Section};
use super::running::remaining;
use super::view::{View, respond};
use super::{rounds, time};
use crate::printable::plain;
use crate::report::contract::consolidation::ObjectCounts;
use crate::report::contract::live::{LivePart, LiveRound, PartState};
use crate::report::contract::round::Part;
use crate::serve::app::App;
use crate::serve::board::Sources;
use crate::words::counted;

/// How many failures are listed.
const FAILURES: usize = 200;

/// `GET /sources`
pub(super) async fn page(Extracted(app): Extracted<App>, uri: Uri) -> Response {
    respond(&app, &uri, |view| Ok(sources(view))).await
}

/// The page.
pub(super) fn sources(view: &View) -> Markup {
    let live = view.live.as_ref().and_then(|live| Some((live, consolidating(live)?)));
    let main = html! {
        @match &view.board.sources {
            Some(sources) => {
                (said(view, sources))
                (facts(&numbers(view, sources)))
                @if let Some((live, part)) = live { (now(view, live, part)) }
                (failures(sources))
                (by_source(sources))
            },
            None => {
                (verdict(
                    "run",
                    &tag("waiting", "Waiting"),
                    "No round has consolidated logs yet.",
                    &html! { "A round whose schedule runs " code { "consolidate" } " copies the \
                        logs of legacy trails into the archive." },
                    &Markup::default(),
                ))
                @if let Some((live, part)) = live { (now(view, live, part)) }
            },
        }
    };
    Page::new(view, Section::Sources, "Sources").render(&main)
}

fn consolidating(live: &LiveRound) -> Option<&LivePart> {
    let running =
        |part: &&LivePart| part.part == Part::Consolidate && part.state == PartState::Running;
    live.parts.iter().find(running)
}

/// What keeps objects from the archive, in words.
fn obstacles(counts: &ObjectCounts) -> Vec<(u64, &'static str)> {
    let all = [
        (counts.conflicts, "conflict"),
        (counts.quarantined, "quarantined"),
        (counts.unbound, "of unexpected accounts"),
        (counts.failed, "failed"),
        (counts.held_back, "not copied, digests missing"),
        (counts.archived, "to be restored first"),
        (counts.left, "left"),
    ];
    all.into_iter().filter(|(number, _)| *number > 0).collect()
}

fn said(view: &View, sources: &Sources) -> Markup {
    let report = &sources.report;
    let stuck = report.failures.len() + report.unreadable_regions.len();
    let obstacles: u64 = obstacles(&report.counts).iter().map(|(number, _)| number).sum();
    let (border, state, sentence) = if report.complete && stuck == 0 && obstacles == 0 {
        let sentence = format!(
            "Everything of {} is in the archive.",
            counted(report.by_source.len(), "source")
        );
        ("", tag("resolved", "Complete"), sentence)
    } else if stuck > 0 {
        let sentence = format!(
            "{} {} stuck, and {} not in the archive.",
            counted(stuck, "source or account"),
            is_or_are(stuck),
            counted(obstacles, "object")
        );
        (
            "bad",
            tag("late", "Incomplete"),
            sentence.replace("source or accounts", "sources or accounts"),
        )
    } else {
        let sentence = format!("{} not in the archive yet.", counted(obstacles, "object"));
        ("bad", tag("late", "Incomplete"), sentence)
    };
    let line = html! {
        (state) " "
        span.soft { "from the round of "
            a href=(rounds::path(&sources.round)) { (time::clock(sources.as_of, view.now)) } ", "
            (time::ago(sources.as_of, view.now)) }
    };
    let more = html! {
        "Consolidation copies the logs of legacy trails into the archive, and deletes nothing."
    };
    let aside = html! { @if stuck > 0 { (button("#stuck", "Show what is stuck")) } };
    verdict(border, &line, &sentence, &more, &aside)
}

fn numbers(view: &View, sources: &Sources) -> Vec<Fact> {
    let counts = &sources.report.counts;
    let seconds = u64::try_from(sources.seconds).unwrap_or(0).max(1);
    let fact =
        |name: &str, value: Markup, more: Markup| Fact { name: html! { (name) }, value, more };
    vec![
        fact(
            "Objects at the sources",
            html! { (count(counts.at_source)) },
            html! { (counted(sources.report.by_source.len(), "source")) },
        ),
        fact(
            "In the archive",
            html! { (count(counts.present.saturating_add(counts.copied))) },
            html! { (count(counts.present)) " before the round" },
        ),
        fact(
            "Copied",
            html! { (count(counts.copied)) },
            html! { (size(counts.copied_bytes)) " in "
            (time::duration(jiff::SignedDuration::from_secs(sources.seconds))) },
        ),
        fact(
            "Rate",
            html! { (size(counts.copied_bytes / seconds)) "/s" },
            html! { (count(counts.copied / seconds)) " objects per second" },
        ),
        fact(
            "Last consolidation",
            time::recent(sources.as_of, view.now),
            html! { (time::ago(sources.as_of, view.now)) },
        ),
    ]
}

/// The consolidation that runs now.
fn now(view: &View, live: &LiveRound, part: &LivePart) -> Markup {
    let started = part.started_at.unwrap_or(live.started_at);
    let elapsed = u64::try_from(view.now.duration_since(started).as_secs()).unwrap_or(0).max(1);
    let left = live.phase.as_ref().and_then(|phase| remaining(phase, started, view.now));
    let body = html! { div.pad {
        dl.pairs {
            dt { "Since" } dd { (time::clock(started, view.now)) }
            dt { "Objects" } dd { (count(live.objects)) ", copied or found in the archive" }
            dt { "Copied" } dd { (size(live.copied_bytes)) ", " (size(live.copied_bytes / elapsed)) "/s" }
            dt { "Phase" } dd { @match &live.phase {
                Some(phase) => {
                    (plain(&phase.name))
                    @if let Some(steps) = phase.steps { ": " (count(phase.done)) " of " (count(steps)) }
                },
                None => { "between two phases" },
            } }
            dt { "Time left" } dd { @match left {
                Some(left) => { "about " (time::duration(left)) ", at the rate so far" },
                None => { "unknown" },
            } }
        }
        p { a href=(rounds::path(&live.id)) { "Progress of the round" } }
    } };
    card("now", "Running now", &Markup::default(), &body)
}

fn failures(sources: &Sources) -> Markup {
    let report = &sources.report;
    let unreadable = report.unreadable_regions.len();
    if report.failures.is_empty() && unreadable == 0 {
        return Markup::default();
    }
    let rows = html! {
        @for failure in report.failures.iter().take(FAILURES) {
            tr {
                td { (tag("unreadable", "unreadable")) }
                th.wide scope="row" { (plain(&failure.place)) }
                td.wide { (plain(&failure.reason)) }
                td.wide { @match &failure.hint {
                    Some(hint) => { (plain(hint)) },
                    None => { "–" },
                } }
            }
        }
    };
    let more = report.failures.len().saturating_sub(FAILURES);
    let heading = format!("Stuck: {}", counted(report.failures.len() + unreadable, "place"));
    let body = html! {
        @if !report.failures.is_empty() {
            (list("Stuck sources and accounts", &["State", "Place", "Reason", "What to do"], &rows))
        }
        @if unreadable > 0 {
            (only_note(&html! {
                (counted(unreadable, "account Region")) " could not be searched for trails: see \
                the report of the round."
            }))
        }
        @if more > 0 { (only_note(&html! { (counted(more, "more place")) " in the report." })) }
    };
    let report = format!(
        "/api/v1/rounds/{}/report?part=consolidate&format=json",
        orgtrail_base::percent::encode(&sources.round)
    );
    card("stuck", &heading, &html! { a href=(report) { "Report" } }, &body)
}

fn by_source(sources: &Sources) -> Markup {
    let by_source = &sources.report.by_source;
    if by_source.is_empty() {
        let body = only_note(&html! { "There is no legacy trail with logs outside the archive." });
        return card("by-source", "By source", &Markup::default(), &body);
    }
    let mut sorted: Vec<(&String, &ObjectCounts)> = by_source.iter().collect();
    let weight =
        |counts: &ObjectCounts| obstacles(counts).iter().map(|(number, _)| number).sum::<u64>();
    sorted.sort_by_key(|(_, counts)| std::cmp::Reverse(weight(counts)));
    let rows = html! {
        @for (name, counts) in sorted {
            tr {
                th.wide scope="row" { (plain(name)) }
                td { @match obstacles(counts).as_slice() {
                    [] => { (tag("resolved", "complete")) },
                    some => {
                        (tag("late", "incomplete"))
                        @for (number, word) in some { " " br; small { (count(*number)) " " (word) } }
                    },
                } }
                td.num { (count(counts.at_source)) }
                td.num { (count(counts.present)) }
                td.num { (count(counts.copied)) }
                td.num { (size(counts.copied_bytes)) }
            }
        }
    };
    let columns =
        ["Source", "State", "#At the source", "#Present before", "#Copied", "#Size copied"];
    card(
        "by-source",
        "By source, least complete first",
        &html! { a href="/api/v1/sources" { "JSON" } },
        &list("Sources", &columns, &rows),
    )
}
