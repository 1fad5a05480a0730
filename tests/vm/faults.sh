#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest with aikmd installed, as root: however the daemon ends, what it changed is put back.
set -euo pipefail
# shellcheck source=scene.sh
. "$(dirname "$(realpath "$0")")/scene.sh"

# It acts, and after its end it stays away: so it is ExecStopPost that puts back, not the next start.
act() { # lines of the unit
    override Restart=no "$@"
    systemctl restart aikmd
    until_nices "$scene_demoted"
    mark=$(date +%s)
}
ended() { # how: results of a service, parted by |
    until_true 120 shows ActiveState failed || fail "it is $(show ActiveState), not failed"
    [[ "|$1|" == *"|$(show Result)|"* ]] || fail "its result is $(show Result), not $1"
    nices_are "$scene_undone" || fail "nice values are $(nices) after: $1"
    journalctl --sync
    journalctl -u aikmd --since "@$mark" -o cat --no-pager | grep -E '^[1-9][0-9]* put back, 0 changed .* 0 failed$' >/dev/null || fail "it does not say what it put back"
    systemctl reset-failed aikmd
}
# No signal but SIGKILL reaches it any more: after SIGSTOP systemd would wake what it ends.
hang() { # pid
    local ptrace=117 line= # of most machines
    [ "$(uname -m)" != x86_64 ] || ptrace=101
    exec 7< <(exec perl -e 'my ($call, $pid) = map { $_ + 0 } @ARGV; syscall($call, 16, $pid, 0, 0) == 0 or die "ptrace: $!";
        waitpid $pid, 0; print "held\n"; close STDOUT; waitpid $pid, 0' "$ptrace" "$1")
    read -r -t 60 line <&7 || :
    [ "$line" = held ] || fail "cannot hold process $1"
}

scene_policy restore
scene_start

step "stop"
act
systemctl stop aikmd
nices_are "$scene_undone" || fail "nice values are $(nices) after a stop"
shows Result success || fail "its result is $(show Result)"

step "stop, where policy keeps"
scene_policy keep
act
systemctl stop aikmd
nices_are "$scene_demoted" || fail "nice values are $(nices) after a stop that keeps"
aikmd --restore
nices_are "$scene_undone" || fail "nice values are $(nices) after aikmd --restore"

step "SIGKILL, also where policy keeps"
act
systemctl kill -s KILL --kill-who=main aikmd
ended signal
scene_policy restore

step "a crash"
act
systemctl kill -s SEGV --kill-who=main aikmd
ended "core-dump|signal" # which of them is for the limit on cores to say

step "it hangs while it is told to stop"
act TimeoutStopSec=15s # for what follows, too
hang "$(show MainPID)"
systemctl stop aikmd
ended timeout

step "the watchdog: it hangs"
act WatchdogSec=6s
kill -STOP "$(show MainPID)"
ended watchdog

step "the watchdog: it hangs, and its end takes SIGKILL"
act WatchdogSec=6s TimeoutAbortSec=3s
hang "$(show MainPID)"
ended watchdog

step "the watchdog: looks further apart than its patience are no fault"
scene_policy restore 20s
override Restart=no WatchdogSec=6s
systemctl restart aikmd
sleep 45
shows ActiveState active || fail "it is $(show ActiveState): $(show Result)"
systemctl stop aikmd
scene_policy restore

step "the OOM killer, of its own group"
act
# Under what it uses; what follows it has to do with as little.
systemctl set-property --runtime aikmd MemoryHigh=infinity MemoryMax=1500K MemorySwapMax=0
ended oom-kill
systemctl revert aikmd

step "it is started again, and acts again"
as_shipped
systemctl restart aikmd
until_nices "$scene_demoted"
old=$(show MainPID)
systemctl kill -s KILL --kill-who=main aikmd
until_true 60 shows NRestarts 1 || fail "it is not started again"
until_shows ActiveState active
[ "$(show MainPID)" != "$old" ] || fail "the same process"
until_nices "$scene_demoted"
systemctl stop aikmd
nices_are "$scene_undone" || fail "nice values are $(nices) at the end"

rm /etc/aikmd/policy.d/90-scene.json
echo "faults: fine"
