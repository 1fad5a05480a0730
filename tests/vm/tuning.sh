#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Tuning through systemd, on the booted system: which knob follows from the scheduling groups, and who wins. Classes are given by name
# here, of every process, and waiting counts from the first millisecond: what is tested is what is done, not what is predicted, nor what it helps.
. ./lib.sh

LOAD=./load
install -m 755 "$LOAD" /usr/local/bin/hog
install -m 755 "$LOAD" /usr/local/bin/victim
mkdir -p /etc/aikmd
cat >/etc/aikmd/aikmd.json <<'J'
{
        "mode": "enforce", "model": "rules", "interval": "500ms",
        "thresholds": {"delay_share": 0.001, "delay_per_slice": "0s", "busy_share": 0.3, "contention_after": "500ms",
                       "cool_down": "10s", "release_after": "6s", "changes_per_minute": 1000},
        "impact": {"undo": false, "floor_share": 0},
        "rules": [
                {"name": "the test itself", "match": {"unit": "vm-agent.service"}, "exempt": true},
                {"name": "a hog", "match": {"comm": "hog"}, "class": "batch"},
                {"name": "its victim", "match": {"comm": "victim"}, "class": "server"}
        ]
}
J
mkdir -p /etc/aikmd/policy.d
echo '{"rules": [{"name": "all else", "match": {"comm": "*"}, "class": "idle"}]}' >/etc/aikmd/policy.d/99-rest.json

weight() { systemctl show -P CPUWeight "$1"; }              # [not set]: none
weight_is() { [ "$(weight "$1")" = "$2" ]; }
kernel_weight() { cat "/sys/fs/cgroup$(systemctl show -P ControlGroup "$1")/cpu.weight"; }
kernel_weight_is() { [ "$(kernel_weight "$1")" = "$2" ]; }
main_pid() { systemctl show -P MainPID "$1"; }
nices() { for task in /proc/"$1"/task/*; do awk '{sub(/.*\) /, ""); print $17}' "$task/stat"; done | sort -u | paste -sd' '; }
nices_are() { [ "$(nices "$1")" = "$2" ]; }
autogroup_nice() { sed 's/.*nice //' "/proc/$1/autogroup"; }
autogroup_is() { [ "$(autogroup_nice "$1")" = "$2" ]; }
explains() { aikmctl explain "$1" | grep -qE -- "$2"; }
drop_ins() { find /run/systemd /etc/systemd/system.control /run/user/*/systemd -path "*$1.d/*" -name '50-CPUWeight.conf' 2>/dev/null; }
no_drop_in() { [ -z "$(drop_ins "$1")" ]; }

# Hogs and a victim, each a service.
start_services() { # properties of both
    systemd-run --quiet --unit=hogs "$@" /usr/local/bin/hog hog -t 4
    systemd-run --quiet --unit=db "$@" /usr/local/bin/victim server
}
stop_services() {
    systemctl stop db hogs 2>/dev/null || :
    systemctl reset-failed 2>/dev/null || :
}
restart_aikmd() {
    systemctl daemon-reload
    systemctl restart aikmd
}

say "A service beside another: its weight is lowered and put back"
restart_aikmd
start_services -p CPUWeight=100
check "the hog's unit is lowered" wait_for 90 weight_is hogs.service 20
check "the kernel has it" wait_for 30 kernel_weight_is hogs.service 20
check "the victim's is not" weight_is db.service 100
check "nobody's nice is touched" nices_are "$(main_pid hogs)" 0
check "explain names the unit" explains "$(main_pid hogs)" 'Lowered +/system\.slice/hogs\.service'
check "explain names the group" explains "$(main_pid hogs)" 'control group /system\.slice/hogs\.service has the cpu controller'
check "the ledger has it" sh -c 'aikmctl ledger | grep -q unit-cpu'
check "the journal has it" wait_for 30 sh -c 'journalctl -u aikmd -o json | grep -q "\"AIKM_UNIT\":\"/system.slice/hogs.service\""'
check "restored by rollback of the process" aikmctl rollback "pid:$(main_pid hogs)"
check "the weight is back" weight_is hogs.service 100
check "and lowered again after the cool-down" wait_for 90 weight_is hogs.service 20
systemctl stop db
check "put back when nobody waits" wait_for 90 weight_is hogs.service 100
check "the kernel has that, too" wait_for 30 kernel_weight_is hogs.service 100
check "the ledger is empty" sh -c '! aikmctl ledger | grep -q unit-cpu'
stop_services

