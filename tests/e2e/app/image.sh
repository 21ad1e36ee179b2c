#!/usr/bin/env bash
# Builds the image of the application and the upstream that the end-to-end tests run in pods: one static
# program, nothing else.
#
# Usage: tests/e2e/app/image.sh OUT.tar     leaves a docker-archive there, named localhost/pacer-e2e/app:1
#
# No container engine is needed. `ctr -n k8s.io images import`, `docker load` and `kind load image-archive`
# take the archive. CARGO_TARGET_DIR is honoured.
set -euo pipefail

out="$(realpath -m "${1:?usage: tests/e2e/app/image.sh OUT.tar}")"
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

host="$(rustc -vV | sed -n 's/^host: //p')"
case "$host" in
*-linux-gnu | *-linux-musl) ;;
*)
    echo "tests/e2e/app/image.sh: a Rust toolchain for Linux is needed, this one is for $host" >&2
    exit 1
    ;;
esac

# Static: the image holds no C library. As in image/rootfs.sh, the explicit target keeps the flag away from
# build scripts and procedural macros.
RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --release --target "$host" --package pacer-e2e-app
# Another user than the sidecar's, so that neither leans on files of the other. A number, so that the kubelet can
# tell that it is not root.
"${PYTHON:-python3}" -B tests/e2e/archive.py "$out" localhost/pacer-e2e/app:1 \
    '{"Entrypoint": ["/app"], "User": "65533:65533", "ExposedPorts": {"8080/tcp": {}}, "WorkingDir": "/"}' \
    "app=${CARGO_TARGET_DIR:-target}/$host/release/app"
