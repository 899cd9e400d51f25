//! What is sent after a round: stored once, and rendered for each channel.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::transitions::Transitions;
use crate::config::NotifySeverity;
use crate::names::AccountId;
use crate::report::contract::checks::Severity;
use crate::report::contract::notification::{
    Change, ChangeCounts, Group, Notification, Transition, Unit,
};
use crate::report::contract::round::{Outcome, Part};
use crate::report::contract::service::{Round, SignalState, Verdict};
use crate::serve::board::{account_of, scope_text};

/// The most groups that a notification lists.
pub(super) const MOST_GROUPS: usize = 50;
/// The most findings that a notification lists one by one.
pub(super) const MOST_FINDINGS: usize = 500;
/// The most places that a group names.
const MOST_PLACES: usize = 5;
/// The most organizational units that a group names.
const MOST_UNITS: usize = 5;

/// What changed with a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) is_test: bool,
    pub(super) management_account: AccountId,
    pub(super) round: String,
    pub(super) schedule: String,
    pub(super) created_at: Timestamp,
    pub(super) exit_code: u8,
    pub(super) outcome: Outcome,
    pub(super) verdict: Verdict,
    pub(super) sentence: String,
    /// The most severe first.
    pub(super) changes: Vec<Change>,
    /// How many open findings are not followed, because there are too many.
    pub(super) not_followed: usize,
}

impl Message {
    pub(super) fn of_round(round: &Round, sentence: String, transitions: Transitions) -> Self {
        let Transitions { changes, not_followed } = transitions;
        Self {
            id: new_id(),
            is_test: false,
            management_account: round.management_account.clone(),
            round: round.id.clone(),
            schedule: round.schedule.clone(),
            created_at: round.ended_at,
            exit_code: round.exit_code,
            outcome: round.outcome,
            verdict: round.knowledge.verdict,
            sentence,
            changes,
            not_followed,
        }
    }

    /// The same without what a channel does not want. Where a finding became less severe, its
    /// severity before counts, so that a channel that was notified of it is notified of that.
    pub(super) fn at_least(&self, lowest: Severity) -> Self {
        let is_wanted = |change: &&Change| severity_of(change) >= lowest;
        let changes = self.changes.iter().filter(is_wanted).cloned().collect();
        Self { changes, ..self.clone() }
    }

    /// Whether a channel wants any of it.
    pub(super) fn has(&self, lowest: Severity) -> bool {
        self.changes.iter().any(|change| severity_of(change) >= lowest)
    }

    /// The most severe severity of its changes that are not resolved; none if all are.
    pub(super) fn severity(&self) -> Option<Severity> {
        let open = self.changes.iter().filter(|it| it.transition != Transition::Resolved);
        open.map(|change| change.finding.severity).max()
    }

    /// The document of the contract. `url` is the page of the round.
    pub(super) fn notification(&self, url: Option<String>, findings: usize) -> Notification {
        let mut groups = groups(&self.changes);
        let groups_left_out = groups.len().saturating_sub(MOST_GROUPS);
        groups.truncate(MOST_GROUPS);
        Notification {
            id: self.id.clone(),
            is_test: self.is_test,
            management_account: self.management_account.clone(),
            round: self.round.clone(),
            schedule: self.schedule.clone(),
            created_at: self.created_at,
            exit_code: self.exit_code,
            outcome: self.outcome,
            verdict: self.verdict,
            sentence: self.sentence.clone(),
            url,
            changes: counts(&self.changes),
            groups,
            groups_left_out,
            findings: self.changes.iter().take(findings).cloned().collect(),
            findings_left_out: self.changes.len().saturating_sub(findings),
            findings_not_followed: self.not_followed,
        }
    }
}

/// A new id, which is unique.
pub(super) fn new_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

fn severity_of(change: &Change) -> Severity {
    change.severity_before.map_or(change.finding.severity, |it| it.max(change.finding.severity))
}

impl From<NotifySeverity> for Severity {
    fn from(severity: NotifySeverity) -> Self {
        match severity {
            NotifySeverity::Low => Self::Low,
            NotifySeverity::Medium => Self::Medium,
            NotifySeverity::High => Self::High,
            NotifySeverity::Critical => Self::Critical,
        }
    }
}

fn counts(changes: &[Change]) -> ChangeCounts {
    let mut counts = ChangeCounts::default();
    for change in changes {
        *match change.transition {
            Transition::New => &mut counts.new,
            Transition::Worse => &mut counts.worse,
            Transition::Changed => &mut counts.changed,
            Transition::Unreadable => &mut counts.unreadable,
            Transition::Reminder => &mut counts.reminders,
            Transition::Resolved => &mut counts.resolved,
        } += 1;
    }
    counts
}

/// Changes by how they changed and by their cause, or else their check, in the order of the
/// first of each.
fn groups(changes: &[Change]) -> Vec<Group> {
    let mut numbers: BTreeMap<(Transition, bool, Part, &str), usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&Change>> = Vec::new();
    for change in changes {
        let signal = &change.finding;
        let common = signal.cause.as_deref().unwrap_or(&signal.check);
        let is_unreadable = signal.state == SignalState::Unreadable;
        let key = (change.transition, is_unreadable, signal.part, common);
        let number = *numbers.entry(key).or_insert(groups.len());
        match groups.get_mut(number) {
            Some(group) => group.push(change),
            None => groups.push(vec![change]),
        }
    }
    groups.iter().filter_map(|group| self::group(group)).collect()
}

