"""The image, built with buildah from the binary that was built here, and what runs in it.

The stage that builds orgtrail needs an image from a registry, so here its result is given: the
folder that `root-file-system` makes. Everything after it is built as users build it.
"""

import json
import os
import platform
import subprocess
import tempfile

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from . import CONFIG, LOCAL, STATE_HOME, USER

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
OTHER = {"amd64": "arm64", "arm64": "amd64"}[ARCHITECTURE]
REVISION = "0123456789ab"

# Runs in a mount namespace of its own: the image's file system read-only, as a user without
# privileges. `chroot` stands in for a container runtime; /dev and /proc are missing.
RUN = """
set -eu
root=$1 config=$2 local=$3
shift 3
# A runtime's own file.
echo "127.0.0.1 localhost" >"$root/etc/hosts"
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
mount -t tmpfs -o size=64m,mode=1777 tmpfs "$root/tmp"
if [ "$local" = yes ]; then
    mount -t tmpfs -o size=64m,mode=700,uid=65532,gid=65532 tmpfs "$root/var/lib/orgtrail"
fi
mount --bind "$config" "$root/etc/orgtrail"
mount -o remount,ro,bind "$root/etc/orgtrail"
exec chroot --userspec=65532:65532 --groups= "$root" "$@"
"""


class Image:
    """The image in a storage of its own, and its file system."""

    def __init__(self, directory, root, binary):
        self.directory, self.root = directory, root
        self.script = os.path.join(root, "infra/container/root-file-system")
        self.id = self.build(binary)
        self.config = json.loads(self.buildah("inspect", "--type", "image", "orgtrail"))["OCIv1"]
        self.container = self.buildah("from", "--pull-never", "orgtrail").strip()
        self.files = self.buildah("mount", self.container).strip()

    def build(self, binary, tag="orgtrail", architecture=ARCHITECTURE):
        """Builds the image, and returns its id."""
        with tempfile.TemporaryDirectory(dir=self.directory) as context:
            place = os.path.join(context, "root-file-system")
            if architecture == ARCHITECTURE:
                ran = self.assemble(binary, architecture, place)
                if ran.returncode != 0:
                    raise RuntimeError(ran.stderr)
            else:
                # Of another machine, only what the image says about itself can be built here.
                os.mkdir(place)
            self.buildah("build", "--isolation", "chroot", "--timestamp", "0", "--platform", f"linux/{architecture}",
                         "--build-context", f"build={context}", "--build-arg", f"REVISION={REVISION}",
                         "--file", "infra/container/Containerfile", "--tag", tag, ".")
        return json.loads(self.buildah("inspect", "--type", "image", tag))["FromImageID"]

    def buildah(self, *arguments):
        storage = ["--root", f"{self.directory}/storage", "--runroot", f"{self.directory}/run", "--storage-driver", "vfs"]
        ran = subprocess.run(["buildah", *storage, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=300, cwd=self.root, check=False)
        if ran.returncode != 0:
            raise RuntimeError(f"buildah {' '.join(arguments)}: {ran.stderr}")
        return ran.stdout

    def assemble(self, binary, architecture, directory):
        return subprocess.run([self.script, binary, architecture, directory], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300, check=False)

    def start(self, arguments, environment, config, local=True, **options):
        """Starts the entry point with these arguments, as a container runtime would."""
        command = self.config["config"]["Entrypoint"] + arguments
        declared = dict(entry.split("=", 1) for entry in self.config["config"]["Env"])
        return subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", RUN, "run", self.files,
                                 config, "yes" if local else "no", *command],
                                stdin=subprocess.DEVNULL, env={**declared, **environment}, **options)

    def remove(self):
        self.buildah("umount", self.container)
        self.buildah("rm", self.container)
        self.buildah("rmi", "--force", "--all")


def lint(check, files, hadolint):
    ran = subprocess.run([hadolint, files.path("container/Containerfile")], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=60, check=False)
    check("container: hadolint", ran.returncode == 0 and not ran.stdout, ran.stdout + ran.stderr)


