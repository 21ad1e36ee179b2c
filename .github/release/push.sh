#!/usr/bin/env bash
# Usage: .github/release/push.sh ARCHITECTURE
# Pushes what `make image` left in docker, under the name of one architecture; .github/release/publish.sh joins them.
# GITHUB_REPOSITORY_OWNER names the place in the registry.
set -euo pipefail

version="${GITHUB_REF_NAME#v}"
image="ghcr.io/${GITHUB_REPOSITORY_OWNER,,}/pacer:$version-$1"
docker tag "pacer:$version" "$image"
docker push "$image"
