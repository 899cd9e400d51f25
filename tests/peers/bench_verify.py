#!/usr/bin/env python3
"""`orgtrail verify` beside `aws cloudtrail validate-logs`, on one endpoint.

A sandbox in a process of its own holds a trail's digests and log files; both
verify the same window of it, in turns, at each latency. What counts is what the
verifying process used, start included: time, CPU, peak memory.

    bench_verify.py [--hours 480] [--rounds 3] [--latency 0 20] [--every-region]

With `--every-region` the trail delivers in all Regions: orgtrail verifies them in
one run, the AWS CLI in one for each, which are added up.

Nothing but Python's standard library; the CLI is in its own environment.
"""

import argparse
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True

from sandbox import ORGTRAIL, PEERS, Sandbox  # noqa: E402

AWS = os.path.join(PEERS, "awscli", "bin", "aws")
REGION, TRAIL, BUCKET = "us-east-1", "bench", "verify-bench"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--hours", type=int, default=480, help="how long the trail has delivered")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=int, nargs="+", default=[0, 20], help="milliseconds before each answer")
    parser.add_argument("--every-region", action="store_true", help="a trail of all Regions")
    options = parser.parse_args()
    # Keys that sign after the machine's own time are not asked for.
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=options.hours + 48)
    with tempfile.TemporaryDirectory(prefix="orgtrail-bench-") as directory, \
            Sandbox(directory, accounts=3, start=start) as sandbox:
        bench = Bench(directory, sandbox)
        window = bench.fill(options.hours, options.every_region)
        for milliseconds in options.latency:
            bench.late(milliseconds)
            pairs = [(bench.cli(window), bench.orgtrail(window)) for _ in range(options.rounds)]
            report(milliseconds, pairs)


class Bench:
    def __init__(self, directory, sandbox):
        self.directory, self.sandbox = directory, sandbox
        self.account = sandbox.management_account
        self.regions = [REGION]
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": directory, "AWS_ENDPOINT_URL": sandbox.endpoint, "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", **sandbox.management}

    def fill(self, hours, every_region=False):
        """Makes a trail, lets it deliver, and tells the window to verify."""
        arn = f"arn:aws:cloudtrail:{REGION}:{self.account}:trail/{TRAIL}"
        service = {"Service": "cloudtrail.amazonaws.com"}
        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl", "Resource": f"arn:aws:s3:::{BUCKET}"},
            {"Effect": "Allow", "Principal": service, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/AWSLogs/*",
             "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceArn": arn}}}]}
        began = self.sandbox.now()
        self.aws("s3api", "create-bucket", "--bucket", BUCKET)
        self.aws("s3api", "put-bucket-policy", "--bucket", BUCKET, "--policy", json.dumps(policy))
        self.aws("cloudtrail", "create-trail", "--name", TRAIL, "--s3-bucket-name", BUCKET, "--enable-log-file-validation",
                 *(["--is-multi-region-trail"] if every_region else []))
        self.aws("cloudtrail", "start-logging", "--name", TRAIL)
        self.sandbox.tick(hours)
        if every_region:
            self.regions = self.delivered()
        return began, self.sandbox.now()

    def delivered(self):
        """The Regions that have digests."""
        listed = subprocess.run([AWS, "s3api", "list-objects-v2", "--bucket", BUCKET, "--delimiter", "/", "--output", "json",
                                 "--prefix", f"AWSLogs/{self.account}/CloudTrail-Digest/"],
                                env=self.environment, cwd=self.directory, capture_output=True, check=True, timeout=600)
        return [folder["Prefix"].split("/")[-2] for folder in json.loads(listed.stdout)["CommonPrefixes"]]

    def late(self, milliseconds):
        """Lets every answer come so much later."""
        change = {"clear": True, "inject": []}
        if milliseconds:
            change["inject"] = [{"call": "*", "effect": {"latency": {"milliseconds": milliseconds}}}]
        request = urllib.request.Request(f"{self.sandbox.endpoint}/_sandbox/faults", json.dumps(change).encode(), method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def aws(self, *command):
        subprocess.run([AWS, *command], env=self.environment, cwd=self.directory, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, check=True, timeout=600)

    def cli(self, window):
        runs = [self.cli_in(region, window) for region in self.regions]
        seconds, cpu, memory = zip(*(took for took, _ in runs))
        return (sum(seconds), sum(cpu), max(memory)), sum(objects for _, objects in runs)

    def cli_in(self, region, window):
        took, text = self.measured([AWS, "cloudtrail", "validate-logs", "--region", region, "--start-time", stamp(window[0]), "--end-time", stamp(window[1]),
                                    "--trail-arn", f"arn:aws:cloudtrail:{REGION}:{self.account}:trail/{TRAIL}"])
        digests = re.search(r"(\d+)/(\d+) digest files valid", text)
        logs = re.search(r"(\d+)/(\d+) log files valid", text)
        if not digests or digests[1] != digests[2] or (logs and logs[1] != logs[2]):
            sys.exit(f"the AWS CLI did not prove it: {text}")
        return took, int(digests[1]) + (int(logs[1]) if logs else 0)

    def orgtrail(self, window):
        # It takes the digest that ends within an hour after the window.
        window = window[0], window[1] - datetime.timedelta(hours=1)
        took, text = self.measured([ORGTRAIL, "verify", f"s3://{BUCKET}", "--since", stamp(window[0]), "--until", stamp(window[1]),
                                    "--quiet", "--format", "json"])
        summary = json.loads(text)["summary"]
        if summary["findings"]["broken"] or summary["findings"]["incomplete"]:
            sys.exit(f"orgtrail did not prove it: {text}")
        return took, summary["digests"]["valid"] + summary["log_files"]["valid"]

    def measured(self, command):
        """Seconds, CPU seconds and peak memory in MiB of a command, and what it said."""
        with tempfile.TemporaryFile("w+", dir=self.directory) as out:
            began = time.monotonic()
            process = subprocess.Popen(command, env=self.environment, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=out)
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            text = out.read()
        if process.returncode != 0:
            sys.exit(f"{command[0]} ended with {process.returncode}: {text}")
        return (seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), text


def report(milliseconds, pairs):
    objects = pairs[0][1][1]
    if any(done != objects for pair in pairs for _, done in pair):
        sys.exit(f"not the same objects: {[(cli[1], ours[1]) for cli, ours in pairs]}")
    print(f"{milliseconds} ms, {objects} objects, {len(pairs)} rounds in turns; medians")
    for name, at in (("aws cloudtrail validate-logs", 0), ("orgtrail verify", 1)):
        seconds, cpu, memory = (statistics.median(pair[at][0][nth] for pair in pairs) for nth in range(3))
        print(f"  {name:28} {seconds:8.2f} s  {objects / seconds:8.0f} objects/s  {cpu * 1e6 / objects:8.0f} CPU us/object  {memory:6.0f} MiB")
    faster, cheaper, smaller = (statistics.median(cli[0][nth] / ours[0][nth] for cli, ours in pairs) for nth in range(3))
    print(f"  orgtrail: {faster:.1f} times as fast, 1/{cheaper:.1f} of the CPU, 1/{smaller:.1f} of the memory", flush=True)


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
