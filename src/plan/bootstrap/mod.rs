//! The plan of the landing zone, and its execution.

mod apply;
mod destroy;
mod kept;
mod old_stacks;
mod roles;

use std::collections::BTreeMap;

pub use apply::apply_bootstrap;
pub use destroy::{plan_removal, remove};
pub use kept::kept_after_bootstrap;
pub use old_stacks::plan_removal_of_old_stacks;
use serde::Serialize;
use serde_json::{Value, json};

use super::build::blocked_by_unreadable;
use super::{Action, Change, FieldChange, Plan, Step, fingerprint};
use crate::aws::{AwsError, Observation};
use crate::names::{AccountId, Region};
use crate::resources::Location;
use crate::resources::catalogue::{Entry, ObservedJson};
use crate::resources::change::ResourceId;
use crate::resources::landing_zone::{Access, LandingZone, ObservedZone, SHARED};

/// The ids of the steps that no role has.
pub(crate) const ORGANIZATION: &str = "organization";
pub(crate) const POLICY_TYPE: &str = "policy-type";
pub(crate) const ACCESS: &str = "stack-sets-access";
pub(crate) const OLD_STACKS: &str = "old-stacks";

/// The type of policies of the guardrail.
const SCP: &str = "SERVICE_CONTROL_POLICY";

/// The plan that creates the landing zone. Pure.
#[must_use]
pub fn plan_bootstrap(zone: &LandingZone, observed: &ObservedZone) -> Plan {
    let mut builder = Builder::new(zone, observed);
    builder.organization();
    builder.policy_type();
    builder.access();
    builder.roles();
    builder.shared();
    builder.unreadable_old_stacks();
    let undeclared = old_stacks::undeclared(zone, observed);
    Plan { undeclared, ..Plan::new(builder.steps, builder.digests) }
}

struct Builder<'a> {
    zone: &'a LandingZone,
    observed: &'a ObservedZone,
    steps: Vec<Step>,
    digests: BTreeMap<String, String>,
}

/// A step before it is ordered.
struct Planned<'a> {
    id: ResourceId,
    account: AccountId,
    region: Option<Region>,
    /// The state that it was planned from.
    state: Result<Value, &'a AwsError>,
    change: Change,
    depends_on: Vec<ResourceId>,
}

/// The JSON of what was read, or why it could not be.
fn state<T: Serialize>(read: &Observation<T>) -> Result<Value, &AwsError> {
    match read {
        Observation::Present(found) => {
            Ok(json!({ "present": serde_json::to_value(found).unwrap_or_default() }))
        }
        Observation::Absent => Ok(json!("absent")),
        Observation::Unreadable(error) => Err(error),
    }
}

impl<'a> Builder<'a> {
    fn new(zone: &'a LandingZone, observed: &'a ObservedZone) -> Self {
        let config = json!({
            "config": format!("{:?}", zone.config),
            "create_organization": zone.create_organization,
        });
        let digests = BTreeMap::from([("config".to_owned(), fingerprint(&config))]);
        Self { zone, observed, steps: Vec::new(), digests }
    }

    /// A step in the management account.
    fn add(
        &mut self,
        id: impl Into<ResourceId>,
        state: Result<Value, &'a AwsError>,
        change: Change,
        depends_on: &[&str],
    ) {
        let account = self.zone.management().clone();
        let depends_on = depends_on.iter().map(|id| (*id).to_owned().into()).collect();
        let id = id.into();
        self.push(Planned { id, account, region: None, state, change, depends_on });
    }

    fn push(&mut self, planned: Planned<'a>) {
        let Planned { id, account, region, state, mut change, depends_on } = planned;
        let unreadable = state.as_ref().err().copied();
        let digest = match &state {
            Ok(value) => fingerprint(value),
            Err(error) => fingerprint(&json!({ "unreadable": error.kind().as_str() })),
        };
        self.digests.insert(id.to_string(), digest);
        // INVARIANT: what could not be read is never compared, so it is never created.
        if let Some(error) = unreadable {
            change = blocked_by_unreadable(error);
        }
        let depends_on: Vec<ResourceId> = depends_on
            .into_iter()
            .filter(|id| self.steps.iter().any(|step| step.id == *id))
            .collect();
        if change.action.writes() {
            let blockers: Vec<&str> = self
                .steps
                .iter()
                .filter(|step| depends_on.contains(&step.id) && step.action.stops())
                .map(|step| step.id.as_ref())
                .collect();
            if !blockers.is_empty() {
                change.action = Action::Blocked;
                change.why = format!("waits for {}: {}", blockers.join(", "), change.why);
            }
        }
        self.steps.push(Step {
            id,
            account,
            region,
            action: change.action,
            changes: change.fields,
            why: change.why,
            hint: change.hint,
            unreadable: unreadable.is_some(),
            irreversible: change.irreversible,
            notes: change.notes,
            depends_on,
        });
    }