say "A unit of files: no drop-in stays"
cat >/etc/systemd/system/hogs.service <<'U'
[Service]
ExecStart=/usr/local/bin/hog hog -t 4
CPUWeight=150
U
systemctl daemon-reload
systemctl start hogs
systemd-run --quiet --unit=db -p CPUWeight=100 /usr/local/bin/victim server
check "lowered" wait_for 90 weight_is hogs.service 20
check "by a drop-in" sh -c '[ -e /run/systemd/system.control/hogs.service.d/50-CPUWeight.conf ]'
systemctl restart hogs
check "a restart of the unit changes nothing" weight_is hogs.service 20
systemctl daemon-reload
check "nor does daemon-reload" weight_is hogs.service 20
systemctl stop db
check "put back" wait_for 90 weight_is hogs.service 150
check "without a trace" no_drop_in hogs.service
sed -i s/150/160/ /etc/systemd/system/hogs.service
systemctl daemon-reload
check "the administrator's later edit counts" weight_is hogs.service 160

say "The administrator wins"
for how in --runtime ''; do
    systemctl start hogs
    systemd-run --quiet --unit=db -p CPUWeight=100 /usr/local/bin/victim server
    restart_aikmd
    check "lowered" wait_for 90 weight_is hogs.service 20
    mark=$(date '+%F %T')
    # shellcheck disable=SC2086 # no argument where it is empty
    systemctl set-property $how hogs.service CPUWeight=70
    sleep 8
    check "set-property $how stays while we act" weight_is hogs.service 70
    check "and we say so" wait_for 30 sh -c "journalctl -u aikmd -b --since '$mark' -o cat | grep -q '^The weight of /system.slice/hogs.service was set by somebody else'"
    systemctl stop db aikmd
    check "and after we stop" weight_is hogs.service 70
    systemctl revert hogs.service
    cat >/etc/systemd/system/hogs.service <<'U'
[Service]
ExecStart=/usr/local/bin/hog hog -t 4
CPUWeight=150
U
    systemctl daemon-reload
done
systemctl restart hogs
systemd-run --quiet --unit=db -p CPUWeight=100 /usr/local/bin/victim server
systemctl start aikmd
check "lowered" wait_for 90 weight_is hogs.service 20
cp /etc/systemd/system/hogs.service /usr/lib/systemd/system/hogs.service
systemctl revert hogs.service
check "revert puts it back at once" weight_is hogs.service 150
sleep 8
check "and it stays" weight_is hogs.service 150
systemctl stop aikmd
check "also after we stop" weight_is hogs.service 150
check "nothing is left" no_drop_in hogs.service
stop_services
rm -f /usr/lib/systemd/system/hogs.service /etc/systemd/system/hogs.service
systemctl daemon-reload

say "Which group counts: the cpu controller enabled or not, autogroup on or off"
# Our own CPUWeight= would give system.slice the controller.
mkdir -p /etc/systemd/system/aikmd.service.d
for controller in yes no; do
    for autogroup in 1 0; do
        properties=()
        if [ $controller = yes ]; then
            properties=(-p CPUWeight=100)
            rm -f /etc/systemd/system/aikmd.service.d/no-cpu.conf
        else
            printf '[Service]\nCPUWeight=\nCPUQuota=\n' >/etc/systemd/system/aikmd.service.d/no-cpu.conf
        fi
        sysctl -qw kernel.sched_autogroup_enabled=$autogroup
        restart_aikmd
        start_services "${properties[@]}"
        hog=$(main_pid hogs)
        if [ $controller = no ]; then
            check "(controller $controller, autogroup $autogroup) system.slice has no cpu controller" \
                wait_for 30 sh -c '! grep -qw cpu /sys/fs/cgroup/system.slice/cgroup.subtree_control'
        fi
        case $controller$autogroup in
        yes*)
            check "(controller $controller, autogroup $autogroup) the unit's weight" wait_for 90 weight_is hogs.service 20
            check "explain: control group" explains "$hog" 'control group /system\.slice/hogs\.service has the cpu controller'
            ;;
        no1)
            check "(controller $controller, autogroup $autogroup) the autogroup's nice" wait_for 90 autogroup_is "$hog" 19
            check "explain: autogroup" explains "$hog" 'autogroup of session'
            check "the weight is left alone" weight_is hogs.service '[not set]'
            ;;
        no0)
            check "(controller $controller, autogroup $autogroup) nice of every thread" wait_for 90 nices_are "$hog" 19
            check "explain: root group" explains "$hog" 'root group'
            check "the weight is left alone" weight_is hogs.service '[not set]'
            ;;
        esac
        systemctl stop db
        case $controller$autogroup in
        yes*) check "put back" wait_for 90 weight_is hogs.service 100 ;;
        no1) check "put back" wait_for 90 autogroup_is "$hog" 0 ;;
        no0) check "put back" wait_for 90 nices_are "$hog" 0 ;;
        esac
        stop_services
    done
