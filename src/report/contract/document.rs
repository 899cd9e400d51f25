//! What is common to all documents: their names, versions and schemas.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ApplyReport, DestroyReport, Emitted, acceptance, accounts, api, checks, config, consolidation,
    cost, coverage, drift, evidence, live, notification, plan, records, retirement, roles, round,
    service, sources, verification,
};
#[cfg(feature = "sandbox")]
use super::{demo, sandbox};
use crate::archive::consolidate::record;
use crate::archive::{accept, bundle, retired};

/// A JSON document: a body with a name and a version.
pub trait Document: Serialize + JsonSchema {
    /// The document's name, in kebab-case.
    const NAME: &'static str;
    /// The version that this program writes and reads.
    const VERSION: u32 = 1;

    /// Adds the types that the document's schema does not mention by itself.
    fn extend(_generator: &mut SchemaGenerator) {}
}

/// A document as [`DOCUMENTS`] lists it.
#[derive(Debug, Clone, Copy)]
pub struct DocumentKind {
    /// The document's name, which its schema's file has too.
    pub name: &'static str,
    /// The version that this program writes.
    pub version: u32,
    /// The document's JSON Schema (2020-12).
    pub schema: fn() -> Schema,
}

impl DocumentKind {
    /// A document that commands print or save.
    const fn of<T: Document>() -> Self {
        Self { name: T::NAME, version: T::VERSION, schema: emitted::<T> }
    }

    /// A document that the archive contains, which has its name and version in its type.
    const fn stored<T: Document>() -> Self {
        Self { name: T::NAME, version: T::VERSION, schema: stored::<T> }
    }
}

/// Every document.
pub const DOCUMENTS: &[DocumentKind] = &[
    DocumentKind::stored::<accept::Acceptance>(),
    DocumentKind::of::<acceptance::List>(),
    DocumentKind::of::<acceptance::Report>(),
    DocumentKind::of::<accounts::Report>(),
    DocumentKind::of::<ApplyReport>(),
    DocumentKind::stored::<bundle::Manifest>(),
    DocumentKind::of::<checks::Catalogue>(),
    DocumentKind::of::<config::Check>(),
    DocumentKind::of::<config::Show>(),
    DocumentKind::of::<roles::List>(),
    DocumentKind::of::<consolidation::Report>(),
    DocumentKind::of::<cost::Report>(),
    DocumentKind::of::<coverage::Report>(),
    #[cfg(feature = "sandbox")]
    DocumentKind::of::<demo::Report>(),
    DocumentKind::of::<DestroyReport>(),
    DocumentKind::of::<drift::Report>(),
    DocumentKind::of::<evidence::Report>(),
    DocumentKind::of::<plan::Plan>(),
    DocumentKind::of::<records::Report>(),
    DocumentKind::stored::<retired::Retired>(),
    DocumentKind::of::<retirement::Report>(),
    DocumentKind::of::<round::Report>(),
    DocumentKind::stored::<record::Head>(),
    #[cfg(feature = "sandbox")]
    DocumentKind::of::<sandbox::Sandbox>(),
    #[cfg(feature = "sandbox")]
    DocumentKind::of::<sandbox::Clock>(),
    #[cfg(feature = "sandbox")]
    DocumentKind::of::<sandbox::Confirmation>(),
    DocumentKind::of::<api::AccountList>(),
    DocumentKind::of::<api::Bundle>(),
    DocumentKind::of::<api::BundleList>(),
    DocumentKind::of::<api::ChainList>(),
    DocumentKind::of::<api::CoverageList>(),
    DocumentKind::of::<api::FindingList>(),
    DocumentKind::of::<api::Gap>(),
    DocumentKind::of::<api::NewToken>(),
    DocumentKind::of::<api::Problem>(),
    DocumentKind::of::<api::Readiness>(),
    DocumentKind::of::<api::RequestedRound>(),
    DocumentKind::of::<api::RoundDiff>(),
    DocumentKind::of::<api::RoundList>(),
    DocumentKind::of::<api::ScheduleList>(),
    DocumentKind::of::<api::SourceList>(),
    DocumentKind::of::<live::Event>(),
    DocumentKind::of::<live::LiveRound>(),
    DocumentKind::of::<notification::Notification>(),
    DocumentKind::of::<notification::TestReport>(),
    DocumentKind::of::<service::Round>(),
    DocumentKind::of::<service::Signals>(),
    DocumentKind::of::<service::Status>(),
    DocumentKind::of::<sources::Report>(),
    DocumentKind::of::<verification::Report>(),
];

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

fn emitted<T: Document>() -> Schema {
    generator().into_root_schema_for::<Emitted<T>>()
}

fn stored<T: Document>() -> Schema {
    let mut generator = generator();
    T::extend(&mut generator);
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".to_owned(), T::NAME.into());
    require_head::<T>(&mut schema);
    schema
}

/// Has the schema of an object require the document's name and version.
pub(super) fn require_head<T: Document>(schema: &mut Schema) {
    let head = [("version", json!(T::VERSION)), ("document", json!(T::NAME))];
    for (name, value) in head {
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert(name.to_owned(), json!({ "const": value }));
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|it| it != name);
            required.insert(0, json!(name));
        }
    }
}

/// A text that is not the document that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON, or lacks a field.
    #[error(transparent)]
    Malformed(#[from] serde_json::Error),
    /// It is another document.
    #[error("it is the document `{found}`, expected `{expected}`")]
    OtherDocument {
        /// Its name.
        found: String,
        /// The name that was asked for.
        expected: &'static str,
    },
    /// It has another version.
    #[error("it has version {found}, expected {expected}")]
    OtherVersion {
        /// Its version.
        found: u32,
        /// The version that this program reads.
        expected: u32,
    },
}

/// Reads a document of this version.
///
/// # Errors
/// The text is no such document.
pub fn read<T: Document + DeserializeOwned>(text: &[u8]) -> Result<T, ReadError> {
    #[derive(Deserialize)]
    struct Head {
        document: String,
        version: u32,
    }
    let head: Head = serde_json::from_slice(text)?;
    if head.document != T::NAME {
        return Err(ReadError::OtherDocument { found: head.document, expected: T::NAME });
    }
    if head.version != T::VERSION {
        return Err(ReadError::OtherVersion { found: head.version, expected: T::VERSION });
    }
    Ok(serde_json::from_slice(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_unique_and_kebab_case() {
        let names: std::collections::BTreeSet<_> = DOCUMENTS.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), DOCUMENTS.len());
        for name in names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        }
    }

    #[test]
    fn every_schema_requires_its_documents_name_and_version() {
        for kind in DOCUMENTS {
            let schema = (kind.schema)();
            assert_eq!(schema.pointer("/properties/document/const"), Some(&json!(kind.name)));
            assert_eq!(schema.pointer("/properties/version/const"), Some(&json!(kind.version)));
            let required = schema.get("required").and_then(Value::as_array).unwrap();
            assert!(required.contains(&json!("document")) && required.contains(&json!("version")));
        }
    }
}
