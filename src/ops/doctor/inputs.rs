//! What several items examine, read once.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};

use crate::aws::{At as _, Aws, AwsError, Clients, Observation};
use crate::config::{Config, Regions};
use crate::names::{AccountId, Arn, Region};
use crate::ops::Env;
use crate::org::{
    Access, EnabledRegions, Organization, Surveyed, TrailProperties, enabled_regions, survey,
};
use crate::policy::Unmanaged;
use crate::resources::{Desired, Observed, OrganizationFacts, observe};

/// Accounts that are read at the same time.
const ACCOUNTS_AT_ONCE: usize = 16;
/// Regions that are read at the same time.
const REGIONS_AT_ONCE: usize = 8;

/// What the items examine.
pub(super) struct Inputs<'a> {
    pub(super) env: &'a Env,
    pub(super) aws: Aws,
    pub(super) config: Option<&'a Config>,
    /// The account in which the organization and its trail are examined: the configured
    /// management account, the caller's organization's, or the caller's own.
    pub(super) management: AccountId,
    pub(super) organization: Result<Organization, AwsError>,
    /// What the configuration declares, and what AWS has of it.
    pub(super) observed: Option<(Desired, Observed)>,
    /// The accounts, and whether their roles can be assumed.
    pub(super) accounts: Vec<Surveyed>,
    /// The Regions that the management account has enabled.
    pub(super) regions: EnabledRegions,
    /// The trails that the management account sees in each of them.
    pub(super) trails: BTreeMap<Region, Observation<Vec<SeenTrail>>>,
}

/// A trail as `DescribeTrails` returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenTrail {
    pub(super) name: String,
    pub(super) arn: Option<Arn>,
    pub(super) is_organization: bool,
    pub(super) home_region: Option<Region>,
    pub(super) bucket: String,
    pub(super) prefix: Option<String>,
    pub(super) log_group: Option<String>,
}

impl SeenTrail {
    pub(super) fn properties(&self) -> TrailProperties<'_> {
        TrailProperties {
            name: &self.name,
            bucket: &self.bucket,
            prefix: self.prefix.as_deref(),
            log_group: self.log_group.as_deref(),
        }
    }
}

impl<'a> Inputs<'a> {
    /// Reads them. Never fails: what could not be read is in the result.
    pub(super) async fn read(env: &'a Env, aws: Aws, config: Option<&'a Config>) -> Self {
        let declared = config.map(|config| config.organization.management_account.clone());
        let found = env.session().identity().and_then(|it| it.management_account.clone());
        let caller = aws.caller().account.clone();
        // Without a configuration, no role is assumed in the management account: its name is
        // not known.
        let management = match (declared, found) {
            (Some(declared), _) => declared,
            (None, Some(found)) if found == caller => found,
            _ => caller,
        };
        let clients = aws.clients(&management, aws.home_region());
        let (organization, regions, observed) = tokio::join!(
            Box::pin(Organization::read(&clients)),
            Box::pin(enabled_regions(&aws, &management, &management)),
            Box::pin(observed(&aws, config)),
        );
        let (accounts, trails) = tokio::join!(
            Box::pin(accounts(env, &aws, organization.as_ref().ok(), config)),
            Box::pin(trails(&aws, &management, &regions)),
        );
        Self { env, aws, config, management, organization, observed, accounts, regions, trails }
    }

    /// The clients of the management account in the home Region.
    pub(super) fn clients(&self) -> Clients {
        self.aws.clients(&self.management, self.aws.home_region())
    }

    /// The trails of the management account in the home Region.
    pub(super) fn home_trails(&self) -> Option<&Observation<Vec<SeenTrail>>> {
        self.trails.get(self.aws.home_region())
    }

    /// Whether a service has trusted access to the organization.
    ///
    /// # Errors
    /// The list of services is unreadable.
    pub(super) async fn trusts(&self, principal: &str) -> Result<bool, AwsError> {
        let clients = self.clients();
        let pages = clients
            .organizations()
            .list_aws_service_access_for_organization()
            .into_paginator()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(&clients, "organizations:ListAWSServiceAccessForOrganization")?;
        let services =
            pages.into_iter().flat_map(|page| page.enabled_service_principals.unwrap_or_default());
        let mut names = services.filter_map(|service| service.service_principal);
        Ok(names.any(|name| name == principal))
    }

