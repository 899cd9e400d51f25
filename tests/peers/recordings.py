"""The sandbox and orgtrail, held against botocore's models and against answers
that AWS gave to others.

    recordings.py [--data FOLDER] [--verbose]

- Every response of the sandbox to a call that orgtrail makes follows the model
  of its operation: members, types, values, errors.
- Where answers of AWS to the same call were recorded, both have the same members;
  an error that both know has the same status and text.
- What AWS answered is handed to orgtrail in the sandbox's place: it is read, and
  missing, denied and unreadable are told apart.

Whatever differs and is not explained in `recordings.toml` fails the run, and so
does an explanation of something that no longer differs.
"""

import argparse
import collections
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib

sys.dont_write_bytecode = True

import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from botocore import xform_name  # noqa: E402

import wire  # noqa: E402
from sandbox import ORGTRAIL, ROOT, Sandbox  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(os.path.dirname(ROOT), "shared", "data", "aws-recordings")
BUCKET, TRAIL, KEY_ALIAS = "acme-log-archive", "orgtrail", "alias/orgtrail"
MEMBER_ROLE = "OrganizationAccountAccessRole"
CLEAN, PENDING, DRIFT, REFUSED, INCOMPLETE = 0, 10, 11, 12, 14
# Codes that say that something does not exist: orgtrail plans to create it.
MISSING = ("NoSuch*", "*NotFound*")
DENIED = ("AccessDenied*",)


class Tally:
    def __init__(self, verbose):
        self.verbose, self.passed, self.failed = verbose, 0, 0
        with open(os.path.join(HERE, "recordings.toml"), "rb") as file:
            self.explained = tomllib.load(file).get("difference", [])
        self.used = set()

    def check(self, what, ok, detail=""):
        self.passed, self.failed = self.passed + bool(ok), self.failed + (not ok)
        if self.verbose or not ok:
            print(f"  {'ok' if ok else 'FAILED':6} {what}{f': {detail}' if detail and not ok else ''}", flush=True)

    def differences(self, what, found):
        """Fails for each line that no entry explains; an entry is used by what it explains."""
        left = []
        for line in sorted(found):
            for index, entry in enumerate(self.explained):
                if fnmatch.fnmatchcase(what, entry["call"]) and any(fnmatch.fnmatchcase(line, glob(one)) for one in entry["seen"]):
                    self.used.add(index)
                    break
            else:
                left.append(line)
        self.check(what, not left, "; ".join(left))

    def unused(self):
        for index, entry in enumerate(self.explained):
            self.check(f"the explanation of {entry['call']} {entry['seen']} is needed", index in self.used, "nothing differs there")


def glob(text):
    """`[]` in a path is itself, not a set of characters."""
    return text.replace("[", "[[]")


class Recording:
    """An answer that AWS gave."""

    def __init__(self, source, service, operation, status, data):
        self.source, self.service, self.operation, self.status, self.data = source, service, operation, status, data

    @property
    def error(self):
        error = self.data.get("Error") if self.status >= 400 else None
        return error and (error.get("Code", ""), error.get("Message", ""))


def recordings(data):
    found = []
    custodian = os.path.join(data, "cloud-custodian")
    for folder in sorted(os.listdir(custodian)):
        if not os.path.isdir(os.path.join(custodian, folder)):
            continue
        for name in sorted(os.listdir(os.path.join(custodian, folder))):
            match = re.fullmatch(r"(\w+)\.(\w+)_\d+\.json", name)
            if match:
                with open(os.path.join(custodian, folder, name), encoding="utf-8") as file:
                    record = json.load(file)
                found.append(Recording(f"{folder}/{name}", match.group(1), match.group(2), record["status_code"], record["data"]))
    localstack = os.path.join(data, "localstack")
    for name in sorted(os.listdir(localstack)):
        match = re.fullmatch(r"test_([a-z0-9]+)(_\w+)?\.snapshot\.json", name)
        if match:
            service = {"cloudwatch": "monitoring"}.get(match.group(1), match.group(1))
            with open(os.path.join(localstack, name), encoding="utf-8") as file:
                for test, record in json.load(file).items():
                    found += list(answers(f"{name}: {test.rsplit('::', 1)[-1]}", service, record["recorded-content"], ""))
    return found


