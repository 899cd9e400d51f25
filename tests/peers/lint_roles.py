"""Lints the generated IAM policies with parliament.

A finding fails the run unless MUTED has it, and so does an entry of MUTED that mutes nothing.
"""

import pathlib
import re
import sys
import warnings

# parliament 1.6.4 imports `pkg_resources`, which setuptools before 81 has.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated")

from parliament import analyze_policy_string, enhance_finding  # noqa: E402

POLICIES = pathlib.Path(__file__).resolve().parents[2] / "infra/policies"

# The findings that are no defects: the policies and what it is about (patterns), the finding between
# them, and why.
MUTED = [
    (
        "archive",
        "RESOURCE_POLICY_PRIVILEGE_ESCALATION",
        r"on arn:aws:s3:::acme-(log-archive(-(access-logs|athena-results))?|orgtrail-state) due to s3:(Get|Put|Delete)Object not being "
        r"allowed, but does allow s3:(PutBucketPolicy|PutLifecycleConfiguration)",
        "orgtrail writes the bucket's policy and lifecycle: who has this role could let itself read and "
        "delete. Object Lock, the vault and the guardrail are for that, and `drift` reports it.",
    ),
    (
        "vault",
        "RESOURCE_POLICY_PRIVILEGE_ESCALATION",
        r"on arn:aws:s3:::acme-log-vault due to s3:(Get|Put|Delete)Object not being allowed, but does allow "
        r"s3:PutBucketPolicy",
        "The same: orgtrail writes the vault's policy.",
    ),
    (
        "archive",
        "UNKNOWN_CONDITION_FOR_ACTION",
        r"^Unknown condition kms:ResourceAliases for action kms:"
        r"(CreateAlias|EnableKey|EnableKeyRotation|PutKeyPolicy|TagResource|GenerateDataKey)$",
        "parliament's data does not have the key. KMS has it for all operations on keys (KMS Developer Guide, "
        "`kms:ResourceAliases`).",
    ),
    (
        "vault",
        "UNKNOWN_CONDITION_FOR_ACTION",
        r"^Unknown condition kms:ResourceAliases for action kms:(CreateAlias|EnableKeyRotation)$",
        "The same.",
    ),
    (
        "management|service",
        "RESOURCE_STAR",
        r"^\['organizations:DescribeAccount', 'organizations:DescribePolicy', "
        r"'organizations:ListTargetsForPolicy'\]$",
        "They only read, and the organization's id, which is in these ARNs, is not in the configuration.",
    ),
    (
        "archive|management|member|runner|service|vault",
        "RESOURCE_STAR",
        r"^\['config:DescribeConfigurationRecorderStatus'\]$",
        "It only reads, and a recorder may have any name.",
    ),
    (
        "management|service",
        "RESOURCE_STAR",
        r"^\['controltower:GetLandingZone'\]$",
        "It only reads, and AWS chooses the landing zone's id.",
    ),
    (
        "bootstrap|management",
        "RESOURCE_STAR",
        r"^\['organizations:DeregisterDelegatedAdministrator', 'organizations:RegisterDelegatedAdministrator'\]$",
        "The condition `organizations:ServicePrincipal` limits them to CloudTrail.",
    ),
    (
        "management",
        "RESOURCE_STAR",
        r"^\['organizations:AttachPolicy', 'organizations:DeletePolicy', 'organizations:DetachPolicy', "
        r"'organizations:EnablePolicyType', 'organizations:UpdatePolicy'\]$",
        "AWS chooses the policy's id when it is created. The condition `organizations:PolicyType` limits them "
        "to service control policies.",
    ),
    (
        "bootstrap",
        "RESOURCE_STAR",
        r"^\['organizations:EnablePolicyType'\]$",
        "The root's id is not known in advance. The condition `organizations:PolicyType` limits it to service "
        "control policies.",
    ),
    (
        "archive",
        "RESOURCE_MISMATCH",
        r"^\[\{'action': 'athena:ListTagsForResource', .*'athena:TagResource', .*datacatalog/\*'\}\]$",
        "Data catalogs and capacity reservations have tags too. orgtrail creates neither.",
    ),
]


def is_muted(entry, name, finding, about):
    policy, issue, pattern, _ = entry
    return re.fullmatch(policy, name) and issue == finding.issue and re.search(pattern, about)


def main():
    passed, failed, used = 0, 0, set()
    for path in sorted(POLICIES.glob("*.json")):
        name = path.stem
        problems = []
        for finding in map(enhance_finding, analyze_policy_string(path.read_text()).findings):
            about = str(finding.detail)
            muted = [at for at, entry in enumerate(MUTED) if is_muted(entry, name, finding, about)]
            used.update(muted)
            if not muted:
                problems.append(f"{finding.severity} {finding.issue}: {about} {finding.location}")
        for problem in problems:
            print(f"FAILED {name}: {problem}")
        passed, failed = passed + (not problems), failed + len(problems)
    for at, (policy, issue, pattern, _) in enumerate(MUTED):
        if at not in used:
            print(f"FAILED: nothing is muted by {policy}, {issue}, {pattern}")
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
