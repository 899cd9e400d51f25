//! The result of comparing a resource with the configuration: types for changes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

/// The id of a managed resource, and of its step: `archive-bucket/versioning`.
///
/// Shape: kebab-case words; a part of a resource is behind a slash.
pub type ResourceId = Cow<'static, str>;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The resource matches the configuration.
    Nothing,
    /// It does not exist and is created.
    Create,
    /// It exists and is changed in place.
    Update,
    /// It is deleted.
    Delete,
    /// Something else has to happen first, or it could not be read.
    Blocked,
    /// It would be dangerous, or AWS does not allow it.
    Refused,
}

impl Action {
    /// Whether the step writes.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }

    /// Whether the step, and what depends on it, cannot be applied now.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Self::Blocked | Self::Refused)
    }

    /// The word in a plan.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Blocked => "blocked",
            Self::Refused => "refused",
        }
    }
}

/// One field before and after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The field, dotted: `default_retention.days`.
    pub path: String,
    /// Its value now; absent where it has none.
    pub before: Option<Value>,
    /// Its value afterwards; absent where it will have none.
    pub after: Option<Value>,
}

impl FieldChange {
    /// A change of one field.
    pub fn new(
        path: impl Into<String>,
        before: Option<impl Into<Value>>,
        after: Option<impl Into<Value>>,
    ) -> Self {
        Self { path: path.into(), before: before.map(Into::into), after: after.map(Into::into) }
    }
}

/// The fields of a part of a resource, their paths below the part's name.
pub(crate) fn within(part: &str, fields: Vec<FieldChange>) -> impl Iterator<Item = FieldChange> {
    fields
        .into_iter()
        .map(move |change| FieldChange { path: format!("{part}.{}", change.path), ..change })
}

/// What cannot be undone, and the confirmation that it requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Irreversible {
    /// What the change does, in a sentence without its full stop.
    pub what: String,
    /// Which confirmation permits it.
    pub confirmation: Confirmation,
    /// The confirmations that it needs as well.
    pub also: BTreeSet<Confirmation>,
}

impl Irreversible {
    /// Every confirmation that it needs.
    pub fn confirmations(&self) -> impl Iterator<Item = Confirmation> {
        [self.confirmation].into_iter().chain(self.also.iter().copied())
    }

    /// The options of the command line that give them.
    #[must_use]
    pub fn flags(&self) -> String {
        self.confirmations().map(Confirmation::flag).collect::<Vec<_>>().join(" ")
    }

    /// Both: one confirmation never covers what needs another.
    pub(crate) fn both(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let (mut one, other) = match (one, other) {
            (Some(one), Some(other)) => (one, other),
            (one, other) => return one.or(other),
        };
        let more: Vec<Confirmation> =
            other.confirmations().filter(|more| *more != one.confirmation).collect();
        one.also.extend(more);
        one.what = format!("{}; {}", one.what, other.what);
        Some(one)
    }
}

/// The confirmations of steps that `--yes` does not cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confirmation {
    /// A retention that not even root can lift.
    ComplianceLock,
    /// Another key for new data; existing data still needs the old one.
    ReplacedKey,
    /// A guard that will protect less than it does now.
    WeakenedGuard,
}

impl Confirmation {
    /// The option of the command line that gives it.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::ComplianceLock => "--confirm-compliance-lock",
            Self::ReplacedKey => "--confirm-replaced-key",
            Self::WeakenedGuard => "--confirm-weakened-guard",
        }
    }
}

/// The change that a resource needs, before the plan orders it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) action: Action,
    pub(crate) fields: Vec<FieldChange>,
    pub(crate) why: String,
    pub(crate) hint: Option<String>,
    pub(crate) irreversible: Option<Irreversible>,
    pub(crate) notes: Vec<String>,
}

impl Change {
    pub(crate) fn nothing() -> Self {
        Self::of(Action::Nothing, "", Vec::new())
    }

