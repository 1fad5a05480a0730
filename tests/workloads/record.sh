#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Records real programs for training: record.sh [--aikmd PROGRAM] [--first N] [--slots N] [--seconds N] OUTPUT-DIRECTORY
# or tries each of them alone for a few seconds: record.sh --smoke [--rounds N] [--only NAME]… OUTPUT-DIRECTORY
#
# Installs the packages of programs.tsv, starts `aikmd --record`, and runs the workloads of workloads.sh in slots: a few side by
# side, now and then with hogs in the same session, on a terminal, or niced. Each lives in its own session and in namespaces of
# its own, so that nothing is left when a slot ends and nothing listens outside. OUTPUT-DIRECTORY gets recording and labels.json.
# --first begins at a later slot: what one recording has not reached, another can.
# Takes root, two CPUs, 3 GB of disk below $TMPDIR and, with the defaults, 20 minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

die() { echo "record.sh: $*" >&2; exit 1; }
aikmd=aikmd first_slot=0 slots=36 seconds=30 smoke='' rounds=3 only=()
while [ $# -gt 1 ]; do
    case $1 in
    --aikmd) aikmd=$2; shift 2 ;;
    --first) first_slot=$2; shift 2 ;;
    --slots) slots=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --smoke) smoke=1; shift ;;
    --rounds) rounds=$2; shift 2 ;;
    --only) only+=("$2"); shift 2 ;;
    *) die "what is '$1'? See the head of the script." ;;
    esac
