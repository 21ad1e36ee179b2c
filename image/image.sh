#!/usr/bin/env bash
# Builds the image and leaves it as a docker-archive at $TARGET/image/pacer.tar, named pacer:VERSION.
#
# Usage: image/image.sh
#
# IMAGE_ENGINE    docker, podman or buildah; without it, the first of them that works
# IMAGE_BUILDER   `stage` compiles in the Dockerfile's builder stage, `host` with this machine's Rust;
#                 without it, the stage where its base image can be had, else the host
# CARGO_TARGET_DIR and SOURCE_DATE_EPOCH (default: the time of the last commit) are honoured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="${CARGO_TARGET_DIR:-target}/image"
archive="$folder/pacer.tar"
version="$(sed -n '/^\[package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)"
name="pacer:$version"
# What the short name means to docker and to a kubelet; podman and buildah would call it localhost/...
full_name="docker.io/library/$name"
base="$(sed -n 's/^FROM \(.*\) AS builder$/\1/p' Dockerfile)"

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# A command line without its daemon is of no use: docker is often left behind like that.
works() {
    case "$1" in
    docker) docker buildx version && docker info ;;
    podman) podman info ;;
    buildah) buildah --version ;;
    *) false ;;
    esac &>/dev/null
}

choose_engine() {
    if [ -n "${IMAGE_ENGINE:-}" ]; then
        works "$IMAGE_ENGINE" || fail "IMAGE_ENGINE=$IMAGE_ENGINE does not work here; accepted: docker (with buildx and a running daemon), podman, buildah"
        echo "$IMAGE_ENGINE"
        return
    fi
    for engine in docker podman buildah; do
        works "$engine" && echo "$engine" && return
    done
    fail "missing: docker (with buildx and a running daemon), podman or buildah" "    apt-get install buildah"
}

# On the host nothing runs inside a container, so this needs no rights and leaves the user's own storage alone.
buildah_here() {
    if [ "$builder" = host ]; then
        mkdir -p "$folder/storage" "$folder/run"
        buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"
    else
        buildah "$@"
    fi
}

choose_builder() {
    case "${IMAGE_BUILDER:-}" in
    stage | host)
        echo "$IMAGE_BUILDER"
        return
        ;;
    "") ;;
    *) fail "IMAGE_BUILDER=$IMAGE_BUILDER is not known; accepted: stage, host" ;;
    esac
    if "$engine" pull "$base" >&2; then
        echo stage
    else
        echo "$base cannot be pulled: compiling on this machine, for its architecture" >&2
        echo host
    fi
}

# build_args: the arguments that every engine takes, one a line.
build_args() {
    local revision created
    revision="$(git rev-parse HEAD 2>/dev/null || echo unknown)"
    created="$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)"
    printf '%s\n' --target runtime --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
        --build-arg "CREATED=$created" --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH"
    [ "$builder" = stage ] || printf '%s\n' --build-context "builder=$folder/host"
}

# The OCI format has no HEALTHCHECK: docker's has, and every runtime reads it.
build_image() {
    local arguments
    mapfile -t arguments < <(build_args)
    rm -f "$archive"
    case "$engine" in
    docker)
        # A builder that runs inside the daemon cannot write an archive itself.
        docker buildx build --provenance=false --load --tag "$name" "${arguments[@]}" .
        docker save --output "$archive" "$name"
        ;;
    podman)
        podman build --format docker --timestamp "$SOURCE_DATE_EPOCH" --tag "$full_name" "${arguments[@]}" .
        podman save --format docker-archive --output "$archive" "$full_name"
        ;;
    buildah)
        buildah_here bud --format docker --timestamp "$SOURCE_DATE_EPOCH" --tag "$full_name" "${arguments[@]}" .
        buildah_here push "$full_name" "docker-archive:$archive"
        ;;
    esac
}

SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export SOURCE_DATE_EPOCH
case "$folder" in
/*) ;;
*) folder="$folder" archive="$PWD/$archive" ;;
esac
mkdir -p "$folder"
engine="$(choose_engine)"
builder="$(choose_builder)"
[ "$builder" = stage ] || image/rootfs.sh "$folder/host"
build_image
printf '%s (%s, compiled in the %s): %s bytes at %s\n' "$name" "$engine" "${builder/host/host system}" \
    "$(stat --format %s "$archive")" "$archive"
