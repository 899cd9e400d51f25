//! `/rounds/{id}` of the round that this replica runs: its progress, which `live.js` updates.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::components::{Fact, button, card, count, crumbs, facts, list, size, tag, verdict};
use super::layout::{Page, Section};
use super::round::PARTS;
use super::view::View;
use super::{rounds, time};
use crate::printable::plain;
use crate::report::contract::live::{LivePhase, LiveRound, PartState};

/// The page of the round that this replica runs.
pub(super) fn running(view: &View, live: &LiveRound) -> Markup {
    let name = rounds::name(&live.schedule);
    let position = live.parts.iter().position(|part| part.state == PartState::Running);
    let current = position.and_then(|position| live.parts.get(position));
    let state = html! {
        (tag("running", "Running")) " "
        span.soft {
            "since " (time::clock(live.started_at, view.now)) ", "
            (time::between(live.started_at, view.now))
        }
    };
    let sentence = match (current, live.parts.iter().all(|part| part.state == PartState::Done)) {
        (Some(part), _) => format!("{name} round: {} is running.", part.part.name()),
        (None, true) => format!("{name} round: its result is being stored."),
        (None, false) => format!("{name} round: the next part starts."),
    };
    let schedules = &view.config.service.schedule;
    let schedule = schedules.iter().find(|it| it.name.as_str() == live.schedule);
    let deadline = schedule.and_then(|schedule| {
        let deadline = SignedDuration::from_mins(schedule.deadline_minutes.into());
        live.started_at.checked_add(deadline).ok()
    });
    let more = html! {
        @if let Some(position) = position {
            "Part " (position + 1) " of " (live.parts.len()) ". "
        }
        @if let Some(deadline) = deadline {
            "The deadline is " (time::clock(deadline, view.now)) ". "
        }
        "Without a script this page shows the state at " (time::clock(view.now, view.now))
        "; reload it for a newer one."
    };
    let title = match live.phase.as_ref().and_then(share) {
        Some(share) => format!("Running: {share} %. {name} round"),
        None => format!("Running. {name} round"),
    };
    let main = html! {
        (crumbs(&[("/rounds", "Rounds"), ("", &name)], &html! { code { (plain(&live.id)) } }))
        (verdict("run", &state, &sentence, &more, &button(&view.address, "Reload")))
        p.vh #news role="status" {}
        (card("parts", "Parts", &Markup::default(), &html! {
            (live_parts(view, live))
            (progress(view, live, current.and_then(|part| part.started_at)))
        }))
        (facts(&live_facts(view, live)))
    };
    Page { is_top: false, is_live: true, ..Page::new(view, Section::Rounds, title) }.render(&main)
}

/// The word of a part's state.
pub(super) const fn part_word(state: PartState) -> &'static str {
    match state {
        PartState::Waiting => "waiting",
        PartState::Running => "running",
        PartState::Done => "done",
    }
}

fn live_parts(view: &View, live: &LiveRound) -> Markup {
    let rows = html! {
        @for part in &live.parts {
            tr data-part=(part.part.name()) {
                th scope="row" { (rounds::name(part.part.name())) }
                td {
                    @let class = if part.state == PartState::Done { "resolved" } else { part_word(part.state) };
                    (tag(class, part_word(part.state)))
                }
                td { @match part.started_at {
                    Some(at) => { (time::clock(at, view.now)) },
                    None => { "–" },
                } }
                td.num { @match part.started_at {
                    Some(at) => { (time::between(at, part.ended_at.unwrap_or(view.now))) },
                    None => { "–" },
                } }
                td.wide data-result { @match &part.summary {
                    Some(summary) => { (plain(summary)) },
                    None => { "–" },
                } }
                td { @match part.outcome {
                    Some(outcome) => { (outcome.exit_code()) },
                    None => { "–" },
                } }
            }
        }
    };
    list("Parts", &PARTS, &rows)
}

