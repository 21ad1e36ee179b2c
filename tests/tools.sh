#!/usr/bin/env bash
# Usage: tests/tools.sh TOOL...
# Ends with 1, naming each missing tool and how to get it, unless all are there.
set -euo pipefail

python="${PYTHON:-python3}"
missing=0

# lacks WHAT HOW: tells what is missing and how to get it.
lacks() {
    printf 'missing: %s\n    %s\n' "$1" "$2" >&2
    missing=1
}

# Hints name Debian's packages; other systems call them alike.
check() {
    case "$1" in
    cargo) command -v cargo >/dev/null || lacks "cargo (Rust 1.89 or newer)" "see https://rustup.rs" ;;
    "$python")
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
            lacks "$python (3.11 or newer)" "apt-get install python3, or: make PYTHON=/path/to/python3"
        ;;
    venv)
        "$python" -c 'import venv, ensurepip' 2>/dev/null ||
            lacks "Python's venv module" "apt-get install python3-venv"
        ;;
    "${NODE:-node}")
        "$1" -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null ||
            lacks "$1 (Node.js 20 or newer)" "apt-get install nodejs (Debian 13 on), or: make NODE=/path/to/node"
        ;;
    # Some systems let only root make a mount namespace.
    unshare)
        command -v unshare >/dev/null || lacks "unshare" "apt-get install util-linux"
        if [ "$(id -u)" -ne 0 ] && ! unshare -rm true 2>/dev/null; then
            lacks "user namespaces, for the mount that pods have" "run as root, or: sysctl -w kernel.unprivileged_userns_clone=1"
        fi
        ;;
    setpriv) command -v setpriv >/dev/null || lacks "setpriv" "apt-get install util-linux" ;;
    cc) command -v cc >/dev/null || lacks "a C compiler" "apt-get install gcc libc6-dev" ;;
    systemd-analyze) command -v systemd-analyze >/dev/null || lacks "systemd-analyze" "apt-get install systemd" ;;
    npm) command -v npm >/dev/null || lacks "npm" "apt-get install npm" ;;
    *) command -v "$1" >/dev/null || lacks "$1" "apt-get install $1" ;;
    esac
}

for tool in "$@"; do
    check "$tool"
done
exit "$missing"
