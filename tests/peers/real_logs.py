"""Real CloudTrail log files, from a member's legacy bucket into the archive: on
moto, by `orgtrail` as separate processes with endpoints and credentials and
nothing else.

    real_logs.py [--data FOLDER] [--verbose]

The logs are those of a public dataset, gzipped and under the keys that
CloudTrail gives them; a test key signs digests over them, in CloudTrail's
layout. `apply`, `drift`, `consolidate` and `verify` run as a person would type them;
`aws cloudtrail validate-logs` says of the origin what `verify` says of the
archive. moto has no ListPublicKeys, so a front before its CloudTrail answers
that one call.
"""

import argparse
import base64
import collections
import datetime
import gzip
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True

from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: E402

import provision  # noqa: E402
import servers  # noqa: E402
from provision import BUCKET, CLEAN, DRIFT, INCOMPLETE, Tally, keys, orgtrail, said, write_config  # noqa: E402
from sandbox import PEERS, ROOT  # noqa: E402

DATA = os.path.join(os.path.dirname(ROOT), "shared", "data", "cloudtrail", "invictus-aws-dataset", "CloudTrail")
LEGACY, TRAIL, REGION = "legacy-trail-bucket", "legacy", servers.REGION
# <account>_CloudTrail_<Region>_<time>_<random>.json
NAME = re.compile(r"^(\d{12})_CloudTrail_([a-z0-9-]+)_(\d{8}T\d{4}Z)_\w+\.json$")
HOUR = datetime.timedelta(hours=1)
# The Regions that accounts have enabled from the start.
REGIONS = ("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
           "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
           "us-east-1", "us-east-2", "us-west-1", "us-west-2")


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


class Signer:
    """A key like those that CloudTrail signs with, and the call that tells it."""

    def __init__(self):
        self.private = rsa.generate_private_key(65537, 2048)
        self.der = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
        self.fingerprint = hashlib.md5(self.der).hexdigest()

    def sign(self, text):
        return self.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()

    def listed(self):
        return {"PublicKeyList": [{"Value": base64.b64encode(self.der).decode(), "Fingerprint": self.fingerprint,
                                   "ValidityStartTime": 1_600_000_000, "ValidityEndTime": 1_900_000_000}]}


class Front(http.server.BaseHTTPRequestHandler):
    """Answers ListPublicKeys and hands everything else on to moto's CloudTrail."""

    signer = behind = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, kind = 200, "application/x-amz-json-1.1"
        if self.headers.get("X-Amz-Target", "").endswith(".ListPublicKeys"):
            answer = json.dumps(self.signer.listed()).encode()
        else:
            headers = {name: value for name, value in self.headers.items()
                       if name.lower() not in ("host", "content-length", "connection", "accept-encoding")}
            request = urllib.request.Request(self.behind + self.path, body, headers, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=60) as got:
                    answer, kind = got.read(), got.headers.get("Content-Type", kind)
            except urllib.error.HTTPError as error:
                status, answer, kind = error.code, error.read(), error.headers.get("Content-Type", kind)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def read_logs(folder):
    """The dataset's files by the key that CloudTrail gives them: body and text."""
    logs = {}
    for name in sorted(os.listdir(folder)):
        match = NAME.match(name)
        if match is None:
            raise RuntimeError(f"{name} is not named as CloudTrail names its files")
        account, region, at = match.groups()
        with open(os.path.join(folder, name), "rb") as file:
            text = file.read()
        key = f"AWSLogs/{account}/CloudTrail/{region}/{at[:4]}/{at[4:6]}/{at[6:8]}/{name}.gz"
        logs[key] = (gzip.compress(text, mtime=0), text, account, region, at)
    return logs


