#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From a bare Debian 12 or 13 to the main job on this machine: installs what is needed, builds, starts aikmd on a private message
# bus (nothing is installed outside the build folder, no systemd is needed), shows what it sees, runs the demo, and stays in
# `aikmctl top` where there is a terminal, else stops. The daemon observes: it changes nothing outside the demo's own processes.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo "run.sh: aikmd watches and tunes the whole machine: run this as root" >&2; exit 1; }
step() { printf '\n\033[1m== %s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }

step "Installing what is needed"
scripts/deps.sh

step "Building in build/"
[ -f build/build.ninja ] || meson setup build --buildtype=release >/dev/null
ninja -C build | tail -n 1

runtime=$(mktemp -d /run/aikmd-run.XXXXXX)
daemon= bus=
stop() {
    trap - EXIT INT TERM
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null || :
        # Whatever a killed daemon left would be put back here; after a clean stop there is nothing.
        build/daemon/aikmd --restore --runtime-dir="$runtime/aikmd" >/dev/null || :
    fi
    [ -z "$bus" ] || { kill "$bus" 2>/dev/null && wait "$bus" 2>/dev/null || :; }
    rm -rf "$runtime"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step "Starting aikmd on a message bus of its own"
sed "s|@socket@|$runtime/bus|" scripts/private-bus.conf >"$runtime/bus.conf"
dbus-daemon --config-file="$runtime/bus.conf" --nofork --nopidfile --nosyslog 2>"$runtime/bus.log" &
bus=$!
for _ in $(seq 100); do [ -S "$runtime/bus" ] && break; sleep 0.05; done
[ -S "$runtime/bus" ] || { cat "$runtime/bus.log" >&2; echo "run.sh: the private message bus did not start" >&2; exit 1; }
export AIKM_BUS_ADDRESS=unix:path=$runtime/bus
export AIKM_MODEL_DIR=$PWD/models/data AIKM_FILTER_MODEL_DIR=$PWD/build/models/data
build/daemon/aikmd --runtime-dir="$runtime/aikmd" --config-dir="$PWD/etc" 2>"$runtime/aikmd.log" &
daemon=$!
ctl=build/cli/aikmctl
for _ in $(seq 100); do "$ctl" status >/dev/null 2>&1 && break; kill -0 "$daemon" 2>/dev/null || break; sleep 0.1; done
"$ctl" status >/dev/null 2>&1 || { cat "$runtime/aikmd.log" >&2; echo "run.sh: aikmd did not start" >&2; exit 1; }
sleep 3 # a few ticks, so that there is something to show

step "What it sees"
"$ctl" status
echo
"$ctl" top --once | sed -n 1,24p

step "What it does: aikmctl demo (on processes of its own)"
"$ctl" demo

if [ -t 0 ] && [ -t 1 ]; then
    "$ctl" top
else
    step "No terminal: stopping"
fi
stop
echo "Stopped; nothing is left changed."
