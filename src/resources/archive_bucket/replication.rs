use aws_sdk_s3::types::{
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, EncryptionConfiguration,
    ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
    SourceSelectionCriteria, SseKmsEncryptedObjects, SseKmsEncryptedObjectsStatus, StorageClass,
};
use serde::Serialize;

use super::BUCKET;
use crate::aws::{At, AwsError, Clients, Seen};
use crate::names::BucketName;
use crate::plan::{Change, field_changes};
use crate::resources::{Desired, Duty, Hands, Observed, Place, Resource, StepError};

/// The replication of the archive into the vault.
///
/// Delete markers are not replicated: what is deleted here stays there.
/// Source: S3 `GetBucketReplication`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replication {
    /// The role that S3 replicates with.
    pub role: String,
    /// The vault's ARN.
    pub destination: String,
    /// The key of the replicas.
    pub key: Option<String>,
    /// Their storage class.
    pub storage_class: String,
    /// Whether the rule is in force, for all objects, those under KMS among
    /// them.
    pub enabled: bool,
}

const RULE: &str = "orgtrail-vault";

impl Replication {
    pub(in crate::resources) async fn observe(
        clients: &Clients,
        bucket: &BucketName,
    ) -> Seen<Self> {
        let answer = clients.s3().get_bucket_replication().bucket(bucket.as_str()).send().await;
        let answer = answer.at(clients, "s3:GetReplicationConfiguration");
        Seen::from_result(answer, AwsError::is_not_found)
            .map(|answer| {
                let configuration = answer.replication_configuration?;
                let rules = &configuration.rules;
                let own = rules.iter().find(|rule| rule.id.as_deref() == Some(RULE));
                let rule = own.or_else(|| rules.first())?;
                let to = rule.destination.as_ref()?;
                Some(Self {
                    role: configuration.role.clone(),
                    destination: to.bucket.clone(),
                    key: to
                        .encryption_configuration
                        .as_ref()
                        .and_then(|encryption| encryption.replica_kms_key_id.clone()),
                    storage_class: to
                        .storage_class
                        .as_ref()
                        .map_or("STANDARD", |class| class.as_str())
                        .to_owned(),
                    enabled: rule.status == ReplicationRuleStatus::Enabled
                        && is_for_all_objects(rule)
                        && takes_kms_objects(rule),
                })
            })
            .flatten()
    }

    fn declared(desired: &Desired, key: String) -> Option<Self> {
        let vault = desired.config.archive.replication.as_ref()?;
        Some(Self {
            role: desired.replication_role_arn(vault).to_string(),
            destination: desired.s3_arn(vault.bucket.as_str()).to_string(),
            key: Some(key),
            storage_class: vault.storage_class.as_str().to_owned(),
            enabled: true,
        })
    }
}

fn is_for_all_objects(rule: &ReplicationRule) -> bool {
    #[expect(deprecated, reason = "rules of the first version have it")]
    let old_prefix = rule.prefix.as_deref().unwrap_or_default();
    let filter = rule.filter.as_ref();
    old_prefix.is_empty()
        && filter.is_none_or(|filter| {
            filter.tag.is_none()
                && filter.and.is_none()
                && filter.prefix.as_deref().unwrap_or_default().is_empty()
        })
}

/// S3 leaves objects under KMS out where a rule does not name them.
fn takes_kms_objects(rule: &ReplicationRule) -> bool {
    let criteria = rule.source_selection_criteria.as_ref();
    let kms = criteria.and_then(|criteria| criteria.sse_kms_encrypted_objects.as_ref());
    kms.is_some_and(|kms| kms.status == SseKmsEncryptedObjectsStatus::Enabled)
}

impl Resource for Replication {
    type State = Self;
    const ID: &'static str = "archive-bucket/replication";
    const AFTER: &'static [&'static str] =
        &[BUCKET, "archive-bucket/versioning", "replication-role", "vault"];
    const DUTY: Duty = Duty::Archive;
    const ACTIONS: &'static [&'static str] = &[
        // S3 is handed the role.
        "iam:PassRole",
        "kms:DescribeKey",
        "s3:GetReplicationConfiguration",
        "s3:PutReplicationConfiguration",
    ];

    fn place(desired: &Desired) -> Place {
        desired.in_archive()
    }

    fn wanted(desired: &Desired) -> bool {
        desired.config.archive.replication.is_some()
    }

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.replication
    }

    fn diff(desired: &Desired, found: Option<&Self>, observed: &Observed) -> Change {
        let Some(vault) = &desired.config.archive.replication else { return Change::nothing() };
        let key = observed.vault.present().and_then(|vault| vault.key.as_ref());
        let key = key
            .map_or_else(|| format!("the key behind {}", vault.key_alias), |k| k.arn.to_string());
        let Some(wanted) = Self::declared(desired, key) else { return Change::nothing() };
        let why = "every log is copied into the vault";
        let fields = field_changes(found, &wanted);
        if found.is_none() { Change::create(why, fields) } else { Change::update(why, fields) }
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let desired = hands.desired;
        let Some(vault) = &desired.config.archive.replication else { return Ok(()) };
        let there = hands.at(&vault.account, &vault.region);
        let alias = vault.key_alias.as_str();
        let key = there.kms().describe_key().key_id(alias).send().await;
        let key = key
            .at(&there, "kms:DescribeKey")?
            .key_metadata
            .and_then(|key| key.arn)
            .ok_or_else(|| StepError::Missing(format!("the key {alias}")))?;
        let Some(wanted) = Self::declared(desired, key.clone()) else { return Ok(()) };
        let destination = Destination::builder()
            .bucket(wanted.destination)
            .account(vault.account.as_str())
            .storage_class(StorageClass::from(wanted.storage_class.as_str()))
            .encryption_configuration(
                EncryptionConfiguration::builder().replica_kms_key_id(key).build(),
            )
            .build()?;
        let encrypted = SseKmsEncryptedObjects::builder()
            .status(SseKmsEncryptedObjectsStatus::Enabled)
            .build()?;
        let rule = ReplicationRule::builder()
            .id(RULE)
            .priority(1)
            .status(ReplicationRuleStatus::Enabled)
            .filter(ReplicationRuleFilter::builder().prefix("").build())
            .delete_marker_replication(
                DeleteMarkerReplication::builder()
                    .status(DeleteMarkerReplicationStatus::Disabled)
                    .build(),
            )
            .source_selection_criteria(
                SourceSelectionCriteria::builder().sse_kms_encrypted_objects(encrypted).build(),
            )
            .destination(destination)
            .build()?;
        let clients = hands.archive();
        clients
            .s3()
            .put_bucket_replication()
            .bucket(desired.bucket().as_str())
            .replication_configuration(
                ReplicationConfiguration::builder().role(wanted.role).rules(rule).build()?,
            )
            .send()
            .await
            .at(&clients, "s3:PutReplicationConfiguration")?;
        Ok(())
    }
}