done
[ $# = 1 ] && [ "${1:0:1}" != - ] || die 'needs one OUTPUT-DIRECTORY'
[ "$(id -u)" = 0 ] || die 'namespaces and the figures of every process need root'
mkdir -p "$1"
out=$(cd "$1" && pwd)

install_packages() {
    local packages policy=/usr/sbin/policy-rc.d made=
    mapfile -t packages < <(grep -v '^#' "$here/programs.tsv" | cut -f4 | tr ' ' '\n' | sort -u)
    packages+=(gcc cpio iproute2 util-linux)
    # shellcheck disable=SC2016
    mapfile -t packages < <(for p in "${packages[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
    done)
    [ ${#packages[@]} -gt 0 ] || return 0
    # A package's service must not start by itself.
    if [ ! -e $policy ]; then
        made=1
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    echo "installing: ${packages[*]}" >&2
    local status=0
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${packages[@]}" >/dev/null || status=$?
    [ -z "$made" ] || rm -f $policy
    return $status
}

daemon='' roots=()
stop() {
    trap - EXIT
    local pid
    for pid in ${roots[@]+"${roots[@]}"} $daemon; do kill -KILL "$pid" 2>/dev/null || :; done
    wait
    remove "$W"
}
# The last processes of a namespace die a moment after its first, and may still write.
remove() {
    local _
    for _ in $(seq 50); do
        rm -rf "$1" 2>/dev/null && return
        sleep 0.1
    done
    rm -rf "$1"
}
W=$(mktemp -d "${TMPDIR:-/var/tmp}/aikm-workloads.XXXXXX")
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export W D=$W/data PATH=$W/bin:/usr/sbin:/usr/bin:/sbin:/bin

install_packages
mkdir -p "$D" "$W/bin"
chmod 755 "$W"
for tool in pty-drive load-drive; do
    gcc -std=gnu11 -D_GNU_SOURCE -O2 -o "$W/bin/$tool" "$here/$tool.c" -lutil -lm
done
# shellcheck source=prepare.sh
. "$here/prepare.sh"
echo 'preparing data' >&2
(prepare)
cat "$D/big" "$D/big.c" >/dev/null

# The process names of a workload: pattern=program words behind its function.
comms() { sed -n "/^w_$1() /s/.* # //p" "$here/workloads.sh"; }
class_of() { awk -F '\t' -v name="$1" '$1 == name { print $3 }' "$here/programs.tsv"; }
now() { cut -d ' ' -f 1 /proc/uptime; }

labels_of() {
    local word program first=
    for word in $1; do
        program=${word#*=}
        printf '%s"%s": ' "$first" "${word%%=*}"
        if [ "$program" = - ]; then
            printf null
        else
            printf '{"program": "%s", "class": "%s"}' "$program" "$(class_of "$program")"
        fi
        first=', '
    done
}

# Should this script be killed, the kernel ends what it started.
# start NAME ROUND OPTIONS: options are letters: t on a terminal, n niced, 1 to 6 as many hogs in the same session.
declare -A began names
start() {
    local name=$1 round=$2 options=${3-} run=$W/run/$1.$2
    mkdir -p "$run"
    chmod 755 "$W/run" "$run"
    (cd "$run" && exec env R="$round" setsid setpriv --pdeathsig KILL unshare --pid --fork --kill-child=KILL --mount-proc --net \
        bash "$here/session.sh" "$name" "$options" </dev/null >"$run.log" 2>&1) &
    roots+=("$!")
    names[$!]=$name.$round
    began[$!]=$(now)
}

stop_all() {
    local pid at
    at=$(now)
    for pid in ${roots[@]+"${roots[@]}"}; do
        # The processes share one session per root and die with the namespace's first process.
        kill -KILL "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
        printf '%s  {"run": "%s", "root": %d, "start": %s, "end": %s, "comms": {%s}}' "$comma" "${names[$pid]}" "$pid" \
            "${began[$pid]}" "$at" "$(labels_of "$(comms "${names[$pid]%.*}") $hog_comms")" >>"$out/labels.json"
        comma=$',\n'
    done
    roots=()
    remove "$W/run"
}
# Neighbours that session.sh starts; they are programs of the training side.
hog_comms='xz=xz sha256sum=sha256sum stress-ng-cpu=stress-ng-cpu lame=lame *=-'

all=$(sed -n 's/^w_\([a-z0-9_]*\)() .*/\1/p' "$here/workloads.sh")
of_class() {
    local name word
    for name in $all; do
        word=$(comms "$name")
        word=${word%% *}
        [ "$(class_of "${word#*=}")" != "$1" ] || echo "$name"
    done
}

comma=
printf '{"runs": [\n' >"$out/labels.json"
if [ -n "$smoke" ]; then
    [ ${#only[@]} -gt 0 ] || mapfile -t only <<<"$all"
    for name in "${only[@]}"; do
        for ((round = 0; round < rounds; round++)); do
            start "$name" $round
            pid=${roots[0]}
            sleep 3
            # What a session should hold: at least one process whose name its labels know.
            found=$(for p in $("$here/descendants.sh" "$pid"); do cat "/proc/$p/comm" 2>/dev/null || :; done | sort | uniq -c | tr -s ' \n' ' ')
            echo "$name.$round:$found"
            [ ! -s "$W/run/$name.$round.log" ] || head -n 3 "$W/run/$name.$round.log" | sed 's/^/    /'
            stop_all
        done
    done
    printf '\n]}\n' >>"$out/labels.json"
    exit 0
fi

rm -f "$out/recording"
mkdir -p "$W/runtime"
setpriv --pdeathsig KILL "$aikmd" --no-bus --mode=observe --model=rules --interval=1s --set interval_max=1s --runtime-dir="$W/runtime" --record="$out/recording" 2>"$out/aikmd.log" &
daemon=$!
sleep 3
kill -0 $daemon 2>/dev/null || { cat "$out/aikmd.log" >&2; die 'aikmd did not start'; }

for class in batch server interactive io memory idle; do mapfile -t "list_$class" < <(of_class $class); done
# nth CLASS INDEX: goes round the list; each time around is another round for the workload.
nth() {
    local -n list="list_$1"
    local i=$2 n=${#list[@]}
    start "${list[$((i % n))]}" $((i / n)) "${3-}"
}
for ((slot = first_slot; slot < slots; slot++)); do
    printf '\rslot %d of %d ' $((slot + 1)) "$slots" >&2
    tty='' hogs=''
    [ $((slot % 3)) != 1 ] || tty=t
    case $((slot % 5)) in 1) hogs=3 ;; 3) hogs=6 ;; 4) hogs=1 ;; esac
    nth server $slot "$tty$hogs"
    nth interactive $slot
    nth interactive $((slot + 20))
    nth idle $slot "$tty"
    # Every fifth slot is quiet but for its server; hogs are load enough for others.
    if [ $((slot % 5)) != 0 ]; then
        nth batch $((slot * 7 / 5)) "${tty}$([ $((slot % 4)) != 2 ] || echo n)"
        [ $((slot % 2)) != 0 ] || nth batch $((slot * 7 / 5 + 1)) "$tty"
        nth memory $((slot / 2 + slot)) "$([ -n "$tty" ] || echo t)"
    fi
    nth io $slot "$([ -n "$tty" ] || echo t)"
    sleep "$seconds"
    stop_all
done
echo >&2
printf '\n]}\n' >>"$out/labels.json"
kill -TERM $daemon
wait $daemon || die "aikmd failed: $(tail -n 1 "$out/aikmd.log")"
daemon=
ls -l "$out/recording" "$out/labels.json" >&2
