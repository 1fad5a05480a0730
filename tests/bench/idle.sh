#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# idle.sh AIKMD [SECONDS]: how often the daemon is woken and what CPU it takes on this machine as it is, side by side in the same time:
# stretched (interval_max as shipped), not (interval_max = interval), and at the longest pause whatever happens, which is what the first
# would be if the machine were idle all the time. Printed, not judged.
set -euo pipefail
aikmd=$1 seconds=${2:-60}
work=$(mktemp -d /tmp/aikmd-bench.XXXXXX)
daemons=()
stop() {
    [ ${#daemons[@]} = 0 ] || { kill "${daemons[@]}" 2>/dev/null && wait "${daemons[@]}" 2>/dev/null || :; }
    rm -rf "$work"
}
trap stop EXIT

# wake-ups (voluntary switches of all threads), CPU time in ns
counters() {
    cat /proc/"$1"/task/*/status | awk '/^voluntary_ctxt_switches/ {n += $2} END {printf "%.0f ", n}'
    cat /proc/"$1"/task/*/schedstat | awk '{n += $1} END {printf "%.0f\n", n}'
}
names=('every second while anything happens, up to ten else' 'every second' 'every ten seconds')
settings=('1s 10s' '1s 1s' '10s 10s')
for i in "${!names[@]}"; do
    read -r interval max <<<"${settings[i]}"
    "$aikmd" --no-bus --config-dir=/nonexistent --interval="$interval" --set "interval_max=$max" --runtime-dir="$work/run-$i" 2>>"$work/log" &
    daemons+=($!)
done
sleep 25 # start-up and the first steps of the stretch
for i in "${!names[@]}"; do counters "${daemons[i]}" >"$work/before-$i"; done
read -r _ stall_before < <(tr '=' ' ' </proc/pressure/cpu 2>/dev/null | awk '/^some/ {print "total", $NF}' || echo total 0)
sleep "$seconds"
for i in "${!names[@]}"; do
    kill -0 "${daemons[i]}" || { cat "$work/log" >&2; exit 1; }
    counters "${daemons[i]}" | paste -d ' ' "$work/before-$i" - | awk -v s="$seconds" -v name="${names[i]}" \
        '{printf "%s: %.1f wake-ups a minute, %.4f %% of one core\n", name, ($3 - $1) * 60 / s, ($4 - $2) / s / 1e7}'
done
read -r _ stall_after < <(tr '=' ' ' </proc/pressure/cpu 2>/dev/null | awk '/^some/ {print "total", $NF}' || echo total 0)
awk -v a="${stall_before:-0}" -v b="${stall_after:-0}" -v s="$seconds" \
    'BEGIN {printf "meanwhile something waited for a CPU for %.1f %% of the time (below 5 %% is quiet)\n", (b - a) / s / 1e4}'
