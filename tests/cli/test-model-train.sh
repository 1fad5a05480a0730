#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-model-train.sh AIKMCTL AIKM-DARKNET AIKMD SYNTHETIC-ROWS: from rows to a model that predicts, the same bytes each time, and
# nothing left of what was interrupted.
set -uo pipefail
aikmctl=$(realpath "$1") aikmd=$(realpath "$3") synthetic=$(realpath "$4")
AIKM_DARKNET=$(realpath "$2")
export AIKM_DARKNET
# shellcheck source=tests/harness/private-bus.sh
. "$(dirname "$(realpath "$0")")/../harness/private-bus.sh"
unset AIKM_MODEL_DIR
failures=0
fail() { echo "FAIL $*"; failures=$((failures + 1)); }
cd "$work" || exit 1
"$synthetic" 1800 7 >rows.csv
# The same world, its rows in other programs
"$synthetic" 1800 8 | sed 's/-\([012]\),/-own\1,/' >own.csv
train() { "$aikmctl" model train --data rows.csv --seed 5 "$@"; }

# expect STATUS TEXT COMMAND…: exit status, and what stderr must say.
expect() {
    local status=$1 text=$2 got=0
    shift 2
    "$@" >out 2>err || got=$?
    [ $got = "$status" ] || fail "$*: exit status $got, expected $status: $(cat err)"
    grep -qF -- "$text" err out || fail "$*: '$(cat out err)' does not say '$text'"
}

expect 0 'macro-F1 1.000 on its validation rows' train --epochs 2 --name good
mkdir other
expect 0 'Model good is in other/good' train --epochs 2 --name good --output other
for f in cfg weights validation.csv json; do
    cmp -s good/good.$f other/good/good.$f || fail "good.$f: two trainings with one seed differ"
done
expect 0 '"seconds_left"' train --epochs 2 --name json --json
tail -n 1 out | python3 -c 'import json, sys; d = json.load(sys.stdin); assert d["name"] == "json" and d["macro_f1"] > 0.9' || fail 'the last line of --json'

expect 0 'Model good 1 is sound.' "$aikmctl" model verify ./good
expect 0 'macro-F1 1.000 (idle 1.000' "$aikmctl" model verify good/good.json
cp -r good spoilt && printf x >>spoilt/good.weights
expect 1 'sha256' "$aikmctl" model verify spoilt/
expect 1 'gone/: No such file' "$aikmctl" model verify gone/

# Bad input changes nothing.
list() { find . -maxdepth 1 ! -name out ! -name err ! -name before ! -name after | sort; }
list >before
expect 1 'is there already' train --name good
expect 1 'gone.csv: No such file' "$aikmctl" model train --data gone.csv
expect 1 'not a plain file' "$aikmctl" model train --data /dev/zero
expect 1 'column 1 is' "$aikmctl" model train --data before
expect 2 'not a name' train --name ../x
expect 2 'takes no --data' "$aikmctl" model list --data x
expect 2 '--limit' train --limit never
expect 1 'took too long' train --limit 1 --epochs 100000 --name late
expect 1 'No such file' train --output gone
AIKM_DARKNET=/nonexistent expect 1 'aikm-darknet, which trains, is not found' train --name x
printf 'SQLite format 3\0 and no database' >torn.db
AIKM_RECORD=/nonexistent expect 1 'aikm-record, which reads the data set, is not found' "$aikmctl" model train --data torn.db
rm -f torn.db
list >after
diff before after || fail 'something was left'

# Ended by a signal in the midst of it, it leaves nothing, and nobody.
for signal in INT TERM HUP; do
    mkdir "in-$signal"
    env -C "in-$signal" "$aikmctl" model train --data ../rows.csv --epochs 100000 --name x >out 2>err &
    pid=$!
    for _ in $(seq 100); do grep -q '^epoch' err && break; sleep 0.1; done
    child=$(pgrep -P "$pid" | head -n 1)
    [ -n "$child" ] || fail "$signal: nobody trains"
    kill -s "$signal" "$pid"
    wait "$pid" && fail "$signal: ended with success"
    [ -z "$(ls -A "in-$signal")" ] || fail "$signal left $(ls -A "in-$signal")"
    grep -q interrupted err || fail "$signal: $(tail -n 1 err)"
    for _ in $(seq 50); do [ -z "$(ps -o pid= --sid "$child")" ] && break; sleep 0.1; done
    [ -z "$(ps -o pid= --sid "$child")" ] || fail "$signal: the trainer lives on"
done

# No network in there; local sockets as ever
cat >probe <<'P'
#!/usr/bin/env python3
import socket, sys
socket.socket(socket.AF_UNIX).close()
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
    try:
        socket.socket(family, socket.SOCK_RAW if family == socket.AF_NETLINK else socket.SOCK_STREAM)
        sys.exit(f'has {family!r}')
    except PermissionError:
        pass
status = open('/proc/self/status').read()
sys.exit('NoNewPrivs:\t1' in status and 'ended as it should' or 'may gain privileges')
P
chmod +x probe
AIKM_DARKNET=$work/probe expect 1 'ended as it should' train --name probed

# With a daemon: made known, used, worse refused
if [ "$(id -u)" != 0 ]; then
    echo "$failures failures; without a daemon, which needs root"
    [ $failures = 0 ]
    exit
fi
bus_start
daemon_start "$aikmd" --interval=1s --state-dir="$work/state" --config-dir="$work/conf" --mode=observe
expect 0 'Model first is installed' train --epochs 2 --name first --install
[ ! -e first ] || fail 'an installed model lies about'
expect 0 'predicts from now on' "$aikmctl" model use first
expect 0 'Model second predicts from now on' train --epochs 2 --name second --use
"$aikmctl" model list >listed
grep -Eq '^second +1 +installed +yes +1\.000' listed || fail "the list: $(cat listed)"
expect 0 'Model first predicts again' "$aikmctl" model rollback
expect 1 'fine_tuning is false' "$aikmctl" model tune --data own.csv
"$aikmctl" policy set fine_tuning=true >/dev/null
expect 0 'is no better, and was dropped' "$aikmctl" model tune --data own.csv --epochs 1
"$aikmctl" model list | grep tuned- >/dev/null && fail 'a model that is no better was kept'
daemon_stop
echo "$failures failures"
[ $failures = 0 ]
