#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# brood.sh AIKMD AIKMCTL BROOD-LOAD: a fork storm on this kernel beside a server. Who raises it is demoted once for all of its children, the server
# answers sooner, a program that was learned of is demoted as soon as it starts, and everything is put back.
set -euo pipefail
aikmd=$1 aikmctl=$2 load=$(realpath "$3")
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
. "$(dirname "$0")/../harness/loads.sh"

# run_load ARGUMENT...: its pid is in $pid then
run_load() {
    : >"$work/pid"
    "$load" "$@" >"$work/pid" &
    loads+=($!)
    for _ in $(seq 100); do [ -s "$work/pid" ] && break; sleep 0.05; done
    pid=$(head -1 "$work/pid")
    [ -n "$pid" ] || { echo "brood-load $* did not start"; exit 1; }
}
p99() { "$load" pingpong 6 | tail -1; }
nice_of() { awk '{ sub(/.*\) /, ""); print $17 }' "/proc/$1/stat"; }
verdict_of() { "$aikmctl" explain "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["verdict"])'; }
fail() {
    echo "$*"
    "$aikmctl" explain "$storm" --no-color || :
    cat "$work/log"
    exit 1
}
wait_for() { # SECONDS, COMMAND...
    local seconds=$1
    shift
    for _ in $(seq $((seconds * 4))); do "$@" && return; sleep 0.25; done
    fail "in $seconds s it did not come true: $*"
}
is_demoted() { [ "$(nice_of "$storm")" = 19 ]; }
is_put_back() { [ "$(nice_of "$storm")" = 0 ]; }

mkdir "$work/conf"
cat >"$work/conf/aikmd.json" <<JSON
{"mode": "observe", "scope": ["tree:$$"], "interval": "1s", "interval_max": "1s", "model": "rules", "impact": {"undo": false, "floor_share": 0},
 "rules": [{"name": "server", "match": {"comm": "test-*"}, "class": "server"},
           {"name": "script", "match": {"exe": "*/bash"}, "exempt": true}]}
JSON
bus_start
daemon_start "$aikmd" --config-dir="$work/conf"
run_load storm 6 150
storm=$pid

# The machine may be busy with other things for a while: three tries.
for try in 1 2 3; do
    "$aikmctl" mode observe >/dev/null
    wait_for 15 is_put_back
    before=$(p99)
    "$load" pingpong 60 >/dev/null &
    loads+=($!)
    "$aikmctl" mode enforce >/dev/null
    wait_for 15 is_demoted
    after=$(p99)
    echo "99th percentile: $before us beside the storm, $after us with it demoted"
    [ "$((after * 2))" -lt "$before" ] && break
    [ "$try" != 3 ] || fail "the server does not answer sooner"
done
"$aikmctl" explain "$storm" --no-color | tee "$work/explained" | head -8
grep -q '^Brood  *judged by its children' "$work/explained" || fail "it is no brood"
for child in $(cat "/proc/$storm/task/$storm/children"); do
    [ "$(nice_of "$child" 2>/dev/null || echo 19)" = 19 ] || fail "its child $child has nice $(nice_of "$child")"
done
# Hundreds have come and gone by now.
"$aikmctl" ledger --all --json | python3 -c 'import json, sys
rows = json.load(sys.stdin)
actions = {r["action"] for r in rows}
print(len(rows), "entries of", len(actions), "actions")
sys.exit(0 if len(actions) <= 12 else 1)' || fail "the ledger has too many actions"
changes=$("$aikmctl" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["changes_last_minute"])')
[ "$changes" -le 12 ] || fail "$changes changes in a minute"

# Its children were learned from, so that the next process of that program is known at once: two intervals, and one for what this script costs.
"$aikmctl" priors --no-color | grep -F "$load" || fail "nothing was learned of $load"
run_load spin
for _ in $(seq 12); do [ "$(nice_of "$pid")" = 19 ] && break; sleep 0.25; done
[ "$(nice_of "$pid")" = 19 ] || { "$aikmctl" explain "$pid" --no-color; fail "a known hog has nice $(nice_of "$pid") 3 s after its start"; }
"$aikmctl" explain "$pid" --no-color | grep "^Known  *.* earlier processes of $load" || fail "it is not said to be known"
kill -9 "$pid"

# The storm ends, who raised it lives on: put back.
kill -USR1 "$storm"
wait_for 30 is_put_back
"$aikmctl" mode observe >/dev/null
stop_loads
sleep 2
"$aikmctl" ledger --json | python3 -c 'import json, sys; sys.exit(1 if json.load(sys.stdin) else 0)' || { "$aikmctl" ledger; fail "something is left changed"; }
"$aikmctl" priors forget "$load"
daemon_stop
[ -s "$work/run/state/priors" ] || { echo "nothing was kept in the state directory"; exit 1; }
echo "ok"
