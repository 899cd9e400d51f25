"""Runs Athena's named queries on real log files with duckdb, and counts the answers without SQL.

    athena_queries.py [--data FOLDER]

Each statement must be one that sqlglot reads in Athena's dialect. sqlglot then writes it for duckdb,
on a table with the columns that orgtrail declares, filled as the input format of CloudTrail does:
names in lower case, objects as text.
"""

import argparse
import collections
import gzip
import ipaddress
import json
import pathlib
import re
import sys
import tempfile

import duckdb
import sqlglot
from sqlglot import exp

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/resources/athena"
# Log files that others published.
LOGS = ROOT.parent / "shared/data/cloudtrail"
TABLE = "orgtrail.cloudtrail_logs"
STRUCTURED = {
    "useridentity": "STRUCT(type VARCHAR, principalid VARCHAR, arn VARCHAR, accountid VARCHAR, invokedby VARCHAR, "
                    "accesskeyid VARCHAR, username VARCHAR, onbehalfof STRUCT(userid VARCHAR, identitystorearn VARCHAR), "
                    "sessioncontext STRUCT(attributes STRUCT(mfaauthenticated VARCHAR, creationdate VARCHAR), "
                    "sessionissuer STRUCT(type VARCHAR, principalid VARCHAR, arn VARCHAR, accountid VARCHAR, username VARCHAR), "
                    "ec2roledelivery VARCHAR, webidfederationdata STRUCT(federatedprovider VARCHAR, "
                    "attributes MAP(VARCHAR, VARCHAR)), sourceidentity VARCHAR))",
    "resources": "STRUCT(arn VARCHAR, accountid VARCHAR, type VARCHAR)[]",
    "addendum": "STRUCT(reason VARCHAR, updatedfields VARCHAR, originalrequestid VARCHAR, originaleventid VARCHAR)",
    "tlsdetails": "STRUCT(tlsversion VARCHAR, ciphersuite VARCHAR, clientprovidedhostheader VARCHAR)",
}


def columns():
    """The table's columns and duckdb's types: those of text as the declaration lists them."""
    declared = (SOURCE / "columns.rs").read_text()
    listed = declared[declared.index("const TEXTS"):declared.index("];")]
    texts = {name: "VARCHAR" for name in re.findall(r'"(\w+)"', listed)}
    assert len(texts) == 25, texts
    return texts | STRUCTURED | {"account": "VARCHAR", "region": "VARCHAR", "day": "VARCHAR"}


def lower(value):
    if isinstance(value, dict):
        return {key.lower(): lower(inner) for key, inner in value.items()}
    return [lower(inner) for inner in value] if isinstance(value, list) else value


def records(folder):
    """The records of all log files."""
    for path in sorted(folder.rglob("*.json*")):
        data = path.read_bytes()
        document = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
        listed = document.get("Records") if isinstance(document, dict) else document
        for record in listed if isinstance(listed, list) else []:
            if isinstance(record, dict) and "eventName" in record:
                yield record


def row(record):
    found = {}
    for key, value in record.items():
        name = key.lower()
        if name in STRUCTURED:
            found[name] = lower(value)
        elif isinstance(value, (dict, list)):
            found[name] = json.dumps(value)
        else:
            found[name] = str(value).lower() if isinstance(value, bool) else value
    found["account"] = account(record)
    found["region"], found["day"] = record["awsRegion"], day(record)
    return {name: value for name, value in found.items() if name in COLUMNS}


def account(record):
    return record.get("recipientAccountId") or identity(record, "accountId")


def day(record):
    return record["eventTime"][:10].replace("-", "/")


def identity(record, name):
    return (record.get("userIdentity") or {}).get(name)


def issued(record):
    answer = record.get("responseElements")
    return ((answer or {}).get("credentials") or {}).get("accessKeyId") if isinstance(answer, dict) else None


def load(all_records):
    database = duckdb.connect()
    database.create_function("in_network", in_network, ["VARCHAR", "VARCHAR"], "BOOLEAN", null_handling="special")
    database.execute("CREATE SCHEMA orgtrail")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.writelines(json.dumps(row(record)) + "\n" for record in all_records)
        file.flush()
        kinds = ", ".join(f"{name!r}: {kind!r}" for name, kind in COLUMNS.items())
        database.execute(f"CREATE TABLE {TABLE} AS SELECT * FROM read_json('{file.name}', "
                         f"format='newline_delimited', columns={{{kinds}}}, maximum_object_size=50000000)")
    return database


