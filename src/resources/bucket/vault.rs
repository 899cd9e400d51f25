use serde::Serialize;

use super::closed_bucket::{ClosedBucket, DeclaredBucket};
use super::{ObjectLock, Versioning, runbook, tls};
use crate::aws::{At, AwsError, Clients, Observation, WriteClients};
use crate::config::{MfaDelete, Replication};
use crate::names::Arn;
use crate::policy::{PolicyDocument, Statement};
use crate::resources::change::{Change, FieldChange, Irreversible, field_changes, within};
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::key::{FoundBy, KmsKey, describe, find_without_alias};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// The bucket that the archive replicates to, and the key that encrypts the replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vault {
    /// What it has in common with other buckets; absent if it does not exist.
    #[serde(flatten)]
    pub closed: Option<ClosedBucket>,
    /// Its versioning, and whether MFA delete is on.
    pub versioning: Option<Versioning>,
    /// Its lock.
    pub object_lock: Option<ObjectLock>,
    /// The key behind the declared alias, or one that a stopped run left without it.
    pub key: Option<KmsKey>,
}

/// The vault's MFA delete. It shares its state with the vault.
#[derive(Debug, Clone, Copy)]
pub struct VaultMfaDelete;

impl Vault {
    async fn read(
        clients: &Clients,
        desired: &Desired,
        declared: &Replication,
    ) -> Result<Self, AwsError> {
        let name = &declared.bucket;
        let closed = Box::pin(ClosedBucket::read(clients, name)).await?;
        let alias = declared.key_alias.as_str();
        let key = match Box::pin(describe(clients, alias, FoundBy::Alias)).await {
            Observation::Absent => {
                let description = key_description(desired, declared);
                Box::pin(find_without_alias(clients, &description)).await
            }
            found => found,
        };
        let mut vault =
            Self { closed, versioning: None, object_lock: None, key: key.into_result()? };
        if vault.closed.as_ref().is_some_and(ClosedBucket::is_own) {
            let (versioning, object_lock) = tokio::join!(
                Box::pin(Versioning::read(clients, name)),
                Box::pin(ObjectLock::read(clients, name)),
            );
            vault.versioning = versioning.into_result()?;
            vault.object_lock = object_lock.into_result()?;
        }
        Ok(vault)
    }

    fn declared<'a>(desired: &Desired, vault: &'a Replication) -> DeclaredBucket<'a> {
        DeclaredBucket {
            name: &vault.bucket,
            region: &vault.region,
            setting: "archive.replication.bucket",
            policy: policy(desired, vault),
        }
    }

    /// Whether the key is complete: its alias is created last.
    fn has_alias(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.found_by == FoundBy::Alias)
    }
}

/// The description by which a key without an alias is recognized.
fn key_description(desired: &Desired, vault: &Replication) -> String {
    format!("replicas of {} ({})", desired.bucket(), vault.key_alias)
}

/// The policy: it allows the replication role to write replicas, also from another
/// account, and denies requests without TLS.
fn policy(desired: &Desired, vault: &Replication) -> PolicyDocument {
    let bucket = desired.s3_arn(vault.bucket.as_str()).to_string();
    let objects = desired.s3_arn(format!("{}/*", vault.bucket)).to_string();
    let role = desired.replication_role_arn(vault).to_string();
    let floor = desired.config.archive.tls_floor.as_str();
    let mut statements = vec![
        Statement::allow("OrgTrailReplicate")
            .principals([&role])
            .actions([
                "s3:ObjectOwnerOverrideToBucketOwner",
                "s3:ReplicateObject",
                "s3:ReplicateTags",
            ])
            .resources([&objects]),
        Statement::allow("OrgTrailVersioning")
            .principals([&role])
            .actions(["s3:GetBucketVersioning", "s3:PutBucketVersioning"])
            .resources([&bucket]),
    ];
    statements.extend(tls([&bucket, &objects], floor));
    PolicyDocument::new(statements)
}

