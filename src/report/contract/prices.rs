//! Prices, and what is estimated with them.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::mirror;
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

mirror! {
    /// An upper estimate of what a consolidation needs.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Estimate from consolidation::Estimate {
        /// The requests, by IAM action.
        requests: Vec<Requests> => each,
        /// The price of all requests.
        requests_usd: f64 = total_usd => into,
        /// The storage class of the copies.
        storage_class: &'static str,
        /// The price of storing the copies.
        storage_usd_per_month: f64 = stored_usd_a_month => into,
        /// The price of the transfer, where orgtrail runs in another Region than the source.
        transfer_between_regions_usd: f64 = between_regions_usd => into,
        /// The price of the transfer, where orgtrail runs outside AWS.
        transfer_to_internet_usd: f64 = to_internet_usd => into,
    }
}

mirror! {
    /// The requests of one kind.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Requests from consolidation::Requests {
        /// The IAM action.
        action: &'static str = kind,
        /// How many.
        requests: u64,
        /// Their price.
        usd: f64 => into,
    }
}
