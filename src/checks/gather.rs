//! Reading the whole organization: every account and Region, many at once.

use std::collections::BTreeMap;

use aws_sdk_cloudtrail::operation::get_trail_status::GetTrailStatusOutput;
use aws_sdk_cloudtrail::types::TrailInfo;
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use super::facts::{AccountFacts, Facts, Inside, OtherTrail, TrailStatus};
use super::{NeighborStatus, chains, newest, read_neighbor};
use crate::aws::{At as _, Aws, AwsError, Clients, Observation};
use crate::config::{Neighbor, Regions};
use crate::names::{AccountId, Arn, Region};
use crate::org::{Account, ControlKind, ControlPolicies, Organization, own_regions, root_features};
use crate::resources::{Desired, EventSelectors, observe};

/// Accounts that are read at the same time.
const ACCOUNTS_AT_ONCE: usize = 64;

/// Regions of one account that are read at the same time.
const REGIONS_AT_ONCE: usize = 8;

/// Receives the progress of reading.
pub trait Progress: Send + Sync {
    /// The number of accounts.
    fn accounts(&self, _count: usize) {}
    /// An account has been read.
    fn account_done(&self) {}
}

/// No progress.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {}

impl Facts {
    /// Reads everything that checks need. Changes nothing, and never fails: an unreadable
    /// fact says why.
    ///
    /// `at` is the time that ages are counted from.
    pub async fn gather(
        aws: &Aws,
        desired: Desired,
        at: Timestamp,
        progress: &dyn Progress,
    ) -> Self {
        let archive = aws.clients(desired.archive(), &desired.config.archive.region);
        let management = aws.clients(desired.management(), desired.home_region());
        let (observed, digest_encryption, resource_policies, root_features, (accounts, chains)) = tokio::join!(
            Box::pin(observe(aws, &desired)),
            Box::pin(newest::encryption(&archive, &desired, at)),
            Box::pin(resource_policies(aws, &desired)),
            Box::pin(root_features(&management)),
            async {
                let accounts = Box::pin(read_accounts(aws, &desired, at, progress)).await;
                // INVARIANT: after the accounts, so that the listing includes every digest that
                // CloudTrail reported.
                let chains = Box::pin(chains::verify_newest(aws, &desired, at, &accounts)).await;
                (accounts, chains)
            }
        );
        Self {
            at,
            desired,
            observed,
            accounts,
            chains,
            digest_encryption,
            resource_policies,
            root_features,
            earlier: None,
        }
    }
}

/// The resource control policies that apply to the archive's account.
pub(crate) async fn resource_policies(
    aws: &Aws,
    desired: &Desired,
) -> Observation<ControlPolicies> {
    let management = aws.clients(desired.management(), desired.home_region());
    let (archive, manager) = (desired.archive(), desired.management());
    let kind = ControlKind::Resource;
    let read = ControlPolicies::read(&management, kind, archive, manager).await;
    Observation::from_result(read, |_| false)
}

/// Reads the trail's status in every account and Region.
pub async fn read_accounts(
    aws: &Aws,
    desired: &Desired,
    at: Timestamp,
    progress: &dyn Progress,
) -> Observation<Vec<AccountFacts>> {
    let management = aws.clients(desired.management(), desired.home_region());
    let organization = match Organization::read(&management).await {
        Ok(organization) => organization,
        Err(error) => return Observation::Unreadable(error),
    };
    progress.accounts(organization.accounts.len());
    let declared = &desired.config.organization;
    let mut accounts: Vec<AccountFacts> = stream::iter(organization.accounts.values())
        .map(|account| {
            let left_out = organization.exclusion(account, declared);
            let unit_path = organization.path(&account.unit);
            async move {
                let inside = match left_out {
                    Some(reason) => Err(reason.to_string()),
                    None => Ok(read_inside(aws, desired, account, at).await),
                };
                if ![desired.management(), desired.archive()].contains(&&account.id) {
                    aws.release(&account.id);
                }
                let Account { id, name, .. } = account.clone();
                AccountFacts { account: id, name, unit_path, inside }
            }
        })
        .buffer_unordered(ACCOUNTS_AT_ONCE)
        .inspect(|_| progress.account_done())
        .collect()
        .await;
    accounts.sort_by(|a, b| (&a.unit_path, &a.account).cmp(&(&b.unit_path, &b.account)));
    Observation::Present(accounts)
}

