#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest with aikmd installed, as root: it is a service as systemd wants one, hardened, ready when it serves, reloaded and
# activated by the bus; after a reboot it is back.
set -euo pipefail
# shellcheck source=scene.sh
. "$(dirname "$(realpath "$0")")/scene.sh"

call() { # member of the manager, arguments
    busctl --auto-start=no --timeout=60 call org.aikm1 /org/aikm1 org.aikm1.Manager "$@"
}
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
denied() { # by the bus itself, command
    local said
    ! said=$("$@" 2>&1) || fail "$* is not denied"
    [[ $said == *"Access denied"* || $said == *"Access to the requested"* || $said == *"Permission denied"* || $said == *"not allowed"* ||
        $said == *"rejected send"* ]] || fail "$* fails, and not because the bus denies it: $said"
}
interval() { aikmctl policy show --json | grep -o '"interval": *"[^"]*"' | grep -o '[0-9a-z.]*"$' | tr -d '"'; }

if [ "${VM_BOOT:-1}" != 1 ]; then
    step "after a reboot it is back"
    systemctl start multi-user.target
    until_shows ActiveState active
    call GetStatus >/dev/null || fail "it does not serve after the reboot"
    shows NRestarts 0 || fail "it was restarted"
    echo "service: fine"
    exit 0
fi

step "the units are right, and hardened"
systemd-analyze verify --man=no aikmd.service aikm.slice || fail "systemd-analyze verify complains"
systemd-analyze security --no-pager --threshold=30 aikmd.service >/dev/null || fail "exposed: $(systemd-analyze security --no-pager aikmd.service)"
systemd-analyze security --no-pager aikmd.service | tail -n 1

step "ready only when it serves"
systemctl stop aikmd
bus=$(systemctl show -P MainPID dbus)
kill -STOP "$bus"
systemctl start --no-block aikmd
until_true 60 shows SubState start || { kill -CONT "$bus"; fail "it does not start"; }
sleep 8
state=$(show ActiveState)
kill -CONT "$bus"
[ "$state" = activating ] || fail "it is $state while the bus does not give it its name"
until_shows ActiveState active
systemctl stop aikmd
systemctl enable --now aikmd
call GetStatus >/dev/null || fail "it is started and does not serve"

step "what it may"
pid=$(show MainPID)
for set in CapPrm CapEff CapBnd; do
    # CAP_DAC_OVERRIDE 1, CAP_NET_ADMIN 12, CAP_SYS_PTRACE 19, CAP_SYS_NICE 23, CAP_PERFMON 38, CAP_BPF 39
    grep -qx "$set:[[:space:]]*000000c000881002" "/proc/$pid/status" || fail "$(grep "$set" "/proc/$pid/status")"
done
grep -qx "NoNewPrivs:[[:space:]]*1" "/proc/$pid/status" || fail "it may gain privileges"
grep -qx "Seccomp:[[:space:]]*2" "/proc/$pid/status" || fail "its system calls are not filtered"
[ "$(cat /sys/fs/cgroup/system.slice/aikmd.service/memory.max)" = $((352 << 20)) ] || fail "its memory is not limited"
[ "$(cat /sys/fs/cgroup/system.slice/aikmd.service/cpu.max)" = "50000 100000" ] || fail "its CPU time is not limited"
[ "$(stat -c %a /run/aikmd/ledger)" = 600 ] || fail "others can read the ledger"
mkdir /run/user/4242
mount -t tmpfs none /run/user/4242
touch /run/user/4242/here
nsenter --mount --target "$pid" test -e /run/user/4242/here || fail "it does not see the runtime folder of a user who came later"
umount /run/user/4242
rmdir /run/user/4242
! nsenter --mount --target "$pid" touch /usr/aikmd /etc/aikmd /var/lib/x 2>/dev/null || fail "it can write to the system"
status=$(aikmctl status)
[[ $(grep -Ec "^(Source +bpf$|Events +bpf,)" <<<"$status") = 2 ]] || fail "it cannot use BPF: $status"

