//! The change of a policy, for every resource that has one.

use crate::policy::{
    PolicyDocument, PolicyKind, Statement, Unmanaged, forbids_less, merge, policy_changes,
};
use crate::resources::change::{Change, Confirmation, FieldChange};

/// A declared policy, and how it is merged with the existing one.
pub(super) struct DeclaredPolicy<'a> {
    pub(super) document: &'a PolicyDocument,
    pub(super) unmanaged: Unmanaged,
    pub(super) kind: PolicyKind,
    pub(super) why: &'a str,
    /// Condition keys of a service's requests, in addition to those in the policy's own
    /// statements.
    pub(super) context: &'a [(&'a str, String)],
}

/// Compares an existing policy with the declared one.
pub(super) fn policy_change(
    found: Option<&PolicyDocument>,
    declared: &DeclaredPolicy<'_>,
) -> Change {
    let unmanaged = declared.unmanaged;
    let merged = merge(found, declared.document, unmanaged);
    let notes: Vec<String> =
        merged.unmanaged.iter().map(|statement| note(statement, unmanaged)).collect();
    if let Some(refused) = super::service_access::refuse_denied_service(&merged.document, declared)
    {
        return refused.with_notes(notes);
    }
    if merged.unchanged {
        return Change::nothing().with_notes(notes);
    }
    if let Some(refused) = refuse_deleted_principals(&merged.document) {
        return refused.with_notes(notes);
    }
    if let Err(error) = declared.kind.check(&merged.document) {
        return Change::refused(
            error.to_string(),
            "name fewer readers and administrators, or account ids instead of individual roles; --remove-unmanaged removes unmanaged statements",
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
    if found.is_some_and(|found| forbids_less(&with_existing_principals(found), &merged.document)) {
        return change
            .irreversible(Confirmation::WeakenedGuard, "the policy forbids less than it does now");
    }
    change
}

/// Refuses a policy that names a deleted principal, which AWS rejects even if the
/// statement is unmanaged.
fn refuse_deleted_principals(document: &PolicyDocument) -> Option<Change> {
    let named: Vec<String> = document
        .statements
        .iter()
        .enumerate()
        .filter(|(_, statement)| !statement.deleted_principals().is_empty())
        .map(|(at, statement)| {
            let ids = statement.deleted_principals().join(", ");
            format!("the statement {} names {ids}", statement_name(document, at))
        })
        .collect();
    (!named.is_empty()).then(|| {
        Change::refused(
            format!(
                "{}, which belonged to a deleted role or user: AWS rejects a policy that names it",
                named.join("; ")
            ),
            "--drop-deleted-principals removes deleted principals from the policy, and statements that name nobody else; AWS never reuses such an id. --remove-unmanaged removes every unmanaged statement",
        )
    })
}

/// The policy without deleted principals.
fn with_existing_principals(document: &PolicyDocument) -> PolicyDocument {
    let statements = document.statements.iter().cloned();
    PolicyDocument {
        statements: statements.filter_map(Statement::without_deleted_principals).collect(),
        ..document.clone()
    }
}

/// The name of a statement in messages: its Sid, or its number.
pub(super) fn statement_name(document: &PolicyDocument, at: usize) -> String {
    match document.statements.get(at).and_then(|statement| statement.sid.as_deref()) {
        Some(sid) if !sid.is_empty() => format!("`{sid}`"),
        _ => format!("number {}", at + 1),
    }
}

fn note(statement: &Statement, unmanaged: Unmanaged) -> String {
    let deleted = statement.deleted_principals();
    let fate = match unmanaged {
        Unmanaged::KeepLiving if !deleted.is_empty() => "kept without its deleted principals",
        Unmanaged::Keep | Unmanaged::KeepLiving => "kept",
        Unmanaged::Remove => "removed",
    };
    let text = serde_json::to_string(statement).unwrap_or_default();
    let names = if deleted.is_empty() {
        String::new()
    } else {
        format!("; {} belonged to a role or user that was deleted", deleted.join(", "))
    };
    format!("an unmanaged statement is {fate}: {text}{names}")
}
