#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# man.sh PAGE...: neither mandoc nor groff (where it is installed) finds anything wrong in the generated manual pages.
set -euo pipefail
[ $# -gt 0 ] || { echo "no manual pages: scdoc is not installed"; exit 77; }
command -v mandoc >/dev/null || { echo "mandoc is not installed"; exit 77; }
bad=0
allowed=(
    -e 'WARNING: skipping paragraph macro: PP \(empty\|after SH\|after SS\)$' # scdoc begins each section with an empty paragraph
    -e 'STYLE: lower case character in document title: TH '                    # scdoc takes the name as the page has it, as systemd does
    -e 'STYLE: input text line longer than 80 bytes: '                         # nobody edits what is generated
)
for page in "$@"; do
    found=$(mandoc -Tlint -W style "$page" | grep -v "${allowed[@]}" || :)
    [ -z "$found" ] || { echo "$found"; bad=1; }
    head -n 1 "$page" | grep . >/dev/null || { echo "$page: empty"; bad=1; }
    if command -v groff >/dev/null; then
        # As wide as terminals are nowadays: the tables need it.
        found=$(groff -man -t -Kutf8 -Tutf8 -rLL=100n -ww "$page" 2>&1 >/dev/null)
        [ -z "$found" ] || { echo "$found"; bad=1; }
    fi
done
[ $bad = 0 ] && echo "$# pages: fine"
