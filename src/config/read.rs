//! From a tree of values to types, collecting every finding on the way.

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator};

use super::document::{Node, Value};
use super::finding::{Finding, Origin};

/// A type that a value of the config can be read as.
pub(super) trait Read: Sized {
    /// The value, or a finding in `reader` that says why not.
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self>;

    /// What the JSON Schema says about it.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// What a reading has found: mistakes, and where each value came from.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) findings: Vec<Finding>,
    /// Every leaf's path and origin.
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Reader {
    /// Checks that `node` is a table of these keys and no others.
    pub(super) fn table(
        &mut self,
        node: &Node,
        path: &str,
        keys: &[&str],
        required: &[&str],
    ) -> bool {
        let Value::Table(entries) = &node.value else {
            self.mismatch(node, path, &format!("a table of {}", keys.join(", ")));
            return false;
        };
        self.origins.insert(path.to_owned(), node.origin.clone());
        for entry in entries.iter().filter(|entry| !keys.contains(&entry.key.as_str())) {
            let finding = Finding::error(
                join(path, &entry.key),
                entry.origin.clone(),
                format!("unknown key `{}`", super::document::shorten(&entry.key)),
            );
            self.findings.push(finding.with_hint(suggest_key(&entry.key, keys)));
        }
        for key in required.iter().filter(|key| node.child(key).is_none()) {
            let place = if path.is_empty() { "the file".to_owned() } else { format!("`[{path}]`") };
            self.findings.push(Finding::error(
                join(path, key),
                node.origin.clone(),
                format!("`{key}` is missing from {place}"),
            ));
        }
        true
    }

    /// A key's value; none, without a finding, where the key is not there.
    pub(super) fn key<T: Read>(&mut self, table: &Node, path: &str, key: &str) -> Option<T> {
        T::read(table.child(key)?, &join(path, key), self)
    }

    /// A key's value, or its default where the key is not there.
    pub(super) fn key_or<T: Read>(
        &mut self,
        table: &Node,
        path: &str,
        key: &str,
        default: impl FnOnce() -> T,
    ) -> Option<T> {
        let path = join(path, key);
        match table.child(key) {
            Some(node) => T::read(node, &path, self),
            None => {
                self.origins.insert(path, Origin::Default);
                Some(default())
            }
        }
    }

    /// A section; an empty one where the key is not there.
    pub(super) fn section<T: Read>(&mut self, table: &Node, path: &str, key: &str) -> Option<T> {
        let empty = Node::empty_table();
        T::read(table.child(key).unwrap_or(&empty), &join(path, key), self)
    }

    pub(super) fn leaf(&mut self, node: &Node, path: &str) {
        self.origins.insert(path.to_owned(), node.origin.clone());
    }

    pub(super) fn mismatch(&mut self, node: &Node, path: &str, wanted: &str) {
        self.refuse(node, path, format!("found {}, expected {wanted}", node.describe()));
    }

    pub(super) fn refuse(&mut self, node: &Node, path: &str, message: String) {
        self.findings.push(Finding::error(path, node.origin.clone(), message));
    }

    /// One of a few words.
    pub(super) fn choice<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        words: &[&str],
    ) -> Option<&'n str> {
        let wanted = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let wanted = format!("one of {wanted}");
        match &node.value {
            Value::String(text) if words.contains(&text.as_str()) => {
                self.leaf(node, path);
                Some(text)
            }
            Value::String(text) => {
                let found = text.to_lowercase().replace('_', "-");
                let mut finding = Finding::error(
                    path,
                    node.origin.clone(),
                    format!("found {}, expected {wanted}", node.describe()),
                );
                let same = words.iter().find(|word| word.to_lowercase().replace('_', "-") == found);
                if let Some(word) = same.copied().or_else(|| nearest(text, words)) {
                    finding = finding.with_hint(format!("did you mean \"{word}\"?"));
                }
                self.findings.push(finding);
                None
            }
            _ => {
                self.mismatch(node, path, &wanted);
                None
            }
        }
    }

    /// A string, for a type that is written as one.
    pub(super) fn string<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        wanted: &str,
    ) -> Option<&'n str> {
        if let Value::String(text) = &node.value {
            self.leaf(node, path);
            return Some(text);
        }
        let mut finding = Finding::error(
            path,
            node.origin.clone(),
            format!("found {}, expected {wanted}", node.describe()),
        );
        if let Value::Integer(number) = node.value {
            finding = finding.with_hint(format!(
                "write it between quotes, \"{number:012}\": account ids are strings, since leading zeros count"
            ));
            if wanted != "an account id" {
                finding.hint = Some("write it between quotes".to_owned());
            }
        }
        self.findings.push(finding);
        None
    }
}

