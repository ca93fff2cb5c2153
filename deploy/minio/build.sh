#!/usr/bin/env bash
# Build the MinIO server from source through the Go module proxy, and print the binary's path.
#
#   deploy/minio/build.sh                    the maintained fork (pgsty/silo)
#   deploy/minio/build.sh --allow-upstream   or else the archived upstream: for tests only, because
#                                            CVE-2026-40344 and CVE-2026-41145 are unpatched
#
# The binary is cached in ${XDG_CACHE_HOME:-~/.cache}/euguess/minio/<version>/minio; a second call
# returns at once. GOFLAGS is respected (GOFLAGS=-p=1 builds on one core).
set -euo pipefail

FORK=github.com/pgsty/silo
FORK_VERSION=07c42e4d2e365b7729d38d97a92b0b88f73ea9c6
UPSTREAM=github.com/minio/minio
UPSTREAM_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c

cache="${XDG_CACHE_HOME:-$HOME/.cache}/euguess/minio"

say() { printf '%s\n' "$*" >&2; }

print_cached() {
    [ -x "$cache/$1/minio" ] && printf '%s\n' "$cache/$1/minio"
}

# Both go.mod files declare the path github.com/minio/minio, and the fork's has `replace` lines,
# which `go install <path>@<version>` rejects. So a copy is built as the main module.
build() {
    local module=$1 version=$2 work description source
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # expanded now: the folder of this call
    trap "chmod -R u+w '$work'; rm -rf '$work'" EXIT
    if ! description=$(cd "$work" && go mod download -json "$module@$version"); then
        say "$(printf '%s' "$description" | sed -n 's/\\n\\t/ /g; s/^.*"Error": "\(.*\)",\{0,1\}$/\1/p')"
        return 1
    fi
    source=$(printf '%s' "$description" | sed -n 's/^.*"Dir": "\(.*\)",\{0,1\}$/\1/p')
    cp -r "$source" "$work/source"
    chmod -R u+w "$work/source"
    say "Building $module@$version; this takes some minutes, but only once."
    (cd "$work/source" && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$work/minio" .) >&2
    mkdir -p "$cache/$version"
    mv "$work/minio" "$cache/$version/minio.part"
    mv "$cache/$version/minio.part" "$cache/$version/minio"
    printf '%s\n' "$cache/$version/minio"
}

case "${1:-}" in
    "") allow_upstream=no ;;
    --allow-upstream) allow_upstream=yes ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

print_cached "$FORK_VERSION" && exit
[ "$allow_upstream" = yes ] && print_cached "$UPSTREAM_VERSION" && exit

if ! command -v go >/dev/null; then
    say "Go is missing: install it from your distribution or https://go.dev/dl, then run this again."
    exit 1
fi
export GOTOOLCHAIN=auto # the fork needs a newer Go than distributions have

(build "$FORK" "$FORK_VERSION") && exit
if [ "$allow_upstream" = no ]; then
    say "The fork cannot be built here; --allow-upstream builds the archived upstream, for tests only."
    exit 1
fi
say "Falling back to the archived upstream, which has unpatched vulnerabilities: for tests only."
(build "$UPSTREAM" "$UPSTREAM_VERSION")
