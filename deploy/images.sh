#!/usr/bin/env bash
# Build the container images from this checkout.
#
#   deploy/images.sh [image ...]       default: all but minio, whose image is pulled
#
# CA_BUNDLE=file    certificates to trust during the build (corporate proxies)
# ACCELERATOR=gpu   keep all CUDA libraries in the images with torch; default: cpu
# MINIO=yes         also build MinIO from source, as euguess/minio
# ALLOW_UPSTREAM=yes  fall back to MinIO's archived upstream (tests only)
# DOCKER=program    the docker client
set -euo pipefail
cd "$(dirname "$0")/.."

DOCKER=${DOCKER:-docker}
export DOCKER_BUILDKIT=1
all=(setup redis mlflow simulator sampler fetcher trainer inference dashboard)
[ "${MINIO:-no}" = yes ] && all+=(minio)

dockerfile_of() {
    case $1 in
        dashboard) echo dashboard/Dockerfile ;;
        minio | mlflow | redis | setup) echo "deploy/$1/Dockerfile" ;;
        *) echo "services/$1/Dockerfile" ;;
    esac
}

build() {
    local arguments=(--file "$(dockerfile_of "$1")" --tag "euguess/$1")
    case $1 in
        trainer | inference) arguments+=(--build-arg "ACCELERATOR=${ACCELERATOR:-cpu}") ;;
        minio) arguments+=(--build-arg "ALLOW_UPSTREAM=${ALLOW_UPSTREAM:-no}") ;;
    esac
    [ -n "${CA_BUNDLE:-}" ] && arguments+=(--secret "id=ca_bundle,src=$CA_BUNDLE")
    echo "== euguess/$1"
    "$DOCKER" build "${arguments[@]}" .
}

[ $# -gt 0 ] && all=("$@")
for image in "${all[@]}"; do
    build "$image"
done
