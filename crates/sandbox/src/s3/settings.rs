//! The settings of a bucket that have no file of their own.

use std::sync::Arc;

use orgtrail_base::names::Arn;
use s3s::{S3ErrorCode, S3Result, dto};

use super::acl::Acl;
use super::bucket::{Bucket, KeyFormat, Logging, Ownership};
use super::bucket_policy;
use super::context::{ByAcl, CallContext, Keys};
use super::error::{absent, access_denied, invalid_argument, malformed_xml, refuse};
use crate::auth::Identity;

impl Ownership {
    pub(super) fn parse(name: &str) -> S3Result<Self> {
        match name {
            "BucketOwnerEnforced" => Ok(Self::BucketOwnerEnforced),
            "BucketOwnerPreferred" => Ok(Self::BucketOwnerPreferred),
            "ObjectWriter" => Ok(Self::ObjectWriter),
            _ => Err(malformed_xml("unknown object ownership")),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }
}

/// The bucket of a call about its policy: such calls are for the bucket's own
/// account, whose root user no bucket policy keeps from them.
fn bucket_of_policy(
    cx: &CallContext<'_>,
    name: &str,
    expected_owner: Option<&str>,
    action: &str,
) -> S3Result<Arc<Bucket>> {
    let bucket = cx.bucket(name, expected_owner)?;
    let own = cx.caller().filter(|caller| caller.account == bucket.owner);
    if own.is_some_and(|caller| caller.identity == Identity::Root) {
        let resource = Arn::s3(cx.simulation.partition, bucket.name.as_str()).to_string();
        cx.allow_account(action, &resource, &mut Keys::new())?;
        return Ok(bucket);
    }
    cx.allow_bucket(&bucket, action, Keys::new(), ByAcl::No)?;
    if own.is_none() {
        return Err(refuse(
            S3ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource.",
        ));
    }
    Ok(bucket)
}

pub(super) fn put_bucket_policy(
    cx: &CallContext<'_>,
    input: dto::PutBucketPolicyInput,
) -> S3Result<dto::PutBucketPolicyOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = bucket_of_policy(cx, &input.bucket, owner, "s3:PutBucketPolicy")?;
    let policy = bucket_policy::check(
        &input.policy,
        cx.simulation.partition,
        bucket.name.as_str(),
        cx.control,
    )?;
    let blocked = bucket.settings().blocks(|block| block.block_public_policy);
    if policy.is_public && blocked {
        return Err(access_denied(
            "Access Denied: public policies are blocked by the BlockPublicPolicy setting in S3 Block Public Access",
        ));
    }
    bucket.change(|settings| settings.policy = Some(policy));
    let arn = Arn::s3(cx.simulation.partition, bucket.name.as_str()).to_string();
    cx.simulation.faults.written(&arn, cx.simulation.clock.now());
    Ok(dto::PutBucketPolicyOutput {})
}

pub(super) fn get_bucket_policy(
    cx: &CallContext<'_>,
    input: dto::GetBucketPolicyInput,
) -> S3Result<dto::GetBucketPolicyOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = bucket_of_policy(cx, &input.bucket, owner, "s3:GetBucketPolicy")?;
    match &bucket.settings().policy {
        Some(policy) => {
            Ok(dto::GetBucketPolicyOutput { policy: Some(policy.document.text().to_owned()) })
        }
        None => Err(no_policy()),
    }
}

fn no_policy() -> s3s::S3Error {
    refuse(S3ErrorCode::NoSuchBucketPolicy, "The bucket policy does not exist")
}

pub(super) fn delete_bucket_policy(
    cx: &CallContext<'_>,
    input: dto::DeleteBucketPolicyInput,
) -> S3Result<dto::DeleteBucketPolicyOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = bucket_of_policy(cx, &input.bucket, owner, "s3:DeleteBucketPolicy")?;
    bucket.change(|settings| settings.policy = None);
    Ok(dto::DeleteBucketPolicyOutput {})
}

pub(super) fn get_bucket_policy_status(
    cx: &CallContext<'_>,
    input: dto::GetBucketPolicyStatusInput,
) -> S3Result<dto::GetBucketPolicyStatusOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:GetBucketPolicyStatus")?;
    let settings = bucket.settings();
    let policy = settings.policy.as_ref().ok_or_else(no_policy)?;
    let is_public = policy.is_public && !settings.blocks(|block| block.restrict_public_buckets);
    Ok(dto::GetBucketPolicyStatusOutput {
        policy_status: Some(dto::PolicyStatus { is_public: Some(is_public) }),
    })
}

