//! What S3 refuses of lifecycle rules.

use s3s::{S3Result, dto};

use super::error::{invalid_argument, invalid_request, malformed_xml};
use super::time::{from_dto, next_midnight};

/// Checks a configuration as S3 does when it is put.
pub(super) fn check(configuration: &dto::BucketLifecycleConfiguration) -> S3Result<()> {
    let rules = &configuration.rules;
    if rules.is_empty() || rules.len() > 1_000 {
        return Err(malformed_xml("between 1 and 1000 rules are expected"));
    }
    for (at, rule) in rules.iter().enumerate() {
        if let Some(id) = &rule.id {
            if id.len() > 255 {
                return Err(invalid_argument("ID length should not exceed allowed limit of 255"));
            }
            if rules[..at].iter().any(|other| other.id.as_ref() == Some(id)) {
                return Err(invalid_argument(
                    "RuleId must be unique. Found same ID for more than one rule",
                ));
            }
        }
        check_rule(rule)?;
    }
    Ok(())
}

fn check_rule(rule: &dto::LifecycleRule) -> S3Result<()> {
    if rule.filter.is_some() == rule.prefix.is_some() {
        return Err(malformed_xml("a rule has either a filter or a prefix"));
    }
    if !matches!(rule.status.as_str(), "Enabled" | "Disabled") {
        return Err(malformed_xml("the status is either Enabled or Disabled"));
    }
    let tagged = rule.filter.as_ref().is_some_and(|filter| {
        filter.tag.is_some() || filter.and.as_ref().is_some_and(|and| and.tags.is_some())
    });
    let transitions = rule.transitions.as_deref().unwrap_or_default();
    let noncurrent = rule.noncurrent_version_transitions.as_deref().unwrap_or_default();
    let acts = rule.expiration.is_some()
        || !transitions.is_empty()
        || !noncurrent.is_empty()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some();
    if !acts {
        return Err(invalid_request("At least one action needs to be specified in a rule"));
    }
    if let Some(expiration) = &rule.expiration {
        check_expiration(expiration, tagged)?;
    }
    let steps: Vec<_> = transitions.iter().map(|t| (t.days, t.storage_class.as_ref())).collect();
    for transition in transitions {
        if transition.days.is_some() == transition.date.is_some() {
            return Err(malformed_xml("a transition has either days or a date"));
        }
        check_midnight(transition.date.as_ref())?;
    }
    check_steps(&steps, rule.expiration.as_ref().and_then(|e| e.days), "Days")?;
    let steps: Vec<_> =
        noncurrent.iter().map(|t| (t.noncurrent_days, t.storage_class.as_ref())).collect();
    let ends = rule.noncurrent_version_expiration.as_ref();
    check_steps(&steps, ends.and_then(|e| e.noncurrent_days), "NoncurrentDays")?;
    if let Some(expiration) = ends {
        if expiration.noncurrent_days.is_none_or(|days| days <= 0) {
            return Err(invalid_argument(
                "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
            ));
        }
        if expiration.newer_noncurrent_versions.is_some_and(|kept| !(1..=100).contains(&kept)) {
            return Err(invalid_argument("'NewerNoncurrentVersions' must be between 1 and 100"));
        }
    }
    if let Some(abort) = &rule.abort_incomplete_multipart_upload {
        if abort.days_after_initiation.is_none_or(|days| days <= 0) {
            return Err(invalid_argument(
                "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
            ));
        }
        if tagged {
            return Err(invalid_request(
                "AbortIncompleteMultipartUpload cannot be specified with Tags",
            ));
        }
    }
    Ok(())
}

fn check_expiration(expiration: &dto::LifecycleExpiration, tagged: bool) -> S3Result<()> {
    let given = [
        expiration.days.is_some(),
        expiration.date.is_some(),
        expiration.expired_object_delete_marker.is_some(),
    ];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(malformed_xml(
            "an expiration has one of days, a date, and ExpiredObjectDeleteMarker",
        ));
    }
    if expiration.days.is_some_and(|days| days <= 0) {
        return Err(invalid_argument("'Days' for Expiration action must be a positive integer"));
    }
    if expiration.expired_object_delete_marker.is_some() && tagged {
        return Err(invalid_request("ExpiredObjectDeleteMarker cannot be specified with Tags"));
    }
    check_midnight(expiration.date.as_ref())
}

fn check_midnight(date: Option<&dto::Timestamp>) -> S3Result<()> {
    let Some(time) = date else { return Ok(()) };
    match from_dto(time) {
        Some(time) if next_midnight(time) == time => Ok(()),
        _ => Err(invalid_argument("'Date' must be at midnight GMT")),
    }
}

/// The order in which objects may move, coldest last.
pub(super) fn coldness(class: &str) -> Option<u8> {
    Some(match class {
        "STANDARD_IA" => 1,
        "INTELLIGENT_TIERING" => 2,
        "ONEZONE_IA" => 3,
        "GLACIER_IR" => 4,
        "GLACIER" => 5,
        "DEEP_ARCHIVE" => 6,
        _ => return None,
    })
}

fn check_steps(
    steps: &[(Option<i32>, Option<&dto::TransitionStorageClass>)],
    expiration: Option<i32>,
    unit: &str,
) -> S3Result<()> {
    let mut seen: Vec<(u8, i32)> = Vec::new();
    for (days, class) in steps {
        let class = class.map(dto::TransitionStorageClass::as_str).unwrap_or_default();
        let cold = coldness(class).ok_or_else(|| malformed_xml("unknown storage class"))?;
        let Some(days) = *days else { continue };
        if days < 0 {
            return Err(invalid_argument(format!(
                "'{unit}' for Transition action must be nonnegative"
            )));
        }
        if matches!(class, "STANDARD_IA" | "ONEZONE_IA") && days < 30 {
            return Err(invalid_argument(format!(
                "'{unit}' in Transition action must be greater than or equal to 30 for storageClass '{class}'"
            )));
        }
        if seen.iter().any(|(other, _)| *other == cold) {
            return Err(invalid_request(format!("found two transitions to '{class}'")));
        }
        if expiration.is_some_and(|end| end <= days) {
            return Err(invalid_argument(format!(
                "'{unit}' in the Expiration action must be greater than '{unit}' in the Transition action"
            )));
        }
        seen.push((cold, days));
    }
    seen.sort_unstable();
    for pair in seen.windows(2) {
        let ((warm, earlier), (_, later)) = (pair[0], pair[1]);
        let least = earlier.saturating_add(if matches!(warm, 1 | 3) { 30 } else { 1 });
        if later < least {
            return Err(invalid_argument(format!(
                "'{unit}' in the Transition action to a colder storage class must be at least {least}, found {later}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_of_days_does_not_overflow() {
        for class in ["STANDARD_IA", "INTELLIGENT_TIERING"] {
            let warm = dto::TransitionStorageClass::from_static(class);
            let cold = dto::TransitionStorageClass::from_static("GLACIER");
            let steps = |later| [(Some(i32::MAX), Some(&warm)), (Some(later), Some(&cold))];
            assert!(check_steps(&steps(1), None, "Days").is_err());
            assert!(check_steps(&steps(i32::MAX), None, "Days").is_ok());
        }
    }
}
