//! Settings change outside orgtrail, and drift detects and fixes them.

use aws_sdk_s3::types::BucketLoggingStatus;

use super::delivery::Delivered;
use super::env::{BUCKET, DemoEnv};
use super::{DemoReport, Stop};
use crate::cli::Outcome;

/// The checks that must fail after the changes.
const CHANGED: [&str; 3] = ["bucket-access-logging", "key-rotation", "trail-log-validation"];

pub(super) async fn run(
    report: &mut DemoReport,
    env: &DemoEnv,
    delivered: &Delivered,
) -> Result<(), Stop> {
    report.section(
        "7. Three settings change outside orgtrail",
        "An administrator of the management and log-archive accounts changes the trail, its key and\n\
         its bucket by hand. `drift` reports exactly these changes, and fixes them.",
    )?;
    let title = "before the changes, every check passes";
    env.step(report, title, "orgtrail drift", &["drift"], Outcome::Clean).await?;

    let aws = env.aws().await?;
    let management = env.clients(&aws, &env.management);
    let archive = env.clients(&aws, &env.log_archive);
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

    let output = env.program.run(&["drift", "--format", "json"]).await?;
    let found = failed(&output.stdout);
    let passed = output.exited_with(Outcome::Drift) && found == CHANGED;
    let details = if passed { found.join(", ") } else { output.in_full() };
    report.step(
        "drift reports the three changes and nothing else",
        Some("orgtrail drift"),
        passed,
        details,
    )?;

    let (command, fix) = ("orgtrail drift --fix", ["drift", "--fix", "--yes"]);
    env.step(report, "drift fixes them", command, &fix, Outcome::Clean).await?;
    let title = "re-checked, every check passes";
    env.step(report, title, "orgtrail drift", &["drift"], Outcome::Clean).await?;
    Ok(())
}

/// The failed checks of a report, sorted.
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
