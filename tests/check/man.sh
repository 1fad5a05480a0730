#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# man.sh PAGE...: mandoc finds no mistake in the generated manual pages.
set -euo pipefail
[ $# -gt 0 ] || { echo "no manual pages: scdoc is not installed"; exit 77; }
command -v mandoc >/dev/null || { echo "mandoc is not installed"; exit 77; }
bad=0
for page in "$@"; do
    # scdoc begins each section with a paragraph that nothing is in.
    found=$(mandoc -Tlint -W warning "$page" | grep -v 'skipping paragraph macro: PP \(empty\|after SH\|after SS\)$' || :)
    [ -z "$found" ] || { echo "$found"; bad=1; }
    head -n 1 "$page" | grep -q . || { echo "$page: empty"; bad=1; }
done
[ $bad = 0 ] && echo "$# pages: fine"
