//! What is common to all documents: their names, versions and schemas.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ApplyReport, DestroyReport, Emitted, acceptance, accounts, api, attribution, bootstrap, checks,
    config, consolidation, cost, coverage, detections, doctor, drift, event_export, events,
    evidence, live, new_accounts, notification, plan, records, retirement, roles, round, service,
    sources, verification,
};
#[cfg(feature = "sandbox")]
use super::{demo, sandbox};
use crate::archive::consolidate::record;
use crate::archive::proofs;
use crate::archive::{accept, bundle, retired};
use crate::events::export;

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
    const fn emitted<T: Document>() -> Self {
        Self { name: T::NAME, version: T::VERSION, schema: emitted::<T> }
    }

    /// A document that the archive contains, which has its name and version in its type.
    const fn stored<T: Document>() -> Self {
        Self { name: T::NAME, version: T::VERSION, schema: stored::<T> }
    }
}

/// Declares every document: its type, whether commands emit it or the archive stores it with
/// its name and version in its type, its name, and where it has them, its version, if not the
/// first, and the type of the lines behind it.
macro_rules! documents {
    ($(
        $(#[$cfg:meta])*
        $kind:ident $body:ty = $name:literal $(, version $version:expr)? $(, with $line:ty)?;
    )+) => {
        $(
            $(#[$cfg])*
            impl Document for $body {
                const NAME: &'static str = $name;
                $(const VERSION: u32 = $version;)?
                $(fn extend(generator: &mut SchemaGenerator) {
                    generator.subschema_for::<$line>();
                })?
            }
        )+

        /// Every document.
        pub const DOCUMENTS: &[DocumentKind] =
            &[$($(#[$cfg])* DocumentKind::$kind::<$body>()),+];
    };
}

documents! {
    stored accept::Acceptance = "acceptance", version accept::FORMAT_VERSION;
    emitted acceptance::List = "acceptance-list";
    emitted acceptance::Report = "acceptance-report";
    emitted accounts::Report = "accounts-report";
    emitted ApplyReport = "apply-report";
    emitted bootstrap::Report = "bootstrap";
    stored bundle::Manifest = "bundle-manifest";
    emitted checks::Catalogue = "check-catalogue";
    emitted config::Check = "config-check";
    emitted config::Show = "config";
    emitted roles::List = "config-roles";
    emitted consolidation::Report = "consolidation-report";
    emitted cost::Report = "cost-report";
    emitted coverage::Report = "coverage-report";
    #[cfg(feature = "sandbox")]
    emitted demo::Report = "demo-report";
    emitted DestroyReport = "destroy-report";
    emitted doctor::Report = "doctor-report";
    emitted drift::Report = "drift-report";
    emitted detections::Report = "event-detections";
    emitted event_export::Report = "event-export";
    stored export::ExportManifest = "event-export-manifest";
    emitted events::ReconcileReport = "event-reconciliation";
    emitted attribution::Report = "event-attribution";
    emitted detections::LintReport = "event-rules";
    emitted events::SearchReport = "event-search";
    emitted evidence::Report = "evidence-report";
    emitted plan::Plan = "plan";
    stored proofs::Head = "proof-record", version proofs::FORMAT_VERSION, with proofs::ProvenUnit;
    emitted records::Report = "records-report";
    stored retired::Retired = "retired-trail";
    emitted retirement::Report = "retirement-report";
    emitted round::Report = "round-report";
    stored record::Head = "run-record", version record::FORMAT_VERSION, with record::Row;
    #[cfg(feature = "sandbox")]
    emitted sandbox::Sandbox = "sandbox";
    #[cfg(feature = "sandbox")]
    emitted sandbox::Clock = "sandbox-clock";
    #[cfg(feature = "sandbox")]
    emitted sandbox::Confirmation = "sandbox-confirmation";
    emitted notification::TestReport = "notification-test";
    emitted new_accounts::AccountBaseline = "service-account-baseline";
    emitted new_accounts::AccountEvent = "service-account-event";
    emitted api::AccountList = "service-accounts";
    emitted api::Bundle = "service-bundle";
    emitted api::BundleList = "service-bundles";
    emitted api::ChainList = "service-chains";
    emitted api::CoverageList = "service-coverage";
    emitted live::Event = "service-event";
    emitted api::Gap = "service-event-gap";
    emitted api::FindingList = "service-findings";
    emitted new_accounts::LandingZone = "service-landing-zone";
    emitted live::LiveRound = "service-live-round";
    emitted notification::Notification = "service-notification";
    emitted api::Problem = "service-problem";
    emitted api::Readiness = "service-readiness";
    emitted api::RequestedRound = "service-requested-round";
    emitted service::Round = "service-round";
    emitted api::RoundDiff = "service-round-diff";
    emitted api::RoundList = "service-rounds";
    emitted api::ScheduleList = "service-schedules";
    emitted service::Signals = "service-signals";
    emitted api::SourceList = "service-sources";
    emitted service::Status = "service-status";
    emitted api::NewToken = "service-token";
    emitted sources::Report = "sources-report";
    emitted verification::Report = "verification-report";
}

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
