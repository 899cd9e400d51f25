use crate::archive::consolidate::discover::LegacyTrail;
use crate::cost::storage::StoredTotals;
use crate::cost::{Usd, prices};
use crate::report::contract::prices::PriceList;
use crate::report::contract::retirement as contract;

/// The bucket of a trail, which stays, with what it has of the trail's account.
#[derive(Debug)]
pub struct KeptBucket {
    /// The bucket.
    pub bucket: String,
    /// How many objects.
    pub objects: u64,
    /// Their size.
    pub size_bytes: u64,
    /// What they cost per month.
    pub usd_per_month: Usd,
    /// What they would cost in the cheapest storage class.
    pub deep_archive_usd_per_month: Usd,
    /// The prices.
    pub prices: prices::PriceList,
}

impl KeptBucket {
    /// What is stored in a trail's bucket, with its price.
    pub(super) fn new(trail: &LegacyTrail, stored: &StoredTotals) -> Self {
        let deep_archive = prices::storage("DEEP_ARCHIVE").unwrap_or(&prices::STORAGE[0]);
        Self {
            bucket: trail.bucket.to_string(),
            objects: stored.objects(),
            size_bytes: stored.bytes(),
            usd_per_month: stored.usd_a_month(),
            deep_archive_usd_per_month: stored.usd_a_month_as(deep_archive),
            prices: prices::LIST,
        }
    }

    /// The same as a document.
    pub(super) fn document(&self) -> contract::KeptBucket {
        contract::KeptBucket {
            bucket: self.bucket.clone(),
            objects: self.objects,
            size_bytes: self.size_bytes,
            usd_per_month: self.usd_per_month.0,
            deep_archive_usd_per_month: self.deep_archive_usd_per_month.0,
            prices: PriceList::current(),
        }
    }
}
