#!/usr/bin/env python3
"""`orgtrail consolidate` beside programs that copy objects, on one S3 server.

A member's old bucket holds log files, and digests whose signatures stand in
their metadata. orgtrail, s5cmd, rclone and the AWS CLI bring them into a bucket
of their own each, then run again with nothing left to do; what arrived is
looked at. What counts is what the copying process used, start included: time,
CPU, peak memory.

    bench_consolidate.py [--objects 20000] [--latency 0 20] [--servers sandbox seaweedfs]
                         [--programs PROGRAM …] [--rounds 1]

The sandbox answers late by itself; SeaweedFS stands behind a proxy that holds
each answer back. SeaweedFS knows no accounts, so there orgtrail asks the sandbox
who it is, and both buckets are of one account. Runs with the environment of
`setup.sh boto3`.
"""

import argparse
import asyncio
import collections
import concurrent.futures
import datetime
import gzip
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import urllib.request

sys.dont_write_bytecode = True

import servers  # noqa: E402
from sandbox import ORGTRAIL, PEERS, Sandbox  # noqa: E402

S5CMD = os.path.join(PEERS, "s5cmd", "bin", "s5cmd")
LEGACY, REGION = "bench-legacy-logs", servers.REGION
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1")
DAYS = 25
# Of so many objects one is a digest.
DIGEST_EVERY = 25
# As gzipped log files of a public data set are, from the smallest to the 95th percentile.
SIZES = (629, 1_025, 1_641, 2_600, 4_404, 7_000, 10_672, 24_853)
SIGNATURE = {"signature": "00ff" * 128, "signature-algorithm": "SHA256withRSA"}
# What runs at once, where a program's own default is a handful.
AT_ONCE = 64

Took = collections.namedtuple("Took", "seconds cpu memory requests")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--latency", type=int, nargs="+", default=[0, 20], help="milliseconds before each answer")
    parser.add_argument("--servers", nargs="+", choices=list(PLACES), default=list(PLACES))
    parser.add_argument("--programs", nargs="+", choices=list(PROGRAMS), default=list(PROGRAMS))
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    for name in options.servers:
        with tempfile.TemporaryDirectory(prefix="orgtrail-bench-") as directory, PLACES[name](directory) as place:
            bytes_in_all = fill(place, options.objects)
            for milliseconds in options.latency:
                compare(place, options, milliseconds, bytes_in_all)


def compare(place, options, milliseconds, bytes_in_all):
    runs = collections.defaultdict(list)
    for nth in range(options.rounds):
        for program in options.programs:
            archive = f"bench-archive-{milliseconds}-{nth}-{program}"
            place.s3.create_bucket(Bucket=archive)
            steps = PROGRAMS[program](place, archive)
            for step, command in steps.items():
                place.late(milliseconds)
                took = measured(place, program, command)
                place.late(0)
                runs[program, step].append(took)
            signed = check(place, archive, options.objects, bytes_in_all)
            if nth == 0:
                print(f"  {program}: all arrived; signatures arrived with {signed}", flush=True)
    report(place, options, milliseconds, runs)


