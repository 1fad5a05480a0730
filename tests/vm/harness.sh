#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# harness.sh SOURCE-ROOT: scripts/vm.sh itself, on this machine, with the smallest of commands.
set -euo pipefail
vm=$1/scripts/vm.sh
command -v qemu-system-x86_64 >/dev/null || { echo "skipped: qemu-system-x86_64 is not installed"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "skipped: building guests needs root"; exit 77; }

work=$(mktemp -d /tmp/aikmd-vm-harness.XXXXXX)
export TMPDIR=$work/tmp
mkdir "$TMPDIR" "$work/dir"
trap '"$vm" clean debian12@harness-test || :; rm -rf "$work"' EXIT
cases=0
fail() {
    echo "harness: $*"
    [ ! -s "$work/log" ] || sed 's/^/    | /' "$work/log"
    exit 1
}
# A machine that fell silent or ended (124, 125) is tried once more, as run.sh does, and for its reasons.
gives() { # status, command
    local wanted=$1 status=0
    shift
    "$@" >"$work/log" 2>&1 </dev/null || status=$?
    if [ $status != "$wanted" ] && [ $status -ge 124 ]; then
        echo "UNSTABLE $*: status $status, once more"
        status=0
        "$@" >"$work/log" 2>&1 </dev/null || status=$?
    fi
    [ $status = "$wanted" ] || fail "$*: status $status, not $wanted"
    cases=$((cases + 1))
}
says() { grep -q -- "$1" "$work/log" || fail "the output is without: $1"; }
no_leftovers() {
    for _ in $(seq 50); do
        pgrep -f "$TMPDIR/" >/dev/null || break
        sleep 0.1
    done
    ! pgrep -f "$TMPDIR/" >/dev/null || fail "still running after $1: $(pgrep -af "$TMPDIR/")"
    [ -z "$(ls -A "$TMPDIR")" ] || fail "left in TMPDIR after $1: $(ls -A "$TMPDIR")"
    cases=$((cases + 1))
}
run=("$vm" run debian12 --)

gives 0 "$vm" build debian12
gives 0 "${run[@]}" uname -r
says "^$(cat "${AIKM_VM_CACHE:-/var/cache/aikmd-vm}/debian12/kernel-version")$"
gives 7 "${run[@]}" sh -c 'exit 7'
gives 2 "$vm" run debian12 uname
gives 2 "$vm" run nosuch -- true
gives 2 "$vm" run debian12@nosuch -- true
no_leftovers "ordinary runs"

# Without a standard input, and with arguments that need quotes.
status=0
"${run[@]}" printf '<%s>\n' 'a b' "c'd" '$e' <&- >"$work/log" 2>&1 || status=$?
[ $status = 0 ] || fail "closed stdin: status $status"
says "^<c'd>$"
says '^<$e>$'

# Each in a copy of its own; payload in, results out.
echo content >"$work/dir/file"
gives 3 "$vm" run -d "$work/dir" -o "$work/out" debian12 -- sh -c 'cat file; touch /root/mark; echo told >/results/told; exit 3'
says '^content$'
[ "$(cat "$work/out/told")" = told ] || fail "no results"
[ -s "$work/out/journal.txt" ] || fail "no journal after a failure"
gives 1 "${run[@]}" test -e /root/mark

# Limits, panics, reboots, kernel parameters.
gives 124 "$vm" run -t 8 debian12 -- sleep 600
no_leftovers "a time limit"
gives 125 "${run[@]}" sh -c 'echo c >/proc/sysrq-trigger; sleep 600'
says sysrq_handle_crash
no_leftovers "a panic"
gives 0 "${run[@]}" bash -c 'if [ $VM_BOOT = 1 ]; then touch /root/mark; exit 75; fi; [ $VM_BOOT = 2 ] && [ -e /root/mark ]'
gives 0 "$vm" run -a aikm.test=1 -m 768M debian12 -- grep -q aikm.test=1 /proc/cmdline

# Whoever ends it, nothing is left.
ended_by() { # signal, status
    local pid status=0
    # What a script starts in the background ignores SIGINT otherwise, and SIGHUP what nohup started.
    env --default-signal=INT,HUP "${run[@]}" sleep 600 >"$work/log" 2>&1 </dev/null &
    pid=$!
    for _ in $(seq 100); do
        ! pgrep -f "^[^ ]*qemu.*$TMPDIR/" >/dev/null || break
        sleep 0.1
    done
    sleep 2
    kill -"$1" "$pid"
    wait "$pid" 2>/dev/null || status=$?
    [ $status = "$2" ] || fail "SIG$1: status $status, not $2"
    # SIGKILL leaves files; the machine ends all the same.
    [ "$1" != KILL ] || { sleep 2; rm -rf "$TMPDIR"/aikmd-vm.*; }
    no_leftovers "SIG$1"
}
ended_by TERM 143
ended_by INT 130
ended_by HUP 129
ended_by KILL 137

# What is built is not built again; what was derived is, when what it was derived from has changed.
cached() { find "${AIKM_VM_CACHE:-/var/cache/aikmd-vm}" -path '*debian12/*' -printf '%p %i %T@\n' | sort; }
before=$(cached)
gives 0 "$vm" build debian12
[ "$before" = "$(cached)" ] || fail "a guest that is there was built again"
derive() { gives "$1" "$vm" derive -d "$work/dir" debian12 harness-test -- sh -c 'cp file /root/file && [ -s file ]'; }
derive 0
says 'deriving'
gives 0 "$vm" run debian12@harness-test -- grep -q content /root/file
derive 0
[ ! -s "$work/log" ] || fail "derived again though nothing has changed"
: >"$work/dir/file"
derive 1
gives 0 "$vm" run debian12@harness-test -- grep -q content /root/file # what was there stays
echo other >"$work/dir/file"
derive 0
gives 0 "$vm" run debian12@harness-test -- grep -q other /root/file
gives 0 "$vm" run -b debian12@harness-test -- grep -q other /root/file
gives 0 "$vm" list
says '^debian12@harness-test '
gives 0 "$vm" clean debian12@harness-test
gives 2 "$vm" run debian12@harness-test -- true
no_leftovers "everything"
echo "harness: $cases cases"
