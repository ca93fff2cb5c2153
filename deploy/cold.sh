# Sourced by backup.sh and restore.sh, which need consistent volumes: stops the services, runs a job of
# the image euguess/setup on the volumes, and restarts what was running, even if the job fails.
#
# DOCKER=program   the docker client
# COMPOSE=words    the compose command; default: docker compose, else docker-compose
# COMPOSE_PROJECT_NAME, COMPOSE_FILE   as in Compose

DOCKER=${DOCKER:-docker}
SETUP_IMAGE=${EUGUESS_SETUP_IMAGE:-euguess/setup}
# Without the tokens: TorchServe creates a new one at each start.
VOLUMES=(secrets redis minio mlflow trainer inference)
running=()

fail() {
    echo "$(basename "$0" .sh): $*" >&2
    exit 1
}

# Sets compose, project and job, or fails and says what is missing.
find_stack() {
    "$DOCKER" info >/dev/null 2>&1 || fail "Docker does not respond; check that it is running and that you may use it."
    if [ -n "${COMPOSE:-}" ]; then
        read -ra compose <<<"$COMPOSE"
    elif "$DOCKER" compose version >/dev/null 2>&1; then
        compose=("$DOCKER" compose)
    else
        compose=(docker-compose)
    fi
    "${compose[@]}" version >/dev/null 2>&1 || fail "Docker Compose is missing; install the plugin docker-compose-plugin."
    "${compose[@]}" config -q || fail "docker-compose.yml is not valid with these variables, see above."
    "$DOCKER" image inspect "$SETUP_IMAGE" >/dev/null 2>&1 || fail "the image $SETUP_IMAGE is missing; run make images."
    project=$(project_name)
    job="$project-volumes"
    if [ -n "$("$DOCKER" ps -aq --filter "name=^/?$job\$")" ]; then
        fail "another backup or restore of this stack is running (container $job)."
    fi
}

# Compose v2 prints the name; 1.29 uses the variable, or else the folder's name.
project_name() {
    local name
    name=$("${compose[@]}" config 2>/dev/null | sed -n 's/^name: //p')
    [ -n "$name" ] || name=${COMPOSE_PROJECT_NAME:-}
    [ -n "$name" ] || name=$(sed -n 's/^COMPOSE_PROJECT_NAME=//p' .env 2>/dev/null | tail -n 1 | tr -d "\"'")
    [ -n "$name" ] || name=$(basename "$(pwd -P)")
    tr '[:upper:]' '[:lower:]' <<<"$name" | tr -cd 'a-z0-9_-'
}

has_volume() {
    "$DOCKER" volume inspect "${project}_$1" >/dev/null 2>&1
}

containers() { # names of the running ones that use a volume
    "$DOCKER" ps --filter "volume=${project}_$1" --format '{{.Names}}' | tr '\n' ' '
}

# From here on, the services that run now are restarted at the end, whatever happens.
stop_services() {
    local service volume users
    while read -r service; do
        running+=("$service")
    done < <("$DOCKER" ps --filter "label=com.docker.compose.project=$project" \
        --filter label=com.docker.compose.oneoff=False \
        --format '{{.Label "com.docker.compose.service"}}' | sort -u)
    trap start_services EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    if [ ${#running[@]} -gt 0 ]; then
        echo "Stopping the services."
        "${compose[@]}" stop
    fi
    for volume in "${VOLUMES[@]}"; do
        users=$(containers "$volume")
        [ -z "$users" ] || fail "the volume ${project}_$volume is in use; stop first: $users"
    done
}

start_services() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [ ${#running[@]} -gt 0 ]; then
        echo "Starting the services again."
        "${compose[@]}" start "${running[@]}" || {
            echo "$(basename "$0" .sh): the services did not start; run make up." >&2
            status=1
        }
    fi
    exit "$status"
}

# run_job MODE FOLDER FOLDER_MODE command...: MODE of the volumes and of the folder is rw or readonly.
run_job() {
    local mode=$1 folder=$2 folder_mode=$3 volume
    shift 3
    local options=(--mount "$(mount bind "$folder" /backups "$folder_mode")")
    for volume in "${VOLUMES[@]}"; do
        options+=(--mount "$(mount volume "${project}_$volume" "/volumes/$volume" "$mode")")
    done
    if [ -t 1 ] && [ -t 2 ]; then options+=(--tty); fi
    "$DOCKER" run --rm --init --name "$job" --network none --user 0:0 --read-only --tmpfs /tmp \
        --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER \
        --security-opt no-new-privileges "${options[@]}" "$SETUP_IMAGE" "$@"
}

mount() { # type, source, target, mode
    echo "type=$1,source=$2,target=$3$([ "$4" = rw ] || echo ,readonly)"
}