impl Resource for Vault {
    type State = Self;
    const ID: &'static str = "vault";
    const DEPENDS_ON: &'static [&'static str] = &["replication-role"];
    const ACTIONS: &'static [&'static str] = &[
        "kms:CreateAlias",
        "kms:CreateKey",
        "kms:DescribeKey",
        "kms:EnableKeyRotation",
        "kms:ListAliases",
        "kms:ListKeys",
        "s3:CreateBucket",
        "s3:GetBucketLocation",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketOwnershipControls",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketVersioning",
        "s3:ListAllMyBuckets",
        "s3:ListBucket",
        "s3:PutBucketObjectLockConfiguration",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketVersioning",
    ];
    const MAY_BE_UNDECLARED: bool = true;

    fn location(desired: &Desired) -> Location {
        match &desired.config.archive.replication {
            Some(vault) => {
                Location { account: vault.account.clone(), region: Some(vault.region.clone()) }
            }
            None => desired.archive_location(),
        }
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.archive.replication.is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        let Some(declared) = &context.desired.config.archive.replication else {
            return Observation::Absent;
        };
        let clients = context.aws.clients(&declared.account, &declared.region);
        Observation::from_result(Self::read(&clients, context.desired, declared).await, |_| false)
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let Some(vault) = &desired.config.archive.replication else { return Change::nothing() };
        let closed = found.and_then(|found| found.closed.as_ref());
        let declared = Self::declared(desired, vault);
        let mut difference = match ClosedBucket::diff(closed, &declared, desired) {
            Ok(difference) => difference,
            Err(stopped) => return *stopped,
        };
        let key = found.and_then(|found| found.key.as_ref());
        if let Some(key) = key.filter(|key| key.state != "Enabled") {
            return Change::blocked(
                format!(
                    "the vault's key {} is in state {}: nothing replicates",
                    key.arn, key.state
                ),
                "cancel its deletion or enable it, as an administrator of the vault's account",
            );
        }
        let versioning = found.and_then(|found| found.versioning.as_ref());
        if !versioning.is_some_and(|versioning| versioning.enabled) {
            difference.fields.push(FieldChange::new("versioning", None::<String>, Some("Enabled")));
        }
        let found_lock = found.and_then(|found| found.object_lock.as_ref());
        if let Some(lock) = ObjectLock::declared(&desired.config.archive.object_lock) {
            let changes = field_changes(found_lock, &lock);
            if !changes.is_empty() {
                let change = ObjectLock::diff_for(desired, found_lock);
                difference.irreversible =
                    Irreversible::both(change.irreversible, difference.irreversible);
            }
            difference.fields.extend(within("object_lock", changes));
        }
        if !found.is_some_and(Self::has_alias) {
            let alias = vault.key_alias.to_string();
            difference.fields.push(FieldChange::new("key.alias", None::<String>, Some(alias)));
        }
        difference.into_change("the archive replicates to it")
    }

    fn undeclared(desired: &Desired, found: &Self) -> Vec<Undeclared> {
        let archive = &desired.config.archive;
        let Some(vault) = &archive.replication else { return Vec::new() };
        let mode = found.object_lock.as_ref().and_then(|lock| lock.mode.as_ref());
        let mode = mode.filter(|_| ObjectLock::declared(&archive.object_lock).is_none());
        let undeclared = mode.map(|mode| {
            let what = format!("new replicas in `{}` are locked, mode {mode}", vault.bucket);
            Undeclared::by_others(Self::ID, "archive.object_lock", what)
        });
        undeclared.into_iter().collect()
    }

    fn kept(desired: &Desired, found: Option<&Self>) -> Vec<Kept> {
        let Some(vault) = &desired.config.archive.replication else { return Vec::new() };
        let classes = vec![vault.storage_class.as_str()];
        let objects = KeptCost::Objects { classes, note: "" };
        let bucket = Kept::new(&vault.bucket, "it contains the replicas", objects);
        let why = "without it no replica can be decrypted";
        let key = Kept::new(&vault.key_alias, why, KeptCost::Key);
        let exists = found.map_or((true, true), |it| (it.closed.is_some(), it.key.is_some()));
        exists.0.then_some(bucket).into_iter().chain(exists.1.then_some(key)).collect()
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(vault) = &desired.config.archive.replication else { return Ok(()) };
        let clients = context.at(&vault.account, &vault.region);
        let found = context.observed.vault.present();
        let lock = ObjectLock::declared(&desired.config.archive.object_lock);
        let closed = found.and_then(|found| found.closed.as_ref());
        let declared = Self::declared(desired, vault);
        ClosedBucket::apply(closed, &declared, context, &clients, lock.is_some()).await?;
        if !found.and_then(|f| f.versioning.as_ref()).is_some_and(|versioning| versioning.enabled) {
            Versioning::enable(&clients, &vault.bucket).await?;
        }
        if let Some(lock) = &lock {
            lock.put(&clients, &vault.bucket).await?;
        }
        if !found.is_some_and(Self::has_alias) {
            let without_alias = found.and_then(|found| found.key.as_ref());
            create_key_with_alias(context, &clients, vault, without_alias).await?;
        }
        Ok(())
    }
}

