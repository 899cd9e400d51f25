//! The trail delivers: a day passes on the simulated clock.

use aws_sdk_s3::types::Object;
use jiff::SignedDuration;

use super::ground::{BUCKET, Ground};
use super::{Stop, Story};
use crate::aws::Clients;
use crate::cli::CliError;

/// How much time passes: more than a day, so that a day is whole.
const PASSES: SignedDuration = SignedDuration::from_hours(26);

/// What a day brought.
#[derive(Debug)]
pub(super) struct Delivered {
    /// The organization trail's ARN.
    pub(super) trail: String,
    /// The key of a log file of the log-archive account.
    pub(super) log: String,
    /// Its version.
    pub(super) version: String,
}

/// `accounts` are those that are active.
pub(super) async fn play(
    story: &mut Story,
    ground: &Ground,
    accounts: &[String],
) -> Result<Delivered, Stop> {
    story.chapter(
        "5. The trail delivers, from every account",
        "The sandbox's clock goes forward a day; CloudTrail writes log files and hourly signed\n\
         digests, each digest naming the one before it.",
    )?;
    let aws = ground.aws().await?;
    let management = ground.clients(&aws, &ground.management);
    let trails = management.cloudtrail().describe_trails().send().await;
    let trails = trails.map_err(|error| management.error("cloudtrail:DescribeTrails", error))?;
    let trail = trails
        .trail_list()
        .iter()
        .find(|trail| trail.is_organization_trail() == Some(true))
        .and_then(|trail| trail.trail_arn())
        .map(str::to_owned);
    let Some(trail) = trail else {
        story.step("the organization trail is there", None, false, "no such trail")?;
        return Err(Stop::Broken);
    };

    ground.sandbox.tick(PASSES);
    let archive = ground.clients(&aws, &ground.log_archive);
    let objects = list(&archive).await?;
    let keys: Vec<&str> = objects.iter().filter_map(Object::key).collect();
    let logs_of = |account: &str| {
        keys.iter().filter(|key| key.contains(&format!("/{account}/CloudTrail/"))).count()
    };
    let digests = keys.iter().filter(|key| key.contains("/CloudTrail-Digest/")).count();
    let silent: Vec<&str> =
        accounts.iter().map(String::as_str).filter(|id| logs_of(id) == 0).collect();
    let held = silent.is_empty() && digests >= 24 * accounts.len();
    let found = if held {
        format!(
            "{} objects, {digests} digests among them, from {} accounts",
            keys.len(),
            accounts.len()
        )
    } else {
        format!("{} objects, {digests} digests; no logs from {silent:?}", keys.len())
    };
    let title = "every account has log files, and a digest for every hour";
    if !story.step(title, Some("orgtrail sandbox tick --hours 26"), held, found)? {
        return Err(Stop::Broken);
    }

    let part = format!("/{}/CloudTrail/", ground.log_archive);
    let Some(log) = keys.iter().find(|key| key.contains(&part)) else {
        return Err(Stop::Broken);
    };
    let found = archive.s3().head_object().bucket(BUCKET).key(*log).send().await;
    let found = found.map_err(|error| archive.error("s3:GetObject", error))?;
    let kms = found.server_side_encryption().map(|kind| kind.as_str().to_owned());
    let retained = found.object_lock_retain_until_date().is_some();
    let version = found.version_id().unwrap_or_default().to_owned();
    story.step(
        "a log file is encrypted with the archive's key, versioned and locked",
        Some(&format!("aws s3api head-object --bucket {BUCKET} --key …/CloudTrail/…")),
        kms.as_deref() == Some("aws:kms") && retained && !version.is_empty(),
        format!(
            "encryption {}, locked {}",
            kms.as_deref().unwrap_or("none"),
            found.object_lock_mode().map_or("not", |mode| mode.as_str()),
        ),
    )?;
    Ok(Delivered { trail, log: (*log).to_owned(), version })
}

async fn list(archive: &Clients) -> Result<Vec<Object>, CliError> {
    let mut pages = archive.s3().list_objects_v2().bucket(BUCKET).into_paginator().send();
    let mut objects = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| archive.error("s3:ListObjectsV2", error))?;
        objects.extend(page.contents.unwrap_or_default());
    }
    Ok(objects)
}