# Started by a process that holds little itself: the kernel counts what the one
# that forked held to the peak of its child.
LAUNCHER = """
import json, os, sys, time
began = time.monotonic()
child = os.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(child, 0)
json.dump([time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024], open(os.environ["TOOK"], "w"))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(place, program, command):
    """What a command used; it must succeed."""
    before, path = place.requests(), os.path.join(place.directory, "took.json")
    ran = subprocess.run([sys.executable, "-S", "-E", "-c", LAUNCHER, *command], env={**place.environment(program), "TOOK": path},
                         cwd=place.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         check=False)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {ran.returncode}: {ran.stdout[-3000:]}")
    with open(path, encoding="utf-8") as file:
        return Took(*json.load(file), place.requests() - before)


def check(place, archive, objects, bytes_in_all):
    """Holds what arrived against what was put; how many digests kept their metadata, of how many."""
    found = [entry for page in place.s3.get_paginator("list_objects_v2").paginate(Bucket=archive, Prefix="AWSLogs/")
             for entry in page.get("Contents", ())]
    if len(found) != objects or sum(entry["Size"] for entry in found) != bytes_in_all:
        sys.exit(f"{archive}: {len(found)} objects, expected {objects}")
    digests = [entry["Key"] for entry in found if "/CloudTrail-Digest/" in entry["Key"]]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        kept = pool.map(lambda key: place.s3.head_object(Bucket=archive, Key=key)["Metadata"] == SIGNATURE, digests)
        return f"{sum(kept)} of {len(digests)} digests"


def report(place, options, milliseconds, runs):
    print(f"{place.name}, {milliseconds} ms, {options.objects} objects, {options.rounds} rounds in turns; medians")
    median = {key: Took(*(statistics.median(column) for column in zip(*took))) for key, took in runs.items()}
    ours = {step: median[program, step] for program, step in median if program == "orgtrail"}
    for (program, step), took in median.items():
        beside = ours.get("again" if step == "again" else "first")
        requests = f"{took.requests:7.0f} requests" if took.requests else ""
        ratio = "" if beside is None else f"{took.seconds / beside.seconds:7.2f} {took.cpu / beside.cpu:7.2f}"
        print(f"  {program:16} {step:13} {took.seconds:8.2f} s {options.objects / took.seconds:8.0f} objects/s "
              f"{took.cpu * 1e6 / options.objects:7.0f} CPU us/object {took.memory:5.0f} MiB {requests:16} {ratio}")
    print("  the last columns: times the seconds and the CPU of `orgtrail`, first run or again", flush=True)


def digest(member, key, end):
    """A digest of no log file: what is no digest is not brought into the archive as one."""
    start = (datetime.datetime.fromisoformat(end) - datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return gzip.compress(json.dumps({
        "awsAccountId": member, "digestStartTime": start, "digestEndTime": end, "digestS3Bucket": LEGACY,
        "digestS3Object": key, "digestPublicKeyFingerprint": "31e8b5433410dfb61a9dc45cc65b22ff",
        "digestSignatureAlgorithm": "SHA256withRSA", "newestEventTime": None, "oldestEventTime": None,
        "previousDigestS3Bucket": None, "previousDigestS3Object": None, "previousDigestHashValue": None,
        "previousDigestHashAlgorithm": None, "previousDigestSignature": None, "logFiles": []}).encode())


def log(text):
    """A log file of one event, about as long as the text."""
    return gzip.compress(json.dumps({"Records": [{"eventID": text}]}).encode(), compresslevel=0)


def fill(place, objects):
    """Puts the objects into the old bucket; their bytes."""
    rng = random.Random(1)
    folder, bytes_in_all = os.path.join(place.directory, "old"), 0
    for number in range(objects):
        region, day = REGIONS[number % len(REGIONS)], number // len(REGIONS) % DAYS + 1
        kind = "CloudTrail-Digest" if number % DIGEST_EVERY == 0 else "CloudTrail"
        hour, minute = number // 100 % 24, number // 2400 % 60
        at = f"202601{day:02}T{hour:02}{minute:02}"
        name = f"_legacy_{region}_{at}{number % 60:02}Z" if kind.endswith("Digest") else f"_{at}Z_{number:016}"
        key = f"AWSLogs/{place.member}/{kind}/{region}/2026/01/{day:02}/{place.member}_{kind}_{region}{name}.json.gz"
        body = digest(place.member, key, f"2026-01-{day:02}T{hour:02}:{minute:02}:{number % 60:02}Z") \
            if kind.endswith("Digest") else log(rng.randbytes(SIZES[number % len(SIZES)] // 2).hex())
        path = os.path.join(folder, kind, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(body)
        bytes_in_all += len(body)
    # A wildcard's place is left out of the keys.
    for kind, metadata in (("CloudTrail", {}), ("CloudTrail-Digest", SIGNATURE)):
        named = [word for pair in metadata.items() for word in ("--metadata", "=".join(pair))]
        subprocess.run([S5CMD, "cp", "--content-type", "application/json", "--content-encoding", "gzip", *named,
                        f"{folder}/{kind}/*", f"s3://{LEGACY}/"], env=place.environment("fill"), check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return bytes_in_all


class Place:
    """A server with the old bucket, and whom the programs are there."""

    name = None

    def __init__(self, directory):
        self.directory = directory

    def __enter__(self):
        return self

    def environment(self, program):
        return {"PATH": os.environ["PATH"], "HOME": self.directory, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.path.join(self.directory, "aws.ini"),
                "AWS_ENDPOINT_URL": self.endpoint, "S3_ENDPOINT_URL": self.endpoint,
                "RCLONE_CONFIG": os.path.join(self.directory, "rclone.conf"), "RCLONE_CONFIG_PEER_TYPE": "s3",
                "RCLONE_CONFIG_PEER_PROVIDER": "Other", "RCLONE_CONFIG_PEER_ENV_AUTH": "true",
                "RCLONE_CONFIG_PEER_REGION": REGION, "RCLONE_CONFIG_PEER_ENDPOINT": self.endpoint,
                "RCLONE_CONFIG_PEER_FORCE_PATH_STYLE": "true",
                # Buckets without ACLs, as they are today, take no other.
                "RCLONE_CONFIG_PEER_ACL": "bucket-owner-full-control", **self.keys(program)}

    def write_config(self, management, keeper, source):
        """The AWS CLI's, and orgtrail's: each of its archives needs one."""
        with open(os.path.join(self.directory, "aws.ini"), "w", encoding="utf-8") as file:
            file.write(f"[default]\ns3 =\n    max_concurrent_requests = {AT_ONCE}\n    max_queue_size = 10000\n")
        self.config = (f'[organization]\nmanagement_account = "{management}"\nlog_archive_account = "{keeper}"\n'
                       f'home_region = "{REGION}"\n[[consolidate.sources]]\nbucket = "{LEGACY}"\naccount = "{source}"\nunproven_digests = "copy"\n')

    def client(self, endpoint, keys):
        return servers.boto3.session.Session().client(
            "s3", region_name=REGION, endpoint_url=endpoint, aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            config=servers.Config(s3={"addressing_style": "path"}))


class OnSandbox(Place):
    """The old bucket is a member's; the log archive's account may read it."""

    name = "sandbox"

    def __init__(self, directory):
        super().__init__(directory)
        self.sandbox = Sandbox(directory, accounts=4)
        self.endpoint = self.sandbox.endpoint
        keeper = self.sandbox.log_archive_account
        self.member = self.sandbox.said["accounts"][3]["account"]
        self.owner, self.keeper = self.sandbox.root(self.member), self.sandbox.root(keeper)
        self.s3, owner = self.client(self.endpoint, self.keeper), self.client(self.endpoint, self.owner)
        owner.create_bucket(Bucket=LEGACY)
        owner.put_bucket_policy(Bucket=LEGACY, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{keeper}:root"},
             "Action": ["s3:GetObject", "s3:GetObjectTagging", "s3:ListBucket"],
             "Resource": [f"arn:aws:s3:::{LEGACY}", f"arn:aws:s3:::{LEGACY}/*"]}]}))
        self.write_config(self.sandbox.management_account, keeper, self.member)
        self.late(0)

    def keys(self, program):
        if program.startswith("orgtrail"):
            return self.sandbox.management
        return self.owner if program == "fill" else self.keeper

    def late(self, milliseconds):
        """Lets every answer come so much later, and counts them."""
        faults(self.sandbox, milliseconds)

    def requests(self):
        with urllib.request.urlopen(f"{self.endpoint}/_sandbox/faults", timeout=10) as answer:
            return sum(fault["triggered"] for fault in json.load(answer)["faults"])

    def __exit__(self, *_):
        self.sandbox.stop()


class OnSeaweed(Place):
    """Both buckets are one account's, since SeaweedFS has no more."""

    name = "seaweedfs"

    def __init__(self, directory):
        super().__init__(directory)
        self.identity = Sandbox(directory, accounts=3)
        self.member = self.identity.management_account
        self.own = self.identity.management
        self.server = servers.SeaweedFS()
        # One key for both: the sandbox says whose it is.
        self.server.access_key, self.server.secret_key = self.own["AWS_ACCESS_KEY_ID"], self.own["AWS_SECRET_ACCESS_KEY"]
        self.server.start()
        self.endpoint = self.server.endpoint
        self.s3, self.proxy = self.client(self.server.endpoint, self.own), None
        self.s3.create_bucket(Bucket=LEGACY)
        self.write_config(self.member, self.member, self.member)

    def keys(self, program):
        endpoints = {"AWS_ENDPOINT_URL": self.identity.endpoint, "AWS_ENDPOINT_URL_S3": self.endpoint}
        return {**self.own, **(endpoints if program.startswith("orgtrail") else {})}

    def late(self, milliseconds):
        """Puts the proxy before the server, or takes it away."""
        faults(self.identity, milliseconds)
        if self.proxy is not None:
            self.proxy.terminate()
            self.proxy.join()
        self.proxy, self.endpoint = None, self.server.endpoint
        if milliseconds:
            port, behind = servers.free_port(), int(self.server.endpoint.rsplit(":", 1)[1])
            self.proxy = multiprocessing.Process(target=lambda: asyncio.run(hold_back(port, behind, milliseconds / 1000)), daemon=True)
            self.proxy.start()
            self.endpoint = f"http://127.0.0.1:{port}"
            self.server.wait(self.endpoint)

    def requests(self):
        return 0

    def __exit__(self, *_):
        self.late(0)
        self.server.stop()
        self.identity.stop()


