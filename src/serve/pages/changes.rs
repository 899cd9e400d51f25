//! What is different after a round: a list of findings by change.

use maud::{Markup, html};

use super::components::{count, list, severity, tag};
use super::view::View;
use super::{findings, time};
use crate::printable::plain;
use crate::report::contract::service::{Signal, SignalState};
use crate::serve::board::Changes;
use crate::words::counted;

/// How many findings of each change are listed.
const LISTED: usize = 100;

/// The table of all changes.
pub(super) fn table(view: &View, changes: &Changes) -> Markup {
    let kinds = [
        ("new", "new", &changes.new),
        ("late", "changed", &changes.changed),
        ("unreadable", "unreadable", &changes.unreadable),
        ("resolved", "resolved", &changes.resolved),
    ];
    let rows = html! {
        @for (class, word, signals) in kinds {
            @for signal in signals.iter().take(LISTED) { (row(view, class, word, signal)) }
            @if signals.len() > LISTED {
                tr {
                    td { (tag(class, word)) }
                    td colspan="4" { "and " (count(signals.len() - LISTED)) " more, in the API" }
                }
            }
        }
    };
    html! {
        @if changes.is_empty() {
            div.pad { p.note {
                "Nothing changed. " (counted(changes.unchanged, "finding")) " unchanged."
            } }
        } @else {
            (list("Changes", &["Change", "Severity", "Finding", "Scope", "Found"], &rows))
            div.pad { p {
                (tag("same", "unchanged")) " " (counted(changes.unchanged, "finding"))
            } }
        }
    }
}

fn row(view: &View, class: &str, word: &str, signal: &Signal) -> Markup {
    html! {
        tr {
            td { (tag(class, word)) }
            td {
                @match signal.state {
                    SignalState::Failing => { (severity(signal.severity)) },
                    SignalState::Unreadable => { (tag("unreadable", "unreadable")) },
                }
            }
            th.wide scope="row" {
                code { (plain(&signal.check)) } " "
                @if let Some(cause) = &signal.cause { (plain(cause)) }
                @else { (plain(&signal.title)) }
                @if signal.suppressed { " " (tag("excluded", "suppressed")) }
            }
            td { (findings::scope(view, &signal.scope)) }
            td.wide {
                (plain(&signal.found))
                " " small { "since " (time::at(signal.since, view.now)) }
            }
        }
    }
}
