//! The built-in rules, by what they are about.

mod bucket;
mod key;
mod logs;
mod organization;
mod sign_in;
mod trail;

pub use self::sign_in::{
    FAILURES_THEN_SUCCESS, FIRST_USE_OF_REGION, ROOT_USAGE, SIGN_IN_WITHOUT_MFA,
};
use super::rule::{Calls, Rule};

/// The techniques of changes that stop or weaken the recording of events: `Disable or Modify
/// Cloud Log`, and the id that it had before version 19 of ATT&CK.
const CLOUD_LOG: &[&str] = &["T1685.002", "T1562.008"];

/// The rules about calls. Of those that match an event, the first counts.
pub fn calls() -> impl Iterator<Item = &'static Calls> {
    [trail::CALLS, bucket::CALLS, key::CALLS, logs::CALLS, organization::CALLS]
        .into_iter()
        .flatten()
}

/// All rules.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let others = [&ROOT_USAGE, &SIGN_IN_WITHOUT_MFA, &FAILURES_THEN_SUCCESS, &FIRST_USE_OF_REGION];
    calls().map(|calls| &calls.rule).chain(others)
}

/// Reads rules about calls. `applied` marks calls that `orgtrail apply` makes too.
macro_rules! call_rules {
    ($($id:literal $severity:ident $source:literal [$($name:literal),+ $(,)?] $(applied $applied:literal)?
        about $about:expr $(, if $condition:expr)?;
        techniques $techniques:expr;
        title $title:literal;
        why $why:literal;
        fix $fix:literal;)+) => {
        &[$($crate::detection::rule::Calls {
            rule: $crate::detection::rule::Rule {
                id: $id,
                title: $title,
                severity: $crate::severity::Severity::$severity,
                techniques: $techniques,
                why: $why,
                fix: $fix,
            },
            source: $source,
            names: &[$($name),+],
            about: $about,
            only_if: $crate::detection::table::call_rules!(@condition $($condition)?),
            is_applied: $crate::detection::table::call_rules!(@applied $($applied)?),
        }),+]
    };
    (@condition) => { None };
    (@condition $condition:expr) => { Some($condition) };
    (@applied) => { false };
    (@applied $applied:literal) => { $applied };
}
use call_rules;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_distinct_and_every_rule_says_why_and_what_to_do() {
        let mut ids = BTreeSet::new();
        for rule in rules() {
            assert!(ids.insert(rule.id), "{} is there twice", rule.id);
            assert!(rule.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.id);
            assert!(rule.why.ends_with('.') && rule.fix.ends_with('.'), "{}", rule.id);
            assert!(!rule.techniques.is_empty(), "{}", rule.id);
            let is_id = |id: &&str| {
                let mut parts = id.trim_start_matches('T').split('.');
                parts.all(|part| part.len() >= 3 && part.bytes().all(|b| b.is_ascii_digit()))
            };
            assert!(rule.techniques.iter().all(|id| id.starts_with('T') && is_id(id)));
        }
    }

    #[test]
    fn names_are_those_that_cloudtrail_writes() {
        for calls in calls() {
            assert!(calls.source.ends_with(".amazonaws.com"), "{}", calls.source);
            for name in calls.names {
                let wrong = crate::detection::sigma::written_as(calls.source, name);
                assert_eq!(wrong, None, "{}", calls.rule.id);
            }
        }
    }
}
