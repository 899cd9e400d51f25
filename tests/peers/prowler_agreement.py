"""Holds `orgtrail drift` and Prowler against each other, on one state.

    prowler_agreement.py STATE DRIFT.json PROWLER.ocsf.json

For every Prowler check that orgtrail's catalogue names, both must say the same of
the archive: broken or not. A disagreement must stand in DISAGREEMENTS with its
reason, and one that is no longer seen fails the run; docs/compared.md lists them.
"""

import json
import sys

BUCKET = "acme-log-archive"
EVERYWHERE = ("declared", "broken")
# The start of the names of what is judged by metric filters and their alarms.
ALARMS = ("cloudwatch_log_metric_filter_", "cloudwatch_changes_to_")

# By Prowler's check: in which states one of the two alone complains, and why.
DISAGREEMENTS = {
    "cloudtrail_bucket_requires_mfa_delete": (
        ("declared",), "native MFA delete excludes lifecycle rules; the policy asks for MFA instead"),
    "s3_bucket_cross_region_replication": (EVERYWHERE, "judged as declared, and no vault is"),
    "s3_bucket_event_notifications_enabled": (EVERYWHERE, "judged as declared, and none are"),
    "cloudwatch_log_group_kms_encryption_enabled": (EVERYWHERE, "judged as declared, and no key is"),
    "cloudtrail_insights_exist": (EVERYWHERE, "judged as declared, and none are"),
    "cloudtrail_s3_dataevents_read_enabled": (EVERYWHERE, "judged as declared, and none are"),
    "cloudtrail_s3_dataevents_write_enabled": (EVERYWHERE, "judged as declared, and none are"),
    "cloudtrail_multi_region_enabled_logging_management_events": (
        ("declared",), "moto tells no selectors of a trail that never got any; AWS tells the default ones"),
    "cloudtrail_cloudwatch_logging_enabled": (EVERYWHERE, "moto delivers nothing, so there is no latest delivery"),
    "cloudtrail_multi_region_enabled": (
        ("broken",), "orgtrail alone: Prowler was shown one Region, and a trail of one Region is enough there"),
    "cloudtrail_logs_s3_bucket_is_not_publicly_accessible": (
        ("broken",), "orgtrail alone: Prowler judges the grants here, and the missing block elsewhere"),
}


def disagreement(check):
    """In which states one of the two alone may complain, and why."""
    if check.startswith(ALARMS):
        return EVERYWHERE, "judged as declared, and no alarms are"
    return DISAGREEMENTS.get(check, ((), ""))


def concerns_archive(finding):
    """Prowler judges every bucket; orgtrail judges the archive."""
    if not finding["metadata"]["event_code"].startswith("s3_bucket_"):
        return True
    return any(BUCKET in (resource.get("name"), resource.get("uid", "").rsplit(":", 1)[-1])
               for resource in finding["resources"])


def main():
    state, drift, prowler = sys.argv[1], *(json.load(open(path, encoding="utf-8")) for path in sys.argv[2:4])
    theirs = {}
    for finding in prowler:
        if concerns_archive(finding) and finding["status_code"] in ("PASS", "FAIL"):
            check = finding["metadata"]["event_code"]
            theirs[check] = theirs.get(check, False) or finding["status_code"] == "FAIL"
    ours = {}
    for check in drift["checks"]:
        verdicts = {finding["verdict"] for finding in drift["findings"] if finding["check"] == check["id"]}
        for mapping in check["mappings"]:
            if mapping["framework"] == "prowler":
                ours.setdefault(mapping["id"], {})[check["id"]] = verdicts
    agree, expected, wrong = 0, 0, []
    for check, judged in sorted(ours.items()):
        verdicts = set().union(*judged.values())
        names = ", ".join(judged)
        if check not in theirs:
            wrong.append(f"{check} ({names}): Prowler did not check it")
            continue
        if verdicts == {"unknown"}:
            wrong.append(f"{check} ({names}): it is unknown to orgtrail")
            continue
        failed = "fail" in verdicts
        states, why = disagreement(check)
        if theirs[check] != failed and state in states:
            expected += 1
            print(f"  disagree as expected: {check} ({names}): {why}")
        elif theirs[check] == failed:
            agree += 1
            if state in states:
                wrong.append(f"{check} ({names}): both say {'failed' if failed else 'passed'}, against the list")
            else:
                print(f"  agree: {check} ({names}): {'failed' if failed else 'passed'}")
        else:
            wrong.append(f"{check} ({names}): Prowler says {'failed' if theirs[check] else 'passed'}, "
                         f"orgtrail {'failed' if failed else 'passed'}")
    for line in wrong:
        print(f"  FAILED: {line}")
    print(f"state `{state}`: {agree} agree, {expected} disagree as expected, {len(wrong)} failed")
    return 1 if wrong or not agree else 0


if __name__ == "__main__":
    sys.exit(main())
