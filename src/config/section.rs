//! How a section of the config is declared: one struct, and with it its
//! reading, its JSON Schema and its place in the reference.

use schemars::Schema;
use serde_json::{Map, Value, json};

/// Declares a section. Every key says what it is in its docstring, and what
/// holds when the file does not name it:
///
/// - `required`: the file must;
/// - `default(expression)`: this;
/// - `derived("words")`: what `derived.rs` makes of other keys, in words;
/// - `section`: a section of its own, read as if it were empty.
macro_rules! section {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident: $type:ty = $rule:ident $(($argument:expr))?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
        pub struct $name {
            $( $(#[doc = $field_doc])* pub $field: $type, )*
        }

        impl $crate::config::read::Read for $name {
            fn read(
                node: &$crate::config::document::Node,
                path: &str,
                reader: &mut $crate::config::read::Reader,
            ) -> Option<Self> {
                const REQUIRED: &[&str] =
                    $crate::config::section::required!([$( $field $rule )*]);
                if !reader.table(node, path, &[$( stringify!($field) ),*], REQUIRED) {
                    return None;
                }
                $(
                    let $field: Option<$type> = $crate::config::section::read_key!(
                        reader, node, path, stringify!($field), $rule $(($argument))?
                    );
                )*
                Some(Self { $( $field: $field? ),* })
            }

            fn stand_in() -> Option<Self> {
                let mut nobody = $crate::config::read::Reader::default();
                Self::read(&$crate::config::document::Node::empty_table(), "", &mut nobody)
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut object = $crate::config::section::ObjectSchema::new(
                    concat!($( $doc, "\n" ),*),
                );
                $(
                    object.property(
                        stringify!($field),
                        concat!($( $field_doc, "\n" ),*),
                        <$type as $crate::config::read::Read>::schema(generator),
                        $crate::config::section::key_rule!($rule $(($argument))?),
                    );
                )*
                object.finish()
            }
        }
    };
}
pub(super) use section;

macro_rules! required {
    (@ [$($done:expr,)*]) => { &[$($done),*] };
    (@ [$($done:expr,)*] $field:ident required $($rest:tt)*) => {
        $crate::config::section::required!(@ [$($done,)* stringify!($field),] $($rest)*)
    };
    (@ [$($done:expr,)*] $field:ident $rule:ident $($rest:tt)*) => {
        $crate::config::section::required!(@ [$($done,)*] $($rest)*)
    };
    ([$($all:tt)*]) => { $crate::config::section::required!(@ [] $($all)*) };
}
pub(super) use required;

macro_rules! read_key {
    ($reader:ident, $node:ident, $path:ident, $key:expr, required) => {
        $reader.key($node, $path, $key)
    };
    ($reader:ident, $node:ident, $path:ident, $key:expr, derived($words:expr)) => {
        $reader.key($node, $path, $key)
    };
    ($reader:ident, $node:ident, $path:ident, $key:expr, default($default:expr)) => {
        Some($reader.key_or($node, $path, $key, || $default))
    };
    ($reader:ident, $node:ident, $path:ident, $key:expr, section) => {
        $reader.section($node, $path, $key)
    };
}
pub(super) use read_key;

macro_rules! key_rule {
    (required) => {
        $crate::config::section::KeyRule::Required
    };
    (derived($words:expr)) => {
        $crate::config::section::KeyRule::Derived($words)
    };
    (default($default:expr)) => {
        $crate::config::section::KeyRule::Default(
            serde_json::to_value($default).unwrap_or_default(),
        )
    };
    (section) => {
        $crate::config::section::KeyRule::Section
    };
}
pub(super) use key_rule;

/// Declares a choice between words.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident {
            $( $(#[doc = $variant_doc:literal])* $variant:ident = $word:literal ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        pub enum $name {
            $( $(#[doc = $variant_doc])* #[serde(rename = $word)] $variant, )*
        }

        impl $name {
            /// Every choice, in the order of declaration.
            pub const ALL: &[Self] = &[$( Self::$variant ),*];

            /// The word as it stands in the config.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word ),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::config::read::Read for $name {
            fn read(
                node: &$crate::config::document::Node,
                path: &str,
                reader: &mut $crate::config::read::Reader,
            ) -> Option<Self> {
                let words = [$( $word ),*];
                let found = reader.choice(node, path, &words)?;
                Self::ALL.iter().copied().find(|choice| choice.as_str() == found)
            }

            fn stand_in() -> Option<Self> {
                Self::ALL.first().copied()
            }

            fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "oneOf": [$( {
                        "const": $word,
                        "description": $crate::config::section::prose(concat!($( $variant_doc, "\n" ),*)),
                    } ),*]
                })
            }
        }
    };
}
pub(super) use choice;

/// What holds for a key that the file does not name.
pub(super) enum KeyRule {
    Required,
    Derived(&'static str),
    Default(Value),
    Section,
}

/// The schema's keyword for the order in which the keys are declared, which
/// JSON objects do not keep.
pub(super) const ORDER: &str = "x-order";

/// The schema of a section, key by key.
pub(super) struct ObjectSchema {
    description: String,
    properties: Map<String, Value>,
    order: Vec<Value>,
    required: Vec<Value>,
}

impl ObjectSchema {
    pub(super) fn new(doc: &str) -> Self {
        Self {
            description: prose(doc),
            properties: Map::new(),
            order: Vec::new(),
            required: Vec::new(),
        }
    }

    pub(super) fn property(&mut self, key: &str, doc: &str, schema: Schema, rule: KeyRule) {
        let mut schema = schema.to_value();
        if let Value::Object(object) = &mut schema {
            let mut description = prose(doc);
            match rule {
                KeyRule::Required => self.required.push(key.into()),
                KeyRule::Derived(words) => {
                    description = format!("{description}\n\nDefault: {words}.");
                }
                // No value of its own: the key is simply absent.
                KeyRule::Default(Value::Null) | KeyRule::Section => {}
                KeyRule::Default(default) => {
                    object.insert("default".to_owned(), default);
                }
            }
            object.insert("description".to_owned(), description.into());
        }
        self.order.push(key.into());
        self.properties.insert(key.to_owned(), schema);
    }

    pub(super) fn finish(self) -> Schema {
        let Self { description, properties, order, required } = self;
        let mut object = Map::new();
        object.insert("type".to_owned(), json!("object"));
        object.insert("description".to_owned(), description.into());
        object.insert("properties".to_owned(), properties.into());
        object.insert(ORDER.to_owned(), order.into());
        if !required.is_empty() {
            object.insert("required".to_owned(), required.into());
        }
        object.insert("additionalProperties".to_owned(), json!(false));
        Schema::from(object)
    }
}

/// A docstring as flowing text: lines joined, paragraphs kept.
pub(super) fn prose(doc: &str) -> String {
    let paragraphs = doc.split("\n\n").map(|paragraph| {
        paragraph
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    });
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("\n\n")
}
