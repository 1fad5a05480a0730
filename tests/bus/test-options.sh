#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-options.sh AIKMD: the command line, good and bad; nothing here runs for longer than a few ticks.
set -euo pipefail
aikmd=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset AIKM_BUS_ADDRESS RUNTIME_DIRECTORY STATE_DIRECTORY SERVICE_RESULT
n=0
expect() { # status, text in the output, arguments
    local want=$1 text=$2 status=0
    shift 2
    timeout -k 1 20 "$aikmd" "$@" >"$work/out" 2>&1 </dev/null || status=$?
    if [ "$status" != "$want" ] || ! grep -qF -- "$text" "$work/out"; then
        echo "aikmd $*: status $status, expected $want and '$text'; it said:"
        cat "$work/out"
        exit 1
    fi
    n=$((n + 1))
}
quiet=(--no-bus --config-dir=/nonexistent --model=rules "--runtime-dir=$work/run")

expect 0 '--check-config' --help
expect 0 'aikmd ' --version
# Bad usage
expect 2 'unknown option --nonsense' --nonsense
expect 2 'needs a value' --mode
expect 2 "unexpected argument 'word'" word
expect 2 'mode' --mode=loud
expect 2 'interval' --interval=0
expect 2 'interval' --interval=1ns
expect 2 'not one of auto, bpf, proc' --collector=magic
expect 2 'not an absolute path' --runtime-dir=relative
expect 2 'not an absolute path' --state-dir=relative
expect 2 'not an absolute path' --config-dir=relative
expect 2 'longer than' "--runtime-dir=/$(printf 'x%.0s' $(seq 300))"
expect 2 'not a plain name' --cgroup-name=../../escape
expect 2 'not a plain name' --cgroup-name=
expect 2 'is not KEY=VALUE' --set mode
expect 2 'no.such.key' --set no.such.key=1
expect 2 'thresholds.confidence' --set thresholds.confidence=nan
expect 2 'only one of' --restore --check-config
expect 2 'not after-failure' --restore=always
expect 2 'SERVICE_RESULT is not set' --restore=after-failure
expect 2 'only one of' "--record=$work/a" "--replay=$work/b"
# Configuration
mkdir "$work/conf"
expect 0 'The configuration is good.' --check-config "--config-dir=$work/conf"
echo '{"mode": "observe", "unknown_key": 1}' >"$work/conf/aikmd.json"
expect 1 'unknown_key' --check-config "--config-dir=$work/conf"
echo '{"mode": ' >"$work/conf/aikmd.json"
expect 1 'aikmd.json' --check-config "--config-dir=$work/conf"
head -c 4096 /dev/urandom >"$work/conf/aikmd.json"
expect 1 'aikmd.json' --check-config "--config-dir=$work/conf"
echo '{"mode": "observe"}' >"$work/good.json"
expect 0 'The configuration is good.' --check-config "$work/good.json"
expect 1 "$work/conf/aikmd.json" --check-config "$work/good.json" "$work/conf/aikmd.json"
expect 1 'No such file' --check-config "$work/missing.json"
# Nothing to put back: no directory, an empty one, a ledger that is rubbish
expect 0 'Nothing to put back.' --restore "--runtime-dir=$work/none"
[ ! -e "$work/none" ] || { echo "--restore made $work/none"; exit 1; }
mkdir "$work/empty" "$work/rubbish"
expect 0 'Nothing to put back.' --restore "--runtime-dir=$work/empty"
head -c 10000 /dev/urandom >"$work/rubbish/ledger"
expect 0 'Nothing to put back.' --restore "--runtime-dir=$work/rubbish"
SERVICE_RESULT=success expect 0 'The service ended with success' --restore=after-failure "--runtime-dir=$work/empty"
SERVICE_RESULT=success expect 0 'Nothing to put back.' --restore "--runtime-dir=$work/empty"
SERVICE_RESULT=oom-kill expect 0 'Nothing to put back.' --restore=after-failure "--runtime-dir=$work/empty"
echo file >"$work/file"
expect 1 'runtime directory' "${quiet[@]:0:3}" "--runtime-dir=$work/file/run"
# A model that is not there is a reason, not a failure: it runs on the rules until it is told to stop.
start() {
    "$aikmd" "$@" >"$work/out" 2>&1 </dev/null &
    pid=$!
    for _ in $(seq 100); do grep -q ' started: ' "$work/out" && return; sleep 0.1; done
    echo "aikmd $* did not start:"; cat "$work/out"; exit 1
}
start "${quiet[@]:0:2}" "--runtime-dir=$work/run" --model=/nonexistent/model.json
kill "$pid"
wait "$pid" || { echo "SIGTERM: status $?"; exit 1; }
grep -q 'Model refused, going on with the rules: .*/nonexistent/model.json' "$work/out" || { cat "$work/out"; exit 1; }
grep -q ' started: mode observe, model rules' "$work/out"
# A configuration that is wrong at the start: the built-in policy, which observes
start --no-bus "--config-dir=$work/conf" --model=rules "--runtime-dir=$work/run"
kill -INT "$pid" 2>/dev/null || :
kill "$pid"
wait "$pid" || { echo "SIGINT: status $?"; exit 1; }
grep -q 'Configuration refused, going on with the built-in policy' "$work/out" || { cat "$work/out"; exit 1; }
# Record and replay
for collector in auto proc; do
    rm -f "$work/rec"
    start "${quiet[@]}" "--record=$work/rec" --interval=100ms "--collector=$collector"
    sleep 1
    kill "$pid"
    wait "$pid"
    expect 0 ' 0 different' --replay="$work/rec" "${quiet[@]:1}"
    grep -qE '^[0-9]{1,} samples, [0-9]+ decisions, 0 different$' <(tail -n 1 "$work/out")
    ! grep -q '^0 samples' "$work/out" || { echo "no sample was recorded"; exit 1; }
done
expect 1 "$work/rec" "${quiet[@]}" "--record=$work/rec"
expect 1 "$work/nothing" --replay="$work/nothing" --model=rules
head -c 3000 /dev/urandom >"$work/rubbish/rec"
expect 1 "$work/rubbish/rec" --replay="$work/rubbish/rec" --model=rules
# A fake tree without BPF
mkdir -p "$work/root/proc"
AIKM_ROOT=$work/root expect 0 'The configuration is good.' --check-config
echo "$n invocations as expected"
