use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use super::document::require_head;
use super::{Document, Session};

/// A document as it is printed or saved: its head, its body and its session.
#[derive(Debug, Clone, Serialize)]
pub struct Emitted<T> {
    document: &'static str,
    version: u32,
    #[serde(flatten)]
    body: T,
    /// Absent from documents within other documents, and from commands that do not call AWS.
    #[serde(flatten)]
    session: Option<Session>,
}

impl<T: Document> Emitted<T> {
    /// A document without a session: one within another document, or of a command that does
    /// not call AWS.
    #[must_use]
    pub fn new(body: T) -> Self {
        Self { document: T::NAME, version: T::VERSION, body, session: None }
    }

    /// The same with the session of the command that made it.
    #[must_use]
    pub fn with_session(self, session: Session) -> Self {
        Self { session: Some(session), ..self }
    }
}

impl<T: Document> JsonSchema for Emitted<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        require_head::<T>(&mut schema);
        let session = Session::json_schema(generator);
        let session = session.get("properties").and_then(Value::as_object).cloned();
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.extend(session.unwrap_or_default());
        }
        schema
    }
}
