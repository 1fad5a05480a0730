#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# On every guest: the service is turned on, sees, is told, acts on nothing but what it may, survives a reboot, is turned off.
. ./lib.sh

status_of() { aikmctl status --json | tr -d '\n' | grep -o "\"$1\": *[^,}]*" | sed -n '1s/^[^:]*: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p'; }
status_is() { equal "$(status_of "$1")" "$2"; }
active() { equal "$(systemctl is-active aikmd)" active; }
ticks_go_on() {
    local before
    before=$(status_of ticks)
    sleep 15 # an idle machine is looked at once in ten seconds
    echo "before $before, after $(status_of ticks)"
    [ "$(status_of ticks)" -gt "$before" ]
}
# The journal's fields of a message, by its kind.
entries() { journalctl -u aikmd -b -o json --no-pager | grep "$@"; }
# Where BPF does not read, the daemon says what is missing.
source_is_named() {
    local source reason
    source=$(status_of source) reason=$(status_of source_reason)
    echo "source '$source', reason '$reason'"
    case $source in
    bpf) ;;
    proc) [ -n "$reason" ] ;;
    *) false ;;
    esac
}
sees() { aikmctl ps --all --json | grep -qE "\"pid\": *$1[,}]"; }

if [ "${VM_BOOT:-1}" = 1 ]; then
    say "Turned on"
    expect_fail "it is off after its installation" systemctl is-enabled --quiet aikmd
    check "enable --now" systemctl enable --now aikmd
    check "it is active at once" active
    check "it serves at once" aikmctl status
    check "no start was in vain" equal "$(systemctl show -P NRestarts aikmd)" 0

    say "What it sees"
    check "its source is bpf, or it says what is missing" source_is_named
    case $(uname -r) in 6.1.*) ;; *) check "on this kernel it is bpf" status_is source bpf ;; esac
    check "it looks again and again" ticks_go_on
    ./load hog &
    hog=$!
    check "a new process is seen" wait_for 60 sees $hog
    check "top --once names it" wait_for 60 sh -c 'aikmctl top --once | grep -q load'
    check "explain tells of it" sh -c "aikmctl explain $hog | grep -q load"
    expect_fail "explain of nobody" aikmctl explain 4194000
    kill $hog

    say "What it is told"
    check "it observes until told otherwise" status_is mode observe
    check "policy set" aikmctl policy set scope=uid:1000 thresholds.confidence=0.75
    check "the policy has it" sh -c "aikmctl policy show --json | tr -d ' \n' | grep -q '\"confidence\":0.75'"
    expect_fail "policy set of nonsense" aikmctl policy set thresholds.confidence=75
    check "mode enforce" aikmctl mode enforce
    check "it enforces" status_is mode enforce
    check "the ledger is empty: nothing in its scope" sh -c "aikmctl ledger --json | tr -d ' \n' | grep -qv pid"

    say "The journal"
    check "it said that it has started" entries -q '"AIKM_[A-Z_]*":'
    check "messages have an id" entries -qE '"MESSAGE_ID":"[0-9a-f]{32}"'
    check "and an explanation" sh -c 'journalctl -u aikmd -b -x --no-pager | grep -q "Subject: .*aikmd"'
    expect_fail "nothing failed" sh -c 'journalctl -u aikmd -b -p err --no-pager -q | grep .'

    check "mode observe" aikmctl mode observe
    after_reboot
fi

say "After a reboot"
check "the machine runs" wait_for 120 sh -c '[ "$(systemctl is-system-running)" = running ]'
check "it is back" wait_for 60 active
check "it serves" aikmctl status
check "it looks" ticks_go_on
check "its source is as before" source_is_named
pid=$(systemctl show -P MainPID aikmd)
check "restart" systemctl restart aikmd
check "another process" test "$(systemctl show -P MainPID aikmd)" != "$pid"
check "disable --now" systemctl disable --now aikmd
expect_fail "it is not active" systemctl is-active --quiet aikmd
check "its end is a success" equal "$(systemctl show -P Result aikmd)" success
finish
