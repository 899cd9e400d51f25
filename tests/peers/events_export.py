"""Exported events, read by DuckDB and PyArrow, and compared with the log files as DuckDB reads
them by itself; OCSF events, validated against the schema that its authors published.

    events_export.py [--data FOLDER] [--verbose]

On real log files of public datasets, if they are there, and on the archive of a sandbox, whose
log files an SDK client downloads. Runs in the environment `events` of setup.sh.
"""

import argparse
import collections
import glob
import gzip
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import boto3  # noqa: E402
import duckdb  # noqa: E402
import jsonschema  # noqa: E402
import pyarrow.parquet  # noqa: E402
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema  # noqa: E402

from sandbox import ORGTRAIL, ROOT, Sandbox  # noqa: E402

DATA = os.path.join(os.path.dirname(ROOT), "shared", "data", "cloudtrail")
ARCHIVE = "acme-log-archive"
OCSF_VERSION = "1.5.0"
CLASSES = {6003: "api_activity", 3002: "authentication", 3001: "account_change"}
# What a record says, as the documentation of CloudTrail describes it.
RECORDS = """
    WITH files AS (SELECT json FROM read_json_objects($files, format = 'auto', maximum_object_size = 1000000000)),
    records AS (
        SELECT unnest(json_extract(json, '$.Records[*]')) AS r FROM files WHERE json_exists(json, '$.Records')
        UNION ALL SELECT json FROM files WHERE NOT json_exists(json, '$.Records')
    ),
    fields AS (
        SELECT
            r->>'$.eventID' AS id, r->>'$.eventTime' AS time, r->>'$.eventName' AS event,
            coalesce(r->>'$.userIdentity.arn', '-') AS principal,
            coalesce(nullif(r->>'$.errorCode', ''), nullif(r->>'$.responseElements.errorCode', ''),
                CASE WHEN r->>'$.responseElements.ConsoleLogin' = 'Failure' THEN 'Failure' END, '-') AS error
        FROM records
    )
    SELECT DISTINCT ON (id, time) * FROM fields
"""
EXPORTED = """
    SELECT event_id AS id, event_name AS event, coalesce(principal_arn, '-') AS principal, coalesce(error_code, '-') AS error
    FROM read_parquet($files, hive_partitioning = true, hive_types_autocast = false)
"""
VERBOSE = False
COUNTS = {"passed": 0, "failed": 0, "skipped": 0}


def check(name, passed, detail=""):
    COUNTS["passed" if passed else "failed"] += 1
    if VERBOSE or not passed:
        print(f"  {'ok' if passed else 'FAILED':6} {name}{f': {detail}' if detail and not passed else ''}", flush=True)


def export(folder, environment, *arguments):
    ran = subprocess.run([ORGTRAIL, "events", "export", *arguments, "--format", "json"], cwd=folder, capture_output=True,
                         text=True, timeout=600, check=False, stdin=subprocess.DEVNULL,
                         env={"HOME": folder, "ORGTRAIL_PACING": "off", **environment})
    try:
        return ran.returncode, json.loads(ran.stdout)
    except ValueError:
        raise RuntimeError(f"events export {arguments}: exit {ran.returncode}\n{ran.stdout}\n{ran.stderr}") from None


def counts(query, files, by):
    rows = duckdb.execute(f"SELECT {by}, count(*) FROM ({query}) GROUP BY ALL", {"files": files}).fetchall()
    return {tuple(row[:-1]): row[-1] for row in rows}


def compare(name, logs, tables):
    """The events of the log files and of the tables, counted by who, what and result."""
    for by in ("event", "principal", "error", "event, principal, error"):
        raw, exported = counts(RECORDS, logs, by), counts(EXPORTED, tables, by)
        differing = {key: (raw.get(key), exported.get(key)) for key in raw.keys() | exported.keys()
                     if raw.get(key) != exported.get(key)}
        check(f"{name}: the counts by {by} are equal", raw and not differing, dict(list(differing.items())[:5]))
    return sum(counts(RECORDS, logs, "1").values())


