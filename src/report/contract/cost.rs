//! The cost report: `orgtrail cost`.

use schemars::JsonSchema;
use serde::Serialize;

use super::event_data_store::EventDataStores;
use super::mirror;
use super::prices::PriceList;
use super::sources::{Counting, MissingSource, Source, UnreadableRegion};
use crate::cost::{athena, duplicates, storage};
use crate::names::Arn;

/// What the trails and the archive cost a month.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The prices of the estimates.
    pub prices: PriceList,
    /// Whether the organization trail records the first, free copy of management events; null
    /// where that could not be read.
    pub organization_trail_logging: Option<bool>,
    /// The copies of events that other trails record.
    pub duplicates: Vec<Duplicate>,
    /// The sources whose buckets were deleted.
    pub missing_sources: Vec<MissingSource>,
    /// The sources that the configuration excludes.
    pub excluded_sources: Vec<Source>,
    /// The objects of the archive, by storage class.
    pub storage: Vec<StoredObjects>,
    /// How the objects of the archive were counted.
    pub storage_counting: Counting,
    /// The price of the KMS key.
    pub kms_key_usd_per_month: f64,
    /// The price of the duplicates.
    pub duplicates_usd_per_month: f64,
    /// The price of the archive's storage.
    pub storage_usd_per_month: f64,
    /// What Athena costs; null where it is not configured, or could not be read.
    pub athena: Option<Athena>,
    /// The sum, without queries.
    pub total_usd_per_month: f64,
    /// The accounts and Regions that could not be read, and trails that cannot be used.
    pub unreadable_regions: Vec<UnreadableRegion>,
    /// Event data stores of CloudTrail Lake: they are charged for what they ingest, which AWS
    /// does not report.
    pub event_data_stores: EventDataStores,
    /// Other reads that failed.
    pub failures: Vec<FailedRead>,
}

/// A read that failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FailedRead {
    /// What failed, and why.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

mirror! {
    /// The copies of events in a source.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Duplicate from duplicates::Duplicate {
        /// The name of the source.
        source: String,
        /// The trails that deliver there.
        trails: Vec<Arn>,
        /// The data of the estimate.
        basis: Basis => into,
        /// Management events.
        management_events_per_month: u64 = management_events_a_month,
        /// Data and network activity events.
        data_events_per_month: u64 = data_events_a_month,
        /// Their price.
        usd_per_month: f64 = usd_a_month => into,
    }
}

/// The data of an estimate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Basis {
    /// Whole days before today whose log files were listed.
    pub days: u64,
    /// The log files of these days.
    pub log_files: u64,
    /// The size of these log files, as stored.
    pub size_bytes: u64,
    /// The log files that were read.
    pub sampled_log_files: u64,
    /// The size of the log files that were read, as stored.
    pub sampled_bytes: u64,
    /// The management events in them.
    pub sampled_management_events: u64,
    /// The data and network activity events in them.
    pub sampled_data_events: u64,
}

/// The objects of a storage class.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StoredObjects {
    /// The storage class.
    pub storage_class: String,
    /// How many.
    pub objects: u64,
    /// Their size.
    pub size_bytes: u64,
    /// The size that is charged in their class.
    pub charged_bytes: u64,
    /// The size that is also charged as `STANDARD`.
    pub charged_standard_bytes: u64,
    /// The objects that Intelligent-Tiering monitors.
    pub monitored_objects: u64,
    /// Their price; null for a class without a known price.
    pub usd_per_month: Option<f64>,
}

/// What Athena costs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Athena {
    /// The exported events, by storage class.
    pub export: Vec<StoredObjects>,
    /// Their price.
    pub export_usd_per_month: f64,
    /// What queries scan at most, and cost, by table.
    pub scans: Vec<Scan>,
}

mirror! {
    /// What queries of a table scan at most, and cost.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Scan from athena::ScanCost {
        /// The name of the table.
        table: String => into,
        /// Days with files.
        days: u64,
        /// What a query without conditions scans.
        size_bytes: u64 = bytes,
        /// Its price.
        usd_per_query: f64 = usd => into,
        /// What a query of one day of all accounts scans, on average.
        size_bytes_per_day: u64 = bytes_a_day,
        /// Its price.
        usd_per_query_of_a_day: f64 = usd_a_day => into,
    }
}

impl From<&athena::AthenaCosts> for Athena {
    fn from(costs: &athena::AthenaCosts) -> Self {
        Self {
            export: costs.export.iter().map(StoredObjects::from).collect(),
            export_usd_per_month: costs.export_usd_a_month.0,
            scans: costs.scans.iter().map(Scan::from).collect(),
        }
    }
}

impl From<duplicates::Basis> for Basis {
    fn from(basis: duplicates::Basis) -> Self {
        let duplicates::Basis { days, logs, bytes, read_logs, read_bytes, read_events } = basis;
        Self {
            days,
            log_files: logs,
            size_bytes: bytes,
            sampled_log_files: read_logs,
            sampled_bytes: read_bytes,
            sampled_management_events: read_events.management,
            sampled_data_events: read_events.data,
        }
    }
}

impl From<&storage::ClassCost> for StoredObjects {
    fn from(cost: &storage::ClassCost) -> Self {
        let storage::ClassCost { class, totals, usd_a_month } = cost.clone();
        let storage::ClassTotals { objects, bytes, charged_bytes, charged_standard_bytes, watched } =
            totals;
        Self {
            storage_class: class,
            objects,
            size_bytes: bytes,
            charged_bytes,
            charged_standard_bytes,
            monitored_objects: watched,
            usd_per_month: usd_a_month.map(|usd| usd.0),
        }
    }
}
