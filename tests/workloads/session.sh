#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# session.sh NAME OPTIONS: first process of a workload's namespaces, started by record.sh.
name=$1 options=$2
here=$(cd "$(dirname "$0")" && pwd)
export HOME=$PWD
ip link set lo up
case $options in
*t*)
    exec pty-drive -- bash "$0" "$name" "${options//t/}"
    ;;
esac
. "$here/workloads.sh"
for ((i = 0; i < ${options//[^0-9]/}0 / 10; i++)); do
    case $(((R + i / 2) % 4)) in
    0) xz -9 -T1 -c "$D/big" >/dev/null & ;;
    1) stress-ng --cpu 1 --cpu-method int64 & ;;
    2) sha256sum /dev/zero & ;;
    3) lame --quiet -q 0 -r "$D/big" /dev/null & ;;
    esac
done
case $options in *n*) renice -n 19 -p $$ >/dev/null ;; esac
"w_$name"
