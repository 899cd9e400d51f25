use super::Checker;
use crate::config::{Config, StorageClass, Tier};

/// Whether a class can go to another, as S3's waterfall has it.
fn follows(earlier: StorageClass, later: StorageClass) -> bool {
    let one_zone_to_instant =
        earlier == StorageClass::OneZoneIa && later == StorageClass::GlacierIr;
    later > earlier && !one_zone_to_instant
}

/// The classes that S3 takes objects into, and lets them out of, after 30 days.
fn is_infrequent(class: StorageClass) -> bool {
    matches!(class, StorageClass::StandardIa | StorageClass::OneZoneIa)
}

/// The least age at which S3 takes an object into a class.
fn least_age(class: StorageClass) -> u32 {
    match class {
        StorageClass::StandardIa | StorageClass::OneZoneIa => 30,
        _ => 1,
    }
}

/// The days that are paid for in any case.
fn paid_days(class: StorageClass) -> u32 {
    match class {
        StorageClass::StandardIa | StorageClass::OneZoneIa => 30,
        StorageClass::IntelligentTiering => 0,
        StorageClass::GlacierIr | StorageClass::Glacier => 90,
        StorageClass::DeepArchive => 180,
    }
}

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let archive = &config.archive;
    let lifecycle = &archive.lifecycle;
    if !lifecycle.enabled {
        for key in [
            "archive.retention_days",
            "archive.lifecycle.tiers",
            "archive.lifecycle.noncurrent_days",
            "archive.lifecycle.abort_multipart_days",
        ] {
            if checker.is_set(key) {
                checker.warning(
                    &[key, "archive.lifecycle.enabled"],
                    "has no effect: `archive.lifecycle.enabled` is false, so every log is kept \
                     forever",
                );
            }
        }
        return;
    }
    let days = [
        ("archive.retention_days", archive.retention_days),
        ("archive.lifecycle.noncurrent_days", lifecycle.noncurrent_days),
        ("archive.lifecycle.abort_multipart_days", lifecycle.abort_multipart_days),
    ];
    for (key, days) in days {
        if !(1..=i32::MAX.unsigned_abs()).contains(&days) {
            checker.error(&[key], format!("found {days} days, expected 1 to {}", i32::MAX));
        }
    }
    tiers(&lifecycle.tiers, archive.retention_days, checker);
}

fn tiers(tiers: &[Tier], retention_days: u32, checker: &mut Checker<'_>) {
    let place = |at: usize| format!("archive.lifecycle.tiers[{at}]");
    for (at, tier) in tiers.iter().enumerate() {
        let Tier { days, storage_class } = *tier;
        if days < least_age(storage_class) {
            checker.error(
                &[&format!("{}.days", place(at))],
                format!(
                    "found {storage_class} at {days} days, expected {} or more, S3's minimum",
                    least_age(storage_class)
                ),
            );
        }
        if days >= retention_days {
            checker.error(
                &[&format!("{}.days", place(at)), "archive.retention_days"],
                format!(
                    "found {storage_class} at {days} days, when logs are kept for \
                     {retention_days} days only"
                ),
            );
        }
        if matches!(storage_class, StorageClass::Glacier | StorageClass::DeepArchive) {
            checker
                .warning(
                    &[&format!("{}.storage_class", place(at))],
                    format!(
                        "logs in {storage_class} must be restored, which takes hours and costs money, \
                         before they can be read or verified"
                    ),
                )
                .hint("objects in GLACIER_IR can be read immediately");
        }
        let ends = tiers.get(at + 1).map_or(retention_days, |next| next.days);
        // Below, leaving those within 30 days is an error.
        let is_reported = is_infrequent(storage_class) && at + 1 < tiers.len();
        if ends > days && ends - days < paid_days(storage_class) && !is_reported {
            checker.warning(
                &[&format!("{}.days", place(at))],
                format!(
                    "logs leave {storage_class} after {} days, but {} are billed",
                    ends - days,
                    paid_days(storage_class)
                ),
            );
        }
    }
    for (at, pair) in tiers.windows(2).enumerate() {
        let [earlier, later] = pair else { continue };
        let place = place(at + 1);
        if later.days <= earlier.days {
            checker.error(
                &[&format!("{place}.days")],
                format!(
                    "found {} at {} days after {} at {} days, expected tiers in ascending order",
                    later.storage_class, later.days, earlier.storage_class, earlier.days
                ),
            );
        } else if is_infrequent(earlier.storage_class) && later.days - earlier.days < 30 {
            checker.error(
                &[&format!("{place}.days")],
                format!(
                    "found {} {} days after {}, expected 30 or more, S3's minimum",
                    later.storage_class,
                    later.days - earlier.days,
                    earlier.storage_class
                ),
            );
        }
        if !follows(earlier.storage_class, later.storage_class) {
            checker.error(
                &[&format!("{place}.storage_class")],
                format!(
                    "found {} after {}, which S3 does not support",
                    later.storage_class, earlier.storage_class
                ),
            );
        }
    }
}
