//! How a policy's change is shown: the same for every resource that has one.

use crate::policy::{
    Foreign, PolicyDocument, PolicyKind, Statement, forbids_less, merge, policy_changes,
};
use crate::resources::change::{Change, Confirmation, FieldChange};

/// A policy that is declared, and how it is to be joined with what is there.
pub(super) struct WantedPolicy<'a> {
    pub(super) document: &'a PolicyDocument,
    pub(super) foreign: Foreign,
    pub(super) kind: PolicyKind,
    pub(super) why: &'a str,
    /// Condition keys that a service's requests have besides those that the
    /// policy's own statements ask for.
    pub(super) context: &'a [(&'a str, String)],
}

/// Compares a policy that is there with what is declared.
pub(super) fn policy_change(found: Option<&PolicyDocument>, declared: &WantedPolicy<'_>) -> Change {
    let foreign = declared.foreign;
    let merged = merge(found, declared.document, foreign);
    let notes: Vec<String> =
        merged.foreign.iter().map(|statement| note(statement, foreign)).collect();
    if let Some(refused) = super::service_access::service_denied(&merged.document, declared) {
        return refused.with_notes(notes);
    }
    if merged.unchanged {
        return Change::nothing().with_notes(notes);
    }
    if let Some(refused) = names_deleted(&merged.document) {
        return refused.with_notes(notes);
    }
    if let Err(error) = declared.kind.check(&merged.document) {
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
        None => Change::create(declared.why, fields),
        Some(_) => Change::update(declared.why, fields),
    }
    .with_notes(notes);
    if found.is_some_and(|found| forbids_less(&about_somebody(found), &merged.document)) {
        return change
            .irreversible(Confirmation::WeakenedGuard, "the policy forbids less than it does now");
    }
    change
}

/// AWS refuses a policy that names a deleted principal, whoever put it there.
fn names_deleted(document: &PolicyDocument) -> Option<Change> {
    let named: Vec<String> = document
        .statements
        .iter()
        .enumerate()
        .filter(|(_, statement)| !statement.deleted_principals().is_empty())
        .map(|(at, statement)| {
            let ids = statement.deleted_principals().join(", ");
            format!("the statement {} names {ids}", name_of(document, at))
        })
        .collect();
    (!named.is_empty()).then(|| {
        Change::refused(
            format!(
                "{}: a role or user that was deleted, and AWS refuses a policy that is written with it",
                named.join("; ")
            ),
            "--drop-deleted-principals takes deleted principals out of the policy, and with them statements about nobody else; nobody ever gets such an id again. --remove-foreign drops every statement of others",
        )
    })
}

/// What a policy says of anybody who can exist.
fn about_somebody(document: &PolicyDocument) -> PolicyDocument {
    let statements = document.statements.iter().cloned();
    PolicyDocument {
        statements: statements.filter_map(Statement::without_deleted_principals).collect(),
        ..document.clone()
    }
}

/// How a statement is named to people: by its Sid, or its place.
pub(super) fn name_of(document: &PolicyDocument, at: usize) -> String {
    match document.statements.get(at).and_then(|statement| statement.sid.as_deref()) {
        Some(sid) if !sid.is_empty() => format!("`{sid}`"),
        _ => format!("number {}", at + 1),
    }
}

fn note(statement: &Statement, foreign: Foreign) -> String {
    let deleted = statement.deleted_principals();
    let fate = match foreign {
        Foreign::KeepLiving if !deleted.is_empty() => "kept without its deleted principals",
        Foreign::Keep | Foreign::KeepLiving => "kept",
        Foreign::Remove => "removed",
    };
    let text = serde_json::to_string(statement).unwrap_or_default();
    let names = if deleted.is_empty() {
        String::new()
    } else {
        format!("; {} belonged to a role or user that was deleted", deleted.join(", "))
    };
    format!("a statement that is not orgtrail's is {fate}: {text}{names}")
}
