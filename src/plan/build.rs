use std::collections::BTreeMap;

use serde_json::json;

use super::{Action, Change, Plan, Step, fingerprint};
use crate::aws::{AwsError, Observation};
use crate::resources::catalogue::{CATALOGUE, Entry, ObservedJson};
use crate::resources::{self, Desired, Observed, service_control_policies};
use crate::words::in_one_line;

/// The plan that makes AWS match the configuration. Pure.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Plan {
    let mut digests = BTreeMap::from([("config".to_owned(), config_digest(desired))]);
    let mut steps: Vec<Step> = Vec::new();
    for entry in CATALOGUE.iter().filter(|entry| (entry.is_enabled)(desired)) {
        let (digest, unreadable) = match (entry.observed_json)(observed) {
            ObservedJson::Known(value) => (fingerprint(&value), None),
            ObservedJson::Unreadable(error) => {
                (fingerprint(&json!({ "unreadable": error.kind().as_str() })), Some(error))
            }
        };
        digests.insert(entry.id.to_owned(), digest);
        let step = step(entry, desired, observed, unreadable, &steps);
        steps.push(step);
    }
    for (account, seen) in &observed.scps {
        let state = match seen {
            Observation::Present(found) => serde_json::to_value(found).unwrap_or_default(),
            Observation::Absent => json!("absent"),
            Observation::Unreadable(error) => json!({ "unreadable": error.kind().as_str() }),
        };
        digests.insert(format!("service-control-policies/{account}"), fingerprint(&state));
    }
    let undeclared = resources::undeclared(desired, observed);
    if !undeclared.is_empty() {
        let state = serde_json::to_value(&undeclared).unwrap_or_default();
        digests.insert("undeclared".to_owned(), fingerprint(&state));
    }
    Plan { undeclared, ..Plan::new(steps, digests) }
}

fn step(
    entry: &Entry,
    desired: &Desired,
    observed: &Observed,
    unreadable: Option<&AwsError>,
    earlier: &[Step],
) -> Step {
    let location = (entry.location)(desired);
    let mut change = match (unreadable, (entry.diff)(desired, observed)) {
        (Some(error), _) => blocked_by_unreadable(error),
        (None, Some(change)) => change,
        // INVARIANT: only what is unreadable is not compared.
        (None, None) => Change::blocked("it could not be read", "run the command again"),
    };
    change = service_control_policies::refuse_denied(entry, &location, desired, observed, change);
    change = resources::leave(entry.id, desired, observed, change);
    let unreadable = unreadable.filter(|_| change.action != Action::Nothing);
    let depends_on: Vec<_> = earlier
        .iter()
        .filter(|step| entry.depends_on.contains(&step.id.as_ref()))
        .map(|step| step.id.clone())
        .collect();
    if change.action.writes() {
        let blockers: Vec<&str> = earlier
            .iter()
            .filter(|step| depends_on.contains(&step.id) && step.action.stops())
            .map(|step| step.id.as_ref())
            .collect();
        if !blockers.is_empty() {
            change.action = Action::Blocked;
            change.irreversible = None;
            change.why = format!("waits for {}: {}", blockers.join(", "), change.why);
        }
    }
    Step {
        id: entry.id.into(),
        account: location.account,
        region: location.region,
        action: change.action,
        changes: change.fields,
        why: change.why,
        hint: change.hint,
        unreadable: unreadable.is_some(),
        irreversible: change.irreversible,
        notes: change.notes,
        depends_on,
    }
}

pub(super) fn blocked_by_unreadable(error: &AwsError) -> Change {
    let why = format!("it could not be read: {}", in_one_line(error));
    let hint =
        error.hint().unwrap_or_else(|| "run the command again once it can be read".to_owned());
    Change::blocked(why, hint)
}

fn config_digest(desired: &Desired) -> String {
    fingerprint(&json!({
        // Its fields and values, in a form that cannot fail.
        "config": format!("{:?}", desired.config),
        "organization": desired.org_id().as_str(),
        "root": desired.organization.root.as_str(),
        "own_roles": desired.own_roles,
        "unmanaged": format!("{:?}", desired.unmanaged),
    }))
}
