"""Asks `orgtrail events` the ten questions about real log files, and compares each answer with that
of duckdb, which reads the same files.

    events_questions.py [--data FOLDER]

The truth of a simulated organization, who was behind its sessions, is compared in
`tests/it/events_questions.rs`.
"""

import argparse
import collections
import csv
import io
import json
import pathlib
import subprocess
import sys

import duckdb

from sandbox import ORGTRAIL

sys.dont_write_bytecode = True

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Log files that others published.
LOGS = ROOT.parent / "shared/data/cloudtrail"
CLEAN, FOUND = 0, 11
# What stops or narrows recording.
STOPPING = ("StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "PutInsightSelectors")
# A record's fields as text; an absent one and a null are the same.
FIELDS = {
    "id": "$.eventID", "time": "$.eventTime", "name": "$.eventName", "source": "$.eventSource",
    "region": "$.awsRegion", "ip": "$.sourceIPAddress", "kind": "$.userIdentity.type",
    "arn": "$.userIdentity.arn", "invoked_by": "$.userIdentity.invokedBy", "user": "$.userIdentity.userName",
    "principal_id": "$.userIdentity.principalId", "owner": "$.userIdentity.accountId",
    "access_key": "$.userIdentity.accessKeyId", "recipient": "$.recipientAccountId",
    "code": "$.errorCode", "message": "$.errorMessage", "in_answer": "$.responseElements.errorCode",
    "login": "$.responseElements.ConsoleLogin", "mfa": "$.additionalEventData.MFAUsed",
    "issued": "$.responseElements.credentials.accessKeyId", "event_type": "$.eventType",
    "category": "$.eventCategory",
}


def run(*arguments, codes=(CLEAN,)):
    """orgtrail's standard output."""
    done = subprocess.run([ORGTRAIL, "events", *arguments], capture_output=True, text=True, check=False, cwd="/",
                          env={"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"})
    if done.returncode not in codes:
        raise RuntimeError(f"{arguments}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


class Questions:
    """One folder of log files, read by both."""

    def __init__(self, folder, layout):
        self.folder, self.database = folder, duckdb.connect()
        files = sorted(str(path) for path in folder.rglob("*.json"))
        if layout == "array":
            read = "SELECT json AS record FROM read_json_objects(?, format = 'array', maximum_object_size = 100000000)"
        else:
            read = ("SELECT unnest(from_json(json -> 'Records', '[\"JSON\"]')) AS record "
                    "FROM read_json_objects(?, format = 'unstructured', maximum_object_size = 100000000)")
        fields = ", ".join(f"record ->> '{path}' AS {name}" for name, path in FIELDS.items())
        self.database.execute(
            f"CREATE TABLE events AS SELECT DISTINCT ON (id) *, "
            "coalesce(nullif(arn, ''), nullif(invoked_by, ''), nullif(user, ''), nullif(principal_id, ''), nullif(owner, '')) "
            "AS principal, coalesce(nullif(code, ''), nullif(in_answer, ''), "
            "CASE WHEN login = 'Failure' OR nullif(message, '') IS NOT NULL THEN 'Failure' END) AS error "
            f"FROM (SELECT record, {fields} FROM ({read})) ORDER BY id", [files])

    def peer(self, what, where="true", *values):
        return self.database.execute(f"SELECT {what} FROM events WHERE {where}", values).fetchall()

    def ids(self, where, *values):
        return sorted(one for one, in self.peer("id", where, *values))

    def most(self, field, where="true"):
        [(value,)] = self.database.execute(
            f"SELECT {field} FROM events WHERE {field} IS NOT NULL AND ({where}) GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1").fetchall()
        return value

    def search(self, *arguments):
        """The rows of orgtrail's CSV."""
        text = run("search", "--in", str(self.folder), "--format", "csv", *arguments)
        return list(csv.DictReader(io.StringIO(text)))

    def found(self, *arguments):
        return sorted(row["event_id"] for row in self.search(*arguments))

    def ask(self):
        """(question, orgtrail's answer, duckdb's)"""
        every = self.search()
        for column, field in (("name", "name"), ("principal", "principal"), ("error", "error"), ("account", "coalesce(recipient, owner)")):
            counted = self.database.execute(f"SELECT coalesce({field}, ''), count(*) FROM events GROUP BY 1").fetchall()
            # A cell that a spreadsheet would run has an apostrophe.
            yield f"counts by {column}", dict(collections.Counter(row[column].removeprefix("'") for row in every)), dict(counted)

        names = [argument for name in STOPPING for argument in ("--event", name)]
        yield "1 who stopped logging", self.found(*names), self.ids(f"name IN {STOPPING}")

        key = self.most("access_key", "kind = 'AssumedRole' AND access_key LIKE 'ASIA%'") if self.peer(
            "1", "kind = 'AssumedRole' AND access_key LIKE 'ASIA%'") else None
        if key:
            answer = json.loads(run("who", key, "--in", str(self.folder), "--format", "json", codes=(CLEAN, FOUND, 12, 14)))
            callers = {caller for caller, in self.peer("principal_id", "issued = ?", key)}
            first = [chain["hops"][0]["by"]["principal_id"] for chain in answer["chains"]
                     if chain["hops"] and chain["hops"][0]["link"] in ("issued_key", "shared_event")]
            yield f"2 who was {key}", set(first), callers

        user = self.most("principal_id", "kind = 'IAMUser'")
        keys, before = set(), None
        while keys != before:
            before = set(keys)
            issued = self.peer("issued", "issued IS NOT NULL AND (principal_id = ? OR list_contains(?, access_key))", user, sorted(keys))
            keys |= {one for one, in issued}
        wanted = self.ids("principal_id = ? OR list_contains(?, access_key)", user, sorted(keys))
        lines = run("who", user, "--in", str(self.folder), "--events", "--format", "jsonl", codes=(CLEAN, 14)).splitlines()
        yield f"3 what {user} did", sorted(json.loads(line)["eventID"] for line in lines), wanted

        callers = self.peer("access_key", "issued IS NOT NULL AND access_key IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
        if callers:
            [(key,)] = callers
            descend, hop = set(), {key}
            while hop:
                hop = {one for one, in self.peer("issued", "issued IS NOT NULL AND list_contains(?, access_key)", sorted(hop))} - descend
                descend |= hop
            answer = json.loads(run("who", key, "--in", str(self.folder), "--sessions", "--format", "json", codes=(CLEAN, 14)))
            listed = {one["session"]["access_key"] for one in answer["sessions"]} - {None}
            yield f"4 sessions of {key}", listed, descend

        yield "5 what failed", self.found("--errors"), self.ids("error IS NOT NULL")
        retried = self.peer("principal, name", "error IS NOT NULL AND principal NOT LIKE '%*%' INTERSECT SELECT principal, name FROM events WHERE error IS NULL")
        for principal, name in sorted(retried)[:3]:
            rows = self.search("--event", name, "--principal", principal)
            answer = collections.Counter(bool(row["error"]) for row in rows)
            counted = dict(self.peer("error IS NOT NULL, count(*)", "principal = ? AND name = ? GROUP BY 1", principal, name))
            yield f"5 {name} failed and then succeeded", dict(answer), counted

        buckets = self.database.execute(
            "SELECT bucket FROM (SELECT record ->> '$.requestParameters.bucketName' AS bucket FROM events) "
            "WHERE bucket IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1").fetchall()
        for bucket, in buckets:
            pattern = f'{{ $.requestParameters.bucketName = "{bucket}" }}'
            yield f"6 who used {bucket}", self.found(pattern), self.ids("record ->> '$.requestParameters.bucketName' = ?", bucket)
        yield "6 data events", self.found("{ $.eventCategory = Data }"), self.ids("category = 'Data'")

        # Some published addresses were made unreadable.
        octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
        address = self.most("ip", f"regexp_full_match(ip, '({octet}\\.){{3}}{octet}')")
        network = address.rsplit(".", 1)[0]
        yield f"7 what came from {network}.0/24", self.found("--source-ip", f"{network}.0/24"), self.ids(
            "regexp_full_match(ip, ?)", network.replace(".", "\\.") + f"\\.{octet}")

        first = {}
        for row in every:
            first.setdefault((row["account"], row["region"], row["source"], row["name"]), row["time"])
        counted = self.database.execute(
            "SELECT coalesce(recipient, owner), region, source, name, min(time) FROM events GROUP BY ALL").fetchall()
        yield "8 first uses", first, {tuple(use): when for *use, when in counted}

        yield "9 logins without MFA", self.found("{ $.eventName = ConsoleLogin && $.additionalEventData.MFAUsed != Yes }"), self.ids(
            "name = 'ConsoleLogin' AND mfa <> 'Yes'")
        yield "9 root", self.found("{ $.userIdentity.type = Root && $.userIdentity.invokedBy NOT EXISTS }"), self.ids(
            "kind = 'Root' AND invoked_by IS NULL")

        coverage = json.loads(run("search", "--in", str(self.folder), "--format", "json"))["summary"]
        [(records,)] = self.database.execute("SELECT count(*) FROM events").fetchall()
        files = len(list(self.folder.rglob("*.json")))
        yield "10 files and records", (coverage["files"]["read"], coverage["records"], coverage["files"]["unreadable"]), (files, records, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=pathlib.Path, default=LOGS, help="the folder of log files")
    data = parser.parse_args().data
    passed = failed = skipped = 0
    for name, layout in (("invictus-aws-dataset", "records"), ("stratus-red-team", "array")):
        folder = data / name
        if not folder.is_dir():
            print(f"SKIPPED {name}: no log files at {folder}")
            skipped += 1
            continue
        for question, answer, wanted in Questions(folder, layout).ask():
            size = len(wanted) if hasattr(wanted, "__len__") else wanted
            if answer == wanted:
                passed += 1
                print(f"ok      {name}: {question} ({size})")
            else:
                failed += 1
                print(f"FAILED  {name}: {question}\n  orgtrail {str(answer)[:400]}\n  duckdb   {str(wanted)[:400]}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
