//! The trail delivers while the simulated clock advances by a day.

use aws_sdk_s3::types::Object;
use jiff::SignedDuration;

use super::env::{BUCKET, DemoEnv};
use super::{DemoReport, Stop};
use crate::aws::Clients;
use crate::cli::OpError;

/// How far the clock advances: more than a day, so that one day is complete.
const PASSES: SignedDuration = SignedDuration::from_hours(26);

/// What the trail delivered.
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
pub(super) async fn run(
    report: &mut DemoReport,
    env: &DemoEnv,
    accounts: &[String],
) -> Result<Delivered, Stop> {
    report.section(
        "5. The trail delivers from every account",
        "The sandbox's clock advances by 26 hours. CloudTrail writes log files and a signed digest\n\
         every hour, each linked to the previous one.",
    )?;
    let aws = env.aws().await?;
    let management = env.clients(&aws, &env.management);
    let trails = management.cloudtrail().describe_trails().send().await;
    let trails = trails.map_err(|error| management.error("cloudtrail:DescribeTrails", error))?;
    let trail =
        trails.trail_list().iter().find(|trail| trail.is_organization_trail() == Some(true));
    let key = trail.and_then(|trail| trail.kms_key_id());
    let trail = trail.and_then(|trail| trail.trail_arn()).unwrap_or_default().to_owned();
    if trail.is_empty() {
        report.required_step("the organization trail exists", None, false, "no such trail")?;
    }

    env.sandbox.tick(PASSES);
    let archive = env.clients(&aws, &env.log_archive);
    let objects = list(&archive).await?;
    let keys: Vec<&str> = objects.iter().filter_map(Object::key).collect();
    let count = |part: &str| keys.iter().filter(|key| key.contains(part)).count();
    let digests = count("/CloudTrail-Digest/");
    // A digest in the home Region for every hour, even without events.
    let hours = usize::try_from(PASSES.as_hours()).unwrap_or(usize::MAX);
    let home = env.sandbox.home_region();
    let lacks = |id: &&str| {
        count(&format!("/{id}/CloudTrail/")) == 0
            || count(&format!("/{id}/CloudTrail-Digest/{home}/")) != hours
    };
    let silent: Vec<&str> = accounts.iter().map(String::as_str).filter(lacks).collect();
    let passed = silent.is_empty() && !accounts.is_empty();
    let found = if passed {
        format!(
            "{} objects, including {digests} digests, from {} accounts",
            keys.len(),
            accounts.len()
        )
    } else {
        format!(
            "{} objects, {digests} digests; logs or digests are missing from {silent:?}",
            keys.len()
        )
    };
    let title = "every account has log files, and a digest for every hour";
    report.required_step(title, Some("orgtrail sandbox tick --hours 26"), passed, found)?;

    let part = format!("/{}/CloudTrail/", env.log_archive);
    let log = keys.iter().find(|key| key.contains(&part)).copied().unwrap_or_default();
    if log.is_empty() {
        report.required_step(
            "a log file of the log-archive account exists",
            None,
            false,
            "none",
        )?;
    }
    let found = archive.s3().head_object().bucket(BUCKET).key(log).send().await;
    let found = found.map_err(|error| archive.error("s3:GetObject", error))?;
    let kms = found.server_side_encryption().map(|kind| kind.as_str().to_owned());
    let its_key = key.is_some() && found.ssekms_key_id() == key;
    let now = env.sandbox.now().as_second();
    let retained = found.object_lock_retain_until_date().is_some_and(|until| until.secs() > now);
    let version = found.version_id().unwrap_or_default().to_owned();
    report.required_step(
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
