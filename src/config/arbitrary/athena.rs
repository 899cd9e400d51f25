use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::name;
use crate::config::{AccountProjection, Athena, Organization, S3Location};
use crate::names::{Arn, Partition};

/// Tables and queries in the log-archive account, or none.
pub(super) fn athena(organization: &Organization) -> impl Strategy<Value = Option<Athena>> + use<> {
    let account = organization.log_archive_account.clone();
    let region = organization.home_region.clone();
    let partition = Partition::of(&region);
    let key = Arn::regional(partition, "kms", &region, &account, "key/a-b");
    let day = (2013..=2100_i16, 1..=12_i8, 1..=28_i8)
        .prop_map(|(year, month, day)| jiff::civil::date(year, month, day));
    let location = |bucket: &'static str| {
        (name(bucket), option::of(name("[a-z]{1,8}(/[a-z]{1,8})?")))
            .prop_map(|(bucket, prefix)| S3Location { bucket, prefix })
    };
    let strategy = (
        day,
        name("[a-z][a-z0-9_]{0,40}"),
        name("[A-Za-z0-9._-]{1,40}"),
        location("results-[a-z]{3,10}"),
        1..=3660_u32,
        option::of(Just(key)),
        10_000_000..=1_000_000_000_000_000_u64,
        select(AccountProjection::ALL),
        option::of(location("export-[a-z]{3,10}")),
        any::<bool>(),
    )
        .prop_map(
            move |(
                first_day,
                database,
                workgroup,
                results,
                results_days,
                kms_key,
                scan_limit_bytes,
                projection,
                export,
                named_queries,
            )| Athena {
                first_day,
                account: account.clone(),
                region: region.clone(),
                database,
                workgroup,
                results,
                results_days,
                kms_key,
                scan_limit_bytes,
                projection,
                export,
                named_queries,
            },
        );
    option::of(strategy)
}
