//! What no single type can say: what AWS would refuse, and what contradicts
//! itself. Nothing here asks AWS.

mod access;
mod alarms;
mod archive;
mod athena;
mod consolidate;
mod drift;
mod events;
mod key;
mod landing_zone;
mod lifecycle;
mod logs;
mod new_accounts;
mod notifications;
mod notify;
mod organization;
mod records;
mod retire;
mod roles;
mod selectors;
mod service;
mod topic;
mod trail;

use std::collections::BTreeMap;

use super::Config;
use super::finding::{Finding, Origin, Severity};

/// Everything found, beside what reading has found already. Rules over a value
/// that could not be read are left out: its default stands in for it.
pub(super) fn check(
    config: &Config,
    origins: &BTreeMap<String, Origin>,
    unread: Vec<Finding>,
) -> Vec<Finding> {
    let mut checker = Checker { origins, unread, findings: Vec::new() };
    organization::check(config, &mut checker);
    roles::check(config, &mut checker);
    landing_zone::check(config, &mut checker);
    trail::check(config, &mut checker);
    selectors::check(config, &mut checker);
    archive::check(config, &mut checker);
    lifecycle::check(config, &mut checker);
    notifications::check(config, &mut checker);
    key::check(config, &mut checker);
    topic::check(config, &mut checker);
    logs::check(config, &mut checker);
    alarms::check(config, &mut checker);
    athena::check(config, &mut checker);
    new_accounts::check(config, &mut checker);
    drift::check(config, &mut checker);
    events::check(config, &mut checker);
    consolidate::check(config, &mut checker);
    retire::check(config, &mut checker);
    records::check(config, &mut checker);
    service::check(config, &mut checker);
    notify::check(config, &mut checker);
    access::check(config, &mut checker);
    let Checker { mut unread, findings, .. } = checker;
    unread.extend(findings);
    unread
}

/// Collects findings and finds their places.
struct Checker<'a> {
    origins: &'a BTreeMap<String, Origin>,
    unread: Vec<Finding>,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    /// An error about the first of `keys`, which the other keys contradict. It
    /// is shown where the first of them that somebody wrote stands.
    fn error(&mut self, keys: &[&str], message: impl Into<String>) -> Hint<'_> {
        self.push(Severity::Error, keys, message.into())
    }

    fn warning(&mut self, keys: &[&str], message: impl Into<String>) -> Hint<'_> {
        self.push(Severity::Warning, keys, message.into())
    }

    /// Whether somebody wrote the key, or a part of it.
    fn is_set(&self, key: &str) -> bool {
        self.origins.iter().any(|(path, origin)| within(path, key) && *origin != Origin::Default)
    }

    fn push(&mut self, severity: Severity, keys: &[&str], message: String) -> Hint<'_> {
        let unreadable = |key: &&str| {
            self.unread.iter().any(|finding| {
                !finding.key.is_empty() && (within(&finding.key, key) || within(key, &finding.key))
            })
        };
        if keys.iter().any(unreadable) {
            return Hint(None);
        }
        let origin = keys.iter().map(|key| self.origin(key)).find(|at| *at != Origin::Default);
        self.findings.push(Finding {
            severity,
            key: keys.first().copied().unwrap_or_default().to_owned(),
            origin: origin.unwrap_or(Origin::Default),
            message,
            hint: None,
        });
        Hint(self.findings.last_mut())
    }

    fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
}

/// A finding that was just made, to be given its hint.
struct Hint<'a>(Option<&'a mut Finding>);

impl Hint<'_> {
    fn hint(self, hint: impl Into<String>) {
        if let Some(finding) = self.0 {
            finding.hint = Some(hint.into());
        }
    }
}

/// Whether `path` is `key` or below it.
fn within(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Items that stand in a list more than once, with the place of the second.
fn repeated<T: PartialEq>(items: &[T]) -> impl Iterator<Item = (usize, &T)> {
    items.iter().enumerate().filter(|(at, item)| items[..*at].contains(item))
}

#[cfg(test)]
mod tests;
