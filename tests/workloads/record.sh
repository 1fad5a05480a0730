#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Records real programs for training: record.sh [--aikmd PROGRAM] [--first N] [--slots N] [--seconds N] OUTPUT-DIRECTORY
# or tries each of them for some seconds: record.sh --smoke [--together N] [--rounds N] [--only NAME]… OUTPUT-DIRECTORY
#
# Installs the packages of corpus.conf, makes what the workloads work on, starts `aikmd --record`, and runs the workloads in slots:
# alone, a few, many side by side, now and then with noisy neighbours in the same session or in another, on a terminal, or niced. Each
# lives in a session and in namespaces of its own, so that nothing is left when a slot ends and nothing listens outside.
# OUTPUT-DIRECTORY gets recording and labels.json. --first begins at a later slot: what one recording has not reached, another can.
# Exit status 1: some workload never showed a labelled process; which, stands at the end. docs/corpus.md has more.
# Takes root, two CPUs, 6 GB of disk below $TMPDIR and, with the defaults, 40 minutes and what is to be installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

die() { echo "record.sh: $*" >&2; exit 1; }
aikmd=aikmd what=slots options=()
while [ $# -gt 1 ]; do
    case $1 in
    --aikmd) aikmd=$2; shift 2 ;;
    --first | --slots | --seconds | --rounds | --together | --only) options+=("$1" "$2"); shift 2 ;;
    --smoke) what=smoke; shift ;;
    *) die "what is '$1'? See the head of the script." ;;
    esac
done
if [ $# != 1 ] || [ "${1:0:1}" = - ]; then die 'needs one OUTPUT-DIRECTORY'; fi
[ "$(id -u)" = 0 ] || die 'namespaces and the figures of every process need root'
mkdir -p "$1"
out=$(cd "$1" && pwd)

install_packages() {
    local packages policy=/usr/sbin/policy-rc.d made=
    mapfile -t packages < <(/usr/bin/python3 "$here/corpus.py" packages)
    packages+=(gcc g++ cpio iproute2 util-linux python3 vmtouch coreutils ghostscript)
    # shellcheck disable=SC2016
    mapfile -t packages < <(for p in "${packages[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
    done | sort -u)
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

daemon='' recorder=''
# shellcheck disable=SC2317 # stop() calls it, and that a trap
# The last processes of a namespace die a moment after its first, and may still write.
remove() {
    local _
    for _ in $(seq 50); do
        rm -rf "$1" 2>/dev/null && return
        sleep 0.1
    done
    rm -rf "$1"
}
# shellcheck disable=SC2317
stop() {
    trap - EXIT
    local pid
    for pid in $recorder $daemon; do kill -KILL "$pid" 2>/dev/null || :; done
    wait
    remove "$W"
}
W=$(mktemp -d "${TMPDIR:-/var/tmp}/aikm-workloads.XXXXXX")
unset TMPDIR # the users that databases run as may not write there
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export W D=$W/data PATH=$W/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games

command -v python3 >/dev/null || apt-get -qq install -y python3-minimal >/dev/null
install_packages
mkdir -p "$D" "$W/bin"
cp -r "$here/keys" "$W" # the sessions see an empty /tmp
chmod 755 "$W"
for tool in pty-drive load-drive feed-drive; do
    gcc -std=gnu11 -D_GNU_SOURCE -O2 -o "$W/bin/$tool" "$here/$tool.c" -lutil -lm
done
# shellcheck source=prepare.sh
. "$here/prepare.sh"
echo 'preparing data' >&2
# Not a condition: there, set -e counts for nothing.
(prepare) >"$W/log" 2>&1 &
wait $! || { tail -n 60 "$W/log" >&2; die 'preparing the data failed'; }
cat "$D/big" "$D/big.c" >/dev/null

# In the background, so that a signal is heard at once.
run() {
    setpriv --pdeathsig KILL /usr/bin/python3 "$here/record.py" "$what" --work "$W" "${options[@]}" "$out" &
    recorder=$!
    local status=0
    wait $recorder || status=$?
    recorder=
    return $status
}
if [ $what = smoke ]; then
    run
    exit
fi
rm -f "$out/recording"
mkdir -p "$W/runtime"
setpriv --pdeathsig KILL "$aikmd" --no-bus --mode=observe --model=rules --interval=1s --set interval_max=1s --runtime-dir="$W/runtime" --record="$out/recording" 2>"$out/aikmd.log" &
daemon=$!
sleep 3
kill -0 $daemon 2>/dev/null || { cat "$out/aikmd.log" >&2; die 'aikmd did not start'; }
status=0
run || status=$?
kill -TERM $daemon
wait $daemon || die "aikmd failed: $(tail -n 1 "$out/aikmd.log")"
daemon=
ls -l "$out/recording" "$out/labels.json" >&2
exit $status
