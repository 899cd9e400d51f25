//! Stacks and stack sets of roles that the configuration no longer declares: listed by every
//! plan, and deleted only where the user names them, since another configuration of the same
//! organization may have created them.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Action, Builder, Change, FieldChange, OLD_STACKS, Plan};
use crate::aws::Observation;
use crate::resources::Undeclared;
use crate::resources::change::ResourceId;
use crate::resources::landing_zone::{LandingZone, ObservedZone, OldStack};

/// What a plan reports of them.
pub(super) fn undeclared(zone: &LandingZone, observed: &ObservedZone) -> Vec<Undeclared> {
    let prefix = &zone.config.landing_zone.prefix;
    let id = observed.organization.present().map_or("ID", |found| found.id.as_str());
    let old = observed.old_stacks.present().into_iter().flatten();
    old.map(|stack| Undeclared {
        id: step_id(&stack.name),
        key: if stack.name.starts_with(&format!("{prefix}-")) {
            "roles".to_owned()
        } else {
            "landing_zone.prefix".to_owned()
        },
        what: format!(
            "orgtrail created the {}; to delete it and its roles: `orgtrail bootstrap --destroy \
             --old-stack {} --confirm-organization {id}`",
            stack.in_words(),
            stack.name
        ),
        turned_off: true,
    })
    .collect()
}

fn step_id(name: &str) -> ResourceId {
    format!("{OLD_STACKS}/{name}").into()
}

/// The steps that delete some of them, by name. Pure.
#[must_use]
pub fn plan_removal_of_old_stacks(
    zone: &LandingZone,
    observed: &ObservedZone,
    names: &BTreeSet<String>,
) -> Plan {
    let mut builder = Builder::new(zone, observed);
    let mut before: Vec<String> = Vec::new();
    for name in names {
        let old = observed.old_stacks.present().into_iter().flatten();
        let found: Vec<&OldStack> = old.filter(|one| one.name == *name).collect();
        let change = if !found.is_empty() {
            let before = |stack: &&OldStack| {
                FieldChange::new("role", Some(stack.in_words()), None::<String>)
            };
            let why = "orgtrail created it, and the configuration no longer declares it";
            Change::of(Action::Delete, why, found.iter().map(before).collect())
        } else if zone.deployments.iter().any(|one| one.name == *name) {
            Change::refused(
                format!("the configuration declares the roles of `{name}`"),
                "`orgtrail bootstrap --destroy` without --old-stack deletes all roles",
            )
        } else {
            Change::nothing().with_notes([format!(
                "orgtrail created no stack and no stack set `{name}`, or it is already deleted"
            )])
        };
        let state = match &observed.old_stacks {
            Observation::Unreadable(error) => Err(error),
            read => Ok(json!(read.present())),
        };
        let id = step_id(name);
        let depends_on: Vec<&str> = before.iter().map(String::as_str).collect();
        builder.add(id.clone(), state, change, &depends_on);
        before.push(id.into_owned());
    }
    Plan::new(builder.steps, builder.digests)
}

impl Builder<'_> {
    /// A step that reports that they could not be read: there may be some.
    pub(super) fn unreadable_old_stacks(&mut self) {
        if let Observation::Unreadable(error) = &self.observed.old_stacks {
            self.add(OLD_STACKS, Err(error), Change::nothing(), &[]);
        }
    }
}
