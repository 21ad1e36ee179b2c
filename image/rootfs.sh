#!/usr/bin/env bash
# Builds everything the image holds: one static binary and the certificate file.
#
# Usage: image/rootfs.sh FOLDER     leaves FOLDER/rootfs, the root of the image
#
# The Dockerfile's builder stage and a host whose container engine cannot pull that stage's base
# run this same script. CARGO_TARGET_DIR is honoured, and SOURCE_DATE_EPOCH for the files' times. PACER_FEATURES names
# cargo features that what ships is built without: the end-to-end tests need one.
set -euo pipefail

out="${1:?usage: image/rootfs.sh FOLDER}"
mkdir -p "$out"
out="$(cd "$out" && pwd)"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

host="$(rustc -vV | sed -n 's/^host: //p')"
cargo_home="${CARGO_HOME:-$HOME/.cargo}"
target="${CARGO_TARGET_DIR:-$PWD/target}"

case "$host" in
*-linux-gnu | *-linux-musl) ;;
*)
    echo "image/rootfs.sh: a Rust toolchain for Linux is needed, this one is for $host" >&2
    exit 1
    ;;
esac

# Static: the image holds no C library. glibc's own resolver for hosts and DNS is linked in, and
# `make image-test` resolves a name in a bare root. The paths of the builder stay out of the binary.
export RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$PWD=/pacer"
# jemalloc is compiled for one page size and stops on a kernel with larger ones. Those of arm64
# have 4, 16 or 64 KiB: what is built for 64 runs on all of them.
case "$host" in
aarch64-*) export JEMALLOC_SYS_WITH_LG_PAGE=16 ;;
esac

# The crates with C parts are compiled anew when this changes, as it does with every commit. Their dates are of no use:
# the files' times, below, are the commit's.
epoch="${SOURCE_DATE_EPOCH:-0}"
export SOURCE_DATE_EPOCH=0

# The explicit target keeps the flags away from build scripts and procedural macros, which cannot be static.
cargo build --locked --profile dist --target "$host" --package pacer ${PACER_FEATURES:+--features "$PACER_FEATURES"}
cargo build --locked --target "$host" --package pacer-roots

root="$out/rootfs"
rm -rf "$root"
install -D -m 0755 "$target/$host/dist/pacer" "$root/usr/local/bin/pacer"
mkdir -p "$root/etc/ssl/certs"
"$target/$host/debug/pacer-roots" >"$root/etc/ssl/certs/ca-certificates.crt"
chmod 0644 "$root/etc/ssl/certs/ca-certificates.crt"
# Equal input makes an equal layer, whoever's umask and clock it was.
find "$root" -type d -exec chmod 0755 {} +
find "$root" -exec touch --no-dereference --date="@$epoch" {} +
