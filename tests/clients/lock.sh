#!/usr/bin/env bash
# Renews the lock files from the *.in files and package.json beside them.
# Raise a version there first; `make clients` then installs exactly what is locked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

tools="$(mktemp -d)"
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/pip" install --quiet pip-tools==7.6.2

# No address and no local path ends up in the lock files: they are as good with a mirror as without.
for wanted in python/openai-*.in; do
    PIP_FIND_LINKS='' CUSTOM_COMPILE_COMMAND='make clients-lock' "$tools/bin/pip-compile" --quiet \
        --upgrade --generate-hashes --strip-extras --no-annotate \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
        --output-file "${wanted%.in}.txt" "$wanted"
done
(cd node && npm install --package-lock-only)
