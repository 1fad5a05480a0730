#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a guest of scripts/vm.sh: waits for the host, unpacks the payload disk into /payload and runs .vm-run there. Ports:
#   ctl      "ready" out; "go BOOT SECONDS SEED" in; "rc STATUS", or "reboot" out and any line in; /payload/.cut: without any goodbye
#   out      the command's output (and input, where it has one)
#   results  /results as a tar file
# The machine may be saved whenever it is ready, and restored many times.
set -u
export HOME=/root USER=root TERM=dumb LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

port() { # name
    local p
    for p in /sys/class/virtio-ports/*; do
        [ "$(cat "$p/name" 2>/dev/null)" != "$1" ] || echo "/dev/${p##*/}"
    done
}
run() { # the number of this boot
    if [ "$1" = 1 ]; then
        rm -rf /payload /results
        mkdir /payload /results
        # Not through the page cache: a restored machine must not see what the disk held when it was saved.
        dd if=/dev/vdb iflag=direct bs=1M status=none 2>/dev/null | tar -C /payload -xf - || return 125
    fi
    cd /payload && VM_BOOT=$1 bash ./.vm-run
}

modprobe -a virtio_console 2>/dev/null
for _ in {1..100}; do
    [ -z "$(port ctl)" ] || [ -z "$(port out)" ] || [ -z "$(port results)" ] || break
    sleep 0.1
done
# A port can be opened once: these stay open, whoever else holds copies of them.
exec 3<>"$(port ctl)" 4<>"$(port out)" 5<>"$(port results)" || exit 1

while :; do
    cd /
    sync
    echo 3 >/proc/sys/vm/drop_caches
    echo ready >&3
    read -r _ boot now seed <&3 || exit 1
    date -s "@$now" >/dev/null
    echo "$seed" >/dev/urandom
    (run "$boot") <&4 >&4 2>&1 3>&- 4>&- 5>&-
    rc=$?
    cd /
    if [ $rc = 75 ]; then
        echo reboot >&3
        read -r _ <&3
        [ ! -e /payload/.cut ] || echo b >/proc/sysrq-trigger
        systemctl reboot
        exec sleep infinity # a shell whose child was killed first would go on
    fi
    [ $rc = 0 ] || journalctl -b --no-pager -o short-monotonic >/results/journal.txt 2>&1
    [ -z "$(ls -A /results)" ] || tar -C /results -cf - . >&5
    rm -rf /payload /results
    echo "rc $rc" >&3
done
