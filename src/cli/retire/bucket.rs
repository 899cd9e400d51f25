//! What stays of a trail: its bucket, and what that costs.

use indicatif::{BinaryBytes, HumanCount};

use super::{Context, LegacyTrail, OpError};
use crate::cost::storage::Holdings;
use crate::cost::{Usd, prices};
use crate::report::contract::prices::PriceList;
use crate::report::contract::retirement::KeptBucket;

/// The bucket of a trail, with what it holds of the trail's account.
#[derive(Debug)]
pub(super) struct Bucket {
    name: String,
    objects: u64,
    bytes: u64,
    usd_a_month: Usd,
    /// What the same would cost in the cheapest class.
    usd_a_month_in_deep_archive: Usd,
    prices: prices::PriceList,
}

impl Bucket {
    /// What is held in a trail's bucket, with its price.
    pub(super) fn of(trail: &LegacyTrail, held: &Holdings) -> Self {
        let deep = prices::storage("DEEP_ARCHIVE").unwrap_or(&prices::STORAGE[0]);
        Self {
            name: trail.bucket.to_string(),
            objects: held.objects(),
            bytes: held.bytes(),
            usd_a_month: held.usd_a_month(),
            usd_a_month_in_deep_archive: held.usd_a_month_as(deep),
            prices: prices::LIST,
        }
    }

    /// The same for a document.
    pub(super) fn document(&self) -> KeptBucket {
        KeptBucket {
            bucket: self.name.clone(),
            objects: self.objects,
            size_bytes: self.bytes,
            usd_per_month: self.usd_a_month.0,
            deep_archive_usd_per_month: self.usd_a_month_in_deep_archive.0,
            prices: PriceList::current(),
        }
    }

    /// Says what stays, and what can be done with it.
    pub(super) fn tell(&self, context: &Context) -> Result<(), OpError> {
        context.out.data(format_args!(
            "the bucket {} stays: {} objects of this account ({}) cost {} a month",
            self.name,
            HumanCount(self.objects),
            BinaryBytes(self.bytes),
            self.usd_a_month,
        ))?;
        context.out.note(format_args!(
            "what to do with it: keep it until the archive's copies were verified once more; then let a lifecycle rule expire it, or move it to DEEP_ARCHIVE ({} a month). orgtrail deletes nothing.",
            self.usd_a_month_in_deep_archive,
        ));
        context.out.note(self.prices);
        Ok(())
    }
}
