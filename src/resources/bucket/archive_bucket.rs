use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, ObjectOwnership};
use serde::Serialize;

use crate::aws::{At, AwsError, Clients, ErrorKind, Observation, WriteClients};
use crate::config::ObjectLockMode;
use crate::names::{BucketName, Region};
use crate::resources::change::{Change, FieldChange};
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// The bucket itself: who owns it, and its Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum ArchiveBucket {
    /// It belongs to the expected account.
    Own {
        /// Its Region.
        region: Region,
    },
    /// Its name is taken by another account.
    OtherAccount,
}

impl ArchiveBucket {
    /// Whether it belongs to the expected account, so that its settings can be read.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }

    /// Whether a bucket demonstrably belongs to another account than the clients'.
    ///
    /// What could not be read is no proof. S3 then rejects each call, because it states
    /// the expected owner.
    pub(crate) async fn is_other_account(clients: &Clients, bucket: &BucketName) -> bool {
        match clients.head_bucket(bucket, clients.bucket_owner()).await {
            Ok(_) => false,
            Err(error) if error.is_not_found() || error.has_no_session() => false,
            // S3 returns the same error for another account's bucket as for a missing
            // permission.
            Err(_) => {
                matches!(
                    Self::read(clients, bucket).await,
                    Observation::Present(Self::OtherAccount)
                )
            }
        }
    }

    /// Reads whether an account has a bucket. The account's list of buckets distinguishes
    /// its own bucket from another account's, for which S3 returns the same error as for
    /// a missing permission.
    pub(super) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let listed = clients.s3().list_buckets().prefix(bucket.as_str()).send().await;
        let owned = match listed.at(clients, "s3:ListAllMyBuckets") {
            Ok(list) => list.buckets().iter().any(|one| one.name() == Some(bucket.as_str())),
            Err(error) => return Observation::Unreadable(error),
        };
        if owned {
            return match clients.bucket_region(bucket).await {
                Ok(region) => Observation::Present(Self::Own { region }),
                Err(error) => Observation::Unreadable(error),
            };
        }
        let head = clients.s3().head_bucket().bucket(bucket.as_str()).send().await;
        match head.at(clients, "s3:ListBucket") {
            // The call states the expected owner, so it was created after the list was
            // read.
            Ok(head) => {
                let region = head.bucket_region().and_then(|region| region.parse().ok());
                let region = region.unwrap_or_else(|| clients.region().clone());
                Observation::Present(Self::Own { region })
            }
            Err(error) if error.is_not_found() => Observation::Absent,
            // It exists but is not in the list: 403, or 301 from another Region.
            Err(error)
                if matches!(error.kind(), ErrorKind::AccessDenied)
                    || (error.kind() == ErrorKind::Other && error.code.is_none()) =>
            {
                Observation::Present(Self::OtherAccount)
            }
            Err(error) => Observation::Unreadable(error),
        }
    }
}

/// Reads a setting of the archive bucket, if the bucket is the account's own.
pub(super) async fn read_setting<T>(
    context: &ObserveContext<'_>,
    read: impl AsyncFnOnce(&Clients, &BucketName) -> Observation<T>,
) -> Observation<T> {
    let clients = context.archive();
    let bucket = async {
        match context.state_of::<ArchiveBucket>().await {
            Observation::Present(bucket) if bucket.is_own() => Observation::Present(()),
            // The bucket's own step reports one of another account.
            Observation::Present(_) | Observation::Absent => Observation::Absent,
            Observation::Unreadable(error) => Observation::Unreadable(error.clone()),
        }
    };
    context.part_of(bucket, read(&clients, context.desired.bucket())).await
}

/// Creates a bucket in the clients' Region, unless the account has it.
pub(super) async fn create(
    clients: &WriteClients,
    bucket: &BucketName,
    with_object_lock: bool,
) -> Result<(), AwsError> {
    let region = clients.region().as_str();
    let location = (region != "us-east-1").then(|| {
        CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(region))
            .build()
    });
    let created = clients
        .s3()
        .create_bucket()
        .bucket(bucket.as_str())
        .set_create_bucket_configuration(location)
        .object_ownership(ObjectOwnership::BucketOwnerEnforced)
        .set_object_lock_enabled_for_bucket(with_object_lock.then_some(true))
        .send()
        .await
        .at(clients, "s3:CreateBucket");
    match created {
        Err(error) if error.is_code("BucketAlreadyOwnedByYou") => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Why a bucket of another account is refused, and what to do about it.
pub(crate) fn taken_name(bucket: &BucketName, setting: &str) -> (String, String) {
    let reason = format!("the bucket name `{bucket}` is taken by another account");
    let hint =
        format!("choose another name for {setting}: bucket names are unique across all accounts");
    (reason, hint)
}

/// The change that a bucket needs: create, nothing, or refused.
pub(super) fn diff(
    found: Option<&ArchiveBucket>,
    bucket: &BucketName,
    wanted: &Region,
    setting: &str,
) -> Change {
    match found {
        None => Change::create(
            "it does not exist yet",
            vec![
                FieldChange::new("name", None::<String>, Some(bucket.to_string())),
                FieldChange::new("region", None::<String>, Some(wanted.to_string())),
            ],
        ),
        Some(ArchiveBucket::OtherAccount) => {
            let (reason, hint) = taken_name(bucket, setting);
            Change::refused(reason, hint)
        }
        Some(ArchiveBucket::Own { region }) if region != wanted => Change::refused(
            format!(
                "the bucket `{bucket}` is in {region}, but the configuration requires {wanted} for it and its key"
            ),
            "a bucket cannot be moved: set archive.region to the bucket's, or name another bucket",
        ),
        Some(ArchiveBucket::Own { .. }) => Change::nothing(),
    }
}

impl Resource for ArchiveBucket {
    type State = Self;
    const ID: &'static str = super::BUCKET;
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = &[
        "s3:CreateBucket",
        "s3:GetBucketLocation",
        "s3:ListAllMyBuckets",
        "s3:ListBucket",
        // `CreateBucket` names the ownership and the lock.
        "s3:PutBucketObjectLockConfiguration",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketVersioning",
    ];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        Self::read(&context.archive(), context.desired.bucket()).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        diff(found, desired.bucket(), &desired.config.archive.region, "archive.bucket")
    }

    fn kept(desired: &Desired, _: Option<&Self>) -> Vec<Kept> {
        let classes = vec!["STANDARD", "STANDARD_IA", "GLACIER_IR"];
        let why = "it contains the logs; nobody can delete locked ones";
        vec![Kept::new(desired.bucket(), why, KeptCost::Objects { classes, note: "" })]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let lock = context.desired.config.archive.object_lock.mode != ObjectLockMode::Off;
        Ok(create(&context.archive(), context.desired.bucket(), lock).await?)
    }
}
