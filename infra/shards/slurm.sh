#!/bin/sh
# A verification in 16 shards on Slurm, and its result:
#
#     sbatch --parsable --array=0-15 slurm.sh verify "$(date -u +%FT%TZ)" /shared/orgtrail/1130
#     sbatch --dependency=afterok:JOB slurm.sh gather - /shared/orgtrail/1130
#
# The first argument is `verify` or `consolidate`. The directory is one that all nodes share, of its
# own for each run; it is created. A task whose node fails is queued again, and does the same
# accounts and Regions again: what was written before is found and kept.
#SBATCH --job-name=orgtrail
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
set -eu

work=${1:?verify, consolidate or gather} until=${2:?the time up to which to verify} results=${3:?a directory}
shards=${ORGTRAIL_SHARDS:-16}
config=${ORGTRAIL_CONFIG:-/etc/orgtrail/orgtrail.toml}

case $work in
verify)
    exec orgtrail --config "$config" --quiet verify \
        --until "$until" --shard "auto/$shards" --results "$results"
    ;;
consolidate)
    exec orgtrail --config "$config" --quiet consolidate --yes \
        --shard "auto/$shards" --results "$results"
    ;;
gather)
    exec orgtrail --config "$config" gather "$results"
    ;;
*)
    echo "found \`$work\`, expected verify, consolidate or gather" >&2
    exit 2
    ;;
esac