def faults(sandbox, milliseconds):
    change = {"clear": True, "inject": [{"call": "*", "effect": {"latency": {"milliseconds": milliseconds}}}]}
    request = urllib.request.Request(f"{sandbox.endpoint}/_sandbox/faults", json.dumps(change).encode(), method="POST")
    urllib.request.urlopen(request, timeout=10).close()


class Pipe(asyncio.Protocol):
    """One end of a connection; what comes in goes out at the other, after a while."""

    def __init__(self, delay):
        self.delay, self.other, self.waiting = delay, None, collections.deque()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.later(data)

    def eof_received(self):
        self.later(None)
        return True

    def connection_lost(self, _):
        self.later(None)

    def later(self, data):
        # Through a queue, so that what came first goes first.
        self.waiting.append(data)
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.on)
        else:
            self.on()

    def on(self):
        data = self.waiting.popleft()
        if self.other is None or self.other.transport.is_closing():
            return
        if data is None:
            self.other.transport.close()
        else:
            self.other.transport.write(data)


class Front(Pipe):
    """What the client connects to."""

    def __init__(self, behind, delay):
        super().__init__(0)
        self.behind, self.answers, self.early = behind, delay, []

    def connection_made(self, transport):
        super().connection_made(transport)
        asyncio.get_running_loop().create_task(self.connect())

    async def connect(self):
        _, back = await asyncio.get_running_loop().create_connection(lambda: Pipe(self.answers), "127.0.0.1", self.behind)
        self.other, back.other = back, self
        for data in self.early:
            self.later(data)

    def data_received(self, data):
        if self.other is None:
            self.early.append(data)
        else:
            self.later(data)


