"""The guards of an archive: locks, versions, MFA delete, policies."""

import datetime
import json

from botocore.exceptions import ClientError

from . import behaviour, code, outcome
from .objects import put_log

LOCK = "S3 User Guide: Object Lock"
KEY = "log.json.gz"


def until(days):
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=days)


def locked(t, mode, days=400):
    """A bucket and the version of an object under a retention."""
    bucket = t.bucket(lock=True)
    version = put_log(t.s3, bucket, ObjectLockMode=mode, ObjectLockRetainUntilDate=until(days))["VersionId"]
    return bucket, version


@behaviour("lock-delete-version", "deleting a version under GOVERNANCE is refused", "AccessDenied", LOCK)
def delete_version(t):
    bucket, version = locked(t, "GOVERNANCE")
    return outcome(t.s3.delete_object, Bucket=bucket, Key=KEY, VersionId=version)


@behaviour("lock-delete-plain", "deleting a locked object without naming a version leaves a marker", "ok", LOCK)
def delete_plain(t):
    bucket, _ = locked(t, "COMPLIANCE")
    return outcome(t.s3.delete_object, Bucket=bucket, Key=KEY)


@behaviour("lock-bypass-governance", "who may bypass GOVERNANCE and says so deletes the version", "ok", LOCK)
def bypass(t):
    bucket, version = locked(t, "GOVERNANCE")
    return outcome(t.s3.delete_object, Bucket=bucket, Key=KEY, VersionId=version, BypassGovernanceRetention=True)


@behaviour("lock-bypass-compliance", "nobody bypasses COMPLIANCE", "AccessDenied", LOCK)
def bypass_compliance(t):
    bucket, version = locked(t, "COMPLIANCE")
    return outcome(t.s3.delete_object, Bucket=bucket, Key=KEY, VersionId=version, BypassGovernanceRetention=True)


@behaviour("lock-batch-delete", "DeleteObjects says per key that a locked version stays", "AccessDenied", LOCK)
def batch(t):
    bucket, version = locked(t, "COMPLIANCE")
    done = t.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": KEY, "VersionId": version}]})
    return ",".join(error["Code"] for error in done.get("Errors", [])) or "ok"


@behaviour("lock-shorten-compliance", "COMPLIANCE is not shortened", "AccessDenied", LOCK)
def shorten_compliance(t):
    bucket, version = locked(t, "COMPLIANCE")
    return outcome(t.s3.put_object_retention, Bucket=bucket, Key=KEY, VersionId=version,
                   Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until(200)}, BypassGovernanceRetention=True)


@behaviour("lock-lengthen-compliance", "COMPLIANCE is lengthened by who may write retentions", "ok", LOCK)
def lengthen_compliance(t):
    bucket, version = locked(t, "COMPLIANCE")
    return outcome(t.s3.put_object_retention, Bucket=bucket, Key=KEY, VersionId=version,
                   Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until(500)})


@behaviour("lock-shorten-governance", "GOVERNANCE is not shortened without the bypass", "AccessDenied", LOCK)
def shorten_governance(t):
    bucket, version = locked(t, "GOVERNANCE")
    return outcome(t.s3.put_object_retention, Bucket=bucket, Key=KEY, VersionId=version,
                   Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until(200)})


@behaviour("lock-legal-hold", "a legal hold keeps a version, bypass or not", "AccessDenied", LOCK)
def legal_hold(t):
    bucket = t.bucket(lock=True)
    version = put_log(t.s3, bucket, ObjectLockLegalHoldStatus="ON")["VersionId"]
    return outcome(t.s3.delete_object, Bucket=bucket, Key=KEY, VersionId=version, BypassGovernanceRetention=True)


@behaviour("lock-legal-hold-lifted", "once the hold is lifted, the version can be deleted", "ok", LOCK)
def hold_lifted(t):
    bucket = t.bucket(lock=True)
    version = put_log(t.s3, bucket, ObjectLockLegalHoldStatus="ON")["VersionId"]
    t.s3.put_object_legal_hold(Bucket=bucket, Key=KEY, VersionId=version, LegalHold={"Status": "OFF"})
    return outcome(t.s3.delete_object, Bucket=bucket, Key=KEY, VersionId=version)


@behaviour("lock-default-retention", "a bucket's default retention applies to a new object", "GOVERNANCE 365 days, AccessDenied", LOCK)
def default_retention(t):
    bucket = t.bucket(lock=True, default=("GOVERNANCE", 365))
    version = put_log(t.s3, bucket)["VersionId"]
    head = t.s3.head_object(Bucket=bucket, Key=KEY, VersionId=version)
    days = round((head["ObjectLockRetainUntilDate"] - head["LastModified"]) / datetime.timedelta(days=1))
    gone = outcome(t.s3.delete_object, Bucket=bucket, Key=KEY, VersionId=version)
    return f"{head['ObjectLockMode']} {days} days, {gone}"


