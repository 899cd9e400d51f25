"""Events and findings: what the service's notifications lean on."""

import json

from . import behaviour, outcome

EVENTS = "EventBridge API Reference: PutEvents"
HUB = "Security Hub API Reference: BatchImportFindings"


def entry(**changes):
    whole = {"Source": "orgtrail", "DetailType": "orgtrail notification", "Detail": json.dumps({"a": 1}), **changes}
    return {name: value for name, value in whole.items() if value is not None}


def put(t, **changes):
    """`ok`, or the code of the entry that was not accepted."""
    answer = t.client("events").put_events(Entries=[entry(**changes)])
    result = answer["Entries"][0]
    assert answer["FailedEntryCount"] == (1 if "ErrorCode" in result else 0)
    return result.get("ErrorCode", "ok")


@behaviour("events-put", "an event is accepted", "ok", EVENTS, needs=("events",))
def accepted(t):
    return put(t)


@behaviour("events-no-source", "an event without a source is not, and the call succeeds", "InvalidArgument", EVENTS, needs=("events",))
def no_source(t):
    return put(t, Source=None)


@behaviour("events-malformed-detail", "nor is one whose detail is not JSON", "MalformedDetail", EVENTS, needs=("events",))
def malformed(t):
    return put(t, Detail="{")


@behaviour("events-source-of-aws", "nor one that claims to be of AWS", "NotAuthorizedForSourceException", EVENTS, needs=("events",))
def of_aws(t):
    return put(t, Source="aws.s3")


@behaviour("events-eleven", "a call has at most 10 events", "ValidationException", EVENTS, needs=("events",))
def eleven(t):
    return outcome(t.client("events").put_events, Entries=[entry()] * 11)


def finding(t, region="us-east-1", **changes):
    account = t.main_account
    return {
        "SchemaVersion": "2018-10-08", "Id": t.name("finding"), "GeneratorId": "orgtrail/check",
        "ProductArn": f"arn:aws:securityhub:{region}:{account}:product/{account}/default",
        "AwsAccountId": account, "CreatedAt": "2026-01-01T00:00:00.000Z", "UpdatedAt": "2026-01-02T00:00:00.000Z",
        "Title": "title", "Description": "description",
        "Resources": [{"Type": "AwsAccount", "Id": f"AWS::::Account:{account}"}],
        "FindingProviderFields": {"Severity": {"Label": "HIGH"}, "Types": ["Software and Configuration Checks"]},
        **changes}


def hub(t):
    client = t.client("securityhub")
    # Another behaviour may have enabled it.
    outcome(client.enable_security_hub)
    return client


def imported(client, *findings):
    """`ok`, or the code of the finding that was not accepted."""
    answer = client.batch_import_findings(Findings=list(findings))
    assert answer["SuccessCount"] + answer["FailedCount"] == len(findings)
    return answer["FailedFindings"][0]["ErrorCode"] if answer["FailedCount"] else "ok"


@behaviour("findings-import", "a finding is imported, and updated by a newer one", "ok ok", HUB, needs=("securityhub",))
def imports(t):
    client, one = hub(t), finding(t)
    newer = one | {"UpdatedAt": "2026-01-03T00:00:00.000Z"}
    return f"{imported(client, one)} {imported(client, newer)}"


@behaviour("findings-no-resource", "one without resources is not", "InvalidInput", HUB, needs=("securityhub",))
def no_resource(t):
    return imported(hub(t), finding(t, Resources=[]))


@behaviour("findings-older", "an update must be newer", "InvalidInput", HUB, needs=("securityhub",))
def older(t):
    client, one = hub(t), finding(t)
    imported(client, one)
    return imported(client, one)


@behaviour("findings-many", "a call has at most 100 findings", "InvalidInputException", HUB, needs=("securityhub",))
def many(t):
    return outcome(hub(t).batch_import_findings, Findings=[finding(t) for _ in range(101)])


@behaviour("findings-other-account", "only an account's own findings are imported", "AccessDeniedException", HUB, needs=("securityhub",))
def other_account(t):
    return outcome(hub(t).batch_import_findings, Findings=[finding(t, AwsAccountId="999999999999")])


@behaviour("findings-not-enabled", "where Security Hub is not enabled, nothing is imported", "InvalidAccessException", HUB, needs=("securityhub",))
def not_enabled(t):
    client = t.client("securityhub", region="eu-west-3")
    return outcome(client.batch_import_findings, Findings=[finding(t, region="eu-west-3")])
