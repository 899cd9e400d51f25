//! The one call that only root can make.

use aws_sdk_s3::types::{BucketVersioningStatus, MfaDelete, VersioningConfiguration};

use crate::aws::{At, AwsError, Clients, Observation, WriteAuthority, WriteClients};
use crate::names::BucketName;
use crate::resources::bucket::{Lifecycle, Versioning};

/// Why MFA delete could not be enabled.
#[derive(Debug, thiserror::Error)]
pub enum MfaDeleteError {
    /// S3 refused.
    #[error("enabling MFA delete")]
    Refused(#[source] AwsError),
    /// S3 accepted the call, but does not report MFA delete as enabled.
    #[error("S3 accepted MFA delete for `{0}`, but does not report it as enabled")]
    NotShown(String),
}

/// Describes the settings of a bucket that matter for MFA delete.
///
/// # Errors
/// Its versioning or its lifecycle rules could not be read.
pub async fn describe(clients: &Clients, bucket: &BucketName) -> Result<String, AwsError> {
    let versioning = match Versioning::read(clients, bucket).await {
        Observation::Present(found) => match (found.mfa_delete, found.enabled, found.suspended) {
            (true, ..) => "which has MFA delete",
            (_, true, _) => "which is versioned",
            (_, _, true) => "whose versioning is suspended",
            _ => "which is not versioned",
        },
        Observation::Absent => "which is not versioned",
        Observation::Unreadable(error) => return Err(error),
    };
    let rules = match Lifecycle::read(clients, bucket).await {
        Observation::Present(found) => found.rules.into_keys().collect(),
        Observation::Absent => Vec::new(),
        Observation::Unreadable(error) => return Err(error),
    };
    Ok(if rules.is_empty() {
        format!("{versioning} and has no lifecycle rules")
    } else {
        format!("{versioning} and has the lifecycle rules {}", rules.join(", "))
    })
}

/// Enables MFA delete with root's clients, then reads it back.
pub async fn enable(
    clients: &Clients,
    bucket: &BucketName,
    serial: &str,
    code: &str,
) -> Result<(), MfaDeleteError> {
    let writer = WriteClients::new(clients, &WriteAuthority::granted());
    put(&writer, bucket, serial, code).await.map_err(MfaDeleteError::Refused)?;
    match Versioning::read(clients, bucket).await {
        Observation::Present(found) if found.enabled && found.mfa_delete => Ok(()),
        Observation::Unreadable(error) => Err(MfaDeleteError::Refused(error)),
        _ => Err(MfaDeleteError::NotShown(bucket.to_string())),
    }
}

async fn put(
    clients: &WriteClients,
    bucket: &BucketName,
    serial: &str,
    code: &str,
) -> Result<(), AwsError> {
    let versioning = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .mfa_delete(MfaDelete::Enabled)
        .build();
    clients
        .s3()
        .put_bucket_versioning()
        .bucket(bucket.as_str())
        .versioning_configuration(versioning)
        .mfa(format!("{serial} {code}"))
        .send()
        .await
        .at(clients, "s3:PutBucketVersioning")?;
    Ok(())
}
