//! How a policy's change is shown: the same for every resource that has one.

use crate::plan::{Change, Confirmation, FieldChange};
use crate::policy::{
    Foreign, PolicyDocument, PolicyKind, Statement, forbids_less, merge, policy_changes,
};

/// Compares a policy that is there with what is declared.
pub(super) fn policy_change(
    found: Option<&PolicyDocument>,
    declared: &PolicyDocument,
    foreign: Foreign,
    kind: PolicyKind,
    why: &str,
) -> Change {
    let merged = merge(found, declared, foreign);
    let notes: Vec<String> =
        merged.foreign.iter().map(|statement| note(statement, foreign)).collect();
    if merged.unchanged {
        return Change::nothing().with_notes(notes);
    }
    if let Err(error) = kind.check(&merged.document) {
        return Change::refused(
            error.to_string(),
            "name fewer readers and administrators, or account ids in place of single roles; --remove-foreign drops statements of others",
        )
        .with_notes(notes);
    }
    let fields = policy_changes(found, &merged.document)
        .into_iter()
        .map(|(path, before, after)| FieldChange::new(path, before, after))
        .collect();
    let change = match found {
        None => Change::create(why, fields),
        Some(_) => Change::update(why, fields),
    }
    .with_notes(notes);
    if found.is_some_and(|found| forbids_less(found, &merged.document)) {
        return change
            .irreversible(Confirmation::WeakenedGuard, "the policy forbids less than it does now");
    }
    change
}

fn note(statement: &Statement, foreign: Foreign) -> String {
    let fate = match foreign {
        Foreign::Keep => "kept",
        Foreign::Remove => "removed",
    };
    let text = serde_json::to_string(statement).unwrap_or_default();
    format!("a statement that is not orgtrail's is {fate}: {text}")
}
