#!/usr/bin/env bash
# Back up the volumes of the containers: deploy/backup.sh [folder]
#
# Stops the services, so that Redis, MinIO and MLflow are consistent, and restarts them. Each backup
# is a new folder that only you can read, because it contains the secrets. Default: backups/
set -euo pipefail
start=$PWD
cd "$(dirname "$0")/.."
. deploy/cold.sh

target=${1:-$PWD/backups}
case $target in /*) ;; *) target=$start/$target ;; esac

find_stack
for volume in "${VOLUMES[@]}"; do
    has_volume "$volume" || fail "there is no volume ${project}_$volume: this stack was never started" \
        "(or COMPOSE_PROJECT_NAME differs)."
done
[ -d "$target" ] || (umask 077 && mkdir -p "$target") || fail "choose another folder: TO=folder."

stop_services
run_job readonly "$target" rw backup
echo "The backup is in $target. Restore it: make restore FROM=..."