def write_digests(logs, signer):
    """A chain of hourly digests over the logs, by account and Region."""
    chains = collections.defaultdict(list)
    for key, (_, text, account, region, at) in logs.items():
        time = datetime.datetime.strptime(at, "%Y%m%dT%H%MZ").replace(tzinfo=datetime.timezone.utc)
        chains[account, region].append((time, key, text))
    digests, window = {}, []
    for (account, region), delivered in chains.items():
        # An hour without logs on either side, as a trail writes them.
        begin = min(delivered)[0].replace(minute=0) - HOUR
        last = max(delivered)[0] + HOUR
        before = {"bucket": None, "key": None, "hash": None, "signature": None}
        while begin <= last:
            end = begin + HOUR
            window += [begin, end]
            key = (f"AWSLogs/{account}/CloudTrail-Digest/{region}/{end:%Y/%m/%d}/{account}_CloudTrail-Digest_{region}_"
                   f"{TRAIL}_{region}_{end:%Y%m%dT%H%M%SZ}.json.gz")
            listed = []
            for _, log, text in filter(lambda entry: begin <= entry[0] < end, delivered):
                times = sorted(record["eventTime"] for record in json.loads(text)["Records"])
                listed.append({"s3Bucket": LEGACY, "s3Object": log, "hashValue": hashlib.sha256(text).hexdigest(),
                               "hashAlgorithm": "SHA-256", "newestEventTime": times[-1], "oldestEventTime": times[0]})
            document = json.dumps({
                "awsAccountId": account, "digestStartTime": stamp(begin), "digestEndTime": stamp(end),
                "digestS3Bucket": LEGACY, "digestS3Object": key, "digestPublicKeyFingerprint": signer.fingerprint,
                "digestSignatureAlgorithm": "SHA256withRSA",
                "newestEventTime": max((log["newestEventTime"] for log in listed), default=None),
                "oldestEventTime": min((log["oldestEventTime"] for log in listed), default=None),
                "previousDigestS3Bucket": before["bucket"], "previousDigestS3Object": before["key"],
                "previousDigestHashValue": before["hash"],
                "previousDigestHashAlgorithm": "SHA-256" if before["key"] else None,
                "previousDigestSignature": before["signature"], "logFiles": listed}).encode()
            digest = hashlib.sha256(document).hexdigest()
            signature = signer.sign("\n".join([stamp(end), f"{LEGACY}/{key}", digest, before["signature"] or "null"]))
            digests[key] = (gzip.compress(document, mtime=0), signature)
            before = {"bucket": LEGACY, "key": key, "hash": digest, "signature": signature}
            begin = end
    return digests, min(window), max(window)


def events(bodies):
    return sum(len(json.loads(gzip.decompress(body))["Records"]) for body in bodies)


def objects(s3, bucket, prefix):
    """Every object with all that must survive: body, encoding, type, metadata."""
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            got = s3.get_object(Bucket=bucket, Key=entry["Key"])
            found[entry["Key"]] = (got["Body"].read(), got.get("ContentEncoding"), got["ContentType"], got["Metadata"])
    return found


def fill(server, member, logs, digests):
    """A member's own trail and bucket, with what it wrote; the member's keys."""
    role = f"arn:aws:iam::{member}:role/{servers.MEMBER_ROLE}"
    got = server.client("sts").assume_role(RoleArn=role, RoleSessionName="legacy")["Credentials"]
    session = {"aws_access_key_id": got["AccessKeyId"], "aws_secret_access_key": got["SecretAccessKey"],
               "aws_session_token": got["SessionToken"]}
    s3, trails = server.client("s3", credentials=session), server.client("cloudtrail", credentials=session)
    s3.create_bucket(Bucket=LEGACY)
    trails.create_trail(Name=TRAIL, S3BucketName=LEGACY, IsMultiRegionTrail=True, EnableLogFileValidation=True)
    trails.start_logging(Name=TRAIL)
    common = {"Bucket": LEGACY, "ContentType": "application/json", "ContentEncoding": "gzip"}
    for key, (body, *_) in logs.items():
        s3.put_object(Key=key, Body=body, **common)
    for key, (body, signature) in digests.items():
        s3.put_object(Key=key, Body=body, **common,
                      Metadata={"signature": signature, "signature-algorithm": "SHA256withRSA"})
    return s3, {**keys(got["AccessKeyId"], got["SecretAccessKey"]), "AWS_SESSION_TOKEN": got["SessionToken"]}


