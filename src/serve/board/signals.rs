//! Everything that is wrong or unreadable, in one form for pages, differences of rounds and
//! notifications.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use orgtrail_base::cloudtrail::digest::sha256_hex;

use super::Board;
use super::chains::ChainFinding;
use crate::names::{AccountId, Region};
use crate::report::contract::checks::Severity;
use crate::report::contract::drift::{Finding, Scope, Verdict};
use crate::report::contract::round::{Outcome, Part};
use crate::report::contract::service::{
    Problem, RoundPart, Signal, SignalCounts, SignalState, Signals,
};
use crate::words::counted;

/// The accounts that a problem names; it counts all.
const NAMED_ACCOUNTS: usize = 20;

/// Two sets of signals, compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Signals that the earlier set does not have.
    pub new: Vec<Signal>,
    /// Signals of both sets that are more severe or found something else, as they are now.
    pub changed: Vec<Signal>,
    /// Signals that were failing, and cannot be read now: they are not resolved.
    pub unreadable: Vec<Signal>,
    /// Signals of the earlier set that are gone, as they were.
    pub resolved: Vec<Signal>,
    /// How many signals are as they were.
    pub unchanged: usize,
}

impl Changes {
    /// What changed from an earlier set of signals to a later one. Signals of parts of which
    /// either has no result are left out.
    #[must_use]
    pub fn between(earlier: &Signals, later: &Signals) -> Self {
        let is_compared = |signal: &&Signal| {
            let is_of = |signals: &Signals| signals.parts.contains(&signal.part);
            is_of(earlier) && is_of(later)
        };
        let by_fingerprint = |signals: &'_ Signals| -> BTreeMap<String, Signal> {
            let compared = signals.signals.iter().filter(is_compared);
            compared.map(|signal| (signal.fingerprint.clone(), signal.clone())).collect()
        };
        let mut before = by_fingerprint(earlier);
        let mut changes = Self::default();
        for signal in later.signals.iter().filter(is_compared) {
            match before.remove(&signal.fingerprint) {
                None => changes.new.push(signal.clone()),
                Some(was)
                    if was.state != signal.state && signal.state == SignalState::Unreadable =>
                {
                    changes.unreadable.push(signal.clone());
                }
                Some(was)
                    if was.severity != signal.severity
                        || was.found != signal.found
                        || was.state != signal.state
                        || was.suppressed != signal.suppressed =>
                {
                    changes.changed.push(signal.clone());
                }
                Some(_) => changes.unchanged += 1,
            }
        }
        changes.resolved = before.into_values().collect();
        changes.resolved.sort_by_key(|signal| Reverse(signal.severity));
        changes
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { new, changed, unreadable, resolved, unchanged: _ } = self;
        [new, changed, unreadable, resolved].iter().all(|signals| signals.is_empty())
    }
}

/// The signals after the newest round of a board. `earlier` are those before it.
#[must_use]
pub fn signals(board: &Board, earlier: Option<&Signals>) -> Signals {
    let mut signals = Vec::new();
    signals.extend(board.of_drift());
    signals.extend(board.of_chains());
    signals.extend(board.of_consolidation());
    signals.extend(board.of_reconciliation());
    signals.extend(board.of_detection());
    signals.extend(board.of_parts());
    signals.extend(board.of_membership());
    let had_drift = earlier.is_some_and(|earlier| earlier.parts.contains(&Part::Drift));
    let earlier = earlier.iter().flat_map(|earlier| &earlier.signals);
    let earlier: HashMap<&str, &Signal> =
        earlier.map(|signal| (&*signal.fingerprint, signal)).collect();
    let newest = board.newest().map_or(Timestamp::MIN, |round| round.started_at);
    for signal in &mut signals {
        let before = earlier.get(&*signal.fingerprint);
        signal.since = before.map_or(newest, |before| before.since);
        if signal.part == Part::Drift && signal.state == SignalState::Failing {
            signal.events = match before {
                Some(before) => before.events.clone(),
                None if had_drift => board.changed_within(&signal.scope),
                None => None,
            };
        }
    }
    let order = |it: &Signal| {
        (it.suppressed, Reverse(it.severity), is_unreadable(it), it.fingerprint.clone())
    };
    signals.sort_by_cached_key(order);
    signals.dedup_by(|one, other| one.fingerprint == other.fingerprint);
    let round = board.newest().map(|round| round.id.clone()).unwrap_or_default();
    Signals { round, parts: board.parts(), signals }
}

