#!/usr/bin/env bash
# Runs the SDK tests against the binary PACER_BIN, each SDK version in an environment of its own
# with exactly the locked packages. Environments are kept by the hash of their lock file in
# ${XDG_CACHE_HOME:-~/.cache}/pacer/clients, outside the source tree: a second run installs nothing.
#
# Usage: run.sh                    runs the tests
#        run.sh python LOCKFILE    only makes that environment, and prints its interpreter
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

python="${PYTHON:-python3}"
node="${NODE:-node}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/pacer/clients"

# environment LOCKFILE INTERPRETER: the name of the environment for these packages and this interpreter.
environment() {
    { cat "$1"; "$2" --version; } | sha256sum | cut -c1-16
}

# Built under another name and renamed when complete, so that an interrupted run leaves no half of one.
make_venv() {
    local lock="$1" venv="$2"
    [[ -d $venv ]] && return
    echo "installing $lock"
    rm -rf "$venv.part"
    "$python" -m venv "$venv.part"
    "$venv.part/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$lock"
    mv "$venv.part" "$venv"
}

make_node_modules() {
    local modules="$1"
    [[ -d $modules ]] && return
    echo "installing node/package-lock.json"
    rm -rf "$modules.part"
    mkdir -p "$modules.part"
    cp node/package.json node/package-lock.json node/.npmrc "$modules.part/"
    npm ci --silent --prefix "$modules.part"
    mv "$modules.part" "$modules"
}

mkdir -p "$cache"
if [[ ${1:-} == python ]]; then
    venv="$cache/python-$(environment "$2" "$python")"
    make_venv "$2" "$venv" >&2
    echo "$venv/bin/python"
    exit
fi

: "${PACER_BIN:?the binary under test, as make clients sets it}"
[[ -x $PACER_BIN ]] || { echo "no binary at $PACER_BIN: run make release" >&2; exit 1; }
for lock in python/openai-*.txt; do
    venv="$cache/python-$(environment "$lock" "$python")"
    make_venv "$lock" "$venv"
    printf '\nOpenAI Python SDK, %s\n' "$(grep -o '^openai==[0-9.]*' "$lock")"
    # The interpreter is started by its path: scripts inside a renamed environment name the old one.
    "$venv/bin/python" -B -m pytest -q -p no:cacheprovider python
done

modules="$cache/node-$(environment node/package-lock.json "$node")"
make_node_modules "$modules"
printf '\nOpenAI Node SDKs\n'
PACER_CLIENT_MODULES="$modules" "$node" --test --test-reporter=spec node/*.test.mjs
