//! The trail delivers: a day passes on the simulated clock.

use aws_sdk_s3::types::Object;
use jiff::SignedDuration;

use super::ground::{BUCKET, Ground};
use super::{Stop, Story};
use crate::aws::Clients;
use crate::cli::OpError;

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
    let trail =
        trails.trail_list().iter().find(|trail| trail.is_organization_trail() == Some(true));
    let key = trail.and_then(|trail| trail.kms_key_id());
    let trail = trail.and_then(|trail| trail.trail_arn()).unwrap_or_default().to_owned();
    if trail.is_empty() {
        story.must("the organization trail is there", None, false, "no such trail")?;
    }

    ground.sandbox.tick(PASSES);
    let archive = ground.clients(&aws, &ground.log_archive);
    let objects = list(&archive).await?;
    let keys: Vec<&str> = objects.iter().filter_map(Object::key).collect();
    let count = |part: &str| keys.iter().filter(|key| key.contains(part)).count();
    let digests = count("/CloudTrail-Digest/");
    // A digest in the home Region for every hour that passed, whatever happened.
    let hours = usize::try_from(PASSES.as_hours()).unwrap_or(usize::MAX);
    let home = ground.sandbox.home_region();
    let lacks = |id: &&str| {
        count(&format!("/{id}/CloudTrail/")) == 0
            || count(&format!("/{id}/CloudTrail-Digest/{home}/")) != hours
    };
    let silent: Vec<&str> = accounts.iter().map(String::as_str).filter(lacks).collect();
    let held = silent.is_empty() && !accounts.is_empty();
    let found = if held {
        format!(
            "{} objects, {digests} digests among them, from {} accounts",
            keys.len(),
            accounts.len()
        )
    } else {
        format!("{} objects, {digests} digests; logs or hours lack from {silent:?}", keys.len())
    };
    let title = "every account has log files, and a digest for every hour";
    story.must(title, Some("orgtrail sandbox tick --hours 26"), held, found)?;

    let part = format!("/{}/CloudTrail/", ground.log_archive);
    let log = keys.iter().find(|key| key.contains(&part)).copied().unwrap_or_default();
    if log.is_empty() {
        story.must("a log file of the log-archive account is there", None, false, "none")?;
    }
    let found = archive.s3().head_object().bucket(BUCKET).key(log).send().await;
    let found = found.map_err(|error| archive.error("s3:GetObject", error))?;
    let kms = found.server_side_encryption().map(|kind| kind.as_str().to_owned());
    let its_key = key.is_some() && found.ssekms_key_id() == key;
    let now = ground.sandbox.now().as_second();
    let retained = found.object_lock_retain_until_date().is_some_and(|until| until.secs() > now);
    let version = found.version_id().unwrap_or_default().to_owned();
    story.must(
        "a log file is encrypted with the archive's key, versioned and locked",
        Some(&format!("aws s3api head-object --bucket {BUCKET} --key …/CloudTrail/…")),
        kms.as_deref() == Some("aws:kms") && its_key && retained && !version.is_empty(),
        format!(
            "encryption {} with {}, locked {}",
            kms.as_deref().unwrap_or("none"),
            if its_key { "the trail's key" } else { "another key" },
            found.object_lock_mode().map_or("not", |mode| mode.as_str()),
        ),
    )?;
    Ok(Delivered { trail, log: log.to_owned(), version })
}

async fn list(archive: &Clients) -> Result<Vec<Object>, OpError> {
    let mut pages = archive.s3().list_objects_v2().bucket(BUCKET).into_paginator().send();
    let mut objects = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| archive.error("s3:ListObjectsV2", error))?;
        objects.extend(page.contents.unwrap_or_default());
    }
    Ok(objects)
}
