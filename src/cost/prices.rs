//! AWS's list prices, the only place that has them.
//!
//! US dollars, without taxes, free tiers and discounts, for [`REGION`]; other
//! Regions cost up to about twice as much. They change seldom, and never by
//! themselves here: change [`AS_OF`] with them.
//!
//! AWS's pricing pages fill their tables by script, so most prices were held
//! against what others read of them: "list" is AWS's price list as its Pricing API
//! gives it (published readings of October 2025 and later), "guides" are published
//! tables of May and June 2026 that agree. What is marked "not confirmed" stands
//! here as it was known, and was found nowhere.

use jiff::civil::{Date, date};

use super::Usd;

/// The day for which the prices hold.
pub const AS_OF: Date = date(2026, 6, 1);
/// The Region whose prices they are.
pub const REGION: &str = "us-east-1";
/// Where AWS publishes them.
pub const SOURCES: [&str; 5] = [
    "https://aws.amazon.com/s3/pricing/",
    "https://aws.amazon.com/cloudtrail/pricing/",
    "https://aws.amazon.com/kms/pricing/",
    "https://aws.amazon.com/cloudwatch/pricing/",
    "https://aws.amazon.com/athena/pricing/",
];

/// What a storage class costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoragePrice {
    /// The class, as S3 names it.
    pub class: &'static str,
    /// A GB kept for a month; of the first 50 TB. Source: list; guides for
    /// `DEEP_ARCHIVE`.
    pub gb_month: f64,
    /// A thousand PUT, COPY, POST or LIST requests. Source: list; guides for
    /// `GLACIER`, where an older line of the list says 0.05.
    pub thousand_puts: f64,
    /// A thousand GET and other reading requests. Source: list.
    pub thousand_gets: f64,
    /// A GB read, where reading is charged. Source: list.
    pub gb_read: f64,
    /// A thousand objects watched for a month. Source: list.
    pub thousand_watched: f64,
    /// What an object is charged for at least. Units: bytes. Source: Amazon S3
    /// User Guide, "Understanding and managing Amazon S3 storage classes".
    pub least_bytes: u64,
    /// What is added to each object, charged as this class. Units: bytes.
    /// Source: as above, "Understanding archival storage".
    pub added_bytes: u64,
    /// What is added to each object, charged as `STANDARD`. Units: bytes.
    pub added_standard_bytes: u64,
}

const STANDARD: StoragePrice = StoragePrice {
    class: "STANDARD",
    gb_month: 0.023,
    thousand_puts: 0.005,
    thousand_gets: 0.0004,
    gb_read: 0.0,
    thousand_watched: 0.0,
    least_bytes: 0,
    added_bytes: 0,
    added_standard_bytes: 0,
};

/// What an object of an infrequent class is charged for at least.
const SMALLEST: u64 = 128 << 10;

/// Every storage class that an object can be found in.
pub const STORAGE: [StoragePrice; 7] = [
    STANDARD,
    StoragePrice {
        class: "STANDARD_IA",
        gb_month: 0.0125,
        thousand_puts: 0.01,
        thousand_gets: 0.001,
        gb_read: 0.01,
        least_bytes: SMALLEST,
        ..STANDARD
    },
    StoragePrice {
        class: "ONEZONE_IA",
        gb_month: 0.01,
        thousand_puts: 0.01,
        thousand_gets: 0.001,
        gb_read: 0.01,
        least_bytes: SMALLEST,
        ..STANDARD
    },
    // Its frequent tier: an object's own tier is not shown in a listing. Only
    // objects of 128 KB and more are watched.
    StoragePrice { class: "INTELLIGENT_TIERING", thousand_watched: 0.0025, ..STANDARD },
    StoragePrice {
        class: "GLACIER_IR",
        gb_month: 0.004,
        thousand_puts: 0.02,
        thousand_gets: 0.01,
        gb_read: 0.03,
        least_bytes: SMALLEST,
        ..STANDARD
    },
    StoragePrice {
        class: "GLACIER",
        gb_month: 0.0036,
        thousand_puts: 0.03,
        added_bytes: 32 << 10,
        added_standard_bytes: 8 << 10,
        ..STANDARD
    },
    StoragePrice {
        class: "DEEP_ARCHIVE",
        gb_month: 0.00099,
        thousand_puts: 0.05,
        added_bytes: 32 << 10,
        added_standard_bytes: 8 << 10,
        ..STANDARD
    },
];

/// What a storage class costs; `None` for one that is not in the table.
#[must_use]
pub fn storage(class: &str) -> Option<&'static StoragePrice> {
    STORAGE.iter().find(|price| price.class == class)
}

/// What a GB costs a month in each of some classes, in words.
#[must_use]
pub fn gb_month_in(classes: &[&str]) -> String {
    let priced = classes.iter().filter_map(|class| storage(class));
    let words: Vec<String> =
        priced.map(|price| format!("${} a GB in {}", price.gb_month, price.class)).collect();
    words.join(", ")
}

/// What restoring from an archive class costs, and how long it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RestorePrice {
    /// The class.
    pub class: &'static str,
    /// The tier of the restore, as S3 names it.
    pub tier: &'static str,
    /// A GB restored. Source: guides; for `GLACIER` also AWS re:Post, "How do I
    /// manage data retrieval costs", and for its `Bulk` the User Guide: free.
    pub gb: f64,
    /// A thousand objects restored. Source: as above for `GLACIER`; those of
    /// `DEEP_ARCHIVE` are not confirmed.
    pub thousand_requests: f64,
    /// How long it takes. Source: Amazon S3 User Guide, "Understanding archive
    /// retrieval options".
    pub takes: &'static str,
}

