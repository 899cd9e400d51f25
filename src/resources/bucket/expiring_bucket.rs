use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use serde::Serialize;

use super::closed_bucket::{ClosedBucket, DeclaredBucket};
use super::{Lifecycle, ObjectLock, Versioning, tls};
use crate::aws::{AwsError, Clients, WriteClients};
use crate::names::{BucketName, Region};
use crate::policy::PolicyDocument;
use crate::resources::change::{Change, field_changes, within};
use crate::resources::{ApplyContext, Desired, StepError};

/// A bucket whose objects expire: closed, without versions and without Object Lock, so that
/// nothing is kept longer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpiringBucket {
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

/// What is declared of such a bucket.
pub(in crate::resources) struct DeclaredExpiring<'a> {
    pub(in crate::resources) name: &'a BucketName,
    pub(in crate::resources) region: &'a Region,
    /// The setting that names it.
    pub(in crate::resources) setting: &'static str,
    /// What would happen if its objects did not expire, after "so".
    pub(in crate::resources) otherwise: &'static str,
    pub(in crate::resources) expirations: Vec<Expiration>,
}

/// The expiration of what is below a prefix.
pub(in crate::resources) struct Expiration {
    /// The id of its rule.
    pub(in crate::resources) rule: String,
    /// With a slash at its end; empty for the whole bucket.
    pub(in crate::resources) prefix: String,
    pub(in crate::resources) days: u32,
}

impl Expiration {
    fn days(&self) -> i32 {
        i32::try_from(self.days).unwrap_or(i32::MAX)
    }

    fn lifecycle_rule(&self) -> Result<LifecycleRule, StepError> {
        Ok(LifecycleRule::builder()
            .id(&self.rule)
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(&self.prefix).build())
            .expiration(LifecycleExpiration::builder().days(self.days()).build())
            .build()?)
    }
}

impl DeclaredExpiring<'_> {
    fn closed(&self, desired: &Desired) -> DeclaredBucket<'_> {
        let bucket = desired.s3_arn(self.name.as_str()).to_string();
        let objects = desired.s3_arn(format!("{}/*", self.name)).to_string();
        let floor = desired.config.archive.tls_floor.as_str();
        DeclaredBucket {
            name: self.name,
            region: self.region,
            setting: self.setting,
            policy: PolicyDocument::new(tls([&bucket, &objects], floor).into()),
        }
    }
}

impl ExpiringBucket {
    /// The IAM actions that its calls need.
    pub(in crate::resources) const ACTIONS: &'static [&'static str] = &[
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

    /// Reads a bucket; of another account's, only whose it is. Only expirations by rules whose
    /// ids begin with `rules` are read.
    pub(in crate::resources) async fn read(
        clients: &Clients,
        name: &BucketName,
        rules: &str,
    ) -> Result<Option<Self>, AwsError> {
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
            let found = lifecycle.into_result()?.map(|found| found.rules).unwrap_or_default();
            state.expiration_days = found
                .into_iter()
                .filter(|(id, rule)| id.starts_with(rules) && rule.enabled && !rule.has_conditions)
                .filter_map(|(_, rule)| Some((rule.filter, rule.expiration_days?)))
                .collect();
        }
        Ok(Some(state))
    }

    /// Compares a bucket with its declaration.
    pub(in crate::resources) fn diff(
        found: Option<&Self>,
        declared: &DeclaredExpiring<'_>,
        desired: &Desired,
        why: &str,
    ) -> Change {
        let closed = found.map(|found| &found.closed);
        let mut difference = match ClosedBucket::diff(closed, &declared.closed(desired), desired) {
            Ok(difference) => difference,
            Err(stopped) => return *stopped,
        };
        let is_versioned =
            found.and_then(|found| found.versioning.as_ref()).is_some_and(|v| v.enabled);
        let is_locked = found.and_then(|found| found.object_lock.as_ref()).is_some();
        if is_versioned || is_locked {
            let what = if is_locked { "has Object Lock" } else { "is versioned" };
            return Change::refused(
                format!("the bucket `{}` {what}, so {}", declared.name, declared.otherwise),
                format!(
                    "name a bucket in {} that does not exist yet, or one without versioning",
                    declared.setting
                ),
            );
        }
        let shown =
            |prefix: &str| if prefix.is_empty() { "*".to_owned() } else { prefix.to_owned() };
        let expiration: BTreeMap<String, i32> =
            declared.expirations.iter().map(|one| (shown(&one.prefix), one.days())).collect();
        let found = found.map(|found| {
            let found = found.expiration_days.iter().map(|(prefix, days)| (shown(prefix), *days));
            found.filter(|(prefix, _)| expiration.contains_key(prefix)).collect::<BTreeMap<_, _>>()
        });
        difference
            .fields
            .extend(within("expiration_days", field_changes(found.as_ref(), &expiration)));
        difference.into_change(why)
    }

    /// Creates a bucket or configures an existing one.
    pub(in crate::resources) async fn apply(
        found: Option<&Self>,
        declared: &DeclaredExpiring<'_>,
        context: &ApplyContext<'_>,
        clients: &WriteClients,
    ) -> Result<(), StepError> {
        let closed = found.map(|found| &found.closed);
        let of_closed = declared.closed(context.desired);
        ClosedBucket::apply(closed, &of_closed, context, clients, false).await?;
        // Read again here: the call replaces all rules, and unmanaged ones must stay.
        let mut lifecycle = Lifecycle::read(clients, declared.name).await.into_result()?;
        for expiration in &declared.expirations {
            lifecycle = Some(Lifecycle::with(lifecycle, expiration.lifecycle_rule()?));
        }
        match lifecycle {
            Some(lifecycle) => lifecycle.put(clients, declared.name).await,
            None => Ok(()),
        }
    }
}
