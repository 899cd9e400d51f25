//! What moving objects into the archive takes and costs.

use super::Usd;
use super::prices::{self, GB_BETWEEN_REGIONS, GB_TO_INTERNET, TEN_THOUSAND_KMS_REQUESTS};
use crate::archive::consolidate::record::Counts;

/// Keys on a page of a listing.
const KEYS_A_PAGE: u64 = 1000;

/// Requests of one kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Requests {
    /// The call.
    pub kind: &'static str,
    /// How many, at most.
    pub requests: u64,
    /// What they cost.
    pub usd: Usd,
}

/// What a run will take.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Every kind of request.
    pub requests: Vec<Requests>,
    /// All of them.
    pub total_usd: Usd,
    /// The class that they are written in.
    pub storage_class: &'static str,
    /// What the copied bytes then cost a month.
    pub stored_usd_a_month: Usd,
    /// What the bytes cost on their way, where orgtrail runs in another Region
    /// than the source.
    pub between_regions_usd: Usd,
    /// The same where orgtrail runs outside of AWS.
    pub to_internet_usd: Usd,
}

/// Reckons what a run takes from what a dry run of the same counted over so
/// many lanes. A class without a price is taken for `STANDARD`.
///
/// At the most: every object is read and written once. What is copied by S3
/// itself needs no read, and S3 Bucket Keys make nearly all KMS requests
/// unnecessary.
#[must_use]
pub fn estimate(counts: &Counts, log_prefixes: u64, storage_class: &str) -> Estimate {
    let standard = &prices::STORAGE[0];
    let written = prices::storage(storage_class).unwrap_or(standard);
    // Both sides of every lane, and its next page.
    let pages = 2 * log_prefixes + counts.source / KEYS_A_PAGE + counts.present / KEYS_A_PAGE;
    let of = |kind, requests, price, for_each| Requests {
        kind,
        requests,
        usd: Usd::of(requests, price, for_each),
    };
    let requests = vec![
        of("s3:ListObjectsV2", pages, standard.thousand_puts, 1000),
        of("s3:GetObject", counts.copied, standard.thousand_gets, 1000),
        of("s3:PutObject", counts.copied, written.thousand_puts, 1000),
        of("kms:GenerateDataKey", counts.copied, TEN_THOUSAND_KMS_REQUESTS, 10_000),
    ];
    Estimate {
        total_usd: requests.iter().map(|requests| requests.usd).sum(),
        requests,
        storage_class: written.class,
        stored_usd_a_month: Usd::of_bytes(counts.copied_bytes, written.gb_month),
        between_regions_usd: Usd::of_bytes(counts.copied_bytes, GB_BETWEEN_REGIONS),
        to_internet_usd: Usd::of_bytes(counts.copied_bytes, GB_TO_INTERNET),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_read_and_written_once() {
        let counts = Counts {
            source: 5_000_000,
            present: 4_000_000,
            copied: 1_000_000,
            copied_bytes: 10 << 30,
            ..Counts::default()
        };
        let estimate = estimate(&counts, 100, "STANDARD");
        let numbers: Vec<u64> = estimate.requests.iter().map(|kind| kind.requests).collect();
        assert_eq!(numbers, [9200, 1_000_000, 1_000_000, 1_000_000]);
        // 9200 listings, a million reads, writes and data keys.
        assert!((estimate.total_usd.0 - (0.046 + 0.4 + 5.0 + 3.0)).abs() < 1e-9);
        assert!((estimate.stored_usd_a_month.0 - 0.23).abs() < 1e-9);
    }

    #[test]
    fn nothing_to_move_costs_its_listings() {
        let estimate = estimate(&Counts::default(), 0, "GLACIER_IR");
        assert_eq!(estimate.total_usd, Usd(0.0));
    }
}
