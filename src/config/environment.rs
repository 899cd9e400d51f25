use std::collections::BTreeMap;

use super::document::{Entry, Node, Value};
use super::finding::Origin;

/// The environment variables, read once.
///
/// A key of the config can be given as `ORGTRAIL__SECTION__KEY`, which wins
/// over the file: `ORGTRAIL__ROLES__EXTERNAL_ID`. Tables and arrays cannot.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

const PREFIX: &str = "ORGTRAIL__";

impl Environment {
    /// The process's own; variables that are not Unicode are left out.
    #[must_use]
    pub fn of_process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { variables: std::env::vars_os().filter_map(unicode).collect() }
    }

    /// A variable's value.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Puts the values of `ORGTRAIL__…` into the tree, over the file's.
    pub(super) fn overlay(&self, root: &mut Node) {
        for (name, value) in &self.variables {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            let path = path.to_lowercase();
            let keys: Vec<&str> = path.split("__").collect();
            let Some((key, tables)) = keys.split_last() else { continue };
            let origin = Origin::Environment { variable: name.clone() };
            let Some(table) = root.at_path(tables, &origin) else { continue };
            let Value::Table(entries) = &mut table.value else { continue };
            entries.retain(|entry| entry.key != *key);
            entries.push(Entry {
                key: (*key).to_owned(),
                origin: origin.clone(),
                node: Node { value: Value::String(value.clone()), origin },
            });
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { variables: variables.collect() }
    }
}
