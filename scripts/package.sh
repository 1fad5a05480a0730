#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# package.sh OUTDIR: builds the Debian packages from the files as they are in the work tree (what git ignores left out) and puts them,
# with .changes and .buildinfo, into OUTDIR. Does nothing where OUTDIR has those of the same files already. Runs no tests.
set -euo pipefail
[ $# = 1 ] || { echo "usage: package.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(realpath "$1")
cd "$(dirname "$0")/.."

# Everything that can end up in a package, with its mode; and who builds.
inputs() {
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard
    else
        find . \( -path './build*' -o -path './obj-*' -o -path ./debian/.debhelper \) -prune -o -type f -printf '%P\0'
    fi | LC_ALL=C sort -uz | while IFS= read -r -d '' f; do
        case $f in tests/*) continue ;; esac
        [ ! -e "$f" ] || printf '%s\0' "$f"
    done
}
digest=$({
    inputs | xargs -0 stat -c '%a %n'
    inputs | xargs -0 sha256sum
    dpkg-query -W -f '${Package} ${Version}\n' gcc clang debhelper meson libbpf-dev libsystemd-dev libcgroup-dev
} | sha256sum | cut -d' ' -f1)
exec {lock}>"$out/lock"
flock "$lock"
[ "$(cat "$out/inputs" 2>/dev/null)" != "$digest" ] || exit 0

# Beside OUTDIR, so that names move and no half-written package is ever seen there.
work=$(mktemp -d "$out/tmp.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$work/aikmd"
# With the changelog's time, so that the same files always make the same packages.
inputs | tar --null -T - --mtime="@$(dpkg-parsechangelog -S Timestamp)" -cf - | tar -C "$work/aikmd" -xf -
(
    cd "$work/aikmd"
    # No symbols packages: nobody looks for them here.
    DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)" dpkg-buildpackage -b -us -uc
) >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "package.sh: the packages were not built" >&2; exit 1; }
rm -f "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo "$out/inputs"
mv "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo "$out"
echo "$digest" >"$out/inputs"