    /// The accounts whose roles can be assumed.
    pub(super) fn accessible(&self) -> impl Iterator<Item = &Surveyed> {
        let is_open = |one: &&Surveyed| matches!(one.access, Access::Granted { .. });
        self.accounts.iter().filter(is_open)
    }

    /// Whether a Region is checked by the configuration.
    pub(super) fn is_checked(&self, region: &Region) -> bool {
        let regions = self.config.map(|config| &config.organization.regions);
        regions.is_none_or(|regions: &Regions| regions.includes(region))
    }

    /// Reads something in every account whose role can be assumed.
    pub(super) async fn in_accounts<T, Reading>(
        &self,
        read: impl Fn(Clients, AccountId) -> Reading,
    ) -> (Vec<(AccountId, T)>, Vec<(AccountId, AwsError)>)
    where
        Reading: Future<Output = Result<T, AwsError>>,
    {
        let accounts: Vec<AccountId> = self.accessible().map(|one| one.account.clone()).collect();
        let reads = accounts.into_iter().map(|account| {
            let clients = self.aws.clients(&account, self.aws.home_region());
            let reading = read(clients, account.clone());
            async move { (account, reading.await) }
        });
        let all: Vec<_> = stream::iter(reads.collect::<Vec<_>>())
            .buffer_unordered(ACCOUNTS_AT_ONCE)
            .collect()
            .await;
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        for (account, result) in all {
            match result {
                Ok(value) => found.push((account, value)),
                Err(error) => failed.push((account, error)),
            }
        }
        (found, failed)
    }
}

async fn observed(aws: &Aws, config: Option<&Config>) -> Option<(Desired, Observed)> {
    let config = config?;
    let organization = OrganizationFacts::read(aws, config).await.ok()?;
    let desired = Desired::new(config.clone(), organization, Unmanaged::Keep);
    let observed = Box::pin(observe(aws, &desired)).await;
    Some((desired, observed))
}

async fn accounts(
    env: &Env,
    aws: &Aws,
    organization: Option<&Organization>,
    config: Option<&Config>,
) -> Vec<Surveyed> {
    let Some(organization) = organization else { return Vec::new() };
    let phase = env.progress().phase("assuming roles in accounts", organization.accounts.len());
    let declared = config.map(|config| &config.organization);
    survey(aws, organization, declared, |_| phase.step_done()).await
}

async fn trails(
    aws: &Aws,
    management: &AccountId,
    regions: &EnabledRegions,
) -> BTreeMap<Region, Observation<Vec<SeenTrail>>> {
    stream::iter(&regions.regions)
        .map(|region| async move {
            let clients = aws.clients(management, region);
            (region.clone(), Observation::from_result(described(&clients).await, |_| false))
        })
        .buffer_unordered(REGIONS_AT_ONCE)
        .collect()
        .await
}

/// The trails of an account and Region, those of other Regions and of the organization among
/// them.
pub(super) async fn described(clients: &Clients) -> Result<Vec<SeenTrail>, AwsError> {
    let answer = clients.cloudtrail().describe_trails().include_shadow_trails(true).send().await;
    let answer = answer.at(clients, "cloudtrail:DescribeTrails")?;
    let trails = answer.trail_list.unwrap_or_default().into_iter();
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let trails = trails.map(|trail| SeenTrail {
        arn: trail.trail_arn.and_then(|arn| arn.parse().ok()),
        is_organization: trail.is_organization_trail == Some(true),
        home_region: trail.home_region.and_then(|region| region.parse().ok()),
        bucket: trail.s3_bucket_name.unwrap_or_default(),
        prefix: text(trail.s3_key_prefix),
        log_group: text(trail.cloud_watch_logs_log_group_arn),
        name: trail.name.unwrap_or_default(),
    });
    Ok(trails.collect())
}