done
rm -f /etc/systemd/system/aikmd.service.d/no-cpu.conf
sysctl -qw kernel.sched_autogroup_enabled=1
restart_aikmd

say "Hogs inside a login session, beside their victim: thread by thread"
cat >/usr/local/bin/session <<'S'
#!/bin/sh
/usr/local/bin/hog hog -t 3 &
/usr/local/bin/hog hog -t 1 &
exec /usr/local/bin/victim server
S
chmod 755 /usr/local/bin/session
systemd-run --quiet --unit=login -p PAMName=login -p User=alice /usr/local/bin/session
check "it is in a session" wait_for 60 sh -c '[ "$(pgrep -c -x hog -u alice)" = 2 ] && grep -q "session-.*\.scope" /proc/$(pgrep -x hog -u alice | head -n 1)/cgroup'
session=$(sed -n 's|.*/\(session-.*\.scope\)$|\1|p' "/proc/$(pgrep -x hog -u alice | head -n 1)/cgroup")
mapfile -t hogs < <(pgrep -x hog -u alice)
for pid in "${hogs[@]}"; do
    check "every thread of hog $pid is demoted" wait_for 90 nices_are "$pid" 19
done
check "the victim is not" nices_are "$(pgrep -x victim -u alice)" 0
check "nor is the session" weight_is "$session" '[not set]'
kill "$(pgrep -x victim -u alice)"
for pid in "${hogs[@]}"; do
    check "hog $pid is put back" wait_for 90 nices_are "$pid" 0
done
kill "${hogs[@]}" 2>/dev/null || :

say "A user's own units, by the user's service manager"
mkdir -p /etc/systemd/system/user@.service.d
printf '[Service]\nDelegate=cpu memory pids\n' >/etc/systemd/system/user@.service.d/cpu.conf
systemctl daemon-reload
loginctl enable-linger alice
check "the user's manager runs" wait_for 90 systemctl is-active --quiet "user@$(id -u alice).service"
as_alice() { runuser -u alice -- env XDG_RUNTIME_DIR="/run/user/$(id -u alice)" "$@"; }
wait_for 30 as_alice systemctl --user is-system-running >/dev/null || :
as_alice systemd-run --user --quiet --unit=build -p CPUWeight=100 /usr/local/bin/hog hog -t 4
as_alice systemd-run --user --quiet --unit=editor -p CPUWeight=100 /usr/local/bin/victim server
user_weight_is() { [ "$(as_alice systemctl --user show -P CPUWeight "$1")" = "$2" ]; }
check "lowered" wait_for 90 user_weight_is build.service 20
check "the victim's is not" user_weight_is editor.service 100
as_alice systemctl --user stop editor
check "put back" wait_for 90 user_weight_is build.service 100
as_alice systemctl --user stop build
loginctl disable-linger alice

say "By policy alone: out of a session, into a scope in aikm.slice"
aikmctl policy set classes.batch.scope=aikm.slice >/dev/null
systemd-run --quiet --unit=db -p CPUWeight=100 /usr/local/bin/victim server
cat >/usr/local/bin/session <<'S'
#!/bin/sh
/usr/local/bin/hog hog -t 4 &
exec sleep infinity
S
# The session also holds one that may not be touched.
echo '{"rules": [{"name": "part of the session", "match": {"comm": "sleep"}, "exempt": true}]}' >/etc/aikmd/policy.d/90-session.json
systemctl reload aikmd
systemd-run --quiet --unit=login2 -p PAMName=login -p User=alice /usr/local/bin/session
wait_for 60 pgrep -x hog -u alice >/dev/null
hog=$(pgrep -x hog -u alice | head -n 1)
in_slice() { grep -q '/aikm\.slice/aikm-' "/proc/$1/cgroup"; }
check "moved" wait_for 90 in_slice "$hog"
check "the slice is lowered" wait_for 90 weight_is aikm.slice 20
check "the ledger tells both" sh -c 'aikmctl ledger | grep -q unit-cpu && aikmctl ledger --all | grep -q scope'
systemctl stop db
check "the slice's weight is put back" wait_for 90 weight_is aikm.slice '[not set]'
check "the process stays where it is" in_slice "$hog"
systemctl stop aikmd
check "stopping leaves nothing lowered" weight_is aikm.slice '[not set]'
kill "$hog"
finish
