#!/usr/bin/env bash
# Prints the command of a Chromium: CHROMIUM where it is set, else the first of its usual names.
# Where there is none, root on a Debian gets Debian's package; anybody else is told the command.
set -euo pipefail

if [[ -n ${CHROMIUM:-} ]]; then
    command -v "$CHROMIUM" && exit
else
    for browser in chromium chromium-browser google-chrome; do
        command -v "$browser" && exit
    done
    if [[ $(id -u) -eq 0 && -e /etc/debian_version ]]; then
        echo "installing chromium" >&2
        apt-get update --quiet=2 >&2
        apt-get install --quiet=2 --yes --no-install-recommends chromium >&2
        command -v chromium && exit
    fi
fi
printf 'missing: chromium (CHROMIUM is "%s")\n    %s\n' "${CHROMIUM:-}" \
    "apt-get install chromium, or: make CHROMIUM=/path/to/chromium" >&2
exit 1
