#!/bin/sh
# Runs an experiment on the cluster of kubectl's context, and takes home the logs and metrics of every pod:
#
#   experiments/run_experiment.sh            20 minutes
#   experiments/run_experiment.sh 600        10 minutes
#   experiments/run_experiment.sh 600 --set group.heartbeat.count=50 --namespace lab
#
# What follows the seconds goes to `wasmote experiment run`. Devices are those of experiments/on-kubernetes.toml;
# its thresholds are left out, so that nothing is judged.
#
# Environment, or a file .env in the current folder:
#   DOCKERHUB_USERNAME  whose image `wasmote:latest` the pods run; none for a local image
#   BEHAVIOUR           what the devices do; heartbeat unless set
#   WASMOTE             the program; found in the PATH or in target/release unless set
#   PLAN                another plan; its groups are left as they are
set -eu

here=$(cd "$(dirname "$0")" && pwd)

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# What the environment has counts more than the file.
from_file() {
    [ -f .env ] || return 0
    sed -n "s/^$1=//p" .env | tail -n 1
}

seconds=${1:-1200}
[ $# -eq 0 ] || shift
case $seconds in
'' | *[!0-9]* | 0*) fail "\"$seconds\" is no number of seconds; use one like 600" ;;
esac

user=${DOCKERHUB_USERNAME:-$(from_file DOCKERHUB_USERNAME)}
behaviour=${BEHAVIOUR:-$(from_file BEHAVIOUR)}
image=${user:+$user/}wasmote:latest

if [ -z "${WASMOTE:-}" ]; then
    if command -v wasmote >/dev/null 2>&1; then
        WASMOTE=wasmote
    elif [ -x "$here/../target/release/wasmote" ]; then
        WASMOTE=$here/../target/release/wasmote
    else
        fail "the program wasmote is not here; build it with: cargo build --release"
    fi
fi

if [ -z "${PLAN:-}" ]; then
    PLAN=$here/on-kubernetes.toml
    behaviour=${behaviour:-heartbeat}
    set -- --set "group.heartbeat.behaviour=$behaviour" --set "group.heartbeat.name=$behaviour" "$@"
fi

# `exec`, so that Ctrl-C reaches the program, which cleans up.
exec "$WASMOTE" experiment run "$PLAN" --on kubernetes --image "$image" --set "duration=${seconds}s" \
    --set "warm_up=0s" --set "thresholds=[]" "$@"
