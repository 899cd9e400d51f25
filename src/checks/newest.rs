//! The newest digest of an account and Region, as the archive has it.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::chains::root;
use crate::archive::inventory::whole;
use crate::archive::key::{DIGEST_FOLDER, ObjectKey, ObjectKind};
use crate::aws::{At as _, AwsError, Clients, Observation};
use crate::names::{AccountId, Region};
use crate::resources::Desired;

/// When the newest digest of the trail was delivered. With `at`, only of those that are
/// recent enough then: usually one call, because a day has 24.
pub(super) async fn digest(
    archive: &Clients,
    desired: &Desired,
    account: &AccountId,
    region: &Region,
    at: Option<Timestamp>,
) -> Result<Option<Timestamp>, AwsError> {
    let folder = root(desired).folder(account, DIGEST_FOLDER, region);
    let hours = i64::from(desired.config.drift.freshness_hours);
    let day = at.map(|at| {
        let since = at.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(at);
        since.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string()
    });
    let mut pages = archive
        .s3()
        .list_objects_v2()
        .bucket(desired.bucket().as_str())
        .prefix(&folder)
        // The keys below a day's folder sort after its name.
        .set_start_after(day.map(|day| format!("{folder}{day}")))
        .into_paginator()
        .send();
    let mut newest = None;
    while let Some(page) = pages.next().await {
        let page = page.at(archive, "s3:ListBucket").and_then(|page| whole(archive, page))?;
        let times = page
            .contents()
            .iter()
            .filter(|object| object.key().is_some_and(|key| is_of_trail(key, desired)))
            .filter_map(|object| Timestamp::from_second(object.last_modified()?.secs()).ok());
        newest = newest.max(times.max());
    }
    Ok(newest)
}

/// How many days back a digest is searched for, to see how it is encrypted: at most one
/// page of them.
const DAYS: i64 = 40;

/// How the newest digest of the trail's home Region is encrypted.
///
/// Source: S3 `HeadObject`, `x-amz-server-side-encryption`.
pub(super) async fn encryption(
    archive: &Clients,
    desired: &Desired,
    at: Timestamp,
) -> Observation<String> {
    let folder = root(desired).folder(desired.management(), DIGEST_FOLDER, desired.home_region());
    let since = at.checked_sub(SignedDuration::from_hours(24 * DAYS)).unwrap_or(at);
    let day = since.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string();
    let listed = archive
        .s3()
        .list_objects_v2()
        .bucket(desired.bucket().as_str())
        .prefix(&folder)
        .start_after(format!("{folder}{day}"))
        .send()
        .await
        .at(archive, "s3:ListBucket");
    let newest = listed.and_then(|page| whole(archive, page)).map(|page| {
        let keys = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
        // Keys of one folder sort by time.
        keys.filter(|key| is_of_trail(key, desired)).max()
    });
    let key = match Observation::from_result(newest, AwsError::is_not_found).flatten() {
        Observation::Present(key) => key,
        Observation::Absent => return Observation::Absent,
        Observation::Unreadable(error) => return Observation::Unreadable(error),
    };
    let head = archive.s3().head_object().bucket(desired.bucket().as_str()).key(key).send().await;
    let head = head.at(archive, "s3:GetObject");
    Observation::from_result(head, AwsError::is_not_found).map(|head| {
        head.server_side_encryption.map_or_else(|| "AES256".to_owned(), |it| it.as_str().to_owned())
    })
}

/// Whether the key is that of a digest of the configured trail.
fn is_of_trail(key: &str, desired: &Desired) -> bool {
    key.parse::<ObjectKey>().is_ok_and(|key| match key.kind() {
        ObjectKind::Digest { trail, home_region, backfill } => {
            !backfill
                && trail.as_str() == desired.config.trail.name.as_str()
                && home_region == desired.home_region()
        }
        ObjectKind::Log { .. } => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digests_of_the_configured_trail_are_used() {
        let desired = crate::checks::table::holding().desired;
        let trail = &desired.config.trail.name;
        let key = |trail: &str, home: &str, end: &str| {
            format!(
                "AWSLogs/{}/222222222222/CloudTrail-Digest/eu-central-1/2026/01/02/222222222222_\
                 CloudTrail-Digest_eu-central-1_{trail}_{home}_20260102T010000Z{end}.json.gz",
                desired.org_id()
            )
        };
        assert!(is_of_trail(&key(trail.as_str(), "us-east-1", ""), &desired));
        for wrong in [
            key("another", "us-east-1", ""),
            key(trail.as_str(), "us-west-2", ""),
            key(trail.as_str(), "us-east-1", "_backfill"),
            "AWSLogs/2026/01/02/zzz".to_owned(),
        ] {
            assert!(!is_of_trail(&wrong, &desired), "{wrong}");
        }
    }
}
