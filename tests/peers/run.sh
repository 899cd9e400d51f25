#!/usr/bin/env bash
# The cross-checks against independent programs, with what setup.sh installed.
# ORGTRAIL names the binary to check; target/release/orgtrail where it does not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
target=${CARGO_TARGET_DIR:-../../target}
peers=${ORGTRAIL_PEERS:-$target/peers}
status=0
python3 aws_cli.py || status=1
"$peers/boto3/bin/python" behaviour.py || status=1
"$peers/boto3/bin/python" provision.py || status=1
# moto brings the package that signs digests.
"$peers/moto/bin/python" real_logs.py || status=1
"$peers/schemas/bin/python" report_schemas.py || status=1
exit "$status"
