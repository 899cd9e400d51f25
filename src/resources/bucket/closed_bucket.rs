use serde::Serialize;

use super::{ArchiveBucket, Ownership, Policy, PublicAccess, bucket_diff, create_bucket};
use crate::aws::{AwsError, Clients, WriteClients};
use crate::names::{BucketName, Region};
use crate::policy::{PolicyDocument, PolicyKind, merge};
use crate::resources::change::{Action, Change, FieldChange, Irreversible, field_changes, within};
use crate::resources::policy_change::{DeclaredPolicy, policy_change};
use crate::resources::{ApplyContext, Desired, StepError};

/// What every bucket other than the archive has that orgtrail creates: no ACLs, no public
/// access, and a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClosedBucket {
    /// Who owns it, and its Region.
    pub bucket: ArchiveBucket,
    /// Its ownership.
    pub ownership: Option<Ownership>,
    /// Its block of public access.
    pub public_access: Option<PublicAccess>,
    /// Its policy.
    pub policy: Option<Policy>,
}

/// What is declared of such a bucket.
pub(super) struct DeclaredBucket<'a> {
    pub(super) name: &'a BucketName,
    pub(super) region: &'a Region,
    /// The setting that names it.
    pub(super) setting: &'static str,
    pub(super) policy: PolicyDocument,
}

/// How a bucket differs from its declaration; a resource adds its own settings to the fields.
pub(super) struct Difference {
    is_new: bool,
    pub(super) fields: Vec<FieldChange>,
    pub(super) irreversible: Option<Irreversible>,
    notes: Vec<String>,
}

impl ClosedBucket {
    /// Reads a bucket; of another account's, only whose it is.
    pub(super) async fn read(
        clients: &Clients,
        name: &BucketName,
    ) -> Result<Option<Self>, AwsError> {
        let Some(bucket) = Box::pin(ArchiveBucket::read(clients, name)).await.into_result()? else {
            return Ok(None);
        };
        let mut state = Self { bucket, ownership: None, public_access: None, policy: None };
        if state.is_own() {
            let (ownership, public_access, policy) = tokio::join!(
                Box::pin(Ownership::read(clients, name)),
                Box::pin(PublicAccess::read(clients, name)),
                Box::pin(Policy::read(clients, name)),
            );
            state.ownership = ownership.into_result()?;
            state.public_access = public_access.into_result()?;
            state.policy = policy.into_result()?;
        }
        Ok(Some(state))
    }

    pub(super) fn is_own(&self) -> bool {
        self.bucket.is_own()
    }

    /// Compares a bucket with its declaration.
    ///
    /// # Errors
    /// The change that stops its step.
    pub(super) fn diff(
        found: Option<&Self>,
        declared: &DeclaredBucket<'_>,
        desired: &Desired,
    ) -> Result<Difference, Box<Change>> {
        let bucket = found.map(|found| &found.bucket);
        let bucket = bucket_diff(bucket, declared.name, declared.region, declared.setting);
        if bucket.action.stops() {
            return Err(Box::new(bucket));
        }
        let policy = policy_change(
            found.and_then(|found| found.policy.as_ref()).map(|policy| &policy.0),
            &DeclaredPolicy {
                document: &declared.policy,
                unmanaged: desired.unmanaged,
                kind: PolicyKind::Bucket,
                why: "",
                context: &desired.service_context(),
            },
        );
        if policy.action.stops() {
            return Err(Box::new(policy));
        }
        let mut fields = bucket.fields;
        let ownership = found.and_then(|found| found.ownership.as_ref());
        fields.extend(within("ownership", field_changes(ownership, &Ownership::enforced())));
        let block = found.and_then(|found| found.public_access.as_ref());
        fields.extend(within("public_access", field_changes(block, &PublicAccess::blocked())));
        fields.extend(within("policy", policy.fields));
        Ok(Difference {
            is_new: bucket.action == Action::Create,
            fields,
            irreversible: policy.irreversible,
            notes: policy.notes,
        })
    }

    /// Creates a bucket or configures an existing one.
    pub(super) async fn apply(
        found: Option<&Self>,
        declared: &DeclaredBucket<'_>,
        context: &ApplyContext<'_>,
        clients: &WriteClients,
        with_object_lock: bool,
    ) -> Result<(), StepError> {
        let name = declared.name;
        if found.is_none() {
            create_bucket(clients, name, with_object_lock).await?;
            context.mark_created();
        }
        Ownership::enforce(clients, name).await?;
        PublicAccess::block(clients, name).await?;
        let policy = found.and_then(|found| found.policy.as_ref()).map(|policy| &policy.0);
        let merged = merge(policy, &declared.policy, context.desired.unmanaged);
        context.retry(|| Policy::put(clients, name, &merged.document)).await
    }
}

impl Difference {
    /// The change that the bucket needs.
    pub(super) fn into_change(self, why: &str) -> Change {
        let change = if self.is_new {
            Change::create(why, self.fields)
        } else {
            Change::update(why, self.fields)
        };
        Change { irreversible: self.irreversible, ..change }.with_notes(self.notes)
    }
}
