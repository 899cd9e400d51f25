//! What Athena's queries scan, and what that costs.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::Usd;
use super::prices::{ATHENA_LEAST_SCAN_BYTES, ATHENA_TB_SCANNED};
use super::storage::{ClassCost, StoredTotals};
use crate::archive::batches::day_of;

/// Files that a table covers. Units: bytes as stored: Athena charges compressed files so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Their size.
    pub bytes: u64,
    /// The days that they are of.
    pub days: BTreeSet<Date>,
}

impl Scanned {
    /// Adds files of some days. Athena does not read those of archive classes.
    pub fn add(&mut self, totals: &StoredTotals, days: impl IntoIterator<Item = Date>) {
        let read = totals.0.iter().filter(|(class, _)| is_read(class));
        let bytes: u64 = read.map(|(_, totals)| totals.bytes).sum();
        self.bytes = self.bytes.saturating_add(bytes);
        self.days.extend(days);
    }

    /// Adds one file.
    pub fn add_file(&mut self, class: &str, bytes: u64, day: Date) {
        if is_read(class) {
            self.bytes = self.bytes.saturating_add(bytes);
        }
        self.days.insert(day);
    }
}

/// Whether Athena reads files of a storage class without a restore.
///
/// Source: Athena User Guide, "Query restored Amazon S3 Glacier objects".
fn is_read(class: &str) -> bool {
    !matches!(class, "GLACIER" | "DEEP_ARCHIVE")
}

/// What one query of a whole table costs at most, and one of a day.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanCost {
    /// The table's name.
    pub table: &'static str,
    /// Days with files.
    pub days: u64,
    /// What a query without conditions scans. Units: bytes.
    pub bytes: u64,
    /// Its price.
    pub usd: Usd,
    /// What a query of one day of all accounts scans, on average. Units: bytes.
    pub bytes_a_day: u64,
    /// Its price.
    pub usd_a_day: Usd,
}

impl ScanCost {
    /// The costs of queries of a table.
    #[must_use]
    pub fn of(table: &'static str, scanned: &Scanned) -> Self {
        let days = scanned.days.len() as u64;
        let bytes_a_day = scanned.bytes / days.max(1);
        Self {
            table,
            days,
            bytes: scanned.bytes,
            usd: usd(scanned.bytes),
            bytes_a_day,
            usd_a_day: usd(bytes_a_day),
        }
    }
}

/// The price of a query. Each is charged for a least number of bytes.
fn usd(bytes: u64) -> Usd {
    Usd::of(bytes.max(ATHENA_LEAST_SCAN_BYTES), ATHENA_TB_SCANNED, 1 << 40)
}

/// What Athena costs.
#[derive(Debug, Clone, PartialEq)]
pub struct AthenaCosts {
    /// The exported events, by storage class; none without an export.
    pub export: Vec<ClassCost>,
    /// What they cost a month.
    pub export_usd_a_month: Usd,
    /// The queries, by table.
    pub scans: Vec<ScanCost>,
}

/// The day of a log file of events by its key: `…/CloudTrail/<Region>/2026/01/31/…`.
#[must_use]
pub fn day_of_log(key: &str) -> Option<Date> {
    let (_, rest) = key.rsplit_once("/CloudTrail/")?;
    let (_, path) = rest.split_once('/')?;
    day_of(path)
}

/// The day of an exported file by its key: `…/day=2026-01-31/…`. Athena ignores files whose names
/// begin with `_` or `.`, such as manifests.
#[must_use]
pub fn day_of_export(key: &str) -> Option<Date> {
    let (_, rest) = key.rsplit_once("/day=")?;
    let (day, file) = rest.split_once('/')?;
    let is_read = day.len() == "2026-01-31".len() && !file.starts_with(['_', '.']);
    day.parse().ok().filter(|_| is_read)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_query_costs_by_the_terabyte_and_has_a_least_price() {
        assert_eq!(usd(1 << 40), Usd(5.0));
        assert_eq!(usd(0), usd(ATHENA_LEAST_SCAN_BYTES));
        assert!(usd(1).0 > 0.0);
    }

    #[test]
    fn a_day_is_the_average_of_all_days() {
        let mut scanned = Scanned::default();
        let mut totals = StoredTotals::default();
        totals.add("STANDARD", 3 << 30);
        totals.add("DEEP_ARCHIVE", 1 << 40);
        scanned.add(&totals, [date(2026, 1, 1), date(2026, 1, 2)]);
        scanned.add_file("GLACIER_IR", 1 << 30, date(2026, 1, 2));
        scanned.add_file("GLACIER", 1 << 30, date(2026, 1, 3));
        let cost = ScanCost::of("logs", &scanned);
        assert_eq!((cost.days, cost.bytes), (3, 4 << 30));
        assert_eq!(cost.bytes_a_day, (4 << 30) / 3);
        assert_eq!(ScanCost::of("logs", &Scanned::default()).days, 0);
    }

    #[test]
    fn days_are_those_of_the_folders() {
        let log = "AWSLogs/o-1/111111111111/CloudTrail/us-east-1/2026/01/31/x.json.gz";
        assert_eq!(day_of_log(log), Some(date(2026, 1, 31)));
        let digest = "AWSLogs/o-1/111111111111/CloudTrail-Digest/us-east-1/2026/01/31/x.json.gz";
        assert_eq!(day_of_log(digest), None);
        let export = "events/account=111111111111/region=us-east-1/day=2026-01-31/part-0.parquet";
        assert_eq!(day_of_export(export), Some(date(2026, 1, 31)));
        for key in [
            "events/manifest.json",
            "events/day=2026-1-31/x",
            "events/day=2026-01-31",
            "events/day=2026-01-31/_manifest-0.json",
        ] {
            assert_eq!(day_of_export(key), None, "{key}");
        }
    }
}