pub(super) fn scope_account(scope: &Scope) -> Option<&AccountId> {
    match scope {
        Scope::Account { account } | Scope::Region { account, .. } => Some(account),
        _ => None,
    }
}

/// Signals with something in common.
#[derive(Debug)]
pub struct Group<'a> {
    /// What they have in common.
    pub problem: Problem,
    /// The signals.
    pub signals: Vec<&'a Signal>,
}

/// Signals with something in common, as one line each, the most severe first.
#[must_use]
pub fn problems(signals: &Signals) -> Vec<Problem> {
    groups(&signals.signals).into_iter().map(|group| group.problem).collect()
}

/// The same with the signals of each line. Suppressed ones are left out.
#[must_use]
pub fn groups<'a>(signals: impl IntoIterator<Item = &'a Signal>) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(bool, &str), Vec<&Signal>> = BTreeMap::new();
    for signal in signals.into_iter().filter(|signal| !signal.suppressed) {
        let common = signal.cause.as_deref().unwrap_or(&signal.check);
        groups.entry((is_unreadable(signal), common)).or_default().push(signal);
    }
    let group = |signals: Vec<&'a Signal>| Some(Group { problem: problem(&signals)?, signals });
    let mut groups: Vec<Group<'_>> = groups.into_values().filter_map(group).collect();
    groups.sort_by_key(|Group { problem: it, .. }| {
        (Reverse(it.severity), it.state == SignalState::Unreadable, Reverse(it.account_count))
    });
    groups
}

fn is_unreadable(signal: &Signal) -> bool {
    signal.state == SignalState::Unreadable
}

fn problem(group: &[&Signal]) -> Option<Problem> {
    let first = group.first()?;
    let mut accounts: Vec<AccountId> =
        group.iter().filter_map(|signal| account_of(&signal.scope)).cloned().collect();
    accounts.sort_unstable();
    accounts.dedup();
    Some(Problem {
        severity: group.iter().map(|signal| signal.severity).max()?,
        state: first.state,
        part: first.part,
        check: first.check.clone(),
        title: first.cause.clone().unwrap_or_else(|| first.title.clone()),
        signals: group.len(),
        account_count: accounts.len(),
        accounts: accounts.into_iter().take(NAMED_ACCOUNTS).collect(),
        since: group.iter().map(|signal| signal.since).min()?,
        fix: first.fix.clone(),
    })
}

/// The signals in counts.
#[must_use]
pub fn counts(signals: &Signals) -> SignalCounts {
    let mut counts = SignalCounts::default();
    for signal in &signals.signals {
        *match (signal.suppressed, signal.state, signal.severity) {
            (true, ..) => &mut counts.suppressed,
            (_, SignalState::Unreadable, _) => &mut counts.unreadable,
            (.., Severity::Critical) => &mut counts.critical,
            (.., Severity::High) => &mut counts.high,
            (.., Severity::Medium) => &mut counts.medium,
            (.., Severity::Low) => &mut counts.low,
        } += 1;
    }
    counts
}

/// The account that a scope is about, where it is one.
#[must_use]
pub fn account_of(scope: &Scope) -> Option<&AccountId> {
    match scope {
        Scope::Account { account } | Scope::Region { account, .. } => Some(account),
        _ => None,
    }
}

/// A scope in words: `111122223333 eu-central-1`.
#[must_use]
pub fn scope_text(scope: &Scope) -> String {
    match scope {
        Scope::Organization => "organization".to_owned(),
        Scope::Account { account } => account.to_string(),
        Scope::Region { account, region } => format!("{account} {region}"),
        Scope::Bucket { bucket } => bucket.to_string(),
        Scope::Resource { arn } => arn.to_string(),
    }
}

pub(super) fn fingerprint(part: Part, check: &str, place: &str) -> String {
    let mut hash = sha256_hex(format!("{}\0{check}\0{place}", part.name()).as_bytes());
    hash.truncate(32);
    hash
}

