//! The causes that several findings share: one stopped trail is one problem, in however
//! many accounts and Regions it shows.
//!
//! Pure. Findings are kept and refer to their cause; reports show the cause first.

mod rules;
mod unreadable;

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, Finding, Scope, Severity, Verdict};

/// A cause that several findings share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Its id within the run: `trail-stopped`.
    pub id: String,
    /// The severity of its most severe finding.
    pub severity: Severity,
    /// What is wrong, in a sentence without its full stop.
    pub title: String,
    /// How to fix it: a command, or a sentence.
    pub fix: String,
    /// How many of its findings failed.
    pub failed: usize,
    /// How many of its findings are unknown.
    pub unknown: usize,
    /// In how many accounts.
    pub accounts: usize,
    /// In how many Regions.
    pub regions: usize,
    /// How many findings of each check it has.
    pub checks: BTreeMap<String, usize>,
}

/// A possible cause of findings.
struct Root<'a> {
    id: String,
    title: String,
    fix: String,
    /// How many findings it must explain: a single one may describe it better itself.
    at_least: usize,
    explains: Box<dyn Fn(&Finding) -> bool + 'a>,
}

impl<'a> Root<'a> {
    fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        fix: impl Into<String>,
        explains: impl Fn(&Finding) -> bool + 'a,
    ) -> Self {
        let (id, title, fix) = (id.into(), title.into(), fix.into());
        Self { id, title, fix, at_least: 1, explains: Box::new(explains) }
    }

    fn of_several(self) -> Self {
        Self { at_least: 2, ..self }
    }
}

/// Finds the causes of findings, and has the findings refer to them.
///
/// A finding has one cause: the first that explains it, from the resources that everything
/// depends on to a single failed read. Suppressed findings have none.
pub(super) fn explain(facts: &Facts, findings: &mut [Finding]) -> Vec<Cause> {
    let unread = unreadable::roots(facts, findings);
    let mut causes = Vec::new();
    for root in rules::roots(facts).into_iter().chain(unread) {
        let explained: Vec<usize> = (0..findings.len())
            .filter(|at| {
                let finding = &findings[*at];
                finding.cause.is_none() && finding.is_open() && (root.explains)(finding)
            })
            .collect();
        if explained.len() < root.at_least {
            continue;
        }
        for at in &explained {
            findings[*at].cause = Some(root.id.clone());
        }
        causes.push(Cause::of(root, explained.iter().map(|at| &findings[*at])));
    }
    causes.sort_by(|a, b| (b.severity, &a.id).cmp(&(a.severity, &b.id)));
    causes
}

impl Cause {
    fn of<'f>(root: Root<'_>, findings: impl Iterator<Item = &'f Finding>) -> Self {
        let (mut accounts, mut regions) = (BTreeSet::new(), BTreeSet::new());
        let mut checks = BTreeMap::<String, usize>::new();
        let (mut failed, mut unknown) = (0, 0);
        let mut severity = Severity::Low;
        for finding in findings {
            severity = severity.max(finding.severity);
            *checks.entry(finding.check.clone()).or_default() += 1;
            match finding.verdict {
                Verdict::Unknown { .. } => unknown += 1,
                _ => failed += 1,
            }
            match &finding.scope {
                Scope::Account { account } => {
                    accounts.insert(account);
                }
                Scope::Region { account, region } => {
                    accounts.insert(account);
                    regions.insert(region);
                }
                Scope::Organization | Scope::Bucket { .. } | Scope::Resource { .. } => {}
            }
        }
        let (accounts, regions) = (accounts.len(), regions.len());
        let Root { id, title, fix, .. } = root;
        Self { id, severity, title, fix, failed, unknown, accounts, regions, checks }
    }
}

#[cfg(test)]
mod tests;
