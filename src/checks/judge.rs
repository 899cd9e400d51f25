//! What most checks do: take a verdict from the one differ, or from what was
//! seen.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Facts, Scope, Verdict};
use crate::aws::{AwsError, Seen};
use crate::plan::{Action, FieldChange};
use crate::policy::PolicyDocument;
use crate::policy::eval::PolicyEvaluator;
use crate::resources::catalogue::{CATALOGUE, ObservedJson};

/// What the plan says of a managed resource.
pub(super) fn as_declared(facts: &Facts, id: &str) -> Verdict {
    let entries = CATALOGUE.iter().filter(|entry| (entry.is_enabled)(&facts.desired));
    let Some(entry) = entries.into_iter().find(|entry| entry.id == id) else {
        return not_declared(id);
    };
    if let ObservedJson::Unreadable(error) = (entry.observed_json)(&facts.observed) {
        return unknown(error);
    }
    let Some(change) = (entry.diff)(&facts.desired, &facts.observed) else {
        return Verdict::Holds;
    };
    match change.action {
        Action::Nothing => Verdict::Holds,
        action if action.stops() => {
            broken(change.why, change.hint.unwrap_or_else(|| "what is declared".to_owned()))
        }
        _ => {
            let side = |pick: fn(&FieldChange) -> Option<&serde_json::Value>| {
                let fields = change.fields.iter();
                let fields = fields.map(|field| format!("{} {}", field.path, shown(pick(field))));
                fields.collect::<Vec<_>>().join("; ")
            };
            broken(side(|field| field.before.as_ref()), side(|field| field.after.as_ref()))
        }
    }
}

fn shown(value: Option<&serde_json::Value>) -> String {
    match value {
        None => "is not there".to_owned(),
        Some(serde_json::Value::String(text)) => format!("is {text}"),
        Some(other) => format!("is {other}"),
    }
}

/// A verdict of what was found against what was wanted.
pub(super) fn broken(found: impl Into<String>, wanted: impl Into<String>) -> Verdict {
    Verdict::Broken { found: found.into(), wanted: wanted.into() }
}

/// Nothing is asked for. `key` is what would ask: of the config, or an option.
pub(super) fn not_declared(key: &str) -> Verdict {
    Verdict::NotDeclared { key: key.to_owned() }
}

/// A verdict that holds because nothing is asked for says so.
pub(super) fn where_declared(declared: bool, key: &str, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Holds | Verdict::NotDeclared { .. } if !declared => not_declared(key),
        other => other,
    }
}

/// A read that failed.
pub(super) fn unknown(error: &AwsError) -> Verdict {
    Verdict::Unknown { reason: error.in_full(), permission: Some(error.permission()) }
}

/// It holds, or it does not.
pub(super) fn whether(
    holds: bool,
    found: impl FnOnce() -> String,
    wanted: impl Into<String>,
) -> Verdict {
    if holds { Verdict::Holds } else { broken(found(), wanted) }
}

/// A verdict from what was seen; what is absent is broken, in these words.
pub(super) fn of_seen<T>(
    seen: Seen<&T>,
    absent: (&str, &str),
    judge: impl FnOnce(&T) -> Verdict,
) -> Verdict {
    match seen {
        Seen::Present(value) => judge(value),
        Seen::Absent => broken(absent.0, absent.1),
        Seen::Unreadable(error) => unknown(&error),
    }
}