impl Board {
    fn of_drift(&self) -> impl Iterator<Item = Signal> + '_ {
        let drift = self.drift.as_ref();
        drift.into_iter().flat_map(move |drift| {
            drift.findings.iter().filter_map(move |finding| {
                let check = drift.checks.iter().find(|check| check.id == finding.check);
                let cause = finding.cause.as_deref();
                let cause = drift.causes.iter().find(|it| cause == Some(&*it.id));
                let (state, expected, found) = outcome(finding)?;
                Some(Signal {
                    fingerprint: fingerprint(
                        Part::Drift,
                        &finding.check,
                        &scope_text(&finding.scope),
                    ),
                    part: Part::Drift,
                    check: finding.check.clone(),
                    severity: finding.severity,
                    state,
                    unit_path: self.unit_path(account_of(&finding.scope)),
                    scope: finding.scope.clone(),
                    title: check.map_or_else(|| finding.check.clone(), |it| it.title.clone()),
                    expected,
                    found,
                    fix: cause.map(|it| it.fix.clone()).or_else(|| check.map(|it| it.fix.clone())),
                    cause: cause.map(|it| it.title.clone()),
                    events: None,
                    suppressed: finding.suppression.as_ref().is_some_and(|it| !it.expired),
                    since: Timestamp::MIN,
                })
            })
        })
    }

    fn of_chains(&self) -> Vec<Signal> {
        let mut signals = Vec::new();
        for ((account, region), scope) in &self.chains.scopes {
            // One signal for each kind: its objects are on the chain's page.
            let mut kinds: BTreeMap<&str, Vec<&ChainFinding>> = BTreeMap::new();
            for finding in &scope.findings {
                kinds.entry(&finding.kind).or_default().push(finding);
            }
            let place = Some((account, region));
            signals.extend(kinds.values().filter_map(|findings| self.of_kind(place, findings)));
        }
        let general = self.chains.general.chunk_by(|one, other| one.kind == other.kind);
        signals.extend(
            general.filter_map(|findings| self.of_kind(None, &findings.iter().collect::<Vec<_>>())),
        );
        signals
    }

    fn of_kind(
        &self,
        place: Option<(&AccountId, &Region)>,
        findings: &[&ChainFinding],
    ) -> Option<Signal> {
        let first = findings.first()?;
        let scope = match place {
            Some((account, region)) => {
                Scope::Region { account: account.clone(), region: region.clone() }
            }
            None => Scope::Organization,
        };
        let objects: u64 = findings.iter().map(|finding| finding.objects).sum();
        let from = findings.iter().filter_map(|it| it.period).map(|it| it.from).min();
        let to = findings.iter().filter_map(|it| it.period).map(|it| it.to).max();
        let period = from.zip(to).map(|(from, to)| format!(", {from} to {to}")).unwrap_or_default();
        let place_text = scope_text(&scope);
        let is_broken = findings.iter().any(|finding| finding.is_broken);
        Some(Signal {
            fingerprint: fingerprint(Part::Verify, &first.kind, &place_text),
            part: Part::Verify,
            check: first.kind.to_string(),
            severity: if is_broken { Severity::Critical } else { Severity::Medium },
            state: if is_broken { SignalState::Failing } else { SignalState::Unreadable },
            unit_path: self.unit_path(account_of(&scope)),
            scope,
            title: first.meaning.to_string(),
            expected: first.expected.clone(),
            found: format!("{}{period}", objects_text(objects)),
            fix: None,
            cause: None,
            events: None,
            suppressed: false,
            since: Timestamp::MIN,
        })
    }

    fn of_consolidation(&self) -> Vec<Signal> {
        let Some(sources) = &self.sources else { return Vec::new() };
        let signal = move |check: &str, place: &str, severity, title: &str, found: String| Signal {
            fingerprint: fingerprint(Part::Consolidate, check, place),
            part: Part::Consolidate,
            check: check.to_owned(),
            severity,
            state: SignalState::Failing,
            scope: Scope::Organization,
            unit_path: None,
            title: title.to_owned(),
            expected: None,
            found,
            fix: None,
            cause: None,
            events: None,
            suppressed: false,
            since: Timestamp::MIN,
        };
        let report = &sources.report;
        let failures = report.failures.iter().map(|failure| Signal {
            fix: failure.hint.clone(),
            state: SignalState::Unreadable,
            ..signal(
                "source-failed",
                &failure.place,
                Severity::Medium,
                "a source could not be consolidated",
                format!("{}: {}", failure.place, failure.reason),
            )
        });
        let of_source = report.by_source.iter().flat_map(|(source, counts)| {
            let faults = [
                (
                    "source-conflict",
                    counts.conflicts,
                    "the archive has other objects at these keys",
                ),
                ("source-quarantined", counts.quarantined, "objects are not what their keys say"),
                (
                    "source-unbound",
                    counts.unbound,
                    "objects of accounts that the source may not contain",
                ),
            ];
            faults.into_iter().filter(|fault| fault.1 > 0).map(move |(check, objects, title)| {
                let found = format!("{source}: {}", objects_text(objects));
                signal(check, source, Severity::High, title, found)
            })
        });
        failures.chain(of_source).collect()
    }

    /// The parts that last ended without a report: what they would have found is unknown.
    fn of_parts(&self) -> Vec<Signal> {
        let newest = |part: Part| {
            self.rounds.iter().find_map(|round| round.parts.iter().find(|it| it.part == part))
        };
        let newest = Part::ALL.into_iter().filter_map(newest);
        let failed =
            newest.filter(|part| part.report_bytes.is_none() && part.outcome != Outcome::Clean);
        let signal = |part: &RoundPart| Signal {
            fingerprint: fingerprint(part.part, "part-failed", ""),
            part: part.part,
            check: "part-failed".to_owned(),
            severity: Severity::High,
            state: SignalState::Unreadable,
            scope: Scope::Organization,
            unit_path: None,
            title: format!("`{}` ended without a result", part.part.name()),
            expected: None,
            found: part.summary.clone(),
            fix: None,
            cause: None,
            events: None,
            suppressed: false,
            since: Timestamp::MIN,
        };
        failed.map(signal).collect()
    }

    pub(super) fn unit_path(&self, account: Option<&AccountId>) -> Option<String> {
        Some(self.units.get(account?)?.to_string())
    }

    /// The parts that have run.
    fn parts(&self) -> Vec<Part> {
        let has_run = |part: &Part| {
            self.rounds.iter().any(|round| round.parts.iter().any(|it| it.part == *part))
        };
        Part::ALL.into_iter().filter(has_run).collect()
    }
}