def describe(check, image, files, program):
    """What the image says about itself."""
    config = image.config["config"]
    check.equal("container: the architecture", image.config["architecture"], ARCHITECTURE)
    check.equal("container: the user", config["User"], f"{USER}:{USER}")
    check.equal("container: the entry point", config["Entrypoint"], ["/usr/local/bin/orgtrail"])
    complaint = program.complaint(config["Cmd"])
    check("container: the arguments", complaint is None, complaint)
    check.equal("container: the port", list(config["ExposedPorts"]), [f"{files.port('kubernetes/base/orgtrail.toml')}/tcp"])
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    check.equal("container: the configuration", environment.get("ORGTRAIL_CONFIG"), CONFIG)
    check.equal("container: the place of its own files", environment.get("XDG_STATE_HOME"), STATE_HOME)
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    check.equal("container: the version", labels["version"].split()[0], program.version)
    check.equal("container: the revision", labels["revision"], REVISION)
    check.equal("container: the license", labels["licenses"], "Apache-2.0")
    found = {name for name in os.listdir(os.path.join(image.files, "usr/local/bin"))}
    check.equal("container: what can run", found, {"orgtrail"})
    check("container: no shell", not any(os.path.exists(os.path.join(image.files, path)) for path in ("bin", "usr/bin")))
    with open(f"{image.files}/etc/ssl/certs/ca-certificates.crt", encoding="ascii") as file:
        check("container: the certificates of authorities", file.read().count("BEGIN CERTIFICATE") > 100)
    for path in ("/tmp", LOCAL):
        check(f"container: {path} is for any user", os.stat(image.files + path).st_mode & 0o7777 == 0o1777)
    writable = [path for path in walk(image.files) if not os.path.islink(path) and os.stat(path).st_mode & 0o022]
    check("container: nothing else is", len(writable) == 2, writable)


def walk(root):
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            yield os.path.join(folder, name)


def components(check, image):
    """The list of components has the schema, and the crates of the production binary."""
    with open(f"{image.files}/usr/share/doc/orgtrail/components.cdx.json", encoding="utf-8") as file:
        text = file.read()
    problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    check("components: CycloneDX 1.5", problem is None, str(problem)[:300])
    listed = json.loads(text)["components"]
    crates = {one["name"]: one for one in listed if one["purl"].startswith("pkg:cargo/")}
    check("components: the crates of the binary", len(crates) > 200 and {"aws-sdk-s3", "rustls", "axum"} <= set(crates))
    check("components: none of the sandbox", not {"s3s", "orgtrail-sandbox"} & set(crates))
    without = {name for name, one in crates.items() if "hashes" not in one}
    check.equal("components: every crate of the registry has its checksum", without, {"orgtrail-base", "orgtrail-events"})
    without = {name for name, one in crates.items() if not one.get("licenses")}
    check("components: every crate has its license", not without, without)
    debian = {one["name"] for one in listed if one["purl"].startswith("pkg:deb/")}
    check.equal("components: Debian's packages", debian, {"libc6", "libgcc-s1", "ca-certificates"})


def again(check, image, binary):
    """The same files make the same image, and the other architecture has one too."""
    check.equal("container: a second build is the same", image.build(binary, "again"), image.id)
    image.build(binary, "other", OTHER)
    config = json.loads(image.buildah("inspect", "--type", "image", "other"))["OCIv1"]
    check.equal("container: the other architecture", config["architecture"], OTHER)
    check.equal("container: its settings are the same", config["config"], image.config["config"])


def refusals(check, image, binary):
    """What `root-file-system` refuses."""
    ran = image.assemble(binary, OTHER, os.path.join(image.directory, "other"))
    check("container: a binary of another architecture is refused",
          ran.returncode == 1 and f"is for {ARCHITECTURE}, expected {OTHER}" in ran.stderr, ran.stderr)
    ran = image.assemble(image.script, ARCHITECTURE, os.path.join(image.directory, "other"))
    check("container: a file that is no binary is refused",
          ran.returncode == 1 and "is no Linux binary" in ran.stderr, ran.stderr)
    check("container: nothing is left of it", not os.path.exists(os.path.join(image.directory, "other")))
