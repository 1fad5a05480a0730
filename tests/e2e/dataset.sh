#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dataset.sh AIKMD AIKMCTL AIKM-RECORD AIKM-DARKNET PAGE: the real daemon and the real recorder; what comes out of the data set is what
# the trainer makes of a recording of the same run; and the documented session, as it stands in the page.
set -euo pipefail
aikmd=$(realpath "$1") aikmctl=$(realpath "$2") record=$(realpath "$3") darknet=$(realpath "$4") page=$(realpath "$5")
here=$(dirname "$(realpath "$0")")
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
for module in pandas sklearn; do
    /usr/bin/python3 -c "import $module" 2>/dev/null || { echo "needs python3-$module"; exit 77; }
done
command -v sqlite3 >/dev/null || { echo "needs sqlite3"; exit 77; }
. "$here/../harness/private-bus.sh"
recorder='' workers=()
stop_workers() {
    [ ${#workers[@]} = 0 ] || kill "${workers[@]}" 2>/dev/null || :
    [ -z "$recorder" ] || kill "$recorder" 2>/dev/null || :
    workers=() recorder=''
    stop_all
}
trap stop_workers EXIT
fail() { echo "$*"; exit 1; }

mkdir "$work/bin"
ln -s "$aikmctl" "$record" "$darknet" "$work/bin/"
export PATH=$work/bin:$PATH AIKM_DATASET=$work/dataset.db AIKM_MODEL_DIR=$here/../../models/data
bus_start
daemon_start "$aikmd" --config-dir="$work/none" --interval=200ms --set interval_max=200ms --record="$work/recording"

# Two programs of each class, by name alone: what is tried is the way, not what they do. All in a session that is a run.
cat >"$work/work.sh" <<'W'
for class in idle batch server interactive io memory; do
    for one in a b; do
        "$1/$class-$one" -c 'while :; do sleep 0.2; done' &
    done
done
wait
W
for class in idle batch server interactive io memory; do
    for one in a b; do cp "$(command -v dash)" "$work/bin/$class-$one"; done
done
start=$(cut -d' ' -f1 /proc/uptime)
setsid bash "$work/work.sh" "$work/bin" &
root=$!
sleep 0.3
mapfile -t workers < <(ps -o pid= -s "$root")
"$record" run --database "$AIKM_DATASET" --socket "$work/run/record" --batch 1s 2>"$work/recorder.log" &
recorder=$!
sleep 20
AIKM_RECORD=$record "$aikmctl" status >"$work/status"
grep -q 'a recorder is connected, 0 ticks lost' "$work/status" || { cat "$work/status" "$work/recorder.log"; fail "the status does not show the recorder"; }
end=$(cut -d' ' -f1 /proc/uptime)
mapfile -t now < <(ps -o pid= -s "$root")
workers+=("${now[@]}")
kill "$recorder"
wait "$recorder" || { cat "$work/recorder.log"; fail "aikm-record ended with status $?"; }
recorder=
daemon_stop
kill "${workers[@]}" 2>/dev/null || :
wait "$root" 2>/dev/null || :
workers=()
[ "$(sqlite3 "$AIKM_DATASET" 'PRAGMA integrity_check')" = ok ] || fail "the data set is not whole"

# The features of the same rows, by the trainer from a recording and by export from that recording in a data set, and from what was
# recorded live: the latter knows no history from before it was connected, so only what began later is compared.
cat >"$work/labels.json" <<L
{"runs": [{"run": "run.1", "root": $root, "start": $start, "end": $end, "comms": {"sleep": null,
  "batch-?": {"program": "batch", "class": "batch"}, "server-?": {"program": "server", "class": "server"}, "*": {"program": "rest", "class": "io"}}}]}
L
cd "$work"
"$darknet" rows recording --labels labels.json -o trainer.csv 2>/dev/null || fail "aikm-darknet rows failed"
"$record" import -d imported.db recording --labels labels.json >/dev/null
"$record" export -d imported.db --label-required -o imported.csv 2>/dev/null
cmp <(sed 's/,[^,]*//3' trainer.csv | sort) <(sed 's/,[^,]*//3' imported.csv | sort) || fail "rows differ from those of the trainer"
[ "$(wc -l <imported.csv)" -gt 200 ] || fail "too few rows to compare"
echo "$(wc -l <imported.csv) rows are those of aikm-darknet rows"

# The documented session.
mkdir session
daemon_start "$aikmd" --config-dir="$work/none" --interval=200ms
cd session
"$here/blocks.py" "$page" /usr/bin/python3 || { cat "$work/log"; exit 1; }
