#!/usr/bin/env bash
# The cross-checks against independent programs, with what setup.sh installed.
# ORGTRAIL names the binary to check; target/debug/orgtrail where it does not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
target=${CARGO_TARGET_DIR:-../../target}
peers=${ORGTRAIL_PEERS:-$target/peers}
status=0
# Which binary, for the one that takes it as an argument.
orgtrail=$(realpath "${ORGTRAIL:-$target/debug/orgtrail}")
python3 aws_cli.py || status=1
"$peers/boto3/bin/python" behaviour.py || status=1
"$peers/boto3/bin/python" recordings.py || status=1
"$peers/boto3/bin/python" provision.py || status=1
"$peers/boto3/bin/python" notifications.py || status=1
# moto brings the package that signs digests.
"$peers/moto/bin/python" real_logs.py || status=1
"$peers/events/bin/python" events_export.py || status=1
"$peers/events/bin/python" events_questions.py || status=1
"$peers/queries/bin/python" athena_queries.py || status=1
"$peers/schemas/bin/python" report_schemas.py || status=1
"$peers/service/bin/python" service_api.py || status=1
"$peers/browser/bin/python" pages.py || status=1
"$peers/deployment/bin/python" deployment.py || status=1
"$peers/awscli/bin/python" validate_logs.py "$orgtrail" || status=1
"$peers/cfnlint/bin/cfn-lint" ../../infra/roles/*.json \
    ../../infra/schedule/ecs.yaml ../../infra/ecs/service.yaml ../../infra/state/bucket.yaml || status=1
"$peers/parliament/bin/python" lint_roles.py || status=1
exit "$status"