/// Creates the key, or completes the one that a stopped run left. The alias is created
/// last: a key with the alias is complete.
async fn create_key_with_alias(
    context: &ApplyContext<'_>,
    clients: &WriteClients,
    vault: &Replication,
    without_alias: Option<&KmsKey>,
) -> Result<(), StepError> {
    let id = if let Some(key) = without_alias {
        key.arn.resource_name().to_owned()
    } else {
        let id = create_key(clients, context.desired, vault).await?;
        context.mark_created();
        id
    };
    let finish = || async {
        let rotated = clients.kms().enable_key_rotation().key_id(&id).send().await;
        rotated.at(clients, "kms:EnableKeyRotation")?;
        let alias = vault.key_alias.as_str();
        let named = clients.kms().create_alias().alias_name(alias).target_key_id(&id).send().await;
        named.at(clients, "kms:CreateAlias")?;
        Ok(())
    };
    context.retry(finish).await
}

async fn create_key(
    clients: &WriteClients,
    desired: &Desired,
    vault: &Replication,
) -> Result<String, StepError> {
    let owner = Arn::global(desired.partition(), "iam", &vault.account, "root").to_string();
    let policy = PolicyDocument::new(vec![
        Statement::allow("OrgTrailDelegation")
            .principals([owner])
            .actions(["kms:*"])
            .resources(["*"]),
        Statement::allow("OrgTrailReplicate")
            .principals([desired.replication_role_arn(vault).to_string()])
            .actions(["kms:Encrypt", "kms:GenerateDataKey"])
            .resources(["*"]),
    ]);
    let bucket_change = clients
        .kms()
        .create_key()
        .description(key_description(desired, vault))
        .policy(policy.to_json())
        .send()
        .await
        .at(clients, "kms:CreateKey")?;
    bucket_change
        .key_metadata
        .map(|key| key.key_id)
        .ok_or_else(|| StepError::Missing("the vault's key".to_owned()))
}

impl Resource for VaultMfaDelete {
    type State = Vault;
    const ID: &'static str = "vault/mfa-delete";
    const DEPENDS_ON: &'static [&'static str] = &["vault"];
    const ACTIONS: &'static [&'static str] = &["s3:GetBucketVersioning"];
    const MAY_BE_UNDECLARED: bool = true;

    fn location(desired: &Desired) -> Location {
        Vault::location(desired)
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.archive.mfa_delete == MfaDelete::Vault && Vault::is_enabled(desired)
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Vault> {
        Vault::observe(context).await
    }

    fn diff(desired: &Desired, found: Option<&Vault>, _: &Observed) -> Change {
        let Some(vault) = &desired.config.archive.replication else { return Change::nothing() };
        let versioning = found.and_then(|found| found.versioning.as_ref());
        if versioning.is_some_and(|versioning| versioning.mfa_delete) {
            return Change::nothing();
        }
        Change::blocked(
            "the vault's MFA delete requires the root user: no role or session can enable it",
            runbook(&vault.account, &vault.bucket, &vault.region),
        )
    }

    fn undeclared(desired: &Desired, found: &Vault) -> Vec<Undeclared> {
        let archive = &desired.config.archive;
        let Some(vault) = &archive.replication else { return Vec::new() };
        let is_enabled = found.versioning.as_ref().is_some_and(|found| found.mfa_delete);
        if archive.mfa_delete == MfaDelete::Vault || !is_enabled {
            return Vec::new();
        }
        let what = format!("S3's MFA delete of `{}` is enabled", vault.bucket);
        vec![Undeclared::by_others(Self::ID, "archive.mfa_delete", what)]
    }

    async fn apply(_: &ApplyContext<'_>) -> Result<(), StepError> {
        // INVARIANT: its step never writes; only root can enable MFA delete.
        Err(StepError::Missing("root's second factor".to_owned()))
    }
}
