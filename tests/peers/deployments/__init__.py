"""The checks of the deployment files, one file per tool."""

import json
import os
import re
import subprocess
import tomllib

import yaml

# Where the image and every deployment have orgtrail's files.
CONFIG = "/etc/orgtrail/orgtrail.toml"
TOKENS = "/etc/orgtrail/tokens.toml"
STATE_HOME = "/var/lib"
LOCAL = "/var/lib/orgtrail"
USER = 65532
# Where `serve` puts what it needs to write, in a container with a read-only file system.
WRITABLE = {LOCAL, "/tmp"}
# Seconds between SIGTERM and SIGKILL (docs/service.md: at least 30).
GRACE = 30


class Checks:
    """Counts the checks, and keeps the names of those that failed."""

    def __init__(self, verbose):
        self.verbose, self.passed, self.failed = verbose, 0, []

    def __call__(self, name, passed, detail=""):
        if passed:
            self.passed += 1
        else:
            self.failed.append(name)
        if self.verbose or not passed:
            print(f"  {'ok' if passed else 'FAILED':6} {name}{f': {detail}' if detail and not passed else ''}", flush=True)

    def equal(self, name, found, wanted):
        self(name, found == wanted, f"found {found}, expected {wanted}")


class Program:
    """What the binary says about itself."""

    def __init__(self, binary):
        self.binary = binary
        self.helps = {}
        self.version = self.run("--version").stdout.split()[1]
        self.exit_codes = [int(code) for code in re.findall(r"^ +(\d+)  \S", self.run("--help").stdout, re.MULTILINE)]

    def run(self, *arguments):
        return subprocess.run([self.binary, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, env={"PATH": os.environ["PATH"]}, check=False)

    def help(self, command):
        if command not in self.helps:
            self.helps[command] = self.run(*command, "--help")
        return self.helps[command]

    def complaint(self, arguments):
        """What is wrong with a command line; None where nothing is."""
        if arguments[:1] == ["--config"]:
            arguments = arguments[2:]
        command = []
        for word in arguments:
            if word.startswith("-") or self.help((*command, word)).returncode != 0:
                break
            command.append(word)
        if not command:
            return f"no such command: {' '.join(arguments)}"
        text = self.help(tuple(command)).stdout
        known = set(re.findall(r"(?<![\w-])(--?[a-z][a-z0-9-]*)", text))
        flags = {word.split("=")[0] for word in arguments if word.startswith("-") and word not in ("-", "--")}
        return f"{' '.join(command)} has no {', '.join(sorted(flags - known))}" if flags - known else None


class Files:
    """The files of `infra/`, or of a changed copy of it."""

    def __init__(self, root):
        self.root = root

    def path(self, name):
        return os.path.join(self.root, name)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def names(self, *ends):
        for folder, _, names in sorted(os.walk(self.root)):
            for name in sorted(names):
                if name.endswith(ends):
                    yield os.path.relpath(os.path.join(folder, name), self.root)

    def toml(self, name):
        return tomllib.loads(self.text(name))

    def json(self, name):
        return json.loads(self.text(name))

    def template(self, name):
        """A CloudFormation template; a function such as `!Ref X` becomes {"Ref": "X"}."""
        return yaml.load(self.text(name), CloudFormation)

    def port(self, name):
        """The port that a configuration listens on."""
        return int(self.toml(name)["service"]["listen"].rpartition(":")[2])


class CloudFormation(yaml.SafeLoader):
    """YAML with the functions of CloudFormation."""


def function(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


CloudFormation.add_multi_constructor("!", function)


def flag(arguments, name):
    """The value after a flag."""
    return arguments[arguments.index(name) + 1] if name in arguments else None