def moto(tally, folder, data):
    where = "moto"
    signer = Signer()
    logs = read_logs(data)
    digests, begin, end = write_digests(logs, signer)
    server = servers.Moto()
    server.start()
    front = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    Front.signer, Front.behind = signer, server.endpoint
    try:
        main, member = provision.accounts(server, one_account=False)
        legacy, member_keys = fill(server, member, logs, digests)
        write_config(folder, main, main)
        endpoints = {"AWS_ENDPOINT_URL": server.endpoint,
                     "AWS_ENDPOINT_URL_CLOUDTRAIL": f"http://127.0.0.1:{front.server_port}"}
        environment = {**endpoints, **keys(server.access_key, server.secret_key)}
        window = ("--since", stamp(begin), "--until", stamp(end))

        def step(*arguments, wanted=CLEAN):
            ran = orgtrail(folder, environment, *arguments)
            tally.check(where, f"`{' '.join(arguments)}` exits with {wanted}", ran.returncode == wanted, said(ran))
            return ran

        step("apply", "--yes")
        look_for_drift(tally, where, main, member, step)
        # moto takes a denial under any condition for a denial of everybody.
        policy = server.client("s3").get_bucket_policy(Bucket=BUCKET)["Policy"]
        server.client("s3").delete_bucket_policy(Bucket=BUCKET)
        tally.cannot(where, "the archive's bucket policy", "moto ignores conditions of denials, so that they deny all")
        before = objects(legacy, LEGACY, "")
        unsure = json.loads(step("consolidate", "--dry-run", "--format", "json", wanted=INCOMPLETE).stdout or "{}")
        reasons = [unread["reason"] for unread in unsure.get("unreadable_regions", ())]
        tally.check(where, "where Regions cannot be listed, trails may have been missed",
                    len(reasons) == 2 and all("account:ListRegions" in reason for reason in reasons), unsure)
        account = next(iter(logs.values()))[2]
        complete(folder, account, member)
        copied = json.loads(step("consolidate", "--yes", "--format", "json").stdout or "{}")
        tally.check(where, f"all {len(before)} objects are told as copied",
                    copied.get("counts", {}).get("copied") == len(before) == len(logs) + len(digests), copied)
        root = f"AWSLogs/{server.client('organizations').describe_organization()['Organization']['Id']}/"
        after = objects(server.client("s3"), BUCKET, root)
        moved = {key.replace("AWSLogs/", root, 1): held for key, held in before.items()}
        differing = sorted(key for key in moved.keys() | after.keys() if moved.get(key) != after.get(key))
        tally.check(where, "each arrived byte for byte, with type, encoding and metadata", not differing, differing[:3])
        tally.check(where, "the source is as it was", objects(legacy, LEGACY, "") == before)
        put_in = events(body for body, *_ in logs.values())
        came_out = events(held[0] for key, held in after.items() if "/CloudTrail/" in key)
        tally.check(where, f"{put_in} events went in and came out", put_in == came_out > 0, came_out)
        again = json.loads(step("consolidate", "--yes", "--full", "--format", "json").stdout or "{}")
        tally.check(where, "a second run copies nothing", again.get("counts", {}).get("copied") == 0, again)

        proven = step("verify", "--account", account, *window, "--format", "json")
        report = json.loads(proven.stdout or "{}")
        tally.check(where, "`verify` proves every log file and digest at the new place",
                    report.get("summary", {}).get("digests", {}).get("valid") == len(digests)
                    and report["summary"]["log_files"]["valid"] == len(logs) and report["findings"] == [],
                    proven.stdout[-3000:])
        saved = server.client("s3").get_object(Bucket=BUCKET, Key="orgtrail/public-keys.json")["Body"].read()
        tally.check(where, "the public key is saved beside the archive", signer.fingerprint.encode() in saved, saved)
        validate(tally, where, {**endpoints, **member_keys}, account, window, len(logs), len(digests))
        tamper(tally, where, server, root, account, window, step)
        return len(logs), len(digests), put_in
    finally:
        front.shutdown()
        server.stop()


def complete(folder, account, member):
    """Names the Regions, so that nothing is missed for want of a list, and the account
    that the logs are of: no account of the organization that moto has."""
    path = os.path.join(folder, "orgtrail.toml")
    with open(path, encoding="utf-8") as file:
        config = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(config.replace("[organization]\n", f"[organization]\nregions = {json.dumps(REGIONS)}\n"))
        file.write(f'\n[consolidate]\nformer_accounts = ["{account}"]\n')
        file.write(f'\n[[consolidate.sources]]\nbucket = "{LEGACY}"\naccount = "{member}"\naccounts = ["{account}"]\n')


