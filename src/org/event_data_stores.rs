use aws_sdk_cloudtrail::operation::get_event_data_store::GetEventDataStoreOutput;
use aws_sdk_cloudtrail::types::{BillingMode, EventDataStoreStatus};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use crate::aws::{At as _, Aws, AwsError, Clients, Observation};
use crate::names::{AccountId, Arn, Region};

/// Accounts and Regions that are read at the same time.
const AT_ONCE: usize = 16;

/// An event data store of CloudTrail Lake, which is closed to new customers.
///
/// Source: CloudTrail `GetEventDataStore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDataStore {
    /// Its ARN.
    pub arn: Arn,
    /// Its name.
    pub name: String,
    /// Whether it ingests events.
    pub is_enabled: bool,
    /// Whether it collects the events of the whole organization.
    pub of_organization: bool,
    /// Whether it collects the events of all Regions.
    pub of_all_regions: bool,
    /// How long it keeps events. Units: days.
    pub retention_days: Option<u32>,
    /// Whether it cannot be deleted without disabling the protection.
    pub is_protected: bool,
    /// How it is charged.
    pub billing: Billing,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

/// How an event data store is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    /// `EXTENDABLE_RETENTION_PRICING`: ingestion with a year of retention, then storage.
    Extendable,
    /// `FIXED_RETENTION_PRICING`: ingestion with seven years of retention.
    Fixed,
    /// Another mode, or none that was read.
    Unknown,
}

/// The event data stores of some accounts and Regions.
#[derive(Debug, Clone, Default)]
pub struct EventDataStores {
    /// The stores, sorted by ARN.
    pub stores: Vec<EventDataStore>,
    /// The accounts and Regions that could not be read.
    pub unread: Vec<(AccountId, Region, AwsError)>,
}

impl EventDataStores {
    /// Reads those of some accounts in some Regions. Organization-wide ones are in the
    /// management account or in that of a delegated administrator.
    pub async fn read(aws: &Aws, accounts: &[&AccountId], regions: &[Region]) -> Self {
        let places: Vec<(AccountId, Region)> = accounts
            .iter()
            .flat_map(|account| regions.iter().map(|region| ((*account).clone(), region.clone())))
            .collect();
        let read: Vec<_> = stream::iter(places)
            .map(async |(account, region)| {
                let clients = aws.clients(&account, &region);
                let read = Box::pin(read_in(&clients)).await;
                (account, region, read)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut all = Self::default();
        for (account, region, read) in read {
            match read {
                Observation::Present(stores) => all.stores.extend(stores),
                Observation::Absent => {}
                Observation::Unreadable(error) => all.unread.push((account, region, error)),
            }
        }
        all.stores.sort_by_key(|store| store.arn.to_string());
        all.unread.sort_by_key(|(account, region, _)| (account.clone(), region.clone()));
        all
    }
}

/// The stores of an account and Region; absent where CloudTrail Lake does not exist.
async fn read_in(clients: &Clients) -> Observation<Vec<EventDataStore>> {
    Observation::from_result(list(clients).await, |error| {
        ["UnsupportedOperationException", "UnknownOperationException"]
            .iter()
            .any(|code| error.is_code(code))
    })
}

async fn list(clients: &Clients) -> Result<Vec<EventDataStore>, AwsError> {
    const LIST: &str = "cloudtrail:ListEventDataStores";
    const GET: &str = "cloudtrail:GetEventDataStore";
    let (mut stores, mut token) = (Vec::new(), None);
    loop {
        let call = clients.cloudtrail().list_event_data_stores().set_next_token(token);
        let page = call.send().await.at(clients, LIST)?;
        for listed in page.event_data_stores() {
            let arn = listed.event_data_store_arn().unwrap_or_default();
            let got = clients.cloudtrail().get_event_data_store().event_data_store(arn);
            match got.send().await.at(clients, GET) {
                Ok(store) if store.status() == Some(&EventDataStoreStatus::PendingDeletion) => {}
                Ok(store) => stores.push(
                    read(&store)
                        .ok_or_else(|| clients.malformed(GET, &format!("the ARN `{arn}`")))?,
                ),
                // Deleted meanwhile.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        token = page.next_token;
        if token.is_none() {
            return Ok(stores);
        }
    }
}

/// A store; nothing if its ARN is malformed.
fn read(store: &GetEventDataStoreOutput) -> Option<EventDataStore> {
    Some(EventDataStore {
        arn: store.event_data_store_arn()?.parse().ok()?,
        name: store.name().unwrap_or_default().to_owned(),
        is_enabled: store.status() == Some(&EventDataStoreStatus::Enabled),
        of_organization: store.organization_enabled() == Some(true),
        of_all_regions: store.multi_region_enabled() == Some(true),
        retention_days: store.retention_period().and_then(|days| u32::try_from(days).ok()),
        is_protected: store.termination_protection_enabled() == Some(true),
        billing: match store.billing_mode() {
            Some(BillingMode::ExtendableRetentionPricing) => Billing::Extendable,
            Some(BillingMode::FixedRetentionPricing) => Billing::Fixed,
            _ => Billing::Unknown,
        },
        created_at: store.created_timestamp().and_then(|at| Timestamp::from_second(at.secs()).ok()),
    })
}
