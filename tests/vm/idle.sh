#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# On an idle machine the service looks once in ten seconds and is woken for nothing else; the kernel's pressure triggers, opened in its
# sandbox without a capability for it, end a pause of a minute when somebody begins to wait.
set -euo pipefail
# shellcheck source=scene.sh
. "$(dirname "$(realpath "$0")")/scene.sh"

status_of() { aikmctl status --json | tr -d '\n' | grep -o "\"$1\": *[^,}]*" | sed -n '1s/^[^:]*: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p'; }
pauses() { [ "$(status_of pause_usec)" -ge "$1" ]; }
# Rarely: what asks takes a second of an emulated CPU, and so is no quiet itself.
until_pauses() {
    for _ in $(seq 8); do
        sleep 45
        ! pauses "$1" || return 0
    done
    fail "the pause is $(status_of pause_usec): $(status_of pace)"
}
wakeups() { awk '/^voluntary_ctxt_switches/ {n += $2} END {printf "%.0f\n", n}' /proc/"$(show MainPID)"/task/*/status; }
cpu() { awk '{n += $1} END {printf "%.0f\n", n}' /proc/"$(show MainPID)"/task/*/schedstat; }

step "pressure triggers, or why there are none"
systemctl restart aikmd
triggers=$(status_of triggers)
aikmctl status | grep '^Triggers'
case $triggers in
psi) pause=10000000 most=12 ;; # one wake-up in five seconds
none)
    # Kernels that give them to CAP_SYS_RESOURCE alone, which the service does not have: then it looks every other second.
    status_of triggers_reason | grep 'CAP_SYS_RESOURCE\|no PSI' >/dev/null || fail "no triggers: $(status_of triggers_reason)"
    pause=2000000 most=36
    ;;
*) fail "triggers is '$triggers'" ;;
esac

step "an idle machine: few wake-ups"
until_pauses "$pause"
before=$(wakeups) cpu_before=$(cpu) start=$SECONDS
sleep 120
after=$(wakeups) cpu_after=$(cpu) seconds=$((SECONDS - start))
pauses "$pause" || echo "in the meantime: $(status_of pace)"
aikmctl status
awk -v n=$((after - before)) -v s="$seconds" -v most="$most" -v ns=$((cpu_after - cpu_before)) 'BEGIN {
    printf "%d wake-ups in %d s: %.1f a minute, %.4f %% of one emulated core\n", n, s, n * 60 / s, ns / s / 1e7
    exit n * 60 / s > most }' || fail "that is more than $most a minute"

step "somebody waits: the pause ends, hogs are demoted and put back, and it stretches again"
scene_policy restore 500ms
sed -i 's/"interval":/"interval_max": "1min", "interval":/' /etc/aikmd/policy.d/90-scene.json
systemctl reload aikmd
[ "$triggers" = psi ] && pause=30000000
until_pauses "$pause"
ticks=$(status_of ticks) start=$SECONDS
scene_start
until_nices "$scene_demoted"
echo "demoted after $((SECONDS - start)) s and $(($(status_of ticks) - ticks)) looks"
[ $((SECONDS - start)) -lt 30 ] || fail "that is longer than two windows of a trigger and a few looks"
[ "$(status_of pause_usec)" = 500000 ] || fail "hogs are demoted, and the pause is $(status_of pause_usec)"
kill "${scene[0]}"
scene=("${scene[@]:1}")
until_nices '0 0 0'
scene_end
until_pauses "$pause"