@behaviour("lock-needs-checksum", "PUT under a default retention without checksum or Content-MD5 is refused",
           "InvalidRequest", LOCK)
def needs_checksum(t):
    bucket = t.bucket(lock=True, default=("GOVERNANCE", 1))
    return outcome(t.bare_s3.put_object, Bucket=bucket, Key=KEY, Body=b"x")


@behaviour("lock-needs-lock-bucket", "a retention in a bucket without Object Lock is refused", "InvalidRequest", LOCK)
def needs_lock_bucket(t):
    return outcome(put_log, t.s3, t.bucket(versioned=True), ObjectLockMode="GOVERNANCE",
                   ObjectLockRetainUntilDate=until(10))


@behaviour("lock-in-the-past", "a retention that ends in the past is refused", ("InvalidArgument", "InvalidRequest"), LOCK)
def in_the_past(t):
    bucket = t.bucket(lock=True)
    return outcome(put_log, t.s3, bucket, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until(-2000))


@behaviour("lock-keeps-versioning", "versioning of a bucket with Object Lock is not suspended", "InvalidBucketState", LOCK)
def keeps_versioning(t):
    return outcome(t.s3.put_bucket_versioning, Bucket=t.bucket(lock=True),
                   VersioningConfiguration={"Status": "Suspended"})


@behaviour("lock-wants-versioning", "Object Lock cannot be put on a bucket without versioning", "InvalidBucketState", LOCK)
def wants_versioning(t):
    return outcome(t.s3.put_object_lock_configuration, Bucket=t.bucket(),
                   ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})


@behaviour("lock-on-existing-bucket", "Object Lock can be put on an existing bucket with versioning", "ok", LOCK)
def on_existing(t):
    return outcome(t.s3.put_object_lock_configuration, Bucket=t.bucket(versioned=True),
                   ObjectLockConfiguration={"ObjectLockEnabled": "Enabled",
                                            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})


@behaviour("lock-absent", "a bucket without Object Lock says so", "ObjectLockConfigurationNotFoundError", LOCK)
def lock_absent(t):
    return outcome(t.s3.get_object_lock_configuration, Bucket=t.bucket())


MFA = "S3 User Guide: configuring MFA delete"


@behaviour("mfa-without-token", "switching MFA delete on without the device's code is refused", ("AccessDenied", "InvalidRequest"),
           MFA, needs=("s3", "mfa-device"))
def mfa_without_token(t):
    s3 = t.root_s3
    return outcome(s3.put_bucket_versioning, Bucket=t.bucket(client=s3),
                   VersioningConfiguration={"Status": "Enabled", "MFADelete": "Enabled"})


def with_code(t, call, **arguments):
    """Calls with the device's code; with the next one where its time ran out on the way."""
    for _ in range(4):
        try:
            return call(MFA=t.mfa_token(), **arguments)
        except ClientError as error:
            if code(error) != "AccessDenied":
                raise
    return call(MFA=t.mfa_token(), **arguments)


def mfa_bucket(t):
    s3 = t.root_s3
    bucket = t.bucket(client=s3)
    with_code(t, s3.put_bucket_versioning, Bucket=bucket,
              VersioningConfiguration={"Status": "Enabled", "MFADelete": "Enabled"})
    return s3, bucket, put_log(s3, bucket)["VersionId"]


@behaviour("mfa-switched-on", "root with the device's code switches MFA delete on", "Enabled", MFA, needs=("s3", "mfa-device"))
def mfa_on(t):
    s3, bucket, _ = mfa_bucket(t)
    return s3.get_bucket_versioning(Bucket=bucket).get("MFADelete", "absent")


@behaviour("mfa-delete-version", "then deleting a version without a code is refused", "AccessDenied", MFA, needs=("s3", "mfa-device"))
def mfa_delete(t):
    s3, bucket, version = mfa_bucket(t)
    return outcome(s3.delete_object, Bucket=bucket, Key=KEY, VersionId=version)


@behaviour("mfa-delete-version-with-code", "with a code it is deleted", "ok", MFA, needs=("s3", "mfa-device"))
def mfa_delete_with_code(t):
    s3, bucket, version = mfa_bucket(t)
    return outcome(with_code, t, s3.delete_object, Bucket=bucket, Key=KEY, VersionId=version)


@behaviour("mfa-delete-wrong-code", "a wrong code does not delete it", "AccessDenied", MFA, needs=("s3", "mfa-device"))
def mfa_wrong_code(t):
    s3, bucket, version = mfa_bucket(t)
    serial, right = t.mfa_token().split(" ")
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    return outcome(s3.delete_object, Bucket=bucket, Key=KEY, VersionId=version, MFA=f"{serial} {wrong}")


