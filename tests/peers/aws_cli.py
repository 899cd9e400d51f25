"""The AWS CLI, unmodified, against `orgtrail sandbox up`.

Every call stands for one line of what an administrator would type; each has an
expectation, an output or the error code that AWS documents for a refusal. The
digests that the sandbox delivers in a week are proven by the CLI's own
`cloudtrail validate-logs`, which is not ours, and must find what is broken.

    aws_cli.py [--verbose]

Nothing but Python's standard library; the CLI is in its own environment.
"""

import argparse
import base64
import datetime
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True

from sandbox import PEERS, Sandbox  # noqa: E402

AWS = os.path.join(PEERS, "awscli", "bin", "aws")
REGION = "us-east-1"
MEMBER_ROLE = "OrganizationAccountAccessRole"


class Failed(Exception):
    """The CLI ended with another error, or answered something else."""


class Suite:
    """Runs the CLI, counts what was expected and what was not."""

    def __init__(self, sandbox, verbose):
        self.sandbox, self.verbose = sandbox, verbose
        self.passed, self.failed = 0, 0
        self.services = {}
        self.refusals = 0
        self.directory = sandbox.directory
        # Links are signed with the older algorithm unless told.
        os.makedirs(os.path.join(self.directory, ".aws"))
        self.file(".aws/config", b"[default]\ns3 =\n    signature_version = s3v4\n")

    def run(self, command, who, region=REGION):
        """Exit code, standard output and standard error of `aws …`."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        environment |= {"AWS_ENDPOINT_URL": self.sandbox.endpoint, "AWS_REGION": region, "AWS_DEFAULT_REGION": region,
                        "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": self.directory,
                        "AWS_DEFAULT_OUTPUT": "json"} | who
        done = subprocess.run([AWS, *command], env=environment, cwd=self.directory, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=600, check=False)
        return done.returncode, done.stdout, done.stderr

    def call(self, title, *command, who=None, refused=None, wants=None, region=REGION):
        """One counted call. `refused` is the error code that must come;
        `wants` a predicate over the answer. Gives the answer."""
        service = command[0]
        self.services[service] = self.services.get(service, 0) + 1
        exit_code, out, error = self.run(command, who if who is not None else self.sandbox.management, region)
        answer = parsed(out)
        try:
            if refused:
                self.refusals += 1
                code = error_code(error)
                codes = refused if isinstance(refused, tuple) else (refused,)
                if exit_code == 0 or code not in codes:
                    raise Failed(f"wanted {' or '.join(codes)}, got exit {exit_code}: {code or error.strip() or out.strip()[:200]}")
            elif exit_code != 0:
                raise Failed(f"exit {exit_code}: {error.strip()[:400]}")
            elif wants is not None and not wants(answer):
                raise Failed(f"answered {out.strip()[:600]}")
        except (Failed, KeyError, IndexError, TypeError, AttributeError) as problem:
            self.failed += 1
            print(f"FAILED {service}: {title}\n    aws {' '.join(map(str, command))[:300]}\n    {type(problem).__name__}: {problem}", flush=True)
        else:
            self.passed += 1
            if self.verbose:
                print(f"ok     {service}: {title}" + (f" ({error_code(error)})" if refused else ""), flush=True)
        return answer

    def check(self, title, holds, found=""):
        """A counted check that is no call of its own."""
        if holds:
            self.passed += 1
            if self.verbose:
                print(f"ok     {title}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED {title}: {found}", flush=True)

    def enter(self, account, role=MEMBER_ROLE, title="a member is entered through its role", **more):
        """The environment of a role's session."""
        flags = [flag for k, v in more.items() for flag in (f"--{k.replace('_', '-')}", v)]
        got = self.call(title, "sts", "assume-role", "--role-arn", f"arn:aws:iam::{account}:role/{role}",
                        "--role-session-name", "aws-cli", *flags,
                        wants=lambda a: a["AssumedRoleUser"]["Arn"].startswith(f"arn:aws:sts::{account}:assumed-role/{role}/"))
        keys = got["Credentials"]
        return {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
                "AWS_SESSION_TOKEN": keys["SessionToken"]}

    def file(self, name, content):
        """A file that the CLI can be handed; its path."""
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path


def parsed(out):
    try:
        return json.loads(out) if out.strip() else {}
    except ValueError:
        return {"text": out}