/// The share of a phase that is done. Units: percent, rounded down.
fn share(phase: &LivePhase) -> Option<u64> {
    let steps = phase.steps.filter(|steps| *steps > 0)?;
    Some(u64::try_from(u128::from(phase.done.min(steps)) * 100 / u128::from(steps)).unwrap_or(0))
}

/// The time that the rest of a phase takes, at the rate so far.
pub(super) fn remaining(
    phase: &LivePhase,
    started_at: Timestamp,
    now: Timestamp,
) -> Option<SignedDuration> {
    let steps = phase.steps.filter(|_| phase.done > 0)?;
    let elapsed = i128::from(now.duration_since(started_at).as_secs());
    let left = elapsed * i128::from(steps.saturating_sub(phase.done)) / i128::from(phase.done);
    Some(SignedDuration::from_secs(i64::try_from(left).ok()?))
}

fn progress(view: &View, live: &LiveRound, part_started_at: Option<Timestamp>) -> Markup {
    let phase = live.phase.as_ref();
    let steps = phase.and_then(|phase| phase.steps).filter(|steps| *steps > 0);
    let done = phase.map_or(0, |phase| phase.done);
    let left = phase.zip(part_started_at).and_then(|(phase, at)| remaining(phase, at, view.now));
    html! {
        div.pad {
            h3 #progress-of { "Progress" }
            @match steps {
                Some(steps) => {
                    progress data-round=(plain(&live.id)) value=(done.min(steps)) max=(steps)
                        aria-labelledby="progress-of" {}
                },
                None => { progress data-round=(plain(&live.id)) aria-labelledby="progress-of" {} },
            }
            p #progress-text {
                @match phase {
                    Some(phase) => {
                        (plain(&phase.name))
                        @if let (Some(steps), Some(share)) = (steps, share(phase)) {
                            ": " (count(done)) " of " (count(steps)) ", " (share) " %"
                        }
                    },
                    None => { "between two phases" },
                }
            }
            @if let Some(left) = left {
                p.soft { "About " (time::duration(left)) " left of this phase, at the rate so far." }
            }
            @if !live.messages.is_empty() {
                details {
                    summary { "Newest messages" }
                    ol.plain.pad role="list" {
                        @for message in live.messages.iter().rev() {
                            li {
                                (time::second(message.at)) " "
                                @if message.warning { (tag("late", "warning")) " " }
                                (plain(&message.text))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn live_facts(view: &View, live: &LiveRound) -> [Fact; 4] {
    let fact =
        |name: &str, value: Markup, more: Markup| Fact { name: html! { (name) }, value, more };
    [
        fact(
            "Slot",
            time::recent(live.scheduled_at, view.now),
            html! { "attempt " (live.attempt)
            @if let Some(why) = rounds::trigger(live.trigger) { ", " (why) } },
        ),
        fact("Runs on", html! { (plain(&live.replica)) }, Markup::default()),
        fact(
            "Consolidated",
            html! { (count(live.objects)) },
            html! { "objects copied or found in the archive" },
        ),
        fact("Copied", html! { (size(live.copied_bytes)) }, Markup::default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_phase_takes_as_long_as_its_beginning() {
        let phase = |done, steps| LivePhase { name: String::new(), done, steps };
        let at = |minutes: i64| Timestamp::from_second(minutes * 60).unwrap();
        let left = |phase: &LivePhase| remaining(phase, at(0), at(10)).map(|left| left.as_mins());
        assert_eq!(left(&phase(25, Some(100))), Some(30));
        assert_eq!(left(&phase(100, Some(100))), Some(0));
        assert_eq!(left(&phase(0, Some(100))), None);
        assert_eq!(left(&phase(5, None)), None);
        assert_eq!(share(&phase(999, Some(1000))), Some(99));
        assert_eq!(share(&phase(u64::MAX, Some(u64::MAX))), Some(100));
    }
}