def readers(name, tables):
    """DuckDB and PyArrow read the same rows, in the order of time, and the records in them are whole."""
    for table in tables:
        arrow = pyarrow.parquet.ParquetFile(table).read()
        columns = [field.name for field in arrow.schema if field.name not in ("event_time", "session_created_at")]
        select = ", ".join(f'"{column}"' for column in columns)
        times = "epoch_us(event_time), epoch_us(session_created_at)"
        rows = duckdb.execute(f"SELECT {select}, {times} FROM read_parquet($file, hive_partitioning = false)",
                              {"file": table}).fetchall()
        other = list(zip(*(arrow[column].to_pylist() for column in columns),
                         *(arrow[column].cast("int64").to_pylist() for column in ("event_time", "session_created_at"))))
        same = [tuple(row) for row in rows] == other
        if not same or VERBOSE:
            check(f"{name}: DuckDB and PyArrow read the same of {os.path.basename(table)}", same)
        else:
            COUNTS["passed"] += 1
        order = [row[-2] or 0 for row in rows]
        records = [json.loads(raw) for raw in arrow["raw"].to_pylist()]
        ids = arrow["event_id"].to_pylist()
        if order != sorted(order) or [record.get("eventID") for record in records] != ids:
            check(f"{name}: {os.path.basename(table)} is sorted and has whole records", False)


def lines(folder, table):
    for path in sorted(glob.glob(f"{folder}/{table}/**/*.gz", recursive=True)):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)


def ocsf(name, folder, environment, total, *arguments):
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(OCSF_VERSION))
    validators = {uid: jsonschema.Draft202012Validator(schema.get_class_schema(of, ["cloud"])) for uid, of in CLASSES.items()}
    code, _ = export(folder, environment, *arguments, "--as", "ocsf", "--to", "ocsf")
    check(f"{name}: events of OCSF are written", code in (0, 14), code)
    seen, errors = collections.Counter(), []
    for event in lines(f"{folder}/ocsf", "events-ocsf"):
        seen[event["class_uid"]] += 1
        errors += [f"{event['metadata'].get('event_code')}: {error.json_path}: {error.message}"[:300]
                   for error in validators[event["class_uid"]].iter_errors(event)][:3]
    check(f"{name}: events of OCSF validate", not errors, errors[:5])
    check(f"{name}: each event is one of OCSF", sum(seen.values()) == total, f"{dict(seen)}, {total}")
    maimed = dict(event)
    del maimed["metadata"]
    check(f"{name}: the schema refuses an event without metadata", not validators[event["class_uid"]].is_valid(maimed))
    lake(name, folder, environment, arguments)
    return seen


def pruned(value):
    """What a row of a table says: without what is null in it."""
    if isinstance(value, dict):
        return {key: pruned(member) for key, member in value.items() if member is not None}
    return [pruned(item) for item in value] if isinstance(value, list) else value


def lake(name, folder, environment, arguments):
    """The tables for Security Lake have the events of OCSF, those of a class in its folder."""
    export(folder, environment, *arguments, "--as", "security-lake", "--to", "security-lake")
    events = collections.defaultdict(list)
    for event in lines(f"{folder}/ocsf", "events-ocsf"):
        events[event["class_uid"]].append(event)
    root = f"{folder}/security-lake/ext"
    check(f"{name}: each class has a source", sorted(os.listdir(root)) == sorted(f"orgtrail-{uid}" for uid in events))
    for uid, expected in events.items():
        tables = sorted(glob.glob(f"{root}/orgtrail-{uid}/region=*/accountId=*/eventDay=*/*.parquet"))
        rows = []
        for table in tables:
            part = [pruned(row) for row in pyarrow.parquet.ParquetFile(table).read().to_pylist()]
            check(f"{name}: {os.path.basename(table)} is sorted", part == sorted(part, key=lambda row: row["time"]))
            rows += part
        for row in rows:
            for data in (row["api"].get("request"), row["api"].get("response")):
                if data and "data" in data:
                    data["data"] = json.loads(data["data"])
        key = lambda event: json.dumps(event, sort_keys=True)  # noqa: E731
        check(f"{name}: the tables of class {uid} have its events", sorted(map(key, rows)) == sorted(map(key, expected)),
              f"{len(rows)}, {len(expected)}")
        days = duckdb.execute("""SELECT count(*), count(*) FILTER (strftime(make_timestamp_ms(time), '%Y%m%d') = eventDay),
            count(*) FILTER (coalesce(region, $unknown) IN (cloud.region, $unknown)) FROM read_parquet($files, hive_partitioning = true,
            hive_types_autocast = false)""", {"files": tables, "unknown": "__HIVE_DEFAULT_PARTITION__"}).fetchone()
        check(f"{name}: DuckDB finds the events of class {uid} in their partitions", set(days) == {len(expected)}, days)


def bulk(name, folder, environment, total, *arguments):
    export(folder, environment, *arguments, "--as", "opensearch", "--to", "bulk")
    rows = list(lines(f"{folder}/bulk", "events-opensearch"))
    pairs = list(zip(rows[::2], rows[1::2]))
    check(f"{name}: each record follows an action with its id", len(pairs) == total and all(
        action["create"].get("_id") == record.get("eventID") for action, record in pairs))


