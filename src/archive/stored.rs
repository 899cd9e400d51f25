//! Reading of the documents that orgtrail stores: below `orgtrail/` in the archive, and in
//! bundles.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::words::json_fault;

/// Why stored text is not the expected document.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoredFault {
    /// It is not JSON, or lacks a field.
    #[error("it is malformed: {}", json_fault(_0))]
    Malformed(#[from] serde_json::Error),
    /// It is another document.
    #[error("it is the document `{found}`, expected `{expected}`")]
    OtherDocument {
        /// Its name.
        found: String,
        /// The expected name.
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

/// Reads a document of this name and version. Fields that this program does not know are
/// ignored: they may be added within a version.
///
/// # Errors
/// The text is another document, or lacks a field.
pub(super) fn read<T: DeserializeOwned>(
    text: &[u8],
    document: &'static str,
    version: u32,
) -> Result<T, StoredFault> {
    #[derive(Deserialize)]
    struct Head {
        document: String,
        version: u32,
    }
    let head: Head = serde_json::from_slice(text)?;
    if head.document != document {
        return Err(StoredFault::OtherDocument { found: head.document, expected: document });
    }
    if head.version != version {
        return Err(StoredFault::OtherVersion { found: head.version, expected: version });
    }
    Ok(serde_json::from_slice(text)?)
}

/// Reads a field that may be null and must be present: by default, serde treats a missing
/// optional field as null.
///
/// # Errors
/// The value is neither null nor a `T`.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::archive::accept::Acceptance;
    use crate::archive::bundle::Manifest;
    use crate::archive::retired::Retired;

    /// Whether the document is read, and read without none of its fields.
    fn needs_each_field<T: DeserializeOwned>(document: &Value, name: &'static str) {
        let is_read = |document: &Value| read::<T>(document.to_string().as_bytes(), name, 1);
        is_read(document).unwrap();
        for field in document.as_object().unwrap().keys() {
            let mut without = document.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(is_read(&without).is_err(), "{name} without {field}");
        }
        let mut more = document.clone();
        more["added_later"] = 1.into();
        is_read(&more).unwrap();
        for (field, other, says) in [
            ("document", json!("plan"), format!("it is the document `plan`, expected `{name}`")),
            ("version", json!(0), "it has version 0, expected 1".to_owned()),
            ("version", json!(2), "it has version 2, expected 1".to_owned()),
        ] {
            let mut changed = document.clone();
            changed[field] = other;
            let Err(fault) = is_read(&changed) else { panic!("{changed} is read") };
            assert_eq!(fault.to_string(), says);
        }
    }

    #[test]
    fn a_stored_document_with_a_missing_field_or_of_another_kind_or_version_is_refused() {
        let at = "2026-01-02T03:04:05Z";
        let acceptance = json!({
            "document": "acceptance", "version": 1, "number": 0, "previous_sha256": null,
            "key": "AWSLogs/x", "version_id": null, "sha256": "aa", "size_bytes": 1,
            "findings": [], "contradicts_digest": false, "reason": "known",
            "accepted_by": "arn:aws:iam::111111111111:user/admin", "accepted_at": at,
            "program": "orgtrail test",
        });
        needs_each_field::<Acceptance>(&acceptance, "acceptance");
        let retired = json!({
            "document": "retired-trail", "version": 1, "bucket": null,
            "trail": "arn:aws:cloudtrail:us-east-1:333333333333:trail/old",
            "retired_by": "arn:aws:iam::111111111111:user/admin", "retired_at": at,
            "already_deleted": true,
        });
        needs_each_field::<Retired>(&retired, "retired-trail");
        let manifest = json!({
            "document": "bundle-manifest", "version": 1, "packed_at": at, "source": "s3://b",
            "from": at, "to": at, "archive_root": null, "organization": null, "bucket": null,
            "followed_buckets": [], "omitted": [], "regions_without_public_keys": [],
            "files": [],
        });
        needs_each_field::<Manifest>(&manifest, "bundle-manifest");
    }
}
