//! The newest digest of an account and Region, as the archive has it.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::archive::inventory::whole;
use crate::archive::key::{DIGEST_FOLDER, Root};
use crate::aws::{At as _, AwsError, Clients};
use crate::names::{AccountId, Region};
use crate::resources::Desired;

/// When the newest digest came, of those that are young enough to be looked
/// for: one call, since a day has two dozen.
pub(super) async fn digest(
    archive: &Clients,
    desired: &Desired,
    account: &AccountId,
    region: &Region,
    at: Timestamp,
) -> Result<Option<Timestamp>, AwsError> {
    let prefix = desired.config.archive.prefix.as_ref();
    let root = Root {
        prefix: prefix.map(|prefix| prefix.to_string().into()),
        org: Some(desired.org_id().clone()),
    };
    let folder = root.folder(account, DIGEST_FOLDER, region);
    let hours = i64::from(desired.config.drift.freshness_hours);
    let since = at.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(at);
    let day = since.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string();
    let answer = archive
        .s3()
        .list_objects_v2()
        .bucket(desired.bucket().as_str())
        .prefix(&folder)
        // A day's folder sorts behind its own name.
        .start_after(format!("{folder}{day}"))
        .send()
        .await
        .at(archive, "s3:ListBucket")
        .and_then(|page| whole(archive, page))?;
    Ok(answer
        .contents()
        .iter()
        .filter_map(|object| Timestamp::from_second(object.last_modified()?.secs()).ok())
        .max())
}