@behaviour("mfa-suspend-versioning", "versioning is not suspended without a code", "AccessDenied", MFA, needs=("s3", "mfa-device"))
def mfa_suspend(t):
    s3, bucket, _ = mfa_bucket(t)
    return outcome(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


@behaviour("mfa-plain-delete", "deleting without a version id needs no code: it leaves a marker", "ok", MFA, needs=("s3", "mfa-device"))
def mfa_plain_delete(t):
    s3, bucket, _ = mfa_bucket(t)
    return outcome(s3.delete_object, Bucket=bucket, Key=KEY)


@behaviour("mfa-excludes-lifecycle", "MFA delete and lifecycle rules exclude each other", ("InvalidBucketState", "InvalidRequest"),
           "S3 User Guide: lifecycle and other bucket configurations", needs=("s3", "mfa-device"))
def mfa_lifecycle(t):
    s3, bucket, _ = mfa_bucket(t)
    return outcome(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration={"Rules": [
        {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 10}}]})


POLICY = "S3 User Guide: bucket policies"


def deny(bucket, action, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "Guard", "Effect": "Deny", "Principal": "*", "Action": action,
         "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], **more}]})


@behaviour("policy-deny", "an explicit Deny in the bucket policy binds the owner's principals too", "AccessDenied", POLICY,
           needs=("s3", "iam"))
def policy_deny(t):
    bucket = t.bucket(client=t.member("s3"))
    s3 = t.member("s3")
    put_log(s3, bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=deny(bucket, "s3:GetObject"))
    return outcome(s3.get_object, Bucket=bucket, Key=KEY)


@behaviour("policy-deny-elsewhere", "and binds nothing that it does not name", "ok", POLICY, needs=("s3", "iam"))
def policy_deny_elsewhere(t):
    s3 = t.member("s3")
    bucket = t.bucket(client=s3)
    put_log(s3, bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=deny(bucket, "s3:DeleteObjectVersion"))
    return outcome(s3.get_object, Bucket=bucket, Key=KEY)


@behaviour("policy-encryption-deny", "a Deny of PUTs without the header `aws:kms` is enforced", "AccessDenied", POLICY,
           needs=("s3", "iam"))
def policy_encryption(t):
    s3 = t.member("s3")
    bucket = t.bucket(client=s3)
    s3.put_bucket_policy(Bucket=bucket, Policy=deny(
        bucket, "s3:PutObject", Condition={"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}))
    return outcome(put_log, s3, bucket)


@behaviour("policy-malformed", "a policy that is no JSON is refused", "MalformedPolicy", POLICY)
def policy_malformed(t):
    # On some servers this breaks the bucket: it is this behaviour's own.
    return outcome(t.s3.put_bucket_policy, Bucket=t.bucket(), Policy="{not json")


@behaviour("policy-other-bucket", "a policy that names another bucket is refused", "MalformedPolicy", POLICY)
def policy_other_bucket(t):
    return outcome(t.s3.put_bucket_policy, Bucket=t.bucket(), Policy=deny("another-bucket", "s3:GetObject"))


@behaviour("policy-absent", "a bucket without a policy says so", "NoSuchBucketPolicy", POLICY)
def policy_absent(t):
    return outcome(t.s3.get_bucket_policy, Bucket=t.bucket())


@behaviour("block-public-policy", "with BlockPublicPolicy a public policy is refused", "AccessDenied",
           "S3 User Guide: blocking public access", needs=("s3",))
def block_public_policy(t):
    bucket = t.bucket()
    t.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={
        "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True})
    policy = json.loads(deny(bucket, "s3:GetObject"))
    policy["Statement"][0]["Effect"] = "Allow"
    return outcome(t.s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps(policy))


@behaviour("public-access-block-default", "a new bucket blocks public access in all four ways", "4 on",
           "S3 User Guide: blocking public access")
def block_default(t):
    try:
        block = t.s3.get_public_access_block(Bucket=t.bucket())["PublicAccessBlockConfiguration"]
    except t.s3.exceptions.ClientError as error:
        return code(error)
    return f"{sum(block.values())} on"


@behaviour("ownership-default", "a new bucket enforces its owner's ownership", "BucketOwnerEnforced",
           "S3 User Guide: controlling ownership of objects")
def ownership_default(t):
    try:
        rules = t.s3.get_bucket_ownership_controls(Bucket=t.bucket())["OwnershipControls"]["Rules"]
    except t.s3.exceptions.ClientError as error:
        return code(error)
    return rules[0]["ObjectOwnership"]


@behaviour("ownership-no-acl", "then a grant to all by ACL is refused", ("AccessControlListNotSupported", "AccessDenied"),
           "S3 User Guide: controlling ownership of objects")
def ownership_no_acl(t):
    return outcome(t.s3.put_bucket_acl, Bucket=t.bucket(), ACL="public-read")


@behaviour("encryption-default", "a new bucket encrypts with SSE-S3", "AES256", "S3 User Guide: default encryption")
def encryption_default(t):
    try:
        rules = t.s3.get_bucket_encryption(Bucket=t.bucket())["ServerSideEncryptionConfiguration"]["Rules"]
    except t.s3.exceptions.ClientError as error:
        return code(error)
    return rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]


LIFECYCLE = "S3 User Guide: lifecycle configuration elements"


def rule(**more):
    return {"Rules": [{"ID": "archive", "Status": "Enabled", "Filter": {"Prefix": ""}, **more}]}


@behaviour("lifecycle-absent", "a bucket without rules says so", "NoSuchLifecycleConfiguration", LIFECYCLE)
def lifecycle_absent(t):
    return outcome(t.s3.get_bucket_lifecycle_configuration, Bucket=t.bucket())


@behaviour("lifecycle-round-trip", "tiers, expiration, non-current versions and aborted uploads come back",
           "90:GLACIER_IR 365:DEEP_ARCHIVE 2555 30 7", LIFECYCLE)
def lifecycle_round_trip(t):
    bucket = t.bucket(versioned=True)
    t.s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rule(
        Transitions=[{"Days": 90, "StorageClass": "GLACIER_IR"}, {"Days": 365, "StorageClass": "DEEP_ARCHIVE"}],
        Expiration={"Days": 2555}, NoncurrentVersionExpiration={"NoncurrentDays": 30},
        AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}))
    got = t.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]
    tiers = " ".join(f"{x['Days']}:{x['StorageClass']}" for x in sorted(got["Transitions"], key=lambda x: x["Days"]))
    return (f"{tiers} {got['Expiration']['Days']} {got['NoncurrentVersionExpiration']['NoncurrentDays']} "
            f"{got['AbortIncompleteMultipartUpload']['DaysAfterInitiation']}")


@behaviour("lifecycle-marker-with-days", "ExpiredObjectDeleteMarker does not share a rule with Days", ("MalformedXML", "InvalidRequest", "InvalidArgument"), LIFECYCLE)
def lifecycle_marker(t):
    return outcome(t.s3.put_bucket_lifecycle_configuration, Bucket=t.bucket(versioned=True),
                   LifecycleConfiguration=rule(Expiration={"Days": 10, "ExpiredObjectDeleteMarker": True}))


@behaviour("lifecycle-tiers-order", "an expiration before a transition is refused", "InvalidArgument", LIFECYCLE)
def lifecycle_order(t):
    return outcome(t.s3.put_bucket_lifecycle_configuration, Bucket=t.bucket(), LifecycleConfiguration=rule(
        Transitions=[{"Days": 90, "StorageClass": "GLACIER"}], Expiration={"Days": 30}))


@behaviour("replication-absent", "a bucket without replication says so", "ReplicationConfigurationNotFoundError",
           "S3 API Reference: GetBucketReplication")
def replication_absent(t):
    return outcome(t.s3.get_bucket_replication, Bucket=t.bucket())


@behaviour("logging-off", "a bucket without access logging answers nothing", "off", "S3 API Reference: GetBucketLogging")
def logging_off(t):
    try:
        return "on" if t.s3.get_bucket_logging(Bucket=t.bucket()).get("LoggingEnabled") else "off"
    except t.s3.exceptions.ClientError as error:
        return code(error)


@behaviour("tags-absent", "a bucket without tags says so", "NoSuchTagSet", "S3 API Reference: GetBucketTagging")
def tags_absent(t):
    return outcome(t.s3.get_bucket_tagging, Bucket=t.bucket())


@behaviour("bucket-taken", "a bucket name that another account owns is refused", "BucketAlreadyExists",
           "S3 API Reference: CreateBucket", needs=("s3", "accounts"))
def bucket_taken(t):
    return outcome(t.member("s3").create_bucket, Bucket=t.bucket())


@behaviour("cross-account-closed", "another account reads nothing without a policy", "AccessDenied", POLICY, needs=("s3", "accounts"))
def cross_account_closed(t):
    bucket = t.bucket()
    put_log(t.s3, bucket)
    return outcome(t.member("s3").get_object, Bucket=bucket, Key=KEY)


@behaviour("cross-account-open", "with a bucket policy for it, it reads", "ok", POLICY, needs=("s3", "accounts"))
def cross_account_open(t):
    bucket = t.bucket()
    put_log(t.s3, bucket)
    t.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{t.member_account}:root"}, "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
    return outcome(t.member("s3").get_object, Bucket=bucket, Key=KEY)
