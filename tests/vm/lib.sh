# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced by tests in a guest, which goes on after a failed check and tells how many failed:
#   say WORDS                      a heading
#   check NAME COMMAND...          COMMAND succeeds
#   expect_fail NAME COMMAND...    COMMAND fails
#   wait_for SECONDS COMMAND...    COMMAND succeeds within that time (for use in a check): emulated machines are slow
#   equal GOT WANTED               (for use in a check)
#   after_reboot                   ends this boot; the script is called again, with VM_BOOT one higher
#   power_failure                  likewise, without any goodbye: what is not on the disk is lost
#   finish                         the last line: the sum, and the exit status
set -u
checks=0 failures=0 finished=

# What was counted before a reboot.
[ ! -s .counted ] || read -r checks failures <.counted
output=$(mktemp)
trap 'rm -f "$output"; [ -n "$finished" ] || echo "${0##*/}: ended before its end"' EXIT

say() { echo "== $* ($SECONDS s)"; }
failed_check() { # name, expectation, what came, command
    local name=$1 wanted=$2 came=$3
    shift 3
    failures=$((failures + 1))
    echo "FAILED $name ($SECONDS s)"
    echo "    expected $wanted, got $came: $*"
    sed 's/^/    | /' "$output" | tail -n 20
    echo "    the journal of aikmd ends with:"
    journalctl -u aikmd -n 15 --no-pager -o short-monotonic 2>/dev/null | sed 's/^/    | /'
}
# Not in a subshell: a command may be a function that sets variables of the test.
check() {
    local name=$1 status=0
    shift
    checks=$((checks + 1))
    "$@" >"$output" 2>&1 || status=$?
    if [ $status = 0 ]; then
        echo "ok     $name ($SECONDS s)"
    else
        failed_check "$name" success "status $status" "$@"
    fi
}
expect_fail() {
    local name=$1
    shift
    checks=$((checks + 1))
    if "$@" >"$output" 2>&1; then
        failed_check "$name" failure success "$@"
    else
        echo "ok     $name"
    fi
}
wait_for() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        if [ $SECONDS -ge $until ]; then
            echo "not within its time"
            return 1
        fi
        sleep 0.3
    done
}
equal() {
    [ "$1" = "$2" ] || { echo "'$1', not '$2'"; return 1; }
}
after_reboot() {
    echo "$checks $failures" >/payload/.counted
    finished=1
    exit 75
}
power_failure() {
    echo "$checks $failures" >/payload/.counted
    sync
    # What is written from here on may be lost, or torn.
    sleep 8
    : >/payload/.cut
    finished=1
    exit 75
}
finish() {
    finished=1
    echo "${0##*/} on ${VM_GUEST:-this machine}, kernel $(uname -r): $((checks - failures)) of $checks checks passed"
    [ $checks -gt 0 ] && [ $failures = 0 ]
    exit
}
