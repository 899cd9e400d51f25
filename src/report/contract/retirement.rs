//! The report of `orgtrail retire`.

use schemars::JsonSchema;
use serde::Serialize;

use super::mirror;
use super::prices::PriceList;
use crate::archive::retire;
use crate::names::Arn;

/// Whether a legacy trail is safe to delete, and whether it was deleted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The trail.
    pub trail: Arn,
    /// The conditions; empty where the trail does not exist.
    pub conditions: Vec<Condition>,
    /// Whether every condition passed.
    pub deletable: bool,
    /// Whether the trail is deleted.
    pub retired: bool,
    /// The bucket of the trail, which stays; null where it could not be read or does not exist.
    pub bucket: Option<KeptBucket>,
}

mirror! {
    /// The status of a condition.
    Status of retire::ConditionStatus {
        /// It is met.
        #[serde(rename = "passed")]
        Met,
        /// A read failed.
        #[serde(rename = "unknown")]
        Unreadable,
        /// It is not met.
        #[serde(rename = "failed")]
        NotMet,
    }
}

mirror! {
    /// A condition for deleting a trail.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Condition from retire::Condition {
        /// What must be true.
        name: &'static str,
        /// Whether it is.
        status: Status => into,
        /// Why.
        reason: String,
    }
}

/// The bucket of a trail, with the objects of the trail's account.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeptBucket {
    /// The bucket.
    pub bucket: String,
    /// The objects of the account.
    pub objects: u64,
    /// Their size.
    pub size_bytes: u64,
    /// The price of their storage.
    pub usd_per_month: f64,
    /// The price of their storage in `DEEP_ARCHIVE`.
    pub deep_archive_usd_per_month: f64,
    /// The prices.
    pub prices: PriceList,
}
