#!/usr/bin/env python3
"""Compares `orgtrail verify` with `aws cloudtrail validate-logs`.

Writes signed chains of digests in Python, by itself, tampers with them scenario
by scenario, serves them over HTTP to both, and compares the lines that both
print. Where orgtrail goes further, the scenario says what each of them must
say.

Usage: validate_logs.py ORGTRAIL [SCENARIO…]
Runs in the virtual environment of the AWS CLI, whose `rsa` package signs.
"""

import base64
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
import urllib.parse
from pathlib import Path
from xml.sax.saxutils import escape

import rsa

ACCOUNT, MEMBER, ORG = "111111111111", "222222222222", "o-exampleorgid"
REGION, TRAIL, BUCKET = "us-east-1", "my_trail", "trail-bucket"
START = datetime.datetime(2026, 1, 10, 8, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)
HOURS = 6


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


class Key:
    def __init__(self, first=START - 5 * 24 * HOUR, last=START + 25 * 24 * HOUR):
        self.public, self.private = rsa.newkeys(2048)
        self.der = self.public.save_pkcs1("DER")
        self.fingerprint = hashlib.md5(self.der).hexdigest()
        self.first, self.last = first, last


SIGNER, STRANGER = Key(), Key()


class World:
    """Buckets of objects, the keys that AWS would list, and one chain."""

    def __init__(self, org=False, backfill=False, logs=2):
        self.buckets = {BUCKET: {}}
        self.keys = [SIGNER]
        self.org, self.backfill, self.per_hour = org, backfill, logs
        self.account = MEMBER if org else ACCOUNT
        self.root = f"AWSLogs/{ORG}/" if org else "AWSLogs/"
        self.at, self.previous = START, None
        self.digests, self.logs = [], []
        self.signer, self.bucket = SIGNER, BUCKET

    @property
    def objects(self):
        return self.buckets[self.bucket]

    def hours(self, count, logs=None):
        for _ in range(count):
            self.hour(self.per_hour if logs is None else logs)
        return self

    def hour(self, logs):
        begin, end = self.at, self.at + HOUR
        listed = []
        for nth in range(logs):
            time = begin + datetime.timedelta(minutes=5 + 5 * nth)
            key = (f"{self.root}{self.account}/CloudTrail/{REGION}/{time:%Y/%m/%d}/{self.account}_CloudTrail_"
                   f"{REGION}_{time:%Y%m%dT%H%MZ}_{nth:016d}.json.gz")
            text = json.dumps({"Records": [{"eventID": f"{time}-{nth}", "awsRegion": REGION}] * 3}).encode()
            self.put(key, gzip.compress(text))
            listed.append({"s3Bucket": self.bucket, "s3Object": key, "hashValue": hashlib.sha256(text).hexdigest(),
                           "hashAlgorithm": "SHA-256", "newestEventTime": stamp(time), "oldestEventTime": stamp(time)})
        suffix = "_backfill" if self.backfill else ""
        key = (f"{self.root}{self.account}/CloudTrail-Digest/{REGION}/{end:%Y/%m/%d}/{self.account}_CloudTrail-Digest_"
               f"{REGION}_{TRAIL}_{REGION}_{end:%Y%m%dT%H%M%SZ}{suffix}.json.gz")
        before = self.previous or {"bucket": None, "key": None, "hash": None, "signature": None}
        self.write(key, {
            "awsAccountId": self.account, "digestStartTime": stamp(begin), "digestEndTime": stamp(end),
            "digestS3Bucket": self.bucket, "digestS3Object": key,
            "digestPublicKeyFingerprint": self.signer.fingerprint, "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": stamp(begin) if listed else None, "oldestEventTime": stamp(begin) if listed else None,
            "previousDigestS3Bucket": before["bucket"], "previousDigestS3Object": before["key"],
            "previousDigestHashValue": before["hash"],
            "previousDigestHashAlgorithm": "SHA-256" if self.previous else None,
            "previousDigestSignature": before["signature"], "logFiles": listed})
        self.digests.append(key)
        self.logs.append([log["s3Object"] for log in listed])
        self.at = end

    def write(self, key, document, private=None):
        text = json.dumps(document, separators=(",", ":")).replace("/", "\\/").encode()
        digest = hashlib.sha256(text).hexdigest()
        to_sign = "\n".join([document["digestEndTime"], f"{document['digestS3Bucket']}/{document['digestS3Object']}",
                             digest, document["previousDigestSignature"] or "null"])
        signature = rsa.sign(to_sign.encode(), private or self.signer.private, "SHA-256").hex()
        metadata = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
        if self.backfill:
            metadata["backfill-generation-timestamp"] = stamp(self.at + 30 * HOUR)
        self.put(key, gzip.compress(text), metadata)
        self.previous = {"bucket": self.bucket, "key": key, "hash": digest, "signature": signature}

    def put(self, key, body, metadata=None):
        self.objects[key] = (body, metadata or {})

    def body(self, key, change):
        body, metadata = self.objects[key]
        self.objects[key] = (change(body), metadata)

    def text(self, key, old, new):
        def change(body):
            text = gzip.decompress(body).replace(old, new, 1)
            return gzip.compress(text)
        self.body(key, change)