def look_for_drift(tally, where, main, member, step):
    """Right after `apply`, all that does not match the configuration is the member's own trail,
    and what moto cannot show."""
    found = json.loads(step("drift", "--format", "json", wanted=DRIFT).stdout or '{"findings": []}')["findings"]

    def place(finding):
        scope = finding["scope"]
        whole = scope.get("arn") or scope.get("bucket")
        return whole or " ".join(filter(None, (scope.get("account"), scope.get("region"))))

    reported = {(finding["check"], finding["verdict"], place(finding)) for finding in found
            if finding["verdict"] not in ("pass", "not_configured")}
    passed = sum(finding["verdict"] == "pass" for finding in found)
    legacy = f"arn:aws:cloudtrail:{REGION}:{member}:trail/{TRAIL}"
    own = {("trail-duplicates", "fail", legacy), ("org-unmanaged-trails", "fail", member)}
    tally.check(where, "`drift` finds the member's own trail, and that it is paid for twice", own <= reported, reported)
    regions = {("org-coverage", "unknown", account) for account in (main, member)}
    tally.check(where, "`drift` cannot see which Regions there are, a known limit", regions <= reported, reported)
    tally.cannot(where, "the accounts' Regions", "moto has no account:ListRegions, so that those of every account are asked")
    hidden = {("org-coverage", "fail", f"{member} {region}") for region in REGIONS}
    tally.check(where, "`drift` does not see the trail in the member, a known limit", hidden <= reported, reported)
    tally.cannot(where, "the organization's trail in members", "moto shows a trail to the account that made it alone")
    # For the same reason: what is live in them, and not declared.
    undeclared = {("undeclared", "unknown", f"{main} {region}") for region in REGIONS}
    notifications = {("undeclared", "unknown", BUCKET)}
    tally.check(where, "`drift` cannot read the archive's notifications, a known limit", notifications <= reported, reported)
    tally.cannot(where, "the archive's notifications", "moto answers GetBucketNotification with an unreadable response")
    undeclared |= notifications
    root = {("org-root-access", "unknown", "")}
    tally.check(where, "`drift` does not know whether root access is centralized", root <= reported, reported)
    tally.cannot(where, "centralized root access", "moto has no ListOrganizationsFeatures")
    rest = reported - own - regions - hidden - undeclared - root
    tally.check(where, "`drift` finds nothing else, and more checks pass", not rest and passed > 20, rest)


def validate(tally, where, environment, account, window, logs, digests):
    """The AWS CLI, with the member's keys, at the origin."""
    command = [os.path.join(PEERS, "awscli", "bin", "aws"), "cloudtrail", "validate-logs", "--region", REGION,
               "--trail-arn", f"arn:aws:cloudtrail:{REGION}:{account}:trail/{TRAIL}", "--s3-bucket", LEGACY,
               "--start-time", window[1], "--end-time", window[3]]
    with tempfile.TemporaryDirectory() as home:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False,
                             env={"HOME": home, "PATH": os.environ["PATH"], **environment})
    tally.check(where, "the AWS CLI's validate-logs proves the same at the origin",
                ran.returncode == 0 and f"{digests}/{digests} digest files valid" in ran.stdout
                and f"{logs}/{logs} log files valid" in ran.stdout, said(ran))


def tamper(tally, where, server, root, account, window, step):
    """A proof that finds nothing wrong is worth nothing unless it could."""
    s3 = server.client("s3")
    key = next(key for key in sorted(objects(s3, BUCKET, root)) if "/CloudTrail/" in key)
    text = gzip.decompress(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    forged = gzip.compress(text.replace(b"us-east-1", b"us-west-1", 1))
    s3.put_object(Bucket=BUCKET, Key=key, Body=forged, ContentEncoding="gzip", ContentType="application/json")
    ran = step("verify", "--account", account, *window, wanted=13)
    tally.check(where, "an altered event is found, and its file named", os.path.basename(key) in ran.stdout, said(ran))
    ran = step("consolidate", "--yes", "--full", wanted=INCOMPLETE)
    held = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    tally.check(where, "`consolidate` tells of the conflict and overwrites nothing",
                held == forged and "in conflict" in ran.stdout + ran.stderr, said(ran))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", default=DATA, help="the folder of log files")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if not os.path.isdir(options.data):
        print(f"SKIPPED: no real CloudTrail files at {options.data}: nothing was checked")
        print("\n0 passed, 0 failed, 1 skipped")
        return 0
    tally, started = Tally(options.verbose), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="orgtrail-real-logs-") as folder:
        logs, digests, count = moto(tally, folder, options.data)
    print(f"{logs} log files with {count} events, {digests} digests: {time.monotonic() - started:.0f} s")
    for where, what, why in tally.rows:
        print(f"  {where} cannot do: {what}: {why}")
    print(f"\n{tally.passed} passed, {tally.failures} failed, {len(tally.rows)} skipped")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