def dataset(name, logs, source):
    """Log files of a directory in each format."""
    with tempfile.TemporaryDirectory(prefix="orgtrail-export-") as folder:
        code, report = export(folder, {}, "--in", source, "--to", "lake")
        check(f"{name}: is exported", code == 0, report)
        tables = glob.glob(f"{folder}/lake/events/**/*.parquet", recursive=True)
        total = compare(name, logs, tables)
        check(f"{name}: the report counts the same", report["events"] == total, f"{report['events']}, {total}")
        readers(name, tables)
        classes = ocsf(name, folder, {}, total, "--in", source)
        bulk(name, folder, {}, total, "--in", source)
        before = {path: open(path, "rb").read() for path in tables}
        code, report = export(folder, {}, "--in", source, "--to", "lake")
        after = {path: open(path, "rb").read() for path in glob.glob(f"{folder}/lake/events/**/*.parquet", recursive=True)}
        check(f"{name}: a second run changes nothing", code == 0 and report["days"]["written"] == 0 and before == after, report)
        return classes


def simulated():
    """The archive of a sandbox, of which an SDK client gets the log files."""
    with tempfile.TemporaryDirectory(prefix="orgtrail-export-") as folder, Sandbox(folder) as sandbox:
        environment = {"AWS_ENDPOINT_URL": sandbox.endpoint, "AWS_EC2_METADATA_DISABLED": "true", **sandbox.management}
        with open(os.path.join(folder, "orgtrail.toml"), "w", encoding="utf-8") as file:
            file.write(f'[organization]\nmanagement_account = "{sandbox.management_account}"\n'
                       f'log_archive_account = "{sandbox.log_archive_account}"\nhome_region = "us-east-1"\n'
                       f'[archive]\nbucket = "{ARCHIVE}"\n')
        applied = subprocess.run([ORGTRAIL, "apply", "--yes"], cwd=folder, capture_output=True, text=True, timeout=300,
                                 check=False, stdin=subprocess.DEVNULL,
                                 env={"HOME": folder, "ORGTRAIL_PACING": "off", **environment})
        if applied.returncode:
            raise RuntimeError(f"apply: exit {applied.returncode}\n{applied.stdout}\n{applied.stderr}")
        sandbox.tick(50)
        code, report = export(folder, environment, "--to", "lake", "--proof")
        check("sandbox: is exported with proof", code == 0 and report["proof"]["proven"] == report["events"] > 0, report)
        root = sandbox.root(sandbox.log_archive_account)
        s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=sandbox.endpoint,
                          aws_access_key_id=root["AWS_ACCESS_KEY_ID"], aws_secret_access_key=root["AWS_SECRET_ACCESS_KEY"])
        logs, last = [], report["last_day"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=ARCHIVE, Prefix="AWSLogs/"):
            for item in page.get("Contents", ()):
                key = item["Key"]
                if "/CloudTrail/" in key or "/CloudTrail-Insight/" in key:
                    path = os.path.join(folder, "raw", key)
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    s3.download_file(ARCHIVE, key, path)
                    logs.append(path)
        tables = glob.glob(f"{folder}/lake/events/**/*.parquet", recursive=True)
        closed = f"SELECT * FROM ({RECORDS}) WHERE time[:10] <= '{last}'"
        for by in ("event", "principal", "error"):
            raw, exported = counts(closed, logs, by), counts(EXPORTED, tables, by)
            check(f"sandbox: the counts by {by} are equal", raw == exported and raw, f"{raw} {exported}"[:600])
        readers("sandbox", tables)
        ocsf("sandbox", folder, environment, report["events"])


def main():
    global VERBOSE
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    VERBOSE = options.verbose
    classes = collections.Counter()
    for name, below in (("invictus-aws-dataset", "CloudTrail"), ("stratus-red-team", "")):
        source = os.path.join(options.data, name, below).rstrip("/")
        logs = sorted(glob.glob(f"{source}/**/*.json", recursive=True))
        if logs:
            classes.update(dataset(name, logs, source))
        else:
            COUNTS["skipped"] += 1
            print(f"SKIPPED: {name} is not at {source}: no real log files were exported")
    if classes:
        check("real events are of each class", set(classes) == set(CLASSES), dict(classes))
    simulated()
    print(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed, {COUNTS['skipped']} skipped")
    return 1 if COUNTS["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
