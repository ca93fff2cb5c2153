#!/usr/bin/env bash
# Provides the base image of the Dockerfiles: pulls it or, without a registry, builds it with
# debootstrap from the same packages and caches it beside the engine's data.
set -euo pipefail

IMAGE=debian:bookworm-slim
PULL_SECONDS=60
docker=$("$(dirname "$0")/engine.sh" client)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/euguess/docker
archive=$cache/bookworm-slim.tar

say() { printf 'base: %s\n' "$*" >&2; }

make_archive() {
    local root
    command -v debootstrap >/dev/null || { say "debootstrap is missing"; return 1; }
    mkdir -p "$cache"
    root=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of this call
    trap "rm -rf '$root'" EXIT
    say "debootstrap makes $IMAGE"
    debootstrap --variant=minbase bookworm "$root" >"$cache/debootstrap.log" 2>&1 ||
        { tail -5 "$cache/debootstrap.log" >&2; return 1; }
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
    tar --directory "$root" --numeric-owner --create --file "$archive.part" .
    mv "$archive.part" "$archive"
}

if "$docker" image inspect "$IMAGE" >/dev/null 2>&1; then
    say "$IMAGE is there"
elif timeout "$PULL_SECONDS" "$docker" pull --quiet "$IMAGE" >/dev/null 2>&1; then
    say "pulled $IMAGE"
else
    [ -f "$archive" ] || make_archive
    "$docker" import --change 'CMD ["bash"]' "$archive" "$IMAGE" >/dev/null
    say "imported $archive"
fi
