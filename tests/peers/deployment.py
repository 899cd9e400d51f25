"""The files of `infra/` against the tools that use them, and against the binary.

    deployment.py [--verbose]

Builds the image with buildah and runs it on a sandbox; builds the Kustomize folders and compares
them with Kubernetes' schemas; parses the Terraform module; has systemd-analyze, hadolint and
checkov inspect the rest. Every command, path and port in the files must be the binary's. Finally
it damages copies of the files, one at a time, and each damage must fail a check. Runs in the
environment `deployment` of setup.sh.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from deployments import Checks, Files, Program, commands, container, ecs, kubernetes, mutations  # noqa: E402
from deployments import monitoring, smoke, systemd, terraform  # noqa: E402
from sandbox import ORGTRAIL, PEERS, ROOT  # noqa: E402

BIN = os.path.join(PEERS, "deployment/bin")
DOCS = [os.path.join(ROOT, "docs", name) for name in ("deployment.md", "service.md", "rounds.md")]
ALERTS = os.path.join(ROOT, "docs", "service-api.md")

# What checkov reports and is no defect, with the reason. The Terraform module has its own beside
# the resources.
IGNORED = {
    "CKV_K8S_11": "a limit of the CPU would slow rounds down, and protects nobody: requests do",
    "CKV_K8S_15": "a tag is one release; the digest decides where the registry is not trusted",
    "CKV_K8S_43": "the repository cannot know the digest of an image that the user builds",
    "CKV_AWS_18": "the state is no evidence, and replicas write it all the time",
    "CKV_AWS_21": "nothing in the state is deleted, and heartbeats are replaced every 20 seconds",
    "CKV_AWS_65": "container insights are the cluster's, and cost as much as the service",
    "CKV_AWS_91": "access logs of the load balancer need a bucket, which is the user's choice",
    "CKV_AWS_158": "the log has no secrets, and CloudWatch encrypts it with its own key",
}


def checkov(check, files, manifests):
    """What checkov finds is exactly what is ignored."""
    found, passed = set(), 0
    names = [files.path(name) for name in ("ecs/service.yaml", "schedule/ecs.yaml", "state/bucket.yaml")]
    # Files and folders are two runs.
    for where, frameworks in (([f"--file={name}" for name in (*names, manifests)], ["cloudformation", "kubernetes"]),
                              (["--directory", files.path("terraform")], ["terraform"])):
        ran = subprocess.run([os.path.join(PEERS, "checkov/bin/checkov"), *where, "--skip-download", "--output", "json",
                              "--framework", *frameworks],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
                             env={**os.environ, "LOG_LEVEL": "ERROR"})
        reports = json.loads(ran.stdout)
        reports = reports if isinstance(reports, list) else [reports]
        check.equal("checkov inspects", {report["check_type"] for report in reports}, set(frameworks))
        check("checkov has no problem of its own", "ERROR" not in ran.stderr, ran.stderr)
        for report in reports:
            check(f"checkov reads every {report['check_type']} file", not report["results"]["parsing_errors"],
                  report["results"]["parsing_errors"])
            passed += report["summary"]["passed"]
            for one in report["results"]["failed_checks"]:
                found.add(one["check_id"])
                if one["check_id"] not in IGNORED:
                    check(f"checkov: {one['resource']}: {one['check_name']} ({one['check_id']})", False)
    check("checkov checks much", passed > 250, passed)
    check.equal("checkov finds all that is ignored", found & set(IGNORED), set(IGNORED))


def static(check, files, program, directory, about=""):
    """What needs no image. `about` is a file: then only the checks of its folder."""
    folder = about.partition("/")[0]
    service = balanced = None
    if folder not in ("kubernetes", "terraform", "service"):
        commands.run(check, files, program, DOCS)
        commands.configurations(check, files, program)
    if folder not in ("kubernetes", "terraform", "service", "systemd"):
        balanced = ecs.run(check, files, program)
    if folder in ("", "kubernetes"):
        service = kubernetes.run(check, files, program, os.path.join(BIN, "kubectl"))
        check.equal("what restarts a pod is the documented path", service["paths"]["livenessProbe"], "/livez")
    if folder in ("", "terraform", "state"):
        terraform.run(check, files)
    if folder in ("", "service"):
        monitoring.run(check, files, ALERTS)
    if folder in ("", "systemd"):
        systemd.run(check, files, program, directory)
    return service, balanced


def whole(check, files, program, directory):
    service, balanced = timed("files", static, check, files, program, directory)
    container.lint(check, files, os.path.join(BIN, "hadolint"))
    manifests = os.path.join(directory, "manifests.yaml")
    with open(manifests, "w", encoding="utf-8") as file:
        for folder in ("service", "round"):
            file.write(kubernetes.build(files, os.path.join(BIN, "kubectl"), folder)[1] + "---\n")
    timed("checkov", checkov, check, files, manifests)
    image = timed("image", container.Image, directory, ROOT, ORGTRAIL)
    try:
        container.describe(check, image, files, program)
        container.components(check, image)
        container.refusals(check, image, ORGTRAIL)
        timed("again", container.again, check, image, ORGTRAIL)
        timed("smoke", smoke.run, check, directory, files, image, service, balanced)
    finally:
        image.remove()


def damaged(check, program, directory):
    """Each damage to a copy of the files fails a check."""
    for name, old, new in mutations.ALL:
        copy = os.path.join(directory, "copy")
        shutil.copytree(os.path.join(ROOT, "infra"), copy)
        files = Files(copy)
        text = files.text(name)
        if text.count(old) < 1:
            raise RuntimeError(f"{name} has no {old!r}")
        with open(files.path(name), "w", encoding="utf-8") as file:
            file.write(text.replace(old, new, 1))
        found = Silent()
        try:
            static(found, files, program, directory, name)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, RuntimeError) as error:
            found.failed.append(repr(error))
        check(f"damage: {name}: {old.strip()} → {new.strip()}", found.failed)
        shutil.rmtree(copy)


class Silent(Checks):
    """Checks that are expected to fail."""

    def __init__(self):
        super().__init__(False)

    def __call__(self, name, passed, detail=""):
        if not passed:
            self.failed.append(name)


def timed(name, run, *arguments):
    start = time.monotonic()
    result = run(*arguments)
    print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)
    return result


def main():
    check = Checks("--verbose" in sys.argv)
    program, files = Program(ORGTRAIL), Files(os.path.join(ROOT, "infra"))
    with tempfile.TemporaryDirectory() as directory:
        whole(check, files, program, directory)
        timed("damage", damaged, check, program, directory)
    print(f"{check.passed} passed, {len(check.failed)} failed, 0 skipped")
    return 1 if check.failed or not check.passed else 0


if __name__ == "__main__":
    sys.exit(main())