def answers(source, service, value, name):
    """The answers in a snapshot. The name of one begins with its operation, or tells none."""
    if isinstance(value, list):
        for each in value:
            yield from answers(source, service, each, name)
    if not isinstance(value, dict):
        return
    meta = value.get("ResponseMetadata")
    error = value.get("Error")
    if isinstance(meta, dict) and meta.get("HTTPStatusCode"):
        plain = name.replace("-", "_").lower()
        fits = [operation for operation in wire.model(service).operation_names
                if plain == xform_name(operation) or plain.startswith(xform_name(operation) + "_")]
        operation = max(fits, key=len) if fits else None
        data = {key: inner for key, inner in value.items() if key != "ResponseMetadata"}
        shape = operation and not error and wire.model(service).operation_model(operation).output_shape
        if shape and not set(data) <= set(shape.members):
            operation = None
        yield Recording(f"{source} {name}", service, operation, meta["HTTPStatusCode"], data)
        return
    for key, inner in value.items():
        yield from answers(source, service, inner, key)


def environment(sandbox, endpoint, **more):
    return {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1",
            "ORGTRAIL_PACING": "off", **sandbox.management, **more}


def orgtrail(folder, env, *arguments):
    return subprocess.run([ORGTRAIL, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
                          stdin=subprocess.DEVNULL, env={"HOME": folder, **env})


def client(sandbox, endpoint, service, account=None, region="us-east-1"):
    common = {"endpoint_url": endpoint, "region_name": region,
              "config": Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})}
    keys = {"aws_access_key_id": sandbox.management["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": sandbox.management["AWS_SECRET_ACCESS_KEY"]}
    if account not in (None, sandbox.management_account):
        got = boto3.client("sts", **common, **keys).assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/{MEMBER_ROLE}", RoleSessionName="recordings")["Credentials"]
        keys = {"aws_access_key_id": got["AccessKeyId"], "aws_secret_access_key": got["SecretAccessKey"],
                "aws_session_token": got["SessionToken"]}
    return boto3.client(service, **common, **keys)


CONFIG = """[organization]
management_account = "{management}"
log_archive_account = "{archive}"
home_region = "us-east-1"
[archive]
bucket = "acme-log-archive"
[trail.insights]
call_rate = true
error_rate = true
[[trail.data_events]]
resource_type = "AWS::S3::Object"
[alarms]
subscribers = ["security@example.com"]
"""


def write_config(folder, sandbox):
    """The most that the configuration can declare, as far as `config check` takes it."""
    text = CONFIG.format(management=sandbox.management_account, archive=sandbox.log_archive_account)
    path = os.path.join(folder, "orgtrail.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    ran = orgtrail(folder, {"PATH": os.environ["PATH"]}, "config", "check")
    if ran.returncode != CLEAN:
        raise RuntimeError(f"the configuration is refused: {ran.stdout}{ran.stderr}")


def tour(folder, sandbox, front):
    """Every command that reads or writes, so that each of their calls is recorded."""
    env = environment(sandbox, front.endpoint)

    def step(*arguments, wanted):
        ran = orgtrail(folder, env, *arguments)
        if ran.returncode not in wanted:
            raise RuntimeError(f"{' '.join(arguments)}: exit {ran.returncode}\n{ran.stdout}\n{ran.stderr}")

    step("plan", wanted=(PENDING,))
    step("apply", "--yes", wanted=(CLEAN,))
    legacy(sandbox)
    sandbox.tick(3)
    for arguments in (("plan",), ("drift",), ("coverage",), ("accounts",), ("sources",), ("consolidate", "--yes"), ("verify",),
                      ("cost",), ("records",), ("destroy", "--dry-run")):
        step(*arguments, wanted=(CLEAN, PENDING, DRIFT, INCOMPLETE))


def legacy(sandbox):
    """A member's own trail into a bucket of its own."""
    member = sandbox.audit_account
    s3 = client(sandbox, sandbox.endpoint, "s3", member)
    s3.create_bucket(Bucket="legacy-logs")
    source = f"arn:aws:cloudtrail:us-east-1:{member}:trail/legacy"
    service = {"Service": "cloudtrail.amazonaws.com"}
    s3.put_bucket_policy(Bucket="legacy-logs", Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl", "Resource": "arn:aws:s3:::legacy-logs",
         "Condition": {"StringEquals": {"aws:SourceArn": source}}},
        {"Effect": "Allow", "Principal": service, "Action": "s3:PutObject",
         "Resource": f"arn:aws:s3:::legacy-logs/AWSLogs/{member}/*",
         "Condition": {"StringEquals": {"aws:SourceArn": source, "s3:x-amz-acl": "bucket-owner-full-control"}}}]}))
    trails = client(sandbox, sandbox.endpoint, "cloudtrail", member)
    trails.create_trail(Name="legacy", S3BucketName="legacy-logs", IsMultiRegionTrail=True, EnableLogFileValidation=True)
    trails.start_logging(Name="legacy")


