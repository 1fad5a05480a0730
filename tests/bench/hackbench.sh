#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# hackbench.sh AIKMD [PAIRS]: hackbench -g 2 -f 10 without and with the daemon in enforce mode, paired and interleaved.
set -euo pipefail
aikmd=$1 pairs=${2:-10}
command -v hackbench >/dev/null || { echo "hackbench (package rt-tests) is not installed"; exit 77; }
work=$(mktemp -d /tmp/aikmd-bench.XXXXXX)
daemon=
stop() {
    [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null || :; }
    rm -rf "$work"
}
trap stop EXIT
once() { hackbench -g 2 -f 10 -l 4500 | awk '/^Time:/ {print $2}'; }
with() {
    "$aikmd" --no-bus --mode=enforce --set "scope=tree:$$" --config-dir=/nonexistent --runtime-dir="$work/run" 2>"$work/log" &
    daemon=$!
    sleep 2
    kill -0 "$daemon" || { cat "$work/log" >&2; exit 1; }
    once
    kill "$daemon"
    wait "$daemon" || :
    daemon=
}
once >/dev/null # warm
for i in $(seq "$pairs"); do
    # Which of the two comes first alternates.
    if [ $((i % 2)) = 0 ]; then a=$(once); with >"$work/b"; else with >"$work/b"; a=$(once); fi
    echo "$a $(cat "$work/b")"
done | awk '{print ($2 / $1 - 1) * 100}' | sort -n | awk '{v[NR] = $1} END {
    m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
    printf "hackbench -g 2 -f 10, %d pairs: with aikmd %+.1f %% (median), interquartile range %+.1f to %+.1f %%\n",
           NR, m, v[int((NR + 3) / 4)], v[int((3 * NR + 3) / 4)] }'
