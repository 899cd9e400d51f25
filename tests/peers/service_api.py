"""The API of the service against its own description, and its metrics against Prometheus.

    service_api.py [--verbose]

Starts `orgtrail serve` on a sandbox of its own and has it run a round. Then
openapi-spec-validator reads the description, schemathesis sends what the description allows
and what it does not (no 5xx, no response that is not described), and promtool reads the
metrics, the alert rules and the rules' expressions. Runs in the environment `service` of
setup.sh; promtool is Debian's.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True

from openapi_spec_validator import OpenAPIV31SpecValidator  # noqa: E402

from sandbox import ORGTRAIL, ROOT, Sandbox  # noqa: E402

VERBOSE = False
COUNTS = {"passed": 0, "failed": 0}
SCOPES = ["read", "metrics", "run", "evidence"]


def check(name, passed, detail=""):
    COUNTS["passed" if passed else "failed"] += 1
    if VERBOSE or not passed:
        print(f"  {'ok' if passed else 'FAILED':6} {name}{f': {detail}' if detail and not passed else ''}", flush=True)


class Service:
    """`orgtrail serve` on a free port, with a token of every scope."""

    def __init__(self, directory, sandbox):
        self.directory = directory
        config = os.path.join(directory, "orgtrail.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""
[organization]
management_account = "{sandbox.management_account}"
log_archive_account = "{sandbox.log_archive_account}"
home_region = "us-east-1"
[archive]
bucket = "acme-log-archive"
[service]
listen = "127.0.0.1:0"
state = "{directory}/state"
[service.access]
tokens = "{directory}/tokens.toml"
[[service.schedule]]
name = "test"
run = ["drift", "verify"]
cron = "0 0 1 1 *"
""")
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": directory, "AWS_ENDPOINT_URL": sandbox.endpoint,
            "AWS_REGION": "us-east-1", "ORGTRAIL_PACING": "off", "ORGTRAIL_CONFIG": config,
            **sandbox.management}
        token = self.run("service", "token", *sum((["--scope", scope] for scope in SCOPES), []), "--days", "1",
                         "--format", "json")
        self.token = json.loads(token)["token"]
        self.run("apply", "--yes")
        self.log = os.path.join(directory, "serve.log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([ORGTRAIL, "serve"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.environment)
        self.url = self.await_url()

    def run(self, *arguments):
        return subprocess.run([ORGTRAIL, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=True,
                              text=True, timeout=600, env=self.environment, cwd=self.directory).stdout

    def await_url(self):
        for _ in range(600):
            with open(self.log, encoding="utf-8") as log:
                text = log.read()
            found = re.search(r"SERVICE: (http://[0-9.:]+)/", text)
            if found:
                return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"orgtrail serve did not start: {text}")

    def get(self, path, token=True, **options):
        request = urllib.request.Request(self.url + path, **options)
        if token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def round(self):
        """Runs a round, and waits for its end."""
        status, text = self.get("/api/v1/rounds", method="POST", data=b'{"schedule":"test"}',
                                headers={"Content-Type": "application/json"})
        if status != 202:
            raise RuntimeError(f"no round: {status} {text}")
        place = f"/api/v1/rounds/{json.loads(text)['id']}"
        for _ in range(1200):
            status, text = self.get(place)
            if status == 200:
                return json.loads(text)
            time.sleep(0.1)
        raise RuntimeError(f"the round did not end: {status} {text}")

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)


def promtool(*arguments, text=None):
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, timeout=60,
                          check=False)


def metrics(service):
    _, text = service.get("/metrics")
    checked = promtool("check", "metrics", text=text)
    check("promtool reads the metrics", checked.returncode == 0, checked.stdout + checked.stderr)
    rules = os.path.join(ROOT, "infra", "service", "alerts.yml")
    checked = promtool("check", "rules", rules)
    check("promtool reads the alert rules", checked.returncode == 0, checked.stdout + checked.stderr)


def description(service):
    status, text = service.get("/api/v1/openapi.json")
    check("the description is there", status == 200, text)
    errors = [str(error)[:300] for error in OpenAPIV31SpecValidator(json.loads(text)).iter_errors()]
    check("openapi-spec-validator accepts it", not errors, "; ".join(errors[:3]))


def schemathesis(service):
    command = [
        os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", f"{service.url}/api/v1/openapi.json",
        "--url", service.url, "--header", f"Authorization: Bearer {service.token}",
        # It answers for as long as the client stays.
        "--exclude-operation-id", "events",
        "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
                    "response_schema_conformance,response_headers_conformance,unsupported_method",
        "--max-examples", "25", "--seed", "1", "--request-timeout", "60", "--workers", "1", "--no-color"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False,
                           cwd=service.directory)
    if VERBOSE or ended.returncode:
        print(ended.stdout[-8000:], ended.stderr[-2000:])
    check("schemathesis finds no 5xx and no response that is not described", ended.returncode == 0)


def main():
    global VERBOSE
    VERBOSE = "--verbose" in sys.argv
    with tempfile.TemporaryDirectory() as directory, Sandbox(directory) as sandbox:
        service = Service(directory, sandbox)
        try:
            status, _ = service.get("/api/v1/status", token=False)
            check("without a token there is no answer", status == 401, str(status))
            ended = service.round()
            check("a requested round is stored", ended["trigger"] == "request", json.dumps(ended)[:300])
            description(service)
            metrics(service)
            schemathesis(service)
            status, text = service.get("/livez", token=False)
            check("the service still answers", status == 200, text)
        finally:
            code = service.stop()
        check("the service ends cleanly", code == 0, str(code))
    print(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed, 0 skipped")
    return 1 if COUNTS["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
