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

    /// Some value of the type, to check the rest of a config with in which a
    /// required one could not be read.
    fn stand_in() -> Option<Self>;
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
            let finding = Finding::error(
                join(path, key),
                node.origin.clone(),
                format!("`{key}` is missing from {place}, which needs {}", required.join(", ")),
            );
            self.findings.push(finding.with_hint(
                "`orgtrail config schema` describes every key; `orgtrail init` writes a config",
            ));
        }
        true
    }

    /// A required key's value; where it is not there or cannot be read, which is
    /// a finding of its own, a stand-in.
    pub(super) fn key<T: Read>(&mut self, table: &Node, path: &str, key: &str) -> Option<T> {
        let read = table.child(key).and_then(|node| T::read(node, &join(path, key), self));
        read.or_else(T::stand_in)
    }

    /// A key's value, or its default where the key is not there. What cannot be
    /// read is a finding, and the default stands in for it, so that the rest
    /// can be checked too.
    pub(super) fn key_or<T: Read>(
        &mut self,
        table: &Node,
        path: &str,
        key: &str,
        default: impl FnOnce() -> T,
    ) -> T {
        let path = join(path, key);
        if let Some(node) = table.child(key) {
            return T::read(node, &path, self).unwrap_or_else(default);
        }
        self.origins.insert(path, Origin::Default);
        default()
    }

    /// A section; an empty one where the key is not there.
    pub(super) fn section<T: Read>(&mut self, table: &Node, path: &str, key: &str) -> Option<T> {
        let empty = Node::empty_table();
        let read = T::read(table.child(key).unwrap_or(&empty), &join(path, key), self);
        read.or_else(T::stand_in)
    }

    pub(super) fn leaf(&mut self, node: &Node, path: &str) {
        self.origins.insert(path.to_owned(), node.origin.clone());
    }

    pub(super) fn mismatch(&mut self, node: &Node, path: &str, wanted: &str) {
        let hint = match &node.value {
            Value::String(text) if text.parse::<u64>().is_ok() || text.parse::<bool>().is_ok() => {
                format!("write it without quotes: {text}")
            }
            _ => "`orgtrail config reference` describes every key".to_owned(),
        };
        let message = format!("found {}, expected {wanted}", node.describe());
        self.findings.push(Finding::error(path, node.origin.clone(), message).with_hint(hint));
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
            if let Some(strange) = text.chars().find(|c| c.is_control()) {
                let message =
                    format!("found {strange:?}, expected {wanted} without such characters");
                self.findings.push(Finding::error(path, node.origin.clone(), message));
                return None;
            }
            self.leaf(node, path);
            return Some(text);
        }
        let mut finding = Finding::error(
            path,
            node.origin.clone(),
            format!("found {}, expected {wanted}", node.describe()),
        );
        if let Value::Integer(number) = node.value {
            finding = finding.with_hint(match wanted {
                "an account id" => {
                    format!("write it between quotes, since leading zeros count: \"{number:012}\"")
                }
                _ => format!("write it between quotes: \"{number}\""),
            });
        }
        if finding.hint.is_none() {
            finding = finding.with_hint("`orgtrail config reference` describes every key");
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
pub(crate) fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|key| (strsim::jaro_winkler(found, key), *key))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}

/// What to do about a string that is not the name it was taken for.
fn name_hint(error: &crate::names::NameError) -> Option<String> {
    let digits = error.found.len();
    match error.kind {
        "an account id" if error.found.bytes().all(|b| b.is_ascii_digit()) => Some(match digits {
            0..12 => format!("{digits} digits were found; leading zeros may have been lost"),
            _ => format!("{digits} digits were found"),
        }),
        _ => None,
    }
}

fn suggest_key(found: &str, known: &[&str]) -> String {
    match nearest(found, known) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("the keys here are {}", known.join(", ")),
    }
}

impl Read for bool {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        let truth = match &node.value {
            Value::Boolean(truth) => Some(*truth),
            Value::String(text) if matches!(node.origin, Origin::Environment { .. }) => {
                text.parse().ok()
            }
            _ => None,
        };
        match truth {
            Some(_) => reader.leaf(node, path),
            None => reader.mismatch(node, path, "true or false"),
        }
        truth
    }
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
    fn stand_in() -> Option<Self> {
        Some(false)
    }
}

/// Makes unsigned numbers readable.
macro_rules! read_numbers {
    ($($type:ty),*) => { $(
        impl Read for $type {
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
            fn stand_in() -> Option<Self> {
                Some(1)
            }
        }
    )* };
}

read_numbers!(u32, u64);

impl Read for String {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        reader.string(node, path, "a string").map(str::to_owned)
    }
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
    fn stand_in() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        T::read(node, path, reader).map(Some)
    }
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
    fn stand_in() -> Option<Self> {
        Some(None)
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
    fn stand_in() -> Option<Self> {
        Some(Self::new())
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
    fn stand_in() -> Option<Self> {
        Some(Self::new())
    }
}

/// Makes names readable: a string, parsed.
macro_rules! read_names {
    ($($name:ty = $wanted:literal, $stand_in:literal);* $(;)?) => { $(
        impl Read for $name {
            fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
                match reader.string(node, path, $wanted)?.parse() {
                    Ok(name) => Some(name),
                    Err(error) => {
                        let error: crate::names::NameError = error;
                        let hint = name_hint(&error);
                        let mut finding =
                            Finding::error(path, node.origin.clone(), error.to_string());
                        finding.hint = hint;
                        reader.findings.push(finding);
                        None
                    }
                }
            }
            fn schema(generator: &mut SchemaGenerator) -> Schema {
                generator.subschema_for::<Self>()
            }
            fn stand_in() -> Option<Self> {
                $stand_in.parse().ok()
            }
        }
    )* };
}

read_names! {
    crate::names::AccountId = "an account id", "000000000000";
    crate::names::Arn = "an ARN", "arn:aws:iam::000000000000:root";
    crate::names::BucketName = "a bucket name", "stand-in";
    crate::names::DatabaseName = "a database name", "stand_in";
    crate::names::ExternalId = "an external id", "stand-in";
    crate::names::KeyAlias = "a key alias", "alias/stand-in";
    crate::names::KeyPrefix = "a key prefix", "stand-in";
    crate::names::LogGroupName = "a log group name", "stand-in";
    crate::names::QueueName = "a queue name", "stand-in";
    crate::names::Region = "a Region", "us-east-1";
    crate::names::RoleName = "a role name", "stand-in";
    crate::names::RolePath = "a role path", "/";
    crate::names::SessionName = "a session name", "stand-in";
    crate::names::TopicName = "a topic name", "stand-in";
    crate::names::TrailName = "a trail name", "stand-in";
    crate::names::WorkgroupName = "a workgroup name", "stand-in";
    crate::names::UnitId = "an organizational unit id", "ou-0000-00000000";
    super::Principal = "a principal", "000000000000";
    super::GuardrailTarget = "a target", "000000000000";
}
