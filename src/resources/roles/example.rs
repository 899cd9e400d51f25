//! The files of `infra/` and `docs/roles.md`: the roles of an example configuration.

use std::fmt::Write as _;

use super::{Role, RoleKind, deployment, roles};
use crate::config::{Config, Environment, Loaded};

/// The example configuration, `infra/example.toml`: it declares everything that gives a role
/// more permissions.
const EXAMPLE: &str = include_str!("../../../infra/example.toml");

pub(super) fn config() -> Config {
    Loaded::from_text(EXAMPLE, &Environment::default()).unwrap().config
}

/// Every generated file: its path in the repository and its content.
pub(super) fn files() -> Vec<(String, String)> {
    let roles = roles(&config());
    let mut files = vec![("docs/roles.md".to_owned(), page(&roles))];
    for role in of_each_kind(&roles) {
        let name = role.kind.as_str();
        let policy = serde_json::to_value(role.policy()).unwrap();
        files.push((format!("infra/policies/{name}.json"), format!("{policy:#}\n")));
        if let Some(template) = role.template() {
            files.push((format!("infra/roles/{name}.json"), format!("{template:#}\n")));
        }
    }
    files.extend(deployment::files());
    files
}

/// The role of each kind; of several members, the one for all accounts that are not declared.
fn of_each_kind(roles: &[Role]) -> impl Iterator<Item = &Role> {
    RoleKind::ALL
        .into_iter()
        .filter_map(|kind| roles.iter().rev().find(move |role| role.kind == kind))
}

const ABOUT: &str = "\
# What each role may do, and why

This page is generated from `infra/example.toml`, as are `infra/roles/` and
`infra/policies/`. `orgtrail config roles` prints the roles of your configuration
(`docs/accounts.md`). A statement that the example needs may be missing in yours, where
you do not declare what it is for.

A test runs orgtrail under exactly these roles. It fails if a request is denied, and if
a statement, an action or a resource of a role is not used. Where a resource is `*` or a
pattern of names, the last column has the reason.
";

fn list<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = values.map(|value| format!("`{value}`")).collect();
    quoted.join("<br>")
}

fn page(roles: &[Role]) -> String {
    let mut page = ABOUT.to_owned();
    for role in of_each_kind(roles) {
        let name = role.kind.as_str();
        let _ = write!(page, "\n## `{name}`\n\n{}.", role.kind.about());
        let _ = match role.arn() {
            Some(arn) => write!(page, " In the example: `{arn}`."),
            None => Ok(()),
        };
        let _ = write!(
            page,
            "\n\n| statement | actions | resources | condition | why |\n|---|---|---|---|---|\n"
        );
        for grant in &role.grants {
            let statement = &grant.statement;
            let conditions = statement.condition.iter().flat_map(|(operator, keys)| {
                keys.iter().map(move |(key, values)| {
                    let values: Vec<&str> = values.iter().collect();
                    format!("`{key}` `{operator}` `{}`", values.join("`, `"))
                })
            });
            let conditions: Vec<String> = conditions.collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                statement.sid.as_deref().unwrap_or_default(),
                list(statement.action.iter()),
                list(statement.resource.iter()),
                conditions.join("<br>"),
                grant.why,
            );
        }
    }
    page
}
