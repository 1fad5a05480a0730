#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh AIKMD AIKMCTL: the demo's hogs are demoted by the network's decision and put back, with every attribute of every thread as before;
# and the recording of that run gives the same decisions again.
set -euo pipefail
aikmd=$1 aikmctl=$2
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
. "$(dirname "$0")/../harness/private-bus.sh"

bus_start
daemon_start "$aikmd" --config-dir="$work/none" --record="$work/recording"
"$aikmctl" demo --json --time 2 >"$work/demo.json" || { cat "$work/demo.json" "$work/log"; echo "demo failed"; exit 1; }
python3 - "$work/demo.json" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
assert d['treated'], 'not every hog was demoted'
assert d['unchanged'], 'something is left changed'
assert d['model'] != 'rules' and len(d['model_digest']) == 64, f"decided by {d['model']}, not by the network"
hogs = [p for p in d['processes'] if p['role'] == 'hog']
server = next(p for p in d['processes'] if p['role'] == 'server')
assert len(hogs) == 6 and all(h['class'] == 'batch' and h['treated'] for h in hogs), hogs
assert server['class'] in ('server', 'interactive') and not server['treated'], server
print('demo: 6 hogs demoted as batch, server seen as', server['class'])
PY
"$aikmctl" ledger --json >"$work/ledger.json"
python3 -c 'import json, sys; l = json.load(open(sys.argv[1])); e = l if isinstance(l, list) else l["entries"]; assert not [x for x in e if x["state"] == "active"], e' "$work/ledger.json"
daemon_stop
"$aikmd" --replay="$work/recording" >"$work/replay" || { tail -n 20 "$work/replay"; exit 1; }
tail -n 1 "$work/replay"
# 6 hogs demoted and released at the least, and not one decision different.
tail -n 1 "$work/replay" | awk '{ if ($3 + 0 < 12 || $5 != 0) { print "expected at least 12 decisions, 0 different"; exit 1 } }'
