//! CloudTrail Lake, as far as it is read: event data stores that exist already. New customers
//! cannot create any.

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Arn, Partition, Region};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, page};
use crate::services::input::{account, seconds};

/// The most stores of one answer.
const PAGE: usize = 1000;

/// An event data store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventDataStore {
    arn: String,
    region: Region,
    name: String,
    organization: bool,
    retention_days: u32,
    termination_protection: bool,
    created_at: Timestamp,
}

impl EventDataStore {
    /// A multi-Region store with extendable retention.
    pub(crate) fn new(
        (partition, region, owner): (Partition, &Region, &AccountId),
        id: &str,
        name: &str,
        organization: bool,
        created_at: Timestamp,
    ) -> Self {
        let resource = format!("eventdatastore/{id}");
        Self {
            arn: Arn::regional(partition, "cloudtrail", region, owner, resource).to_string(),
            region: region.clone(),
            name: name.to_owned(),
            organization,
            retention_days: 366,
            termination_protection: true,
            created_at,
        }
    }

    fn in_full(&self) -> Value {
        json!({
            "EventDataStoreArn": self.arn,
            "Name": self.name,
            "Status": "ENABLED",
            "AdvancedEventSelectors": [{
                "Name": "Default management events",
                "FieldSelectors": [{ "Field": "eventCategory", "Equals": ["Management"] }],
            }],
            "MultiRegionEnabled": true,
            "OrganizationEnabled": self.organization,
            "RetentionPeriod": self.retention_days,
            "TerminationProtectionEnabled": self.termination_protection,
            "CreatedTimestamp": seconds(self.created_at),
            "UpdatedTimestamp": seconds(self.created_at),
            "BillingMode": "EXTENDABLE_RETENTION_PRICING",
        })
    }
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let limit = input::limit(call.input, "MaxResults", PAGE, PAGE)
        .ok_or_else(|| ApiError::new("InvalidMaxResultsException", "MaxResults is 1 to 1000"))?;
    let stores = &account(control, &call.caller.account)?.cloudtrail.event_data_stores;
    let here = stores.iter().filter(|store| store.region == *call.region).map(|store| {
        (store.arn.clone(), json!({ "EventDataStoreArn": store.arn, "Name": store.name }))
    });
    page(call, "EventDataStores", here, limit)
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let wanted = input::text(call.input, "EventDataStore").unwrap_or_default();
    let stores = &account(control, &call.caller.account)?.cloudtrail.event_data_stores;
    let is_it = |store: &&EventDataStore| {
        store.arn == wanted || store.arn.rsplit('/').next() == Some(wanted)
    };
    let found = stores.iter().find(|store| is_it(store) && store.region == *call.region);
    call.allow(control, found.map_or("*", |store| store.arn.as_str()))?;
    found.map(EventDataStore::in_full).ok_or_else(|| {
        ApiError::new("EventDataStoreNotFoundException", "the event data store does not exist")
    })
}
