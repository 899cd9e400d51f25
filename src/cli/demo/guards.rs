//! Attacks on the guards, each of which must be refused.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};

use super::delivery::Delivered;
use super::env::{BUCKET, DemoEnv};
use super::{DemoReport, Stop};
use crate::cli::OpError;

/// The key that is written without TLS.
const WITHOUT_TLS: &str = "without-tls";

pub(super) async fn run(
    report: &mut DemoReport,
    env: &DemoEnv,
    delivered: &Delivered,
) -> Result<(), Stop> {
    report.section(
        "6. Attacks on the guards",
        "An attacker with an administrator's session first turns logging off or deletes logs. Each\n\
         attempt uses administrator permissions in the account, and must be refused.",
    )?;
    let aws = env.aws().await?;
    let archive = env.clients(&aws, &env.log_archive);
    let member = env.clients(&aws, &env.member);
    let s3 = archive.s3();
    let Delivered { trail, log, version } = delivered;

    let tried = s3.delete_object().bucket(BUCKET).key(log).version_id(version).send().await;
    refused(
        report,
        "deleting a locked version of a log file",
        "aws s3api delete-object --key … --version-id …",
        tried,
        &["AccessDenied"],
    )?;
    let tried = s3
        .delete_object()
        .bucket(BUCKET)
        .key(log)
        .version_id(version)
        .bypass_governance_retention(true)
        .send()
        .await;
    refused(
        report,
        "deleting it without MFA, by bypassing the lock",
        "aws s3api delete-object --key … --version-id … --bypass-governance-retention",
        tried,
        &["AccessDenied"],
    )?;
    let suspended =
        VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    let tried =
        s3.put_bucket_versioning().bucket(BUCKET).versioning_configuration(suspended).send().await;
    refused(
        report,
        "suspending versioning",
        "aws s3api put-bucket-versioning --versioning-configuration Status=Suspended",
        tried,
        &["AccessDenied", "InvalidBucketState"],
    )?;
    // The sandbox treats requests as TLS unless this header is set.
    let tried = s3
        .put_object()
        .bucket(BUCKET)
        .key(WITHOUT_TLS)
        .body(ByteStream::from_static(b"x"))
        .customize()
        .mutate_request(|request| {
            request.headers_mut().insert("x-orgtrail-insecure", "true");
        })
        .send()
        .await;
    refused(
        report,
        "writing without TLS",
        "aws s3api put-object --endpoint-url http://…",
        tried,
        &["AccessDenied"],
    )?;
    let tried = s3
        .put_object()
        .bucket(BUCKET)
        .key(log)
        .body(ByteStream::from_static(b"x"))
        .if_none_match("*")
        .send()
        .await;
    refused(
        report,
        "overwriting a log file with a conditional write, as consolidation does",
        "aws s3api put-object --key … --if-none-match '*'",
        tried,
        &["AccessDenied", "PreconditionFailed"],
    )?;
    let tried = member.cloudtrail().create_trail().name("intruder").s3_bucket_name(BUCKET);
    refused(
        report,
        "delivering another account's trail to the archive",
        &format!("aws cloudtrail create-trail --name intruder --s3-bucket-name {BUCKET}"),
        tried.send().await,
        &["InsufficientS3BucketPolicyException"],
    )?;
    let tried = member.cloudtrail().stop_logging().name(trail).send().await;
    refused(
        report,
        "stopping the organization trail from a member account",
        &format!("aws cloudtrail stop-logging --name {trail}"),
        tried,
        &[
            "AccessDeniedException",
            "InsufficientDependencyServiceAccessPermissionException",
            "NotOrganizationMasterAccountException",
            "NotOrganizationManagementAccountException",
        ],
    )?;

    let management = env.clients(&aws, &env.management);
    let status = management.cloudtrail().get_trail_status().name(trail).send().await;
    let status = status.map_err(|error| management.error("cloudtrail:GetTrailStatus", error))?;
    // The current version, so that no newer one hides it.
    let newest = s3.head_object().bucket(BUCKET).key(log).send().await;
    let is_unchanged = newest.is_ok_and(|newest| newest.version_id() == Some(version));
    let versioning = s3.get_bucket_versioning().bucket(BUCKET).send().await;
    let is_versioned =
        versioning.is_ok_and(|it| it.status() == Some(&BucketVersioningStatus::Enabled));
    let has_plaintext_write = !env.sandbox.keys_raw(BUCKET, WITHOUT_TLS).is_empty();
    report.step(
        "afterwards, the trail logs, the bucket is versioned and the log file is unchanged",
        Some("aws cloudtrail get-trail-status --name …"),
        status.is_logging() == Some(true) && is_versioned && is_unchanged && !has_plaintext_write,
        format!(
            "logging: {}; versioned: {is_versioned}; log file: {}",
            status.is_logging().unwrap_or(false),
            if is_unchanged { "unchanged" } else { "changed" },
        ),
    )?;
    Ok(())
}

/// Reports an attempt that must fail with one of these error codes: another error does not
/// prove that the guard works.
fn refused<T, E: ProvideErrorMetadata, R>(
    report: &mut DemoReport,
    title: &str,
    command: &str,
    tried: Result<T, SdkError<E, R>>,
    codes: &[&str],
) -> Result<(), OpError> {
    let (passed, found) = match &tried {
        Ok(_) => (false, "AWS allowed it".to_owned()),
        Err(error) => {
            let code = error.code().unwrap_or("no error code");
            let message = error.message().unwrap_or("no error message");
            (codes.contains(&code), format!("{code}: {message}"))
        }
    };
    report.step(&format!("refused: {title}"), Some(command), passed, found)?;
    Ok(())
}