    pub(crate) fn create(why: impl Into<String>, fields: Vec<FieldChange>) -> Self {
        Self::of(Action::Create, why, fields)
    }

    /// An update, or nothing if no field differs.
    pub(crate) fn update(why: impl Into<String>, fields: Vec<FieldChange>) -> Self {
        if fields.is_empty() { Self::nothing() } else { Self::of(Action::Update, why, fields) }
    }

    pub(crate) fn blocked(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::of(Action::Blocked, why, Vec::new()) }
    }

    pub(crate) fn refused(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::of(Action::Refused, why, Vec::new()) }
    }

    pub(crate) fn irreversible(
        mut self,
        confirmation: Confirmation,
        what: impl Into<String>,
    ) -> Self {
        if self.action.writes() {
            let more = Irreversible { what: what.into(), confirmation, also: BTreeSet::new() };
            self.irreversible = Irreversible::both(self.irreversible, Some(more));
        }
        self
    }

    pub(crate) fn with_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    pub(crate) fn of(action: Action, why: impl Into<String>, fields: Vec<FieldChange>) -> Self {
        Self { action, fields, why: why.into(), hint: None, irreversible: None, notes: Vec::new() }
    }
}

/// The fields that differ between two states that serialise to objects, nested
/// objects by dotted path.
pub(crate) fn field_changes<T: Serialize>(before: Option<&T>, after: &T) -> Vec<FieldChange> {
    let json = |state: &T| serde_json::to_value(state).unwrap_or(Value::Null);
    let mut changes = Vec::new();
    compare("", before.map(json).as_ref(), Some(&json(after)), &mut changes);
    changes
}

/// The change of things with names: a field for each that is missing, and one for each
/// setting that differs.
pub(crate) fn named_change<T: Serialize>(
    found: Option<&BTreeMap<String, T>>,
    declared: &BTreeMap<String, T>,
    in_short: impl Fn(&T) -> String,
    why: &str,
) -> Change {
    let mut fields = Vec::new();
    let mut none_exists = true;
    for (name, wanted) in declared {
        let Some(is) = found.and_then(|found| found.get(name)) else {
            fields.push(FieldChange::new(name.as_str(), None::<String>, Some(in_short(wanted))));
            continue;
        };
        none_exists = false;
        let differs = field_changes(Some(is), wanted).into_iter();
        let named =
            |change: FieldChange| FieldChange { path: format!("{name}.{}", change.path), ..change };
        fields.extend(differs.map(named));
    }
    if none_exists { Change::create(why, fields) } else { Change::update(why, fields) }
}

fn compare(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    changes: &mut Vec<FieldChange>,
) {
    let before = before.filter(|value| !value.is_null());
    let after = after.filter(|value| !value.is_null());
    if before == after {
        return;
    }
    let object = |value: Option<&Value>| value.is_none_or(Value::is_object);
    if object(before) && object(after) {
        let fields = |value: Option<&Value>| {
            value
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone())
                .collect::<std::collections::BTreeSet<String>>()
        };
        for name in fields(before).union(&fields(after)) {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let of = |value: Option<&Value>| value.and_then(|value| value.get(name)).cloned();
            compare(&inner, of(before).as_ref(), of(after).as_ref(), changes);
        }
        return;
    }
    changes.push(FieldChange {
        path: path.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_fields_are_compared_one_by_one() {
        let before = json!({"mode": "GOVERNANCE", "inner": {"days": 1, "same": true}});
        let after = json!({"mode": "GOVERNANCE", "inner": {"days": 2, "same": true}, "new": "x"});
        let changes = field_changes(Some(&before), &after);
        assert_eq!(
            changes,
            [
                FieldChange::new("inner.days", Some(1), Some(2)),
                FieldChange::new("new", None::<Value>, Some("x")),
            ]
        );
        assert!(field_changes(Some(&after), &after).is_empty());
    }

    #[test]
    fn an_update_without_a_difference_is_nothing() {
        assert_eq!(Change::update("why", Vec::new()), Change::nothing());
    }
}
