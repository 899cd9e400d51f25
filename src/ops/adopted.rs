//! Settings related to an existing trail that the first configuration adopts, so that
//! adopting it changes none of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{FoundBucket, FoundTrail};
use crate::aws::{At, Aws, AwsError, Clients, Observation};
use crate::names::{AccountId, Arn, Region};
use crate::resources::{FoundSelectors, Insights};

/// What the trail records, and how its key and log group are kept.
#[derive(Debug, Clone)]
pub(crate) struct Adopted {
    /// Which events are recorded.
    pub(crate) selectors: Result<FoundSelectors, AwsError>,
    /// Kinds of Insights, each with the categories that it looks at.
    pub(crate) insights: Result<BTreeMap<String, BTreeSet<String>>, AwsError>,
    /// The key's first alias; none where it has none, or it is not shown.
    pub(crate) key_alias: Option<String>,
    /// Whether KMS rotates the key; none where there is no key, or it is not
    /// shown.
    pub(crate) rotated: Option<bool>,
    /// Whether the bucket has lifecycle rules; none where that is not shown.
    pub(crate) lifecycle: Option<bool>,
    /// How long the log group keeps events; none where there is no group, or it is
    /// not shown.
    pub(crate) kept: Option<Kept>,
}

/// How long a log group keeps its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// So many days.
    Days(u32),
    /// For ever.
    Forever,
}

impl Adopted {
    pub(super) async fn inspect(
        aws: &Aws,
        management: &AccountId,
        region: &Region,
        trail: &FoundTrail,
        bucket: Option<&FoundBucket>,
    ) -> Option<Self> {
        let home = trail.home_region.as_ref().unwrap_or(region);
        let clients = aws.clients(management, home);
        let arn: Arn = trail.arn.parse().ok()?;
        let (selectors, insights, key_alias, rotated, lifecycle, kept) = futures::join!(
            FoundSelectors::read(&clients, &arn),
            Insights::read(&clients, &arn),
            key_alias(aws, trail.key.as_deref()),
            rotated(aws, trail.key.as_deref()),
            lifecycle(aws, &trail.bucket, bucket, home),
            kept(&clients, trail.log_group.as_deref()),
        );
        let insights = match insights {
            Observation::Present(found) => Ok(found.types),
            Observation::Absent => Ok(BTreeMap::new()),
            Observation::Unreadable(error) => Err(error),
        };
        Some(Self { selectors, insights, key_alias, rotated, lifecycle, kept })
    }
}

async fn key_alias(aws: &Aws, key: Option<&str>) -> Option<String> {
    let arn: Arn = key?.parse().ok()?;
    let clients = aws.clients(arn.account.as_ref()?, arn.region.as_ref()?);
    let aliases = clients.kms().list_aliases().key_id(arn.to_string()).send().await;
    match aliases.at(&clients, "kms:ListAliases") {
        Ok(answer) => answer.aliases.unwrap_or_default().into_iter().find_map(|one| one.alias_name),
        Err(error) => {
            tracing::debug!(%error, "the aliases of the trail's key are unreadable");
            None
        }
    }
}

async fn rotated(aws: &Aws, key: Option<&str>) -> Option<bool> {
    let arn: Arn = key?.parse().ok()?;
    let clients = aws.clients(arn.account.as_ref()?, arn.region.as_ref()?);
    let answer = clients.kms().get_key_rotation_status().key_id(arn.to_string()).send().await;
    match answer.at(&clients, "kms:GetKeyRotationStatus") {
        Ok(answer) => Some(answer.key_rotation_enabled),
        Err(error) if error.is_code("UnsupportedOperationException") => Some(false),
        Err(error) => {
            tracing::debug!(%error, "the rotation of the trail's key is unreadable");
            None
        }
    }
}

async fn lifecycle(
    aws: &Aws,
    name: &str,
    bucket: Option<&FoundBucket>,
    home: &Region,
) -> Option<bool> {
    let bucket = bucket?;
    let clients = aws.clients(&bucket.owner, bucket.region.as_ref().unwrap_or(home));
    let answer = clients.s3().get_bucket_lifecycle_configuration().bucket(name).send().await;
    match answer.at(&clients, "s3:GetLifecycleConfiguration") {
        Ok(_) => Some(true),
        Err(error) if error.is_not_found() => Some(false),
        Err(error) => {
            tracing::debug!(%error, "the bucket's lifecycle is unreadable");
            None
        }
    }
}

async fn kept(management: &Clients, group: Option<&str>) -> Option<Kept> {
    let name = super::log_group_name(group?)?;
    let groups = management.logs().describe_log_groups().log_group_name_prefix(name);
    match groups.send().await.at(management, "logs:DescribeLogGroups") {
        Ok(answer) => {
            let groups = answer.log_groups.unwrap_or_default();
            let group = groups.iter().find(|group| group.log_group_name() == Some(name))?;
            let days = group.retention_in_days().and_then(|days| u32::try_from(days).ok());
            Some(days.map_or(Kept::Forever, Kept::Days))
        }
        Err(error) => {
            tracing::debug!(%error, "the retention of the trail's log group is unreadable");
            None
        }
    }
}
