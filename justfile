# The project's chores. `just` lists them; each is one command to type by hand.

set shell := ["bash", "-euo", "pipefail", "-c"]

_default:
    @just --list --unsorted

# Every test
test *ARGS:
    cargo test --workspace {{ ARGS }}

# Formatting and clippy, warnings denied
lint:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets -- -D warnings

# The API's documentation, warnings denied
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Licences, banned crates, sources, and the advisories (needs the network)
deny:
    cargo deny check

# The benches, or one: `just bench s3`
bench *NAME:
    cargo bench -- {{ NAME }}

# A short form of every bench: one line a figure, with its ratio and target; under ten minutes
bench-quick:
    bash tests/peers/setup.sh events
    cargo bench -- quick

# Rounds without end, under faults and kills: `just soak`, `just soak 3 40`
soak MINUTES="30" ACCOUNTS="500":
    ORGTRAIL_SOAK_MINUTES={{ MINUTES }} ORGTRAIL_SOAK_ACCOUNTS={{ ACCOUNTS }} \
        cargo test --release --test it soak:: -- --ignored --nocapture

# `verify` beside `aws cloudtrail validate-logs`, at 0 and 20 ms
bench-verify *ARGS:
    bash tests/peers/setup.sh awscli
    cargo build --release
    ORGTRAIL="${CARGO_TARGET_DIR:-target}/release/orgtrail" python3 tests/peers/bench_verify.py {{ ARGS }}

# `consolidate` beside s5cmd, rclone and `aws s3 sync`, at 0 and 20 ms
bench-consolidate *ARGS:
    bash tests/peers/setup.sh boto3 awscli seaweedfs copiers
    cargo build --release
    ORGTRAIL="${CARGO_TARGET_DIR:-target}/release/orgtrail" \
        "${ORGTRAIL_PEERS:-${CARGO_TARGET_DIR:-target}/peers}/boto3/bin/python" tests/peers/bench_consolidate.py {{ ARGS }}

# Install what the cross-checks need, each in its own place under target/peers
peers-setup:
    bash tests/peers/setup.sh all

# The cross-checks against independent programs
peers: peers-setup
    cargo build
    bash tests/peers/run.sh

# What Prowler says of an applied archive (installs 2 GB)
prowler:
    cargo build
    bash tests/peers/prowler.sh

# All that a change must pass, from a fresh clone
ci:
    bash .ci/run