async fn read_inside(aws: &Aws, desired: &Desired, account: &Account, at: Timestamp) -> Inside {
    let account = &account.id;
    let (enabled, trails) = tokio::join!(
        Box::pin(own_regions(aws, desired.management(), account)),
        other_trails(aws, desired, account)
    );
    let declared = |region: &Region| match &desired.config.organization.regions {
        Regions::AllEnabled => true,
        Regions::Only(only) => only.contains(region),
    };
    let regions: Vec<Region> = enabled.regions.into_iter().filter(declared).collect();
    // If the role in an account cannot be assumed, its Regions are not tried.
    let closed = trails.unreadable().filter(|error| error.has_no_session()).cloned();
    let neighbors = neighbors(aws, desired, account, &regions, closed.as_ref()).await;
    let mut regions: BTreeMap<Region, Observation<TrailStatus>> = match closed {
        Some(error) => regions
            .into_iter()
            .map(|region| (region, Observation::Unreadable(error.clone())))
            .collect(),
        None => {
            stream::iter(regions)
                .map(|region| async move {
                    let status = Box::pin(status(aws, desired, account, &region, at)).await;
                    (region, status)
                })
                .buffer_unordered(REGIONS_AT_ONCE)
                .collect()
                .await
        }
    };
    find_silent(&mut regions, at, freshness(desired));
    Inside { regions, neighbors, regions_unread: enabled.unread, other_trails: trails }
}

/// Reads the status of the neighboring services that the configuration declares.
async fn neighbors(
    aws: &Aws,
    desired: &Desired,
    account: &AccountId,
    regions: &[Region],
    closed: Option<&AwsError>,
) -> BTreeMap<(Neighbor, Region), Observation<NeighborStatus>> {
    let declared = &desired.config.drift.neighbors;
    let cells = declared.iter().flat_map(|service| regions.iter().map(move |at| (*service, at)));
    stream::iter(cells)
        .map(|(service, region)| async move {
            let status = match closed {
                Some(error) => Observation::Unreadable(error.clone()),
                None => Box::pin(read_neighbor(&aws.clients(account, region), service)).await,
            };
            ((service, region.clone()), status)
        })
        .buffer_unordered(REGIONS_AT_ONCE)
        .collect()
        .await
}

/// How old a delivery may be.
fn freshness(desired: &Desired) -> SignedDuration {
    SignedDuration::from_hours(desired.config.drift.freshness_hours.into())
}

/// Finds the Regions that are silent: nothing was ever delivered from there, and
/// what arrives from another Region shows that deliveries from the account work.
fn find_silent(
    regions: &mut BTreeMap<Region, Observation<TrailStatus>>,
    at: Timestamp,
    age: SignedDuration,
) {
    let arrives = regions
        .values()
        .filter_map(Observation::present)
        .any(|status| status.newest_digest.is_some_and(|newest| at.duration_since(newest) <= age));
    for status in regions.values_mut() {
        if let Observation::Present(status) = status {
            status.is_silent = arrives && status.is_logging && status.shows_no_delivery();
        }
    }
}

async fn status(
    aws: &Aws,
    desired: &Desired,
    account: &AccountId,
    region: &Region,
    at: Timestamp,
) -> Observation<TrailStatus> {
    let clients = aws.clients(account, region);
    let arn = desired.trail_arn();
    let result = trail_status(&clients, &arn).await;
    let mut status = match Observation::from_result(result, AwsError::is_not_found) {
        Observation::Present(result) => TrailStatus::of(&result),
        Observation::Absent => return Observation::Absent,
        Observation::Unreadable(error) => return Observation::Unreadable(error),
    };
    if status.staleness(at, freshness(desired)).is_some() {
        // The archive decides: a status may not report digests at all.
        let archive = aws.clients(desired.archive(), &desired.config.archive.region);
        let mut found = newest::digest(&archive, desired, account, region, Some(at)).await;
        if status.shows_no_delivery() && matches!(found, Ok(None)) {
            // If any digest ever arrived, deliveries stopped.
            found = newest::digest(&archive, desired, account, region, None).await;
        }
        match found {
            Ok(found) => status.newest_digest = status.newest_digest.max(found),
            Err(error) => status.archive_unread = Some(error),
        }
    }
    Observation::Present(status)
}

