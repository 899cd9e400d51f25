use std::collections::BTreeSet;

use super::adopted::Adopted;
use crate::aws::{At, Aws, AwsError, Clients, Observation};
use crate::config::TrailManager;
use crate::names::{AccountId, BucketName, Region};
use crate::org::{
    AccountState, EnabledRegions, LandingZone, Organization, TrailProperties,
    cloudtrail_administrators, enabled_regions,
};

/// What there is already, for a first config.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// The organization.
    pub organization: Organization,
    /// The Region of the caller, used if no trail has a home Region.
    pub region: Region,
    /// The organization's trails, as the management account sees them.
    pub trails: Result<Vec<FoundTrail>, AwsError>,
    /// The first trail's bucket, if its owner is known.
    pub bucket: Option<FoundBucket>,
    /// What that trail records, and how its key and log group are kept.
    pub(crate) adopted: Option<Adopted>,
    /// The other tool that manages the first trail.
    pub manager: Option<TrailManager>,
    /// Control Tower's landing zone.
    pub landing_zone: Observation<LandingZone>,
    /// Accounts that look like the log archive by name, best first.
    pub log_archives: Vec<AccountId>,
    /// Accounts that look like the auditors' by name, best first.
    pub audits: Vec<AccountId>,
    /// CloudTrail's delegated administrators.
    pub administrators: Result<BTreeSet<AccountId>, AwsError>,
    /// The management account's Regions.
    pub regions: EnabledRegions,
}

/// An organization trail that exists.
///
/// Source: CloudTrail `DescribeTrails`, `trailList`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTrail {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The Region in which it is changed.
    pub home_region: Option<Region>,
    /// Where it delivers to.
    pub bucket: String,
    /// What stands before `AWSLogs/` in its keys.
    pub prefix: Option<String>,
    /// Whether it covers every Region.
    pub multi_region: bool,
    /// The log group it also writes to: its ARN.
    pub log_group: Option<String>,
    /// The role with which it writes there: its ARN.
    pub log_role: Option<String>,
    /// The topic it notifies: its ARN.
    pub topic: Option<String>,
    /// The key it encrypts with: its ARN.
    pub key: Option<String>,
}

impl FoundTrail {
    /// What its manager is recognized by.
    pub(crate) fn properties(&self) -> TrailProperties<'_> {
        TrailProperties {
            name: &self.name,
            bucket: &self.bucket,
            prefix: self.prefix.as_deref(),
            log_group: self.log_group.as_deref(),
        }
    }
}

/// A bucket's owner and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBucket {
    /// The account that owns it.
    pub owner: AccountId,
    /// Its Region, if known.
    pub region: Option<Region>,
}

impl Discovery {
    /// Looks at the organization with the credentials at the start. Changes
    /// nothing.
    ///
    /// # Errors
    /// The organization itself could not be read; what else could not be is in
    /// the result.
    pub async fn inspect(aws: &Aws) -> Result<Self, AwsError> {
        let region = aws.home_region().clone();
        let organization = Organization::read(&aws.own_clients()).await?;
        let management = aws.clients(&organization.management_account, &region);
        let (trails, administrators, regions) = futures::join!(
            organization_trails(&management),
            cloudtrail_administrators(&management),
            enabled_regions(
                aws,
                &organization.management_account,
                &organization.management_account
            )
        );
        let log_archives =
            named(&organization, &[&["logarchive"], &["cloudtrail"], &["logging"], &["logs"]]);
        let audits = named(&organization, &[&["audit"], &["security", "tooling"], &["security"]]);
        let mut bucket = None;
        if let Some(trail) = trails.as_ref().ok().and_then(|trails| trails.first()) {
            let place = trail.home_region.as_ref().unwrap_or(&region);
            let owners = log_archives.iter().chain(&audits);
            for owner in owners.chain([&organization.management_account]) {
                bucket = owned_by(&aws.clients(owner, place), owner, &trail.bucket).await;
                if bucket.is_some() {
                    break;
                }
            }
        }
        let home = trails.as_ref().ok().and_then(|trails| trails.first()?.home_region.clone());
        let home = home.unwrap_or_else(|| region.clone());
        let zone = LandingZone::read(&aws.clients(&organization.management_account, &home)).await;
        let first = trails.as_ref().ok().and_then(|trails| trails.first());
        let manager = first.and_then(|trail| trail.properties().manager(&organization.id, &zone));
        let adopted = match trails.as_ref().ok().and_then(|trails| trails.first()) {
            Some(trail) => {
                Box::pin(Adopted::inspect(
                    aws,
                    &organization.management_account,
                    &region,
                    trail,
                    bucket.as_ref(),
                ))
                .await
            }
            None => None,
        };
        Ok(Self {
            organization,
            region,
            trails,
            bucket,
            adopted,
            manager,
            landing_zone: zone,
            log_archives,
            audits,
            administrators,
            regions,
        })
    }

