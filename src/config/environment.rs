use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use super::document::{Entry, Node, Value};
use super::finding::{Finding, Origin};

/// The environment variables, read once.
///
/// A key of the config can be given as `ORGTRAIL__SECTION__KEY`, which wins
/// over the file: `ORGTRAIL__ROLES__EXTERNAL_ID`. Tables and arrays cannot.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Those of ours that are no text, their names as far as they are.
    not_text: BTreeSet<String>,
    /// Whether variables may set identity keys.
    allow_identity: bool,
}

const PREFIX: &str = "ORGTRAIL__";

/// The keys that say whose logs go where.
const IDENTITY: [&str; 29] = [
    "archive.access_logging.bucket",
    "archive.access_logging.prefix",
    "archive.bucket",
    "archive.prefix",
    "archive.region",
    "archive.replication.account",
    "archive.replication.bucket",
    "archive.replication.key_alias",
    "archive.replication.region",
    "athena.account",
    "athena.export",
    "athena.kms_key",
    "athena.region",
    "athena.results",
    "cloudwatch_logs.enabled",
    "cloudwatch_logs.group",
    "cloudwatch_logs.kms_key",
    "cloudwatch_logs.role",
    "key.alias",
    "key.arn",
    "organization.home_region",
    "organization.log_archive_account",
    "organization.management_account",
    "records.mac_key",
    "service.state",
    "service.state_account",
    "topic.arn",
    "topic.name",
    "trail.name",
];

fn is_identity(key: &str) -> bool {
    IDENTITY.contains(&key)
}

impl Environment {
    /// The process's own; variables of others that are not Unicode are left out.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os())
    }

    /// The names of all variables of the process, also of those that are no text.
    #[cfg(feature = "sandbox")]
    pub(crate) fn names_of_process() -> impl Iterator<Item = OsString> {
        std::env::vars_os().map(|(name, _)| name)
    }

    fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => {
                    environment.variables.insert(name, value);
                }
                (name, _) => {
                    let name = name.unwrap_or_else(|name| name.to_string_lossy().into_owned());
                    if name.starts_with(PREFIX) {
                        environment.not_text.insert(name);
                    }
                }
            }
        }
        environment
    }

    /// The same, with variables that may set identity keys: `--allow-env-identity`.
    #[must_use]
    pub fn allowing_identity(self, allow_identity: bool) -> Self {
        Self { allow_identity, ..self }
    }

    /// What is wrong with the origins of values: identity keys that variables set.
    pub(super) fn refused(&self, origins: &BTreeMap<String, Origin>) -> Vec<Finding> {
        if self.allow_identity {
            return Vec::new();
        }
        let is_set = |origin: &Origin| matches!(origin, Origin::Environment { .. });
        origins
            .iter()
            .filter(|(key, origin)| is_set(origin) && is_identity(key))
            .map(|(key, origin)| {
                let message = "an environment variable cannot set this identity key: it decides \
                               whose logs go where";
                Finding::error(key, origin.clone(), message)
                    .with_hint("set it in the file, or give --allow-env-identity")
            })
            .collect()
    }

    /// A variable's value.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Puts the values of `ORGTRAIL__…` into the tree, over the file's. Told are
    /// those that have no place in it.
    pub(super) fn overlay(&self, root: &mut Node) -> Vec<Finding> {
        let misplaced = |name: &str, message: &str| {
            let origin = Origin::Environment { variable: name.to_owned() };
            Finding::error("", origin, message).with_hint(
                "a variable is named ORGTRAIL__SECTION__KEY and sets one value in a table",
            )
        };
        let mut findings: Vec<Finding> = self
            .not_text
            .iter()
            .map(|name| misplaced(name, "found bytes that are not UTF-8, expected text"))
            .collect();
        for (name, value) in &self.variables {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            let path = path.to_lowercase();
            let keys: Vec<&str> = path.split("__").collect();
            let Some((key, tables)) = keys.split_last() else { continue };
            let origin = Origin::Environment { variable: name.clone() };
            let table = root.at_path(tables, &origin).map(|table| &mut table.value);
            let Some(Value::Table(entries)) = table else {
                findings.push(misplaced(
                    name,
                    &format!("`{}` is not a table of the configuration", tables.join(".")),
                ));
                continue;
            };
            entries.retain(|entry| entry.key != *key);
            entries.push(Entry {
                key: (*key).to_owned(),
                origin: origin.clone(),
                node: Node { value: Value::String(value.clone()), origin },
            });
        }
        findings
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { variables: variables.collect(), not_text: BTreeSet::new(), allow_identity: false }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;
    use crate::config::Loaded;

    fn messages(environment: &Environment) -> Vec<String> {
        let text = "[organization]\nmanagement_account = \"111111111111\"\n\
                    log_archive_account = \"222222222222\"\nhome_region = \"us-east-1\"\n\
                    excluded_accounts = []\n[archive]\nbucket = \"acme-log-archive\"\n";
        let findings = Loaded::from_text(text, environment).err().unwrap_or_default();
        findings.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_variable_without_a_place_in_the_config_is_refused() {
        let name = "ORGTRAIL__ORGANIZATION__EXCLUDED_ACCOUNTS__0";
        let environment = [(name, "333333333333")].into_iter().collect();
        assert_eq!(
            messages(&environment),
            ["`organization.excluded_accounts` is not a table of the configuration"]
        );
    }

    #[test]
    fn a_variable_of_ours_that_is_no_text_is_refused() {
        let odd = || OsString::from_vec(vec![0xff]);
        let ours = Environment::of([("ORGTRAIL__ROLES__NAME".into(), odd())].into_iter());
        assert_eq!(messages(&ours), ["found bytes that are not UTF-8, expected text"]);
        let other = Environment::of([("OTHER".into(), odd()), (odd(), "x".into())].into_iter());
        assert!(messages(&other).is_empty());
    }
}