step "a reload waits and tells"
scene_policy restore 700ms
systemctl reload aikmd || fail "a reload of good files fails"
[ "$(interval)" = 700ms ] || fail "the reload has returned, and the interval is $(interval)"
printf '{\n        "interval": "300ms",\n        "mode": "loud"\n}\n' >/etc/aikmd/aikmd.json
mark=$(date +%s)
! systemctl reload aikmd || fail "a reload of a broken file succeeds"
journalctl --sync
journalctl -u aikmd --since "@$mark" -o cat --no-pager | grep '^Configuration refused.*/etc/aikmd/aikmd.json:3:' >/dev/null ||
    fail "the journal does not name the file and its line"
aikmctl status | grep '/etc/aikmd/aikmd.json:3:' >/dev/null || fail "the status does not name the file and its line"
[ "$(interval)" = 700ms ] || fail "the last good policy is gone: the interval is $(interval)"
shows ActiveState active || fail "it is $(show ActiveState) after the broken reload"
shows MainPID "$pid" || fail "it was restarted"
rm /etc/aikmd/aikmd.json /etc/aikmd/policy.d/90-scene.json
systemctl reload aikmd || fail "the repaired files cannot be reloaded"
[ "$(interval)" != 700ms ] || fail "the reload did nothing"

step "what the bus lets through"
nobody busctl --auto-start=no introspect org.aikm1 /org/aikm1 >/dev/null || fail "nobody may introspect it"
nobody busctl --auto-start=no get-property org.aikm1 /org/aikm1 org.aikm1.Manager Mode >/dev/null || fail "nobody may read its properties"
denied nobody busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su org.aikm1 0
denied busctl --auto-start=no call org.aikm1 /org/aikm1 org.aikm1.Manager Nonsense
denied busctl --auto-start=no call org.aikm1 /org/aikm1 org.freedesktop.DBus.Properties Set ssv org.aikm1.Manager Mode s enforce
denied nobody busctl --auto-start=no call org.aikm1 /org/aikm1 org.freedesktop.DBus.ObjectManager GetManagedObjects
# Through the bus, and to the daemon, which says what it thinks of the arguments.
for member in GetStatus SetMode Reload Trial; do
    said=$(call "$member" 2>&1) || [[ $said == *"Invalid arguments"* ]] || fail "$member: $said"
done

step "the bus starts it while it is enabled"
systemctl stop aikmd
! aikmctl status 2>/dev/null || fail "aikmctl shows a status of a daemon that was stopped"
shows ActiveState inactive || fail "looking at it has started it"
busctl --timeout=60 call org.aikm1 /org/aikm1 org.aikm1.Manager GetStatus >/dev/null || fail "the bus does not start it"
shows ActiveState active || fail "it is $(show ActiveState)"
systemctl disable --now aikmd
! busctl --timeout=60 call org.aikm1 /org/aikm1 org.aikm1.Manager GetStatus 2>/dev/null || fail "what is disabled is started by asking for it"
shows ActiveState inactive || fail "it is $(show ActiveState)"

step "a restart keeps the ledger"
scene_policy keep
systemctl start aikmd
scene_start
until_nices "$scene_demoted"
systemctl stop aikmd
nices_are "$scene_demoted" || fail "on_stop keep: nice values are $(nices)"
[ -s /run/aikmd/ledger ] || fail "the ledger is gone"
mark=$(date +%s)
rm /etc/aikmd/policy.d/90-scene.json
systemctl start aikmd # observes, so that what it puts back stays so
until_nices "$scene_undone"
journalctl --sync
journalctl -u aikmd --since "@$mark" -o cat --no-pager | grep -E '^An earlier run left changes: [1-9][0-9]* put back,.* 0 failed$' >/dev/null ||
    fail "the next start does not say what it put back"
scene_end

systemctl enable aikmd
if [ -n "${VM_BOOT:-}" ]; then
    sync
    exit 75
fi
echo "service: fine"
