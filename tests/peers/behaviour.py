"""One behavioural suite, run against the sandbox and against independent servers.

    behaviour.py [--only SERVER,…] [--filter TEXT] [--write] [--verbose]

Every behaviour is what AWS documents. Where a server is known to do otherwise,
`differences.toml` says what it does and why; anything else that is observed
fails the run, and so does a recorded difference that is no longer seen. The
tables in docs/peers.md are written with --write, and compared without.
"""

import argparse
import os
import sys
import time
import tomllib
import traceback

sys.dont_write_bytecode = True

from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

import servers  # noqa: E402
from behaviours import REGISTRY, code  # noqa: E402
from stage import Stage  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "docs", "peers.md")
BEGIN, END = "<!-- behaviours: begin -->\n", "<!-- behaviours: end -->\n"


def differences():
    """(server, behaviour) → what is seen there and why."""
    with open(os.path.join(HERE, "differences.toml"), "rb") as file:
        known = {}
        for entry in tomllib.load(file)["difference"]:
            for identity in entry["behaviours"]:
                key = entry["server"], identity
                assert key not in known, f"{key} is there twice"
                assert any(b.id == identity for b in REGISTRY), f"no behaviour {identity}"
                assert entry["server"] in servers.SERVERS, f"no server {entry['server']}"
                known[key] = entry
        return known


def play(behaviour, stage):
    """What was observed, as one line."""
    try:
        return str(behaviour.play(stage))
    except ClientError as error:
        return f"{error.operation_name}: {code(error)}"
    except (BotoCoreError, KeyError, IndexError, AssertionError, TypeError) as error:
        return f"{type(error).__name__}: {error}".split("\n")[0][:120]


def run(server, wanted, known, verbose):
    """Plays the wanted behaviours; rows of (behaviour, verdict, observed)."""
    started = time.monotonic()
    server.start()
    up = time.monotonic() - started
    stage = Stage(server)
    rows = []
    for behaviour in wanted:
        lacks = behaviour.needs - server.has
        if lacks:
            rows.append((behaviour, "impossible", "has no " + ", ".join(sorted(lacks))))
            continue
        observed = play(behaviour, stage)
        entry = known.get((server.name, behaviour.id))
        if entry is not None and observed in as_list(entry["observed"]):
            verdict = "differs"
        elif entry is None and observed in behaviour.documents:
            verdict = "as documented"
        else:
            verdict = "UNEXPECTED"
        rows.append((behaviour, verdict, observed))
        if verbose or verdict == "UNEXPECTED":
            expected = as_list(entry["observed"]) if entry else behaviour.documents
            print(f"  {verdict:13} {server.name:10} {behaviour.id:30} observed `{observed}`, "
                  f"expected `{' or '.join(expected)}`", flush=True)
    server.stop()
    seconds = time.monotonic() - started
    count = {v: sum(1 for row in rows if row[1] == v) for v in ("as documented", "differs", "impossible", "UNEXPECTED")}
    print(f"{server.name:10} {count['as documented']:3} as documented, {count['differs']:3} differ as recorded, "
          f"{count['impossible']:3} not possible, {count['UNEXPECTED']:3} unexpected; "
          f"up in {up:.1f} s, {seconds:.1f} s in all", flush=True)
    return rows


def as_list(value):
    return [value] if isinstance(value, str) else list(value)


def markdown(known):
    """The tables of docs/peers.md, from the behaviours and the recorded differences alone."""
    names = list(servers.SERVERS)
    lines = ["| behaviour | as AWS documents | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for behaviour in REGISTRY:
        cells = []
        for name in names:
            if behaviour.needs - servers.SERVERS[name].has:
                cells.append("–")
            elif (name, behaviour.id) in known:
                cells.append("differs")
            else:
                cells.append("yes")
        lines.append(f"| `{behaviour.id}`: {escape(behaviour.title)} | {' or '.join(map(quoted, behaviour.documents))} "
                     f"| {' | '.join(cells)} |")
    lines += ["", "“–”: the server has no such service, account or device.", "", "### Where a server differs, and why", "",
              "| server | behaviour | AWS documents | seen | why |", "|---|---|---|---|---|"]
    for name in names:
        for behaviour in REGISTRY:
            entry = known.get((name, behaviour.id))
            if entry:
                lines.append(f"| {name} | `{behaviour.id}` | {' or '.join(map(quoted, behaviour.documents))} ({behaviour.source}) "
                             f"| {' or '.join(map(quoted, as_list(entry['observed'])))} | {escape(entry['reason'])} |")
    return "\n".join(lines) + "\n"


def quoted(text):
    return f"`{escape(text)}`"


def escape(text):
    return text.replace("|", "\\|")


def documentation(known, write):
    """Whether docs/peers.md says what is recorded."""
    with open(DOCS, encoding="utf-8") as file:
        text = file.read()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    fresh = head + BEGIN + "\n" + markdown(known) + "\n" + END + tail
    if write:
        with open(DOCS, "w", encoding="utf-8") as file:
            file.write(fresh)
    return write or fresh == text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(servers.SERVERS), help="servers, separated by commas")
    parser.add_argument("--filter", default="", help="behaviours whose id contains this")
    parser.add_argument("--write", action="store_true", help="write the tables of docs/peers.md")
    parser.add_argument("--verbose", action="store_true", help="print every observation")
    options = parser.parse_args()

    known = differences()
    wanted = [b for b in REGISTRY if options.filter in b.id]
    passed = failed = skipped = 0
    for name in options.only.split(","):
        server = servers.SERVERS[name]()
        reason = server.missing()
        if reason:
            print(f"SKIPPED {name}: {reason}", flush=True)
            skipped += len(wanted)
            continue
        try:
            rows = run(server, wanted, known, options.verbose)
        except Exception:  # noqa: BLE001: one server's trouble is not the others'
            traceback.print_exc()
            print(f"FAILED {name}: it did not play", flush=True)
            failed += 1
            continue
        finally:
            server.stop()
        passed += sum(1 for row in rows if row[1] in ("as documented", "differs"))
        failed += sum(1 for row in rows if row[1] == "UNEXPECTED")
        skipped += sum(1 for row in rows if row[1] == "impossible")
    if not documentation(known, options.write):
        print("FAILED docs/peers.md does not say what is recorded: run behaviour.py --write")
        failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
