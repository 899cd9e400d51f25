"""The systemd unit: `systemd-analyze`, and what the unit expects of `orgtrail serve`."""

import os
import re
import shlex
import socket
import subprocess

from . import CONFIG, GRACE, LOCAL

# In tenths; systemd calls up to 2.0 "OK".
EXPOSURE = 15


def run(check, files, program, directory):
    text = files.text("systemd/orgtrail.service")
    setting = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    start = shlex.split(setting["ExecStart"])
    complaint = program.complaint(start[1:])
    check("systemd: the arguments", complaint is None, complaint)
    check("systemd: the configuration", CONFIG in start)
    check("systemd: time to stop", int(setting["TimeoutStopSec"]) > GRACE)
    check.equal("systemd: exit codes that do not restart it", int(setting["RestartPreventExitStatus"]), 2)
    config = files.toml("systemd/orgtrail.toml")["service"]
    check.equal("systemd: the state's directory", f"/var/lib/{setting['StateDirectory']}", LOCAL)
    check.equal("systemd: the state", config["state"], LOCAL)
    check("systemd: it is for this machine", config["listen"].startswith("127.0.0.1:"))
    credential = setting["LoadCredential"].partition(":")[0]
    check.equal("systemd: the tokens", config["access"]["tokens"], f"/run/credentials/orgtrail.service/{credential}")
    # The unit names a binary that is not installed here.
    unit = os.path.join(directory, "orgtrail.service")
    with open(unit, "w", encoding="utf-8") as file:
        file.write(text.replace(start[0], program.binary))
    ran = analyze("verify", unit)
    check("systemd: the unit is valid", ran.returncode == 0 and not ran.stderr, ran.stderr)
    ran = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", unit)
    check(f"systemd: the exposure is at most {EXPOSURE / 10}", ran.returncode == 0, ran.stdout[-200:] + ran.stderr)


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


class Manager:
    """The socket on which a service notifies systemd."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(60)
        self.environment = {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "1500000"}

    def wait(self, message):
        """Whether the message arrives."""
        try:
            while message not in self.socket.recv(4096).decode().splitlines():
                pass
        except TimeoutError:
            return False
        return True