def probes(sandbox, front):
    """Asks for what is missing or not allowed, so that the errors of each call are recorded."""
    archive = sandbox.log_archive_account
    s3 = client(sandbox, front.endpoint, "s3", archive)
    s3.create_bucket(Bucket="plain-bucket")
    s3.delete_public_access_block(Bucket="plain-bucket")
    s3.delete_bucket_ownership_controls(Bucket="plain-bucket")
    kms = client(sandbox, front.endpoint, "kms", archive)
    logs = client(sandbox, front.endpoint, "logs")
    logs.create_log_group(logGroupName="taken")
    sns, iam = client(sandbox, front.endpoint, "sns"), client(sandbox, front.endpoint, "iam")
    trails = client(sandbox, front.endpoint, "cloudtrail")
    nowhere = f"arn:aws:kms:us-east-1:{archive}:key/00000000-0000-0000-0000-000000000000"
    settings = ("policy", "lifecycle_configuration", "replication", "ownership_controls", "encryption", "tagging", "versioning",
                "logging", "location", "acl", "notification_configuration")
    wanted = [
        *((getattr(s3, f"get_bucket_{name}"), {"Bucket": bucket}) for name in settings for bucket in ("plain-bucket", "no-such-bucket")),
        *((getattr(s3, name), {"Bucket": bucket}) for name in ("get_public_access_block", "get_object_lock_configuration", "list_objects_v2")
          for bucket in ("plain-bucket", "no-such-bucket")),
        (s3.head_bucket, {"Bucket": "no-such-bucket"}),
        (s3.get_object, {"Bucket": "plain-bucket", "Key": "none"}),
        (s3.head_object, {"Bucket": "plain-bucket", "Key": "none"}),
        (s3.put_object, {"Bucket": "plain-bucket", "Key": "taken", "Body": b"one"}),
        (s3.put_object, {"Bucket": "plain-bucket", "Key": "taken", "Body": b"two", "IfNoneMatch": "*"}),
        (s3.put_bucket_policy, {"Bucket": "plain-bucket", "Policy": "no JSON"}),
        (s3.put_bucket_policy, {"Bucket": "plain-bucket", "Policy": "{}"}),
        (s3.complete_multipart_upload, {"Bucket": "plain-bucket", "Key": "none", "UploadId": "none",
                                        "MultipartUpload": {"Parts": [{"ETag": '"0"', "PartNumber": 1}]}}),
        (kms.describe_key, {"KeyId": nowhere}),
        (kms.describe_key, {"KeyId": "no-key"}),
        (kms.get_key_policy, {"KeyId": nowhere, "PolicyName": "default"}),
        (kms.get_key_rotation_status, {"KeyId": nowhere}),
        (logs.create_log_group, {"logGroupName": "taken"}),
        (logs.put_retention_policy, {"logGroupName": "missing", "retentionInDays": 1}),
        (sns.get_topic_attributes, {"TopicArn": f"arn:aws:sns:us-east-1:{sandbox.management_account}:missing"}),
        (iam.get_role, {"RoleName": "missing"}),
        (iam.update_assume_role_policy, {"RoleName": MEMBER_ROLE, "PolicyDocument": "{"}),
        (trails.get_trail_status, {"Name": f"arn:aws:cloudtrail:us-east-1:{sandbox.management_account}:trail/missing"}),
        (trails.delete_trail, {"Name": f"arn:aws:cloudtrail:us-east-1:{sandbox.management_account}:trail/missing"}),
    ]
    for call, arguments in wanted:
        try:
            call(**arguments)
        except ClientError:
            pass


def lock_days(data):
    period = data["ObjectLockConfiguration"].get("Rule", {}).get("DefaultRetention", {})
    return {"days": period["Days"] if "Days" in period else period["Years"] * 365, "mode": period["Mode"]} if period else {}


