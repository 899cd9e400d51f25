"""Shards on a Slurm cluster of three nodes, one of which crashes.

    slurm.py [--verbose]

Starts a cluster on this machine (Debian's slurm-wlm and munge, as root): each node is a namespace of
processes, so that killing it kills its tasks, and Slurm queues them again. Two sandboxes with the
same seed have the same buckets: in one a single process consolidates, verifies and exports, in the
other infra/shards/slurm.sh does so in array jobs. What is then in the archives must be the same
objects, and what `orgtrail gather` says what the single process said. Runs in the environment
`boto3` of setup.sh.
"""

import argparse
import contextlib
import datetime
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import boto3  # noqa: E402
import botocore.exceptions  # noqa: E402

from sandbox import ORGTRAIL, ROOT, Sandbox, keys  # noqa: E402

NODES, SHARDS = ("n1", "n2", "n3"), 6
SCRIPT = os.path.join(ROOT, "infra/shards/slurm.sh")
BROKEN = 13
PATIENCE = 240
VERBOSE = False
COUNTS = {"passed": 0, "failed": 0}


def check(name, passed, detail=""):
    COUNTS["passed" if passed else "failed"] += 1
    if VERBOSE or not passed:
        print(f"  {'ok' if passed else 'FAILED':6} {name}{f': {detail}' if detail and not passed else ''}", flush=True)


def until(what, met, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not met():
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds} s: {what}")
        time.sleep(0.2)


