//! Verdicts from the plan of a resource, from a policy, or from what was read.

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckResult, Facts, Scope, Verdict};
use crate::aws::{AwsError, Observation};
use crate::plan::{Action, FieldChange};
use crate::policy::PolicyDocument;
use crate::policy::eval::PolicyEvaluator;
use crate::resources::catalogue::{CATALOGUE, ObservedJson};
use crate::resources::manager_of;

/// Whether the plan of a managed resource is empty.
pub(super) fn matches_configuration(facts: &Facts, id: &str) -> Verdict {
    let entries = CATALOGUE.iter().filter(|entry| (entry.is_enabled)(&facts.desired));
    let Some(entry) = entries.into_iter().find(|entry| entry.id == id) else {
        return not_configured(id);
    };
    if manager_of(id, &facts.desired, &facts.observed).is_some() {
        return not_configured("trail.managed_by");
    }
    if let ObservedJson::Unreadable(error) = (entry.observed_json)(&facts.observed) {
        return unknown(error);
    }
    let Some(change) = (entry.diff)(&facts.desired, &facts.observed) else {
        return Verdict::Pass;
    };
    match change.action {
        Action::Nothing => Verdict::Pass,
        action if action.stops() => {
            fail(change.why, change.hint.unwrap_or_else(|| "the configured value".to_owned()))
        }
        _ => {
            let side = |pick: fn(&FieldChange) -> Option<&serde_json::Value>| {
                let fields = change.fields.iter();
                let fields = fields.map(|field| format!("{} {}", field.path, shown(pick(field))));
                fields.collect::<Vec<_>>().join("; ")
            };
            fail(side(|field| field.before.as_ref()), side(|field| field.after.as_ref()))
        }
    }
}

fn shown(value: Option<&serde_json::Value>) -> String {
    match value {
        None => "is not set".to_owned(),
        Some(serde_json::Value::String(text)) => format!("is {text}"),
        Some(other) => format!("is {other}"),
    }
}

/// A check that failed.
pub(super) fn fail(found: impl Into<String>, expected: impl Into<String>) -> Verdict {
    Verdict::Fail { found: found.into(), expected: expected.into() }
}

/// A check that the configuration does not require. `setting` would require it.
pub(super) fn not_configured(setting: &str) -> Verdict {
    Verdict::NotConfigured { setting: setting.to_owned() }
}

/// The verdict, or not configured instead of passed if the setting is not configured.
pub(super) fn if_configured(is_configured: bool, setting: &str, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Pass | Verdict::NotConfigured { .. } if !is_configured => not_configured(setting),
        other => other,
    }
}

/// A read that failed.
pub(super) fn unknown(error: &AwsError) -> Verdict {
    Verdict::Unknown { reason: error.in_full(), permission: Some(error.permission()) }
}

/// Passed if a condition is met, or else failed.
pub(super) fn ensure(
    is_met: bool,
    found: impl FnOnce() -> String,
    expected: impl Into<String>,
) -> Verdict {
    if is_met { Verdict::Pass } else { fail(found(), expected) }
}

/// A verdict from what was read; absent is failed, with these values found and expected.
pub(super) fn from_observation<T>(
    seen: Observation<&T>,
    absent: (&str, &str),
    judge: impl FnOnce(&T) -> Verdict,
) -> Verdict {
    match seen {
        Observation::Present(value) => judge(value),
        Observation::Absent => fail(absent.0, absent.1),
        Observation::Unreadable(error) => unknown(&error),
    }
}

