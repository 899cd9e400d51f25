use aws_sdk_s3::types::{
    BlockedEncryptionTypes, EncryptionType, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, AwsError, Clients, Observation, WriteClients};
use crate::names::BucketName;
use crate::resources::change::{Change, Confirmation, field_changes};
use crate::resources::key::is_key;
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// How objects are encrypted whose request does not say how.
///
/// Source: S3 `GetBucketEncryption`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Encryption {
    /// `aws:kms`, `aws:kms:dsse` or `AES256`.
    pub algorithm: String,
    /// The key, as the bucket names it.
    pub key: Option<String>,
    /// Whether S3 Bucket Keys are enabled, which save KMS calls.
    pub bucket_key: bool,
    /// The kinds of encryption that the bucket rejects: `SSE-C` for buckets created since
    /// April 2026. Kept as they are found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
}

impl Encryption {
    pub(super) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let answer = clients.s3().get_bucket_encryption().bucket(bucket.as_str()).send().await;
        let answer = answer.at(clients, "s3:GetEncryptionConfiguration");
        Observation::from_result(answer, AwsError::is_not_found)
            .map(|answer| {
                let rules = answer.server_side_encryption_configuration?.rules;
                let rule = rules.into_iter().next()?;
                let blocked = rule.blocked_encryption_types.and_then(|it| it.encryption_type);
                let by_default = rule.apply_server_side_encryption_by_default?;
                Some(Self {
                    algorithm: by_default.sse_algorithm.as_str().to_owned(),
                    key: by_default.kms_master_key_id,
                    bucket_key: rule.bucket_key_enabled == Some(true),
                    blocked: blocked
                        .unwrap_or_default()
                        .iter()
                        .map(|kind| kind.as_str().to_owned())
                        .collect(),
                })
            })
            .flatten()
    }

    pub(super) async fn put_kms(
        clients: &WriteClients,
        bucket: &BucketName,
        key: &str,
        blocked: &[String],
    ) -> Result<(), StepError> {
        let by_default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(ServerSideEncryption::AwsKms)
            .kms_master_key_id(key)
            .build()?;
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(by_default)
            .bucket_key_enabled(true)
            .set_blocked_encryption_types(blocked_types(blocked))
            .build();
        clients
            .s3()
            .put_bucket_encryption()
            .bucket(bucket.as_str())
            .server_side_encryption_configuration(
                ServerSideEncryptionConfiguration::builder().rules(rule).build()?,
            )
            .send()
            .await
            .at(clients, "s3:PutEncryptionConfiguration")?;
        Ok(())
    }
}

/// The kinds that the bucket must continue to reject; absent if there are none.
fn blocked_types(blocked: &[String]) -> Option<BlockedEncryptionTypes> {
    if blocked.is_empty() {
        return None;
    }
    let kinds = blocked.iter().map(|kind| EncryptionType::from(kind.as_str())).collect();
    Some(BlockedEncryptionTypes::builder().set_encryption_type(Some(kinds)).build())
}

impl Resource for Encryption {
    type State = Self;
    const ID: &'static str = "archive-bucket/encryption";
    const DEPENDS_ON: &'static [&'static str] =
        &[BUCKET, "kms-key", "kms-key/alias", "kms-key/policy"];
    const ACTIONS: &'static [&'static str] =
        &["kms:DescribeKey", "s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, observed: &Observed) -> Change {
        let key = observed.kms_key.present();
        let same_key = found.and_then(|found| found.key.as_deref()).is_some_and(|named| {
            key.is_some_and(|key| is_key(named, key, &desired.key_alias_arn()))
        });
        let wanted = Self {
            algorithm: ServerSideEncryption::AwsKms.as_str().to_owned(),
            key: if same_key {
                found.and_then(|found| found.key.clone())
            } else {
                Some(key.map_or_else(
                    || format!("the key behind {}", desired.config.key.alias),
                    |key| key.arn.to_string(),
                ))
            },
            bucket_key: true,
            blocked: found.map(|found| found.blocked.clone()).unwrap_or_default(),
        };
        let why = "logs are encrypted with the declared key";
        let fields = field_changes(found, &wanted);
        let change =
            if found.is_none() { Change::create(why, fields) } else { Change::update(why, fields) };
        match found.and_then(|found| found.key.as_deref()) {
            Some(old) if !same_key && !old.contains("alias/aws/") => change.irreversible(
                Confirmation::ReplacedKey,
                format!("objects encrypted with {old} need that key for as long as they are kept"),
            ),
            _ => change,
        }
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let key = context.key_arn().await?;
        let found = context.observed.encryption.present();
        let blocked = found.map(|found| found.blocked.as_slice()).unwrap_or_default();
        Self::put_kms(&context.archive(), context.desired.bucket(), &key, blocked).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_encryption_that_a_bucket_refuses_stay_refused() {
        let facts = crate::checks::table::holding();
        let Observation::Present(mut found) = facts.observed.encryption.clone() else {
            panic!("absent")
        };
        found.blocked = vec!["SSE-C".to_owned()];
        let change = Encryption::diff(&facts.desired, Some(&found), &facts.observed);
        assert_eq!(change.action, crate::resources::change::Action::Nothing);
        assert_eq!(blocked_types(&found.blocked).unwrap().encryption_type().len(), 1);
        assert!(blocked_types(&[]).is_none());
    }
}
