//! The guards, proven by trying to break them.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};

use super::ground::{BUCKET, Ground};
use super::trail::Delivered;
use super::{Stop, Story};
use crate::cli::OpError;

/// What is tried to be written without TLS.
const WITHOUT_TLS: &str = "without-tls";

pub(super) async fn play(
    story: &mut Story,
    ground: &Ground,
    delivered: &Delivered,
) -> Result<(), Stop> {
    story.chapter(
        "6. The guards, attacked",
        "Who steals an administrator's session turns the log off or deletes it first. Each of these\n\
         is tried with an administrator's rights in the account, and has to be refused.",
    )?;
    let aws = ground.aws().await?;
    let archive = ground.clients(&aws, &ground.log_archive);
    let member = ground.clients(&aws, &ground.member);
    let s3 = archive.s3();
    let Delivered { trail, log, version } = delivered;

    let tried = s3.delete_object().bucket(BUCKET).key(log).version_id(version).send().await;
    refused(
        story,
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
        story,
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
        story,
        "suspending versioning",
        "aws s3api put-bucket-versioning --versioning-configuration Status=Suspended",
        tried,
        &["AccessDenied", "InvalidBucketState"],
    )?;
    // The sandbox's endpoint stands for TLS unless a request says otherwise.
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
        story,
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
        story,
        "writing over a log file the way consolidation writes",
        "aws s3api put-object --key … --if-none-match '*'",
        tried,
        &["AccessDenied", "PreconditionFailed"],
    )?;
    let tried = member.cloudtrail().create_trail().name("intruder").s3_bucket_name(BUCKET);
    refused(
        story,
        "another account's trail writing into the archive",
        &format!("aws cloudtrail create-trail --name intruder --s3-bucket-name {BUCKET}"),
        tried.send().await,
        &["InsufficientS3BucketPolicyException"],
    )?;
    let tried = member.cloudtrail().stop_logging().name(trail).send().await;
    refused(
        story,
        "a member stopping the organization's trail",
        &format!("aws cloudtrail stop-logging --name {trail}"),
        tried,
        &[
            "AccessDeniedException",
            "InsufficientDependencyServiceAccessPermissionException",
            "NotOrganizationMasterAccountException",
            "NotOrganizationManagementAccountException",
        ],
    )?;

    let management = ground.clients(&aws, &ground.management);
    let status = management.cloudtrail().get_trail_status().name(trail).send().await;
    let status = status.map_err(|error| management.error("cloudtrail:GetTrailStatus", error))?;
    // Of the current version, so that nothing lies on top of it either.
    let newest = s3.head_object().bucket(BUCKET).key(log).send().await;
    let is_there = newest.is_ok_and(|newest| newest.version_id() == Some(version));
    let versioning = s3.get_bucket_versioning().bucket(BUCKET).send().await;
    let is_versioned =
        versioning.is_ok_and(|it| it.status() == Some(&BucketVersioningStatus::Enabled));
    let intruded = !ground.sandbox.keys_raw(BUCKET, WITHOUT_TLS).is_empty();
    story.step(
        "after all of it, the trail logs, the bucket keeps versions and the log file is as it was",
        Some("aws cloudtrail get-trail-status --name …"),
        status.is_logging() == Some(true) && is_versioned && is_there && !intruded,
        format!(
            "logging: {}; versioned: {is_versioned}; the version: {}",
            status.is_logging().unwrap_or(false),
            if is_there { "there" } else { "gone" },
        ),
    )?;
    Ok(())
}

/// Tells an attempt that has to end with one of these error codes. Another
/// error is no proof that the guard holds.
fn refused<T, E: ProvideErrorMetadata, R>(
    story: &mut Story,
    title: &str,
    command: &str,
    tried: Result<T, SdkError<E, R>>,
    codes: &[&str],
) -> Result<(), OpError> {
    let (held, found) = match &tried {
        Ok(_) => (false, "it was allowed".to_owned()),
        Err(error) => {
            let code = error.code().unwrap_or("no code");
            let message = error.message().unwrap_or("no message");
            (codes.contains(&code), format!("{code}: {message}"))
        }
    };
    story.step(&format!("refused: {title}"), Some(command), held, found)?;
    Ok(())
}
