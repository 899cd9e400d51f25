use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use serde::Serialize;

use super::closed_bucket::{ClosedBucket, DeclaredBucket};
use super::{Lifecycle, ObjectLock, Versioning, tls};
use crate::aws::{AwsError, Clients, Observation};
use crate::config::Place;
use crate::names::{BucketName, KeyPrefix, prefix_folder};
use crate::policy::PolicyDocument;
use crate::resources::change::{Change, FieldChange, field_changes, within};
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// The bucket of the service's state, where `service.manage_state` is set.
///
/// It is never the archive: Object Lock would retain every claim, and versions every heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateBucket {
    /// What it has in common with other buckets.
    #[serde(flatten)]
    pub closed: ClosedBucket,
    /// Its versioning, which must not be enabled.
    pub versioning: Option<Versioning>,
    /// Its lock, which it must not have.
    pub object_lock: Option<ObjectLock>,
    /// After how many days the objects below a prefix expire.
    pub expiration_days: BTreeMap<String, i32>,
}

/// The folders of the state that only matter while their slot does, in days: claims decide who
/// runs a slot, and no slot is caught up after so long.
const SHORT_LIVED: [(&str, i32); 3] = [("claims", 30), ("heartbeats", 30), ("probes", 1)];
/// The folders that are kept for `service.state_retention_days`.
const HISTORY: [&str; 3] = ["notifications", "reports", "rounds"];
const RULE: &str = "orgtrail-state-";

impl StateBucket {
    /// The bucket and the prefix, if orgtrail manages it.
    fn managed(desired: &Desired) -> Option<(&BucketName, Option<&KeyPrefix>)> {
        let service = &desired.config.service;
        match service.state.as_ref()?.place() {
            Place::Bucket { bucket, prefix } if service.manage_state => {
                Some((bucket, prefix.as_ref()))
            }
            _ => None,
        }
    }

    async fn read(clients: &Clients, name: &BucketName) -> Result<Option<Self>, AwsError> {
        let Some(closed) = ClosedBucket::read(clients, name).await? else { return Ok(None) };
        let mut state =
            Self { closed, versioning: None, object_lock: None, expiration_days: BTreeMap::new() };
        if state.closed.is_own() {
            let (versioning, object_lock, lifecycle) = tokio::join!(
                Box::pin(Versioning::read(clients, name)),
                Box::pin(ObjectLock::read(clients, name)),
                Box::pin(Lifecycle::read(clients, name)),
            );
            state.versioning = versioning.into_result()?;
            state.object_lock = object_lock.into_result()?;
            let rules = lifecycle.into_result()?.map(|found| found.rules).unwrap_or_default();
            state.expiration_days = rules
                .into_iter()
                .filter(|(id, rule)| id.starts_with(RULE) && rule.enabled && !rule.has_conditions)
                .filter_map(|(_, rule)| Some((rule.filter, rule.expiration_days?)))
                .collect();
        }
        Ok(Some(state))
    }

    fn declared<'a>(desired: &'a Desired, name: &'a BucketName) -> DeclaredBucket<'a> {
        let bucket = desired.s3_arn(name.as_str()).to_string();
        let objects = desired.s3_arn(format!("{name}/*")).to_string();
        let floor = desired.config.archive.tls_floor.as_str();
        DeclaredBucket {
            name,
            region: &desired.config.archive.region,
            setting: "service.state",
            policy: PolicyDocument::new(tls([&bucket, &objects], floor).into()),
        }
    }

    /// The folders and after how many days their objects expire.
    fn folders(desired: &Desired) -> impl Iterator<Item = (&'static str, i32)> {
        let days = i32::try_from(desired.config.service.state_retention_days).unwrap_or(i32::MAX);
        SHORT_LIVED.into_iter().chain(HISTORY.map(|folder| (folder, days)))
    }

    fn rule(
        folder: &str,
        prefix: Option<&KeyPrefix>,
        days: i32,
    ) -> Result<LifecycleRule, StepError> {
        let below = format!("{}{folder}/", prefix_folder(prefix));
        Ok(LifecycleRule::builder()
            .id(format!("{RULE}{folder}"))
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(below).build())
            .expiration(LifecycleExpiration::builder().days(days).build())
            .build()?)
    }

    fn expiration(desired: &Desired, prefix: Option<&KeyPrefix>) -> BTreeMap<String, i32> {
        let prefix = prefix_folder(prefix);
        Self::folders(desired).map(|(folder, days)| (format!("{prefix}{folder}/"), days)).collect()
    }
}

impl Resource for StateBucket {
    type State = Self;
    const ID: &'static str = "state-bucket";
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = &[
        "s3:CreateBucket",
        "s3:GetBucketLocation",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketOwnershipControls",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketVersioning",
        "s3:GetLifecycleConfiguration",
        "s3:ListAllMyBuckets",
        "s3:ListBucket",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutLifecycleConfiguration",
    ];

    fn is_enabled(desired: &Desired) -> bool {
        Self::managed(desired).is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        let Some((name, _)) = Self::managed(context.desired) else { return Observation::Absent };
        let found = Self::read(&context.archive(), name).await;
        Observation::from_result(found, |_| false).flatten()
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let Some((name, prefix)) = Self::managed(desired) else { return Change::nothing() };
        let declared = Self::declared(desired, name);
        let closed = found.map(|found| &found.closed);
        let mut difference = match ClosedBucket::diff(closed, &declared, desired) {
            Ok(difference) => difference,
            Err(stopped) => return *stopped,
        };
        let is_versioned =
            found.and_then(|found| found.versioning.as_ref()).is_some_and(|v| v.enabled);
        let is_locked = found.and_then(|found| found.object_lock.as_ref()).is_some();
        if is_versioned || is_locked {
            let what = if is_locked { "has Object Lock" } else { "is versioned" };
            return Change::refused(
                format!(
                    "the bucket `{name}` {what}, so every heartbeat of the service would be kept"
                ),
                "name a bucket in service.state that does not exist yet, or one without versioning",
            );
        }
        let expiration = Self::expiration(desired, prefix);
        let found = found.map(|found| {
            let found = found.expiration_days.iter();
            let own = found.filter(|(prefix, _)| expiration.contains_key(*prefix));
            own.map(|(prefix, days)| (prefix.clone(), *days)).collect::<BTreeMap<_, _>>()
        });
        let changes: Vec<FieldChange> = field_changes(found.as_ref(), &expiration);
        difference.fields.extend(within("expiration_days", changes));
        difference.into_change("the service keeps its state in it")
    }

    fn kept(desired: &Desired, _: Option<&Self>) -> Vec<Kept> {
        let Some((name, _)) = Self::managed(desired) else { return Vec::new() };
        let cost =
            KeptCost::Objects { classes: vec!["STANDARD"], note: "; its lifecycle rules empty it" };
        vec![Kept::new(name, "it contains the rounds of the service", cost)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some((name, prefix)) = Self::managed(desired) else { return Ok(()) };
        let clients = context.archive();
        let closed = context.observed.state_bucket.present().map(|found| &found.closed);
        let declared = Self::declared(desired, name);
        ClosedBucket::apply(closed, &declared, context, &clients, false).await?;
        // Read again here: the call replaces all rules, and unmanaged ones must stay.
        let mut lifecycle = Lifecycle::read(&clients, name).await.into_result()?;
        for (folder, days) in Self::folders(desired) {
            lifecycle = Some(Lifecycle::with(lifecycle, Self::rule(folder, prefix, days)?));
        }
        match lifecycle {
            Some(lifecycle) => lifecycle.put(&clients, name).await,
            None => Ok(()),
        }
    }
}
