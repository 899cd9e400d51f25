//! What is wrong with the recorded events: those that the archive lacks, and those that were
//! detected.

use jiff::Timestamp;

use super::Board;
use super::load::with_report;
use super::signals::{fingerprint, scope_account, scope_text};
use crate::names::{AccountId, Region};
use crate::report::contract::checks::Severity;
use crate::report::contract::detections::{CertaintyWord, Detection, Event};
use crate::report::contract::drift::Scope;
use crate::report::contract::events::ReconciledPlace;
use crate::report::contract::round::Part;
use crate::report::contract::service::{EventSpan, Signal, SignalState};

impl Board {
    /// Events that the archive lacks, and what could not be compared.
    pub(super) fn of_reconciliation(&self) -> Vec<Signal> {
        let places = self.reconciliation.iter().flat_map(|report| &report.places);
        let signal = |place: &ReconciledPlace, check: &str, title: &str, found: String| {
            let (account, region) = (place.account.clone(), place.region.clone());
            let scope = Scope::Region { account, region };
            Signal {
                fingerprint: fingerprint(Part::Reconcile, check, &scope_text(&scope)),
                part: Part::Reconcile,
                check: check.to_owned(),
                severity: Severity::High,
                state: SignalState::Failing,
                unit_path: self.unit_path(Some(&place.account)),
                scope,
                title: title.to_owned(),
                expected: None,
                found,
                fix: None,
                cause: None,
                events: None,
                suppressed: false,
                since: Timestamp::MIN,
            }
        };
        let mut signals = Vec::new();
        for place in places {
            if let Some(found) = place.lacks() {
                signals.push(Signal {
                    fix: Some(format!(
                        "orgtrail events reconcile --account {} --region {} --all",
                        place.account, place.region
                    )),
                    events: missing_span(place),
                    ..signal(
                        place,
                        "events-missing",
                        "Event history has events that the archive lacks",
                        found,
                    )
                });
            }
            if let Some(reason) = &place.reason {
                signals.push(Signal {
                    severity: Severity::Medium,
                    state: SignalState::Unreadable,
                    ..signal(
                        place,
                        "events-not-compared",
                        "the archive could not be compared with Event history",
                        reason.clone(),
                    )
                });
            }
        }
        signals
    }

    /// When and where something was changed that the newest drift report finds and the one
    /// before did not; none if there was none before.
    pub(super) fn changed_within(&self, scope: &Scope) -> Option<EventSpan> {
        let drift = self.drift.as_ref()?;
        let mut older = self.rounds.iter().skip_while(|round| round.id != drift.round).skip(1);
        let before = older.find_map(|round| with_report(round, Part::Drift))?;
        let (account, region) = match scope {
            // Calls of AWS Organizations are recorded in its account.
            Scope::Organization => (Some(drift.management_account.to_string()), None),
            Scope::Account { account } => (Some(account.to_string()), None),
            Scope::Region { account, region } => {
                (Some(account.to_string()), Some(region.to_string()))
            }
            Scope::Bucket { .. } => (None, None),
            Scope::Resource { arn } => {
                let region = arn.region.as_ref().map(ToString::to_string);
                (arn.account.as_ref().map(ToString::to_string), region)
            }
        };
        let (event_name, changes_only) = (None, true);
        let (from, to) = (before.started_at, drift.as_of);
        Some(EventSpan { account, region, event_name, changes_only, from, to })
    }

    /// What was detected in the events. What is only of note is in the report alone.
    pub(super) fn of_detection(&self) -> Vec<Signal> {
        let found = self.detections.iter().flat_map(|report| &report.findings);
        found
            .filter(|one| one.severity != Severity::Low)
            .map(|one| {
                let scope = event_scope(one);
                let event = one.events.first();
                let id = event.and_then(|event| event.id.as_deref()).unwrap_or_default();
                let place = format!("{} {} {id}", scope_text(&scope), one.about);
                let name = event.and_then(|event| event.name.as_deref()).unwrap_or("an event");
                let who = event.and_then(|event| event.principal.as_deref());
                let who = who.unwrap_or("someone unknown");
                let failed = if one.failed { ", which failed" } else { "" };
                let possible = match one.certainty {
                    CertaintyWord::Possible => ", possibly",
                    CertaintyWord::Certain => "",
                };
                Signal {
                    fingerprint: fingerprint(Part::Detect, &one.rule.id, &place),
                    part: Part::Detect,
                    check: one.rule.id.clone(),
                    severity: one.severity,
                    state: SignalState::Failing,
                    unit_path: self.unit_path(scope_account(&scope)),
                    title: one.rule.title.clone(),
                    expected: None,
                    found: format!("{name} by {who}: {}{possible}{failed}", one.about),
                    fix: Some(one.rule.fix.clone()).filter(|fix| !fix.is_empty()),
                    cause: None,
                    events: event_span(one),
                    suppressed: false,
                    since: Timestamp::MIN,
                    scope,
                }
            })
            .collect()
    }
}

/// Where the events of a finding happened, as far as they say it.
fn event_scope(found: &Detection) -> Scope {
    let event = found.events.first();
    let account = event.and_then(|event| event.account.as_ref()?.parse::<AccountId>().ok());
    let region = event.and_then(|event| event.region.as_ref()?.parse::<Region>().ok());
    match (account, region) {
        (Some(account), Some(region)) => Scope::Region { account, region },
        (Some(account), None) => Scope::Account { account },
        (None, _) => Scope::Organization,
    }
}

/// When and where the events of a finding happened.
fn event_span(found: &Detection) -> Option<EventSpan> {
    let first = found.events.first()?;
    let same = |of: fn(&Event) -> &Option<String>| {
        of(first)
            .clone()
            .filter(|value| found.events.iter().all(|event| of(event).as_ref() == Some(value)))
    };
    Some(EventSpan {
        account: same(|event| &event.account),
        region: same(|event| &event.region),
        event_name: same(|event| &event.name),
        changes_only: false,
        from: found.first_at?,
        to: found.last_at?,
    })
}

/// When and where the events that the archive lacks happened: what it has of that time is
/// around them.
fn missing_span(place: &ReconciledPlace) -> Option<EventSpan> {
    let times = || place.first_missing.iter().map(|event| event.happened_at);
    Some(EventSpan {
        account: Some(place.account.to_string()),
        region: Some(place.region.to_string()),
        event_name: None,
        changes_only: false,
        from: times().min()?,
        to: times().max()?,
    })
}
