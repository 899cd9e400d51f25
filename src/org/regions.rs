use std::collections::BTreeSet;

use aws_sdk_account::types::RegionOptStatus;

use crate::aws::{At, Aws, AwsError, Clients};
use crate::names::{AccountId, Partition, Region};

/// The Regions that an account has enabled.
#[derive(Debug, Clone)]
pub struct EnabledRegions {
    /// The Regions.
    pub regions: BTreeSet<Region>,
    /// Why the account's own list could not be read: then `regions` are those
    /// that every account of the partition has, and others may be missing.
    pub unread: Option<AwsError>,
}

/// Reads which Regions an account has enabled: from the management account
/// with the account's id, else from inside the account.
///
/// Source: Account `ListRegions`, `RegionOptStatus`.
pub async fn enabled_regions(
    aws: &Aws,
    management_account: &AccountId,
    account: &AccountId,
) -> EnabledRegions {
    match list(aws, management_account, account).await {
        Ok(regions) => EnabledRegions { regions, unread: None },
        Err(error) => {
            tracing::debug!(%account, %error, "its Regions are unreadable");
            EnabledRegions { regions: always_enabled(aws.partition()), unread: Some(error) }
        }
    }
}

/// The same, asking the account itself first: each account has a rate of its
/// own, where the management account has one for all.
pub async fn own_regions(
    aws: &Aws,
    management_account: &AccountId,
    account: &AccountId,
) -> EnabledRegions {
    match list_with(&aws.clients(account, aws.home_region()), None).await {
        Ok(regions) => EnabledRegions { regions, unread: None },
        Err(_) => enabled_regions(aws, management_account, account).await,
    }
}

async fn list(
    aws: &Aws,
    management_account: &AccountId,
    account: &AccountId,
) -> Result<BTreeSet<Region>, AwsError> {
    let inside = aws.clients(account, aws.home_region());
    // The management account may not give its own id.
    if account == management_account {
        return list_with(&inside, None).await;
    }
    let above = aws.clients(management_account, aws.home_region());
    match list_with(&above, Some(account)).await {
        Ok(regions) => Ok(regions),
        // Account Management has no trusted access: the account itself may list its
        // Regions. If both fail, the first error is reported.
        Err(error) => list_with(&inside, None).await.map_err(|_| error),
    }
}

async fn list_with(
    clients: &Clients,
    account: Option<&AccountId>,
) -> Result<BTreeSet<Region>, AwsError> {
    const ACTION: &str = "account:ListRegions";
    let found = clients
        .account_management()
        .list_regions()
        .set_account_id(account.map(ToString::to_string))
        .region_opt_status_contains(RegionOptStatus::Enabled)
        .region_opt_status_contains(RegionOptStatus::EnabledByDefault)
        .into_paginator()
        .items()
        .send();
    let found = found.collect::<Result<Vec<_>, _>>().await.at(clients, ACTION)?;
    found
        .into_iter()
        // An endpoint may not know the filter.
        .filter(|region| {
            matches!(
                region.region_opt_status,
                Some(RegionOptStatus::Enabled | RegionOptStatus::EnabledByDefault)
            )
        })
        .map(|region| {
            let name = region.region_name.unwrap_or_default();
            name.parse().map_err(|_| clients.malformed(ACTION, &format!("the Region `{name}`")))
        })
        .collect()
}

/// The Regions of a partition, as far as this release knows them.
#[must_use]
pub fn known_regions(partition: Partition) -> BTreeSet<Region> {
    let mut known = always_enabled(partition);
    if partition == Partition::Aws {
        known.extend(Region::opt_in());
    }
    known
}

/// The Regions that every account of a partition has.
///
/// Source: the AWS SDKs' `partitions.json`.
pub(crate) fn always_enabled(partition: Partition) -> BTreeSet<Region> {
    let codes: &[&str] = match partition {
        Partition::Aws => return Region::enabled_by_default().collect(),
        Partition::AwsCn => &["cn-north-1", "cn-northwest-1"],
        Partition::AwsUsGov => &["us-gov-east-1", "us-gov-west-1"],
        Partition::AwsEusc => &["eusc-de-east-1"],
        Partition::AwsIso => &["us-iso-east-1", "us-iso-west-1"],
        Partition::AwsIsoB => &["us-isob-east-1", "us-isob-west-1"],
        Partition::AwsIsoE => &["eu-isoe-west-1"],
        Partition::AwsIsoF => &["us-isof-east-1", "us-isof-south-1"],
    };
    codes.iter().filter_map(|code| code.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_regions_of_its_own() {
        for partition in [
            Partition::Aws,
            Partition::AwsCn,
            Partition::AwsUsGov,
            Partition::AwsEusc,
            Partition::AwsIso,
            Partition::AwsIsoB,
            Partition::AwsIsoE,
            Partition::AwsIsoF,
        ] {
            let regions = always_enabled(partition);
            assert!(!regions.is_empty());
            assert!(regions.iter().all(|region| Partition::of(region) == partition));
        }
    }
}
