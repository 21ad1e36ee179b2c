#!/usr/bin/env bash
# Runs the page's tests in a real Chromium against the binary PACER_BIN. The locked packages are kept by hash in
# ${XDG_CACHE_HOME:-~/.cache}/pacer/page, outside the source tree: a second run installs nothing.
#
# Usage: run.sh                     runs the tests
#        run.sh pictures FOLDER     takes the pictures of docs/images instead, in a quarter of an hour
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

node="${NODE:-node}"
: "${PACER_BIN:?the binary under test, as make page sets it}"
[[ -x $PACER_BIN ]] || { echo "no binary at $PACER_BIN: run make release" >&2; exit 1; }
chromium="$(./browser.sh)"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/pacer/page"
modules="$cache/node-$({ cat package-lock.json; "$node" --version; } | sha256sum | cut -c1-16)"
if [[ ! -d $modules ]]; then
    echo "installing page/package-lock.json"
    rm -rf "$modules.part"
    mkdir -p "$modules.part"
    cp package.json package-lock.json .npmrc "$modules.part/"
    npm ci --silent --prefix "$modules.part"
    mv "$modules.part" "$modules"
fi

export PACER_PAGE_MODULES="$modules" CHROMIUM="$chromium"
if [[ ${1:-} == pictures ]]; then
    exec "$node" pictures.mjs "$2"
fi
"$node" --test --test-reporter=spec ./*.test.mjs
