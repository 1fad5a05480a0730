# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by tests: a message bus and a daemon of the test's own in $work, ended when the test ends.
#   bus_start; daemon_start AIKMD OPTION...; daemon_stop

work=$(mktemp -d /tmp/aikmd-test.XXXXXX)
bus= daemon=
harness=$(dirname "${BASH_SOURCE[0]}")

stop_all() {
    [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null || :; }
    [ -z "$bus" ] || { kill "$bus" 2>/dev/null && wait "$bus" 2>/dev/null || :; }
    rm -rf "$work"
}
trap stop_all EXIT

bus_start() {
    sed "s|@socket@|$work/bus|" "$harness/../../scripts/private-bus.conf" >"$work/bus.conf"
    dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile --nosyslog 2>"$work/bus.log" &
    bus=$!
    for _ in $(seq 100); do [ -S "$work/bus" ] && break; sleep 0.05; done
    [ -S "$work/bus" ] || { cat "$work/bus.log"; echo "the private bus did not start"; exit 1; }
    export AIKM_BUS_ADDRESS=unix:path=$work/bus
}

daemon_start() { # aikmd, options
    local aikmd=$1
    shift
    "$aikmd" --runtime-dir="$work/run" "$@" 2>"$work/log" &
    daemon=$!
    for _ in $(seq 100); do
        busctl --address="$AIKM_BUS_ADDRESS" --list --acquired 2>/dev/null | grep '^org.aikm1 ' >/dev/null && return
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/log"
    echo "aikmd did not start"
    exit 1
}

daemon_stop() {
    kill "$daemon"
    wait "$daemon" || { echo "aikmd ended with status $?"; cat "$work/log"; exit 1; }
    daemon=
}