def error_code(error):
    found = re.search(r"An error occurred \(([^)]+)\)", error)
    return found.group(1) if found else None


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def organization(t):
    """Organizations; gives the organization's id and its accounts."""
    org = t.call("the organization has all features", "organizations", "describe-organization",
                 wants=lambda a: a["Organization"]["FeatureSet"] == "ALL")["Organization"]
    listed = t.call("every account is listed", "organizations", "list-accounts",
                    wants=lambda a: len(a["Accounts"]) == t.sandbox.accounts)["Accounts"]
    management = org["MasterAccountId"]
    root = t.call("there is one root", "organizations", "list-roots", wants=lambda a: len(a["Roots"]) == 1)["Roots"][0]["Id"]
    unit = t.call("an OU is made", "organizations", "create-organizational-unit", "--parent-id", root, "--name", "Sandboxes",
                  wants=lambda a: a["OrganizationalUnit"]["Id"].startswith("ou-"))["OrganizationalUnit"]["Id"]
    t.call("a second of the same name is refused", "organizations", "create-organizational-unit", "--parent-id", root,
           "--name", "Sandboxes", refused="DuplicateOrganizationalUnitException")
    t.call("it is listed under the root", "organizations", "list-organizational-units-for-parent", "--parent-id", root,
           wants=lambda a: unit in [x["Id"] for x in a["OrganizationalUnits"]])
    last = [a["Id"] for a in listed if a["Id"] != management][-1]
    parent = t.call("an account tells its parent", "organizations", "list-parents", "--child-id", last,
                    wants=lambda a: len(a["Parents"]) == 1)["Parents"][0]["Id"]
    t.call("an account is moved", "organizations", "move-account", "--account-id", last, "--source-parent-id", parent,
           "--destination-parent-id", unit)
    t.call("and is found in the OU", "organizations", "list-accounts-for-parent", "--parent-id", unit,
           wants=lambda a: [x["Id"] for x in a["Accounts"]] == [last])
    t.call("an account that is not in it", "organizations", "describe-account", "--account-id", "999999999999",
           refused="AccountNotFoundException")
    t.call("trusted access for CloudTrail is switched on", "organizations", "enable-aws-service-access",
           "--service-principal", "cloudtrail.amazonaws.com")
    t.call("and listed", "organizations", "list-aws-service-access-for-organization",
           wants=lambda a: "cloudtrail.amazonaws.com" in [x["ServicePrincipal"] for x in a["EnabledServicePrincipals"]])
    return org, [a["Id"] for a in listed]


def identity(t, management, archive, audit):
    """STS and IAM; gives the log archive's session."""
    t.call("the caller is the management account", "sts", "get-caller-identity", wants=lambda a: a["Account"] == management)
    t.call("an unknown access key", "sts", "get-caller-identity",
           who={"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}, refused="InvalidClientTokenId")
    t.call("a wrong secret", "sts", "get-caller-identity", who=t.sandbox.management | {"AWS_SECRET_ACCESS_KEY": "x"},
           refused="SignatureDoesNotMatch")
    in_archive = t.enter(archive)
    in_audit = t.enter(audit)
    t.call("the session acts in the member", "sts", "get-caller-identity", who=in_archive,
           wants=lambda a: a["Account"] == archive)
    t.call("a role that is not there", "sts", "assume-role", "--role-arn", f"arn:aws:iam::{archive}:role/none",
           "--role-session-name", "aws-cli", refused="AccessDenied")
    trust = policy({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{management}:root"}, "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"sts:ExternalId": "acme"}}})
    t.call("a role is made", "iam", "create-role", "--role-name", "Reader", "--assume-role-policy-document", json.dumps(trust),
           who=in_archive, wants=lambda a: a["Role"]["Arn"] == f"arn:aws:iam::{archive}:role/Reader")
    t.call("a second of the same name is refused", "iam", "create-role", "--role-name", "Reader",
           "--assume-role-policy-document", json.dumps(trust), who=in_archive, refused="EntityAlreadyExists")
    t.call("a trust policy that is none is refused", "iam", "create-role", "--role-name", "Broken",
           "--assume-role-policy-document", "{", who=in_archive, refused="MalformedPolicyDocument")
    t.call("it gets a policy", "iam", "put-role-policy", "--role-name", "Reader", "--policy-name", "read", "--policy-document",
           json.dumps(policy(allow(["s3:ListAllMyBuckets", "s3:GetObject"]))), who=in_archive)
    t.call("which comes back", "iam", "get-role-policy", "--role-name", "Reader", "--policy-name", "read", who=in_archive,
           wants=lambda a: a["PolicyDocument"]["Statement"][0]["Action"] == ["s3:ListAllMyBuckets", "s3:GetObject"])
    t.call("it is listed", "iam", "list-roles", who=in_archive,
           wants=lambda a: {"Reader", MEMBER_ROLE} <= {r["RoleName"] for r in a["Roles"]})
    t.call("a role with a policy is not deleted", "iam", "delete-role", "--role-name", "Reader", who=in_archive,
           refused="DeleteConflict")
    t.call("a role that is not there", "iam", "get-role", "--role-name", "none", who=in_archive, refused="NoSuchEntity")
    arn = f"arn:aws:iam::{archive}:role/Reader"
    t.call("without its external id the role is closed", "sts", "assume-role", "--role-arn", arn, "--role-session-name", "aws-cli",
           refused="AccessDenied")
    t.call("with a wrong one too", "sts", "assume-role", "--role-arn", arn, "--role-session-name", "aws-cli",
           "--external-id", "other", refused="AccessDenied")
    reader = t.enter(archive, role="Reader", title="with the right one it opens", external_id="acme")
    t.call("the role does what its policy says", "s3api", "list-buckets", who=reader)
    t.call("and nothing else", "iam", "list-roles", who=reader, refused="AccessDenied")
    t.call("the service-linked role is made", "iam", "create-service-linked-role", "--aws-service-name", "cloudtrail.amazonaws.com",
           wants=lambda a: a["Role"]["RoleName"] == "AWSServiceRoleForCloudTrail")
    return in_archive, in_audit, reader


