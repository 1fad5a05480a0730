#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest without aikmd, as root, beside debs/*.deb and debian-tests/: the packages install, upgrade while the service acts, put
# everything back when they are removed, leave nothing after a purge, and install again.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
debs=${AIKM_DEBS:-$here/debs} tests=${AIKM_DEBIAN_TESTS:-$here/debian-tests}
export DEBIAN_FRONTEND=noninteractive

# shellcheck source=scene.sh
. "$here/scene.sh"
work=$(mktemp -d)
trap 'scene_end; rm -rf "$work"' EXIT

state() { # enabled or not, active or not
    local enabled active
    enabled=$(systemctl is-enabled aikmd 2>/dev/null || :) active=$(systemctl is-active aikmd || :)
    [ "$enabled $active" = "$1 $2" ] || fail "the service is $enabled and $active, not $1 and $2"
}
# Packages built on Debian 12 have units in /lib, which is a link here: dpkg of Debian 13 says that the folder stays.
complaints() {
    grep -iE 'warning|error|cannot|failed to|[1-9][0-9]* failed' "$work/dpkg.log" |
        grep -vE "directory '/lib/systemd/system' not empty"
}
install() { # files
    # dpkg -i alone: whatever the packages depend on is there, and nothing may be fetched.
    dpkg -i "$@" >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; fail "dpkg -i $* failed"; }
    ! complaints || fail "dpkg -i $* complains"
}
remove() { # how, packages
    dpkg "$@" >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; fail "dpkg $* failed"; }
    ! complaints || fail "dpkg $* complains"
}
# The same program as a package of another version.
rebuild() { # version
    rm -rf "$work/root"
    dpkg-deb -R "$debs"/aikmd_*.deb "$work/root"
    sed -i "s/^Version: .*/Version: $1/" "$work/root/DEBIAN/control"
    dpkg-deb -b --root-owner-group "$work/root" "$work/aikmd_$1.deb" >/dev/null
}

# What a package could leave: files, users, units, what buses and catalogues know. Left out is what others write meanwhile: dpkg its
# own lists, whoever runs its journal; and deb-systemd-helper's tidying of empty folders.
inventory() {
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /payload -o -path /results -o -path /var/log -o \
        -path "$work" -o -path '/var/lib/dpkg/*-old' -o -path '/tmp/systemd-private-*' -o -path '/var/tmp/systemd-private-*' -o \
        -path '/etc/systemd/system/*.target.wants' -type d -empty \) -prune -o -printf '%y %M %u:%g %p\n' | sort
    find /run -path '*aikm*' -printf '%y %M %u:%g %p\n' | sort
    sort /etc/passwd /etc/group /var/lib/dpkg/triggers/File
    dpkg-query -W -f '${Package} ${Status}\n'
    systemctl list-unit-files --no-legend --no-pager | sort
    systemctl list-units --all --no-legend --no-pager --plain 'aikm*' || :
    journalctl --list-catalog 2>/dev/null | sort
    busctl list --activatable --no-legend --no-pager | awk '/^org/ { print $1 }' | sort
}
nothing_left() {
    inventory >"$work/after"
    diff "$work/before" "$work/after" || fail "purge left (>) or took (<) this"
}

[ "$(nice)" = 0 ] || fail "runs at nice $(nice)"

inventory >"$work/before"

step "aikmctl alone"
install "$debs"/aikmctl_*.deb
"$tests/client"

step "aikmd: neither enabled nor started"
install "$debs"/aikmd_*.deb
state disabled inactive
"$tests/client" # asking does not start it either
state disabled inactive

step "it starts, serves, observes, stops"
"$tests/smoke"
state disabled inactive

step "an upgrade leaves what is stopped stopped"
rebuild 9.1
install "$work/aikmd_9.1.deb"
state disabled inactive

step "an upgrade of a service that acts"
scene_policy restore
systemctl enable --now --quiet aikmd
state enabled active
scene_start
until_nices "$scene_demoted"
old=$(systemctl show -P MainPID aikmd)
rebuild 9.2
install "$work/aikmd_9.2.deb"
state enabled active
[ "$(systemctl show -P MainPID aikmd)" != "$old" ] || fail "the old program goes on after the upgrade"
[ "$(aikmctl policy show --json | tr -d '[:space:]' | grep -o '"mode":"[a-z]*"')" = '"mode":"enforce"' ] || fail "another policy after the upgrade"
until_nices "$scene_demoted"

step "the ledger outlives an upgrade that keeps changes"
scene_policy keep
systemctl reload aikmd
rebuild 9.3
mark=$(date +%s)
install "$work/aikmd_9.3.deb"
state enabled active
journalctl -u aikmd --since "@$mark" --no-pager -o cat | grep -E 'An earlier run left changes: [1-9][0-9]* put back,.* 0 failed' ||
    fail "the new program did not put back what the old one kept"
until_nices "$scene_demoted"

step "removal stops it and puts back what policy would keep"
remove -r aikmd
nices_are "$scene_undone" || fail "nice values are $(nices) after the removal, not $scene_undone"
[ "$(systemctl show -P LoadState aikmd)" = not-found ] || fail "the unit is still there: $(systemctl show -P LoadState aikmd)"
[ "$(systemctl is-active aikmd || :)" = inactive ] || fail "still active after its removal"
! pgrep -x aikmd || fail "the daemon still runs after its removal"
[ -e /etc/aikmd/policy.d/90-scene.json ] || fail "removal took the administrator's configuration"

step "removal after a crash that nothing repaired"
install "$debs"/aikmd_*.deb
systemctl stop aikmd
RUNTIME_DIRECTORY=/run/aikmd aikmd --no-bus &
daemon=$!
until_nices "$scene_demoted"
kill -KILL $daemon
wait $daemon 2>/dev/null || :
nices_are "$scene_demoted" || fail "nice values are $(nices) after the kill"
remove -r aikmd
nices_are "$scene_undone" || fail "nice values are $(nices) after the removal, not $scene_undone"

step "purge leaves nothing"
scene_end
rm /etc/aikmd/policy.d/90-scene.json # ours, not the package's
remove -P aikmd aikmctl
nothing_left

step "it installs again, both at once"
install "$debs"/aikmd_*.deb "$debs"/aikmctl_*.deb
state disabled inactive
"$tests/smoke"
remove -P aikmd aikmctl
nothing_left
echo "package: fine"
