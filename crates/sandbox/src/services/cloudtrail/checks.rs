//! What AWS tries out before it takes a trail: whether CloudTrail can write to
//! the bucket, use the key, and reach the log group and the topic.

use std::collections::BTreeMap;

use orgtrail_base::names::{AccountId, Arn, Region};

use super::organization::PRINCIPAL;
use super::{ApiError, Call, Control, Trail};
use crate::auth::{Caller, Identity};
use crate::policy::Request;
use crate::services::{kms, logs, sns};
use crate::simulator;

/// Tries out a trail's settings, and puts the key's ARN where it was named
/// otherwise.
///
/// # Errors
/// AWS's for each thing that does not hold.
pub(super) fn check(control: &Control, call: &Call<'_>, trail: &mut Trail) -> Result<(), ApiError> {
    let simulation = call.simulation;
    let bucket_region =
        simulator::delivery::bucket_region(simulation, &trail.bucket).ok_or_else(|| {
            ApiError::new(
                "S3BucketDoesNotExistException",
                format!("S3 bucket {} does not exist!", trail.bucket),
            )
        })?;
    let service = simulator::delivery::service(trail);
    if let Some(wanted) = trail.key.clone() {
        let arn = key(control, trail, &service, &call.caller.account, &wanted, &bucket_region)?;
        if !simulation.faults.is_propagated(&arn.to_string(), call.now) {
            return Err(insufficient(trail, &arn));
        }
        trail.key = Some(arn.to_string());
    }
    simulator::delivery::probe(simulation, control, trail)?;
    logs_delivery(control, call, trail)?;
    if let Some(topic) = &trail.topic {
        sns::may_publish(control, &service, topic).map_err(|_| {
            ApiError::new(
                "InsufficientSnsTopicPolicyException",
                "SNS Topic does not exist or the topic policy is incorrect!",
            )
        })?;
    }
    Ok(())
}

fn key(
    control: &Control,
    trail: &Trail,
    service: &Caller,
    caller: &AccountId,
    wanted: &str,
    bucket_region: &Region,
) -> Result<Arn, ApiError> {
    let key = kms::find_key(control, caller, &trail.home_region, wanted)
        .ok()
        .filter(|key| key.arn.region.as_ref() == Some(bucket_region))
        .ok_or_else(|| {
            ApiError::new(
                "KmsKeyNotFoundException",
                format!("KMS key {wanted} does not exist, or is not in the Region of S3 bucket {}, {bucket_region}.", trail.bucket),
            )
        })?;
    if key.state != kms::KeyState::Enabled {
        return Err(ApiError::new(
            "KmsKeyDisabledException",
            format!("KMS key {} is not enabled.", key.arn),
        ));
    }
    let context = simulator::delivery::encryption_context(trail, None);
    let use_key = |action: &str, context: &BTreeMap<String, String>| {
        kms::use_key(control, service, bucket_region, &key.arn.to_string(), action, context, None)
    };
    use_key("GenerateDataKey", &context)
        .and_then(|_| use_key("DescribeKey", &BTreeMap::new()))
        .map_err(|_| insufficient(trail, &key.arn))
}

fn insufficient(trail: &Trail, key: &Arn) -> ApiError {
    ApiError::new(
        "InsufficientEncryptionPolicyException",
        format!("Insufficient permissions to access S3 bucket {} or KMS key {key}.", trail.bucket),
    )
}

/// The log group and the role that writes to it, both or neither.
fn logs_delivery(control: &Control, call: &Call<'_>, trail: &Trail) -> Result<(), ApiError> {
    let bad_group = |message: &str| {
        Err(ApiError::new("InvalidCloudWatchLogsLogGroupArnException", message.to_owned()))
    };
    let bad_role = |message: &str| {
        Err(ApiError::new("InvalidCloudWatchLogsRoleArnException", message.to_owned()))
    };
    let (group, role) = match (&trail.log_group, &trail.log_role) {
        (None, None) => return Ok(()),
        (Some(group), Some(role)) => (group, role),
        (Some(_), None) => {
            return bad_role("You must specify a role ARN as well as a log group.");
        }
        (None, Some(_)) => {
            return bad_group("You must specify a log group as well as a role ARN.");
        }
    };
    let Some(group) = logs::parse_group_arn(group) else {
        return bad_group("CloudTrail cannot validate the specified log group ARN.");
    };
    if group.arn.region.as_ref() != Some(&trail.home_region) || !logs::group_exists(control, &group)
    {
        return bad_group("CloudTrail cannot validate the specified log group ARN.");
    }
    let Ok(role_arn) = role.parse::<Arn>() else {
        return bad_role("CloudTrail cannot validate the specified role ARN.");
    };
    let Some(owner) = role_arn.account.clone() else {
        return bad_role("CloudTrail cannot validate the specified role ARN.");
    };
    if group.arn.account.as_ref() != Some(&owner) {
        return bad_role("The role and the log group must be in the same account.");
    }
    let is_propagated = call.simulation.faults.is_propagated(role, call.now);
    if !is_propagated || !may_assume(control, trail, &owner, &role_arn) {
        return bad_role("Access denied. Check the trust relationships for your role.");
    }
    let writer = writer(trail, &role_arn, &owner);
    let stream = group.stream_arn(&stream_name(control, trail));
    let may_write = ["logs:CreateLogStream", "logs:PutLogEvents"].iter().all(|action| {
        let request = Request::over_tls(action, &stream, &owner, &trail.home_region);
        control.authorize(&writer, &request).is_ok()
    });
    if !may_write {
        return bad_group("Access denied. Verify in IAM that the role has adequate permissions.");
    }
    Ok(())
}

/// The log stream of the trail's own account and Region: others are named
/// alike, so a role that may write this one may write them all.
pub(crate) fn stream_name(control: &Control, trail: &Trail) -> String {
    let organization = control.organization.as_ref().filter(|_| trail.organization);
    let prefix = organization.map(|o| format!("{}_", o.id)).unwrap_or_default();
    format!("{prefix}{}_CloudTrail_{}", trail.owner, trail.home_region)
}

fn may_assume(control: &Control, trail: &Trail, owner: &AccountId, role: &Arn) -> bool {
    let Some(trust) = control
        .accounts
        .get(owner)
        .and_then(|account| account.iam.roles.get(role.resource_name()))
        .map(|role| &role.trust)
    else {
        return false;
    };
    let resource = role.to_string();
    let request = Request {
        resource_policy: Some(trust.evaluator()),
        ..Request::over_tls("sts:AssumeRole", &resource, owner, &trail.home_region)
    };
    control.authorize(&simulator::delivery::service(trail), &request).is_ok()
}

fn writer(trail: &Trail, role: &Arn, owner: &AccountId) -> Caller {
    let name = role.resource.strip_prefix("role/").unwrap_or(&role.resource).to_owned();
    let mut caller = Caller::service(trail.arn.partition, owner, PRINCIPAL, None);
    caller.identity = Identity::AssumedRole { role: name, session: "CLOUDTRAIL".to_owned() };
    caller.temporary = true;
    caller
}
