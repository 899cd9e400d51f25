//! Restores objects from archive classes temporarily, so a later run can copy them.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{self, GlacierJobParameters, ObjectStorageClass, RestoreRequest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{At, AwsError, WriteClients};
use crate::names::BucketName;

/// A storage class whose objects must be restored before they can be read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Class {
    /// Glacier Flexible Retrieval.
    #[serde(rename = "GLACIER")]
    Glacier,
    /// Glacier Deep Archive.
    #[serde(rename = "DEEP_ARCHIVE")]
    DeepArchive,
}

impl Class {
    /// As S3 names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// The class from a listing; `None` if objects of the class can be read.
    pub(in crate::archive) fn of(class: Option<&ObjectStorageClass>) -> Option<Self> {
        match class? {
            ObjectStorageClass::Glacier => Some(Self::Glacier),
            ObjectStorageClass::DeepArchive => Some(Self::DeepArchive),
            _ => None,
        }
    }
}

/// An object that must be restored before it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Archived {
    /// Its class.
    pub class: Class,
    /// Whether it is being restored.
    pub restoring: bool,
}

/// The speed and price of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Tier {
    /// The cheapest: within 12 hours, or 48 hours for Deep Archive.
    Bulk,
    /// Within hours.
    Standard,
}

impl Tier {
    /// As S3 names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bulk => "Bulk",
            Self::Standard => "Standard",
        }
    }
}

/// The parameters of restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Restore {
    /// The speed.
    pub tier: Tier,
    /// The number of days that the restored copy is available.
    pub days: u16,
}

/// The parameters and clients to restore objects of a source.
#[derive(Debug, Clone)]
pub(super) struct Restoring {
    pub(super) how: Restore,
    /// The source's clients.
    pub(super) clients: WriteClients,
}

/// Starts restoring an object, unless it is already being restored.
pub(super) async fn start(
    clients: &WriteClients,
    bucket: &BucketName,
    key: &str,
    restore: Restore,
) -> Result<(), AwsError> {
    let tier = types::Tier::from(restore.tier.as_str());
    let request = RestoreRequest::builder()
        .days(i32::from(restore.days))
        .set_glacier_job_parameters(GlacierJobParameters::builder().tier(tier).build().ok())
        .build();
    let started = clients
        .s3()
        .restore_object()
        .bucket(bucket.as_str())
        .key(key)
        .restore_request(request)
        .send()
        .await
        .at(clients, "s3:RestoreObject");
    match started {
        Err(error) if !error.is_code("RestoreAlreadyInProgress") => Err(error),
        _ => Ok(()),
    }
}

/// The archived objects, by class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedTotals(pub BTreeMap<Class, ArchivedTotal>);

/// The objects of one class that must be restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedTotal {
    /// How many.
    pub objects: u64,
    /// Units: bytes.
    pub bytes: u64,
    /// The number of objects that are being restored.
    pub restoring: u64,
    /// Units: bytes, of those.
    pub restoring_bytes: u64,
}

impl ArchivedTotals {
    /// Adds other objects.
    pub fn join(&mut self, other: Self) {
        for (class, ArchivedTotal { objects, bytes, restoring, restoring_bytes }) in other.0 {
            let sum = self.0.entry(class).or_default();
            sum.objects += objects;
            sum.bytes += bytes;
            sum.restoring += restoring;
            sum.restoring_bytes += restoring_bytes;
        }
    }

    /// Counts one object.
    pub fn add(&mut self, archived: Archived, size_bytes: u64) {
        let sum = self.0.entry(archived.class).or_default();
        sum.objects += 1;
        sum.bytes += size_bytes;
        if archived.restoring {
            sum.restoring += 1;
            sum.restoring_bytes += size_bytes;
        }
    }
}
