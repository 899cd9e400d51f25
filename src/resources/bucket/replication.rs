use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, EncryptionConfiguration,
    ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
    SourceSelectionCriteria, SseKmsEncryptedObjects, SseKmsEncryptedObjectsStatus, StorageClass,
};
use aws_smithy_types::error::operation::BuildError;
use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, AwsError, Clients, Observation};
use crate::config;
use crate::names::BucketName;
use crate::policy::Unmanaged;
use crate::resources::change::{Change, Confirmation, field_changes};
use crate::resources::{
    ApplyContext, Desired, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// The replication of the archive: to the vault, and by unmanaged rules.
///
/// Delete markers are not replicated: what is deleted here stays there.
/// Source: S3 `GetBucketReplication`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replication {
    /// The role that S3 uses for every rule.
    pub role: String,
    /// The rules, by their ids.
    pub rules: BTreeMap<String, Rule>,
    /// The rules as S3 returned them, so that unmanaged ones can be kept.
    #[serde(skip)]
    raw: Vec<ReplicationRule>,
}

/// What one rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The ARN of the destination bucket.
    pub destination: String,
    /// The key of the replicas.
    pub key: Option<String>,
    /// Their storage class.
    pub storage_class: String,
    /// Whether the rule is enabled for all objects, including those encrypted with KMS.
    pub enabled: bool,
}

const RULE: &str = "orgtrail-vault";

impl Replication {
    pub(super) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let answer = clients.s3().get_bucket_replication().bucket(bucket.as_str()).send().await;
        let answer = answer.at(clients, "s3:GetReplicationConfiguration");
        Observation::from_result(answer, AwsError::is_not_found)
            .map(|answer| {
                let configuration = answer.replication_configuration?;
                Some(Self::of(configuration.role, configuration.rules))
            })
            .flatten()
    }

    fn of(role: String, raw: Vec<ReplicationRule>) -> Self {
        let rules = raw.iter().map(|rule| (id(rule).to_owned(), Rule::of(rule))).collect();
        Self { role, rules, raw }
    }

    /// The replication to configure: to the vault with its key, and by unmanaged rules
    /// unless they are removed.
    fn target(
        desired: &Desired,
        vault: &config::Replication,
        key: &str,
        found: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let others = found.map(|found| found.raw.as_slice()).unwrap_or_default();
        let others = others.iter().filter(|rule| id(rule) != RULE);
        let highest = others.clone().filter_map(|rule| rule.priority).max().unwrap_or(0);
        let own = own_rule(desired, vault, key, highest.saturating_add(1))?;
        let own_effect = Rule::of(&own);
        let mut raw: Vec<ReplicationRule> =
            others.filter(|_| desired.unmanaged != Unmanaged::Remove).cloned().collect();
        // An unmanaged rule that does the same is adopted.
        if !raw.iter().any(|rule| Rule::of(rule) == own_effect) {
            raw.push(own);
        }
        Ok(Self::of(desired.replication_role_arn(vault).to_string(), raw))
    }

    /// The enabled rules, and their role, that `other` does not have.
    fn missing_in(&self, other: &Self) -> Vec<String> {
        let enabled = || self.rules.iter().filter(|(_, rule)| rule.enabled);
        let is_there = |rule: &Rule| {
            other.rules.values().any(|one| {
                one.enabled && one.destination == rule.destination && one.key == rule.key
            })
        };
        let lost = enabled().filter(|(_, rule)| !is_there(rule));
        let lost = lost.map(|(id, rule)| format!("the rule `{id}` to {}", rule.destination));
        let role = (self.role != other.role && enabled().next().is_some())
            .then(|| format!("with the role {}", self.role));
        lost.chain(role).collect()
    }

    /// The enabled rules: id, whether it is orgtrail's own, and destination.
    fn enabled(&self) -> impl Iterator<Item = (&str, bool, &str)> {
        let enabled = self.rules.iter().filter(|(_, rule)| rule.enabled);
        enabled.map(|(id, rule)| (id.as_str(), id == RULE, rule.destination.as_str()))
    }

    /// The unmanaged rules.
    fn unmanaged(&self) -> impl Iterator<Item = &ReplicationRule> {
        self.raw.iter().filter(|rule| id(rule) != RULE)
    }
}

impl Rule {
    fn of(rule: &ReplicationRule) -> Self {
        let to = rule.destination.as_ref();
        Self {
            destination: to.map(|to| to.bucket.clone()).unwrap_or_default(),
            key: to
                .and_then(|to| to.encryption_configuration.as_ref())
                .and_then(|encryption| encryption.replica_kms_key_id.clone()),
            storage_class: to
                .and_then(|to| to.storage_class.as_ref())
                .map_or("STANDARD", |class| class.as_str())
                .to_owned(),
            enabled: rule.status == ReplicationRuleStatus::Enabled
                && is_for_all_objects(rule)
                && takes_kms_objects(rule),
        }
    }
}

fn id(rule: &ReplicationRule) -> &str {
    rule.id.as_deref().unwrap_or_default()
}

