//! Settings are changed behind orgtrail's back.

use aws_sdk_s3::types::BucketLoggingStatus;

use super::ground::{BUCKET, Ground};
use super::trail::Delivered;
use super::{Stop, Story};
use crate::cli::Outcome;

/// What is changed, by the check that has to tell it.
const CHANGED: [&str; 3] = ["bucket-access-logging", "key-rotation", "trail-log-validation"];

pub(super) async fn play(
    story: &mut Story,
    ground: &Ground,
    delivered: &Delivered,
) -> Result<(), Stop> {
    story.chapter(
        "7. Three settings change behind orgtrail's back",
        "Somebody with rights in the management and log-archive accounts changes the trail, its key\n\
         and its bucket by hand. Drift names each of them, mends them, and is clean again.",
    )?;
    let ran = ground.program.run(&["drift"]).await?;
    let held = ran.ended(Outcome::Clean);
    let said = if held { ran.summary(1) } else { ran.in_full() };
    story.step("before, everything holds", Some("orgtrail drift"), held, said)?;

    let aws = ground.aws().await?;
    let management = ground.clients(&aws, &ground.management);
    let archive = ground.clients(&aws, &ground.log_archive);
    let trail = management.cloudtrail().update_trail().name(&delivered.trail);
    let trail = trail.enable_log_file_validation(false).send().await;
    trail.map_err(|error| management.error("cloudtrail:UpdateTrail", error))?;
    let bucket = archive.s3().get_bucket_encryption().bucket(BUCKET).send().await;
    let bucket = bucket.map_err(|error| archive.error("s3:GetEncryptionConfiguration", error))?;
    let key = bucket
        .server_side_encryption_configuration()
        .and_then(|encryption| encryption.rules().first())
        .and_then(|rule| rule.apply_server_side_encryption_by_default()?.kms_master_key_id())
        .unwrap_or_default();
    let rotation = archive.kms().disable_key_rotation().key_id(key).send().await;
    rotation.map_err(|error| archive.error("kms:DisableKeyRotation", error))?;
    let off = BucketLoggingStatus::builder().build();
    let logging = archive.s3().put_bucket_logging().bucket(BUCKET).bucket_logging_status(off);
    let logging = logging.send().await;
    logging.map_err(|error| archive.error("s3:PutBucketLogging", error))?;

    let ran = ground.program.run(&["drift", "--format", "json"]).await?;
    let found = failed(&ran.stdout);
    let held = ran.ended(Outcome::Drift) && found == CHANGED;
    let said = if held { found.join(", ") } else { ran.in_full() };
    story.step("drift names the three, and nothing else", Some("orgtrail drift"), held, said)?;

    let ran = ground.program.run(&["drift", "--fix", "--yes"]).await?;
    let held = ran.ended(Outcome::Clean);
    let said = if held { ran.summary(1) } else { ran.in_full() };
    story.step("drift mends them", Some("orgtrail drift --fix"), held, said)?;

    let ran = ground.program.run(&["drift"]).await?;
    let held = ran.ended(Outcome::Clean);
    let said = if held { ran.summary(1) } else { ran.in_full() };
    story.step("looked at again, everything holds", Some("orgtrail drift"), held, said)?;
    Ok(())
}

/// The checks that a run found broken, sorted.
fn failed(report: &str) -> Vec<String> {
    let report: serde_json::Value = serde_json::from_str(report).unwrap_or_default();
    let findings = report["findings"].as_array().into_iter().flatten();
    let mut checks: Vec<String> = findings
        .filter(|finding| finding["verdict"] == "fail")
        .filter_map(|finding| finding["check"].as_str().map(str::to_owned))
        .collect();
    checks.sort();
    checks.dedup();
    checks
}
