#!/usr/bin/env bash
# Usage: .github/release/check.sh [TAG]
# Ends with 1, naming each place, unless the program, the chart and the manifests have the same version; with a tag,
# unless that is the tag's, and CHANGELOG.md has its section.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version="$(sed -n '/^\[package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)"
wrong=0

# must_be PLACE FOUND EXPECTED
must_be() {
    [ "$2" = "$3" ] && return
    printf '%s says "%s"; expected "%s"\n' "$1" "$2" "$3" >&2
    wrong=1
}

# chart FIELD
chart() {
    sed -n "s/^$1: *\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" charts/pacer/Chart.yaml
}

must_be "charts/pacer/Chart.yaml: version" "$(chart version)" "$version"
must_be "charts/pacer/Chart.yaml: appVersion" "$(chart appVersion)" "$version"
image="$(sed -n 's/^ *image: "registry.example.com\/pacer:\(.*\)"$/\1/p' manifests/workloads/pod.yaml)"
must_be "manifests/workloads/pod.yaml: image" "$image" "$version"
if [ $# -gt 0 ]; then
    must_be "the tag" "$1" "v$version"
    heading="$(grep -m 1 -F "## [$version]" CHANGELOG.md || true)"
    must_be "CHANGELOG.md: the section of the release" "${heading%% - *}" "## [$version]"
fi
[ "$wrong" -eq 0 ] && printf 'version %s\n' "$version"
exit "$wrong"