    /// The trail to build on: a multi-Region one before others.
    #[must_use]
    pub fn trail(&self) -> Option<&FoundTrail> {
        self.trails.as_ref().ok()?.first()
    }
}

async fn organization_trails(clients: &Clients) -> Result<Vec<FoundTrail>, AwsError> {
    // Shadows too: a trail with its home elsewhere is one here.
    let answer = clients.cloudtrail().describe_trails().include_shadow_trails(true).send().await;
    let answer = answer.at(clients, "cloudtrail:DescribeTrails")?;
    let mut trails: Vec<_> = answer
        .trail_list
        .unwrap_or_default()
        .into_iter()
        .filter(|trail| trail.is_organization_trail == Some(true))
        .map(|trail| FoundTrail {
            name: trail.name.unwrap_or_default(),
            home_region: trail.home_region.and_then(|region| region.parse().ok()),
            bucket: trail.s3_bucket_name.unwrap_or_default(),
            prefix: trail.s3_key_prefix.filter(|prefix| !prefix.is_empty()),
            multi_region: trail.is_multi_region_trail.unwrap_or(false),
            log_group: trail.cloud_watch_logs_log_group_arn,
            log_role: trail.cloud_watch_logs_role_arn,
            topic: trail.sns_topic_arn,
            arn: trail.trail_arn.unwrap_or_default(),
            key: trail.kms_key_id,
        })
        .collect();
    trails.sort_by(|a, b| (!a.multi_region, &a.name).cmp(&(!b.multi_region, &b.name)));
    Ok(trails)
}

/// The name of a log group, of its ARN.
pub(crate) fn log_group_name(arn: &str) -> Option<&str> {
    Some(arn.split_once(":log-group:")?.1.trim_end_matches(":*"))
}

/// Asks, from inside an account, whether a bucket is the account's own.
async fn owned_by(clients: &Clients, owner: &AccountId, bucket: &str) -> Option<FoundBucket> {
    let name: BucketName = bucket.parse().ok()?;
    // It may lie in another Region than the trail's home.
    if let Ok(region) = clients.bucket_region_of(&name, Some(owner)).await {
        return Some(FoundBucket { owner: owner.clone(), region: Some(region) });
    }
    let head = clients.s3().head_bucket().bucket(bucket).expected_bucket_owner(owner.as_str());
    let head = head.send().await.at(clients, "s3:ListBucket");
    match head {
        Ok(head) => Some(FoundBucket {
            owner: owner.clone(),
            region: head.bucket_region.and_then(|region| region.parse().ok()),
        }),
        Err(error) => {
            tracing::debug!(%owner, %error, "no evidence that this account owns the bucket");
            None
        }
    }
}

/// The active accounts whose names hold all words of one of the lists, in the
/// lists' order.
fn named(organization: &Organization, lists: &[&[&str]]) -> Vec<AccountId> {
    let mut found: Vec<(usize, AccountId)> = organization
        .accounts
        .values()
        .filter(|account| account.state == AccountState::Active)
        .filter(|account| account.id != organization.management_account)
        .filter_map(|account| {
            let name: String = account
                .name
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|letter| letter.to_ascii_lowercase())
                .collect();
            let rank =
                lists.iter().position(|words| words.iter().all(|word| name.contains(word)))?;
            Some((rank, account.id.clone()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::org::Account;

    #[test]
    fn accounts_are_found_by_what_people_call_them() {
        let mut accounts = BTreeMap::new();
        for (id, name, state) in [
            ("111111111111", "Log Archive Management", AccountState::Active),
            ("222222222222", "acme-logging", AccountState::Active),
            ("333333333333", "Log_Archive", AccountState::Active),
            ("444444444444", "log archive (old)", AccountState::Suspended),
            ("555555555555", "Audit", AccountState::Active),
        ] {
            let id: AccountId = id.parse().unwrap();
            let unit = "r-ab12".parse().unwrap();
            accounts.insert(
                id.clone(),
                Account { id, name: name.into(), state, unit, joined_at: None },
            );
        }
        let organization = Organization {
            id: "o-exampleorgid".parse().unwrap(),
            management_account: "111111111111".parse().unwrap(),
            all_features: true,
            units: BTreeMap::new(),
            accounts,
        };
        let ids = |found: Vec<AccountId>| found.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            ids(named(&organization, &[&["logarchive"], &["logging"]])),
            ["333333333333", "222222222222"]
        );
        assert_eq!(ids(named(&organization, &[&["audit"]])), ["555555555555"]);
    }
}