# Each scenario builds a world. Without `beyond`, both must print the same
# verdicts and agree on success; with it, `cli` and `ours` are what they print.
SCENARIOS = {}


def scenario(beyond=None):
    def register(build):
        SCENARIOS[build.__name__.replace("_", " ")] = (build, beyond)
        return build
    return register


def six():
    return World().hours(HOURS)


@scenario()
def valid():
    return six()


@scenario()
def empty_hours():
    return World().hours(2).hours(2, logs=0).hours(2)


@scenario()
def organization_layout():
    return World(org=True).hours(HOURS)


@scenario()
def backfill_chain_beside_a_standard_one():
    world = six()
    other = World(backfill=True).hours(HOURS, logs=0)
    world.objects.update(other.objects)
    return world


@scenario()
def backfill_chain_alone():
    return World(backfill=True).hours(HOURS)


@scenario()
def log_altered():
    world = six()
    world.text(world.logs[2][0], b"eventID", b"eventXX")
    return world


@scenario()
def log_missing():
    world = six()
    del world.objects[world.logs[2][1]]
    return world


@scenario()
def log_swapped():
    world = six()
    a, b = world.logs[1][0], world.logs[3][0]
    world.objects[a], world.objects[b] = world.objects[b], world.objects[a]
    return world


@scenario()
def log_truncated():
    world = six()
    world.body(world.logs[2][0], lambda body: body[:len(body) // 2])
    return world


@scenario()
def log_corrupt():
    world = six()
    world.body(world.logs[2][0], lambda body: body[:10] + b"\xff" * 8 + body[18:])
    return world


@scenario()
def log_not_gzip():
    world = six()
    world.body(world.logs[2][0], lambda body: b"plain text")
    return world


@scenario()
def log_with_gzip_member_appended():
    world = six()
    world.body(world.logs[2][0], lambda body: body + gzip.compress(b"{}"))
    return world


@scenario()
def log_with_data_appended():
    world = six()
    world.body(world.logs[2][0], lambda body: body + b"more")
    return world


@scenario(beyond={"cli": set(), "ours": {"log-unlisted"}})
def log_unlisted():
    world = six()
    log = world.logs[2][0]
    world.put(log.replace("0000000000000000", "ForeignForeign01"), world.objects[log][0])
    return world


@scenario()
def digest_altered():
    world = six()
    world.text(world.digests[2], b"SHA-256", b"SHA-512")
    return world


@scenario()
def digest_not_json():
    world = six()
    world.body(world.digests[2], lambda body: gzip.compress(b"nothing"))
    return world


@scenario()
def digest_without_a_field():
    world = six()
    world.text(world.digests[2], b"digestS3Bucket", b"digestS3Socket")
    return world


@scenario()
def digest_corrupt():
    world = six()
    world.body(world.digests[2], lambda body: body[:10] + b"\xff" * 8 + body[18:])
    return world


@scenario()
def digest_truncated():
    world = six()
    world.body(world.digests[2], lambda body: body[:len(body) // 2])
    return world


@scenario()
def digest_in_anothers_place():
    world = six()
    world.objects[world.digests[3]] = world.objects[world.digests[1]]
    return world


@scenario()
def one_digest_deleted():
    world = six()
    del world.objects[world.digests[2]]
    return world


@scenario()
def two_digests_deleted():
    # The AWS CLI names one; orgtrail names the same one, and the interval.
    world = six()
    del world.objects[world.digests[2]], world.objects[world.digests[3]]
    return world


@scenario()
def first_digest_deleted():
    world = six()
    del world.objects[world.digests[0]]
    return world


@scenario(beyond={"cli": set(), "ours": {"newest-deleted"}})
def newest_digests_deleted():
    world = six()
    del world.objects[world.digests[4]], world.objects[world.digests[5]]
    return world


@scenario(beyond={"cli": {"gap"}, "ours": {"gap"}})
def gap():
    # Both name the same gap; to orgtrail a window with a gap is not proven.
    world = World().hours(2)
    world.at += 2 * HOUR
    world.previous = None
    return world.hours(2)


@scenario()
def signed_by_another_key():
    world = six()
    key = world.digests[3]
    document = json.loads(gzip.decompress(world.objects[key][0]))
    world.write(key, document, STRANGER.private)
    return world


@scenario()
def key_unknown():
    world = World()
    world.signer = STRANGER
    return world.hours(HOURS)


@scenario()
def key_expired():
    world = World()
    world.signer = Key(first=START - 60 * 24 * HOUR, last=START - 30 * 24 * HOUR)
    world.keys.append(world.signer)
    return world.hours(HOURS)


@scenario(beyond={"cli": {"digest signature verification failed"}, "ours": {"signature-from-successor"}})
def signature_metadata_lost():
    world = six()
    for key in world.digests[1:4]:
        world.objects[key] = (world.objects[key][0], {})
    return world


@scenario()
def newest_signature_metadata_lost():
    world = six()
    world.objects[world.digests[-1]] = (world.objects[world.digests[-1]][0], {})
    return world


@scenario(beyond={"cli": {"digest has been moved from its original location"}, "ours": set()})
def moved_to_another_bucket():
    world = six()
    world.buckets = {"copy-bucket": world.objects}
    return world


def changed_bucket():
    """A trail that wrote into another bucket before."""
    world = World()
    world.bucket = "old-bucket"
    world.buckets["old-bucket"] = {}
    world.hours(HOURS // 2)
    world.bucket = BUCKET
    return world.hours(HOURS // 2)


@scenario()
def bucket_changed():
    return changed_bucket()


@scenario()
def bucket_changed_and_old_log_altered():
    world = changed_bucket()
    world.bucket = "old-bucket"
    world.text(world.logs[1][0], b"eventID", b"eventXX")
    return world


@scenario()
def bucket_changed_and_digest_at_the_border_deleted():
    world = changed_bucket()
    del world.buckets["old-bucket"][world.digests[HOURS // 2 - 1]]
    return world


class Server(http.server.BaseHTTPRequestHandler):
    """As much of S3, CloudTrail, STS and Organizations as both ask for."""

    world = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="application/xml", headers=()):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        action = self.headers.get("X-Amz-Target", "").split(".")[-1]
        if b"Action=AssumeRole&" in body or body.endswith(b"Action=AssumeRole"):
            self.answer(200, "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>"
                        "<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
                        f"</Credentials><AssumedRoleUser><Arn>arn:aws:sts::{MEMBER}:assumed-role/role/orgtrail</Arn>"
                        "<AssumedRoleId>AROA:orgtrail</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>")
            return
        if not action:
            self.answer(200, "<GetCallerIdentityResponse><GetCallerIdentityResult>"
                        f"<Arn>arn:aws:iam::{ACCOUNT}:user/auditor</Arn><UserId>AIDA</UserId><Account>{ACCOUNT}</Account>"
                        "</GetCallerIdentityResult></GetCallerIdentityResponse>")
            return
        asked = json.loads(body or b"{}")
        answers = {"ListPublicKeys": self.public_keys, "DescribeTrails": self.trails, "GetTrailStatus": self.status,
                   "DescribeOrganization": lambda _: {"Organization": {"Id": ORG, "MasterAccountId": ACCOUNT}}}
        self.answer(200, json.dumps(answers[action](asked)), "application/x-amz-json-1.1")

    def public_keys(self, asked):
        start, end = asked.get("StartTime", 0), asked.get("EndTime", 1e12)
        return {"PublicKeyList": [
            {"Value": base64.b64encode(key.der).decode(), "Fingerprint": key.fingerprint,
             "ValidityStartTime": key.first.timestamp(), "ValidityEndTime": key.last.timestamp()}
            for key in self.world.keys if key.first.timestamp() <= end and key.last.timestamp() >= start]}

    def trails(self, _):
        return {"trailList": [{"Name": TRAIL, "S3BucketName": next(iter(self.world.buckets)), "HomeRegion": REGION,
                               "TrailARN": f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{TRAIL}",
                               "IsOrganizationTrail": self.world.org}]}

    def status(self, _):
        # Of backfill digests, CloudTrail tells nothing.
        told = {} if self.world.backfill else {"LatestDigestDeliveryTime": (self.world.at + HOUR / 12).timestamp()}
        return {"IsLogging": True} | told

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        bucket, _, key = urllib.parse.unquote(url.path).lstrip("/").partition("/")
        objects = self.world.buckets.get(bucket)
        if objects is None:
            self.error("NoSuchBucket")
        elif not key and "location" in query:
            self.answer(200, '<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>')
        elif not key:
            self.listing(bucket, objects, query)
        elif key not in objects:
            self.error("NoSuchKey")
        else:
            body, metadata = objects[key]
            headers = [(f"x-amz-meta-{name}", value) for name, value in metadata.items()]
            self.answer(200, body, "application/octet-stream", headers + [("ETag", '"0"')])

    def error(self, code):
        self.answer(404, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>")

    def listing(self, bucket, objects, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        after = query.get("marker") or query.get("start-after") or query.get("key-marker") or ""
        contents, folders = [], []
        for key in sorted(objects):
            rest = key[len(prefix):]
            if not key.startswith(prefix) or key <= after:
                continue
            if delimiter and delimiter in rest:
                folder = prefix + rest.split(delimiter)[0] + delimiter
                folders += [folder] if folder not in folders else []
            else:
                contents.append(key)
        lines = [f"<Contents><Key>{escape(key)}</Key><LastModified>{stamp(START)}</LastModified><ETag>\"0\"</ETag>"
                 f"<Size>{len(objects[key][0])}</Size><StorageClass>STANDARD</StorageClass></Contents>" for key in contents]
        lines += [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders]
        if "versions" in query:
            # A bucket without versions: each object is its only one, and nothing is marked deleted.
            lines = [line.replace("Contents>", "Version>").replace("<LastModified>", "<IsLatest>true</IsLatest><LastModified>")
                     for line in lines]
            return self.answer(200, '<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                               f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><MaxKeys>100000</MaxKeys>"
                               f"<IsTruncated>false</IsTruncated>{''.join(lines)}</ListVersionsResult>")
        self.answer(200, '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                    f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(contents)}</KeyCount><MaxKeys>100000</MaxKeys>"
                    f"<IsTruncated>false</IsTruncated>{''.join(lines)}</ListBucketResult>")


LINE = re.compile(r"^(?:\(backfill\) )?(Digest|Log) file\ts3://([^\t]+)\tINVALID: (.*)$")
HEAD = re.compile(r"^Validating log files for trail .* and \S+$", re.MULTILINE)
GAP = re.compile(r"^(?:\(backfill\) )?No log files were delivered by CloudTrail between (\S+) and (\S+)$")


def verdicts(text):
    found = set()
    for line in text.splitlines():
        if match := LINE.match(line):
            what = "public key" if match[3].lower().startswith("public key") else match[3]
            found.add((match[1].lower(), match[2], what))
        elif match := GAP.match(line):
            found.add(("gap", match[1], match[2]))
    return found


def run(command, environment):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def play(orgtrail, world, environment):
    bucket, until = next(iter(world.buckets)), START + HOURS * HOUR
    window = [stamp(START), stamp(until)]
    aws = [str(Path(sys.executable).with_name("aws")), "cloudtrail", "validate-logs", "--region", REGION,
           "--trail-arn", f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{TRAIL}",
           "--start-time", window[0], "--end-time", window[1]]
    aws += ["--account-id", MEMBER] if world.org else ["--s3-bucket", bucket]
    ours = [orgtrail, "verify", f"s3://{bucket}", "--since", window[0], "--until", window[1], "--quiet", "--format"]
    cli = run(aws, environment)
    lines = run(ours + ["aws-cli"], environment)
    report = run(ours + ["json"], environment)
    return cli, lines, report


def compare(name, cli, lines, report, beyond):
    cli_found, our_found = verdicts(cli[1] + cli[2]), verdicts(lines[1])
    kinds = {finding["kind"] for finding in json.loads(report[1] or "{}").get("findings", [])}
    # The AWS CLI passes over log files that no valid digest lists.
    kinds -= {"logs-unproven"}
    if beyond is None:
        our_found = {found for found in our_found if "not listed in any digest file" not in found}
    wrong = []
    if lines[0] != report[0]:
        wrong.append(f"exit codes of the formats: {lines[0]} and {report[0]}")
    heads = set(HEAD.findall(lines[1]))
    if heads != set(HEAD.findall(cli[1])):
        wrong.append(f"not the head of the AWS CLI: {sorted(heads)}")
    if beyond is None:
        if cli_found != our_found:
            wrong.append(f"AWS CLI alone: {sorted(cli_found - our_found)}; orgtrail alone: {sorted(our_found - cli_found)}")
        if (cli[0] == 0) != (lines[0] == 0):
            wrong.append(f"exit codes: AWS CLI {cli[0]}, orgtrail {lines[0]}")
    else:
        said = {"gap" if found[0] == "gap" else f"{found[0]} {found[2]}" for found in cli_found}
        if said != beyond["cli"]:
            wrong.append(f"AWS CLI says {sorted(said)}, the table {sorted(beyond['cli'])}")
        if kinds != beyond["ours"]:
            wrong.append(f"orgtrail says {sorted(kinds)}, the table {sorted(beyond['ours'])}")
    print(f"{'DIFFERS' if wrong else 'agrees' if beyond is None else 'further':8} {name}: "
          f"AWS CLI {cli[0]} with {len(cli_found)} findings, orgtrail {lines[0]} with {sorted(kinds)}", flush=True)
    for line in wrong:
        print(f"         {line}")
    if wrong:
        print("         " + (cli[2] + lines[2] + report[2]).strip().replace("\n", "\n         "))
    return not wrong


def main():
    orgtrail, chosen = str(Path(sys.argv[1]).resolve()), sys.argv[2:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ORGTRAIL"))}
    passed = failed = 0
    with tempfile.TemporaryDirectory() as home:
        environment |= {"HOME": home, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
                        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
                        "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
        for name, (build, beyond) in SCENARIOS.items():
            if chosen and name not in chosen:
                continue
            Server.world = build()
            if compare(name, *play(orgtrail, Server.world, environment), beyond):
                passed += 1
            else:
                failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
