#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-cell.sh AIKMD: the effect bench measures, and leaves nothing behind: not at its end, not when interrupted, not when killed.
set -euo pipefail
aikmd=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
[ "$(id -u)" = 0 ] || { echo 'namespaces take root'; exit 77; }
unshare --pid --fork --mount-proc --net true 2>/dev/null || { echo 'no namespaces can be made here'; exit 77; }
command -v stress-ng >/dev/null || { echo 'stress-ng is not installed'; exit 77; }

work=$(mktemp -d "${TMPDIR:-/var/tmp}/aikm-effect-test.XXXXXX")
bench=
stop() {
    [ -z "$bench" ] || kill -KILL "$bench" 2>/dev/null || :
    rm -rf "$work"
}
trap stop EXIT
fail() {
    echo "$*" >&2
    cat "$work/log" >&2
    exit 1
}
sysctl=/proc/sys/kernel/sched_autogroup_enabled
state() { # what the bench changes outside its scenes
    cat "$sysctl" 2>/dev/null || :
    find /sys/fs/cgroup -maxdepth 2 -name 'aikm-effect-*' 2>/dev/null || :
    ls "$work/tmp"
    find /dev/shm -maxdepth 1 -name 'aikm-effect.*'
    local cwd
    for cwd in /proc/[0-9]*/cwd; do
        case $(readlink "$cwd" 2>/dev/null || :) in "$work/tmp"*) echo "${cwd%/cwd}" ;; esac
    done
}
mkdir "$work/tmp"
before=$(state)
nothing_left() {
    for _ in $(seq 600); do
        [ "$(state)" != "$before" ] || return 0
        sleep 0.1
    done
    fail "$1: left: $(state; find "$work/tmp")"
}
effect() {
    TMPDIR=$work/tmp exec "$here/effect.py" --aikmd "$aikmd" --pairs pingpong:stress-ng --seconds 1 --settle 1 "$@" >"$work/log" 2>&1
}

# Cells of every kind: nothing, a process of our own beside, a control group.
(effect -o "$work/out" --repeats 1 --arms nothing,names,hand) || fail 'the bench failed'
nothing_left 'at the end'
cells=$work/out/cells.csv
[ "$(grep -c ^measure, "$cells") $(grep -c ^choose, "$cells")" = '3 12' ] || fail "not all cells: $(cat "$cells")"
# What has an effect is seen where it acts.
grep -q '^measure,.*,names,.*IDLE/16' "$cells" || fail "no rule was applied: $(cat "$cells")"
grep -q '^choose,.*,nice 19,.*OTHER/19' "$cells" || fail "nice 19 was not set: $(cat "$cells")"
grep -q '^| same | pingpong, stress-ng |' "$work/out/effect.md" || fail 'no table'

# What is measured is not measured again.
sum=$(cksum <"$cells")
(effect -o "$work/out" --repeats 1 --arms nothing,names,hand --resume) || fail '--resume failed'
[ "$(cksum <"$cells")" = "$sum" ] || fail "--resume measured again: $(cat "$cells")"
if (effect -o "$work/out" --repeats 1); then fail 'overwrote results'; fi
grep -q -- '--resume goes on with it' "$work/log" || fail 'did not say how to go on'

for number in TERM KILL; do
    effect --quick --arms autogroup,aikmd,nothing --settle 60 &
    bench=$!
    for _ in $(seq 300); do
        [ -z "$(find "$work/tmp" -name hogs 2>/dev/null)" ] || break
        sleep 0.1
    done
    [ -n "$(find "$work/tmp" -name hogs 2>/dev/null)" ] || fail 'no scene began'
    kill "-$number" "$bench"
    wait "$bench" 2>/dev/null || :
    bench=
    nothing_left "after SIG$number"
done

for bad in '--pairs nobody' '--arms none' '--seconds 0' '--repeats many'; do
    # shellcheck disable=SC2086 # an option and its value
    if (effect --quick $bad); then fail "took $bad"; fi
    grep -q -- "${bad%% *}" "$work/log" || fail "$bad: not named"
done
echo 'measured, and nothing left'
