"""The servers that stand in for AWS: how each is started, and what it has at all."""

import atexit
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

import radosgw
import sandbox
from sandbox import ORGTRAIL, PEERS

REGION = "us-east-1"
MEMBER_ROLE = "OrganizationAccountAccessRole"
CONTROL = {"s3", "iam", "accounts", "organizations", "cloudtrail", "kms", "logs", "cloudwatch", "sns"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment(**more):
    """The environment without what would send an AWS client elsewhere."""
    return {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | more


class Server:
    """A server that runs as long as the suite does."""

    name = version = None
    has = {"s3"}
    access_key, secret_key = "test", "test"

    def __init__(self):
        self.process = None
        self.endpoint = None
        self.directory = tempfile.mkdtemp(prefix=f"orgtrail-{self.name}-")
        atexit.register(self.stop)

    def missing(self):
        """Why it cannot be started, or None."""
        program = self.program()
        return None if os.access(program, os.X_OK) else f"{program} is not there: run tests/peers/setup.sh {self.name}"

    def program(self):
        raise NotImplementedError

    def credentials(self):
        return {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}

    def root_credentials(self):
        """The credentials of a root user who owns an MFA device."""
        raise NotImplementedError

    def mfa_token(self):
        raise NotImplementedError

    def prepare_member(self, main, member):
        """Makes the member account enterable, where making the account does not."""

    def start(self):
        raise NotImplementedError

    def spawn(self, command, **environment):
        log = open(os.path.join(self.directory, "out.log"), "w", encoding="utf-8")
        self.process = subprocess.Popen(command, cwd=self.directory, env=clean_environment(**environment),
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def wait(self, url=None, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process and self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(url or self.endpoint, timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not answer within {seconds} s:\n{self.log()[-2000:]}")

    def log(self):
        with open(os.path.join(self.directory, "out.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def client(self, service, region=REGION, credentials=None, **config):
        options = {"retries": {"max_attempts": 0}, "s3": {"addressing_style": "path"},
                   "connect_timeout": 5, "read_timeout": 60, "max_pool_connections": 20, **config}
        return boto3.session.Session().client(service, region_name=region, endpoint_url=self.endpoint,
                                              config=Config(**options), **(credentials or self.credentials()))


class Sandbox(Server):
    """orgtrail's own."""

    name = "sandbox"
    has = CONTROL | {"athena", "cloudformation", "config", "events", "glue", "guardduty", "mfa-device", "query-definitions", "securityhub",
                     "sqs"}

    def program(self):
        return ORGTRAIL

    def missing(self):
        return None if os.access(ORGTRAIL, os.X_OK) else f"{ORGTRAIL} is not there: build it or name it in ORGTRAIL"

    def start(self):
        self.sandbox = sandbox.Sandbox(self.directory)
        self.endpoint = self.sandbox.endpoint
        management = self.sandbox.management
        self.access_key, self.secret_key = management["AWS_ACCESS_KEY_ID"], management["AWS_SECRET_ACCESS_KEY"]

    def stop(self):
        if getattr(self, "sandbox", None):
            self.sandbox.stop()
        super().stop()

    def root_credentials(self):
        root = self.sandbox.root(self.sandbox.management_account)
        return {"aws_access_key_id": root["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": root["AWS_SECRET_ACCESS_KEY"]}

    def mfa_token(self):
        return self.sandbox.mfa_token(self.sandbox.management_account)


class Moto(Server):
    """moto, which has all the services and accounts, and enforces few policies."""

    name = "moto"
    has = CONTROL | {"athena", "cloudformation", "config", "events", "glue", "guardduty", "securityhub", "sqs"}

    def program(self):
        return os.path.join(PEERS, "moto", "bin", "moto_server")

    def start(self):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.spawn([self.program(), "-H", "127.0.0.1", "-p", str(port)], MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS="false")
        self.wait()


class Ministack(Server):
    """ministack with authentication on: trust policies, denials, signatures."""

    name = "ministack"
    has = CONTROL
    # A key of twelve digits is that account's root.
    access_key = "111111111111"

    def program(self):
        return os.path.join(PEERS, "ministack", "bin", "ministack")

    def start(self):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        # It listens on every interface unless told.
        self.spawn([self.program()], BIND_HOST="127.0.0.1", GATEWAY_PORT=str(port), SFTP_ENABLED="0", AUTH="true")
        self.wait(f"{self.endpoint}/_ministack/health")

    def prepare_member(self, main, member):
        """Accounts are made without the role that AWS puts into them."""
        iam = self.client("iam", credentials={"aws_access_key_id": member, "aws_secret_access_key": self.secret_key})
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                        "Principal": {"AWS": f"arn:aws:iam::{main}:root"}}]}
        iam.create_role(RoleName=MEMBER_ROLE, AssumeRolePolicyDocument=json.dumps(trust))
        iam.put_role_policy(RoleName=MEMBER_ROLE, PolicyName="all", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))


class SeaweedFS(Server):
    """SeaweedFS: S3 alone, strict on Object Lock."""

    name = "seaweedfs"

    def program(self):
        return os.path.join(PEERS, "seaweedfs", "bin", "weed")

    def start(self):
        port, master, volume, filer = (free_port() for _ in range(4))
        self.endpoint = f"http://127.0.0.1:{port}"
        config = os.path.join(self.directory, "s3.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"identities": [{"name": "root", "actions": ["Admin", "Read", "Write", "List", "Tagging"], "credentials": [
                {"accessKey": self.access_key, "secretKey": self.secret_key}]}]}, file)
        self.spawn([self.program(), "server", f"-dir={self.directory}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                    "-s3", f"-s3.port={port}", f"-s3.config={config}", "-s3.port.iceberg=0",
                    f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
                    f"-master.port.grpc={free_port()}", f"-volume.port.grpc={free_port()}",
                    f"-filer.port.grpc={free_port()}", f"-s3.port.grpc={free_port()}",
                    "-master.telemetry=false", "-volume.max=4000", "-master.volumeSizeLimitMB=64"])
        self.wait()
        self.wait_for_writes()

    def wait_for_writes(self, seconds=60):
        """It answers before it can store: wait for the first object."""
        s3 = self.client("s3")
        end = time.monotonic() + seconds
        while True:
            try:
                s3.create_bucket(Bucket="first-object")
                s3.put_object(Bucket="first-object", Key="k", Body=b"x")
                return
            except Exception:  # noqa: BLE001: whatever it answers while it starts
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)


class CephGateway(Server):
    """Ceph's gateway: S3 alone, strict on Object Lock and on MFA delete."""

    name = "radosgw"
    has = {"s3", "mfa-device"}

    def missing(self):
        programs = radosgw.Radosgw.missing()
        return f"{', '.join(programs)} not installed: run tests/peers/setup.sh radosgw" if programs else None

    def start(self):
        self.gateway = radosgw.Radosgw(self.directory, free_port(), free_port())
        self.gateway.start()
        self.endpoint = self.gateway.endpoint
        self.access_key, self.secret_key = self.gateway.access_key, self.gateway.secret_key

    def stop(self):
        if getattr(self, "gateway", None):
            self.gateway.stop()
        super().stop()

    def root_credentials(self):
        return self.credentials()

    def mfa_token(self):
        return self.gateway.token()


SERVERS = {server.name: server for server in (Sandbox, Moto, Ministack, SeaweedFS, CephGateway)}
