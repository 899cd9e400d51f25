//! Logs of legacy trails, consolidated into the archive.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::env::{BUCKET, DemoEnv};
use super::program::ProgramOutput;
use super::{DemoReport, Stop};
use crate::aws::{At as _, Aws};
use crate::cli::{OpError, Outcome};
use crate::names::{AccountId, Arn, BucketName, Region, TrailName};
use crate::sandbox::Legacy;

/// Accounts with a trail of their own, at most.
const MEMBERS: usize = 6;
/// How long the old trails logged.
const LOGGED: SignedDuration = SignedDuration::from_hours(24);
/// How long ago they were stopped: an hour after the organization's trail had
/// begun, so that no hour is without one.
const STOPPED: SignedDuration = SignedDuration::from_hours(25);
/// The first run is killed once one in this many objects' digests has been copied: early,
/// because a small organization is copied within moments.
const KILLED_AT_ONE_IN: usize = 20;

/// The name of every old trail.
pub(super) const TRAIL: &str = "legacy";

pub(super) async fn run(
    report: &mut DemoReport,
    env: &DemoEnv,
    accounts: &[String],
) -> Result<(), Stop> {
    report.section(
        "8. Logs of legacy trails, consolidated",
        "Members had their own trails until an hour after the new one started. Their logs and\n\
         digests are copied to the archive with their signatures: none lost, none overwritten.",
    )?;
    let aws = env.aws().await?;
    let members: Vec<&String> = accounts.iter().skip(3).take(MEMBERS).collect();
    let mut left = 0;
    for id in &members {
        let account: AccountId = id.parse().map_err(OpError::unexpected)?;
        left += fill(env, &aws, &account).await?;
    }

    let output = env.program.run(&["sources", "--exact", "--format", "json"]).await?;
    let found: u64 = sum(&output, "/sources", "/contents/objects");
    let passed = output.exited_with(Outcome::Clean)
        && left > 0
        && found == left as u64
        && count(&output) == members.len();
    let details = if passed {
        format!("{} trails, {found} objects, two Regions", members.len())
    } else {
        output.in_full()
    };
    report.required_step(
        "every legacy trail with logs is found",
        Some("orgtrail sources"),
        passed,
        details,
    )?;

    let copied_digests = || {
        let keys = env.sandbox.keys_raw(BUCKET, "");
        keys.iter().filter(|key| key.contains("_legacy_")).count()
    };
    let consolidate = ["consolidate", "--yes", "--format", "json"];
    let slowly = [&consolidate[..], &["--concurrency", "2"]].concat();
    let objects = || env.sandbox.keys_raw(BUCKET, "AWSLogs/").len();
    let before = objects();
    let killed =
        env.program.kill(&slowly, || copied_digests() >= (left / KILLED_AT_ONE_IN).max(1)).await?;
    let copied_before = objects() - before;
    report.step(
        "a run is killed while it copies",
        Some("orgtrail consolidate --yes & kill -9 $!"),
        killed && (1..left).contains(&copied_before),
        if killed {
            format!("{} digests were copied", copied_digests())
        } else {
            "it had already finished".to_owned()
        },
    )?;
    let output = env.program.run(&consolidate).await?;
    let (copied, present) = counts(&output);
    // What the run reports, and what the archive contains.
    let passed = output.exited_with(Outcome::Clean)
        && copied > 0
        && copied + present == left as u64
        && objects() == before + left;
    let details = if passed {
        format!("{copied} copied, {present} already present, none lost")
    } else {
        output.in_full()
    };
    let title = "the next run copies the rest";
    report.required_step(title, Some("orgtrail consolidate --yes"), passed, details)?;
    let output = env.program.run(&consolidate).await?;
    let passed = output.exited_with(Outcome::Clean) && counts(&output) == (0, left as u64);
    let details = if passed { "0 copied".to_owned() } else { output.in_full() };
    report.step(
        "a third run copies nothing",
        Some("orgtrail consolidate --yes"),
        passed,
        details,
    )?;
    Ok(())
}

/// Creates a member's legacy trail and everything it delivered; the number of objects.
async fn fill(env: &DemoEnv, aws: &Aws, account: &AccountId) -> Result<usize, Stop> {
    let clients = env.clients(aws, account);
    let home = env.sandbox.home_region();
    let bucket: BucketName = format!("{TRAIL}-{account}").parse().map_err(OpError::unexpected)?;
    let trail: TrailName = TRAIL.parse().map_err(OpError::unexpected)?;
    let mut create = clients.s3().create_bucket().bucket(bucket.as_str());
    if home.as_str() != "us-east-1" {
        let place = BucketLocationConstraint::from(home.as_str());
        create = create.create_bucket_configuration(
            CreateBucketConfiguration::builder().location_constraint(place).build(),
        );
    }
    create.send().await.at(&clients, "s3:CreateBucket")?;
    let arn = Arn::regional(aws.partition(), "cloudtrail", home, account, format!("trail/{trail}"));
    clients
        .s3()
        .put_bucket_policy()
        .bucket(bucket.as_str())
        .policy(policy(aws, &bucket, &arn).to_string())
        .send()
        .await
        .at(&clients, "s3:PutBucketPolicy")?;
    let second: Region = "eu-central-1".parse().map_err(OpError::unexpected)?;
    let until = env.sandbox.now() - STOPPED;
    let legacy = Legacy {
        account: account.clone(),
        bucket: bucket.clone(),
        prefix: None,
        trail,
        regions: vec![home.clone(), second],
        from: until - LOGGED,
        until,
    };
    env.sandbox.fill_legacy(&legacy).map_err(OpError::unexpected)?;
    Ok(env.sandbox.keys_raw(bucket.as_str(), "").len())
}

/// The bucket policy from CloudTrail's documentation.
fn policy(aws: &Aws, bucket: &BucketName, trail: &Arn) -> Value {
    let bucket = Arn::s3(aws.partition(), bucket.as_str()).to_string();
    let principal = json!({ "Service": "cloudtrail.amazonaws.com" });
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": principal,
                "Action": "s3:GetBucketAcl",
                "Resource": bucket,
                "Condition": { "StringEquals": { "aws:SourceArn": trail.to_string() } },
            },
            {
                "Effect": "Allow",
                "Principal": principal,
                "Action": "s3:PutObject",
                "Resource": format!("{bucket}/AWSLogs/*"),
                "Condition": { "StringEquals": {
                    "aws:SourceArn": trail.to_string(),
                    "s3:x-amz-acl": "bucket-owner-full-control",
                } },
            },
        ],
    })
}

fn answer(output: &ProgramOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_default()
}

fn count(output: &ProgramOutput) -> usize {
    answer(output)["sources"].as_array().map_or(0, Vec::len)
}

fn sum(output: &ProgramOutput, list: &str, member: &str) -> u64 {
    let answer = answer(output);
    let items = answer.pointer(list).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|item| item.pointer(member)?.as_u64()).sum()
}

/// How many objects were copied, and how many were already present.
fn counts(output: &ProgramOutput) -> (u64, u64) {
    let answer = answer(output);
    let of = |name: &str| answer["counts"][name].as_u64().unwrap_or_default();
    (of("copied"), of("present"))
}
