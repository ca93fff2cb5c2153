#!/usr/bin/env bash
# Installs what some tests need besides Python packages: Chromium for the dashboard's pages, and a
# MinIO server for the store contract. Without them those tests are skipped.
#
#   tests/install-deps.sh FOLDER     FOLDER is on PATH when the tests run; MinIO is linked there
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1
missing=0

say() { printf '%s\n' "$*" >&2; }

install_chromium() {
    command -v chromium >/dev/null && return
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium && return
    fi
    say "Could not install Chromium. Install it with your package manager, as the command chromium."
    missing=1
}

install_minio() {
    command -v minio >/dev/null && return
    if ! command -v go >/dev/null; then
        say "MinIO is built from source and needs Go. Install Go, then run this again."
        missing=1
    elif minio=$(deploy/minio/build.sh --allow-upstream); then
        ln -sf "$minio" "$bin/minio"
    else
        say "Could not build MinIO; the reason is above."
        missing=1
    fi
}

install_chromium
install_minio
exit "$missing"