class Cluster:
    """A controller and its nodes, with keys, ports and files of their own."""

    def __init__(self, folder, stack):
        self.folder, self.nodes, self.others = folder, {}, []
        stack.callback(self.stop)
        os.chmod(folder, 0o755)
        host = socket.gethostname().split(".")[0]
        munge = os.path.join(folder, "munge")
        os.makedirs(munge, mode=0o755)
        os.makedirs(os.path.join(folder, "state"))
        with open(os.path.join(munge, "key"), "wb") as key:
            os.fchmod(key.fileno(), 0o400)
            key.write(os.urandom(1024))
        ports = free_ports(1 + len(NODES))
        lines = [
            "ClusterName=orgtrail", f"SlurmctldHost={host}(127.0.0.1)", f"SlurmctldPort={ports[0]}",
            "AuthType=auth/munge", # A task that is queued again starts once its credential has expired.
            f"AuthInfo=socket={munge}/socket,cred_expire=5", "CredType=cred/munge",
            "SlurmUser=root", "SlurmdUser=root", f"StateSaveLocation={folder}/state", f"SlurmdSpoolDir={folder}/%n",
            f"SlurmctldPidFile={folder}/controller.pid", f"SlurmdPidFile={folder}/%n.pid",
            f"SlurmctldLogFile={folder}/controller.log", f"SlurmdLogFile={folder}/%n.log",
            # No cgroups and no kernel modules: a container has neither.
            "ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none", "JobAcctGatherType=jobacct_gather/none",
            "SelectType=select/cons_tres", "SelectTypeParameters=CR_CPU", "SlurmdParameters=config_overrides",
            "ReturnToService=2", "SlurmdTimeout=15", "MessageTimeout=10", "MailProg=/bin/true",
            *(f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=16384"
              for name, port in zip(NODES, ports[1:])),
            f"PartitionName=all Nodes={','.join(NODES)} Default=YES State=UP",
        ]
        self.config = os.path.join(folder, "slurm.conf")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self.environment = {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "SLURM_CONF": self.config, "HOME": folder}
        self.start("munged", "--foreground", "--force", f"--key-file={munge}/key", f"--socket={munge}/socket",
                   f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed")
        until("munge's socket", lambda: os.path.exists(f"{munge}/socket"), 20)
        self.start("slurmctld", "-D", "-f", self.config)
        for name in NODES:
            self.start_node(name)
        until("idle nodes", lambda: self.says("sinfo", "--noheader", "--format=%T").split() == ["idle"], 60)

    def start(self, *command):
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        self.others.append(process)
        return process

    def start_node(self, name):
        # With the node's first process, all of them die.
        self.nodes[name] = self.start("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
                                      "slurmd", "-D", "-N", name, "-f", self.config)

    def crash(self, name):
        self.nodes[name].send_signal(signal.SIGKILL)
        self.nodes[name].wait()
        self.says("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=crashed")

    def says(self, *command):
        ran = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30, check=False)
        return ran.stdout.strip()

    def submit(self, environment, *arguments, array=None, after=None):
        options = ["--parsable", f"--output={self.folder}/job-%A-%a.out", "--export=ALL", "--mem=256", "--cpus-per-task=1"]
        options += [f"--array=0-{array - 1}"] if array else []
        options += [f"--dependency=afterok:{after}"] if after else []
        ran = subprocess.run(["sbatch", *options, SCRIPT, *arguments], env={**self.environment, **environment},
                             capture_output=True, text=True, timeout=30, check=True)
        return ran.stdout.strip()

    def running_on(self, job, node):
        return self.says("squeue", "--noheader", f"--jobs={job}", f"--nodelist={node}", "--states=RUNNING", "--format=%A")

    def tasks(self, job):
        """State and number of restarts of each task."""
        found = []
        for block in self.says("scontrol", "show", "job", job).split("\n\n"):
            fields = dict(word.split("=", 1) for word in block.split() if "=" in word)
            if "JobState" in fields:
                found.append((fields["JobState"], int(fields["Restarts"])))
        return found

    def finished(self, job):
        """Waits for an array job: what its tasks wrote, and how often one was started again."""
        over = ("COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT")
        until(f"job {job} ends", lambda: all(state in over for state, _ in self.tasks(job)))
        tasks = self.tasks(job)
        output = "".join(open(os.path.join(self.folder, name), encoding="utf-8").read()
                         for name in sorted(os.listdir(self.folder)) if name.startswith(f"job-{job}-"))
        return [state for state, _ in tasks], sum(restarts for _, restarts in tasks), output

    def stop(self):
        for process in reversed(self.others):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class World(Sandbox):
    """A sandbox with older trails, of which two are alike."""

    def __init__(self, folder, start):
        self.config = os.path.join(folder, "orgtrail.toml")
        with open(os.path.join(folder, "sandbox.log"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [ORGTRAIL, "sandbox", "up", "--accounts", "8", "--legacy", "3", "--history", "1d", "--seed", "7", "--frozen",
                 "--start", start, "--format", "json", "--write-config", self.config, "--yes"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder,
                env={name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ORGTRAIL_"))})
        self.said = json.loads(self.process.stdout.readline())
        self.endpoint, self.folder = self.said["endpoint"], folder
        self.management = keys(self.said)
        self.roots = {entry["account"]: entry for entry in self.said["accounts"]}

    def environment(self):
        return {"PATH": f"{os.path.dirname(ORGTRAIL)}:{os.environ['PATH']}", "HOME": self.folder, "ORGTRAIL_PACING": "off",
                "ORGTRAIL_CONFIG": self.config, "ORGTRAIL_SHARDS": str(SHARDS), "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_REGION": "us-east-1", **self.management}

    def run(self, *arguments):
        return subprocess.run([ORGTRAIL, *arguments], cwd=self.folder, env=self.environment(), capture_output=True,
                              text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL)

    def client(self, account=None):
        """S3 as the root user of an account, by default that of the archive."""
        with open(self.config, encoding="utf-8") as file:
            archive = re.search(r'^log_archive_account = "(\d+)"', file.read(), re.MULTILINE).group(1)
        of_root = self.root(account or archive)
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1",
                            aws_access_key_id=of_root["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=of_root["AWS_SECRET_ACCESS_KEY"])

    def bucket(self):
        with open(self.config, encoding="utf-8") as file:
            return re.search(r'\[archive\][^\[]*?^bucket = "([^"]+)"', file.read(), re.MULTILINE).group(1)

    def objects(self):
        """The log files and digests of the archive: their metadata, and the hash of their bytes."""
        return below_awslogs(self.client(), self.bucket())

    def sources(self):
        """The same of the older trails' buckets, by the keys that consolidation gives them."""
        found, organization = {}, self.said["organization"]
        for account in self.roots:
            s3 = self.client(account)
            try:
                buckets = [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
            # Of a suspended account.
            except botocore.exceptions.ClientError:
                continue
            for bucket in (name for name in buckets if "legacy" in name):
                for key, value in below_awslogs(s3, bucket).items():
                    found[key.replace("AWSLogs/", f"AWSLogs/{organization}/", 1)] = value
        return found


def below_awslogs(s3, bucket):
    found = {}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="AWSLogs/")
    for key in (entry["Key"] for page in pages for entry in page.get("Contents", [])):
        got = s3.get_object(Bucket=bucket, Key=key)
        found[key] = (hashlib.sha256(got["Body"].read()).hexdigest(), sorted(got["Metadata"].items()))
    return found


def compare(cluster, one, many):
    alone = json.loads(one.run("consolidate", "--yes", "--format", "json").stdout)
    check("a single process copies everything", alone["complete"] and alone["counts"]["copied"] > 300, alone["counts"])

    # The crash comes while tasks copy: each of the sandbox's answers takes a while.
    results = os.path.join(many.folder, "consolidated")
    job = cluster.submit(many.environment(), "consolidate", "-", results, array=SHARDS)
    until("a task runs on n2", lambda: cluster.running_on(job, "n2"))
    cluster.crash("n2")
    states, restarts, output = cluster.finished(job)
    check("every task completes", states == ["COMPLETED"] * SHARDS, f"{states}\n{output}")
    check("the task of the crashed node was queued again", restarts > 0, restarts)
    cluster.start_node("n2")
    cluster.says("scontrol", "update", "NodeName=n2", "State=RESUME")
    gathered = many.run("gather", results, "--format", "json")
    check("gather ends as the single process", gathered.returncode == 0, gathered.stderr)
    joined = json.loads(gathered.stdout)
    check("as many objects at the sources", joined["counts"]["at_source"] == alone["counts"]["at_source"],
          (joined["counts"], alone["counts"]))
    check("nothing is left, held back or in conflict",
          joined["complete"] and joined["failures"] == [] and joined["sources"] == alone["sources"], joined["failures"])
    theirs, ours = one.objects(), many.objects()
    check("the archives have the same keys", theirs.keys() == ours.keys(), sorted(theirs.keys() ^ ours.keys())[:5])
    # Not those of the other sandbox, which signs with keys of its own and has another port.
    different = [key for key, value in many.sources().items() if ours.get(key) != value]
    check("every object has the bytes and the metadata of its source", not different and len(many.sources()) > 300, different[:3])

    # Something to find.
    real = sorted(key for key in theirs if "/CloudTrail/" in key)[len(theirs) // 4]
    planted = re.sub(r"_[A-Za-z0-9]{16}\.json\.gz$", "_planted000000000.json.gz", real)
    many.client().put_object(Bucket=many.bucket(), Key=planted, Body=gzip.compress(b'{"Records":[]}'))
    moment = json.loads(many.run("verify", "--format", "json").stdout)["created_at"]
    whole = many.run("verify", "--until", moment, "--format", "json")
    check("a single process finds the planted file", whole.returncode == BROKEN and planted in whole.stdout, whole.stderr)
    results = os.path.join(many.folder, "verified")
    job = cluster.submit(many.environment(), "verify", moment, results, array=SHARDS)
    after = cluster.submit(many.environment(), "gather", "-", results, after=job)
    until("a task runs on n3", lambda: cluster.running_on(job, "n3"))
    cluster.crash("n3")
    states, restarts, output = cluster.finished(job)
    check("every verification completes", states == ["COMPLETED"] * SHARDS and restarts > 0, f"{states} {restarts}\n{output}")
    cluster.start_node("n3")
    cluster.says("scontrol", "update", "NodeName=n3", "State=RESUME")
    states, _, output = cluster.finished(after)
    check("the job that depends on them gathers, and fails by what was found", states == ["FAILED"] and planted in output,
          f"{states}\n{output}")
    gathered = many.run("gather", results, "--format", "json")
    check("gather has the exit code of the single process", gathered.returncode == BROKEN, gathered.stderr)
    mine, reference = json.loads(gathered.stdout), json.loads(whole.stdout)
    # Who gathers need not be signed in.
    of_caller = ("created_at", "identity", "environment_overrides")
    fields = [name for name in reference if name not in of_caller and mine.get(name) != reference[name]]
    check("and every field of its report", not fields, fields)
    os.remove(os.path.join(results, "shards", f"00002-of-{SHARDS:05}.json"))
    gathered = many.run("gather", results)
    check("a missing shard is incomplete", gathered.returncode == 14 and "1 of 6 shards" in gathered.stderr, gathered.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verbose", action="store_true")
    globals()["VERBOSE"] = parser.parse_args().verbose
    missing = [name for name in ("slurmctld", "slurmd", "munged", "unshare")
               if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if missing or os.geteuid() != 0:
        print(f"SKIPPED: needs root, and {', '.join(missing) or 'nothing else'} (Debian: slurm-wlm, munge)")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory(prefix=f"orgtrail-{name}-"))
                   for name in ("slurm", "one", "many")]
        start = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:00:00Z")
        one, many = (stack.enter_context(World(folder, start)) for folder in folders[1:])
        try:
            cluster = Cluster(folders[0], stack)
        # Such as in a container that may not make namespaces.
        except TimeoutError as error:
            print(f"SKIPPED: Slurm does not start on this machine: {error}")
            print("0 passed, 0 failed, 1 skipped")
            return 0
        compare(cluster, one, many)
    print(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed, 0 skipped")
    return 1 if COUNTS["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
