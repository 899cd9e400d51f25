//! Bringing archived objects back for a while.

use jiff::{SignedDuration, Timestamp};
use s3s::{S3ErrorCode, S3Result, dto};

use super::context::{ByAcl, CallContext, Keys};
use super::error::{invalid_argument, malformed_xml, refuse};
use super::lock::version_key;
use super::object::Restore;
use super::time::{next_midnight, plus_days};

pub(super) fn restore_object(
    cx: &CallContext<'_>,
    input: dto::RestoreObjectInput,
) -> S3Result<dto::RestoreObjectOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let settings = bucket.settings();
    let mut keys = Keys::new();
    version_key(input.version_id.as_ref(), &mut keys);
    cx.allow_object(&bucket, &settings, &input.key, "s3:RestoreObject", keys, ByAcl::No)?;
    let request = input.restore_request.ok_or_else(|| malformed_xml("the request is missing"))?;
    if request.type_.is_some() || request.output_location.is_some() {
        return Err(refuse(
            S3ErrorCode::NotImplemented,
            "the sandbox does not run SELECT restores",
        ));
    }
    let days = request.days.filter(|days| *days > 0);
    let days = days.ok_or_else(|| invalid_argument("restoration days should be at least 1"))?;
    let tier = request.glacier_job_parameters.map(|parameters| parameters.tier).or(request.tier);
    let tier = tier.as_ref().map_or("Standard", dto::Tier::as_str).to_owned();
    let mut again = false;
    bucket.edit(&input.key, input.version_id.as_deref(), |object| {
        let class = object.storage_class().to_owned();
        let hours = match (class.as_str(), tier.as_str()) {
            ("GLACIER", "Expedited") => SignedDuration::from_mins(5),
            ("GLACIER", "Standard") => SignedDuration::from_hours(5),
            ("GLACIER", "Bulk") | ("DEEP_ARCHIVE", "Standard") => SignedDuration::from_hours(12),
            ("DEEP_ARCHIVE", "Bulk") => SignedDuration::from_hours(48),
            ("GLACIER" | "DEEP_ARCHIVE", _) => {
                return Err(invalid_argument("the retrieval tier is not available here"));
            }
            _ => {
                return Err(refuse(
                    S3ErrorCode::InvalidObjectState,
                    "Restore is not allowed for the object's current storage class",
                ));
            }
        };
        let details = object.details_mut();
        let running = details.restore.filter(|restore| cx.now < restore.expires_at);
        if running.is_some_and(|restore| cx.now < restore.ready_at) {
            return Err(refuse(
                S3ErrorCode::RestoreAlreadyInProgress,
                "Object restore is already in progress",
            ));
        }
        again = running.is_some();
        let ready_at = match running {
            Some(restore) => restore.ready_at,
            None => cx.now.checked_add(hours).unwrap_or(Timestamp::MAX),
        };
        let expires_at = next_midnight(plus_days(ready_at.max(cx.now), days));
        details.restore = Some(Restore { ready_at, expires_at });
        Ok(())
    })?;
    cx.status.set(Some(if again { http::StatusCode::OK } else { http::StatusCode::ACCEPTED }));
    Ok(dto::RestoreObjectOutput::default())
}