/// Joins a path and a key; keys that are not bare are quoted, as in TOML.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The nearest of `known`, where one is near enough to be meant.
pub(super) fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|key| (strsim::jaro_winkler(found, key), *key))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}

fn suggest_key(found: &str, known: &[&str]) -> String {
    match nearest(found, known) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("the keys here are {}", known.join(", ")),
    }
}

impl Read for bool {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Boolean(truth) => {
                reader.leaf(node, path);
                Some(*truth)
            }
            Value::String(text) if matches!(node.origin, Origin::Environment { .. }) => {
                reader.leaf(node, path);
                match text.parse() {
                    Ok(truth) => Some(truth),
                    Err(_) => {
                        reader.mismatch(node, path, "true or false");
                        None
                    }
                }
            }
            _ => {
                reader.mismatch(node, path, "true or false");
                None
            }
        }
    }
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

impl Read for u32 {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        const WANTED: &str = "a whole number, not negative";
        let number = match &node.value {
            Value::Integer(number) => Self::try_from(*number).ok(),
            Value::String(text) if matches!(node.origin, Origin::Environment { .. }) => {
                text.parse().ok()
            }
            _ => None,
        };
        match number {
            Some(_) => reader.leaf(node, path),
            None => reader.mismatch(node, path, WANTED),
        }
        number
    }
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

impl Read for String {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        reader.string(node, path, "a string").map(str::to_owned)
    }
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        T::read(node, path, reader).map(Some)
    }
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        let Value::Array(items) = &node.value else {
            reader.mismatch(node, path, "an array, between `[` and `]`");
            return None;
        };
        reader.leaf(node, path);
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(at, item)| T::read(item, &format!("{path}[{at}]"), reader))
            .collect();
        read.into_iter().collect()
    }
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let items = T::schema(generator);
        schemars::json_schema!({ "type": "array", "items": items })
    }
}

impl<K, T> Read for BTreeMap<K, T>
where
    K: std::str::FromStr<Err: std::fmt::Display> + Ord,
    T: Read,
{
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        let Value::Table(entries) = &node.value else {
            reader.mismatch(node, path, "a table");
            return None;
        };
        reader.leaf(node, path);
        let read: Vec<Option<(K, T)>> = entries
            .iter()
            .map(|entry| {
                let path = join(path, &entry.key);
                let key = match entry.key.parse() {
                    Ok(key) => Some(key),
                    Err(error) => {
                        let error: K::Err = error;
                        reader.findings.push(Finding::error(
                            path.clone(),
                            entry.origin.clone(),
                            error.to_string(),
                        ));
                        None
                    }
                };
                let value = T::read(&entry.node, &path, reader);
                Some((key?, value?))
            })
            .collect();
        read.into_iter().collect()
    }
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let values = T::schema(generator);
        schemars::json_schema!({ "type": "object", "additionalProperties": values })
    }
}

/// Makes names readable: a string, parsed.
macro_rules! read_names {
    ($($name:ty = $wanted:literal),* $(,)?) => { $(
        impl Read for $name {
            fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
                match reader.string(node, path, $wanted)?.parse() {
                    Ok(name) => Some(name),
                    Err(error) => {
                        let error: crate::names::NameError = error;
                        reader.refuse(node, path, error.to_string());
                        None
                    }
                }
            }
            fn schema(generator: &mut SchemaGenerator) -> Schema {
                generator.subschema_for::<Self>()
            }
        }
    )* };
}

read_names! {
    crate::names::AccountId = "an account id",
    crate::names::Arn = "an ARN",
    crate::names::BucketName = "a bucket name",
    crate::names::ExternalId = "an external id",
    crate::names::KeyAlias = "a key alias",
    crate::names::KeyPrefix = "a key prefix",
    crate::names::LogGroupName = "a log group name",
    crate::names::Region = "a Region",
    crate::names::RoleName = "a role name",
    crate::names::RolePath = "a role path",
    crate::names::SessionName = "a session name",
    crate::names::TopicName = "a topic name",
    crate::names::TrailName = "a trail name",
    crate::names::UnitId = "an organizational unit id",
    super::Principal = "a principal",
    super::GuardrailTarget = "a target",
}
