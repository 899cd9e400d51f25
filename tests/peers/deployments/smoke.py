"""The image's `orgtrail serve` on a sandbox, started as the Deployment starts it."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import boto3

from sandbox import ORGTRAIL, Sandbox

from . import USER, WRITABLE
from .systemd import Manager

STATE = "acme-orgtrail-state"


class Place:
    """An organization, and a folder with the files that the deployment mounts."""

    def __init__(self, directory, files):
        self.sandbox = Sandbox(directory)
        self.folder = os.path.join(directory, "etc")
        os.mkdir(self.folder)
        self.tokens = os.path.join(self.folder, "tokens.toml")
        self.environment = {"AWS_ENDPOINT_URL": self.sandbox.endpoint, "AWS_REGION": "us-east-1",
                            "ORGTRAIL_PACING": "off", **self.sandbox.management}
        self.s3 = boto3.client(
            "s3", region_name="us-east-1", endpoint_url=self.sandbox.endpoint,
            aws_access_key_id=self.sandbox.management["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.sandbox.management["AWS_SECRET_ACCESS_KEY"])
        self.s3.create_bucket(Bucket=STATE)
        config = self.configure(files.text("kubernetes/base/orgtrail.toml"))
        token = self.run(config, "service", "token", "--scope", "read", "--days", "1", "--name", "smoke", "--file",
                         self.tokens, "--format", "json")
        self.token = json.loads(token)["token"]
        # As a mounted secret: everybody reads it, and nobody changes it.
        os.chmod(self.tokens, 0o444)
        self.run(config, "apply", "--yes")

    def configure(self, text, name="orgtrail.toml"):
        """The repository's configuration with the sandbox's accounts and roles, on a free port."""
        text = text.replace("111111111111", self.sandbox.management_account)
        text = text.replace("222222222222", self.sandbox.log_archive_account)
        text = re.sub(r"OrgTrail(Member|Archive)", "OrganizationAccountAccessRole", text)
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(r':\d+"', ':0"', text))
        return path

    def run(self, config, *arguments):
        return subprocess.run([ORGTRAIL, "--config", config, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              check=True, text=True, timeout=600, cwd=self.folder,
                              env={"PATH": os.environ["PATH"], "HOME": self.folder, **self.environment}).stdout


class Running:
    """A service that logs into a file."""

    def __init__(self, log, start):
        self.log = log
        with open(log, "w", encoding="utf-8") as file:
            self.process = start(stdout=file, stderr=file)

    def text(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def url(self):
        for _ in range(600):
            found = re.search(r"SERVICE: http://[0-9.]+:(\d+)/", self.text())
            if found:
                return f"http://127.0.0.1:{found[1]}"
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"orgtrail serve did not start: {self.text()}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def get(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def run(check, directory, files, image, service, balanced):
    """`service` is what the Deployment starts, `balanced` the path that the load balancer asks."""
    place = Place(directory, files)
    try:
        serve(check, directory, image, service, balanced, place)
        other_files(check, directory, image, service, place)
        on_a_machine(check, directory, files, place)
    finally:
        place.sandbox.stop()


def serve(check, directory, image, service, balanced, place):
    # By name, which needs what glibc loads to resolve it.
    endpoint = place.sandbox.endpoint.replace("127.0.0.1", "localhost")
    environment = {**service["environment"], **place.environment, "AWS_ENDPOINT_URL": endpoint}
    running = Running(f"{directory}/serve.log", lambda **output: image.start(service["args"], environment, place.folder,
                                                                              **output))
    try:
        url = running.url()
        with open(f"/proc/{running.process.pid}/status", encoding="utf-8") as file:
            status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
        check.equal("smoke: the user", status["Uid"].split(), [str(USER)] * 4)
        check.equal("smoke: no capabilities", int(status["CapEff"], 16), 0)
        with open(f"/proc/{running.process.pid}/mountinfo", encoding="utf-8") as file:
            # Below the process's root; a later mount at the same place is on top.
            options = {line.split()[4]: line.split()[5].split(",") for line in file}
        writable = {path for path, flags in options.items() if "rw" in flags}
        check.equal("smoke: what is writable", writable, WRITABLE)
        check("smoke: the file system is read-only", {"/", "/etc/orgtrail"} <= set(options), set(options))
        for kind, path in {**service["paths"], "load balancer": balanced}.items():
            # By the address of a pod or task, which no configuration names.
            status, text = get(url + path, Host="10.20.30.40:8686")
            check(f"smoke: the {kind}'s {path}", status == 200, f"{status} {text}")
        check.equal("smoke: the host of public_url", get(url + "/livez", Host="orgtrail.example.com")[0], 200)
        check.equal("smoke: another host", get(url + "/livez", Host="evil.example")[0], 421)
        check.equal("smoke: without a token", get(url + "/api/v1/status")[0], 401)
        status, text = get(url + "/api/v1/openapi.json", Authorization=f"Bearer {place.token}")
        check.equal("smoke: with a token", status, 200)
        paths = json.loads(text)["paths"]
        check("smoke: the API has every path", {*service["paths"].values(), balanced} <= set(paths), sorted(paths))
        keys = [one["Key"] for one in place.s3.list_objects_v2(Bucket=STATE).get("Contents", [])]
        check("smoke: the state is in the bucket", any(key.startswith("probes/") for key in keys), keys)
        check.equal("smoke: the exit code at SIGTERM", running.stop(), 0)
    finally:
        running.end()


def other_files(check, directory, image, service, place):
    """What fails without a mount, and a round in the same image."""
    environment = {**service["environment"], **place.environment}
    running = Running(f"{directory}/unmounted.log",
                      lambda **output: image.start(service["args"], environment, place.folder, local=False, **output))
    check("smoke: without a place of its own it says so, and ends with 2",
          running.process.wait(60) == 2 and "evidence bundles" in running.text(), running.text())
    config = ["--config", "/etc/orgtrail/orgtrail.toml"]
    ran = image.start(["run", "drift", "--yes", "--quiet", "--format", "json", *config], environment, place.folder,
                      stdout=subprocess.PIPE, text=True)
    text = ran.communicate(timeout=300)[0]
    check("smoke: a round prints one document", ran.returncode in (0, 11)
          and json.loads(text)["document"] == "round-report", f"{ran.returncode} {text[:300]}")
    ran = image.start(["--version"], {}, place.folder, stdout=subprocess.PIPE, text=True)
    check("smoke: the version", ran.communicate(timeout=60)[0].startswith("orgtrail ") and ran.returncode == 0)


def on_a_machine(check, directory, files, place):
    """The configuration of the unit, with systemd's socket."""
    text = files.text("systemd/orgtrail.toml").replace("/run/credentials/orgtrail.service/tokens.toml", place.tokens)
    config = place.configure(text.replace("/var/lib/orgtrail", f"{directory}/state/orgtrail"), "machine.toml")
    manager = Manager(directory)
    environment = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": f"{directory}/state", **place.environment,
                   **manager.environment}
    running = Running(f"{directory}/machine.log", lambda **output: subprocess.Popen(
        [ORGTRAIL, "serve", "--log-json", "--config", config], stdin=subprocess.DEVNULL, env=environment, **output))
    try:
        check("systemd: it notifies that it is ready", manager.wait("READY=1"), running.text())
        check("systemd: and that it is alive", manager.wait("WATCHDOG=1"))
        running.process.send_signal(signal.SIGHUP)
        check.equal("systemd: it answers after a reload", get(running.url() + "/livez")[0], 200)
        check.equal("systemd: the exit code at SIGTERM", running.stop(), 0)
        check("systemd: and notified that it stops", manager.wait("STOPPING=1"))
    finally:
        running.end()