pub(super) fn put_public_access_block(
    cx: &CallContext<'_>,
    input: dto::PutPublicAccessBlockInput,
) -> S3Result<dto::PutPublicAccessBlockOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutBucketPublicAccessBlock")?;
    let given = input.public_access_block_configuration;
    let block = dto::PublicAccessBlockConfiguration {
        block_public_acls: Some(given.block_public_acls.unwrap_or(false)),
        block_public_policy: Some(given.block_public_policy.unwrap_or(false)),
        ignore_public_acls: Some(given.ignore_public_acls.unwrap_or(false)),
        restrict_public_buckets: Some(given.restrict_public_buckets.unwrap_or(false)),
    };
    bucket.change(|settings| settings.public_access = Some(block));
    Ok(dto::PutPublicAccessBlockOutput {})
}

pub(super) fn get_public_access_block(
    cx: &CallContext<'_>,
    input: dto::GetPublicAccessBlockInput,
) -> S3Result<dto::GetPublicAccessBlockOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:GetBucketPublicAccessBlock")?;
    let block = bucket.settings().public_access.clone().ok_or_else(|| {
        absent(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        )
    })?;
    Ok(dto::GetPublicAccessBlockOutput { public_access_block_configuration: Some(block) })
}

pub(super) fn delete_public_access_block(
    cx: &CallContext<'_>,
    input: dto::DeletePublicAccessBlockInput,
) -> S3Result<dto::DeletePublicAccessBlockOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutBucketPublicAccessBlock")?;
    bucket.change(|settings| settings.public_access = None);
    Ok(dto::DeletePublicAccessBlockOutput {})
}

pub(super) fn put_bucket_ownership_controls(
    cx: &CallContext<'_>,
    input: dto::PutBucketOwnershipControlsInput,
) -> S3Result<dto::PutBucketOwnershipControlsOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutBucketOwnershipControls")?;
    let [rule] = input.ownership_controls.rules.as_slice() else {
        return Err(malformed_xml("exactly one ownership rule is expected"));
    };
    let ownership = Ownership::parse(rule.object_ownership.as_str())?;
    let private = Acl::private(&bucket.owner);
    let settings = bucket.settings();
    let foreign = settings.acl.as_ref().is_some_and(|acl| *acl != private);
    if ownership == Ownership::BucketOwnerEnforced && foreign {
        return Err(refuse(
            S3ErrorCode::InvalidBucketAclWithObjectOwnership,
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        ));
    }
    bucket.change(|settings| settings.ownership = Some(ownership));
    Ok(dto::PutBucketOwnershipControlsOutput {})
}

pub(super) fn get_bucket_ownership_controls(
    cx: &CallContext<'_>,
    input: dto::GetBucketOwnershipControlsInput,
) -> S3Result<dto::GetBucketOwnershipControlsOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:GetBucketOwnershipControls")?;
    let ownership = bucket.settings().ownership.ok_or_else(|| {
        absent("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
    })?;
    let object_ownership = dto::ObjectOwnership::from_static(ownership.as_str());
    Ok(dto::GetBucketOwnershipControlsOutput {
        ownership_controls: Some(dto::OwnershipControls {
            rules: vec![dto::OwnershipControlsRule { object_ownership }],
        }),
    })
}

pub(super) fn delete_bucket_ownership_controls(
    cx: &CallContext<'_>,
    input: dto::DeleteBucketOwnershipControlsInput,
) -> S3Result<dto::DeleteBucketOwnershipControlsOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutBucketOwnershipControls")?;
    bucket.change(|settings| settings.ownership = None);
    Ok(dto::DeleteBucketOwnershipControlsOutput {})
}

pub(super) fn put_bucket_logging(
    cx: &CallContext<'_>,
    input: dto::PutBucketLoggingInput,
) -> S3Result<dto::PutBucketLoggingOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutBucketLogging")?;
    let logging = input.bucket_logging_status.logging_enabled;
    if let Some(logging) = &logging {
        let invalid = |message| refuse(S3ErrorCode::InvalidTargetBucketForLogging, message);
        let target = cx
            .store()
            .bucket(&logging.target_bucket)
            .map_err(|_| invalid("The target bucket for logging does not exist"))?;
        if target.owner != bucket.owner {
            return Err(invalid(
                "The owner for the bucket to be logged and the target bucket must be the same.",
            ));
        }
        if target.region != bucket.region {
            return Err(invalid(
                "The target bucket for logging must be in the same region as the bucket to be logged.",
            ));
        }
        let settings = target.settings();
        if settings.lock.is_some_and(|lock| lock.default.is_some()) {
            return Err(invalid(
                "The target bucket for logging must not have an Object Lock default retention period.",
            ));
        }
        if settings.requester_pays {
            return Err(invalid(
                "The target bucket for logging must not be a Requester Pays bucket.",
            ));
        }
        if logging.target_grants.is_some() && settings.acls_disabled() {
            return Err(invalid(
                "Target grants are not supported with the bucket owner enforced setting of the target bucket.",
            ));
        }
        if logging.target_grants.is_some() {
            return Err(refuse(
                S3ErrorCode::NotImplemented,
                "the sandbox does not support target grants",
            ));
        }
    }
    let logging = logging.map(|logging| Logging {
        bucket: logging.target_bucket,
        prefix: logging.target_prefix,
        key_format: logging.target_object_key_format.map(|format| {
            match format.partitioned_prefix {
                None => KeyFormat::Simple,
                Some(prefix) => KeyFormat::Partitioned(
                    prefix.partition_date_source.map(|source| source.as_str().to_owned()),
                ),
            }
        }),
    });
    bucket.change(|settings| settings.logging = logging);
    Ok(dto::PutBucketLoggingOutput {})
}