/// What several verdicts say together: broken where one is, with what could not be
/// seen besides; unknown where one is and none is broken.
pub(super) fn together(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let (mut found, mut wanted) = (Vec::new(), Vec::new());
    let (mut reasons, mut permissions) = (Vec::new(), Vec::new());
    for verdict in verdicts {
        match verdict {
            Verdict::Holds | Verdict::NotDeclared { .. } => {}
            Verdict::Broken { found: what, wanted: instead } => {
                found.push(what);
                wanted.push(instead);
            }
            Verdict::Unknown { reason, permission } => {
                reasons.push(reason);
                permissions.extend(permission);
            }
        }
    }
    for said in [&mut wanted, &mut reasons, &mut permissions] {
        let mut seen = BTreeSet::new();
        said.retain(|one| seen.insert(one.clone()));
    }
    if !found.is_empty() {
        found.extend(reasons.iter().map(|reason| format!("and unseen is: {reason}")));
        return broken(found.join("; "), wanted.join("; "));
    }
    if reasons.is_empty() {
        return Verdict::Holds;
    }
    let permission = (!permissions.is_empty()).then(|| permissions.join(", "));
    Verdict::Unknown { reason: reasons.join("; "), permission }
}

/// One answer for each scope: what is said of one more than once is told together,
/// since a finding is known by its check and scope.
pub(super) fn by_scope(answers: impl IntoIterator<Item = Answer>) -> Vec<Answer> {
    let mut scopes: BTreeMap<Scope, Vec<Verdict>> = BTreeMap::new();
    for Answer { scope, verdict } in answers {
        scopes.entry(scope).or_default().push(verdict);
    }
    let told = scopes.into_iter();
    told.map(|(scope, verdicts)| Answer { scope, verdict: together(verdicts) }).collect()
}

/// A verdict from what a policy does.
pub(super) fn of_policy(
    document: &PolicyDocument,
    judge: impl FnOnce(&PolicyEvaluator) -> Verdict,
) -> Verdict {
    match PolicyEvaluator::new(document) {
        Ok(policy) => judge(&policy),
        Err(why) => Verdict::Unknown {
            reason: format!("the policy holds what orgtrail cannot judge: {why}"),
            permission: None,
        },
    }
}

/// One answer about the trail.
pub(super) fn of_trail(facts: &Facts, verdict: Verdict) -> Vec<Answer> {
    vec![Answer { scope: Scope::Resource { arn: facts.desired.trail_arn() }, verdict }]
}

/// One answer about the log group, where one is declared.
pub(super) fn of_log_group(facts: &Facts, verdict: Verdict) -> Vec<Answer> {
    let declared = facts.desired.config.cloudwatch_logs.enabled;
    let verdict = if declared { verdict } else { not_declared("cloudwatch_logs") };
    vec![Answer { scope: Scope::Resource { arn: facts.desired.log_group_arn() }, verdict }]
}

/// One answer about the organization.
pub(super) fn of_organization(verdict: Verdict) -> Vec<Answer> {
    vec![Answer { scope: Scope::Organization, verdict }]
}

/// One answer about the archive bucket.
pub(super) fn of_bucket(facts: &Facts, verdict: Verdict) -> Vec<Answer> {
    vec![Answer { scope: Scope::Bucket { bucket: facts.desired.bucket().clone() }, verdict }]
}

/// One answer about the key: by its ARN, or its alias where there is none.
pub(super) fn of_key(facts: &Facts, verdict: Verdict) -> Vec<Answer> {
    let key = facts.observed.kms_key.present();
    let arn = key.map_or_else(|| facts.desired.key_alias_arn(), |key| key.arn.clone());
    vec![Answer { scope: Scope::Resource { arn }, verdict }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_does_not_hide_what_could_not_be_seen() {
        let unseen = |action: &str| Verdict::Unknown {
            reason: format!("{action}: denied"),
            permission: Some(action.to_owned()),
        };
        let Verdict::Broken { found, wanted } =
            together([unseen("kms:GetKeyPolicy"), broken("off", "on"), Verdict::Holds])
        else {
            panic!("not broken")
        };
        assert_eq!(
            (found.as_str(), wanted.as_str()),
            ("off; and unseen is: kms:GetKeyPolicy: denied", "on")
        );
        let two = together([unseen("a:A"), Verdict::Holds, unseen("b:B"), unseen("a:A")]);
        let wanted = Verdict::Unknown {
            reason: "a:A: denied; b:B: denied".to_owned(),
            permission: Some("a:A, b:B".to_owned()),
        };
        assert_eq!(two, wanted);
    }
}
