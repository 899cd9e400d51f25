//! What `CreateTrail` and `UpdateTrail` say about a trail.

use orgtrail_base::names::Arn;
use serde_json::Value;

use super::{ApiError, Call, Trail, input};

/// A member of a call: unchanged, cleared, or set.
enum MemberUpdate<'a> {
    Unchanged,
    Cleared,
    Set(&'a str),
}

fn member<'a>(call: &Call<'a>, name: &str) -> MemberUpdate<'a> {
    match call.input.get(name).and_then(Value::as_str) {
        None => MemberUpdate::Unchanged,
        Some("") => MemberUpdate::Cleared,
        Some(text) => MemberUpdate::Set(text),
    }
}

/// The longest prefix.
const MAX_PREFIX: usize = 200;

/// Puts what the call says into the trail. The key stays as it was written, for
/// `checks` to find; a topic by name is one of `account` in the call's Region.
pub(super) fn apply(trail: &mut Trail, call: &Call<'_>) -> Result<(), ApiError> {
    if let MemberUpdate::Set(bucket) = member(call, "S3BucketName") {
        if let Err(error) = bucket.parse::<orgtrail_base::names::BucketName>() {
            return Err(ApiError::new("InvalidS3BucketNameException", error.to_string()));
        }
        bucket.clone_into(&mut trail.bucket);
    }
    match member(call, "S3KeyPrefix") {
        MemberUpdate::Unchanged => {}
        MemberUpdate::Cleared => trail.prefix = None,
        MemberUpdate::Set(prefix) => {
            if prefix.chars().count() > MAX_PREFIX {
                return Err(ApiError::new(
                    "InvalidS3PrefixException",
                    format!("the prefix `{prefix}` must have at most 200 characters"),
                ));
            }
            trail.prefix = Some(prefix.to_owned());
        }
    }
    match member(call, "SnsTopicName") {
        MemberUpdate::Unchanged => {}
        MemberUpdate::Cleared => trail.topic = None,
        MemberUpdate::Set(topic) => trail.topic = Some(topic_arn(call, topic)?),
    }
    for (name, slot) in [
        ("CloudWatchLogsLogGroupArn", &mut trail.log_group),
        ("CloudWatchLogsRoleArn", &mut trail.log_role),
        ("KmsKeyId", &mut trail.key),
    ] {
        match member(call, name) {
            MemberUpdate::Unchanged => {}
            MemberUpdate::Cleared => *slot = None,
            MemberUpdate::Set(text) => *slot = Some(text.to_owned()),
        }
    }
    for (name, slot) in [
        ("IncludeGlobalServiceEvents", &mut trail.global_events),
        ("IsMultiRegionTrail", &mut trail.multi_region),
        ("EnableLogFileValidation", &mut trail.validation),
        ("IsOrganizationTrail", &mut trail.organization),
    ] {
        if let Some(flag) = input::flag(call.input, name) {
            *slot = flag;
        }
    }
    if trail.multi_region && !trail.global_events {
        return Err(ApiError::new(
            "InvalidParameterCombinationException",
            "Multi-Region trail must include global service events.",
        ));
    }
    Ok(())
}

fn topic_arn(call: &Call<'_>, topic: &str) -> Result<Arn, ApiError> {
    let invalid = || {
        ApiError::new(
            "InvalidSnsTopicNameException",
            format!("the topic name or ARN `{topic}` is not valid"),
        )
    };
    if topic.starts_with("arn:") {
        return topic.parse().ok().filter(|arn: &Arn| &*arn.service == "sns").ok_or_else(invalid);
    }
    let fits = topic.len() <= 256
        && topic.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !fits {
        return Err(invalid());
    }
    Ok(Arn::regional(call.caller.partition, "sns", call.region, &call.caller.account, topic))
}