async fn trail_status(clients: &Clients, arn: &Arn) -> Result<GetTrailStatusOutput, AwsError> {
    let result = clients.cloudtrail().get_trail_status().name(arn.to_string()).send().await;
    result.at(clients, "cloudtrail:GetTrailStatus")
}

impl TrailStatus {
    fn of(result: &GetTrailStatusOutput) -> Self {
        let time = |time: Option<&aws_smithy_types::DateTime>| {
            time.and_then(|time| Timestamp::from_second(time.secs()).ok())
        };
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            is_logging: result.is_logging() == Some(true),
            started: time(result.start_logging_time()),
            newest_log: time(result.latest_delivery_time()),
            newest_digest: time(result.latest_digest_delivery_time()),
            reported_digest: time(result.latest_digest_delivery_time()),
            newest_event: time(result.latest_cloud_watch_logs_delivery_time()),
            log_error: text(result.latest_delivery_error()),
            digest_error: text(result.latest_digest_delivery_error()),
            event_error: text(result.latest_cloud_watch_logs_delivery_error()),
            archive_unread: None,
            is_silent: false,
        }
    }
}

/// The account's trails other than the configured one: `ListTrails` returns those of all
/// Regions.
async fn other_trails(
    aws: &Aws,
    desired: &Desired,
    account: &AccountId,
) -> Observation<Vec<OtherTrail>> {
    const ACTION: &str = "cloudtrail:ListTrails";
    let clients = aws.clients(account, desired.home_region());
    let listed = clients
        .cloudtrail()
        .list_trails()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .at(&clients, ACTION);
    let arn = |trail: TrailInfo| {
        let arn = trail.trail_arn.unwrap_or_default();
        // A trail that is dropped here would never be checked.
        let wrong = |_| clients.malformed(ACTION, &format!("the ARN `{arn}`"));
        arn.parse::<Arn>().map_err(wrong)
    };
    let listed: Result<Vec<Arn>, AwsError> =
        listed.and_then(|listed| listed.into_iter().map(arn).collect());
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => return Observation::Unreadable(error),
    };
    let own = desired.trail_arn();
    let others = |arn: &Arn| *arn != own && arn.account.as_ref() == Some(account);
    let mut trails = Vec::new();
    for arn in listed.into_iter().filter(others) {
        let home = arn.region.clone().unwrap_or_else(|| desired.home_region().clone());
        let clients = aws.clients(account, &home);
        let (status, selectors) = tokio::join!(
            Box::pin(trail_status(&clients, &arn)),
            Box::pin(EventSelectors::read(&clients, &arn))
        );
        let is_logging = Observation::from_result(status, AwsError::is_not_found)
            .map(|result| result.is_logging() == Some(true));
        trails.push(OtherTrail { arn, is_logging, selectors });
    }
    Observation::Present(trails)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(change: impl Fn(&mut TrailStatus), other: Option<Timestamp>) -> bool {
        let at: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let mut silent = TrailStatus { is_logging: true, ..TrailStatus::default() };
        change(&mut silent);
        let other = TrailStatus { newest_digest: other, ..silent.clone() };
        let (here, there): (Region, Region) =
            ("us-west-2".parse().unwrap(), "us-east-1".parse().unwrap());
        let mut regions =
            [(here.clone(), Observation::Present(silent)), (there, Observation::Present(other))]
                .into();
        find_silent(&mut regions, at, SignedDuration::from_hours(24));
        let status = regions[&here].present().unwrap();
        assert_eq!(
            status.is_silent,
            status.staleness(at, SignedDuration::from_hours(24)).is_none()
        );
        status.is_silent
    }

    #[test]
    fn silence_is_not_lateness_where_the_accounts_digests_arrive() {
        let fresh: Timestamp = "2026-01-01T23:00:00Z".parse().unwrap();
        let old: Timestamp = "2025-12-30T00:00:00Z".parse().unwrap();
        assert!(found(|_| {}, Some(fresh)));
        // Nothing arrives from anywhere.
        assert!(!found(|_| {}, Some(old)));
        assert!(!found(|_| {}, None));
        // What once came and no longer does is late; what fails is not silent.
        assert!(!found(|status| status.newest_digest = Some(old), Some(fresh)));
        assert!(!found(|status| status.newest_log = Some(old), Some(fresh)));
        assert!(!found(
            |status| status.digest_error = Some("AccessDenied".to_owned()),
            Some(fresh)
        ));
        assert!(!found(|status| status.is_logging = false, Some(fresh)));
    }
}
