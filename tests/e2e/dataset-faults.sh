#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dataset-faults.sh AIKMD AIKM-RECORD: a full disk, and a database that is torn in every way, while the daemon goes on: it never waits,
# the recorder never ends, the database is whole or put aside, and data flow again.
set -euo pipefail
aikmd=$(realpath "$1") record=$(realpath "$2")
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
command -v sqlite3 >/dev/null || { echo "needs sqlite3"; exit 77; }
if [ "${3:-}" != inside ]; then
    # The small disk is mounted where nobody else sees it.
    unshare -m true 2>/dev/null || { echo "needs the right to unshare a mount namespace"; exit 77; }
    exec unshare -m -- "$0" "$1" "$2" inside
fi
work=$(mktemp -d /tmp/aikmd-test.XXXXXX)
daemon='' recorder=''
stop() {
    [ -z "$recorder" ] || kill "$recorder" 2>/dev/null || :
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || :
    wait
    ! mountpoint -q "$work/disk" || umount "$work/disk"
    rm -rf "$work"
}
trap stop EXIT
fail() {
    echo "$*"
    tail -n 20 "$work/recorder.log" "$work/daemon.log"
    exit 1
}
db=$work/disk/dataset.db
mkdir "$work/disk"
mount -t tmpfs -o size=8m none "$work/disk"

"$aikmd" --no-bus --model=rules --config-dir="$work/none" --runtime-dir="$work/run" --interval=100ms --set interval_max=100ms \
    --record="$work/recording" 2>"$work/daemon.log" &
daemon=$!
recorder_start() {
    "$record" run --database "$db" --socket "$work/run/record" --batch 300ms --retry 500ms "$@" 2>>"$work/recorder.log" &
    recorder=$!
}
recorder_stop() {
    kill "$recorder"
    wait "$recorder" || fail "the recorder ended with status $?"
    recorder=
}
count() { sqlite3 "$db" "SELECT count(*) FROM $1" 2>/dev/null || echo 0; }
# What happens meanwhile, until it is so; never by a fixed time.
until_true() { # what, command…
    local what=$1
    shift
    for _ in $(seq 300); do
        ! "$@" || return 0
        [ -z "$recorder" ] || kill -0 "$recorder" 2>/dev/null || fail "$what: the recorder has ended"
        sleep 0.1
    done
    fail "$what: not within 30 s"
}
more_ticks() { [ "$(count ticks)" -gt "$1" ]; }
recording_grows() { [ "$(stat -c %s "$work/recording")" -gt "$1" ]; }
logged() { grep -q "$1" "$work/recorder.log"; }
daemon_ticks() { # whatever the recorder does
    until_true "the daemon ticks" recording_grows $(($(stat -c %s "$work/recording") + 300000))
}
whole() { [ "$(sqlite3 "$db" 'PRAGMA integrity_check')" = ok ] || fail "$1: the database is not whole"; }

# A full disk.
until_true "the socket is there" test -S "$work/run/record"
recorder_start
until_true "it records" more_ticks 10
dd if=/dev/zero of="$work/disk/filler" bs=64k status=none 2>/dev/null || :
dd if=/dev/zero of="$work/disk/filler2" bs=512 status=none 2>/dev/null || :
until_true "a full disk is told" logged 'Cannot write the data set'
daemon_ticks
kill -0 "$recorder" || fail "a full disk ended the recorder"
[ "$(grep -c 'Cannot write the data set' "$work/recorder.log")" = 1 ] || fail "a full disk was told more than once"
whole "while the disk is full"
before=$(count ticks)
rm "$work/disk"/filler*
until_true "it writes again" more_ticks "$before"
until_true "that is told" logged 'is written again'
until_true "what is missing is counted" test "$(sqlite3 "$db" "SELECT coalesce(sum(ticks), 0) > 0 FROM losses WHERE why = 'disk'")" = 1
recorder_stop
whole "after a full disk"
"$record" export -d "$db" --raw -o "$work/raw.csv" 2>/dev/null || fail "export after a full disk failed"

# Killed in the middle of its work: whole every time.
for _ in 1 2 3 4 5; do
    before=$(count ticks)
    recorder_start --max-size 4M
    until_true "it records after a kill" more_ticks "$before"
    sleep "0.$((RANDOM % 9))"
    kill -KILL "$recorder"
    wait "$recorder" 2>/dev/null || :
    recorder=
    whole "after a kill"
done
[ "$(find "$work/disk" -name '*broken*' | wc -l)" = 0 ] || fail "what was whole was put aside"

# A log that a power failure has torn: what was safe before stays.
# What of the log is in the main file already a power failure cannot tear: the log was on the disk before. So it begins empty, and is
# not full before it is torn.
tear() { # what it does to the files
    sqlite3 "$db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
    before=$(count ticks)
    recorder_start
    until_true "it records before it is torn" more_ticks "$before"
    kill -KILL "$recorder"
    wait "$recorder" 2>/dev/null || :
    recorder=
    eval "$1"
}
tear 'truncate -s -1000 "$db-wal"'
whole "a log without its end"
tear 'head -c 9000 /dev/urandom >>"$db-wal"'
whole "a log with garbage behind"
tear 'rm -f "$db-shm"'
whole "no index of the log"
recorder_start
until_true "it goes on from a torn log" more_ticks "$(count ticks)"
recorder_stop
[ "$(find "$work/disk" -name '*broken*' | wc -l)" = 0 ] || fail "a torn log put the database aside"

# A main file that is beyond repair: put aside, told, and begun anew.
sqlite3 "$db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
dd if=/dev/urandom of="$db" bs=4096 seek=3 count=8 conv=notrunc status=none
recorder_start
until_true "damage is told" logged 'damaged beyond repair'
[ -e "$db.broken-1" ] || fail "the damaged database was not kept"
until_true "it begins anew" more_ticks 5
recorder_stop
whole "after damage"
truncate -s 5000 "$db"
recorder_start
until_true "it begins anew again" more_ticks 5
[ -e "$db.broken-2" ] || fail "the truncated database was not kept"

# While it is at work.
dd if=/dev/urandom of="$db" bs=4096 seek=1 count=40 conv=notrunc status=none
daemon_ticks
kill -0 "$recorder" || fail "damage at work ended the recorder"
recorder_stop

# A newer schema is neither used nor moved away.
rm -f "$db"*
recorder_start
until_true "it records" more_ticks 3
recorder_stop
sqlite3 "$db" 'PRAGMA user_version = 99'
status=0
"$record" run --database "$db" --socket "$work/run/record" 2>"$work/refused" || status=$?
[ $status = 1 ] && grep -q 'schema version 99' "$work/refused" || fail "a newer schema: status $status, $(cat "$work/refused")"
kill -0 "$daemon" || fail "the daemon has ended"
echo "a full disk, 5 kills, 3 torn logs, 3 torn files: the recorder went on, the daemon never waited"
