//! Which findings changed since channels were last notified of them. Pure.
//!
//! The comparison is with what was sent, not with the previous round: a change that a killed
//! replica did not send is still a change in the next round.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::report::contract::checks::Severity;
use crate::report::contract::notification::{Change, Transition};
use crate::report::contract::round::Part;
use crate::report::contract::service::{Signal, SignalState, Signals};

/// After how many rounds in a row an unreadable finding is sent: one may be a passing fault.
const UNREADABLE_ROUNDS: u32 = 2;
/// The most findings that are followed one by one: what channels know must fit into memory.
const MOST_FOLLOWED: usize = 20_000;
/// After how long an open finding is sent again.
const REMIND_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The same for a critical one.
const REMIND_OF_CRITICAL_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What channels know of all findings, by fingerprint.
pub(super) type Known = BTreeMap<String, Finding>;

/// What channels know of a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finding {
    /// As it was last sent; none if it was only seen so far.
    sent: Option<Sent>,
    /// In how many rounds in a row it was unreadable without being sent as such.
    unreadable_rounds: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    signal: Signal,
    sent_at: Timestamp,
}

/// A round, as far as its findings are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// The parts that ran in this round.
    pub(super) ran: &'a [Part],
    /// The findings after it.
    pub(super) signals: &'a Signals,
    /// When it ended.
    pub(super) at: Timestamp,
}

/// The difference between what channels know and a round.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    /// What channels are notified of, the most severe first.
    pub(super) changes: Vec<Change>,
    /// How many open findings are not followed, because there are too many.
    pub(super) not_followed: usize,
}

/// What channels know after a round, and what they are notified of.
pub(super) fn transitions(known: Known, seen: Seen<'_>) -> (Known, Transitions) {
    limited(known, seen, MOST_FOLLOWED)
}

fn limited(mut known: Known, seen: Seen<'_>, most: usize) -> (Known, Transitions) {
    let mut not_followed = 0;
    let mut after = Known::new();
    let mut changes = Vec::new();
    for signal in &seen.signals.signals {
        let before = known.remove(&signal.fingerprint);
        // What the configuration suppresses is forgotten: it is new once it is not.
        if signal.suppressed {
            continue;
        }
        // The most severe come first. What is known is compared in any case.
        if before.is_none() && after.len() + known.len() >= most {
            not_followed += 1;
            continue;
        }
        let (finding, change) = compared(before.unwrap_or_default(), signal, seen);
        after.insert(signal.fingerprint.clone(), finding);
        changes.extend(change);
    }
    for (fingerprint, before) in known {
        let Some(sent) = &before.sent else { continue };
        // Without a result of the part, its findings are not gone.
        if !seen.signals.parts.contains(&sent.signal.part) {
            after.insert(fingerprint, before);
            continue;
        }
        changes.push(change(Transition::Resolved, Some(sent), &sent.signal, seen));
    }
    changes.sort_by_cached_key(|it| {
        let signal = &it.finding;
        let is_unreadable = signal.state == SignalState::Unreadable;
        let severity = std::cmp::Reverse(signal.severity);
        let rank = (it.transition == Transition::Resolved, severity, is_unreadable, it.transition);
        (rank, signal.fingerprint.clone())
    });
    (after, Transitions { changes, not_followed })
}

/// A finding after a round, and how it changed.
fn compared(before: Finding, signal: &Signal, seen: Seen<'_>) -> (Finding, Option<Change>) {
    let Finding { sent, unreadable_rounds } = before;
    let was = sent.as_ref().map(|sent| sent.signal.state);
    if signal.state == SignalState::Unreadable && was != Some(SignalState::Unreadable) {
        let is_read_again = seen.ran.contains(&signal.part) || unreadable_rounds == 0;
        let unreadable_rounds = unreadable_rounds + u32::from(is_read_again);
        if unreadable_rounds < UNREADABLE_ROUNDS {
            return (Finding { sent, unreadable_rounds }, None);
        }
    }
    let transition = match &sent {
        None if signal.state == SignalState::Unreadable => Some(Transition::Unreadable),
        None => Some(Transition::New),
        Some(sent) => transition(sent, signal, seen.at),
    };
    let Some(transition) = transition else {
        return (Finding { sent, unreadable_rounds: 0 }, None);
    };
    let change = change(transition, sent.as_ref(), signal, seen);
    let sent = Sent { signal: signal.clone(), sent_at: change.changed_at };
    (Finding { sent: Some(sent), unreadable_rounds: 0 }, Some(change))
}

fn transition(sent: &Sent, signal: &Signal, at: Timestamp) -> Option<Transition> {
    let was = &sent.signal;
    match (was.state, signal.state) {
        (SignalState::Failing, SignalState::Unreadable) => return Some(Transition::Unreadable),
        (SignalState::Unreadable, SignalState::Failing) => return Some(Transition::Worse),
        _ => {}
    }
    if signal.severity > was.severity {
        return Some(Transition::Worse);
    }
    let is_other = signal.severity != was.severity
        || shape(&signal.found) != shape(&was.found)
        || signal.expected.as_deref().map(shape) != was.expected.as_deref().map(shape);
    if is_other {
        return Some(Transition::Changed);
    }
    let wait = match signal.severity {
        Severity::Critical => REMIND_OF_CRITICAL_AFTER,
        _ => REMIND_AFTER,
    };
    (at.duration_since(sent.sent_at) >= wait).then_some(Transition::Reminder)
}

fn change(transition: Transition, sent: Option<&Sent>, signal: &Signal, seen: Seen<'_>) -> Change {
    // Security Hub ignores a finding that is not newer than the one before.
    let earliest = sent.and_then(|it| it.sent_at.checked_add(SignedDuration::from_millis(1)).ok());
    Change {
        transition,
        changed_at: earliest.map_or(seen.at, |earliest| earliest.max(seen.at)),
        severity_before: sent.map(|sent| sent.signal.severity),
        finding: signal.clone(),
    }
}

/// A text without its numbers: ages and counts differ in every round.
fn shape(text: &str) -> String {
    let mut shape = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_digit() {
            shape.push(c);
        } else if !shape.ends_with('0') {
            shape.push('0');
        }
    }
    shape
}

#[cfg(test)]
mod tests;
