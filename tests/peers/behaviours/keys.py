"""Keys, log groups, alarms, topics: what a trail leans on."""

import json

from . import behaviour, outcome

API = "KMS API Reference"
KMS = ("kms",)


@behaviour("kms-round-trip", "what is encrypted under a context is decrypted under it", "ok", f"{API}: Decrypt", needs=KMS)
def round_trip(t):
    kms = t.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    return "ok" if kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"})["Plaintext"] == b"x" else "other"


@behaviour("kms-wrong-context", "under another context it is not", "InvalidCiphertextException", f"{API}: Decrypt", needs=KMS)
def wrong_context(t):
    kms = t.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    return outcome(kms.decrypt, CiphertextBlob=blob, EncryptionContext={"a": "c"})


@behaviour("kms-disabled", "a disabled key encrypts nothing", "DisabledException", f"{API}: Encrypt", needs=KMS)
def disabled(t):
    kms = t.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    return outcome(kms.encrypt, KeyId=key, Plaintext=b"x")


@behaviour("kms-pending-deletion", "nor does one that is pending deletion", "KMSInvalidStateException", f"{API}: Encrypt", needs=KMS)
def pending(t):
    kms = t.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    return outcome(kms.encrypt, KeyId=key, Plaintext=b"x")


@behaviour("kms-deletion-cancelled", "a cancelled deletion leaves the key disabled", "Disabled", f"{API}: CancelKeyDeletion", needs=KMS)
def cancelled(t):
    kms = t.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    kms.cancel_key_deletion(KeyId=key)
    return kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]


@behaviour("kms-window-too-short", "a waiting time under 7 days is refused", "ValidationException", f"{API}: ScheduleKeyDeletion", needs=KMS)
def window(t):
    kms = t.client("kms")
    return outcome(kms.schedule_key_deletion, KeyId=kms.create_key()["KeyMetadata"]["KeyId"], PendingWindowInDays=6)


@behaviour("kms-unknown", "a missing key", "NotFoundException", f"{API}: DescribeKey", needs=KMS)
def unknown(t):
    return outcome(t.client("kms").describe_key, KeyId="00000000-0000-0000-0000-000000000000")


@behaviour("kms-alias-twice", "an alias is taken once", "AlreadyExistsException", f"{API}: CreateAlias", needs=KMS)
def alias_twice(t):
    kms = t.client("kms")
    key, alias = kms.create_key()["KeyMetadata"]["KeyId"], f"alias/{t.name('k')}"
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    return outcome(kms.create_alias, AliasName=alias, TargetKeyId=key)


@behaviour("kms-rotation", "rotation is off until it is switched on", "False True", f"{API}: EnableKeyRotation", needs=KMS)
def rotation(t):
    kms = t.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    before = kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    kms.enable_key_rotation(KeyId=key)
    return f"{before} {kms.get_key_rotation_status(KeyId=key)['KeyRotationEnabled']}"


@behaviour("kms-policy-malformed", "a key policy that is no JSON is refused", "MalformedPolicyDocumentException", f"{API}: PutKeyPolicy", needs=KMS)
def policy_malformed(t):
    kms = t.client("kms")
    return outcome(kms.put_key_policy, KeyId=kms.create_key()["KeyMetadata"]["KeyId"], PolicyName="default", Policy="{not json")


@behaviour("kms-lockout", "a key policy that would lock its writer out is refused", "MalformedPolicyDocumentException",
           "KMS Developer Guide: key policies", needs=KMS)
def lockout(t):
    kms = t.client("kms")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
                                                     "Action": "kms:GenerateDataKey*", "Resource": "*"}]}
    return outcome(kms.put_key_policy, KeyId=kms.create_key()["KeyMetadata"]["KeyId"], PolicyName="default", Policy=json.dumps(policy))


@behaviour("kms-other-account", "another account's key is closed without a grant in its policy", "AccessDeniedException",
           "KMS Developer Guide: key policies", needs=("kms", "accounts"))
def other_account(t):
    arn = t.client("kms").create_key()["KeyMetadata"]["Arn"]
    return outcome(t.member("kms").encrypt, KeyId=arn, Plaintext=b"x")


LOGS = "CloudWatch Logs API Reference"


@behaviour("logs-group-twice", "a log group is made once", "ResourceAlreadyExistsException", f"{LOGS}: CreateLogGroup", needs=("logs",))
def group_twice(t):
    logs, name = t.client("logs"), t.name("group")
    logs.create_log_group(logGroupName=name)
    return outcome(logs.create_log_group, logGroupName=name)


@behaviour("logs-retention", "a retention that AWS offers comes back", "365", f"{LOGS}: PutRetentionPolicy", needs=("logs",))
def retention(t):
    logs, name = t.client("logs"), t.name("group")
    logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName=name, retentionInDays=365)
    return str(logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0].get("retentionInDays"))


@behaviour("logs-retention-odd", "one that it does not offer is refused", "InvalidParameterException", f"{LOGS}: PutRetentionPolicy", needs=("logs",))
def retention_odd(t):
    logs, name = t.client("logs"), t.name("group")
    logs.create_log_group(logGroupName=name)
    return outcome(logs.put_retention_policy, logGroupName=name, retentionInDays=13)


@behaviour("logs-group-missing", "a missing log group", "ResourceNotFoundException", f"{LOGS}: PutRetentionPolicy", needs=("logs",))
def group_missing(t):
    return outcome(t.client("logs").put_retention_policy, logGroupName=t.name("none"), retentionInDays=365)


@behaviour("alarm-round-trip", "a metric filter and its alarm come back", "Trail 1.0", "CloudWatch API Reference: PutMetricAlarm", needs=("logs", "cloudwatch"))
def alarm(t):
    logs, name = t.client("logs"), t.name("group")
    logs.create_log_group(logGroupName=name)
    logs.put_metric_filter(logGroupName=name, filterName="f", filterPattern="{ $.eventName = StopLogging }",
                           metricTransformations=[{"metricName": "Trail", "metricNamespace": "orgtrail", "metricValue": "1"}])
    metric = logs.describe_metric_filters(logGroupName=name)["metricFilters"][0]["metricTransformations"][0]["metricName"]
    watch = t.client("cloudwatch")
    watch.put_metric_alarm(AlarmName=name, MetricName="Trail", Namespace="orgtrail", Statistic="Sum", Period=300,
                           EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanOrEqualToThreshold")
    return f"{metric} {watch.describe_alarms(AlarmNames=[name])['MetricAlarms'][0]['Threshold']}"


SNS = "SNS API Reference"


@behaviour("sns-idempotent", "creating a topic again answers the same ARN", "same", f"{SNS}: CreateTopic", needs=("sns",))
def topic_twice(t):
    sns, name = t.client("sns"), t.name("topic")
    return "same" if sns.create_topic(Name=name)["TopicArn"] == sns.create_topic(Name=name)["TopicArn"] else "another"


@behaviour("sns-missing", "a missing topic", "NotFound", f"{SNS}: GetTopicAttributes", needs=("sns",))
def topic_missing(t):
    return outcome(t.client("sns").get_topic_attributes, TopicArn=f"arn:aws:sns:us-east-1:{t.main_account}:{t.name('none')}")
