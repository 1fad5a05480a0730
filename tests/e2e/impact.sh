#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# impact.sh AIKMD AIKMCTL IMPACT-LOAD: on this kernel, with processes of its own: what helped shows as help and what it cost; what cannot help is
# undone and not tried again; and what is wrongly demoted below twenty hogs still makes progress.
set -euo pipefail
aikmd=$1 aikmctl=$2 load=$3
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
. "$(dirname "$0")/../harness/loads.sh"

# run_load ARGUMENT...: its pids are in $pids then
run_load() {
    "$load" "$@" >"$work/pids" &
    loads+=($!)
    for _ in $(seq 100); do [ -s "$work/pids" ] && break; sleep 0.05; done
    pids=$(cat "$work/pids")
    [ -n "$pids" ] || { echo "impact-load $* did not start"; exit 1; }
    : >"$work/pids"
}
# configure KEY-VALUES...: classes by name, so that no model decides, and nobody but the test's own processes counts.
configure() {
    rm -rf "$work/conf"
    mkdir "$work/conf"
    cat >"$work/conf/aikmd.json" <<JSON
{"mode": "enforce", "scope": ["tree:$$"], "interval": "200ms", "model": "rules",
 "thresholds": {"contention_after": "800ms", "dwell": "400ms", "cool_down": "1s", "busy_share": 0.7}, $1
 "rules": [{"name": "server", "match": {"comm": "test-server"}, "class": "server"},
           {"name": "client", "match": {"comm": "test-client"}, "class": "server"},
           {"name": "exempt", "match": {"comm": "e2e-exempt"}, "exempt": true},
           {"name": "wrong", "match": {"comm": "e2e-wrong"}, "class": "batch", "treatment": {"sched": "idle"}},
           {"name": "hog", "match": {"comm": "e2e-*"}, "class": "batch", "treatment": {"nice": 19}},
           {"name": "others", "match": {"comm": "*"}, "class": "idle"}]}
JSON
}
# comes_true SECONDS EXPRESSION: whether it comes to hold of the episodes (a list "e") of aikmctl impact --json
comes_true() {
    for _ in $(seq $(($1 * 2))); do
        "$aikmctl" impact --json >"$work/impact.json"
        python3 -c 'import json, sys
e = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)' "$work/impact.json" "$2" && return
        sleep 0.5
    done
    return 1
}
wait_for() {
    comes_true "$@" && return
    cat "$work/impact.json" "$work/log"
    "$aikmctl" ps --all --no-color | grep -E 'COMM|e2e-|test-' || :
    echo "in $1 s it did not come true: $2"
    exit 1
}
verdict_of() { "$aikmctl" explain "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["verdict"])'; }
nice_of() { awk '{ sub(/.*\) /, ""); print $17 }' "/proc/$1/stat"; }
cpu_of() { awk '{ sub(/.*\) /, ""); print ($12 + $13) * 10 }' "/proc/$1/stat"; } # ms
bus_start

# Ten hogs and a server: demoting them helps it, and takes something from them. Where the machine is busy with other things, too, the server
# waits for those, or they end just then; so there are three tries.
configure '"impact": {"probe": "0s", "floor_share": 0},'
helped='e and e[0]["verdict"] == "helped" and e[0]["before"]["delay_per_wakeup"] >= 2 * e[0]["during"]["delay_per_wakeup"]'
for try in 1 2 3; do
    daemon_start "$aikmd" --config-dir="$work/conf"
    run_load server
    run_load spin e2e-hog 10
    comes_true 25 "$helped" && break
    [ "$try" = 3 ] || { "$aikmctl" impact --no-color; stop_loads; daemon_stop; }
done
wait_for 1 "$helped"
wait_for 5 'e[0]["victim_comm"].startswith("test-") and len(e[0]["cost"]) == 10 and e[0]["cost"][0]["comm"] == "e2e-hog"'
wait_for 5 'all(c["class"] == "batch" and c["action"] > 0 and c["cpu_before"] > 0 and "lost" in c for c in e[0]["cost"])'
"$aikmctl" impact --no-color
"$aikmctl" impact 1 --no-color | tee "$work/one"
grep -q '^Verdict  *helped: ' "$work/one"
grep -q 'e2e-hog' "$work/one"
stop_loads
wait_for 60 'e[0]["phase"] == "closed"'
grep -q "waited .* us per wake-up before, .* (helped); it cost e2e-hog" "$work/log" || { cat "$work/log"; echo "its end was not told"; exit 1; }
daemon_stop

# The hogs may not be touched, and one who takes little has to suffer for it: that does not help, and is not tried twice.
configure '"impact": {"probe": "0s", "effect": 0.6, "intervals": 3, "floor_share": 0},'
daemon_start "$aikmd" --config-dir="$work/conf"
run_load server
run_load spin e2e-exempt 6
run_load part e2e-small
small=${pids%% *}
wait_for 40 'any(x["undone"] and x["verdict"] in ("no-effect", "harmed") for x in e)'
wait_for 1 'e[0]["cost"][0]["comm"] == "e2e-small"'
sleep 6
[ "$(verdict_of "$small")" = no-help ] || { echo "the verdict on it is $(verdict_of "$small")"; exit 1; }
[ "$(nice_of "$small")" = 0 ] || { echo "it still has nice $(nice_of "$small")"; exit 1; }
wait_for 1 'len(e) == 1'
grep -q 'did not help test-' "$work/log" || { cat "$work/log"; echo "that it was undone was not told"; exit 1; }
"$aikmctl" impact --no-color
stop_loads
daemon_stop

# Wrongly demoted to SCHED_IDLE among twenty hogs it would get a few hundredths of a percent of a CPU.
configure '"impact": {"undo": false, "floor_after": "3s"},'
daemon_start "$aikmd" --config-dir="$work/conf"
run_load server
run_load spin e2e-exempt 20
run_load spin e2e-wrong 1
wrong=${pids%% *}
for _ in $(seq 60); do grep -q 'Demoted e2e-wrong' "$work/log" && break; sleep 0.5; done
grep -q 'Demoted e2e-wrong' "$work/log" || { "$aikmctl" explain "$wrong"; echo "it was not demoted"; exit 1; }
before=$(cpu_of "$wrong")
sleep 20
after=$(cpu_of "$wrong")
echo "wrongly demoted: $((after - before)) ms of CPU time in 20 s"
[ $((after - before)) -ge 100 ] || { cat "$work/log"; echo "less than half a percent of a CPU: it starves"; exit 1; }
grep -q 'Put back e2e-wrong\[.*too little' "$work/log" || { cat "$work/log"; echo "it was never put back for starving"; exit 1; }
stop_loads
daemon_stop
