# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests in a guest with aikmd installed: a server that waits for a CPU and hogs that take it, all in one scheduling group. A
# policy gives classes and low thresholds, and leaves what does not help as it is, so that what is predicted, how long the test's own
# shell waits and how much CPU an emulated machine gets do not matter.

scene=()
scene_demoted='0 19 19 19' scene_undone='0 0 0 0'
trap scene_end EXIT

step() { echo "== $*"; }
fail() {
    echo "${0##*/}: $*"
    systemctl status --no-pager --full --lines=30 aikmd || :
    exit 1
}
scene_start() {
    perl -e '$0 = "vm-server"; while (1) { select undef, undef, undef, 0.005; my $n = 0; $n++ while $n < 3000 }' &
    scene+=($!)
    for _ in 1 2 3; do
        perl -e '$0 = "vm-hog"; 1 while 1' &
        scene+=($!)
    done
}
scene_end() {
    [ ${#scene[@]} = 0 ] || kill "${scene[@]}" 2>/dev/null || :
    scene=()
}
scene_policy() { # on_stop, interval
    mkdir -p /etc/aikmd/policy.d
    cat >/etc/aikmd/policy.d/90-scene.json <<END
{
        "mode": "enforce", "scope": ["tree:$$"], "on_stop": "$1", "interval": "${2:-500ms}",
        "thresholds": {"contention_after": "100ms", "dwell": "100ms", "cool_down": "100ms", "delay_share": 0.001,
                       "delay_per_slice": "0s", "busy_share": 0.3, "confidence": 0.3, "changes_per_minute": 1000},
        "impact": {"undo": false, "floor_share": 0},
        "classes": {"batch": {"nice": 19}},
        "rules": [{"name": "hogs", "match": {"comm": "vm-hog"}, "class": "batch"},
                  {"name": "server", "match": {"comm": "vm-server"}, "class": "server"},
                  {"name": "the test itself", "match": {"comm": "*"}, "class": "idle"}]
}
END
}
nices() { ps -o ni= -p "$(IFS=,; echo "${scene[*]}")" | xargs; }
until_true() { # seconds, command
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.2
    done
}
nices_are() { [ "$(nices)" = "$1" ]; }
until_nices() { until_true 90 nices_are "$1" || fail "nice values are $(nices), not $1"; }

show() { systemctl show -P "$1" aikmd; }
shows() { [ "$(show "$1")" = "$2" ]; }
until_shows() { until_true 120 shows "$1" "$2" || fail "$1 is $(show "$1"), not $2"; }
# The service as it is shipped but for these lines.
override() { # lines
    mkdir -p /run/systemd/system/aikmd.service.d
    printf '%s\n' '[Service]' "$@" >/run/systemd/system/aikmd.service.d/90-test.conf
    systemctl daemon-reload
}
as_shipped() {
    rm -rf /run/systemd/system/aikmd.service.d
    systemctl daemon-reload
}
