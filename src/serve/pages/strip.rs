//! Small charts: the verdict of each of the last 30 days, and shares of states.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::components::verdict_word;
use super::view::View;
use crate::report::contract::service::{CellStates, Verdict};
use crate::words::counted;

const DAYS: i32 = 30;

/// The worst verdict of each of the last 30 days.
pub(super) fn days(view: &View) -> Markup {
    let today = view.now.to_zoned(TimeZone::UTC).date();
    let first = today.saturating_sub((DAYS - 1).days());
    let mut worst: BTreeMap<Date, Verdict> = BTreeMap::new();
    for round in &view.board.rounds {
        let day = round.started_at.to_zoned(TimeZone::UTC).date();
        let verdict = worst.entry(day).or_insert(Verdict::Fine);
        *verdict = (*verdict).max(round.knowledge.verdict);
    }
    let days: Vec<(Date, Option<Verdict>)> = (0..DAYS)
        .map(|number| first.saturating_add(number.days()))
        .map(|day| (day, worst.get(&day).copied()))
        .collect();
    let bars = days.iter().enumerate().map(|(position, (_, verdict))| {
        let (class, height) = match verdict {
            Some(Verdict::Fine) => ("f-pass", 8),
            Some(Verdict::Attention) => ("f-late", 16),
            Some(Verdict::Unknown) => ("f-open", 16),
            Some(Verdict::Failed) => ("f-fail", 32),
            None => ("f-off", 2),
        };
        html! {
            rect class=(class) x=(position * 8) y=(32 - height) width="6" height=(height) {}
        }
    });
    html! {
        div {
            svg.days viewBox="0 0 240 32" role="img" aria-label=(described(&days)) {
                @for bar in bars { (bar) }
            }
            p { small {
                "Worst verdict per day, " (first.strftime("%-d %b")) " to "
                (today.strftime("%-d %b"))
            } }
        }
    }
}

/// The chart in words.
fn described(days: &[(Date, Option<Verdict>)]) -> String {
    let number = |wanted: Option<Verdict>| days.iter().filter(|(_, it)| *it == wanted).count();
    let verdicts = [Verdict::Failed, Verdict::Unknown, Verdict::Attention, Verdict::Fine];
    let mut parts: Vec<String> = verdicts
        .into_iter()
        .filter(|verdict| number(Some(*verdict)) > 0)
        .map(|verdict| {
            let word = verdict_word(verdict).0.to_lowercase();
            format!("{} {word}", counted(number(Some(verdict)), "day"))
        })
        .collect();
    if number(None) > 0 {
        parts.push(format!("{} without a round", counted(number(None), "day")));
    }
    format!("Worst verdict per day, last {DAYS} days: {}.", parts.join(", "))
}

/// The shares of states, for the eyes only: the numbers are next to it.
pub(super) fn stack(states: &CellStates) -> Markup {
    let CellStates { proven, delivering, late, failed, dark, unreadable, excluded } = *states;
    let parts = [
        ("f-pass", proven),
        ("f-fail", failed),
        ("f-dark", dark),
        ("f-open", unreadable),
        ("f-late", late),
        ("f-info", delivering),
        ("f-off", excluded),
    ];
    let all: usize = parts.iter().map(|(_, number)| number).sum();
    // Hundredths of a percent, so that no float is rounded.
    let share = |number: usize| number * 10_000 / all.max(1);
    let mut bars = Vec::new();
    let mut before = 0;
    for (class, number) in parts.into_iter().filter(|(_, number)| *number > 0) {
        bars.push((class, share(before), share(number).max(1)));
        before += number;
    }
    html! {
        svg.stack viewBox="0 0 10000 10" preserveAspectRatio="none" aria-hidden="true" {
            @for (class, x, width) in bars {
                rect class=(class) x=(x) width=(width) height="10" {}
            }
        }
    }
}