/// Several verdicts as one: failed if one failed, including the reasons of unknown ones;
/// unknown if one is unknown and none failed.
pub(super) fn all_of(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    let (mut reasons, mut permissions) = (Vec::new(), Vec::new());
    for verdict in verdicts {
        match verdict {
            Verdict::Pass | Verdict::NotConfigured { .. } => {}
            Verdict::Fail { found: what, expected: instead } => {
                found.push(what);
                expected.push(instead);
            }
            Verdict::Unknown { reason, permission } => {
                reasons.push(reason);
                permissions.extend(permission);
            }
        }
    }
    for list in [&mut expected, &mut reasons, &mut permissions] {
        let mut seen = BTreeSet::new();
        list.retain(|one| seen.insert(one.clone()));
    }
    if !found.is_empty() {
        found.extend(reasons.iter().map(|reason| format!("also unknown: {reason}")));
        return fail(found.join("; "), expected.join("; "));
    }
    if reasons.is_empty() {
        return Verdict::Pass;
    }
    let permission = (!permissions.is_empty()).then(|| permissions.join(", "));
    Verdict::Unknown { reason: reasons.join("; "), permission }
}

/// One result for each scope: check and scope identify a finding, so several verdicts of
/// a scope become one.
pub(super) fn by_scope(results: impl IntoIterator<Item = CheckResult>) -> Vec<CheckResult> {
    let mut scopes: BTreeMap<Scope, Vec<Verdict>> = BTreeMap::new();
    for CheckResult { scope, verdict } in results {
        scopes.entry(scope).or_default().push(verdict);
    }
    let scopes = scopes.into_iter();
    scopes.map(|(scope, verdicts)| CheckResult { scope, verdict: all_of(verdicts) }).collect()
}

/// A verdict from what a policy allows and denies.
pub(super) fn of_policy(
    document: &PolicyDocument,
    judge: impl FnOnce(&PolicyEvaluator) -> Verdict,
) -> Verdict {
    match PolicyEvaluator::new(document) {
        Ok(policy) => judge(&policy),
        Err(why) => Verdict::Unknown {
            reason: format!("orgtrail cannot evaluate the policy: {why}"),
            permission: None,
        },
    }
}

/// One result for the trail.
pub(super) fn of_trail(facts: &Facts, verdict: Verdict) -> Vec<CheckResult> {
    vec![CheckResult { scope: Scope::Resource { arn: facts.desired.trail_arn() }, verdict }]
}

/// One result for the log group, if one is configured.
pub(super) fn of_log_group(facts: &Facts, verdict: Verdict) -> Vec<CheckResult> {
    let is_configured = facts.desired.config.cloudwatch_logs.enabled;
    let verdict = if is_configured { verdict } else { not_configured("cloudwatch_logs") };
    vec![CheckResult { scope: Scope::Resource { arn: facts.desired.log_group_arn() }, verdict }]
}

/// One result for the organization.
pub(super) fn of_organization(verdict: Verdict) -> Vec<CheckResult> {
    vec![CheckResult { scope: Scope::Organization, verdict }]
}

/// One result for the archive bucket.
pub(super) fn of_bucket(facts: &Facts, verdict: Verdict) -> Vec<CheckResult> {
    vec![CheckResult { scope: Scope::Bucket { bucket: facts.desired.bucket().clone() }, verdict }]
}

/// One result for the key: its ARN, or the alias's if the key does not exist.
pub(super) fn of_key(facts: &Facts, verdict: Verdict) -> Vec<CheckResult> {
    let key = facts.observed.kms_key.present();
    let arn = key.map_or_else(|| facts.desired.key_alias_arn(), |key| key.arn.clone());
    vec![CheckResult { scope: Scope::Resource { arn }, verdict }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_verdict_includes_the_reasons_of_unknown_ones() {
        let unknown = |action: &str| Verdict::Unknown {
            reason: format!("{action}: denied"),
            permission: Some(action.to_owned()),
        };
        let Verdict::Fail { found, expected } =
            all_of([unknown("kms:GetKeyPolicy"), fail("off", "on"), Verdict::Pass])
        else {
            panic!("not failed")
        };
        assert_eq!(
            (found.as_str(), expected.as_str()),
            ("off; also unknown: kms:GetKeyPolicy: denied", "on")
        );
        let two = all_of([unknown("a:A"), Verdict::Pass, unknown("b:B"), unknown("a:A")]);
        let expected = Verdict::Unknown {
            reason: "a:A: denied; b:B: denied".to_owned(),
            permission: Some("a:A, b:B".to_owned()),
        };
        assert_eq!(two, expected);
    }
}
