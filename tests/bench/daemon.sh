#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# daemon.sh AIKMD [SECONDS]: CPU time and memory of the whole daemon at 1 Hz with at least 300 processes, 8 of them busy now and then.
set -euo pipefail
aikmd=$1 seconds=${2:-30}
work=$(mktemp -d /tmp/aikmd-bench.XXXXXX)
pids=() daemon=
stop() {
    [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null || :; }
    kill "${pids[@]}" 2>/dev/null || :
    wait 2>/dev/null || :
    rm -rf "$work"
}
trap stop EXIT

for _ in $(seq 292); do sleep 1000 & pids+=($!); done
mkfifo "$work/never"
for _ in $(seq 8); do (while :; do read -r -t 0.2 -u 9 || :; done) 9<>"$work/never" & pids+=($!); done
"$aikmd" --no-bus --mode=enforce --set "scope=tree:$$" --set interval_max=1s --config-dir=/nonexistent --runtime-dir="$work/run" 2>"$work/log" &
daemon=$!
sleep 5 # start-up is not the steady state
read -r before _ <"/proc/$daemon/schedstat"
sleep "$seconds"
read -r after _ <"/proc/$daemon/schedstat"
kill -0 "$daemon" || { cat "$work/log" >&2; exit 1; }
rss=$(awk '/^VmRSS/ {print $2}' "/proc/$daemon/status")
anon=$(awk '/^RssAnon/ {print $2}' "/proc/$daemon/status")
processes=(/proc/[0-9]*)
n=${#processes[@]}
awk -v ns=$((after - before)) -v s="$seconds" -v rss="$rss" -v anon="$anon" -v n="$n" 'BEGIN {
    printf "daemon at 1 Hz, %d processes, %d s: %.3f %% of one core (%.2f ms a tick), RSS %.1f MiB, of it private %.1f MiB\n",
           n, s, ns / s / 1e7, ns / s / 1e6, rss / 1024, anon / 1024 }'