impl RestorePrice {
    /// What restoring so much costs.
    #[must_use]
    pub fn usd(&self, objects: u64, bytes: u64) -> Usd {
        Usd::of_bytes(bytes, self.gb) + Usd::of(objects, self.thousand_requests, 1000)
    }
}

/// Every way to restore.
pub const RESTORES: [RestorePrice; 5] = [
    RestorePrice {
        class: "GLACIER",
        tier: "Expedited",
        gb: 0.03,
        thousand_requests: 10.0,
        takes: "1 to 5 minutes",
    },
    RestorePrice {
        class: "GLACIER",
        tier: "Standard",
        gb: 0.01,
        thousand_requests: 0.05,
        takes: "3 to 5 hours",
    },
    RestorePrice {
        class: "GLACIER",
        tier: "Bulk",
        gb: 0.0,
        thousand_requests: 0.0,
        takes: "5 to 12 hours",
    },
    RestorePrice {
        class: "DEEP_ARCHIVE",
        tier: "Standard",
        gb: 0.02,
        thousand_requests: 0.1,
        takes: "up to 12 hours",
    },
    RestorePrice {
        class: "DEEP_ARCHIVE",
        tier: "Bulk",
        gb: 0.0025,
        thousand_requests: 0.025,
        takes: "up to 48 hours",
    },
];

/// What a restore costs; `None` where the class has no such tier.
#[must_use]
pub fn restore(class: &str, tier: &str) -> Option<&'static RestorePrice> {
    RESTORES.iter().find(|price| price.class == class && price.tier == tier)
}

/// A GB sent from a Region of AWS to another; less to `us-east-2`. Source: guides.
pub const GB_BETWEEN_REGIONS: f64 = 0.02;
/// A GB sent from AWS into the Internet, of the first 10 TB a month. Source: guides.
pub const GB_TO_INTERNET: f64 = 0.09;

/// Events that CloudTrail's prices are for.
pub const EVENTS: u64 = 100_000;
/// [`EVENTS`] management events of every copy but a Region's first, which is
/// free. Source: AWS's page, as of its older edition, and guides.
pub const FURTHER_MANAGEMENT_EVENTS: f64 = 2.0;
/// [`EVENTS`] data events, of every copy. Source: as above.
pub const DATA_EVENTS: f64 = 0.1;
/// [`EVENTS`] management events that one kind of Insights analyses. Source: guides;
/// AWS's User Guide says how they are counted, and no price.
pub const INSIGHTS_EVENTS: f64 = 0.35;

/// A KMS key for a month; its first two rotations add as much each. Source: AWS's
/// page; for the rotations its announcement of April 2024.
pub const KMS_KEY_MONTH: f64 = 1.0;
/// Ten thousand KMS requests. Source: AWS's page, and guides.
pub const TEN_THOUSAND_KMS_REQUESTS: f64 = 0.03;

/// A GB of CloudWatch Logs kept for a month, as compressed. Source: guides.
pub const LOGS_GB_MONTH: f64 = 0.03;
/// A CloudWatch alarm on one metric, for a month. Source: AWS's page.
pub const ALARM_MONTH: f64 = 0.1;

/// A GB that CloudTrail Lake ingests with a year of retention that can be extended. Source:
/// CloudTrail pricing; not confirmed.
pub const LAKE_EXTENDABLE_GB: f64 = 0.75;
/// A GB that CloudTrail Lake ingests with seven years of retention, of the first 5 TB a month.
/// Source: CloudTrail pricing; not confirmed.
pub const LAKE_FIXED_GB: f64 = 2.5;
/// A TB of 2^40 bytes that Athena's queries scan. Source: AWS's page.
pub const ATHENA_TB_SCANNED: f64 = 5.0;
/// What a query is charged for at least. Units: bytes. Source: AWS's page, "10 MB minimum".
pub const ATHENA_LEAST_SCAN_BYTES: u64 = 10 << 20;

/// From when and where the prices are.
#[derive(Debug, Clone, Copy)]
pub struct PriceList {
    /// The day for which they hold.
    pub as_of: Date,
    /// The Region whose prices they are.
    pub region: &'static str,
    /// Their currency.
    pub currency: &'static str,
    /// Where AWS publishes them.
    pub sources: [&'static str; 5],
}

/// From when and where the prices are.
pub const LIST: PriceList =
    PriceList { as_of: AS_OF, region: REGION, currency: "USD", sources: SOURCES };

impl std::fmt::Display for PriceList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "list prices as of {} in {}, {}, without discounts and free tiers",
            self.as_of, self.region, self.currency
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_a_lifecycle_has_its_price() {
        for class in crate::config::StorageClass::ALL {
            assert!(storage(class.as_str()).is_some(), "{class}");
        }
        assert_eq!(storage("REDUCED_REDUNDANCY"), None);
    }

    #[test]
    fn classes_are_priced_in_words() {
        assert_eq!(
            gb_month_in(&["STANDARD", "DEEP_ARCHIVE", "NONE"]),
            "$0.023 a GB in STANDARD, $0.00099 a GB in DEEP_ARCHIVE"
        );
    }

    #[test]
    fn every_class_that_needs_it_can_be_restored_cheaply_or_sooner() {
        for class in ["GLACIER", "DEEP_ARCHIVE"] {
            let (bulk, standard) = (restore(class, "Bulk"), restore(class, "Standard"));
            assert!(bulk.unwrap().gb < standard.unwrap().gb);
        }
        // AWS's own example: 15 million objects of 100 TB.
        let usd = restore("GLACIER", "Standard").unwrap().usd(15_000_000, 100 << 40);
        assert!((usd.0 - 1774.0).abs() < 1e-6, "{usd:?}");
    }
}
