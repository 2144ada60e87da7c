#!/bin/sh
# Runs an experiment on the cluster of kubectl's context, and collects the logs and metrics of every pod:
#
#   experiments/run_experiment.sh            20 minutes
#   experiments/run_experiment.sh 600        10 minutes
#   experiments/run_experiment.sh 600 --set group.heartbeat.count=50 --namespace lab
#
# Further arguments are passed to `wasmote experiment run`. The devices are those of experiments/on-kubernetes.toml, without
# its thresholds.
#
# Environment, or a file .env in the current folder:
#   DOCKERHUB_USERNAME  owner of the image `wasmote:VERSION`; empty for an image that is loaded into the nodes
#   BEHAVIOUR           behaviour of the devices; default heartbeat
#   WASMOTE             path of the program; default from the PATH or target/release
#   PLAN                another plan; its groups stay unchanged
set -eu

here=$(cd "$(dirname "$0")" && pwd)

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# Reads a variable from .env; the environment has precedence.
from_file() {
    [ -f .env ] || return 0
    sed -n "s/^$1=//p" .env | tail -n 1
}

seconds=${1:-1200}
[ $# -eq 0 ] || shift
case $seconds in
'' | *[!0-9]* | 0*) fail "\"$seconds\" is not a number of seconds; use for example 600" ;;
esac

user=${DOCKERHUB_USERNAME:-$(from_file DOCKERHUB_USERNAME)}
behaviour=${BEHAVIOUR:-$(from_file BEHAVIOUR)}

if [ -z "${WASMOTE:-}" ]; then
    if command -v wasmote >/dev/null 2>&1; then
        WASMOTE=wasmote
    elif [ -x "$here/../target/release/wasmote" ]; then
        WASMOTE=$here/../target/release/wasmote
    else
        fail "the program wasmote was not found; build it with: cargo build --release"
    fi
fi

version=$("$WASMOTE" --version)
image=${user:+$user/}wasmote:${version##* }

if [ -z "${PLAN:-}" ]; then
    PLAN=$here/on-kubernetes.toml
    behaviour=${behaviour:-heartbeat}
    set -- --set "group.heartbeat.behaviour=$behaviour" --set "group.heartbeat.name=$behaviour" "$@"
fi

# `exec` lets Ctrl-C reach the program, which then cleans up.
exec "$WASMOTE" experiment run "$PLAN" --on kubernetes --image "$image" --set "duration=${seconds}s" \
    --set "warm_up=0s" --set "thresholds=[]" "$@"
