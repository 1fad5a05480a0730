# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced, with private-bus.sh, by tests that put loads of their own on this kernel: they run in a session of their own (where sessions are
# scheduling groups, what else the machine does is in others), and what is in loads ends with the test.

[ "$(awk '{ sub(/.*\) /, ""); print $4 }' /proc/$$/stat)" = $$ ] || exec setsid -w "$0" "$@"
# shellcheck source=private-bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/private-bus.sh"

loads=()
stop_loads() {
    for pid in "${loads[@]}"; do
        kill -9 "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
    done
    loads=()
}
trap 'stop_loads; stop_all' EXIT
