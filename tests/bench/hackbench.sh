#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# hackbench.sh AIKMD [PAIRS]: hackbench -g 2 -f 10 without and with the daemon in enforce mode, paired and interleaved, beside pairs without it in either.
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
once() { hackbench -g 2 -f 10 -l 9000 | awk '/^Time:/ {print $2}'; }
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
# Each round: without, with, without again, in turning order. The two without tell the machine's own noise.
quartiles() { # percentages on standard input
    sort -n | awk '{v[NR] = $1} END {
        m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        printf "%+.1f %% (median), interquartile range %+.1f to %+.1f %%", m, v[int((NR + 3) / 4)], v[int((3 * NR + 3) / 4)] }'
}
for i in $(seq "$pairs"); do
    if [ $((i % 2)) = 0 ]; then a=$(once); with >"$work/b"; else with >"$work/b"; a=$(once); fi
    echo "$a $(cat "$work/b") $(once)"
done >"$work/rounds"
echo "hackbench -g 2 -f 10, $pairs rounds: with aikmd $(awk '{print ($2 / $1 - 1) * 100}' "$work/rounds" | quartiles);" \
    "without it, against itself: $(awk '{print ($3 / $1 - 1) * 100}' "$work/rounds" | quartiles)"
