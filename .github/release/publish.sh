#!/usr/bin/env bash
# Usage: .github/release/publish.sh
# Joins the pushed images of both architectures, pushes the chart, and signs both with the identity of the workflow that
# runs this. Prints `image=`, `image-digest=`, `chart=` and `chart-digest=`, a line each; everything else goes to
# standard error. SYFT is the program that writes the SBOM; GITHUB_* say what is released, and where to.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version="${GITHUB_REF_NAME#v}"
owner="${GITHUB_REPOSITORY_OWNER,,}"
image="ghcr.io/$owner/pacer"
charts="ghcr.io/$owner/charts"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# publish_image: prints the digest that stands for both architectures.
publish_image() {
    docker buildx imagetools create --tag "$image:$version" "$image:$version-amd64" "$image:$version-arm64" >&2
    docker buildx imagetools inspect "$image:$version" --format '{{json .Manifest}}' | jq --exit-status --raw-output .digest
}

# A scratch image holds one binary and no package database, so a scan of it finds nothing: the lock file is what says
# what is in it, and a little more, since it names what only tests use as well.
describe_image() {
    "${SYFT:?the program that writes the SBOM}" scan file:Cargo.lock --source-name pacer --source-version "$version" \
        --output "spdx-json=$work/sbom.spdx.json" >&2
}

# publish_chart: prints its digest.
publish_chart() {
    helm package charts/pacer --version "$version" --app-version "$version" --destination "$work" >&2
    helm push "$work/pacer-$version.tgz" "oci://$charts" 2>&1 | tee >(cat >&2) | sed -n 's/^Digest: //p'
}

image_digest="$(publish_image)"
describe_image
cosign sign --yes --recursive "$image@$image_digest" >&2
cosign attest --yes --type spdxjson --predicate "$work/sbom.spdx.json" "$image@$image_digest" >&2

chart_digest="$(publish_chart)"
: "${chart_digest:?helm push named no digest}"
cosign sign --yes "$charts/pacer@$chart_digest" >&2

printf '%s\n' "image=$image" "image-digest=$image_digest" "chart=$charts/pacer" "chart-digest=$chart_digest"