async def hold_back(port, behind, delay):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Front(behind, delay), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def orgtrail(place, archive, *more):
    path = os.path.join(place.directory, f"{archive}.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'{place.config}[archive]\nbucket = "{archive}"\n')
    command = [ORGTRAIL, "--config", path, "consolidate", "--yes", "--quiet", *more]
    return {"first": command, "again": [*command, "--trust-records"], "again, --full": [*command, "--full"]}


def roots(place, archive):
    return f"s3://{LEGACY}/AWSLogs/{place.member}/", f"s3://{archive}/AWSLogs/o-exampleorgid/{place.member}/"


def with_s5cmd(place, archive):
    source, target = roots(place, archive)
    command = [S5CMD, "sync", "--metadata-directive", "COPY", f"{source}*", target]
    return {"first": command, "again": command}


def with_rclone(place, archive):
    source, target = (root.replace("s3://", "peer:") for root in roots(place, archive))
    # By size and content: the times that it compares else cost a request an object.
    command = ["rclone", "copy", "--metadata", "--checksum", "--fast-list", "--s3-no-check-bucket",
               "--transfers", str(AT_ONCE), "--checkers", str(AT_ONCE), source, target]
    return {"first": command, "again": command}


def with_aws(place, archive):
    source, target = roots(place, archive)
    command = [os.path.join(PEERS, "awscli", "bin", "aws"), "s3", "sync", "--only-show-errors", source, target]
    return {"first": command, "again": command}


PROGRAMS = {
    "orgtrail": orgtrail,
    "orgtrail-client": lambda place, archive: orgtrail(place, archive, "--copy", "client"),
    "s5cmd": with_s5cmd,
    "rclone": with_rclone,
    "aws-s3-sync": with_aws,
}
PLACES = {"sandbox": OnSandbox, "seaweedfs": OnSeaweed}


if __name__ == "__main__":
    main()