fn objects_text(objects: u64) -> String {
    counted(usize::try_from(objects).unwrap_or(usize::MAX), "object")
}

fn outcome(finding: &Finding) -> Option<(SignalState, Option<String>, String)> {
    match &finding.verdict {
        Verdict::Fail { found, expected } => {
            Some((SignalState::Failing, Some(expected.clone()), found.clone()))
        }
        Verdict::Unknown { reason, .. } => Some((SignalState::Unreadable, None, reason.clone())),
        Verdict::Pass | Verdict::NotConfigured { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::serve::samples;

    #[test]
    fn a_new_finding_of_drift_leads_to_the_changes_since_the_report_before() {
        let with_reports = || {
            let mut board = samples::board(4);
            for part in &mut Arc::make_mut(&mut board.rounds[1]).parts {
                part.report_bytes = Some(1);
            }
            board
        };
        let board = with_reports();
        let first = signals(&board, None);
        let drift = |signals: &Signals| -> Vec<Signal> {
            let all = signals.signals.iter();
            all.filter(|it| it.part == Part::Drift && it.state == SignalState::Failing)
                .cloned()
                .collect()
        };
        // Nothing is known of before.
        let all = drift(&first);
        assert!(!all.is_empty() && all.iter().all(|signal| signal.events.is_none()));
        let mut before = first.clone();
        before.signals.retain(|signal| signal.fingerprint != all[0].fingerprint);
        let second = signals(&board, Some(&before));
        let found = drift(&second);
        let new = found.iter().find(|signal| signal.fingerprint == all[0].fingerprint).unwrap();
        let span = new.events.clone().unwrap();
        assert!(span.changes_only && span.from < span.to && span.to == board.drift.unwrap().as_of);
        assert_eq!(span.from, board.rounds[1].parts.last().unwrap().started_at);
        assert!(
            found
                .iter()
                .filter(|it| it.fingerprint != new.fingerprint)
                .all(|it| it.events.is_none())
        );
        // It is known from then on, and leads to the same time.
        let third = signals(&with_reports(), Some(&second));
        assert_eq!(drift(&third), found);
    }
}
