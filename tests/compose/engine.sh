#!/usr/bin/env bash
# A Docker engine for the tests of the containers.
#
#   tests/compose/engine.sh start    use a running engine, or as root install and start one
#   tests/compose/engine.sh stop     stop the engine that `start` started, never another one
#   tests/compose/engine.sh client   print the path of a docker client that supports BuildKit
#
# Exit code 3: no engine is running, and only root can start one. A started engine keeps its images in
# ${XDG_CACHE_HOME:-~/.cache}/euguess/docker, so the next run builds only what has changed.
# DOCKERD_FLAGS: further options for a started engine.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/euguess/docker
pid_file=$cache/dockerd.pid
log=$cache/dockerd.log
START_SECONDS=60
STOP_SECONDS=60
KEPT_BUILD_CACHE=12GB
ROOM_GB=20 # free on the cache's disk: enough to build all images from scratch

say() { printf 'engine: %s\n' "$*" >&2; }

version_of() { "$1" version --format '{{.Client.Version}}' 2>/dev/null; }

# Clients before version 23 include BuildKit; newer ones need the buildx plugin.
can_build() {
    local version
    "$1" buildx version >/dev/null 2>&1 && return
    version=$(version_of "$1" || true)
    [ -n "$version" ] && [ "${version%%.*}" -lt 23 ]
}

client() {
    local program programs
    hash -r # forget cached paths, or `type` reports only the old client
    mapfile -t programs < <(type -aP docker)
    for program in "${programs[@]}"; do
        can_build "$program" && printf '%s\n' "$program" && return
    done
    say "no docker client on PATH can build with BuildKit; install docker-buildx"
    return 1
}

answers() { command -v docker >/dev/null && docker info >/dev/null 2>&1; }

install_packages() {
    command -v dockerd >/dev/null && client >/dev/null 2>&1 && command -v docker-compose >/dev/null &&
        command -v debootstrap >/dev/null && return
    command -v apt-get >/dev/null || { say "install Docker; apt-get is not there"; return 1; }
    say "installing docker.io, docker-compose and debootstrap"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        docker.io docker-compose debootstrap iptables >"$cache/apt.log" 2>&1 ||
        { tail -20 "$cache/apt.log" >&2; return 1; }
}

# Containers of a killed run would start again with the engine.
remove_leftovers() {
    local filter="name=euguess-test-"
    docker ps -aq --filter "$filter" | xargs -r docker rm --force >/dev/null
    docker volume ls -q --filter "$filter" | xargs -r docker volume rm >/dev/null
    docker network ls -q --filter "$filter" | xargs -r docker network rm >/dev/null
}

run_engine() {
    local flags
    read -ra flags <<<"${DOCKERD_FLAGS:-}"
    setsid dockerd --data-root "$cache/data" --pidfile "$pid_file" "${flags[@]}" \
        >"$log" 2>&1 </dev/null &
    for ((i = 0; i < START_SECONDS * 5; i++)); do
        answers && say "started one, its data are in $cache/data" && remove_leftovers && return
        kill -0 $! 2>/dev/null || break
        sleep 0.2
    done
    say "the engine did not start:"
    tail -20 "$log" >&2
    return 1
}

free_gb() { df --output=avail --block-size=1G "$cache" | tail -1 | tr -dc 0-9; }

# Shrink the cache if the disk is nearly full: old entries first, then everything.
make_room() {
    local docker kept
    docker=$(client)
    for kept in "$KEPT_BUILD_CACHE" 6GB 0; do
        [ "$(free_gb)" -ge "$ROOM_GB" ] && return
        say "$(free_gb) GB free, $ROOM_GB GB needed: keeping $kept of the build cache"
        "$docker" builder prune --force --keep-storage "$kept" >/dev/null || true
        [ "$kept" != 0 ] || "$docker" system prune --all --force >/dev/null || true
    done
    [ "$(free_gb)" -ge "$ROOM_GB" ] || say "only $(free_gb) GB are free; the stack may not fit"
}

start() {
    if answers; then
        say "taking the running one ($(docker info --format '{{.ServerVersion}}'))"
        return
    fi
    [ "$(id -u)" = 0 ] || { say "none answers, and only root can start one"; return 3; }
    mkdir -p "$cache"
    install_packages
    answers || run_engine # the package may have started it
    own_pid >/dev/null && make_room
    return 0
}

own_pid() {
    local pid
    pid=$(cat "$pid_file" 2>/dev/null) || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] && printf '%s\n' "$pid"
}

stop() {
    local pid docker
    pid=$(own_pid) || return 0
    docker=$(client)
    # This engine holds only what earlier runs built.
    "$docker" image prune --force >/dev/null || true
    "$docker" builder prune --force --keep-storage "$KEPT_BUILD_CACHE" >/dev/null || true
    kill "$pid"
    for ((i = 0; i < STOP_SECONDS * 5; i++)); do
        kill -0 "$pid" 2>/dev/null || { say "stopped"; return; }
        sleep 0.2
    done
    say "process $pid does not end"
    return 1
}

case "${1:-}" in
    start | stop | client) "$1" ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
