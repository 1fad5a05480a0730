#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Weights of systemd's units on a real systemd, without the daemon: what unit-tool sets, what an
# administrator sets before, meanwhile and afterwards, and that nothing of ours comes back to life.
# In the guest, as root: units.sh [UNIT-TOOL]
set -uo pipefail

tool=$(realpath "${1:-./unit-tool}")
failures=0 checks=0

# is WHAT WANTED GOT
is() {
        checks=$((checks + 1))
        [[ $2 == "$3" ]] && return
        failures=$((failures + 1))
        printf 'FAILED: %s: wanted "%s", got "%s"\n' "$1" "$2" "$3"
}

value() { "$tool" "${2:-unit-cpu}" read "$1" 2>&1; }
apply() { is "apply $2 to $1" "" "$("$tool" "${3:-unit-cpu}" apply "$1" "$2" 2>&1)"; }
plan() { "$tool" "${3:-unit-cpu}" plan "$1" "$2" 2>&1; }
kernel() { cat "/sys/fs/cgroup$1/cpu.weight" 2>/dev/null || echo none; }
shown() { systemctl show -P CPUWeight "$1"; }
drop_ins() { find /run/systemd/{system.control,transient} /run/user/*/systemd/{user.control,transient} -name '50-*.conf' 2>/dev/null | wc -l; }

# What the unit is afterwards when everything is asked anew: nothing of ours in it.
untouched() { # what, cgroup, value, unit
        is "$1: drop-ins" 0 "$(drop_ins)"
        systemctl daemon-reload
        is "$1: after daemon-reload" "$3" "$(value "$2")"
        systemctl restart "$4"
        is "$1: after restart" "$3" "$(value "$2")"
        is "$1: no reload wanted" no "$(systemctl show -P NeedDaemonReload "$4")"
}

unit=aikm-test.service path=/system.slice/aikm-test.service file=/etc/systemd/system/aikm-test.service
fresh() { # lines of [Service]
        systemctl stop $unit 2>/dev/null
        systemctl revert $unit 2>/dev/null
        printf '[Service]\nExecStart=/bin/sleep infinity\n%s\n' "${1:-}" >$file
        systemctl daemon-reload
        systemctl start $unit
}

systemctl --version | head -n 1
is probe "" "$("$tool" unit-cpu probe 2>&1)"

echo "# there and back, as the unit's file has it"
for was in unset 50 idle; do
        fresh "$([[ $was == unset ]] || echo "CPUWeight=$was")"
        is "before" "$was" "$(value $path)"
        is "plan from $was" "$([[ $was == idle ]] || echo "20 set-property")" "$(plan $path 20)"
        apply $path "20 set-property"
        is "ours" "20 set-property" "$(value $path)"
        is "kernel" 20 "$(kernel $path)"
        is "no second plan" "" "$(plan $path 20)"
        systemctl daemon-reload
        is "ours after daemon-reload" "20 set-property" "$(value $path)"
        systemctl restart $unit
        is "ours after restart" "20 set-property" "$(value $path)"
        apply $path $was
        is "back" "$was" "$(value $path)"
        untouched "back to $was" $path $was $unit
done

echo "# idle and I/O"
fresh
apply $path "idle set-property"
is "idle" "idle set-property" "$(value $path)"
is "idle in the kernel" 1 "$(cat /sys/fs/cgroup$path/cpu.idle)"
apply $path "30 set-property" unit-io
is "I/O" "30 set-property" "$(value $path unit-io)"
apply $path unset
is "I/O stays" "30 set-property" "$(value $path unit-io)"
apply $path unset unit-io
is "I/O back" unset "$(value $path unit-io)"
untouched "idle and I/O" $path unset $unit

echo "# what stood in a runtime drop-in before stands there afterwards"
fresh
systemctl set-property --runtime $unit CPUWeight=60
is "runtime" "60 set-property" "$(value $path)"
apply $path "20 set-property"
apply $path "60 set-property"
is "runtime again" "60 set-property" "$(value $path)"
systemctl daemon-reload
is "runtime after daemon-reload" "60 set-property" "$(value $path)"

echo "# set for good before: a reload ends ours"
fresh
systemctl set-property $unit CPUWeight=70
is "for good" 70 "$(value $path)"
apply $path "20 set-property"
is "ours above it" "20 set-property" "$(value $path)"
apply $path 70
is "for good again" 70 "$(value $path)"
untouched "for good" $path 70 $unit
apply $path "20 set-property"
systemctl daemon-reload
is "the administrator's after daemon-reload" 70 "$(value $path)"
"$tool" unit-cpu disown $path "20 set-property"
is "disowned, kernel" 70 "$(kernel $path)"
untouched "disowned" $path 70 $unit

echo "# set for good meanwhile: theirs stays, ours does not come back when theirs goes"
fresh
apply $path "20 set-property"
systemctl set-property $unit CPUWeight=80
is "theirs" 80 "$(value $path)"
"$tool" unit-cpu disown $path "20 set-property"
rm -r /etc/systemd/system.control/$unit.d
untouched "theirs is gone" $path unset $unit

echo "# set until the next boot meanwhile: disown leaves it alone"
fresh
apply $path "20 set-property"
systemctl set-property --runtime $unit CPUWeight=80
is "theirs" "80 set-property" "$(value $path)"
"$tool" unit-cpu disown $path "20 set-property"
systemctl daemon-reload
is "theirs still" "80 set-property" "$(value $path)"

echo "# revert meanwhile, and afterwards"
fresh CPUWeight=90
apply $path "20 set-property"
systemctl revert $unit 2>/dev/null
is "reverted" 90 "$(value $path)"
"$tool" unit-cpu disown $path "20 set-property"
is "reverted, kernel" 90 "$(kernel $path)"
untouched "revert meanwhile" $path 90 $unit
apply $path "20 set-property"
apply $path 90
systemctl revert $unit 2>/dev/null
is "revert afterwards" 90 "$(value $path)"
untouched "revert afterwards" $path 90 $unit

echo "# the unit's file is changed after we put back"
fresh
apply $path "20 set-property"
apply $path unset
printf '[Service]\nExecStart=/bin/sleep infinity\nCPUWeight=33\n' >$file
untouched "new file" $path 33 $unit

echo "# stopped meanwhile"
fresh
apply $path "20 set-property"
systemctl stop $unit
is "stopped" "20 set-property" "$(value $path)"
apply $path unset
is "stopped, back" unset "$(value $path)"
is "stopped: drop-ins" 0 "$(drop_ins)"
systemctl start $unit
is "started" unset "$(value $path)"

echo "# written past systemd"
fresh
systemd-run --quiet --unit=aikm-other.service -p CPUWeight=100 sleep infinity # for the controller
sleep 1
echo 44 >/sys/fs/cgroup$path/cpu.weight
is "foreign in the kernel" EBUSY "$("$tool" unit-cpu apply $path "20 set-property" 2>&1)"
systemctl stop aikm-other.service

echo "# gone, and never there"
is "unknown" ESRCH "$(value /system.slice/aikm-none.service)"
is "no unit" EINVAL "$(value /system.slice/aikm-test.service/below)"
fresh
apply $path "20 set-property"
systemctl stop $unit
rm $file
systemctl daemon-reload
is "uninstalled" ESRCH "$(value $path)"
"$tool" unit-cpu disown $path "20 set-property"
is "uninstalled: drop-ins" 0 "$(drop_ins)"

echo "# transient units, slices, names that are escaped"
systemd-run --quiet --unit=aikm-t.service sleep infinity
systemd-run --quiet --scope --unit=aikm-s.scope sleep infinity &
systemd-run --quiet --unit=aikm-e.service -p Slice=aikm-outer-inner.slice -p CPUWeight=55 sleep infinity
systemd-run --quiet --unit='cpu.service' sleep infinity
sleep 1
cgroup_of() { systemctl show -P ControlGroup "$1"; }
for u in aikm-t.service aikm-s.scope aikm-e.service cpu.service aikm-outer-inner.slice aikm-outer.slice; do
        p=$(cgroup_of $u)
        before=$(value "$p")
        apply "$p" "20 set-property"
        is "$u" "20 set-property" "$(value "$p")"
        is "$u in the kernel" 20 "$(kernel "$p")"
        apply "$p" "$before"
        systemctl daemon-reload
        is "$u back" "$before" "$(value "$p")"
done
is "escaped" /system.slice/_cpu.service "$(cgroup_of cpu.service)"
is "drop-ins" 0 "$(drop_ins)"
apply "$(cgroup_of aikm-t.service)" "20 set-property"
p=$(cgroup_of aikm-t.service)
systemctl stop aikm-t.service
is "ended transient unit" ESRCH "$(value "$p")"
is "its drop-in" 0 "$(drop_ins)"
systemctl stop aikm-s.scope aikm-e.service cpu.service

if [[ -e /usr/lib/systemd/system/user@.service ]] && command -v loginctl >/dev/null; then
        echo "# a user's manager and sessions"
        useradd --create-home aikm-u
        uid=$(id -u aikm-u)
        loginctl enable-linger aikm-u
        for ((i = 0; i < 100; i++)); do [[ -S /run/user/$uid/systemd/private ]] && break; sleep 0.2; done
        as_user() { setpriv --reuid=aikm-u --regid=aikm-u --init-groups env XDG_RUNTIME_DIR="/run/user/$uid" "$@"; }
        top=/user.slice/user-$uid.slice/user@$uid.service
        as_user systemd-run --user --quiet --unit=hog.service -p CPUWeight=200 sleep infinity
        sleep 1
        p=$top/app.slice/hog.service
        is "of a user" 200 "$(value "$p")"
        apply "$p" "20 set-property"
        is "of a user, ours" "20 set-property" "$(value "$p")"
        is "of a user, kernel" 20 "$(kernel "$p")"
        is "the user sees it" 20 "$(as_user systemctl --user show -P CPUWeight hog.service)"
        as_user systemctl --user daemon-reload
        is "of a user, after daemon-reload" "20 set-property" "$(value "$p")"
        apply "$p" 200
        is "of a user, back" 200 "$(value "$p")"
        is "of a user: drop-ins" 0 "$(drop_ins)"
        before=$(value "$top/app.slice")
        apply "$top/app.slice" "20 set-property"
        as_user systemctl --user set-property --runtime app.slice CPUWeight=66
        is "the user's own" "66 set-property" "$(value "$top/app.slice")"
        apply "$top/app.slice" "$before"
        is "the user's manager as a unit of PID 1" unset "$(value "$top")"

        echo "# a user's manager cannot make us speak to PID 1 in his name"
        loginctl disable-linger aikm-u
        systemctl stop "user@$uid.service" "user-runtime-dir@$uid.service"
        is "no manager" ESRCH "$(value "$top/app.slice")"
        mkdir -p "/run/user/$uid/systemd"
        ln -sfn /run/systemd/private "/run/user/$uid/systemd/private"
        chown -R aikm-u: "/run/user/$uid"
        is "link" ELOOP "$(value "$top/app.slice")"
        rm "/run/user/$uid/systemd/private"
        touch "/run/user/$uid/systemd/private"
        mount --bind /run/systemd/private "/run/user/$uid/systemd/private"
        is "mount" EPERM "$(value "$top/app.slice")"
        umount "/run/user/$uid/systemd/private"
        rm -r "/run/user/$uid"

        if systemd-run --quiet --unit=aikm-login -p PAMName=login -p User=aikm-u -p Type=exec \
                sleep infinity; then
                sleep 1
                pid=$(pgrep -u aikm-u -x sleep | head -n 1)
                p=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
                if [[ $p == */session-*.scope ]]; then
                        apply "$p" "20 set-property"
                        is "session" "20 set-property" "$(value "$p")"
                        apply "$p" unset
                        is "session, back" unset "$(value "$p")"
                        is "session: drop-ins" 0 "$(drop_ins)"
                        is "before the move" "$p" "$(value "$pid" scope)"
                        apply "$pid" /aikm.slice scope
                        is "moved out of the session" "/aikm.slice/aikm-$pid.scope" \
                                "$(sed -n 's/^0:://p' "/proc/$pid/cgroup")"
                else
                        echo "the session's process is in $p: sessions are not tested"
                fi
                systemctl stop aikm-login
                kill "$pid" 2>/dev/null
        fi
fi

echo "# a scope of its own"
sleep infinity &
pid=$!
is "plan" /aikm.slice "$(plan $pid 0 scope)"
apply $pid /aikm.slice scope
is "there" /aikm.slice "$(value $pid scope)"
is "cgroup" "0::/aikm.slice/aikm-$pid.scope" "$(cat /proc/$pid/cgroup)"
is "no second move" "" "$(plan $pid 0 scope)"
is "the slice's weight" "10 set-property" "$(plan /aikm.slice 10)"
is "PID 1" EPERM "$("$tool" scope apply 1 /aikm.slice 2>&1)"
kill $pid
wait $pid 2>/dev/null
sleep 1
is "gone with it" not-found "$(systemctl show -P LoadState aikm-$pid.scope)"

echo "# systemd starts anew"
fresh
apply $path "20 set-property"
systemctl daemon-reexec
is "after daemon-reexec" "20 set-property" "$(value $path)"
apply $path unset
untouched "daemon-reexec" $path unset $unit

systemctl stop $unit
rm -f $file
systemctl daemon-reload
echo "$checks checks, $failures failed"
[[ $failures == 0 ]]
