use std::collections::{BTreeMap, BTreeSet};

use super::meaning::{atoms, principal_values};
use super::{PolicyDocument, Principal, Statement, Strings};

/// What differs between two documents, as lines of path, before and after.
///
/// Statements of the same name are compared element by element; others are
/// shown whole. Empty when both say the same.
#[must_use]
pub fn policy_changes(
    before: Option<&PolicyDocument>,
    after: &PolicyDocument,
) -> Vec<(String, Option<String>, Option<String>)> {
    let none = PolicyDocument::new(Vec::new());
    let before = before.unwrap_or(&none);
    if before.means_the_same(after) {
        return Vec::new();
    }
    let (before_atoms, after_atoms) = (atoms(&before.statements), atoms(&after.statements));
    // Statements that the other side makes too, in whatever form, are no change.
    let gone: Vec<&Statement> = before
        .statements
        .iter()
        .filter(|statement| !atoms([*statement]).is_subset(&after_atoms))
        .collect();
    let mut new: Vec<&Statement> = after
        .statements
        .iter()
        .filter(|statement| !atoms([*statement]).is_subset(&before_atoms))
        .collect();

    let mut lines = Vec::new();
    for statement in gone {
        let partner =
            new.iter().position(|other| other.sid.is_some() && other.sid == statement.sid);
        match partner {
            Some(at) => {
                let other = new.remove(at);
                lines.extend(statement_changes(statement, other));
            }
            None => lines.push((path(statement), Some(text(statement)), None)),
        }
    }
    lines.extend(new.into_iter().map(|added| (path(added), None, Some(text(added)))));
    if lines.is_empty() && before.version != after.version {
        lines.push(("version".into(), Some(before.version.clone()), Some(after.version.clone())));
    }
    lines
}

fn statement_changes(
    before: &Statement,
    after: &Statement,
) -> Vec<(String, Option<String>, Option<String>)> {
    let (before_parts, after_parts) = (parts(before), parts(after));
    let names: BTreeSet<&String> = before_parts.keys().chain(after_parts.keys()).collect();
    names
        .into_iter()
        .filter(|name| before_parts.get(*name) != after_parts.get(*name))
        .map(|name| {
            let shown = |parts: &BTreeMap<String, BTreeSet<String>>| {
                parts
                    .get(name)
                    .map(|values| values.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            };
            (format!("{}.{name}", path(before)), shown(&before_parts), shown(&after_parts))
        })
        .collect()
}

fn parts(statement: &Statement) -> BTreeMap<String, BTreeSet<String>> {
    let mut parts = BTreeMap::new();
    parts.insert("effect".to_owned(), BTreeSet::from([format!("{:?}", statement.effect)]));
    let principal = |principal: &Option<Principal>| {
        principal.as_ref().map(principal_values).unwrap_or_default()
    };
    let list = |values: &Strings| values.iter().map(str::to_owned).collect::<BTreeSet<_>>();
    for (name, values) in [
        ("principal", principal(&statement.principal)),
        ("not_principal", principal(&statement.not_principal)),
        ("action", list(&statement.action)),
        ("not_action", list(&statement.not_action)),
        ("resource", list(&statement.resource)),
        ("not_resource", list(&statement.not_resource)),
    ] {
        if !values.is_empty() {
            parts.insert(name.to_owned(), values);
        }
    }
    for (operator, keys) in &statement.condition {
        for (key, values) in keys {
            parts.insert(format!("condition.{operator}.{key}"), list(values));
        }
    }
    parts
}

fn path(statement: &Statement) -> String {
    format!("statement[{}]", statement.sid.as_deref().unwrap_or("unnamed"))
}

fn text(statement: &Statement) -> String {
    let mut statement = statement.clone();
    statement.sid = None;
    serde_json::to_string(&statement).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deny(version: &str) -> Statement {
        Statement::deny("OrgTrailTls").anyone().actions(["s3:*"]).resources(["*"]).when(
            "NumericLessThan",
            "s3:TlsVersion",
            [version],
        )
    }

    #[test]
    fn a_changed_condition_is_one_line() {
        let before = PolicyDocument::new(vec![deny("1.1")]);
        let after = PolicyDocument::new(vec![deny("1.2")]);
        assert_eq!(
            policy_changes(Some(&before), &after),
            [(
                "statement[OrgTrailTls].condition.NumericLessThan.s3:TlsVersion".to_owned(),
                Some("1.1".to_owned()),
                Some("1.2".to_owned())
            )]
        );
    }

    #[test]
    fn added_and_removed_statements_are_shown_whole() {
        let before = PolicyDocument::new(vec![deny("1.2")]);
        let after =
            PolicyDocument::new(vec![Statement::allow("B").actions(["s3:Get*"]).resources(["*"])]);
        let lines = policy_changes(Some(&before), &after);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].1.as_deref().unwrap().contains("s3:TlsVersion"));
        assert_eq!(
            lines[1].2.as_deref(),
            Some(r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#)
        );
    }

    #[test]
    fn a_new_policy_shows_every_statement() {
        let lines = policy_changes(None, &PolicyDocument::new(vec![deny("1.2")]));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].1, None);
    }
}
