#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# session.sh [t][n]: first process of a workload's namespaces, started by record.py in a folder of its own with the workload's
# commands in the file `commands`; t: on a terminal, n: niced. The functions are what "run" in corpus.conf may use, beside
# $D (what prepare.sh made), $R (the round, that rates and modes follow) and the drivers.
options=${1-}
export HOME=$PWD PHASE_ZERO=$PWD/zero
if [[ $options == *t* ]]; then
    exec env PHASES= pty-drive -- env PHASES="${PHASES-}" bash "$0" "${options//t/}"
fi
ip link set lo up
# What daemons leave behind stays in here.
for dir in /run /tmp /var/log /var/spool; do
    case $PWD/ in "$dir"/*) ;; *) mount -t tmpfs none $dir ;; esac
done
mkdir -p /run/lock /run/sshd /var/spool/cron/crontabs
chmod 1777 /run/lock /tmp
case $options in *n*) renice -n 19 -p $$ >/dev/null ;; esac

# pick A B…: another one each round.
pick() { shift $((R % $#)); echo "$1"; }
# again COMMAND…: one job after another, for ever; now and then a moment passes between two.
again() { while "$@" || sleep 1; do [ $((RANDOM % 3)) != 0 ] || sleep "0.$((RANDOM % 9))"; done; }
# load --tcp PORT --request TEXT --rate N …: see load-drive.c.
load() { load-drive --seed "$((R + 1))" "$@" & }
# typing KEYS COMMAND…: a terminal, and somebody who types keys/KEYS at it; see pty-drive.c.
typing() { pty-drive --seed "$((R + 7))" --keys "$KEYS/$1" -- "${@:2}"; }
# feed FILE |: the file for ever, but in pauses; see feed-drive.c.
feed() { feed-drive "$@"; }
# jobs LINES [PHASE=LINES]… -- COMMAND…: hands one line at a time to a command that answers each with a line; see feed-drive.c.
jobs() {
    local arguments=() n=0
    while [ "$1" != -- ]; do
        n=$((n + 1))
        if [[ $1 =~ ^([a-z]+)=(.*) ]] && [[ " $PHASES" == *" ${BASH_REMATCH[1]}:"* ]]; then
            printf '%s\n' "${BASH_REMATCH[2]}" >"jobs.$n"
            arguments+=(--jobs "${BASH_REMATCH[1]}=jobs.$n")
        else
            printf '%s\n' "$1" >"jobs.$n"
            arguments+=(--jobs "jobs.$n")
        fi
        shift
    done
    feed-drive --seed "$((R + 3))" "${arguments[@]}" "$@"
}
# The phases begin now.
begin() { (set -C && cut -d ' ' -f 1 /proc/uptime >zero) 2>/dev/null || :; }
# Prints the phase and how many milliseconds of it are left.
phase() {
    local now zero word t total=0 ms
    [ -n "${PHASES-}" ] || { echo 'use 3600000'; return; }
    read -r now _ </proc/uptime
    # shellcheck disable=SC2094 # only begin() writes it, and once
    read -r zero <zero
    t=$((10#${now/./} - 10#${zero/./}))
    for word in $PHASES; do total=$((total + ${word#*:} * 100)); done
    t=$((t % total))
    for word in $PHASES; do
        ms=$((${word#*:} * 100))
        if [ $t -lt $ms ]; then
            echo "${word%:*} $(((ms - t) * 10))"
            return
        fi
        t=$((t - ms))
    done
}
# during 'PHASE…' COMMAND…: runs the command while the phase is one of these, and ends it with it.
during() {
    local wanted=" $1 " name ms
    shift
    begin
    while :; do
        read -r name ms < <(phase)
        if [[ $wanted == *" $name "* ]]; then
            timeout "$((ms / 1000)).$(printf %03d $((ms % 1000)))" "$@" || sleep 0.1
        else
            sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
        fi
    done
}
# hide PATH…: daemons see empty folders and files in the place of the machine's.
hide() {
    local path
    for path in "$@"; do
        if [ -d "$path" ]; then mount -t tmpfs none "$path"; elif [ -e "$path" ]; then mount --bind /dev/null "$path"; fi
    done
}
http_get() { printf 'GET %s HTTP/1.1\\r\\nHost: localhost\\r\\n%s\\r\\n' "$1" "${2-}"; }
dns_query() { printf '\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x01a\\x04test\\x00\\x00\\x01\\x00\\x01'; }
# Out of the page cache, as if the machine had just been started.
cold() { vmtouch -qe "$@" >/dev/null; }

# shellcheck source=/dev/null
. ./commands
wait
