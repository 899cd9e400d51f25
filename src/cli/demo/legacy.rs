//! What older trails left in members' buckets, brought into the archive.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::ground::{BUCKET, Ground, unexpected};
use super::program::Ran;
use super::{Stop, Story};
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
/// Of the objects, the part whose digests have arrived when the first run is
/// killed: early, because a small organization's are copied in a blink.
const KILLED_AT: usize = 20;

/// The name of every old trail.
pub(super) const TRAIL: &str = "legacy";

pub(super) async fn play(
    story: &mut Story,
    ground: &Ground,
    accounts: &[String],
) -> Result<(), Stop> {
    story.chapter(
        "8. What came before, brought in",
        "Members had trails of their own, stopped an hour after the new one began. Their logs and\n\
         digests move into the archive with their signatures: nothing lost, twice or overwritten.",
    )?;
    let aws = ground.aws().await?;
    let members: Vec<&String> = accounts.iter().skip(3).take(MEMBERS).collect();
    let mut left = 0;
    for id in &members {
        let account: AccountId = id.parse().map_err(unexpected)?;
        left += fill(ground, &aws, &account).await?;
    }

    let ran = ground.program.run(&["sources", "--exact", "--format", "json"]).await?;
    let found: u64 = sum(&ran, "/sources", "/contents/objects");
    let held = ran.ended(Outcome::Clean)
        && left > 0
        && found == left as u64
        && count(&ran) == members.len();
    let said = if held {
        format!("{} trails, {found} objects, from two Regions", members.len())
    } else {
        ran.in_full()
    };
    story.must("every trail that left logs is found", Some("orgtrail sources"), held, said)?;

    let arrived = || {
        let keys = ground.sandbox.keys_raw(BUCKET, "");
        keys.iter().filter(|key| key.contains("_legacy_")).count()
    };
    let consolidate = ["consolidate", "--yes", "--format", "json"];
    let slowly = [&consolidate[..], &["--concurrency", "2"]].concat();
    let objects = || ground.sandbox.keys_raw(BUCKET, "AWSLogs/").len();
    let before = objects();
    let killed = ground.program.kill(&slowly, || arrived() >= (left / KILLED_AT).max(1)).await?;
    let brought = objects() - before;
    story.step(
        "a run is killed half-way",
        Some("orgtrail consolidate --yes & kill -9 $!"),
        killed && (1..left).contains(&brought),
        if killed {
            format!("{} digests had arrived", arrived())
        } else {
            "it was done".to_owned()
        },
    )?;
    let ran = ground.program.run(&consolidate).await?;
    let (copied, present) = counts(&ran);
    // What the run says, and what lies there.
    let held = ran.ended(Outcome::Clean)
        && copied > 0
        && copied + present == left as u64
        && objects() == before + left;
    let said = if held {
        format!("{copied} copied, {present} there before, none twice, none lost")
    } else {
        ran.in_full()
    };
    let title = "the next run brings the rest";
    story.must(title, Some("orgtrail consolidate --yes"), held, said)?;
    let ran = ground.program.run(&consolidate).await?;
    let held = ran.ended(Outcome::Clean) && counts(&ran) == (0, left as u64);
    let said = if held { "0 copied".to_owned() } else { ran.in_full() };
    story.step("a third run copies nothing", Some("orgtrail consolidate --yes"), held, said)?;
    Ok(())
}

/// Makes a member's old trail and all that it delivered; how many objects.
async fn fill(ground: &Ground, aws: &Aws, account: &AccountId) -> Result<usize, Stop> {
    let clients = ground.clients(aws, account);
    let home = ground.sandbox.home_region();
    let bucket: BucketName = format!("{TRAIL}-{account}").parse().map_err(unexpected)?;
    let trail: TrailName = TRAIL.parse().map_err(unexpected)?;
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
    let second: Region = "eu-central-1".parse().map_err(unexpected)?;
    let until = ground.sandbox.now() - STOPPED;
    let legacy = Legacy {
        account: account.clone(),
        bucket: bucket.clone(),
        prefix: None,
        trail,
        regions: vec![home.clone(), second],
        from: until - LOGGED,
        until,
    };
    ground
        .sandbox
        .fill_legacy(&legacy)
        .map_err(|error| OpError::new(error, Outcome::Unexpected))?;
    Ok(ground.sandbox.keys_raw(bucket.as_str(), "").len())
}

/// What CloudTrail's documentation tells an account to put on its bucket.
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

fn answer(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_default()
}

fn count(ran: &Ran) -> usize {
    answer(ran)["sources"].as_array().map_or(0, Vec::len)
}

fn sum(ran: &Ran, list: &str, member: &str) -> u64 {
    let answer = answer(ran);
    let items = answer.pointer(list).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|item| item.pointer(member)?.as_u64()).sum()
}

/// What was copied, and what was there before.
fn counts(ran: &Ran) -> (u64, u64) {
    let answer = answer(ran);
    let of = |name: &str| answer["counts"][name].as_u64().unwrap_or_default();
    (of("copied"), of("present"))
}
