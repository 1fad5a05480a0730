#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# pace.sh AIKMD AIKMCTL: on a machine that seems quiet (its PSI files are the test's own) looks become rare; a client that asks, pressure, and
# a hog that others wait for bring them back; hogs are demoted and put back, and looks become rare again. What else runs on this
# machine may delay each step, so each is waited for.
set -euo pipefail
aikmd=$1 aikmctl=$2
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
. "$(dirname "$0")/../harness/private-bus.sh"
bus_start
scene=()
trap '[ ${#scene[@]} = 0 ] || kill "${scene[@]}" 2>/dev/null || :; stop_all' EXIT

# One program each time: a storm of them would be no quiet.
status_of() {
    local all key=\"$1\"
    all=$(busctl --address="$AIKM_BUS_ADDRESS" call org.aikm1 /org/aikm1 org.aikm1.Manager GetStatus)
    all=${all#*"$key" ? } # type and value follow the key
    case $all in
    '"'*) all=${all#'"'} && echo "${all%%'"'*}" ;;
    *) echo "${all%% *}" ;;
    esac
}
fail() { echo "pace.sh: $*"; "$aikmctl" status || :; cat "$work/log"; exit 1; }
until_is() { # key, value
    local got=
    for _ in $(seq 200); do
        got=$(status_of "$1")
        [ "$got" != "$2" ] || return 0
        sleep 0.3
    done
    fail "$1 is $got, not $2"
}
nices() { ps -o ni= -p "$(IFS=,; echo "${scene[*]}")" | xargs; }
until_nices() {
    for _ in $(seq 200); do [ "$(nices)" != "$1" ] || return 0; sleep 0.3; done
    fail "nice values are $(nices), not $1"
}
pressure() { # of the daemon's mount namespace: stall so far, µs
    local resource
    for resource in cpu io memory; do
        printf 'some avg10=0.00 avg60=0.00 avg300=0.00 total=%s\n' "$1" >"/proc/$daemon/root/proc/pressure/$resource"
    done
}

cat >"$work/quiet" <<END
#!/bin/sh
exec unshare -m -- sh -c 'mount -t tmpfs none /proc/pressure && for r in cpu io memory; do
    echo "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" >/proc/pressure/\$r
done && exec "\$0" "\$@"' '$aikmd' "\$@"
END
chmod +x "$work/quiet"
mkdir -p "$work/conf"
cat >"$work/conf/aikmd.json" <<END
{
        "mode": "enforce", "scope": ["tree:$$"], "interval": "100ms", "interval_max": "800ms", "model": "rules",
        "thresholds": {"contention_after": "100ms", "dwell": "100ms", "release_after": "500ms", "cool_down": "100ms",
                       "delay_share": 0.001, "delay_per_slice": "0s", "busy_share": 0.2, "changes_per_minute": 1000},
        "classes": {"batch": {}, "memory": {}, "io": {}},
        "rules": [{"name": "hogs", "match": {"comm": "pace-hog"}, "class": "batch", "treatment": {"nice": 19}},
                  {"name": "server", "match": {"comm": "pace-server"}, "class": "server"}]
}
END

daemon_start "$work/quiet" --config-dir="$work/conf"
[ "$(status_of Triggers)" = none ] || fail "it took files that are not the kernel's for pressure triggers"
[[ $(status_of TriggersReason) == *"no file of the kernel"* ]] || fail "and does not say why not"

until_is PauseUSec 800000
until_is Pace quiet
before=$(status_of Ticks)
sleep 4
after=$(status_of Ticks)
echo "stretched: $((after - before)) looks in 4 s"

"$aikmctl" ps --all --json >/dev/null
until_is Pace watched
[ "$(status_of PauseUSec)" = 100000 ] || fail "a client watches, and the pause is $(status_of PauseUSec)"
until_is PauseUSec 800000

for total in 5000000 10000000 15000000; do
    pressure $total
    sleep 0.3
done
until_is Pace pressure &
waiting=$!
for total in $(seq 20000000 1000000 140000000); do
    kill -0 $waiting 2>/dev/null || break
    pressure "$total"
    sleep 0.1
done
wait $waiting || exit 1
until_is PauseUSec 800000

# The server first, so that it is known.
for _ in 1 2; do
    taskset -c 0 bash -c 'exec -a pace-server perl -e '\''$0 = "pace-server"; while (1) { select undef, undef, undef, 0.005; my $n = 0; $n++ while $n < 3000 }'\' &
    scene+=($!)
done
for _ in 1 2 3; do
    taskset -c 0 perl -e '$0 = "pace-hog"; 1 while 1' &
    scene+=($!)
done
until_nices '0 0 19 19 19'
until_is Pace treated
[ "$(status_of PauseUSec)" = 100000 ] || fail "hogs are demoted, and the pause is $(status_of PauseUSec)"
kill "${scene[@]:0:2}"
wait "${scene[@]:0:2}" 2>/dev/null || :
scene=("${scene[@]:2}")
until_nices '0 0 0'
kill "${scene[@]}"
wait "${scene[@]}" 2>/dev/null || :
scene=()
until_is PauseUSec 800000
daemon_stop

# The kernel's own triggers, where it has them, or the reason why not.
daemon_start "$aikmd" --config-dir="$work/conf"
case $(status_of Triggers) in
psi) [ -z "$(status_of TriggersReason)" ] || fail "there are triggers, and a reason why not" ;;
none) [[ $(status_of TriggersReason) == */proc/pressure/* ]] || fail "no triggers, and no reason" ;;
*) fail "triggers is $(status_of Triggers)" ;;
esac
echo "triggers: $(status_of Triggers) $(status_of TriggersReason)"
daemon_stop
