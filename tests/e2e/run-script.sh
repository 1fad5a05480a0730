#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run-script.sh SOURCE-ROOT: the first command of the README, in a copy of the sources, without a terminal.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
copy=$(mktemp -d /tmp/aikmd-run.XXXXXX)
trap 'rm -rf "$copy"' EXIT
tar -C "$1" --exclude='./build*' --exclude=./.git -cf - . | tar -C "$copy" -xf -
"$copy/scripts/run.sh" </dev/null >"$copy/log" 2>&1 || { cat "$copy/log"; exit 1; }
cat "$copy/log"
grep -q 'Nothing is left changed' "$copy/log"
grep -q '^Stopped; nothing is left changed' "$copy/log"
