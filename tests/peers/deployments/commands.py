"""Every `orgtrail …` in the files and their documentation, against the binary."""

import os
import re
import shlex

# In comments and code blocks: indented lines that begin with the command, and what is between
# backquotes.
LINE = re.compile(r"^(?:#   )? *(?:\$ )?(?:[A-Z_]+=\S+ )*(orgtrail [^`|>…\n]*)", re.MULTILINE)
QUOTED = re.compile(r"`(orgtrail [^`…\n]*)`")
CRON = re.compile(r"orgtrail flock -n \S+ (orgtrail .*)$", re.MULTILINE)
BLOCK = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def found(name, text):
    quoted = QUOTED.findall(text)
    if name.endswith(".md"):
        text = "".join(BLOCK.findall(text))
    text = re.sub(r"\\\n\s*(?:#\s*)?", " ", text)
    return [*LINE.findall(text), *quoted, *CRON.findall(text)]


def run(check, files, program, docs):
    seen = set()
    places = [(name, files.text(name)) for name in files.names(".yaml", ".tf", ".service", ".toml", "crontab",
                                                               "Containerfile")]
    for path in docs:
        with open(path, encoding="utf-8") as file:
            places.append((os.path.basename(path), file.read()))
    for name, text in places:
        for line in map(str.strip, found(name, text)):
            if (name, line) in seen:
                continue
            seen.add((name, line))
            complaint = program.complaint(shlex.split(line, comments=True)[1:])
            check(f"{name}: `{line}`", complaint is None, complaint)
    check("commands were found", len(seen) > 15, len(seen))


def configurations(check, files, program):
    """The configurations are valid, and have the places that the deployments have."""
    port = int(re.search(r'listen = "127.0.0.1:(\d+)"', show(program, files.path("example.toml")))[1])
    for name in files.names("orgtrail.toml"):
        config = files.toml(name)
        ran = program.run("config", "check", "--config", files.path(name))
        check(f"{name} is valid", ran.returncode == 0, ran.stdout + ran.stderr)
        check.equal(f"{name}: the port is the default one", files.port(name), port)
        tokens = config["service"]["access"]["tokens"]
        if not name.startswith("systemd/"):
            from . import TOKENS
            check.equal(f"{name}: the tokens", tokens, TOKENS)
    for name in files.names(".yaml", ".yml", ".json", "Containerfile"):
        ports = set(re.findall(r"\b86\d\d\b", files.text(name)))
        check(f"{name}: no other port", ports <= {str(port)}, ports)


def show(program, config):
    return program.run("config", "show", "--config", config).stdout