def archive_bucket(t, org_id, management, in_archive, in_audit):
    """S3: the bucket of an archive, its settings and its guards."""
    bucket, a = "aws-cli-archive", in_archive
    at = ("--bucket", bucket)
    t.call("a bucket with Object Lock is made", "s3api", "create-bucket", *at, "--object-lock-enabled-for-bucket", who=a)
    t.call("its name is taken for others", "s3api", "create-bucket", *at, who=in_audit, refused="BucketAlreadyExists")
    t.call("it is versioned", "s3api", "get-bucket-versioning", *at, who=a, wants=lambda x: x["Status"] == "Enabled")
    t.call("versioning cannot be suspended", "s3api", "put-bucket-versioning", *at, "--versioning-configuration",
           "Status=Suspended", who=a, refused="InvalidBucketState")
    t.call("a default retention is set", "s3api", "put-object-lock-configuration", *at, "--object-lock-configuration",
           '{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"GOVERNANCE","Days":365}}}', who=a)
    t.call("and comes back", "s3api", "get-object-lock-configuration", *at, who=a,
           wants=lambda x: x["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 365})
    t.call("public access is blocked from the start", "s3api", "get-public-access-block", *at, who=a,
           wants=lambda x: all(x["PublicAccessBlockConfiguration"].values()))
    t.call("ownership is the owner's from the start", "s3api", "get-bucket-ownership-controls", *at, who=a,
           wants=lambda x: x["OwnershipControls"]["Rules"][0]["ObjectOwnership"] == "BucketOwnerEnforced")
    rules = {"Rules": [{"ID": "tiers", "Status": "Enabled", "Filter": {"Prefix": ""},
                        "Transitions": [{"Days": 90, "StorageClass": "GLACIER_IR"}], "Expiration": {"Days": 2555},
                        "NoncurrentVersionExpiration": {"NoncurrentDays": 400},
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}]}
    t.call("no lifecycle yet", "s3api", "get-bucket-lifecycle-configuration", *at, who=a, refused="NoSuchLifecycleConfiguration")
    t.call("a lifecycle is set", "s3api", "put-bucket-lifecycle-configuration", *at, "--lifecycle-configuration", json.dumps(rules), who=a)
    t.call("and comes back", "s3api", "get-bucket-lifecycle-configuration", *at, who=a,
           wants=lambda x: x["Rules"][0]["Expiration"]["Days"] == 2555 and x["Rules"][0]["Transitions"][0]["Days"] == 90)
    t.call("tags are set", "s3api", "put-bucket-tagging", *at, "--tagging", "TagSet=[{Key=team,Value=audit}]", who=a)
    t.call("and come back", "s3api", "get-bucket-tagging", *at, who=a, wants=lambda x: x["TagSet"] == [{"Key": "team", "Value": "audit"}])
    t.call("a bucket for access logs is made", "s3", "mb", "s3://aws-cli-access-logs", who=a)
    logs_policy = policy(allow("s3:PutObject", "arn:aws:s3:::aws-cli-access-logs/*", Principal={"Service": "logging.s3.amazonaws.com"}))
    t.call("which S3 may write to", "s3api", "put-bucket-policy", "--bucket", "aws-cli-access-logs", "--policy", json.dumps(logs_policy), who=a)
    t.call("access logging is set", "s3api", "put-bucket-logging", *at, "--bucket-logging-status",
           '{"LoggingEnabled":{"TargetBucket":"aws-cli-access-logs","TargetPrefix":"archive/"}}', who=a)
    t.call("and comes back", "s3api", "get-bucket-logging", *at, who=a,
           wants=lambda x: x["LoggingEnabled"]["TargetBucket"] == "aws-cli-access-logs")
    body = gzip.compress(b'{"Records":[]}', mtime=0)
    path = t.file("log.json.gz", body)
    put = t.call("an object is put", "s3api", "put-object", *at, "--key", "a/log.json.gz", "--body", path, "--content-encoding", "gzip",
                 "--metadata", "signature=abc", "--checksum-algorithm", "SHA256", who=a, wants=lambda x: x["VersionId"])
    out = os.path.join(t.directory, "back")
    t.call("and comes back with its metadata", "s3api", "get-object", *at, "--key", "a/log.json.gz", out, who=a,
           wants=lambda x: x["ContentEncoding"] == "gzip" and x["Metadata"] == {"signature": "abc"})
    with open(out, "rb") as file:
        t.check("byte for byte", file.read() == body, "other bytes")
    t.call("an object is there once only", "s3api", "put-object", *at, "--key", "a/log.json.gz", "--body", path, "--if-none-match", "*",
           "--checksum-algorithm", "SHA256", who=a, refused="PreconditionFailed")
    t.call("a locked version is not deleted", "s3api", "delete-object", *at, "--key", "a/log.json.gz", "--version-id", put["VersionId"],
           who=a, refused="AccessDenied")
    t.call("its retention is not shortened", "s3api", "put-object-retention", *at, "--key", "a/log.json.gz", "--retention",
           json.dumps({"Mode": "GOVERNANCE", "RetainUntilDate": in_days(2)}), who=a, refused="AccessDenied")
    t.call("deleting without a version leaves a marker", "s3api", "delete-object", *at, "--key", "a/log.json.gz", who=a,
           wants=lambda x: x["DeleteMarker"] is True)
    t.call("versions and markers are listed", "s3api", "list-object-versions", *at, who=a,
           wants=lambda x: len(x["Versions"]) == 1 and len(x["DeleteMarkers"]) == 1)
    t.call("the key is then not there", "s3api", "get-object", *at, "--key", "a/log.json.gz", out, who=a, refused="NoSuchKey")
    t.call("nor is a bucket of another name", "s3api", "list-objects-v2", "--bucket", "aws-cli-none", who=a, refused="NoSuchBucket")
    t.call("another account reads nothing", "s3api", "list-objects-v2", *at, who=in_audit, refused="AccessDenied")
    t.call("a policy that is none is refused", "s3api", "put-bucket-policy", *at, "--policy", "{", who=a, refused="MalformedPolicy")
    t.call("a public policy is refused", "s3api", "put-bucket-policy", *at, "--policy",
           json.dumps(policy(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*"))), who=a, refused="AccessDenied")
    transfer(t, a)
    return bucket


def transfer(t, a):
    """The `aws s3` commands, on a bucket without a lock."""
    t.call("a plain bucket is made", "s3", "mb", "s3://aws-cli-plain", who=a)
    big = t.file("big", os.urandom(1024) * 9 * 1024)
    t.call("9 MiB go up in parts", "s3", "cp", big, "s3://aws-cli-plain/big", "--no-progress", who=a)
    t.call("as two parts", "s3api", "head-object", "--bucket", "aws-cli-plain", "--key", "big", who=a,
           wants=lambda x: x["ContentLength"] == 9 * 1024 * 1024 and x["ETag"].endswith('-2"'))
    t.call("and come down", "s3", "cp", "s3://aws-cli-plain/big", os.path.join(t.directory, "big.back"), "--no-progress", who=a)
    with open(big, "rb") as one, open(os.path.join(t.directory, "big.back"), "rb") as other:
        t.check("byte for byte", one.read() == other.read(), "other bytes")
    folder = os.path.join(t.directory, "folder", "sub")
    os.makedirs(folder)
    for n in range(5):
        t.file(f"folder/sub/{n}", b"x" * n)
    t.call("a folder is synced", "s3", "sync", os.path.join(t.directory, "folder"), "s3://aws-cli-plain/folder", "--no-progress", who=a)
    t.call("and listed", "s3", "ls", "s3://aws-cli-plain/folder/", "--recursive", who=a, wants=lambda x: x["text"].count("folder/sub/") == 5)
    link = t.call("a link is signed", "s3", "presign", "s3://aws-cli-plain/folder/sub/3", who=a, wants=lambda x: "X-Amz-Signature" in x["text"])
    try:
        with urllib.request.urlopen(link["text"].strip(), timeout=10) as answer:
            seen = answer.read()
    except OSError as error:
        seen = error
    t.check("and answers without credentials", seen == b"xxx", seen)
    t.call("a bucket that holds something is not deleted", "s3api", "delete-bucket", "--bucket", "aws-cli-plain", who=a, refused="BucketNotEmpty")
    t.call("it is emptied and deleted", "s3", "rb", "s3://aws-cli-plain", "--force", who=a)


def mfa(t, archive):
    """MFA delete, by root and its device."""
    root, bucket = t.sandbox.root(archive), "aws-cli-mfa"
    at = ("--bucket", bucket)
    t.call("root is root", "sts", "get-caller-identity", who=root, wants=lambda a: a["Arn"] == f"arn:aws:iam::{archive}:root")
    t.call("root makes a bucket", "s3api", "create-bucket", *at, who=root)
    on = ("--versioning-configuration", "Status=Enabled,MFADelete=Enabled")
    t.call("MFA delete without a code is refused", "s3api", "put-bucket-versioning", *at, *on, who=root,
           refused=("AccessDenied", "InvalidRequest"))
    t.call("with a code it is switched on", "s3api", "put-bucket-versioning", *at, *on, "--mfa", t.sandbox.mfa_token(archive), who=root)
    t.call("and shown", "s3api", "get-bucket-versioning", *at, who=root, wants=lambda a: a.get("MFADelete") == "Enabled")
    put = t.call("an object is put", "s3api", "put-object", *at, "--key", "k", who=root, wants=lambda a: a["VersionId"])
    version = ("--key", "k", "--version-id", put.get("VersionId", "none"))
    t.call("its version is not deleted without a code", "s3api", "delete-object", *at, *version, who=root, refused="AccessDenied")
    serial, code = t.sandbox.mfa_token(archive).split(" ")
    t.call("nor with a wrong one", "s3api", "delete-object", *at, *version, "--mfa", f"{serial} {(int(code) + 1) % 1000000:06d}", who=root,
           refused="AccessDenied")
    t.call("but with the right one", "s3api", "delete-object", *at, *version, "--mfa", t.sandbox.mfa_token(archive), who=root)
    t.call("lifecycle rules are refused beside it", "s3api", "put-bucket-lifecycle-configuration", *at, "--lifecycle-configuration",
           '{"Rules":[{"ID":"x","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":10}}]}', who=root,
           refused=("InvalidBucketState", "InvalidRequest"))


def key(t, management, archive, in_archive, in_audit):
    """KMS; gives the ARN of a key that CloudTrail may use."""
    a = in_archive
    made = t.call("a key is made", "kms", "create-key", "--description", "archive", who=a,
                  wants=lambda x: x["KeyMetadata"]["KeyState"] == "Enabled")["KeyMetadata"]
    arn, at = made["Arn"], ("--key-id", made["KeyId"])
    t.call("it gets an alias", "kms", "create-alias", "--alias-name", "alias/aws-cli", "--target-key-id", made["KeyId"], who=a)
    t.call("which is taken once", "kms", "create-alias", "--alias-name", "alias/aws-cli", "--target-key-id", made["KeyId"], who=a,
           refused="AlreadyExistsException")
    t.call("and leads to it", "kms", "describe-key", "--key-id", "alias/aws-cli", who=a, wants=lambda x: x["KeyMetadata"]["Arn"] == arn)
    t.call("rotation is switched on", "kms", "enable-key-rotation", *at, who=a)
    t.call("and shown", "kms", "get-key-rotation-status", *at, who=a, wants=lambda x: x["KeyRotationEnabled"] is True)
    blob = t.call("something is encrypted", "kms", "encrypt", *at, "--plaintext", "secret",
                  "--encryption-context", "a=b", who=a, wants=lambda x: x["CiphertextBlob"])
    path = t.file("blob", base64.b64decode(blob.get("CiphertextBlob", "")))
    t.call("and decrypted", "kms", "decrypt", "--ciphertext-blob", f"fileb://{path}", "--encryption-context", "a=b", who=a,
           wants=lambda x: base64.b64decode(x["Plaintext"]) == b"secret")
    t.call("but not under another context", "kms", "decrypt", "--ciphertext-blob", f"fileb://{path}", "--encryption-context", "a=c", who=a,
           refused="InvalidCiphertextException")
    t.call("nor by another account", "kms", "encrypt", "--key-id", arn, "--plaintext", "eA==", who=in_audit, refused="AccessDeniedException")
    own = {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{archive}:root"}, "Action": "kms:*", "Resource": "*"}
    t.call("a policy that locks everybody out is refused", "kms", "put-key-policy", *at, "--policy-name", "default", "--policy",
           json.dumps(policy(allow("kms:Decrypt", Principal={"Service": "cloudtrail.amazonaws.com"}))), who=a,
           refused="MalformedPolicyDocumentException")
    trail = {"Sid": "Trail", "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Resource": "*",
             "Action": ["kms:GenerateDataKey*", "kms:DescribeKey", "kms:Decrypt"]}
    t.call("CloudTrail is let in", "kms", "put-key-policy", *at, "--policy-name", "default", "--policy", json.dumps(policy(own, trail)), who=a)
    t.call("the policy comes back", "kms", "get-key-policy", *at, "--policy-name", "default", who=a,
           wants=lambda x: {s["Sid"] for s in json.loads(x["Policy"])["Statement"]} == {"Own", "Trail"})
    other = t.call("another key is made", "kms", "create-key", who=a)["KeyMetadata"]["KeyId"]
    t.call("and disabled", "kms", "disable-key", "--key-id", other, who=a)
    t.call("it encrypts nothing", "kms", "encrypt", "--key-id", other, "--plaintext", "eA==", who=a, refused="DisabledException")
    t.call("a short waiting time is refused", "kms", "schedule-key-deletion", "--key-id", other, "--pending-window-in-days", "6", who=a,
           refused="ValidationException")
    t.call("it is to be deleted in a week", "kms", "schedule-key-deletion", "--key-id", other, "--pending-window-in-days", "7", who=a)
    t.call("and says so", "kms", "describe-key", "--key-id", other, who=a, wants=lambda x: x["KeyMetadata"]["KeyState"] == "PendingDeletion")
    t.call("a key that is not there", "kms", "describe-key", "--key-id", "00000000-0000-0000-0000-000000000000", who=a,
           refused="NotFoundException")
    return arn


def telemetry(t, management):
    """Logs, CloudWatch, SNS, Account: what surrounds a trail."""
    group = "/aws/cloudtrail/aws-cli"
    t.call("a log group is made", "logs", "create-log-group", "--log-group-name", group)
    t.call("once", "logs", "create-log-group", "--log-group-name", group, refused="ResourceAlreadyExistsException")
    t.call("its retention is set", "logs", "put-retention-policy", "--log-group-name", group, "--retention-in-days", "365")
    t.call("to what is offered", "logs", "put-retention-policy", "--log-group-name", group, "--retention-in-days", "13",
           refused=("InvalidParameterException", "ValidationException"))
    found = t.call("and comes back", "logs", "describe-log-groups", "--log-group-name-prefix", group,
                   wants=lambda a: a["logGroups"][0]["retentionInDays"] == 365)
    t.call("a metric filter is put", "logs", "put-metric-filter", "--log-group-name", group, "--filter-name", "stop",
           "--filter-pattern", "{ $.eventName = StopLogging }", "--metric-transformations",
           "metricName=Stop,metricNamespace=orgtrail,metricValue=1")
    t.call("and comes back", "logs", "describe-metric-filters", "--log-group-name", group,
           wants=lambda a: a["metricFilters"][0]["filterPattern"] == "{ $.eventName = StopLogging }")
    t.call("a group that is not there", "logs", "put-retention-policy", "--log-group-name", "none", "--retention-in-days", "365",
           refused="ResourceNotFoundException")
    topic = t.call("a topic is made", "sns", "create-topic", "--name", "aws-cli",
                   wants=lambda a: a["TopicArn"] == f"arn:aws:sns:{REGION}:{management}:aws-cli")["TopicArn"]
    own = policy({"Sid": "Trail", "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic})
    t.call("it gets a policy", "sns", "set-topic-attributes", "--topic-arn", topic, "--attribute-name", "Policy", "--attribute-value", json.dumps(own))
    t.call("which comes back", "sns", "get-topic-attributes", "--topic-arn", topic,
           wants=lambda a: json.loads(a["Attributes"]["Policy"])["Statement"][0]["Sid"] == "Trail")
    t.call("a topic that is not there", "sns", "get-topic-attributes", "--topic-arn", f"arn:aws:sns:{REGION}:{management}:none",
           refused=("NotFound", "NotFoundException"))
    t.call("an alarm is put", "cloudwatch", "put-metric-alarm", "--alarm-name", "stop", "--namespace", "orgtrail", "--metric-name", "Stop",
           "--statistic", "Sum", "--period", "300", "--evaluation-periods", "1", "--threshold", "1",
           "--comparison-operator", "GreaterThanOrEqualToThreshold", "--alarm-actions", topic)
    t.call("and comes back", "cloudwatch", "describe-alarms", "--alarm-names", "stop",
           wants=lambda a: a["MetricAlarms"][0]["Threshold"] == 1.0 and a["MetricAlarms"][0]["AlarmActions"] == [topic])
    t.call("alarms are deleted", "cloudwatch", "delete-alarms", "--alarm-names", "stop")
    t.call("and gone", "cloudwatch", "describe-alarms", "--alarm-names", "stop", wants=lambda a: not a.get("MetricAlarms"))
    t.call("enabled Regions are listed", "account", "list-regions", "--region-opt-status-contains", "ENABLED", "ENABLED_BY_DEFAULT",
           wants=lambda a: {"us-east-1", "eu-west-1"} <= {r["RegionName"] for r in a["Regions"]})
    t.call("an opt-in Region is off", "account", "get-region-opt-status", "--region-name", "eu-south-2",
           wants=lambda a: a["RegionOptStatus"] == "DISABLED")
    return found


def trails(t, org_id, management, archive, in_archive, in_audit, audit, bucket, key_arn):
    """CloudTrail: the organization's trail into the locked bucket, a member's own into a plain one."""
    make = ("cloudtrail", "create-trail", "--name", "aws-cli-org", "--s3-bucket-name", bucket, "--is-multi-region-trail",
            "--is-organization-trail", "--enable-log-file-validation", "--kms-key-id", key_arn)
    t.call("a bucket that is not there", "cloudtrail", "create-trail", "--name", "aws-cli-org", "--s3-bucket-name", "aws-cli-none",
           refused="S3BucketDoesNotExistException")
    t.call("a bucket that CloudTrail may not write to", *make, refused="InsufficientS3BucketPolicyException")
    arn = f"arn:aws:cloudtrail:{REGION}:{management}:trail/aws-cli-org"
    source = {"StringEquals": {"aws:SourceArn": arn}}
    writes = {"StringEquals": {"aws:SourceArn": arn, "s3:x-amz-acl": "bucket-owner-full-control"}}
    cloudtrail = {"Principal": {"Service": "cloudtrail.amazonaws.com"}}
    document = policy(
        allow("s3:GetBucketAcl", f"arn:aws:s3:::{bucket}", Condition=source, **cloudtrail),
        allow("s3:PutObject", [f"arn:aws:s3:::{bucket}/AWSLogs/{owner}/*" for owner in (management, org_id)], Condition=writes, **cloudtrail),
        deny("s3:*", [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}}))
    t.call("the bucket policy lets this trail write", "s3api", "put-bucket-policy", "--bucket", bucket, "--policy", json.dumps(document), who=in_archive)
    # A policy that was just written may not have reached CloudTrail yet.
    for _ in range(20):
        if t.run(make, t.sandbox.management)[0] == 0:
            break
        time.sleep(0.25)
    t.call("the organization's trail is there", "cloudtrail", "get-trail", "--name", "aws-cli-org",
           wants=lambda a: a["Trail"]["IsOrganizationTrail"] and a["Trail"]["IsMultiRegionTrail"]
           and a["Trail"]["LogFileValidationEnabled"] and a["Trail"]["TrailARN"] == arn)
    t.call("its name is taken", *make, refused="TrailAlreadyExistsException")
    t.call("it logs nothing yet", "cloudtrail", "get-trail-status", "--name", "aws-cli-org", wants=lambda a: a["IsLogging"] is False)
    t.call("it is started", "cloudtrail", "start-logging", "--name", "aws-cli-org")
    t.call("and logs", "cloudtrail", "get-trail-status", "--name", "aws-cli-org", wants=lambda a: a["IsLogging"] is True)
    selectors = [{"Name": "Management events selector", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]
    t.call("advanced selectors are put", "cloudtrail", "put-event-selectors", "--trail-name", "aws-cli-org", "--advanced-event-selectors", json.dumps(selectors))
    t.call("and come back", "cloudtrail", "get-event-selectors", "--trail-name", "aws-cli-org",
           wants=lambda a: a["AdvancedEventSelectors"][0]["Name"] == "Management events selector")
    t.call("Insights are off", "cloudtrail", "get-insight-selectors", "--trail-name", "aws-cli-org", refused="InsightNotEnabledException")
    t.call("and switched on", "cloudtrail", "put-insight-selectors", "--trail-name", "aws-cli-org", "--insight-selectors", '[{"InsightType":"ApiCallRateInsight"}]')
    t.call("tags are added", "cloudtrail", "add-tags", "--resource-id", arn, "--tags-list", "Key=team,Value=audit")
    t.call("and listed", "cloudtrail", "list-tags", "--resource-id-list", arn,
           wants=lambda a: {"Key": "team", "Value": "audit"} in a["ResourceTagList"][0]["TagsList"])
    t.call("another Region shows its shadow", "cloudtrail", "describe-trails", region="eu-west-1",
           wants=lambda a: [x["HomeRegion"] for x in a["trailList"] if x["TrailARN"] == arn] == [REGION])
    t.call("which is not stopped there", "cloudtrail", "stop-logging", "--name", arn, region="eu-west-1", refused="InvalidHomeRegionException")
    t.call("a member sees it", "cloudtrail", "describe-trails", who=in_audit, wants=lambda a: arn in [x["TrailARN"] for x in a["trailList"]])
    t.call("but cannot stop it", "cloudtrail", "stop-logging", "--name", arn, who=in_audit,
           refused=("InsufficientDependencyServiceAccessPermissionException", "NotOrganizationMasterAccountException",
                    "NotOrganizationManagementAccountException", "AccessDeniedException"))
    t.call("nor delete it", "cloudtrail", "delete-trail", "--name", arn, who=in_audit,
           refused=("InsufficientDependencyServiceAccessPermissionException", "NotOrganizationMasterAccountException",
                    "NotOrganizationManagementAccountException", "AccessDeniedException"))
    t.call("a delegated administrator is registered", "cloudtrail", "register-organization-delegated-admin", "--member-account-id", audit)
    t.call("and listed", "organizations", "list-delegated-administrators", "--service-principal", "cloudtrail.amazonaws.com",
           wants=lambda a: [x["Id"] for x in a["DelegatedAdministrators"]] == [audit])
    t.call("a trail that is not there", "cloudtrail", "get-trail-status", "--name", "none-of-this", refused="TrailNotFoundException")

    plain = "aws-cli-audit"
    own = f"arn:aws:cloudtrail:{REGION}:{audit}:trail/aws-cli-own"
    t.call("a member makes a bucket", "s3", "mb", f"s3://{plain}", who=in_audit)
    document = policy(
        allow("s3:GetBucketAcl", f"arn:aws:s3:::{plain}", Condition={"StringEquals": {"aws:SourceArn": own}}, **cloudtrail),
        allow("s3:PutObject", f"arn:aws:s3:::{plain}/AWSLogs/{audit}/*",
              Condition={"StringEquals": {"aws:SourceArn": own, "s3:x-amz-acl": "bucket-owner-full-control"}}, **cloudtrail))
    t.call("lets its own trail write", "s3api", "put-bucket-policy", "--bucket", plain, "--policy", json.dumps(document), who=in_audit)
    for _ in range(20):
        if t.run(("cloudtrail", "create-trail", "--name", "aws-cli-own", "--s3-bucket-name", plain, "--enable-log-file-validation"), in_audit)[0] == 0:
            break
        time.sleep(0.25)
    t.call("makes the trail", "cloudtrail", "get-trail", "--name", "aws-cli-own", who=in_audit, wants=lambda a: a["Trail"]["TrailARN"] == own)
    t.call("and starts it", "cloudtrail", "start-logging", "--name", "aws-cli-own", who=in_audit)
    t.call("a trail into another trail's bucket is refused", "cloudtrail", "create-trail", "--name", "aws-cli-other",
           "--s3-bucket-name", bucket, refused="InsufficientS3BucketPolicyException")
    return arn, own, plain


def validation(t, arn, own, plain, archive, audit, in_archive, in_audit):
    """A week of deliveries, proven by the CLI, and found out when touched."""
    began = t.sandbox.now()
    t.sandbox.tick(hours=7 * 24)
    ended = t.sandbox.now()
    window = ("--start-time", stamp(began), "--end-time", stamp(ended))
    t.call("public keys are listed", "cloudtrail", "list-public-keys", *window, wants=lambda a: a["PublicKeyList"])
    t.call("the trail says when it delivered", "cloudtrail", "get-trail-status", "--name", "aws-cli-org",
           wants=lambda a: a["LatestDeliveryTime"] and a["LatestDigestDeliveryTime"])
    org = ("cloudtrail", "validate-logs", "--trail-arn", arn, *window)
    digests, logs = validated(t, "a week of the organization's trail, as delivered for the log archive", (*org, "--account-id", archive), in_archive)
    print(f"       validate-logs, organization's trail, account {archive}: {digests} digests and {logs} log files valid")
    alone = ("cloudtrail", "validate-logs", "--trail-arn", own, *window)
    digests, logs = validated(t, "a week of a member's own trail", alone, in_audit)
    print(f"       validate-logs, member's own trail, account {audit}: {digests} digests and {logs} log files valid")

    listed = t.call("the delivered files are listed", "s3api", "list-objects-v2", "--bucket", plain, "--prefix", f"AWSLogs/{audit}/CloudTrail/",
                    who=in_audit, wants=lambda a: len(a["Contents"]) > 100)
    victim = listed["Contents"][len(listed["Contents"]) // 2]["Key"]
    out = os.path.join(t.directory, "victim")
    t.call("one is fetched", "s3api", "get-object", "--bucket", plain, "--key", victim, out, who=in_audit)
    with open(out, "rb") as file:
        events = gzip.decompress(file.read())
    t.check("it holds events", len(json.loads(events)["Records"]) > 0, events[:200])
    changed = t.file("changed", gzip.compress(events.replace(b"eventName", b"eventNam3", 1), mtime=0))
    t.call("and put back with one byte changed", "s3api", "put-object", "--bucket", plain, "--key", victim, "--body", changed, who=in_audit)
    t.services["cloudtrail"] += 1
    code, text, error = t.run(alone, in_audit)
    text += error
    t.check("validate-logs finds it", code == 1 and "INVALID: hash value doesn't match" in text and victim in text, f"exit {code}: {text[-600:]}")
    listed = t.call("digests are listed", "s3api", "list-objects-v2", "--bucket", plain, "--prefix", f"AWSLogs/{audit}/CloudTrail-Digest/",
                    who=in_audit, wants=lambda a: len(a["Contents"]) >= 7 * 24 - 1)
    digest = listed["Contents"][len(listed["Contents"]) // 2]["Key"]
    t.call("one is deleted", "s3api", "delete-object", "--bucket", plain, "--key", digest, who=in_audit)
    t.services["cloudtrail"] += 1
    code, text, error = t.run(alone, in_audit)
    text += error
    t.check("validate-logs misses it", code == 1 and "INVALID: not found" in text, f"exit {code}: {text[-600:]}")


def validated(t, title, command, who):
    """Digests and log files that validate-logs finds valid; all must be."""
    t.services["cloudtrail"] += 1
    code, text, error = t.run(command, who)
    digest = re.search(r"(\d+)/(\d+) digest files valid", text)
    log = re.search(r"(\d+)/(\d+) log files valid", text)
    whole = (code == 0 and digest and log and digest[1] == digest[2] and log[1] == log[2]
             and int(digest[1]) >= 7 * 24 - 1 and int(log[1]) > 100 and "INVALID" not in text + error)
    t.check(f"validate-logs proves {title}", whole, f"exit {code}: {text[-800:]} {error[-800:]}")
    return (int(digest[1]) if digest else 0), (int(log[1]) if log else 0)


def stamp(time_):
    return time_.strftime("%Y-%m-%dT%H:%M:%SZ")


def in_days(days):
    return stamp(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--verbose", action="store_true", help="print every call")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="orgtrail-aws-cli-") as directory, Sandbox(directory, accounts=6) as sandbox:
        t = Suite(sandbox, options.verbose)
        print(subprocess.run([AWS, "--version"], capture_output=True, text=True, check=True).stdout.strip(), "against", sandbox.endpoint)
        org, accounts = organization(t)
        management = org["MasterAccountId"]
        archive, audit = sandbox.log_archive_account, sandbox.audit_account
        assert {archive, audit} < set(accounts) - {management}, accounts
        in_archive, in_audit, _ = identity(t, management, archive, audit)
        bucket = archive_bucket(t, org["Id"], management, in_archive, in_audit)
        mfa(t, archive)
        key_arn = key(t, management, archive, in_archive, in_audit)
        telemetry(t, management)
        arn, own, plain = trails(t, org["Id"], management, archive, in_archive, in_audit, audit, bucket, key_arn)
        validation(t, arn, own, plain, archive, audit, in_archive, in_audit)
    calls = sum(t.services.values())
    print(f"{calls} calls in {time.monotonic() - started:.0f} s, {t.refusals} of them refusals as documented: "
          + ", ".join(f"{service} {count}" for service, count in sorted(t.services.items())))
    wanted = {"account", "cloudtrail", "cloudwatch", "iam", "kms", "logs", "organizations", "s3", "s3api", "sns", "sts"}
    t.check("every service was called, 60 times at least in all", calls >= 60 and wanted <= set(t.services), str(t.services))
    print(f"{t.passed} passed, {t.failed} failed")
    return 1 if t.failed else 0


if __name__ == "__main__":
    sys.exit(main())
