"""`orgtrail plan`, `apply --yes`, `plan` as separate processes against servers
that other people wrote, with an endpoint and credentials and nothing else.

    provision.py [--only SERVER,…] [--verbose]

For each server every resource is either as declared in the second plan, or in
LIMITS with what the plan says of it and why the server cannot do better. A
resource that is in neither fails the run, and so does a limit that is no longer
seen. Ceph's gateway knows no accounts, so orgtrail asks the sandbox who it is
and the gateway for S3; MFA delete and Object Lock are then really enforced.
"""

import argparse
import dataclasses
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True

import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

import radosgw  # noqa: E402
import sandbox  # noqa: E402
import servers  # noqa: E402
from sandbox import ORGTRAIL, PEERS  # noqa: E402

BUCKET = "acme-log-archive"
CLEAN, CHANGES, DRIFT, REFUSED, INCOMPLETE = 0, 10, 11, 12, 14

CERTIFICATE = """
import datetime, ipaddress, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "orgtrail cross-check")])
now = datetime.datetime.now(datetime.timezone.utc)
cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256()))
open(sys.argv[1], "wb").write(cert.public_bytes(serialization.Encoding.PEM))
open(sys.argv[2], "wb").write(key.private_bytes(serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
"""


class MinistackTls(servers.Ministack):
    """ministack behind TLS: it enforces policies, and orgtrail's deny plain HTTP."""

    def start(self):
        port = servers.free_port()
        self.certificate = os.path.join(self.directory, "cert.pem")
        key = os.path.join(self.directory, "key.pem")
        subprocess.run([os.path.join(PEERS, "ministack", "bin", "python"), "-c", CERTIFICATE, self.certificate, key],
                       check=True, timeout=60)
        self.endpoint = f"https://127.0.0.1:{port}"
        # It listens on every interface unless told.
        self.spawn([self.program()], BIND_HOST="127.0.0.1", GATEWAY_PORT=str(port), SFTP_ENABLED="0", AUTH="true",
                   USE_SSL="1", MINISTACK_SSL_CERT=self.certificate, MINISTACK_SSL_KEY=key)
        end = time.monotonic() + 60
        while True:
            try:
                self.client("sts").get_caller_identity()
                return
            except Exception:  # noqa: BLE001: whatever it answers while it starts
                if time.monotonic() > end or self.process.poll() is not None:
                    raise RuntimeError(f"ministack did not start:\n{self.log()[-2000:]}") from None
                time.sleep(0.2)

    def client(self, service, region=servers.REGION, credentials=None, **config):
        options = Config(retries={"max_attempts": 0}, **config)
        return boto3.session.Session().client(
            service, region_name=region, endpoint_url=self.endpoint, verify=self.certificate, config=options,
            **(credentials or self.credentials()))

    def environment(self):
        return {"SSL_CERT_FILE": self.certificate}


@dataclasses.dataclass(frozen=True)
class Limit:
    """What a server cannot do: the plan's action for these resources, and why."""

    resources: tuple
    action: str
    why: str


@dataclasses.dataclass
class Case:
    """One server in one layout of accounts."""

    name: str
    server: type
    one_account: bool
    exits: tuple
    limits: tuple = ()


ORGANIZATION = (
    Limit(("trusted-access",), "blocked", "ministack has no ListAWSServiceAccessForOrganization (InvalidAction)"),
    Limit(("delegated-administrators",), "blocked", "ministack has no ListDelegatedAdministrators (InvalidAction)"),
    Limit(("service-linked-role", "trail", "trail/logging"), "blocked",
          "waits for trusted access, which cannot be read there; unreadable is never taken for absent"),
)
CASES = (
    Case("moto, one account", servers.Moto, True, (CHANGES, CLEAN, CLEAN)),
    Case("moto, log archive apart", servers.Moto, False, (CHANGES, INCOMPLETE, CHANGES), (
        Limit(("trail", "trail/logging"), "create",
              "moto looks for a trail's bucket among the trail's own account's (S3BucketDoesNotExistException)"),)),
    Case("ministack, one account", MinistackTls, True, (INCOMPLETE,) * 3, ORGANIZATION),
    Case("ministack, log archive apart", MinistackTls, False, (INCOMPLETE,) * 3, ORGANIZATION),
)