pub(super) fn get_bucket_logging(
    cx: &CallContext<'_>,
    input: dto::GetBucketLoggingInput,
) -> S3Result<dto::GetBucketLoggingOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:GetBucketLogging")?;
    let logging_enabled = bucket.settings().logging.clone().map(|logging| {
        let key_format = logging.key_format.map(|format| match format {
            KeyFormat::Simple => dto::TargetObjectKeyFormat {
                partitioned_prefix: None,
                simple_prefix: Some(dto::SimplePrefix {}),
            },
            KeyFormat::Partitioned(source) => dto::TargetObjectKeyFormat {
                partitioned_prefix: Some(dto::PartitionedPrefix {
                    partition_date_source: source.map(dto::PartitionDateSource::from),
                }),
                simple_prefix: None,
            },
        });
        dto::LoggingEnabled {
            target_bucket: logging.bucket,
            target_grants: None,
            target_object_key_format: key_format,
            target_prefix: logging.prefix,
        }
    });
    Ok(dto::GetBucketLoggingOutput { logging_enabled })
}

pub(super) fn put_bucket_notification_configuration(
    cx: &CallContext<'_>,
    input: dto::PutBucketNotificationConfigurationInput,
) -> S3Result<dto::PutBucketNotificationConfigurationOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutBucketNotification")?;
    let mut configuration = input.notification_configuration;
    let number = cx.store().next_number();
    let mut fill = 0;
    let mut name = |id: &mut Option<String>| {
        fill += 1;
        id.get_or_insert_with(|| format!("orgtrail-{number}-{fill}"));
    };
    let arn = |arn: &str, service: &str| {
        let holds = arn.parse::<orgtrail_base::names::Arn>().is_ok_and(|arn| {
            &*arn.service == service && arn.region.as_ref() == Some(&bucket.region)
        });
        if holds {
            return Ok(());
        }
        Err(invalid_argument("Unable to validate the following destination configurations"))
    };
    for topic in configuration.topic_configurations.iter_mut().flatten() {
        arn(&topic.topic_arn, "sns")?;
        name(&mut topic.id);
    }
    for queue in configuration.queue_configurations.iter_mut().flatten() {
        arn(&queue.queue_arn, "sqs")?;
        name(&mut queue.id);
    }
    for function in configuration.lambda_function_configurations.iter_mut().flatten() {
        arn(&function.lambda_function_arn, "lambda")?;
        name(&mut function.id);
    }
    bucket.change(|settings| settings.notification = Some(configuration));
    Ok(dto::PutBucketNotificationConfigurationOutput {})
}

pub(super) fn get_bucket_notification_configuration(
    cx: &CallContext<'_>,
    input: dto::GetBucketNotificationConfigurationInput,
) -> S3Result<dto::GetBucketNotificationConfigurationOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:GetBucketNotification")?;
    let configuration = bucket.settings().notification.clone().unwrap_or_default();
    Ok(dto::GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: configuration.event_bridge_configuration,
        lambda_function_configurations: configuration.lambda_function_configurations,
        queue_configurations: configuration.queue_configurations,
        topic_configurations: configuration.topic_configurations,
    })
}

pub(super) fn put_bucket_request_payment(
    cx: &CallContext<'_>,
    input: dto::PutBucketRequestPaymentInput,
) -> S3Result<dto::PutBucketRequestPaymentOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutBucketRequestPayment")?;
    let pays = match input.request_payment_configuration.payer.as_str() {
        "Requester" => true,
        "BucketOwner" => false,
        _ => return Err(malformed_xml("the payer is either Requester or BucketOwner")),
    };
    bucket.change(|settings| settings.requester_pays = pays);
    Ok(dto::PutBucketRequestPaymentOutput {})
}

pub(super) fn get_bucket_request_payment(
    cx: &CallContext<'_>,
    input: dto::GetBucketRequestPaymentInput,
) -> S3Result<dto::GetBucketRequestPaymentOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:GetBucketRequestPayment")?;
    let payer = if bucket.settings().requester_pays { "Requester" } else { "BucketOwner" };
    Ok(dto::GetBucketRequestPaymentOutput { payer: Some(dto::Payer::from_static(payer)) })
}
