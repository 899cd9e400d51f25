#!/usr/bin/env bash
# What Prowler says of an archive that orgtrail made: `just prowler`.
#
# Starts moto, makes an organization in one account, applies, and runs Prowler's
# CloudTrail, S3, KMS and CloudWatch checks. Every failure must stand in EXPECTED
# with its reason; one that no longer fails is an error as well. Then settings are
# changed behind orgtrail's back, and in both states `orgtrail drift` must say what
# Prowler says (prowler_agreement.py). Alarms are not declared there. Installs
# Prowler (2 GB) into target/peers/prowler, so this is no part of .ci/run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
place=$(mkdir -p "${ORGTRAIL_PEERS:-${CARGO_TARGET_DIR:-target}/peers}" &&
    cd "${ORGTRAIL_PEERS:-${CARGO_TARGET_DIR:-target}/peers}" && pwd)
orgtrail=$(realpath "${ORGTRAIL:-${CARGO_TARGET_DIR:-target}/debug/orgtrail}")
bash tests/peers/setup.sh boto3 moto
if ! [ -x "$place/prowler/bin/prowler" ]; then
    python3 -m venv "$place/prowler"
    "$place/prowler/bin/python" -m pip install --quiet --disable-pip-version-check prowler==5.46.0
fi
"$place/prowler/bin/prowler" --version

work=$(mktemp -d)
moto=
finish() {
    if [ -n "$moto" ]; then kill "$moto" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$place/moto/bin/moto_server" -H 127.0.0.1 -p "$port" >"$work/moto.log" 2>&1 &
moto=$!
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
export AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true ORGTRAIL_PACING=off
for _ in $(seq 100); do
    curl -s -o /dev/null "$AWS_ENDPOINT_URL" && break
    sleep 0.1
done

account=$("$place/boto3/bin/python" -c '
import boto3
boto3.client("organizations").create_organization(FeatureSet="ALL")
print(boto3.client("sts").get_caller_identity()["Account"])')
cat >"$work/orgtrail.toml" <<TOML
[organization]
management_account = "$account"
log_archive_account = "$account"
home_region = "us-east-1"
[archive]
bucket = "acme-log-archive"
TOML
"$orgtrail" --config "$work/orgtrail.toml" apply --yes

# judge STATE: what Prowler and orgtrail say of it.
judge() {
    local status=0
    # Exits with 3 where a check fails, which is for us to judge.
    "$place/prowler/bin/prowler" aws --region us-east-1 --services cloudtrail s3 kms cloudwatch \
        --output-formats json-ocsf --output-directory "$work/out" --output-filename "$1" \
        --no-banner >"$work/prowler.log" 2>&1 || status=$?
    if [ "$status" -ne 0 ] && [ "$status" -ne 3 ]; then
        tail -50 "$work/prowler.log" >&2
        return "$status"
    fi
    status=0
    "$orgtrail" --config "$work/orgtrail.toml" drift --report json="$work/$1.json" \
        >"$work/drift.log" 2>&1 || status=$?
    if [ "$status" -ne 0 ] && [ "$status" -ne 11 ] && [ "$status" -ne 14 ]; then
        tail -50 "$work/drift.log" >&2
        return "$status"
    fi
}

# Only what both look at, and moto keeps.
break_settings() {
    "$place/boto3/bin/python" -c '
import boto3
trails, s3, kms = (boto3.client(name) for name in ("cloudtrail", "s3", "kms"))
bucket = "acme-log-archive"
trail = trails.describe_trails()["trailList"][0]
trails.update_trail(Name=trail["TrailARN"], EnableLogFileValidation=False, IsMultiRegionTrail=False)
s3.delete_public_access_block(Bucket=bucket)
s3.delete_bucket_policy(Bucket=bucket)
s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
s3.delete_bucket_lifecycle(Bucket=bucket)
kms.disable_key_rotation(KeyId=trail["KmsKeyId"])'
}

judge declared
disagreed=0
python3 tests/peers/prowler_agreement.py declared "$work/declared.json" "$work/out/declared.ocsf.json" || disagreed=1
break_settings
judge broken
python3 tests/peers/prowler_agreement.py broken "$work/broken.json" "$work/out/broken.ocsf.json" || disagreed=1

python3 - "$work/out/declared.ocsf.json" "$disagreed" <<'PYTHON'
import json
import sys

EXPECTED = {
    "s3_bucket_no_mfa_delete": "native MFA delete excludes lifecycle rules; the policy asks for MFA instead",
    "s3_bucket_cross_region_replication": "a vault is asked for with [archive.replication]",
    "cloudtrail_bucket_requires_mfa_delete": "native MFA delete excludes lifecycle rules; the policy asks for MFA instead",
    "s3_bucket_event_notifications_enabled": "asked for with archive.notifications",
    "s3_bucket_default_encryption": "the access-log bucket: S3 encrypts a new bucket by itself, moto does not",
    "s3_bucket_kms_encryption": "the access-log bucket: S3 delivers access logs into SSE-S3 alone",
    "s3_bucket_object_lock": "the access-log bucket: S3 cannot deliver into a bucket with default retention",
    "s3_bucket_object_versioning": "the access-log bucket holds nothing to restore",
    "s3_bucket_server_access_logging_enabled": "the access-log bucket would log itself",
    "cloudtrail_multi_region_enabled_logging_management_events":
        "moto tells no selectors of a trail that never got any; AWS tells the default ones, which log management events",
    "cloudwatch_log_group_kms_encryption_enabled": "CloudWatch Logs encrypts the group with its own key",
    "cloudtrail_insights_exist": "costs by the event; asked for with trail.insights",
    "cloudtrail_s3_dataevents_read_enabled": "costs by the event; asked for with selectors",
    "cloudtrail_s3_dataevents_write_enabled": "costs by the event; asked for with selectors",
    "cloudtrail_bedrock_logging_enabled": "costs by the event; asked for with selectors",
    "cloudtrail_cloudwatch_logging_enabled": "moto delivers nothing, so there is no latest delivery",
}
EXPECTED_PREFIXES = {"cloudwatch_log_metric_filter_": "alarms cost by the month; asked for with [alarms]",
                     "cloudwatch_changes_to_": "alarms cost by the month; asked for with [alarms]"}

with open(sys.argv[1], encoding="utf-8") as file:
    findings = json.load(file)
passed, known, unknown = 0, {}, []
for finding in findings:
    check, status = finding["metadata"]["event_code"], finding["status_code"]
    if status == "PASS":
        passed += 1
    elif status == "FAIL":
        why = EXPECTED.get(check) or next(
            (why for start, why in EXPECTED_PREFIXES.items() if check.startswith(start)), None)
        if why:
            known[check] = why
        else:
            unknown.append((check, finding["status_detail"]))
for check, why in sorted(known.items()):
    print(f"  expected: {check}: {why}")
gone = sorted(EXPECTED.keys() - known.keys())
for check in gone:
    print(f"  FAILED: {check} is expected to fail, and did not")
for check, detail in unknown:
    print(f"  FAILED: {check}: {detail}")
if not passed:
    sys.exit("Prowler passed nothing: it did not look")
print(f"{passed} passed, {len(unknown) + len(gone)} failed, {len(known)} skipped")
sys.exit(1 if unknown or gone or sys.argv[2] != "0" else 0)
PYTHON