# What `plan` shows of a setting: the resource, the fields' values in a response, and
# those that are declared, for which it shows nothing.
READINGS = {
    "s3:GetPublicAccessBlock": (
        "archive-bucket/public-access",
        lambda data: {field: data["PublicAccessBlockConfiguration"].get(member, False) for field, member in (
            ("block_public_acls", "BlockPublicAcls"), ("ignore_public_acls", "IgnorePublicAcls"),
            ("block_public_policy", "BlockPublicPolicy"), ("restrict_public_buckets", "RestrictPublicBuckets"))},
        {"block_public_acls": True, "ignore_public_acls": True, "block_public_policy": True, "restrict_public_buckets": True}),
    "s3:GetObjectLockConfiguration": ("archive-bucket/object-lock", lock_days, {"days": 365, "mode": "GOVERNANCE"}),
    "s3:GetBucketEncryption": (
        "archive-bucket/encryption",
        lambda data: {"algorithm": data["ServerSideEncryptionConfiguration"]["Rules"][0]
                      .get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm")},
        {"algorithm": "aws:kms"}),
    "s3:GetBucketLogging": (
        "archive-bucket/access-logging",
        lambda data: {"target_bucket": data.get("LoggingEnabled", {}).get("TargetBucket")}, {}),
}


def misread(record, data, ran):
    """Fields that `plan` shows otherwise than they were recorded."""
    resource, recorded, declared = READINGS[f"{record.service}:{record.operation}"]
    step = next((step for step in json.loads(ran.stdout)["steps"] if step["id"] == resource), None)
    if step is None:
        return {f"no step {resource}"}
    shown = {change["path"]: change["before"] for change in step["changes"]}
    # A field without a change is as declared.
    return {f"{resource} {field}: recorded {value}, read {shown.get(field, declared.get(field))}"
            for field, value in recorded(data).items() if shown.get(field, declared.get(field)) != value}


def by_models(tally, exchanges):
    """Every response of the sandbox against the model of its operation."""
    found = collections.defaultdict(set)
    for exchange in exchanges:
        found[exchange.call] |= set(wire.departures(exchange))
    for call in sorted(found):
        tally.differences(f"{call} follows its model", found[call])


def by_members(tally, exchanges, recorded):
    """Members that one side always has and the other never; what only some answers
    have depends on what was asked of."""
    mine, theirs = collections.defaultdict(list), collections.defaultdict(list)
    for exchange in exchanges:
        if exchange.status < 300 and exchange.shape is not None:
            mine[exchange.call].append(wire.members(exchange.parsed(), exchange.shape))
    for record in recorded:
        if record.operation and record.error is None and record.status < 300:
            shape = wire.model(record.service).operation_model(record.operation).output_shape
            theirs[f"{record.service}:{record.operation}"].append(wire.members(record.data, shape))
    compared = sorted(call for call in mine if any(theirs.get(call, ())))
    for call in compared:
        found = {f"always in the sandbox, never in AWS: {path}" for path in always(mine[call], theirs[call])}
        found |= {f"always in AWS, never in the sandbox: {path}" for path in always(theirs[call], mine[call])}
        tally.differences(f"{call} has the members that AWS answers with", found)
    return len(compared)


def always(these, those):
    """Members that `these` have wherever their parent is there, and `those` never, although they have the parent."""
    there = set().union(*those)
    found = set()
    for path in set().union(*these) - there:
        parent = re.sub(r"(\.[^.{]+|\{[^}]*\})$", "", path).removesuffix("[]")
        if parent and parent not in there:
            continue
        if all(path in each for each in these if not parent or parent in each):
            found.add(path)
    return found


def by_errors(tally, exchanges, recorded):
    """Errors that both know: status and text."""
    theirs = collections.defaultdict(set)
    for record in recorded:
        if record.error:
            theirs[record.service, record.error[0]].add((record.status, plain(record.error[1])))
    mine = collections.defaultdict(set)
    for exchange in exchanges:
        if exchange.status >= 400:
            code, message = wire.error_of(exchange)
            if (exchange.service, code) in theirs:
                mine[exchange.service, code].add((exchange.status, plain(message)))
    for (service, code), seen in sorted(mine.items()):
        odd = {f"{status} {message}" for status, message in seen if (status, message) not in theirs[service, code]}
        tally.differences(f"{service} says {code} as AWS does", odd)
    return len(mine)


def plain(message):
    """A message without what names a thing."""
    message = re.sub(r"arn:[^\s'\"]+|<[\w:-]+>|\b\d{12}\b|'[^']*'|[0-9a-f]{8}-[0-9a-f-]{27}", "*", message or "")
    return re.sub(r"(with name|keyId|Trail:?|trail:?|Topic:?) [\w./*-]+", r"\1 *", message).strip()


def read_by_orgtrail(tally, folder, sandbox, front, recorded):
    """Hands what AWS answered to orgtrail, a call at a time, and looks what it makes of it."""
    commands = {"cloudtrail:GetTrailStatus": ("drift", "--format", "json")}
    asked = {exchange.call for exchange in front.exchanges if re.match(r"(Get|Describe|List|Head)", exchange.operation)}
    served = set()
    replayed = exact = 0
    for record in recorded:
        call = f"{record.service}:{record.operation}"
        if call not in asked or (record.error is None and record.status >= 300) or whole(record) is None:
            continue
        if record.operation in ("GetObject", "HeadObject", "ListObjectsV2", "HeadBucket", "ListObjectVersions"):
            continue
        data = whole(record)
        served.clear()

        def substitute(service, operation, record=record, data=data, call=call):
            if f"{service}:{operation}" != call:
                return None
            served.add(call)
            if record.error:
                return wire.written_error(record.service, *record.error, record.status)
            headers, body = wire.written(record.service, record.operation, data)
            return record.status, headers, body

        front.substitute = substitute
        ran = orgtrail(folder, environment(sandbox, front.endpoint), *commands.get(call, ("plan", "--format", "json")))
        front.substitute = None
        what = f"orgtrail reads {call} of {record.source}"
        if not served:
            continue
        replayed += 1
        code = record.error[0] if record.error else None
        if code is None:
            wanted = (CLEAN, PENDING, REFUSED, DRIFT)
        elif any(fnmatch.fnmatchcase(code, pattern) for pattern in MISSING):
            wanted = (CLEAN, PENDING, REFUSED, DRIFT)
        elif any(fnmatch.fnmatchcase(code, pattern) for pattern in DENIED):
            wanted = (INCOMPLETE,)
        else:
            wanted = (CLEAN, PENDING, REFUSED, DRIFT, INCOMPLETE)
        detail = f"exit {ran.returncode}, wanted {' or '.join(map(str, wanted))}: {why(ran)}"
        found = set() if ran.returncode in wanted else {detail}
        if not found and code is None and call in READINGS:
            exact += 1
            found = misread(record, data, ran)
        tally.differences(what, found)
    return replayed, exact


def why(ran):
    """What stands in the way, of a plan; else what was said."""
    try:
        steps = json.loads(ran.stdout).get("steps", [])
    except ValueError:
        steps = []
    blocked = [f"{step['id']}: {step['why']}" for step in steps if step.get("unreadable")]
    return "; ".join(blocked[:2]) or " ".join((ran.stderr or ran.stdout).split())[:300]


def whole(record):
    """The data as it can be sent again: placeholders replaced; None where times are cut out."""
    text = json.dumps(record.data)
    if re.search(r'"(datetime|timestamp|<datetime>|date)"', text):
        return None
    text = text.replace("<partition>", "aws").replace("<region>", "us-east-1")
    return json.loads(re.sub(r"<([a-z-]+)(:\d+)?>", r"\1", text))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", default=DATA, help="the folder of recorded responses")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    recorded, skipped = [], 0
    if os.path.isdir(options.data):
        recorded = recordings(options.data)
    else:
        skipped = 1
        print(f"SKIPPED: no recorded AWS responses at {options.data}: the sandbox is held against botocore's models only")
    tally = Tally(options.verbose)
    with tempfile.TemporaryDirectory(prefix="orgtrail-recordings-") as folder, Sandbox(folder) as sandbox:
        write_config(folder, sandbox)
        front = wire.Front(sandbox.endpoint)
        tour(folder, sandbox, front)
        mine = list(front.exchanges)
        probes(sandbox, front)
        everything = list(front.exchanges)
        tally.check("every request is a call that botocore knows", not front.unknown, "; ".join(sorted(set(front.unknown))))
        by_models(tally, everything)
        if recorded:
            compared = by_members(tally, mine, recorded)
            errors = by_errors(tally, everything, recorded)
            replayed, exact = read_by_orgtrail(tally, folder, sandbox, front, recorded)
            print(f"{len(recorded)} recorded answers: members of {compared} calls, {errors} errors, {replayed} read by orgtrail, {exact} of them field by field")
            tally.unused()
        front.stop()
        calls = sorted({exchange.call for exchange in mine})
        print(f"{len(everything)} responses to {len(calls)} calls of orgtrail and the probes")
    print(f"\n{tally.passed} passed, {tally.failed} failed, {skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