def in_network(network, address):
    """What Athena's `contains(network, address)` is for text; no address is in no network."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:
        return None


def for_duckdb(node):
    """Functions of Athena that sqlglot does not know in duckdb."""
    if isinstance(node, exp.Anonymous) and node.name.lower() == "any_match":
        listed, test = node.expressions
        return exp.func("list_bool_or", exp.func("list_transform", listed, test))
    if isinstance(node, exp.ArrayContains) and isinstance(node.expression, exp.TryCast):
        return exp.func("in_network", node.this, node.expression.this)
    return node


def answer(database, question, *replaced):
    sql = (SOURCE / "questions" / f"{question}.sql").read_text()
    # All days: the logs are old.
    for old, new in (*replaced, ("{table}", TABLE), ("{accounts}", "account <> ''"), ("{a week ago}", "'2000/01/01'"),
                     ("{90 days ago}", "'2000/01/01'"), ("{today}", "'2100/01/01'")):
        assert old in sql or old.startswith("{"), f"{question}: no {old}"
        sql = sql.replace(old, new)
    assert "{" not in sql, sql
    assert len(sqlglot.parse(sql, read="athena")) == 1
    [tree] = sqlglot.parse(sql, read="trino")
    found = database.execute(tree.transform(for_duckdb).sql("duckdb"))
    names = [column[0] for column in found.description]
    return [dict(zip(names, values)) for values in found.fetchall()]


def most_common(values):
    return collections.Counter(value for value in values if value).most_common(1)[0][0]


def checks(database, logs):
    """(question, what is counted, as Athena answers, as Python counts)"""
    stopping = {"StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "PutInsightSelectors",
                "DeregisterOrganizationDelegatedAdmin"}
    wanted = [r["eventID"] for r in logs if r["eventSource"] == "cloudtrail.amazonaws.com" and r["eventName"] in stopping]
    yield "who-stopped-logging", ids(answer(database, "who-stopped-logging")), sorted(wanted)

    session = most_common(identity(r, "principalId") for r in logs if identity(r, "type") == "AssumedRole")
    found = answer(database, "who-was-a-session", ("AROAEXAMPLE:deploy", session))
    own = [r for r in logs if identity(r, "principalId") == session]
    keys = {identity(r, "accessKeyId") for r in own}
    yield "who-was-a-session", {one["access_key"] for one in found}, keys
    issuers = {r["eventID"] for r in logs if issued(r) in keys - {None}}
    yield "who-was-a-session: issued by", {one["issued_event"] for one in found} - {None}, issuers

    user = most_common(identity(r, "arn") for r in logs if identity(r, "type") == "IAMUser")
    found = answer(database, "what-did-a-user-do", ("arn:aws:iam::111111111111:user/alice", user))
    keys = {issued(r) for r in logs if identity(r, "arn") == user and r["eventSource"] == "sts.amazonaws.com"} - {None}
    wanted = [r["eventID"] for r in logs if identity(r, "arn") == user or identity(r, "accessKeyId") in keys]
    yield "what-did-a-user-do", ids(found), sorted(wanted)

    calls = [r for r in logs if r["eventSource"] == "sts.amazonaws.com" and issued(r)]
    key = most_common(identity(r, "accessKeyId") for r in calls)
    found = answer(database, "sessions-of-an-access-key", ("AKIAEXAMPLE", key))
    hops, hop = set(), {key}
    for number in (1, 2, 3):
        hop_calls = [r for r in calls if identity(r, "accessKeyId") in hop]
        hops |= {(number, r["eventID"]) for r in hop_calls}
        hop = {issued(r) for r in hop_calls}
    yield "sessions-of-an-access-key", {(one["hop"], one["eventid"]) for one in found}, hops

    groups = collections.defaultdict(list)
    for r in logs:
        principal = identity(r, "arn") or identity(r, "principalId") or identity(r, "type")
        groups[account(r), principal, r["eventSource"], r["eventName"]].append(r)
    wanted = set()
    for group, events in groups.items():
        failed = [r["eventTime"] for r in events if is_failed(r)]
        succeeded = [r["eventTime"] for r in events if not is_failed(r)]
        if len(failed) >= 3 and succeeded and max(succeeded) > min(failed):
            wanted.add((*group, len(failed)))
    found = answer(database, "what-failed-then-succeeded")
    yield "what-failed-then-succeeded", {(o["account"], o["principal"], o["eventsource"], o["eventname"], o["failures"])
                                         for o in found}, wanted

    arns = [resource.get("ARN") for r in logs for resource in r.get("resources") or []]
    bucket = most_common(arn for arn in arns if arn and arn.startswith("arn:aws:s3:::") and "/" not in arn)
    name = bucket.rsplit(":", 1)[1]
    found = answer(database, "who-used-a-resource", ("arn:aws:s3:::example-bucket", bucket), ('"example-bucket"', f'"{name}"'))
    wanted = [r["eventID"] for r in logs
              if any((one.get("ARN") or "") == bucket or (one.get("ARN") or "").startswith(bucket + "/") for one in r.get("resources") or [])
              or f'"{name}"' in json.dumps(r.get("requestParameters"))]
    yield "who-used-a-resource", ids(found), sorted(wanted)
    data = sum(1 for r in logs if r.get("eventCategory") == "Data")
    yield "who-used-a-resource: data events", {one["data_events"] for one in found}, {data}

    address = most_common(r["sourceIPAddress"] for r in logs if in_network("0.0.0.0/0", r["sourceIPAddress"]))
    network = f"{address.rsplit('.', 1)[0]}.0/24"
    found = answer(database, "what-came-from-a-network", ("203.0.113.0/24", network))
    wanted = sum(1 for r in logs if in_network(network, r["sourceIPAddress"]))
    yield "what-came-from-a-network", sum(one["calls"] for one in found), wanted

    # A baseline until the middle of the days.
    days = sorted({day(r) for r in logs})
    middle = days[len(days) // 2]
    first = {}
    for r in sorted(logs, key=lambda r: r["eventTime"]):
        first.setdefault((account(r), r["awsRegion"], r["eventSource"], r["eventName"]), day(r))
    wanted = {use for use, when in first.items() if when >= middle}
    found = answer(database, "what-is-used-for-the-first-time", ("{a week ago}", f"'{middle}'"))
    yield "what-is-used-for-the-first-time", {(o["account"], o["region"], o["eventsource"], o["eventname"]) for o in found}, wanted

    wanted = [r["eventID"] for r in logs if is_risky(r)]
    yield "console-logins-without-mfa-and-root", ids(answer(database, "console-logins-without-mfa-and-root")), sorted(wanted)

    wanted = collections.Counter((account(r), r["awsRegion"], day(r)) for r in logs)
    found = answer(database, "what-do-the-answers-cover")
    yield "what-do-the-answers-cover", {(o["account"], o["region"], o["day"]): o["events"] for o in found}, dict(wanted)


def is_failed(record):
    answered = record.get("responseElements")
    login = answered.get("ConsoleLogin") if isinstance(answered, dict) else None
    return record.get("errorCode") is not None or record.get("errorMessage") is not None or login == "Failure"


def is_risky(record):
    mfa = (record.get("additionalEventData") or {}).get("MFAUsed") or "No"
    if record["eventName"] == "ConsoleLogin" and mfa != "Yes":
        return True
    is_root = identity(record, "type") == "Root" and not identity(record, "invokedBy")
    return is_root and record.get("eventType") != "AwsServiceEvent"


def ids(found):
    return sorted(one["eventid"] for one in found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=pathlib.Path, default=LOGS, help="the folder of log files")
    folder = parser.parse_args().data
    if not folder.is_dir():
        print(f"SKIPPED: no log files at {folder}\n0 passed, 0 failed, 1 skipped")
        return 0
    logs = list(records(folder))
    assert len(logs) > 1000, f"only {len(logs)} records below {folder}"
    database = load(logs)
    failed, seen = [], set()
    for question, found, wanted in checks(database, logs):
        seen.add(question.split(":")[0])
        size = len(wanted) if hasattr(wanted, "__len__") else wanted
        print(f"{'ok' if found == wanted else 'FAILED':7}{question}: {size}")
        if found != wanted:
            failed.append(question)
            print(f"  found {str(found)[:400]}\n  wanted {str(wanted)[:400]}")
    written = {path.stem for path in (SOURCE / "questions").glob("*.sql")}
    assert seen == written, f"not checked: {written - seen}"
    return 1 if failed else 0


COLUMNS = columns()
if __name__ == "__main__":
    sys.exit(main())
