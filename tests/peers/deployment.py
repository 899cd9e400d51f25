"""The files of `infra/` against the tools that use them, and against the binary.

    deployment.py [--verbose]

Builds the image with buildah and runs it on a sandbox; builds the Kustomize folders and compares
them with Kubernetes' schemas; parses the Terraform module; has systemd-analyze, hadolint and
checkov inspect the rest. Every command, path and port in the files must be the binary's. Finally
it damages copies of the files, one at a time, and each damage must fail a check. Runs in the
environment `deployment` of setup.sh.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from deployments import Checks, Files, Program, commands, container, ecs, kubernetes, mutations  # noqa: E402
from deployments import smoke, systemd, terraform  # noqa: E402
from sandbox import ORGTRAIL, PEERS, ROOT  # noqa: E402

BIN = os.path.join(PEERS, "deployment/bin")
DOCS = [os.path.join(ROOT, "docs", name) for name in ("deployment.md", "service.md", "rounds.md")]

# What checkov reports and is no defect, with the reason.
SKIPPED = {
    "CKV_K8S_11": "a limit of the CPU would slow rounds down, and protects nobody: requests do",
    "CKV_K8S_15": "a tag is one release; the digest decides where the registry is not trusted",
    "CKV_K8S_43": "the repository cannot know the digest of an image that the user builds",
    "CKV_AWS_18": "the state is no evidence, and claims are written every minute",
    "CKV_AWS_21": "nothing in the state is deleted, and heartbeats are replaced every 20 seconds",
    "CKV_AWS_111": "the write is on the state's bucket only",
    "CKV_AWS_158": "the log has no secrets, and CloudWatch encrypts it with its own key",
    "CKV_AWS_91": "access logs of the load balancer need a bucket, which is the user's choice",
    "CKV_AWS_131": "`drop_invalid_header_fields` is set; this check reads the first attribute only",
    "CKV_AWS_150": "the load balancer keeps nothing: deleting the stack must delete it",
    "CKV_AWS_65": "container insights cost as much as the service",
    "CKV_AWS_97": "the volumes are the task's own, and are not EFS",
    "CKV_AWS_336": "orgtrail's file system is read-only; the container before it writes the configuration",
    "CKV_AWS_249": "the execution role starts the task, and the task's role works",
    "CKV_DOCKER_2": "the service's health is asked from outside: the image has nothing else to run",
}


def checkov(check, files, manifests):
    targets = [f"--file={files.path(name)}" for name in ("ecs/service.yaml", "schedule/ecs.yaml", "state/bucket.yaml",
                                                         "container/Containerfile")]
    targets += [f"--file={manifests}"]
    skipped = f"--skip-check={','.join(SKIPPED)}"
    # Its files and its folders are two runs.
    for name, where in (("the files", targets), ("the module", ["--directory", files.path("terraform")])):
        ran = subprocess.run([os.path.join(PEERS, "checkov/bin/checkov"), *where, skipped, "--skip-download", "--quiet",
                              "--compact", "--framework", "terraform", "cloudformation", "kubernetes", "dockerfile"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
                             env={**os.environ, "LOG_LEVEL": "ERROR"})
        passed = ran.returncode == 0 and "Passed checks: " in ran.stdout and "Failed to run" not in ran.stderr
        check(f"checkov: {name}", passed, ran.stdout + ran.stderr)


def static(check, files, program, directory):
    """What needs no image and takes a moment."""
    commands.run(check, files, program, DOCS)
    commands.configurations(check, files, program)
    balanced = ecs.run(check, files, program)
    service = kubernetes.run(check, files, program, os.path.join(BIN, "kubectl"))
    check.equal("the load balancer asks what Kubernetes asks", balanced, service["paths"]["livenessProbe"])
    terraform.run(check, files)
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
            static(found, files, program, directory)
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
