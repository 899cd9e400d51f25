//! The plan: `orgtrail plan`, and the file of `--out` that `orgtrail apply` reads.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mirror;
use crate::names::{AccountId, Region};
use crate::{plan, resources};

mirror! {
    /// The steps that make AWS match the configuration.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Plan of plan::Plan {
        /// A digest of everything that the plan was made from.
        fingerprint: String,
        /// A digest of each resource as it was observed, and of the configuration.
        observed: BTreeMap<String, String>,
        /// A step for each managed resource, in the order of execution.
        steps: Vec<Step> => each,
        /// What exists although it is not in the configuration; no step changes it.
        undeclared: Vec<Undeclared> => each,
    }
}

mirror! {
    /// What a step does.
    Action of plan::Action {
        /// The resource matches the configuration.
        Nothing,
        /// Create the resource.
        Create,
        /// Change the resource in place.
        Update,
        /// Delete the resource.
        Delete,
        /// Something else must happen first, or the resource could not be read.
        Blocked,
        /// It would be dangerous, or AWS does not allow it.
        Refused,
    }
}

mirror! {
    /// A confirmation that `--yes` does not give.
    Confirmation of plan::Confirmation {
        /// `--confirm-compliance-lock`
        ComplianceLock,
        /// `--confirm-replaced-key`
        ReplacedKey,
        /// `--confirm-weakened-guard`
        WeakenedGuard,
    }
}

mirror! {
    /// A step of a plan.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Step from plan::Step {
        /// The id of the resource: `archive-bucket/versioning`.
        id: String => into,
        /// The account of the resource.
        account: AccountId,
        /// The Region of the resource; null where an account has it once.
        region: Option<Region>,
        /// What the step does.
        action: Action => into,
        /// The fields that change.
        changes: Vec<FieldChange> => each,
        /// Why; empty where nothing is done.
        why: String,
        /// What to do about a step that is blocked or refused.
        hint: Option<String>,
        /// Whether the resource could not be read.
        unreadable: bool,
        /// What cannot be undone.
        irreversible: Option<Irreversible> => option,
        /// What else is worth knowing.
        notes: Vec<String>,
        /// The resources that must match the configuration before.
        depends_on: Vec<String> => each,
    }
}

mirror! {
    /// A field before and after a step.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct FieldChange of plan::FieldChange {
        /// The field, dotted: `default_retention.days`.
        path: String,
        /// Its value before the step, in the form of AWS's setting; null without one.
        before: Option<Value>,
        /// Its value after the step; null without one.
        after: Option<Value>,
    }
}

/// What cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Irreversible {
    /// What remains.
    pub what: String,
    /// The confirmations that it needs.
    pub confirmations: Vec<Confirmation>,
}

/// Something that exists although it is not in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undeclared {
    /// The id of the resource.
    pub id: String,
    /// The setting that would configure it.
    pub setting: String,
    /// What exists.
    pub what: String,
    /// Whether orgtrail created it, so that the configuration turned it off.
    pub managed: bool,
}

impl From<Step> for plan::Step {
    fn from(step: Step) -> Self {
        let Step {
            id,
            account,
            region,
            action,
            changes,
            why,
            hint,
            unreadable,
            irreversible,
            notes,
            depends_on,
        } = step;
        Self {
            id: id.into(),
            account,
            region,
            action: action.into(),
            changes: changes.into_iter().map(plan::FieldChange::from).collect(),
            why,
            hint,
            unreadable,
            irreversible: irreversible.and_then(Irreversible::into_domain),
            notes,
            depends_on: depends_on.into_iter().map(plan::ResourceId::from).collect(),
        }
    }
}

impl From<plan::Irreversible> for Irreversible {
    fn from(irreversible: plan::Irreversible) -> Self {
        let confirmations = irreversible.confirmations().map(Confirmation::from).collect();
        Self { what: irreversible.what, confirmations }
    }
}

impl Irreversible {
    /// `None` where no confirmation is needed, which no plan of orgtrail says: a plan that was
    /// changed so is not the one that would be made now, and is refused.
    fn into_domain(self) -> Option<plan::Irreversible> {
        let mut confirmations = self.confirmations.into_iter().map(plan::Confirmation::from);
        let confirmation = confirmations.next()?;
        Some(plan::Irreversible { what: self.what, confirmation, also: confirmations.collect() })
    }
}

impl From<resources::Undeclared> for Undeclared {
    fn from(undeclared: resources::Undeclared) -> Self {
        let resources::Undeclared { id, key, what, turned_off } = undeclared;
        Self { id: id.into_owned(), setting: key, what, managed: turned_off }
    }
}

impl From<Undeclared> for resources::Undeclared {
    fn from(undeclared: Undeclared) -> Self {
        let Undeclared { id, setting, what, managed } = undeclared;
        Self { id: id.into(), key: setting, what, turned_off: managed }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Emitted, read};
    use super::*;

    /// A plan with a step of every kind of content.
    pub(in crate::report::contract) fn sample() -> plan::Plan {
        let step = |id: &'static str, action| plan::Step {
            id: id.into(),
            account: "222222222222".parse().unwrap(),
            region: Some("us-east-1".parse().unwrap()),
            action,
            changes: Vec::new(),
            why: String::new(),
            hint: None,
            unreadable: false,
            irreversible: None,
            notes: Vec::new(),
            depends_on: Vec::new(),
        };
        let lock = plan::Step {
            changes: vec![plan::FieldChange::new("days", Some(7), Some(365))],
            why: "the default retention differs".to_owned(),
            irreversible: Some(plan::Irreversible {
                what: "nobody can delete an object in time".to_owned(),
                confirmation: plan::Confirmation::ComplianceLock,
                also: [plan::Confirmation::WeakenedGuard].into(),
            }),
            notes: vec!["objects in the bucket keep their retention".to_owned()],
            depends_on: vec!["archive-bucket".into()],
            ..step("archive-bucket/object-lock", plan::Action::Update)
        };
        let blocked = plan::Step {
            region: None,
            why: "it could not be read: access denied".to_owned(),
            hint: Some("allow iam:GetRole".to_owned()),
            unreadable: true,
            ..step("log-group-role", plan::Action::Blocked)
        };
        plan::Plan {
            fingerprint: "44136f".to_owned(),
            observed: [("archive-bucket".to_owned(), "aa00".to_owned())].into(),
            steps: vec![step("archive-bucket", plan::Action::Nothing), lock, blocked],
            undeclared: vec![resources::Undeclared {
                id: "alarms".into(),
                key: "alarms".to_owned(),
                what: "these alarms exist: orgtrail-root-login".to_owned(),
                turned_off: true,
            }],
        }
    }

    #[test]
    fn a_plan_is_read_back_as_it_was_saved() {
        let text = serde_json::to_vec(&Emitted::new(Plan::from(&sample()))).unwrap();
        assert_eq!(plan::Plan::from(read::<Plan>(&text).unwrap()), sample());
    }

    #[test]
    fn the_document_is_as_readers_know_it() {
        let document = Emitted::new(Plan::from(&sample()));
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }
}