fn group(changes: &[&Change]) -> Option<Group> {
    let first = changes.first()?;
    let signals = || changes.iter().map(|change| &change.finding);
    let mut accounts: Vec<&AccountId> = signals().filter_map(|it| account_of(&it.scope)).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let mut by_unit: BTreeMap<&str, usize> = BTreeMap::new();
    for signal in signals() {
        if let Some(unit) = signal.unit_path.as_deref() {
            *by_unit.entry(unit).or_default() += 1;
        }
    }
    let unit_count = by_unit.len();
    let mut units: Vec<Unit> = by_unit
        .into_iter()
        .map(|(unit_path, findings)| Unit { unit_path: unit_path.to_owned(), findings })
        .collect();
    units.sort_by_key(|unit| std::cmp::Reverse(unit.findings));
    units.truncate(MOST_UNITS);
    let signal = &first.finding;
    Some(Group {
        transition: first.transition,
        severity: signals().map(|it| it.severity).max()?,
        state: signal.state,
        part: signal.part,
        check: signal.check.clone(),
        title: signal.cause.clone().unwrap_or_else(|| signal.title.clone()),
        found: signal.found.clone(),
        fix: signal.fix.clone(),
        since: signals().map(|it| it.since).min()?,
        findings: changes.len(),
        places: signals().take(MOST_PLACES).map(|it| scope_text(&it.scope)).collect(),
        account_count: accounts.len(),
        units,
        unit_count,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::contract::drift::Scope;
    use crate::report::contract::service::Signal;

    /// A change of a finding in an account.
    pub(crate) fn change(
        transition: Transition,
        severity: Severity,
        number: u64,
        check: &str,
    ) -> Change {
        let account: AccountId = format!("{number:012}").parse().unwrap();
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        Change {
            transition,
            changed_at: at,
            severity_before: None,
            finding: Signal {
                fingerprint: format!("{check}-{number}"),
                part: Part::Drift,
                check: check.to_owned(),
                severity,
                state: if transition == Transition::Unreadable {
                    SignalState::Unreadable
                } else {
                    SignalState::Failing
                },
                scope: Scope::Account { account },
                unit_path: Some(format!("Root/unit {}", number % 7)),
                title: format!("{check} fails"),
                expected: Some("true".to_owned()),
                found: "false".to_owned(),
                fix: Some("run `orgtrail apply`".to_owned()),
                cause: None,
                events: None,
                suppressed: false,
                since: at,
            },
        }
    }

    pub(crate) fn message(changes: Vec<Change>) -> Message {
        Message {
            id: "0123456789abcdef0123456789abcdef".to_owned(),
            is_test: false,
            management_account: "111111111111".parse().unwrap(),
            round: "251634977354-nightly-0badcafe".to_owned(),
            schedule: "nightly".to_owned(),
            created_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            exit_code: 11,
            outcome: Outcome::Drift,
            verdict: Verdict::Attention,
            sentence: "1 check fails.".to_owned(),
            changes,
            not_followed: 0,
        }
    }

    #[test]
    fn four_hundred_accounts_that_cannot_be_read_are_one_group() {
        let changes = (1..=400)
            .map(|number| change(Transition::Unreadable, Severity::Medium, number, "org-coverage"))
            .collect();
        let document = message(changes).notification(None, MOST_FINDINGS);
        let [group] = document.groups.as_slice() else { panic!("{:#?}", document.groups) };
        assert_eq!((group.findings, group.account_count, group.unit_count), (400, 400, 7));
        assert_eq!((group.places.len(), group.units.len()), (5, 5));
        assert_eq!(group.units[0].findings, 58);
        assert_eq!(document.changes.unreadable, 400);
    }

    #[test]
    fn groups_and_findings_are_capped_and_what_is_left_out_is_counted() {
        let changes: Vec<Change> = (1..=600)
            .map(|number| {
                let check = format!("check-{}", number % 60);
                change(Transition::New, Severity::Low, number, &check)
            })
            .collect();
        let document = message(changes).notification(Some("https://a.example/x".into()), 100);
        assert_eq!((document.groups.len(), document.groups_left_out), (50, 10));
        assert_eq!((document.findings.len(), document.findings_left_out), (100, 500));
    }

    #[test]
    fn a_channel_for_critical_findings_learns_when_one_becomes_less_severe() {
        let mut less = change(Transition::Changed, Severity::Low, 1, "a");
        less.severity_before = Some(Severity::Critical);
        let other = change(Transition::New, Severity::High, 2, "b");
        let all = message(vec![less.clone(), other]);
        let wanted = all.at_least(Severity::Critical);
        assert_eq!(wanted.changes, [less]);
        assert!(all.has(Severity::Critical) && !message(vec![]).has(Severity::Low));
    }
}
