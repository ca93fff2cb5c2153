#!/usr/bin/env bash
# Restore the volumes of the containers from a backup: deploy/restore.sh folder [--replace]
#
# Verifies the complete backup before anything changes. Refuses volumes that are not empty, unless
# --replace is given, which deletes their contents.
set -euo pipefail
start=$PWD
cd "$(dirname "$0")/.."
. deploy/cold.sh

usage="name the folder of a backup: make restore FROM=backups/20260131T235959Z [REPLACE=yes]."
source="" options=()
for argument in "$@"; do
    case $argument in
        --replace) options+=(--replace) ;;
        -*) fail "unknown option $argument; $usage" ;;
        *) source=$argument ;;
    esac
done
[ -n "$source" ] || fail "$usage"
case $source in /*) ;; *) source=$start/$source ;; esac
case ${source%/} in *.partial) fail "this backup is incomplete; choose another." ;; esac
[ -f "$source/manifest.json" ] || fail "there is no backup in $source; $usage"

find_stack
for volume in "${VOLUMES[@]}"; do
    has_volume "$volume" || "$DOCKER" volume create --label "com.docker.compose.project=$project" \
        --label "com.docker.compose.volume=$volume" "${project}_$volume" >/dev/null
done

stop_services
run_job rw "$source" readonly restore ${options[@]+"${options[@]}"}
[ ${#running[@]} -gt 0 ] || echo "Start the stack with make up."
