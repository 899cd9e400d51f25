//! The description of an endpoint.

use axum::routing::MethodRouter;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::state::Service;
use crate::config::AccessScope;
use crate::report::contract::{Document, Emitted};

/// The method of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve::http) enum Method {
    Get,
    Post,
}

impl Method {
    pub(in crate::serve::http) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
        }
    }
}

/// The schema of a type.
pub(in crate::serve::http) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a type that is no document.
pub(in crate::serve::http) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schema of a document as it is sent.
pub(in crate::serve::http) fn emitted<T: Document>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Emitted<T>>()
}

/// An endpoint.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve::http) struct Endpoint {
    pub(in crate::serve::http) method: Method,
    /// Its path, with names in braces.
    pub(in crate::serve::http) path: &'static str,
    /// Its name in clients that are generated.
    pub(in crate::serve::http) id: &'static str,
    /// What it does, in a sentence.
    pub(in crate::serve::http) summary: &'static str,
    /// What a client needs; nothing for those that anybody may use.
    pub(in crate::serve::http) scope: Option<AccessScope>,
    /// The names in its path, what they are, and their schemas.
    pub(in crate::serve::http) path_parameters: &'static [(&'static str, &'static str, SchemaOf)],
    /// The type of its query.
    pub(in crate::serve::http) query: Option<SchemaOf>,
    /// Headers that it reads, and what they are.
    pub(in crate::serve::http) headers: &'static [(&'static str, &'static str)],
    /// What it takes.
    pub(in crate::serve::http) body: Option<Body>,
    /// What it answers, except for what every endpoint of its kind may answer.
    pub(in crate::serve::http) answers: &'static [Answer],
    pub(in crate::serve::http) handler: fn() -> MethodRouter<Service>,
}

impl Endpoint {
    /// An endpoint that reads, takes nothing, and answers nothing yet.
    pub(in crate::serve::http) const fn read(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: fn() -> MethodRouter<Service>,
    ) -> Self {
        Self {
            method: Method::Get,
            path,
            id,
            summary,
            scope: Some(AccessScope::Read),
            path_parameters: &[],
            query: None,
            headers: &[],
            body: None,
            answers: &[],
            handler,
        }
    }
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve::http) struct Body {
    pub(in crate::serve::http) schema: SchemaOf,
}

/// A response.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve::http) struct Answer {
    pub(in crate::serve::http) status: u16,
    pub(in crate::serve::http) description: &'static str,
    pub(in crate::serve::http) content: Content,
}

impl Answer {
    /// The usual answer: a document.
    pub(in crate::serve::http) const fn ok(schema: SchemaOf) -> Self {
        Self { status: 200, description: "The document.", content: Content::Document(schema) }
    }

    /// A problem.
    pub(in crate::serve::http) const fn problem(status: u16, description: &'static str) -> Self {
        Self { status, description, content: Content::Problem }
    }
}

/// The content of a response.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve::http) enum Content {
    /// A document of the contract.
    Document(SchemaOf),
    /// `application/problem+json`
    Problem,
    /// Other media types.
    Media(&'static [&'static str]),
    /// Nothing.
    Nothing,
}
