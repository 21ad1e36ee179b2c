#!/usr/bin/env bash
# Usage: .github/release/notes.sh VERSION
# Prints the section of CHANGELOG.md that belongs to the version, without its heading.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
awk -v heading="## [$1]" 'index($0, "## ") == 1 { inside = index($0, heading) == 1; next } inside' CHANGELOG.md