    fn organization(&mut self) {
        let read = &self.observed.organization;
        let change = match read.present() {
            Some(found) if !found.all_features => Change::refused(
                "the organization has only consolidated billing features, but stack sets and an \
                 organization trail require all features",
                "enable all features in AWS Organizations; every invited account must approve it",
            ),
            Some(_) => Change::nothing(),
            None if self.zone.create_organization => Change::create(
                format!("account {} is in no organization", self.zone.management()),
                vec![FieldChange::new("feature_set", None::<String>, Some("ALL"))],
            ),
            None => Change::refused(
                format!("account {} is in no organization", self.zone.management()),
                "add --create-organization to create one, with this account as its management \
                 account",
            ),
        };
        self.add(ORGANIZATION, state(read), change, &[]);
    }

    fn policy_type(&mut self) {
        if !self.zone.config.guardrail.enabled {
            return;
        }
        let read = self.observed.organization.as_ref();
        let is_enabled = read.present().is_some_and(|found| found.policy_types.contains(SCP));
        let change = if is_enabled {
            Change::nothing()
        } else {
            let field = FieldChange::new("policy_type", None::<String>, Some(SCP));
            Change::create("the guardrail is a service control policy", vec![field])
        };
        let state = match &self.observed.organization {
            Observation::Unreadable(error) => Err(error),
            _ => Ok(json!(is_enabled)),
        };
        self.add(POLICY_TYPE, state, change, &[ORGANIZATION]);
    }

    fn access(&mut self) {
        let read = &self.observed.access;
        let activate = |before: Option<&str>| {
            let field = FieldChange::new("status", before, Some("ENABLED"));
            let why = "stack sets create the roles in every account, invited ones too";
            if before.is_some() {
                Change::update(why, vec![field])
            } else {
                Change::create(why, vec![field])
            }
        };
        let change = match read.present() {
            Some(Access::Enabled) => Change::nothing(),
            Some(Access::Disabled) => activate(Some("DISABLED")),
            None => activate(None),
            Some(Access::DisabledPermanently) => Change::refused(
                "stack sets are disabled permanently in this organization",
                "create the roles with `orgtrail config roles ROLE --part template` and your own \
                 deployment, or ask AWS Support to enable them",
            ),
        };
        self.add(ACCESS, state(read), change, &[ORGANIZATION]);
    }

    /// The resources that `apply` manages too.
    fn shared(&mut self) {
        let Some((desired, observed)) = &self.observed.others else {
            // What the configuration may declare as well is in the plan that follows the
            // organization's creation.
            for id in ["trusted-access", "service-linked-role"] {
                let change = Change::create("the organization trail needs it", Vec::new());
                // Nothing of it can exist where there is no organization.
                let state = match &self.observed.organization {
                    Observation::Unreadable(error) => Err(error),
                    _ => Ok(json!("absent")),
                };
                self.add(id, state, change, &[ORGANIZATION]);
            }
            return;
        };
        for entry in SHARED.iter().filter_map(|id| Entry::find(id)) {
            if !(entry.is_enabled)(desired) {
                continue;
            }
            let state = match (entry.observed_json)(observed) {
                ObservedJson::Known(value) => Ok(value),
                ObservedJson::Unreadable(error) => Err(error),
            };
            let change = (entry.diff)(desired, observed).unwrap_or_else(Change::nothing);
            let depends_on = std::iter::once(ORGANIZATION).chain(entry.depends_on.iter().copied());
            let Location { account, region } = (entry.location)(desired);
            self.push(Planned {
                id: entry.id.into(),
                account,
                region,
                state,
                change,
                depends_on: depends_on.map(ResourceId::from).collect(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
