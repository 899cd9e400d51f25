"""`orgtrail sandbox up`, started and stopped, with what its output says."""

import base64
import datetime
import hashlib
import hmac
import json
import os
import struct
import subprocess
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
PEERS = os.path.abspath(os.environ.get("ORGTRAIL_PEERS", os.path.join(TARGET, "peers")))
ORGTRAIL = os.path.abspath(os.environ.get("ORGTRAIL", os.path.join(TARGET, "debug", "orgtrail")))


class Sandbox:
    """A sandbox of its own process, on a free port."""

    def __init__(self, directory, accounts=6, start=None):
        self.directory, self.accounts = directory, accounts
        with open(os.path.join(directory, "sandbox.log"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [ORGTRAIL, "sandbox", "up", "--accounts", str(accounts), "--port", "0", "--format", "json",
                 *(("--start", start.strftime("%Y-%m-%dT%H:%M:%SZ")) if start else ())],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, cwd=directory,
                env={k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "ORGTRAIL_"))})
        line = self.process.stdout.readline()
        try:
            self.said = json.loads(line)
        except ValueError:
            self.stop()
            with open(os.path.join(directory, "sandbox.log"), encoding="utf-8") as log:
                raise RuntimeError(f"orgtrail sandbox up did not start: {line} {log.read()}") from None
        self.endpoint = self.said["endpoint"]
        self.management = keys(self.said)
        self.roots = {entry["account"]: entry for entry in self.said["accounts"]}
        ids = [entry["account"] for entry in self.said["accounts"]]
        self.management_account, self.log_archive_account, self.audit_account = ids[:3]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()

    def root(self, account):
        """The environment of an account's root user."""
        return keys(self.roots[account], prefix="root_")

    def mfa_token(self, account):
        """Serial and code of the root user's device."""
        device = self.roots[account]
        seed = base64.b32decode(device["root_mfa_seed"] + "=" * (-len(device["root_mfa_seed"]) % 8))
        # Not in a window's last second: the call comes after.
        while time.time() % 30 > 28:
            time.sleep(0.1)
        digest = hmac.new(seed, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
        offset = digest[-1] & 15
        number = struct.unpack(">I", digest[offset:offset + 4])[0] & 0x7FFFFFFF
        return f"{device['root_mfa_serial']} {number % 1_000_000:06d}"

    def now(self):
        """What the simulated clock shows."""
        with urllib.request.urlopen(f"{self.endpoint}/_sandbox/state", timeout=10) as answer:
            return datetime.datetime.fromisoformat(json.load(answer)["now"])

    def tick(self, hours):
        """Puts the simulated clock forward."""
        subprocess.run([ORGTRAIL, "sandbox", "tick", "--hours", str(hours), "--endpoint", self.endpoint],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=600, env={})


def keys(said, prefix=""):
    return {"AWS_ACCESS_KEY_ID": said[f"{prefix}access_key_id"],
            "AWS_SECRET_ACCESS_KEY": said[f"{prefix}secret_access_key"]}
