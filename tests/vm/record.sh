#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest with aikmd installed, as root, beside debs/: the recorder is a service as systemd wants one, of a user of its own and
# behind everybody else; it comes back after SIGKILL, and after a power failure its data set is whole.
. ./lib.sh

ticks() { aikmctl dataset info --json | sed -n 's/.*"ticks": *\([0-9]*\).*/\1/p' | head -n 1; }
more_than() { [ "$(ticks)" -gt "$1" ]; }
recorder() { systemctl show -P MainPID aikm-record; }
another_than() { ! equal "$(recorder)" "$1" && ! equal "$(recorder)" 0; }
nothing_aside() { ! ls /var/lib/aikm-record/*.broken* 2>/dev/null; }
holds_the_hog() { aikmctl dataset export --raw --since -1h | grep ',load,' >/dev/null; }

if [ "${VM_BOOT:-1}" != 1 ]; then
    say "After the power failure"
    before=$(cat .ticks)
    systemctl start multi-user.target
    check "the service is back" wait_for 120 systemctl is-active --quiet aikm-record
    check "and goes on behind what was on the disk" wait_for 120 more_than "$before"
    check "nothing was moved aside" nothing_aside
    finish
fi

say "Installed, it is not started"
check "dpkg" dpkg -i debs/aikm-record_*.deb
check "its user is there" getent passwd aikm-record
expect_fail "it is not active" systemctl is-active --quiet aikm-record
check "verify" systemd-analyze verify --man=no aikm-record.service
check "hardened" systemd-analyze security --no-pager --threshold=20 aikm-record.service

say "It records"
mkdir -p /etc/aikmd
echo '{"model": "rules", "interval": "500ms", "interval_max": "500ms"}' >/etc/aikmd/aikmd.json
systemctl enable --now aikmd aikm-record
./load hog -t 2 &
check "ticks come" wait_for 120 more_than 20
pid=$(recorder)
check "as its own user" equal "$(ps -o user:32= -p "$pid")" aikm-record
check "at idle priority" equal "$(ps -o cls= -p "$pid" | xargs) $(cut -d ' ' -f 19 "/proc/$pid/stat")" "IDL 19"
check "the data set is its own" equal "$(stat -c '%U %a' /var/lib/aikm-record)" "aikm-record 750"
check "the hog is in it" wait_for 60 holds_the_hog

say "SIGKILL"
before=$(ticks)
kill -KILL "$pid"
check "it comes back" wait_for 90 another_than "$pid"
check "and goes on" wait_for 120 more_than "$before"
check "nothing was moved aside" nothing_aside
check "aikmd did not notice" equal "$(systemctl show -P NRestarts aikmd)" 0

say "The daemon stops and starts"
systemctl restart aikmd
before=$(ticks)
check "it goes on" wait_for 120 more_than "$before"

say "Power failure"
ticks >.ticks
power_failure
