//! Prices, and what is estimated with them.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cost::{consolidation, prices};

/// The prices that amounts are estimated with: list prices, without discounts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PriceList {
    /// The day of the prices.
    pub as_of: Date,
    /// The Region of the prices.
    pub region: &'static str,
    /// The currency.
    pub currency: &'static str,
    /// Where AWS publishes them.
    pub sources: Vec<&'static str>,
}

impl PriceList {
    /// The prices of this version of orgtrail.
    #[must_use]
    pub fn current() -> Self {
        let prices::PriceList { as_of, region, currency, sources } = prices::LIST;
        Self { as_of, region, currency, sources: sources.into() }
    }
}

/// An upper estimate of what a consolidation needs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Estimate {
    /// The requests, by IAM action.
    pub requests: Vec<Requests>,
    /// The price of all requests.
    pub requests_usd: f64,
    /// The storage class of the copies.
    pub storage_class: &'static str,
    /// The price of storing the copies.
    pub storage_usd_per_month: f64,
    /// The price of the transfer, where orgtrail runs in another Region than the source.
    pub transfer_between_regions_usd: f64,
    /// The price of the transfer, where orgtrail runs outside AWS.
    pub transfer_to_internet_usd: f64,
}

/// The requests of one kind.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Requests {
    /// The IAM action.
    pub action: &'static str,
    /// How many.
    pub requests: u64,
    /// Their price.
    pub usd: f64,
}

impl From<&consolidation::Estimate> for Estimate {
    fn from(estimate: &consolidation::Estimate) -> Self {
        let consolidation::Estimate {
            requests,
            total_usd,
            storage_class,
            stored_usd_a_month,
            between_regions_usd,
            to_internet_usd,
        } = estimate;
        let of_kind = |it: &consolidation::Requests| Requests {
            action: it.kind,
            requests: it.requests,
            usd: it.usd.0,
        };
        Self {
            requests: requests.iter().map(of_kind).collect(),
            requests_usd: total_usd.0,
            storage_class,
            storage_usd_per_month: stored_usd_a_month.0,
            transfer_between_regions_usd: between_regions_usd.0,
            transfer_to_internet_usd: to_internet_usd.0,
        }
    }
}
