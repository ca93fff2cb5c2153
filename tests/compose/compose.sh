#!/usr/bin/env bash
# Prints the path of a standalone Docker Compose v2. Debian has no package of it, so it is built
# once through the Go module proxy and cached in ${XDG_CACHE_HOME:-~/.cache}/euguess.
# Exit code 3: it is not built yet, and Go is not installed.
set -euo pipefail

MODULE=github.com/docker/compose/v2
VERSION=v2.40.3
program=${XDG_CACHE_HOME:-$HOME/.cache}/euguess/compose/$VERSION/docker-compose

say() { printf 'compose: %s\n' "$*" >&2; }

build() {
    local work source
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of this call
    trap "chmod -R u+w '$work'; rm -rf '$work'" EXIT
    say "building $MODULE@$VERSION; this takes some minutes once"
    # Its go.mod has `replace` lines, which `go install` refuses: hence a copy as the main module.
    source=$(cd "$work" && go mod download -json "$MODULE@$VERSION" |
        sed -n 's/^.*"Dir": "\(.*\)",\{0,1\}$/\1/p')
    cp -r "$source" "$work/source"
    chmod -R u+w "$work/source"
    mkdir -p "$(dirname "$program")"
    (cd "$work/source" && CGO_ENABLED=0 GOTOOLCHAIN=auto go build -trimpath -o "$program.part" \
        -ldflags "-s -w -X $MODULE/internal.Version=$VERSION" ./cmd) >&2
    mv "$program.part" "$program"
}

if ! [ -x "$program" ]; then
    command -v go >/dev/null || { say "there is no Go to build $MODULE with"; exit 3; }
    build
fi
printf '%s\n' "$program"
