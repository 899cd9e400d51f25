//! Event data stores of CloudTrail Lake: a part of the coverage and cost reports.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cost::prices;
use crate::names::{AccountId, Arn, Region};
use crate::org::{self, Billing};

/// The event data stores of the management and log-archive accounts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EventDataStores {
    /// The stores, sorted by ARN.
    pub stores: Vec<EventDataStore>,
    /// The accounts and Regions that could not be read.
    pub unreadable: Vec<UnreadableStores>,
}

/// An event data store.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EventDataStore {
    /// Its ARN.
    pub arn: Arn,
    /// Its name.
    pub name: String,
    /// Whether it ingests events.
    pub enabled: bool,
    /// Whether it collects the events of the whole organization.
    pub organization: bool,
    /// Whether it collects the events of all Regions.
    pub multi_region: bool,
    /// How many days it keeps events; null if that is unknown.
    pub retention_days: Option<u32>,
    /// Whether it is protected from deletion.
    pub termination_protection: bool,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// The price of a GB that it ingests; null if its billing mode is unknown.
    pub usd_per_ingested_gb: Option<f64>,
}

/// An account and Region whose event data stores could not be read.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct UnreadableStores {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// Why.
    pub reason: String,
}

impl From<&org::EventDataStores> for EventDataStores {
    fn from(read: &org::EventDataStores) -> Self {
        let store = |store: &org::EventDataStore| EventDataStore {
            arn: store.arn.clone(),
            name: store.name.clone(),
            enabled: store.is_enabled,
            organization: store.of_organization,
            multi_region: store.of_all_regions,
            retention_days: store.retention_days,
            termination_protection: store.is_protected,
            created_at: store.created_at,
            usd_per_ingested_gb: match store.billing {
                Billing::Extendable => Some(prices::LAKE_EXTENDABLE_GB),
                Billing::Fixed => Some(prices::LAKE_FIXED_GB),
                Billing::Unknown => None,
            },
        };
        let unread = read.unread.iter().map(|(account, region, error)| UnreadableStores {
            account: account.clone(),
            region: region.clone(),
            reason: error.in_full(),
        });
        Self { stores: read.stores.iter().map(store).collect(), unreadable: unread.collect() }
    }
}