/// The declared rule. Its priority is the highest, so that it applies even if another one
/// replicates to the vault too.
fn own_rule(
    desired: &Desired,
    vault: &config::Replication,
    key: &str,
    priority: i32,
) -> Result<ReplicationRule, BuildError> {
    let destination = Destination::builder()
        .bucket(desired.s3_arn(vault.bucket.as_str()).to_string())
        .account(vault.account.as_str())
        .storage_class(StorageClass::from(vault.storage_class.as_str()))
        .encryption_configuration(
            EncryptionConfiguration::builder().replica_kms_key_id(key).build(),
        )
        .build()?;
    let encrypted =
        SseKmsEncryptedObjects::builder().status(SseKmsEncryptedObjectsStatus::Enabled).build()?;
    ReplicationRule::builder()
        .id(RULE)
        .priority(priority)
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
        .build()
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

/// S3 does not replicate objects encrypted with KMS unless the rule includes them.
fn takes_kms_objects(rule: &ReplicationRule) -> bool {
    let criteria = rule.source_selection_criteria.as_ref();
    let kms = criteria.and_then(|criteria| criteria.sse_kms_encrypted_objects.as_ref());
    kms.is_some_and(|kms| kms.status == SseKmsEncryptedObjectsStatus::Enabled)
}

impl Resource for Replication {
    type State = Self;
    const ID: &'static str = "archive-bucket/replication";
    const DEPENDS_ON: &'static [&'static str] =
        &[BUCKET, "archive-bucket/versioning", "replication-role", "vault"];
    const ACTIONS: &'static [&'static str] = &[
        // The role is passed to S3.
        "iam:PassRole",
        "kms:DescribeKey",
        "s3:GetReplicationConfiguration",
        "s3:PutReplicationConfiguration",
    ];
    const MAY_BE_UNDECLARED: bool = true;

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.archive.replication.is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, observed: &Observed) -> Change {
        let Some(vault) = &desired.config.archive.replication else { return Change::nothing() };
        let key = observed.vault.present().and_then(|vault| vault.key.as_ref());
        let key = key
            .map_or_else(|| format!("the key behind {}", vault.key_alias), |k| k.arn.to_string());
        let target = match Self::target(desired, vault, &key, found) {
            Ok(target) => target,
            Err(error) => {
                return Change::refused(error.to_string(), "check [archive.replication]");
            }
        };
        if let Some(rule) = target.unmanaged().next() {
            let role = found.map(|found| found.role.as_str()).unwrap_or_default();
            if role != target.role {
                return Change::refused(
                    format!(
                        "the rule `{}` is unmanaged and replicates with {role}, but S3 uses one role for all rules",
                        id(rule)
                    ),
                    "set archive.replication.role to that role's name, or remove unmanaged rules with --remove-unmanaged",
                );
            }
        }
        let adds = target.raw.len() > target.unmanaged().count();
        if let Some(rule) = target.unmanaged().find(|rule| adds && rule.filter.is_none()) {
            return Change::refused(
                format!(
                    "the rule `{}` is unmanaged and uses the first version of replication rules, which S3 allows only as the single rule",
                    id(rule)
                ),
                "give it a filter instead of its prefix, or remove it with --remove-unmanaged",
            );
        }
        let notes: Vec<String> = target
            .unmanaged()
            .map(|rule| format!("the rule `{}` is unmanaged and is kept", id(rule)))
            .collect();
        let why = "every log is replicated to the vault";
        let fields = field_changes(found, &target);
        let change =
            if found.is_none() { Change::create(why, fields) } else { Change::update(why, fields) };
        let lost = found.map(|found| found.missing_in(&target)).unwrap_or_default();
        let change = change.with_notes(notes);
        if lost.is_empty() {
            return change;
        }
        change.irreversible(
            Confirmation::WeakenedGuard,
            format!("logs are no longer replicated by {}", lost.join("; ")),
        )
    }

    fn undeclared(desired: &Desired, found: &Self) -> Vec<Undeclared> {
        if Self::is_enabled(desired) {
            return Vec::new();
        }
        let undeclared = found.enabled().map(|(id, is_own, destination)| {
            let what = format!("the rule `{id}` replicates to {destination}");
            let one = Undeclared::by_others(Self::ID, "archive.replication", what);
            Undeclared { turned_off: is_own, ..one }
        });
        undeclared.collect()
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(vault) = &desired.config.archive.replication else { return Ok(()) };
        let there = context.at(&vault.account, &vault.region);
        let alias = vault.key_alias.as_str();
        let key = there.kms().describe_key().key_id(alias).send().await;
        let key = key
            .at(&there, "kms:DescribeKey")?
            .key_metadata
            .and_then(|key| key.arn)
            .ok_or_else(|| StepError::Missing(format!("the key {alias}")))?;
        let target = Self::target(desired, vault, &key, context.observed.replication.present())?;
        let clients = context.archive();
        clients
            .s3()
            .put_bucket_replication()
            .bucket(desired.bucket().as_str())
            .replication_configuration(
                ReplicationConfiguration::builder()
                    .role(target.role)
                    .set_rules(Some(target.raw))
                    .build()?,
            )
            .send()
            .await
            .at(&clients, "s3:PutReplicationConfiguration")?;
        Ok(())
    }
}
