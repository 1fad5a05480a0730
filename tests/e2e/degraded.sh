#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# degraded.sh AIKMD AIKMCTL: what is missing is named and the service goes on with what is left: no BTF, no right to load BPF, a read-only
# cgroup tree, a broken model, a broken policy file, a full ring buffer.
set -euo pipefail
aikmd=$1 aikmctl=$2
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
. "$(dirname "$0")/../harness/private-bus.sh"
bus_start
cases=0

# status_of NAME: the daemon's own words, one key.
status_of() { "$aikmctl" status --json | python3 -c 'import json, sys; s = json.load(sys.stdin); print(s.get(sys.argv[1], ""))' "$1"; }
expect() { # what, got, pattern
    if ! [[ $2 =~ $3 ]]; then
        echo "$1: got '$2', expected '$3'"
        cat "$work/log"
        exit 1
    fi
    cases=$((cases + 1))
}
still_works() { # it ticks and sees us
    local before after
    before=$(status_of ticks)
    sleep 0.7
    after=$(status_of ticks)
    [ "$after" -gt "$before" ] || { echo "$1: it does not tick any more"; exit 1; }
    "$aikmctl" ps --all --json >"$work/ps"
    grep -q "\"pid\": *$$[,}]" "$work/ps" || { echo "$1: it does not see process $$"; exit 1; }
    cases=$((cases + 1))
}
quiet=(--config-dir="$work/none" --interval=200ms --set interval_max=200ms)

# Each runs aikmd in a mount namespace, or with rights, of its own.
wrap() { # name, what to do first
    printf '#!/bin/sh\n%s\n' "$2" >"$work/$1"
    chmod +x "$work/$1"
}
wrap no-btf "exec unshare -m -- sh -c 'mount -t tmpfs none /sys/kernel/btf && exec \"\$0\" \"\$@\"' '$aikmd' \"\$@\""
wrap read-only "exec unshare -m -- sh -c 'for c in \$(grep -o \"/[^ ]* cgroup2\\? \" /proc/mounts | cut -d\" \" -f1); do
    mount -o remount,bind,ro \"\$c\" || exit 1
done
exec \"\$0\" \"\$@\"' '$aikmd' \"\$@\""
wrap no-right "exec setpriv --bounding-set=-sys_admin,-bpf,-perfmon -- '$aikmd' \"\$@\""

if [ -d /sys/kernel/btf ]; then
    daemon_start "$work/no-btf" "${quiet[@]}" --model=rules
    expect 'source without BTF' "$(status_of source)" '^proc$'
    expect 'reason without BTF' "$(status_of source_reason)" 'BTF'
    expect 'events without BTF' "$(status_of events)" '^scan$'
    still_works 'without BTF'
    daemon_stop
fi

daemon_start "$work/no-right" "${quiet[@]}" --model=rules
expect 'source without rights' "$(status_of source)" '^proc$'
expect 'reason without rights' "$(status_of source_reason)" '[Pp]ermi|right'
still_works 'without rights'
daemon_stop

# The cgroup actuator says so; hogs and victim share a session here, so nice does it all the same.
daemon_start "$work/read-only" "${quiet[@]}" --model=rules --set classes.batch.cpu_weight=5
expect 'read-only cgroups' "$("$aikmctl" status --json | tr -d '\n')" '"cgroup"[^]}]*Read-only'
"$aikmctl" demo --json --time 1 --hogs 4 >"$work/demo" || { cat "$work/demo" "$work/log"; exit 1; }
expect 'demo with read-only cgroups' "$(tr -d ' \n' <"$work/demo")" '"unchanged":true'
daemon_stop

# A model whose weights were changed after it was made: refused by its digest, and the rules go on.
mkdir "$work/model"
if [ -f "${AIKM_MODEL_DIR:-/nonexistent}/default.json" ]; then
    cp "$AIKM_MODEL_DIR"/default.* "$work/model"
    printf 'x' | dd of="$work/model/default.weights" bs=1 seek=100 conv=notrunc 2>/dev/null
    AIKM_MODEL_DIR=$work/model daemon_start "$aikmd" "${quiet[@]}"
    expect 'model with another digest' "$(status_of model)" '^rules$'
    expect 'why' "$(status_of model_reason)" 'default.weights.*sha256'
    still_works 'a changed model'
    daemon_stop
fi

# A broken drop-in at reload: the last good policy goes on, the file is named; a broken one at start: the built-in policy, which only observes.
mkdir -p "$work/conf/policy.d"
echo '{"thresholds": {"confidence": 0.83}}' >"$work/conf/policy.d/50.json"
daemon_start "$aikmd" --config-dir="$work/conf" --interval=200ms --set interval_max=200ms --model=rules
echo '{"thresholds": {"confidence": 83}}' >"$work/conf/policy.d/50.json"
kill -HUP "$daemon"
sleep 0.5
expect 'broken at reload' "$(status_of policy_error)" '50.json.*confidence'
expect 'last good policy' "$("$aikmctl" policy show | tr -d ' \n')" '"confidence":0.83'
still_works 'a broken drop-in'
daemon_stop

# A ring buffer that cannot hold a fork storm: counted, looked at again, never silent.
if [ "$(uname -s)" = Linux ] && [ -d /sys/kernel/btf ]; then
    daemon_start "$aikmd" "${quiet[@]}" --model=rules
    if [ "$(status_of events)" = bpf ]; then
        # Stopped, it cannot read: 256 KiB are full after some five thousand events.
        kill -STOP "$daemon"
        for _ in $(seq 40); do (for _ in $(seq 60); do (:) & done; wait) done
        kill -CONT "$daemon"
        sleep 1
        expect 'lost events are counted' "$(status_of lost_events)" '^[1-9]'
        expect 'and looked for' "$(status_of rescans)" '^[1-9]'
        still_works 'lost events'
    fi
    daemon_stop
fi
echo "degraded: $cases cases"
