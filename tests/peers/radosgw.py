"""A one-node Ceph object gateway on the loopback interface, in memory.

The only independent server found that truly enforces MFA delete, with a TOTP
device. Needs Debian's radosgw, ceph-mon and ceph-osd; nothing outside
of the given folder is touched.
"""

import hashlib
import hmac
import os
import secrets
import shutil
import struct
import subprocess
import time
import urllib.request
import uuid

CONFIG = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}]
ms bind msgr1 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
run dir = {dir}
admin socket = {dir}/$name.asok
log file = {dir}/$name.log
pid file = {dir}/$name.pid
keyring = {dir}/keyring
# One copy of everything in one process's memory.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 1073741824
mon allow pool size one = true
mon max pg per osd = 1000
# The monitor refuses to start on a disk that is 95% full; it needs a few MiB.
mon data avail crit = 0
mon data avail warn = 0
[mon.a]
mon data = {dir}/mon
[osd.0]
osd data = {dir}/osd
[client.rgw]
rgw data = {dir}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw crypt require ssl = false
rgw enable usage log = false
"""

SERIAL = "ORGTRAIL1"
# A code counts once. At the usual 30 seconds a suite would wait for minutes.
STEP_SECONDS = 1


class Radosgw:
    """The gateway's processes: monitor, object store, gateway."""

    def __init__(self, directory, port, mon_port):
        self.directory = os.path.abspath(directory)
        self.endpoint = f"http://127.0.0.1:{port}"
        self.port, self.mon_port = port, mon_port
        self.access_key, self.secret_key = "orgtrail", secrets.token_hex(20)
        self.seed = secrets.token_bytes(20)
        self.processes = []
        self.last_step = 0

    @staticmethod
    def missing():
        """The programs that are not installed."""
        wanted = ("ceph", "ceph-authtool", "monmaptool", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin")
        return [name for name in wanted if shutil.which(name) is None]

    def start(self):
        for name in ("mon", "osd", "rgw"):
            os.makedirs(os.path.join(self.directory, name), exist_ok=True)
        fsid = str(uuid.uuid4())
        with open(self._path("ceph.conf"), "w", encoding="utf-8") as file:
            file.write(CONFIG.format(dir=self.directory, fsid=fsid, port=self.port, mon_port=self.mon_port))
        for name, caps in {
            "mon.": {"mon": "allow *"},
            "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
            "osd.0": {"mon": "allow profile osd", "osd": "allow *", "mgr": "allow profile osd"},
            "client.rgw": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
        }.items():
            flags = [flag for who, what in caps.items() for flag in ("--cap", who, what)]
            create = ["--create-keyring"] if name == "mon." else []
            self._run("ceph-authtool", *create, "keyring", "--gen-key", "-n", name, *flags)
        address = f"[v2:127.0.0.1:{self.mon_port}]"
        self._run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", address, "monmap")
        self._run("ceph-mon", "-c", "ceph.conf", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")
        self._spawn("ceph-mon", "-i", "a")
        self._wait("the monitor", lambda: self._ceph("mon", "stat"))
        osd = str(uuid.uuid4())
        self._ceph("osd", "new", osd, check=True)
        self._run("ceph-osd", "-c", "ceph.conf", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._spawn("ceph-osd", "-i", "0")
        self._wait("the object store", lambda: "1 up" in (self._ceph("osd", "stat") or ""))
        self._spawn("radosgw", "-n", "client.rgw")
        self._wait("the gateway", lambda: self._answers())
        self._admin("user", "create", "--uid=orgtrail", "--display-name=orgtrail",
                    f"--access-key={self.access_key}", f"--secret={self.secret_key}")
        self._admin("mfa", "create", "--uid=orgtrail", f"--totp-serial={SERIAL}",
                    f"--totp-seed={self.seed.hex()}", "--totp-seed-type=hex", f"--totp-seconds={STEP_SECONDS}",
                    "--totp-window=5")
        return self

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        self.processes = []

    def token(self):
        """The device's serial and a code that it never showed before."""
        while (step := int(time.time()) // STEP_SECONDS) <= self.last_step:
            time.sleep(0.05)
        self.last_step = step
        digest = hmac.new(self.seed, struct.pack(">Q", step), hashlib.sha1).digest()
        offset = digest[-1] & 15
        code = (struct.unpack(">I", digest[offset:offset + 4])[0] & 0x7FFFFFFF) % 1_000_000
        return f"{SERIAL} {code:06d}"

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _run(self, *command):
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def _spawn(self, program, *arguments):
        with open(self._path(f"{program}.out"), "w", encoding="utf-8") as out:
            self.processes.append(subprocess.Popen(
                [program, "-c", "ceph.conf", "-f", *arguments],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=out, stderr=out))

    def _ceph(self, *arguments, check=False):
        command = ["ceph", "-c", "ceph.conf", "-n", "client.admin", "--connect-timeout", "5", *arguments]
        if check:
            return self._run(*command)
        try:
            return self._run(*command)
        except (RuntimeError, subprocess.TimeoutExpired):
            return None

    def _admin(self, *arguments):
        return self._run("radosgw-admin", "-c", "ceph.conf", "-n", "client.admin", *arguments)

    def _answers(self):
        try:
            urllib.request.urlopen(self.endpoint, timeout=5).close()
            return True
        except OSError:
            return False

    def _wait(self, what, ready, seconds=90):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(process.poll() is not None for process in self.processes):
                raise RuntimeError(f"a process of radosgw ended while waiting for {what}; see {self.directory}")
            if ready():
                return
            time.sleep(0.2)
        raise RuntimeError(f"{what} of radosgw did not come up within {seconds} s; see {self.directory}")
