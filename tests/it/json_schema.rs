//! A validator for the keywords that `docs/schemas/` use.
//!
//! It does not evaluate `pattern` and `format`: `tests/peers/report_schemas.py` validates the
//! same documents with an independent validator that does.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Keywords without effect on what is valid here.
const ANNOTATIONS: [&str; 8] =
    ["$schema", "$defs", "title", "description", "default", "format", "pattern", "uniqueItems"];

/// Why a document does not match its schema; empty if it does. A field that the schema does
/// not have is a mismatch too.
pub(crate) fn mismatches(schema: &Value, document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let validator = Validator { root: schema };
    validator.check(schema, document, "", &mut found);
    validator.check_fields(schema, document, "", &mut found);
    found
}

/// The same for a definition of the schema.
pub(crate) fn mismatches_of(schema: &Value, definition: &str, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let validator = Validator { root: schema };
    let definition = &schema["$defs"][definition];
    validator.check(definition, value, "", &mut found);
    validator.check_fields(definition, value, "", &mut found);
    found
}

struct Validator<'a> {
    root: &'a Value,
}

impl<'a> Validator<'a> {
    fn resolve(&self, reference: &str) -> &'a Value {
        let pointer = reference.strip_prefix('#').unwrap();
        self.root.pointer(pointer).unwrap_or_else(|| panic!("no {reference}"))
    }

    fn matches(&self, schema: &'a Value, value: &Value) -> bool {
        let mut found = Vec::new();
        self.check(schema, value, "", &mut found);
        found.is_empty()
    }

    fn check(&self, schema: &'a Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let schema = match schema {
            Value::Bool(true) => return,
            Value::Object(schema) => schema,
            other => panic!("{at}: the schema {other}"),
        };
        for (keyword, rule) in schema {
            let is_met = match keyword.as_str() {
                "$ref" => {
                    self.check(self.resolve(rule.as_str().unwrap()), value, at, found);
                    true
                }
                "type" => one_or_more(rule).any(|name| is_of_type(value, name.as_str().unwrap())),
                "const" => value == rule,
                "enum" => rule.as_array().unwrap().contains(value),
                "minimum" => value.as_f64().is_none_or(|it| it >= rule.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|it| it <= rule.as_f64().unwrap()),
                "anyOf" => rule.as_array().unwrap().iter().any(|one| self.matches(one, value)),
                "oneOf" => {
                    let one_of = rule.as_array().unwrap().iter();
                    one_of.filter(|one| self.matches(one, value)).count() == 1
                }
                "required" => value.as_object().is_none_or(|object| {
                    one_or_more(rule).all(|name| object.contains_key(name.as_str().unwrap()))
                }),
                "properties" => {
                    for (name, inner) in value.as_object().into_iter().flatten() {
                        if let Some(rule) = rule.get(name) {
                            self.check(rule, inner, &format!("{at}/{name}"), found);
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let own = schema.get("properties").and_then(Value::as_object);
                    for (name, inner) in value.as_object().into_iter().flatten() {
                        if own.is_none_or(|own| !own.contains_key(name)) && rule.is_object() {
                            self.check(rule, inner, &format!("{at}/{name}"), found);
                        }
                    }
                    true
                }
                "items" => {
                    for (nth, inner) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, inner, &format!("{at}/{nth}"), found);
                    }
                    true
                }
                annotation if ANNOTATIONS.contains(&annotation) => true,
                other => panic!("{at}: the keyword {other} is unknown"),
            };
            if !is_met {
                found.push(format!("{at}: {value} does not match {keyword} {rule}"));
            }
        }
    }

    /// Finds fields that no schema of their object has.
    fn check_fields(&self, schema: &'a Value, value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => {
                for (nth, item) in items.iter().enumerate() {
                    for schema in self.of(schema, "items", value) {
                        self.check_fields(schema, item, &format!("{at}/{nth}"), found);
                    }
                }
            }
            Value::Object(fields) => {
                let properties = self.of(schema, "properties", value);
                if properties.is_empty() {
                    return;
                }
                let known: BTreeSet<&str> = properties
                    .iter()
                    .flat_map(|one| one.as_object().unwrap().keys().map(String::as_str))
                    .collect();
                for (name, inner) in fields {
                    if !known.contains(name.as_str()) {
                        found.push(format!("{at}: {name} is not in the schema"));
                    }
                    for schema in properties.iter().filter_map(|one| one.get(name)) {
                        self.check_fields(schema, inner, &format!("{at}/{name}"), found);
                    }
                }
            }
            _ => {}
        }
    }

    /// A keyword of a schema and of all parts of it that a value matches.
    fn of(&self, schema: &'a Value, keyword: &str, value: &Value) -> Vec<&'a Value> {
        let Value::Object(schema) = schema else { return Vec::new() };
        let mut all: Vec<&Value> = schema.get(keyword).into_iter().collect();
        if let Some(reference) = schema.get("$ref") {
            all.extend(self.of(self.resolve(reference.as_str().unwrap()), keyword, value));
        }
        for composed in ["anyOf", "oneOf"] {
            let parts = schema.get(composed).and_then(Value::as_array).into_iter().flatten();
            for part in parts.filter(|part| self.matches(part, value)) {
                all.extend(self.of(part, keyword, value));
            }
        }
        all
    }
}

fn one_or_more(rule: &Value) -> impl Iterator<Item = &Value> {
    rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice).iter()
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other}"),
    }
}

/// The document without each of its fields.
pub(crate) fn without_each_field(document: &Value) -> Vec<(String, Value)> {
    fn without(fields: &Map<String, Value>) -> impl Iterator<Item = (String, Value)> {
        fields.keys().map(|name| {
            let mut less = fields.clone();
            less.remove(name);
            (name.clone(), Value::Object(less))
        })
    }
    without(document.as_object().unwrap()).collect()
}