class Tally:
    """What held, what did not, what could not be."""

    def __init__(self, verbose):
        self.verbose = verbose
        self.rows, self.failures, self.passed = [], 0, 0

    def check(self, where, what, held, saw=""):
        if held:
            self.passed += 1
        else:
            self.failures += 1
        if self.verbose or not held:
            print(f"  {'ok' if held else 'FAILED':6} {where}: {what}{f': {saw}' if saw and not held else ''}", flush=True)
        return held

    def cannot(self, where, what, why):
        self.rows.append((where, what, why))


def write_config(folder, main, archive, bucket_section=""):
    with open(os.path.join(folder, "orgtrail.toml"), "w", encoding="utf-8") as file:
        file.write(f'[organization]\nmanagement_account = "{main}"\nlog_archive_account = "{archive}"\n'
                   f'home_region = "{servers.REGION}"\n[archive]\nbucket = "{BUCKET}"\n{bucket_section}')


def orgtrail(folder, environment, *arguments):
    """Runs it with this environment and no more."""
    return subprocess.run([ORGTRAIL, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
                          stdin=subprocess.DEVNULL, env={"HOME": folder, "ORGTRAIL_PACING": "off", **environment})


def keys(key, secret):
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_EC2_METADATA_DISABLED": "true"}


def said(ran):
    return f"exit {ran.returncode}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"


def accounts(server, one_account):
    """Makes the organization: its main account, and the log archive's."""
    main = server.client("sts").get_caller_identity()["Account"]
    client = server.client("organizations")
    try:
        client.create_organization(FeatureSet="ALL")
    except ClientError:
        client.describe_organization()  # Ready-made.
    made = client.create_account(Email="log@example.com", AccountName="log archive")["CreateAccountStatus"]
    archive = made.get("AccountId") or client.describe_create_account_status(
        CreateAccountRequestId=made["Id"])["CreateAccountStatus"]["AccountId"]
    if one_account:
        return main, main
    server.prepare_member(main, archive)
    return main, archive


def compare(tally, where, plan, limits):
    """Holds each resource of a plan against what the server is known to lack."""
    expected = {name: limit for limit in limits for name in limit.resources}
    steps = {step["id"]: step for step in plan["steps"]}
    for name in expected.keys() - steps.keys():
        tally.check(where, f"{name} is in the plan", False, "it is not")
    for name, step in steps.items():
        limit = expected.get(name)
        if limit is None:
            tally.check(where, f"{name} is as declared", step["action"] == "nothing", json.dumps(step)[:600])
        elif tally.check(where, f"{name} is `{limit.action}`, a known limit", step["action"] == limit.action,
                         json.dumps(step)[:600]):
            tally.cannot(where, name, limit.why)


def provision(case, tally):
    server = case.server()
    server.start()
    try:
        main, archive = accounts(server, case.one_account)
        folder = tempfile.mkdtemp(dir=server.directory)
        write_config(folder, main, archive)
        environment = {"AWS_ENDPOINT_URL": server.endpoint, **keys(server.access_key, server.secret_key),
                       **getattr(server, "environment", dict)()}
        for wanted, arguments in zip(case.exits, (["plan"], ["apply", "--yes"], ["plan", "--format", "json"])):
            ran = orgtrail(folder, environment, *arguments)
            tally.check(case.name, f"`{' '.join(arguments)}` exits with {wanted}", ran.returncode == wanted, said(ran))
        compare(tally, case.name, json.loads(ran.stdout), case.limits)
        if case.one_account and case.server is servers.Moto:
            trail = server.client("cloudtrail").get_trail(Name="orgtrail")["Trail"]
            status = server.client("cloudtrail").get_trail_status(Name="orgtrail")
            tally.check(case.name, "the trail is there as CloudTrail tells it, and records",
                        trail["S3BucketName"] == BUCKET and trail["IsOrganizationTrail"] and trail["IsMultiRegionTrail"]
                        and trail["LogFileValidationEnabled"] and "KmsKeyId" in trail and status["IsLogging"], trail)
            alarms(case, server, tally, folder, environment, main, archive)
    finally:
        server.stop()


def alarms(case, server, tally, folder, environment, main, archive):
    """Declares the alarms: their filters, topic and address must be there as CloudWatch Logs and SNS tell them."""
    write_config(folder, main, archive, '[alarms]\nsubscribers = ["security@example.com"]\n')
    for arguments in (["apply", "--yes"], ["plan"]):
        ran = orgtrail(folder, environment, *arguments)
        tally.check(case.name, f"with alarms, `{' '.join(arguments)}` exits with 14", ran.returncode == 14, said(ran))
    blocked = [line for line in ran.stdout.splitlines() if "(blocked)" in line]
    tally.check(case.name, "nothing but the alarms themselves is left", len(blocked) == 1 and " alarms " in blocked[0], blocked)
    tally.cannot(case.name, "alarms", "moto knows CloudWatch by its older protocols, and not by the SDK's CBOR")
    filters = server.client("logs").describe_metric_filters(logGroupName="/orgtrail/organization-trail")["metricFilters"]
    counted = {one["metricTransformations"][0]["metricName"] for one in filters}
    tally.check(case.name, "17 filters count, each in a metric of its own", len(filters) == 17 == len(counted), filters)
    listed = server.client("sns").list_subscriptions()["Subscriptions"]
    tally.check(case.name, "the address is subscribed to the alarms' topic",
                [(one["TopicArn"].split(":")[-1], one["Endpoint"]) for one in listed]
                == [("orgtrail-alarms", "security@example.com")], listed)


# What release 16 of the gateway does not do, of what `apply` asks of it.
CEPH_LIMITS = (
    Limit(("archive-bucket/ownership", "access-log-bucket"), "failed", "has no PutBucketOwnershipControls (InvalidArgument)"),
    Limit(("archive-bucket/encryption",), "failed", "has no key service here for PutBucketEncryption (InvalidArgument)"),
    Limit(("archive-bucket/policy", "archive-bucket/access-logging", "trail", "trail/logging"), "skipped",
          "waits for what the gateway does not have"),
)


def refused(call, **arguments):
    """The code of a refusal; None where the call went through."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def ceph(tally):
    where = "radosgw"
    with tempfile.TemporaryDirectory(prefix="orgtrail-radosgw-", ignore_cleanup_errors=True) as folder:
        with sandbox.Sandbox(folder) as identity:
            account = identity.management_account
            root = identity.root(account)
            gateway = radosgw.Radosgw(os.path.join(folder, "ceph"), servers.free_port(), servers.free_port())
            os.makedirs(gateway.directory)
            # One key for both: the sandbox says whose root it is.
            gateway.access_key, gateway.secret_key = root["AWS_ACCESS_KEY_ID"], root["AWS_SECRET_ACCESS_KEY"]
            try:
                gateway.start()
                enforce(tally, where, folder, identity, gateway)
            finally:
                gateway.stop()


def enforce(tally, where, folder, identity, gateway):
    account = identity.management_account
    environment = {"AWS_ENDPOINT_URL": identity.endpoint, "AWS_ENDPOINT_URL_S3": gateway.endpoint,
                   **keys(gateway.access_key, gateway.secret_key)}
    write_config(folder, account, account, 'mfa_delete = "root"\nlifecycle.enabled = false\n')
    s3 = boto3.session.Session().client(
        "s3", region_name=servers.REGION, endpoint_url=gateway.endpoint, aws_access_key_id=gateway.access_key,
        aws_secret_access_key=gateway.secret_key,
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}))

    ran = orgtrail(folder, environment, "apply", "--yes")
    tally.check(where, f"`apply --yes` exits with {INCOMPLETE}", ran.returncode == INCOMPLETE, said(ran))
    expected = {name: limit for limit in CEPH_LIMITS for name in limit.resources}
    outcomes = dict(re.findall(r"^([a-z/-]+): (?:create |update )?(done|failed|skipped)", ran.stderr, re.MULTILINE))
    for name in sorted(outcomes.keys() | expected.keys()):
        limit, outcome = expected.get(name), outcomes.get(name)
        wanted = limit.action if limit else "done"
        if tally.check(where, f"{name} is {wanted}", outcome == wanted, said(ran)) and limit:
            tally.cannot(where, name, limit.why)

    locked = s3.get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"]
    tally.check(where, "the bucket has Object Lock as declared",
                locked["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 365}, locked)
    # The gateway may still go by the settings it had a moment ago, and on a busy
    # machine for long: the same settings once more let it look again.
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    tally.check(where, "the bucket has the whole public access block", all(block.values()) and len(block) == 4, block)
    for attempt in range(80):
        code = refused(s3.put_object, Bucket=BUCKET, Key="AWSLogs/none", Body=b"x")
        if code is not None:
            break
        if attempt % 10 == 9:
            s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=block)
        time.sleep(0.5)
    if tally.check(where, "it refuses all writing under a public access block", code == "AccessDenied", code):
        tally.cannot(where, "public access block while writing", "release 16 refuses every PUT under BlockPublicAcls")
    s3.delete_public_access_block(Bucket=BUCKET)
    log = s3.put_object(Bucket=BUCKET, Key="AWSLogs/log", Body=b"x")["VersionId"]
    code = refused(s3.delete_object, Bucket=BUCKET, Key="AWSLogs/log", VersionId=log)
    tally.check(where, "deleting a locked version is refused", code == "AccessDenied", code)

    mfa_delete = ("--yes", "mfa-delete", "enable", "--serial", radosgw.SERIAL, "--code")
    right = gateway.token().split(" ")[1]
    wrong = f"{(int(right) + 500_000) % 1_000_000:06d}"
    ran = orgtrail(folder, environment, *mfa_delete, wrong)
    tally.check(where, "`mfa-delete enable` with a wrong code exits with 12", ran.returncode == REFUSED, said(ran))
    versioning = s3.get_bucket_versioning(Bucket=BUCKET)
    tally.check(where, "and switches nothing on", versioning.get("MFADelete") != "Enabled", versioning)
    for _ in range(4):
        ran = orgtrail(folder, environment, *mfa_delete, gateway.token().split(" ")[1])
        # A code's time may run out on the way; the next one is as right.
        if ran.returncode == CLEAN:
            break
    tally.check(where, "`mfa-delete enable` with the device's code exits with 0", ran.returncode == CLEAN, said(ran))
    versioning = s3.get_bucket_versioning(Bucket=BUCKET)
    tally.check(where, "MFA delete is on, as the gateway tells", versioning.get("MFADelete") == "Enabled", versioning)

    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    free = s3.put_object(Bucket=BUCKET, Key="AWSLogs/free", Body=b"x", ObjectLockMode="GOVERNANCE",
                         ObjectLockRetainUntilDate=until)["VersionId"]
    while datetime.datetime.now(datetime.timezone.utc) < until + datetime.timedelta(seconds=1):
        time.sleep(0.1)
    version = {"Bucket": BUCKET, "Key": "AWSLogs/free", "VersionId": free}
    code = refused(s3.delete_object, **version)
    tally.check(where, "deleting a version whose lock ended, without MFA, is refused", code == "AccessDenied", code)
    s3.head_object(**version)
    code = refused(s3.delete_object, Bucket=BUCKET, Key="AWSLogs/log", VersionId=log, MFA=gateway.token())
    tally.check(where, "deleting a locked version with MFA is refused", code == "AccessDenied", code)
    s3.head_object(Bucket=BUCKET, Key="AWSLogs/log", VersionId=log)
    code = refused(s3.put_bucket_versioning, Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    tally.check(where, "suspending versioning is refused", code is not None, code)
    for _ in range(4):
        code = refused(s3.delete_object, **version, MFA=gateway.token())
        if code is None:
            break
    tally.check(where, "with MFA, the version whose lock ended is deleted", code is None, code)

    ran = orgtrail(folder, environment, "plan")
    if tally.check(where, f"`plan` exits with {INCOMPLETE}: the bucket's Region cannot be read",
                   ran.returncode == INCOMPLETE and "the location `default`" in ran.stdout, said(ran)):
        tally.cannot(where, "a second, empty plan", "it calls its only location `default`, which is no Region")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", help="servers, by the first word of their case", default="moto,ministack,radosgw")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    tally = Tally(options.verbose)
    only = options.only.split(",")
    runs = [(case.name, lambda case=case: provision(case, tally)) for case in CASES]
    runs.append(("radosgw", lambda: ceph(tally)))
    for name, run in runs:
        if name.split(",")[0] not in only:
            continue
        started = time.monotonic()
        try:
            run()
        except Exception:  # noqa: BLE001: one server's trouble must not hide the others'
            traceback.print_exc()
            tally.check(name, "it runs to its end", False, "see above")
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    if tally.rows:
        print("\nWhat a server cannot do:")
        for where, what, why in tally.rows:
            print(f"  {where:30} {what:28} {why}")
    print(f"\n{tally.passed - len(tally.rows)} passed, {tally.failures} failed, {len(tally.rows)} skipped")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
