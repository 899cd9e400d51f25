//! Versioning, and the MFA delete that is switched with it.

use s3s::{S3ErrorCode, S3Result, dto};

use super::bucket::Versioning;
use super::context::CallContext;
use super::error::{custom, malformed_xml, refuse};

pub(super) fn put_bucket_versioning(
    cx: &CallContext<'_>,
    input: dto::PutBucketVersioningInput,
) -> S3Result<dto::PutBucketVersioningOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutBucketVersioning")?;
    let configuration = input.versioning_configuration;
    let settings = bucket.settings();
    let status = match configuration.status.as_ref().map(dto::BucketVersioningStatus::as_str) {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => {
            return Err(custom(
                "IllegalVersioningConfigurationException",
                http::StatusCode::BAD_REQUEST,
                "The Versioning element must be specified",
            ));
        }
    };
    if status == Versioning::Suspended && settings.lock.is_some() {
        return Err(refuse(
            S3ErrorCode::InvalidBucketState,
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        ));
    }
    if status == Versioning::Suspended && settings.replication.is_some() {
        return Err(refuse(
            S3ErrorCode::InvalidBucketState,
            "A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration.",
        ));
    }
    let mfa_delete = match configuration.mfa_delete.as_ref().map(dto::MFADelete::as_str) {
        None => settings.mfa_delete,
        Some("Enabled") => true,
        Some("Disabled") => false,
        Some(_) => return Err(malformed_xml("MfaDelete is either Enabled or Disabled")),
    };
    // Naming MFA delete at all, and anything while it is on, needs the device.
    if configuration.mfa_delete.is_some() && mfa_delete != settings.mfa_delete
        || settings.mfa_delete
    {
        cx.prove_mfa(&bucket, input.mfa.as_deref())?;
    }
    if mfa_delete && !settings.mfa_delete && settings.lifecycle.is_some() {
        return Err(refuse(
            S3ErrorCode::InvalidBucketState,
            "The bucket has a lifecycle configuration; remove it before enabling MFA delete",
        ));
    }
    bucket.change(|settings| {
        settings.versioning = status;
        settings.mfa_delete = mfa_delete;
        settings.mfa_delete_named |= configuration.mfa_delete.is_some();
    });
    Ok(dto::PutBucketVersioningOutput {})
}

pub(super) fn get_bucket_versioning(
    cx: &CallContext<'_>,
    input: dto::GetBucketVersioningInput,
) -> S3Result<dto::GetBucketVersioningOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:GetBucketVersioning")?;
    let settings = bucket.settings();
    let status = match settings.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some(dto::BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(dto::BucketVersioningStatus::SUSPENDED),
    };
    let mfa = if settings.mfa_delete { "Enabled" } else { "Disabled" };
    Ok(dto::GetBucketVersioningOutput {
        // S3 User Guide, "Configuring MFA delete": it is only returned if the bucket
        // was ever configured with it.
        mfa_delete: settings.mfa_delete_named.then(|| dto::MFADeleteStatus::from_static(mfa)),
        status: status.map(dto::BucketVersioningStatus::from_static),
    })
}
